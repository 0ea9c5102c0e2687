"""The finite-volume method: the solve over all spans."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._values import as_count, as_floating, require
from ...adjoints.loop import TimeLoop
from ...distributions.density import Density
from ...distributions.reconstruction import CWENO3, AbstractReconstruction, unit
from ...equations.balance_law import AbstractBalanceLaw, check_walls
from ...equations.diffusion import check_diffusion
from ...equations.equation import AbstractEquation
from ...equations.fokker_planck import FokkerPlanck
from ...network import field as fields
from ..method import AbstractHeldMethod, Integrated, Options, Times, check_velocity
from ..result import Result, first_failure
from .boundary import extend, wind
from .diffusion import Diffusion, diffusion, drift_share, prepared
from .line_transpose import on_line
from .plane_diffusion import plane_diffusion
from .plane_transpose import on_plane
from .step import Span, change, more, pace, report, step, wind_at
from .transpose import transposed

# The stencil of the diffusion.
_LEAST_CELLS = 4


class FiniteVolume(AbstractHeldMethod):
    """The method of lines on cell averages: third-order reconstruction, local Lax-Friedrichs flux, SSPRK3 in time, and for
    `FokkerPlanck` diffusion of fourth order.

    - `reconstruction`: `CWENO3()`.
    - `cfl`: the Courant number of a step, max |v| dt / dx over the three stages, and with diffusion dt (max |v| / dx +
      max D / dx^2), D = nu^2 K^2 / 2. Up to 1/2 positivity costs no accuracy.
    - `positivity`: no cell gives more than it holds, so that the averages stay non-negative, to rounding. For a `MeanField` only: the
      stencil of the diffusion is not positive, and rough data, as well as a layer at a wall of less than a cell, |v| dx > D,
      may get averages below zero (`ChangCooper` has none).
    - `steps`: a static number of equal steps between two events (save times, breakpoints of the field), whatever their
      Courant number; by default the steps adapt to `cfl`. Steps always end at events, and each stage of a step uses the
      layer of that step.

    - With noise, recommended: digits on the way, smooth densities, gradients. Not recommended: densities that are steep within a
      cell, since diffusion has no limiter: next to a wall that drift presses against, |v| dx > D, and near 0 where K = x.
      On [0, 50] with 200 cells the generalised Gamma distribution with p = 0.5, A = 1, q = 0.5 is missed by 0.29 in L1
      after a uniform start, which `ChangCooper` comes to within 2e-5 of.

    - In two dimensions: on each edge velocity and density are linear functions, whose product is integrated (the product of
      their averages would be of second order); the Courant numbers along both axes add, and positivity holds as in one
      dimension. Noise acts along each axis, with the start as it is given: from jumps the order is lower than three.

    The lengths of the steps count as constants for differentiation. Section 4 of Herty, Trimborn, Visconti (2021), Eqs.
    (23) and (24), with the diffusion on cell averages (C12). Raises `ValueError` for cfl outside (0, 1] and for steps < 1,
    and for diffusion on fewer than 4 cells.

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

    def check(self, equation: AbstractBalanceLaw, initial: Density, times: Times) -> None:
        check_density(equation, initial)
        if isinstance(equation, FokkerPlanck) and min(initial.grid.shape) < _LEAST_CELLS:
            along = " along each axis" if initial.grid.dimension > 1 else ""
            raise ValueError(f"diffusion needs at least {_LEAST_CELLS} cells{along}, the grid has {initial.grid.cells}")

    def rate_of_change(self, equation: AbstractBalanceLaw, distribution: Density, t: Float[Array, ""]) -> Array:
        return rate_of_change(self, equation, distribution, t)

    def integrate(self, equation: AbstractBalanceLaw, initial: Density, times: Times, options: Options) -> Integrated:
        grid = initial.grid
        check_velocity(equation.field, grid.lower)
        plan = times.split(equation.field)
        # The solve runs in the unit of the reconstruction, which keeps float32 in range and the hot loop free of a
        # division.
        spread = diffusion(equation, grid) if grid.dimension == 1 else plane_diffusion(equation, grid)
        scale = unit(initial.mass, grid.length)
        start = initial.values / scale
        if isinstance(spread, Diffusion):
            winds = jnp.maximum(*(wind(equation, grid, t).courant for t in (times.t0, times.t1)))
            drift = drift_share(spread, winds[2:-2])
            # Where diffusion is resolved nothing is too steep for a parabola.
            # By its place: what is computed twice may differ in the last digit, and then no element is the maximum.
            gentle = jnp.maximum(drift[jnp.argmax(drift)], jnp.finfo(drift.dtype).eps ** 0.5) ** -2
            start, scale = prepared(self.reconstruction, start, drift) / gentle, scale * gentle
        loop = TimeLoop(
            step,
            more,
            report if options.progress else None,
            functools.partial(transposed, on_line if grid.dimension == 1 else on_plane),
        )

        # The stencil of the diffusion is not positive: no clip would make the whole so.
        positivity = self.positivity and spread is None

        def span(carry: tuple, ends: tuple) -> tuple:
            (t, count), state = carry
            start, end = ends
            # Inside a span there are no breakpoints: layers become constants, and a wind that does not change is
            # computed once.
            field = fields.frozen(equation.field, 0.5 * (start + end))
            piece = eqx.tree_at(lambda equation: equation.field, equation, field)
            steady = wind_at(piece, grid, start) if fields.autonomous(equation.field) else None
            args = Span(
                self.reconstruction,
                positivity,
                self.cfl,
                self.steps,
                piece,
                grid,
                steady,
                spread,
                start,
                end,
                times,
                options.max_steps,
            )
            # A solve that has stalled stays so: its time is NaN.
            clock = (jnp.where(jnp.isnan(t), t, start), count)
            clock, state = options.adjoint.loop(loop, clock, state, args, spans=plan.ends.shape[0], steps=self.steps)
            return (clock, state), (clock[0], state)

        clock = (times.t0, jnp.zeros((), jnp.int32))
        (clock, final), (reached, states) = jax.lax.scan(span, (clock, extend(start)), (plan.starts, plan.ends))
        short = jnp.any(reached < plan.ends)

        def at(t: Array, state: Array) -> Array:
            return jnp.where(t > times.t0, scale * state, extend(initial.values))

        saved = jax.vmap(at)(plan.ends[plan.saved], states[plan.saved])
        return package(initial, saved, at(times.t1, final), clock, short)


def rate_of_change(
    method: FiniteVolume, equation: AbstractBalanceLaw, density: Density, t: Float[Array, ""]
) -> Float[Array, "*cells"]:
    """What the fluxes of the method make of the averages at time t, those of a step at its Courant number."""
    grid = density.grid
    spread = diffusion(equation, grid) if grid.dimension == 1 else plane_diffusion(equation, grid)
    scale = unit(density.mass, grid.length)
    blowing = wind_at(equation, grid, t)
    span = Span(
        method.reconstruction,
        method.positivity and spread is None,
        method.cfl,
        None,
        equation,
        grid,
        blowing,
        spread,
        t,
        t,
        Times(t, t, None),
        None,
    )
    fastest = jax.lax.stop_gradient(pace(span, blowing))
    dt = method.cfl / jnp.where(fastest > 0, fastest, jnp.ones_like(fastest))
    inside = (slice(1, -1),) * grid.dimension
    return change(span, jnp.ones((), bool), extend(density.values / scale), blowing, dt)[inside] * (scale / dt)


def package(initial: Density, states: Array, final: Array, clock: tuple, short: Array) -> Integrated:
    """What a solve gives, from its averages with a cell at either end for what has left, and from a clock that begins with
    the time reached, NaN where the solve has stalled, and the number of steps."""
    grid = initial.grid
    inside = (slice(1, -1),) * grid.dimension
    averages = states[:, *inside]
    lost = jnp.sum(final.at[inside].set(0)) * grid.volume
    density = Density(grid, final[inside])
    stats = {
        "steps": clock[1],
        "mass_drift": jnp.abs(density.mass + lost - initial.mass) / initial.mass,
        "mass_lost": lost,
        "smallest_average": jnp.minimum(jnp.min(averages), jnp.min(density.values)),
    }
    finite = jnp.all(jnp.isfinite(final))
    result = first_failure(
        [(~finite, Result.not_finite), (jnp.isnan(clock[0]), Result.stalled), (short, Result.max_steps_reached)]
    )
    return Integrated(jax.vmap(lambda values: Density(grid, values))(averages), density, stats, result)


def check_density(equation: AbstractEquation, initial: Density) -> None:
    """Raises `ValueError` if dimensions, walls, diffusion and grid do not go together."""
    dimension = getattr(equation.field, "dimension", initial.dimension)
    if dimension != initial.dimension:
        raise ValueError(f"the field has dimension {dimension} and the grid {initial.dimension}")
    check_walls(equation, initial.grid)
    if isinstance(equation, FokkerPlanck):
        check_diffusion(equation.diffusion, initial.grid)
