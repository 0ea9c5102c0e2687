"""The finite-volume method: steps, their lengths, and the solve over all spans."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._values import as_count, as_floating, require
from ...adjoints.fence import fenced
from ...adjoints.lockstep import any_member
from ...adjoints.loop import TimeLoop
from ...distributions.density import Density
from ...distributions.grid import Grid
from ...distributions.reconstruction import CWENO3, AbstractReconstruction, threshold, unit
from ...equations.balance_law import AbstractBalanceLaw
from ...network import field as fields
from .. import progress
from ..method import AbstractMethod, Integrated, Options, Times, check_velocity, spans
from ..result import Result, first_failure
from .boundary import Wind, extend, wind, with_ghosts
from .flux import upwind_flux
from .ssprk3 import STAGES, step_ssprk3


class FiniteVolume(AbstractMethod):
    """The method of lines on cell averages: third-order reconstruction, local Lax-Friedrichs flux, SSPRK3 in time.

    - `reconstruction`: `CWENO3()`.
    - `cfl`: the Courant number of a step, max |v| dt / dx over the three stages. Up to 1/2 positivity costs no
      accuracy.
    - `positivity`: no cell gives more than it holds, so that the averages stay non-negative.
    - `steps`: a static number of equal steps between two events (save times, breakpoints of the field), whatever their
      Courant number; by default the steps adapt to `cfl`. Steps always end at events, and each stage of a step uses the
      layer of that step.

    The lengths of the steps count as constants for differentiation. Section 4 of Herty, Trimborn, Visconti (2021), Eqs.
    (23) and (24). Raises `ValueError` for cfl outside (0, 1] and for steps < 1.

    >>> FiniteVolume(steps=100).steps
    100
    """

    reconstruction: AbstractReconstruction = CWENO3()
    cfl: Float[Array, ""] = eqx.field(converter=as_floating, default=0.45)
    positivity: bool = eqx.field(static=True, default=True)
    steps: int | None = eqx.field(
        static=True, default=None, converter=lambda steps: None if steps is None else as_count(steps, "steps")
    )

    def __check_init__(self):
        require(lambda: 0 < self.cfl <= 1, lambda: f"cfl must be in (0, 1], got {self.cfl}", self.cfl)

    def check(self, equation: AbstractBalanceLaw, initial: Density) -> None:
        check_density(equation, initial)

    def integrate(self, equation: AbstractBalanceLaw, initial: Density, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.values[0])
        grid = initial.grid
        plan = spans(equation.field, times)
        # The solve runs in the unit of the reconstruction, which keeps float32 in range and the hot loop free of a
        # division.
        scale = unit(initial.mass, grid.length)
        loop = TimeLoop(_step, _more, _report if options.progress else None)

        def span(carry: tuple, ends: tuple) -> tuple:
            (t, count), state = carry
            start, end = ends
            # Inside a span there are no breakpoints: layers become constants, and a wind that does not change is
            # computed once.
            field = fields.frozen(equation.field, 0.5 * (start + end))
            piece = eqx.tree_at(lambda equation: equation.field, equation, field)
            steady = wind(piece, grid, start) if fields.autonomous(equation.field) else None
            args = _Span(self, piece, grid, steady, end, times, options.max_steps)
            # A solve that has stalled stays so: its time is NaN.
            clock = (jnp.where(jnp.isnan(t), t, start), count)
            clock, state = options.adjoint.loop(loop, clock, state, args, spans=plan.ends.shape[0], steps=self.steps)
            return (clock, state), (clock[0], state)

        clock = (times.t0, jnp.zeros((), jnp.int32))
        (clock, final), (reached, states) = jax.lax.scan(
            span, (clock, extend(initial.values / scale)), (plan.starts, plan.ends)
        )
        short = jnp.any(reached < plan.ends)
        return _package(initial, scale * states[plan.saved], scale * final, clock, short)


# Of a solve whose field depends on time.
_LEAST_STEPS = 64


class _Span(NamedTuple):
    """What the steps between two events need to know."""

    method: FiniteVolume
    equation: AbstractBalanceLaw
    grid: Grid
    steady: Wind | None
    end: Float[Array, ""]
    times: Times
    max_steps: int | None


_Clock = tuple[Array, Array]


def _more(span: _Span, k: Array, clock: _Clock) -> Array:
    t, count = clock
    more = t < span.end if span.method.steps is None else (k < span.method.steps) & (t < span.end)
    return more if span.max_steps is None else more & (count < span.max_steps)


def _step(span: _Span, k: Array, clock: _Clock, state: Array) -> tuple[_Clock, Array]:
    """One step from the clock's time; of length 0 for a member of a batch that is at the end already."""
    t, count = clock
    always = k >= 0
    left, dt, winds = _length(span, k, clock, always)

    def flux(padded: Array, wind: Wind, dt: Array) -> Array:
        method, epsilon = span.method, threshold(span.grid.cells)
        return upwind_flux(method.reconstruction, epsilon, method.positivity, padded, wind, dt)

    def increment(stage: int, state: Array) -> Array:
        through = fenced(always, flux, with_ghosts(state), winds[stage], dt)
        return through[:-1] - through[1:]

    # Steps too short to change t would go on for ever: NaN ends the loop and is reported as stalled.
    resolved = dt > jnp.finfo(t.dtype).eps * jnp.maximum(jnp.abs(t), jnp.abs(span.end))
    arrival = jnp.where(left <= 1, span.end, jnp.where(resolved, t + dt, jnp.full_like(t, jnp.nan)))
    going = _more(span, k, clock)
    clock = (jnp.where(going, jax.lax.stop_gradient(arrival), t), count + going.astype(count.dtype))
    return clock, step_ssprk3(increment, state)


def _length(span: _Span, k: Array, clock: _Clock, always: Array) -> tuple[Array, Array, tuple[Wind, ...]]:
    """The number of equal steps left, the length of the next one, and the wind at its three stages."""
    t, rest = clock[0], span.end - clock[0]
    going = _more(span, k, clock)

    def length(left: Array) -> Array:
        return jax.lax.stop_gradient(jnp.where(going, rest / left, jnp.zeros_like(t)))

    def wind_at(time: Array) -> Wind:
        return fenced(always, lambda time: wind(span.equation, span.grid, time), time)

    def stages(dt: Array) -> tuple[Wind, ...]:
        if span.steady is not None:
            return (span.steady,) * (len(STAGES) - 1)
        return tuple(wind_at(t + stage * dt) for stage in STAGES[1:])

    now = wind_at(t) if span.steady is None else span.steady
    if span.method.steps is not None:
        left = jnp.asarray(span.method.steps - k, t.dtype)
        dt = length(left)
        return left, dt, (now, *stages(dt))
    left = _steps_left(now.fastest, rest, span.method.cfl)
    if span.steady is None:
        # However calm it is now: no step is longer than this share of the whole.
        left = jnp.maximum(left, jnp.ceil(rest * _LEAST_STEPS / (span.times.t1 - span.times.t0)))
    dt = length(left)
    later = stages(dt)
    if span.steady is None:
        # The wind may grow or turn during the step: its stages decide on its length, and are evaluated again if they ask
        # for a shorter step.
        left = jax.lax.stop_gradient(_steps_for(span, rest, dt, (now, *later)))
        dt, trial = length(left), dt
        later = jax.lax.cond(any_member(dt < trial), stages, lambda _: later, dt)
    return left, dt, (now, *later)


def _report(span: _Span, k: Array, clock: _Clock) -> None:
    progress.report(k, (clock[0] - span.times.t0) / (span.times.t1 - span.times.t0))


def _package(initial: Density, states: Array, final: Array, clock: _Clock, short: Array) -> Integrated:
    grid = initial.grid
    averages = states[:, 1:-1]
    lost = (final[0] + final[-1]) * grid.width
    density = Density(grid, final[1:-1])
    stats = {
        "steps": clock[1],
        "mass_drift": jnp.abs(density.mass + lost - initial.mass) / initial.mass,
        "mass_lost": lost,
        "smallest_average": jnp.minimum(jnp.min(averages), jnp.min(final[1:-1])),
    }
    finite = jnp.all(jnp.isfinite(final))
    result = first_failure(
        [(~finite, Result.not_finite), (jnp.isnan(clock[0]), Result.stalled), (short, Result.max_steps_reached)]
    )
    return Integrated(jax.vmap(lambda values: Density(grid, values))(averages), density, stats, result)


def _steps_for(span: _Span, rest: Array, dt: Array, winds: tuple[Wind, ...]) -> Array:
    """How many steps are left if none may be faster than the Courant number at any stage of one of length dt, nor carry
    mass further than quadrature in time resolves.

    The second difference of the wind over its stages is the difference of the trapezoidal rule and Simpson's, whose
    weights are those of SSPRK3. Where it is below (dx / l)^(5/4) cells, dt falls like dx^(3/4) at least: third order.
    """
    now, end, middle = (wind.sign * wind.courant for wind in winds)
    fastest = jnp.max(jnp.stack([wind.fastest for wind in winds]))
    bent = jnp.max(jnp.abs(now + end - 2 * middle)) * dt / 3
    allowed = threshold(span.grid.cells) ** 0.625
    shorter = jnp.maximum(bent / allowed, 1) ** (1 / 3)
    by_change = jnp.ceil(rest * shorter / jnp.where(dt > 0, dt, jnp.ones_like(dt)) - 1e-3)
    return jnp.maximum(_steps_left(fastest, rest, span.method.cfl), by_change)


def _steps_left(fastest: Array, rest: Array, cfl: Array) -> Array:
    """How many equal steps of at most this Courant number cover the rest; the tolerance keeps rounding from adding
    one."""
    return jnp.maximum(jnp.ceil(fastest * rest / cfl - 1e-3), 1)


def check_density(equation: AbstractBalanceLaw, initial: Density) -> None:
    """Raises `ValueError` if dimensions, walls and grid do not go together."""
    dimension = getattr(equation.field, "dimension", 1)
    if dimension != initial.grid.dimension:
        raise ValueError(f"the field has dimension {dimension} and the grid {initial.grid.dimension}")
    require(
        lambda: not np.any(walls_off_grid(equation, initial.grid)),
        lambda: (
            f"the walls {_show(equation.walls)} are not at the ends of the grid [{initial.grid.lower}, {initial.grid.upper}]"
        ),
        (equation.walls, initial.grid),
    )


def walls_off_grid(equation: AbstractBalanceLaw, grid: Grid) -> Array:
    """Whether a wall is not at its end of the grid, to 1e-9 of the width or what the float type resolves."""
    low, high = equation.walls or (None, None)
    # float32 cannot place a wall to 1e-9 of the width.
    tolerance = grid.length * max(1e-9, 4 * float(jnp.finfo(grid.lower.dtype).eps))
    off = [jnp.abs(wall - end) > tolerance for wall, end in ((low, grid.lower), (high, grid.upper)) if wall is not None]
    return jnp.any(jnp.stack(off)) if off else jnp.zeros((), bool)


def _show(walls: Any) -> str:
    return str(tuple(None if wall is None else float(wall) for wall in walls))
