"""One step of the finite-volume method, and how long it is."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...adjoints.fence import fenced
from ...adjoints.lockstep import any_member
from ...distributions.grid import Grid
from ...distributions.reconstruction import AbstractReconstruction, threshold
from ...equations.balance_law import AbstractBalanceLaw
from .. import progress
from ..method import Times
from .boundary import Wind, wind, with_ghosts
from .diffusion import diffused
from .flux import upwind_flux
from .plane import EdgeWind, PlaneWind, edge_flux, gathered, plane_wind, with_frame
from .plane_diffusion import AxisDiffusion, spread_through
from .ssprk3 import STAGES, step_ssprk3

# Of a solve whose field depends on time.
_LEAST_STEPS = 64


class Span(NamedTuple):
    """What the steps between two events need to know."""

    reconstruction: AbstractReconstruction
    positivity: bool
    cfl: Float[Array, ""]
    steps: int | None
    equation: AbstractBalanceLaw
    grid: Grid
    steady: Any
    diffusion: Any
    start: Float[Array, ""]
    end: Float[Array, ""]
    times: Times
    max_steps: int | None


Clock = tuple[Array, Array]


def more(span: Span, k: Array, clock: Clock) -> Array:
    """Whether there are steps left."""
    t, count = clock
    more = t < span.end if span.steps is None else (k < span.steps) & (t < span.end)
    return more if span.max_steps is None else more & (count < span.max_steps)


def step(span: Span, k: Array, clock: Clock, state: Array) -> tuple[Clock, Array]:
    """One step from the clock's time; of length 0 for a member of a batch that is at the end already."""
    t, count = clock
    always = k >= 0
    left, dt, winds = length(span, k, clock, always)

    def increment(stage: int, state: Array) -> Array:
        return change(span, always, state, winds[stage], dt)

    # Steps too short to change t would go on for ever: NaN ends the loop and is reported as stalled.
    resolved = dt > jnp.finfo(t.dtype).eps * jnp.maximum(jnp.abs(t), jnp.abs(span.end))
    arrival = jnp.where(left <= 1, span.end, jnp.where(resolved, t + dt, jnp.full_like(t, jnp.nan)))
    going = more(span, k, clock)
    clock = (jnp.where(going, jax.lax.stop_gradient(arrival), t), count + going.astype(count.dtype))
    return clock, step_ssprk3(increment, state)


def change(
    span: Span, always: Array, state: Float[Array, "*extended"], wind: Wind | PlaneWind, dt: Float[Array, ""]
) -> Float[Array, "*extended"]:
    """dt times the rate of change of the averages, and of what has left."""
    if isinstance(wind, PlaneWind):
        return _plane_change(span, always, state, wind, dt)

    def flux(padded: Array, wind: Wind, dt: Array) -> Array:
        return upwind_flux(span.reconstruction, threshold(span.grid.cells), span.positivity, padded, wind, dt)

    padded = with_ghosts(state)
    through = fenced(always, flux, padded, wind, dt)
    if span.diffusion is not None:
        through = through + fenced(always, diffused, span.diffusion, padded, dt)
    return through[:-1] - through[1:]


def _plane_change(
    span: Span, always: Array, state: Float[Array, "extended_x extended_y"], wind: PlaneWind, dt: Float[Array, ""]
) -> Float[Array, "extended_x extended_y"]:
    framed = with_frame(state)

    def through(axis: int) -> Array:
        def flux(framed: Array, wind: EdgeWind, dt: Array) -> Array:
            return edge_flux(span.reconstruction, span.positivity, framed, wind, axis, dt)

        def spread(framed: Array, diffusion: AxisDiffusion, dt: Array) -> Array:
            return spread_through(diffusion, framed, axis, dt)

        carried = fenced(always, flux, framed, wind.axes[axis], dt)
        if span.diffusion is None:
            return carried
        return carried + fenced(always, spread, framed, span.diffusion.axes[axis], dt)

    return gathered(through(0), through(1))


def wind_at(equation: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> Wind | PlaneWind:
    """The velocity at the faces of the cells at time t."""
    return wind(equation, grid, t) if grid.dimension == 1 else plane_wind(equation, grid, t)


def length(span: Span, k: Array, clock: Clock, always: Array) -> tuple[Array, Array, tuple[Any, ...]]:
    """The number of equal steps left, the length of the next one, and the wind at its three stages."""
    t, rest = clock[0], span.end - clock[0]
    going = more(span, k, clock)

    def duration(left: Array) -> Array:
        return jax.lax.stop_gradient(jnp.where(going, rest / left, jnp.zeros_like(t)))

    def blowing(time: Array) -> Wind | PlaneWind:
        return fenced(always, lambda time: wind_at(span.equation, span.grid, time), time)

    def stages(dt: Array) -> tuple[Any, ...]:
        if span.steady is not None:
            return (span.steady,) * (len(STAGES) - 1)
        return tuple(blowing(t + stage * dt) for stage in STAGES[1:])

    now = blowing(t) if span.steady is None else span.steady
    if span.steps is not None:
        left = jnp.asarray(span.steps - k, t.dtype)
        dt = duration(left)
        return left, dt, (now, *stages(dt))
    left = _steps_left(pace(span, now), rest, span.cfl)
    if span.steady is None:
        # However calm it is now: no step is longer than this share of the whole.
        left = jnp.maximum(left, jnp.ceil(rest * _LEAST_STEPS / (span.times.t1 - span.times.t0)))
    dt = duration(left)
    later = stages(dt)
    if span.steady is None:
        # The wind may grow or turn during the step: its stages decide on its length, and are evaluated again if they ask
        # for a shorter step.
        left = jax.lax.stop_gradient(_steps_for(span, rest, dt, (now, *later)))
        dt, trial = duration(left), dt
        later = jax.lax.cond(any_member(dt < trial), stages, lambda _: later, dt)
    return left, dt, (now, *later)


def pace(span: Span, wind: Wind | PlaneWind) -> Float[Array, ""]:
    """The Courant number per unit of time. Those of transport and of diffusion add: a step at either limit alone is
    unstable."""
    return wind.fastest if span.diffusion is None else wind.fastest + span.diffusion.fastest


def report(span: Span, k: Array, clock: Clock) -> None:
    """Moves the progress bar."""
    progress.report(k, (clock[0] - span.times.t0) / (span.times.t1 - span.times.t0))


def _steps_for(span: Span, rest: Array, dt: Array, winds: tuple[Any, ...]) -> Array:
    """How many steps are left if none may be faster than the Courant number at any stage of one of length dt, nor carry
    mass further than quadrature in time resolves.

    The second difference of the wind over its stages is the difference of the trapezoidal rule and Simpson's, whose
    weights are those of SSPRK3. Where it is below (dx / l)^(5/4) cells, dt falls like dx^(3/4) at least: third order.
    """
    fastest = jnp.max(jnp.stack([pace(span, wind) for wind in winds]))
    by_axis = zip(*(wind.axes if isinstance(wind, PlaneWind) else (wind,) for wind in winds), strict=True)
    speeds = ([wind.sign * wind.courant for wind in stages] for stages in by_axis)
    bent = sum(jnp.max(jnp.abs(now + end - 2 * middle)) for now, end, middle in speeds) * dt / 3
    allowed = threshold(max(span.grid.shape)) ** 0.625
    shorter = jnp.maximum(bent / allowed, 1) ** (1 / 3)
    by_change = jnp.ceil(rest * shorter / jnp.where(dt > 0, dt, jnp.ones_like(dt)) - 1e-3)
    return jnp.maximum(_steps_left(fastest, rest, span.cfl), by_change)


def _steps_left(fastest: Array, rest: Array, cfl: Array) -> Array:
    """How many equal steps of at most this Courant number cover the rest; the tolerance keeps rounding from adding
    one."""
    return jnp.maximum(jnp.ceil(fastest * rest / cfl - 1e-3), 1)
