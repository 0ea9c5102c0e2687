"""Fokker-Planck on a density, implicitly."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._values import as_count
from ..adjoints.loop import TimeLoop
from ..distributions.density import Density
from ..distributions.grid import Grid
from ..distributions.reconstruction import unit
from ..equations.balance_law import AbstractBalanceLaw
from ..network import field as fields
from . import progress
from .finite_volume.boundary import extend
from .finite_volume.scheme import check_density, package
from .method import AbstractHeldMethod, Integrated, Options, Times, check_line, check_velocity, with_field
from .rates import Rates, rates, step_implicitly
from .tolerances import as_tolerance

# The first step is this part of the whole. The next one is at most so many times longer, and at least that part of it.
_FIRST_STEPS, _LONGER, _SHORTER = 1000, 5.0, 0.2


class ChangCooper(AbstractHeldMethod):
    """The implicit scheme of Chang and Cooper (doi:10.1016/0021-9991(70)90001-X) for Eq. (21) of Herty, Trimborn, Visconti
    (2021): exponentially fitted fluxes between cell averages and the backward Euler method.

    - `tolerance`: the error of a step in L1, relative to the mass, by comparing it with two of half the length, which are
      what is kept. Steps grow as the solution settles. Errors of steps add up at most, since the scheme contracts in L1,
      and are forgotten on the way to a steady state.
    - `steps`: a static number of equal steps between two events (save times, breakpoints of the field) instead.

    First order in time, and second order in dx once cells resolve what balances drift and diffusion, |v| dx < D; where
    drift outweighs diffusion within a cell it is the upwind scheme, of first order, also with nu = 0 and where K is 0. The
    averages of `equation.steady_state(grid)` do not change, to rounding. For any length of a step averages stay positive,
    mass is conserved, and the relative entropy to the steady state does not increase: what a backward Euler step keeps and
    no linear scheme of higher order does.

    - Recommended: steady states and the way there, stiff noise, densities that must not be negative.
    - Not recommended: digits in between. An error in time of 1e-4 takes thousands of steps, `FiniteVolume` is of third order.

    A face at a wall has no flux; at an open end what gets to the last face is gone. A field that depends on time counts at
    the end of each step. K is evaluated inside the cells too. The lengths of steps count as constants for differentiation:
    `CheckpointAdjoint` and `ForwardMode` give the derivative of the scheme, but for a share of about eps dt D / dx^2 of it, and
    `TransportAdjoint` raises `TypeError`. Raises `ValueError`
    for a tolerance that is not positive and finite, for steps < 1, and for a K that is negative or not finite
    on the grid.

    >>> import kinetic_nde as kn
    >>> grid = kn.Grid(-8.0, 8.0, 400)
    >>> equation = kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=2**0.5)
    >>> solution = kn.solve(equation, kn.Density.uniform(-1.0, -0.5, grid), t1=20.0, method=ChangCooper())
    >>> distance = jnp.abs(solution.final.values - kn.Density.gaussian(0.0, 1.0, grid).values)
    >>> bool(jnp.sum(distance) * grid.width < 1e-6)
    True
    """

    tolerance: Float[Array, ""] = eqx.field(converter=as_tolerance("tolerance"), default=1e-4)
    steps: int | None = eqx.field(
        static=True, default=None, converter=lambda steps: None if steps is None else as_count(steps, "steps")
    )

    def check(self, equation: AbstractBalanceLaw, initial: Density, times: Times) -> None:
        check_line(self, initial)
        check_density(equation, initial)

    def rate_of_change(self, equation: AbstractBalanceLaw, distribution: Density, t: Float[Array, ""]) -> Array:
        exchange, state = rates(equation, distribution.grid, t), extend(distribution.values)
        through = exchange.rightwards * state[:-1] - exchange.leftwards * state[1:]
        return through[:-1] - through[1:]

    def integrate(self, equation: AbstractBalanceLaw, initial: Density, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.values[0])
        # A continuous adjoint has no counterpart here, as in other methods that ask for this: it raises TypeError.
        _ = options.adjoint.ode
        grid = initial.grid
        plan = times.split(equation.field)
        scale = unit(initial.mass, grid.length)
        loop = TimeLoop(_step, _more, _report if options.progress else None)

        def span(carry: tuple, ends: tuple) -> tuple:
            (t, *counts), state = carry
            start, end = ends
            law = with_field(equation, fields.frozen(equation.field, 0.5 * (start + end)))
            steady = rates(law, grid, start) if fields.autonomous(equation.field) else None
            args = _Span(self.tolerance, self.steps, law, grid, steady, end, times, options.max_steps)
            # A solve that has stalled stays so: its time is NaN.
            clock = (jnp.where(jnp.isnan(t), t, start), *counts)
            clock, state = options.adjoint.loop(loop, clock, state, args, spans=plan.ends.shape[0], steps=self.steps)
            return (clock, state), (clock[0], state)

        clock = (times.t0, jnp.zeros((), jnp.int32), jax.lax.stop_gradient(times.t1 - times.t0) / _FIRST_STEPS)
        (clock, final), (reached, states) = jax.lax.scan(
            span, (clock, extend(initial.values / scale)), (plan.starts, plan.ends)
        )
        return package(initial, scale * states[plan.saved], scale * final, clock[:2], jnp.any(reached < plan.ends))


class _Span(NamedTuple):
    """What the steps between two events need to know."""

    tolerance: Float[Array, ""]
    steps: int | None
    law: AbstractBalanceLaw
    grid: Grid
    steady: Rates | None
    end: Float[Array, ""]
    times: Times
    max_steps: int | None


# The time, the number of steps, and the length that the next one would have if nothing ended it.
_Clock = tuple[Array, Array, Array]


def _more(span: _Span, k: Array, clock: _Clock) -> Array:
    t, count, _ = clock
    more = t < span.end if span.steps is None else (k < span.steps) & (t < span.end)
    return more if span.max_steps is None else more & (count < span.max_steps)


def _report(span: _Span, k: Array, clock: _Clock) -> None:
    progress.report(k, (clock[0] - span.times.t0) / (span.times.t1 - span.times.t0))


def _step(span: _Span, k: Array, clock: _Clock, state: Array) -> tuple[_Clock, Array]:
    """One step, or none where its error is too large; of length 0 for a member of a batch that is at the end already."""
    t, count, wanted = clock
    going, rest = _more(span, k, clock), span.end - t
    left = jnp.asarray(span.steps - k, t.dtype) if span.steps is not None else jnp.ceil(rest / wanted - 1e-3)
    left = jnp.maximum(left, 1)
    dt = jax.lax.stop_gradient(jnp.where(going, rest / left, jnp.zeros_like(t)))

    def rates_at(time: Array) -> Rates:
        return rates(span.law, span.grid, time) if span.steady is None else span.steady

    last = rates_at(t + dt)
    if span.steps is not None:
        after, accepted = step_implicitly(last, dt, state), jnp.ones((), bool)
    else:
        # The whole step and the first half of it side by side, which takes as long as one of them.
        first = rates_at(t + 0.5 * dt)
        both = jax.tree.map(lambda *each: jnp.stack(each), last, first)
        lengths = jnp.stack([dt, 0.5 * dt])
        whole, half = jax.vmap(step_implicitly, (0, 0, None))(both, lengths, state)
        after = step_implicitly(last, 0.5 * dt, half)
        # What is not finite is kept, and reported.
        error = jax.lax.stop_gradient(jnp.sum(jnp.abs(after - whole)) / jnp.sum(state))
        tolerance = jax.lax.stop_gradient(jnp.maximum(span.tolerance, 64 * float(jnp.finfo(t.dtype).eps)))
        accepted = ~(error > tolerance)
        best = 0.9 * dt * jnp.sqrt(tolerance / jnp.maximum(error, jnp.finfo(t.dtype).tiny))
        # An error that is next to nothing says little about steps much longer than this one.
        following = jnp.clip(best, _SHORTER * dt, jnp.maximum(_LONGER * dt, wanted))
        wanted = jnp.where(going, following, wanted)
    arrival = jnp.where(left <= 1, span.end, t + dt)
    # Steps too short to change t would go on for ever: NaN ends the loop and is reported as stalled.
    arrival = jnp.where(t + dt > t, jnp.where(accepted, arrival, t), jnp.full_like(t, jnp.nan))
    taken = going & accepted
    clock = (jnp.where(going, jax.lax.stop_gradient(arrival), t), count + taken.astype(count.dtype), wanted)
    return clock, jnp.where(accepted, after, state)
