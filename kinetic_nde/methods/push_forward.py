"""The linear Boltzmann equation on a density."""

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
from ..equations.boltzmann import Boltzmann, out_of_bounds
from ..equations.diffusion import check_shape
from ..network import field as fields
from . import progress
from .finite_volume.boundary import extend
from .finite_volume.scheme import check_density, package
from .method import AbstractHeldMethod, Integrated, Options, Times, check_line, check_velocity, with_field
from .result import Result
from .transfer import collide, transfer

# Collisions per step of the Runge-Kutta method, and steps beyond that.
_COLLISIONS_PER_STEP, _STEPS = 0.1, 32


class PushForward(AbstractHeldMethod):
    """The linear Boltzmann equation (19) of Herty, Trimborn, Visconti (2021) in one dimension without random numbers,

        d_t g = rate (G(t) g - g),   G g the law of x* = x + eps v(t, x) + sqrt(eps) nu K(x) xi with x from g:

    each cell is carried along by x + eps v and spread by the noise, in closed form. G is a matrix over the cells.

    - In time, where the field does not change between two events (save times, breakpoints of the field): the sum of Wild
      (1951) over the number of collisions, g(t + h) = sum_k e^-z z^k / k! G^k g with z = rate h. No error in time.
    - `steps`: for a field that depends on t otherwise, or does not promise by `autonomous` not to, a static number of equal
      steps between two events. Each is one of the classical Runge-Kutta method, of order 4, for e^(rate t) g. By default
      32 and 10 more per collision, with which moments are off by less than 1e-6 if the field turns once in the meantime.

    The reconstruction in a cell is a parabola that is not negative, and so are the measures that G makes of it: averages
    stay non-negative, and mass is conserved to rounding. At both ends of the grid mass leaves, nothing comes in, and nothing
    comes back: see stats["mass_lost"], and take a grid on which that is nothing. The noise carries it further than v.

    - Recommended: a companion without noise of its own for `Collisions`, with digits. Of fourth order in dx where
      densities and fields are smooth. The averages then have the m_1 and m_2 of linear fields with K = 1 to 1e-12 if normal
      noise is wider than a cell, after 100 collisions too. With K = x the error is 1e-8 on 400 cells, and 1e-6 at
      most where uniform noise is two cells wide.
    - Not recommended: many cells, since time and memory grow with their square: a matrix of 3 cells (cells + 2) numbers,
      0.03 s to make on 400 cells, 0.2 s on 1000. Fields that change all the time, with three matrices for each step.
      Many save times, each of which begins a sum of 14 terms or more. Densities narrower than a cell, as T
      makes them where it is constant and nu = 0: they keep their mass, and their place to within a cell.

    Two solutions do not move apart in L1, but for what the reconstruction adds: nothing where they are smooth (3e-5), up to
    15 % where they differ in single cells.

    A sum has z + 8 z^(1/2) + 14 terms, and stats["steps"] counts these or the Runge-Kutta steps. With too small a
    `max_steps` it ends at the time for which they are enough. Derivatives with respect to everything but times by
    `CheckpointAdjoint` and `ForwardMode`; `TransportAdjoint` raises `TypeError`. Raises `ValueError` for steps < 1, for more
    than one dimension, and for a field or a K that does not give a number. K may have any sign: only K^2 counts, and a
    collision gets past its zeros.

    >>> import kinetic_nde as kn
    >>> equation = kn.Boltzmann(kn.SimResNet(-1.0, 0.0, kn.Identity()), epsilon=0.5, nu=1.0)
    >>> start = kn.Density.gaussian(1.0, 0.5, kn.Grid(-8.0, 8.0, 400))
    >>> final = kn.solve(equation, start, t1=2.0, method=kn.PushForward()).final
    >>> bool(abs(final.mean - jnp.exp(-1.0)) < 1e-6)  # m1' = rate eps w m1
    True
    """

    steps: int | None = eqx.field(
        static=True, default=None, converter=lambda steps: None if steps is None else as_count(steps, "steps")
    )

    def check(self, equation: Boltzmann, initial: Density, times: Times) -> None:
        check_line(self, initial)
        check_density(equation, initial)

    def rate_of_change(self, equation: Boltzmann, distribution: Density, t: Float[Array, ""]) -> Array:
        grid, state = distribution.grid, extend(distribution.values)
        return equation.rate * (collide(transfer(equation, grid, t), grid, state) - state)[1:-1]

    def integrate(self, equation: Boltzmann, initial: Density, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.values[0])
        check_shape(equation.diffusion, initial.values[0])
        # A continuous adjoint has no counterpart here, as in other methods that ask for this: it raises TypeError.
        _ = options.adjoint.ode
        grid, times = initial.grid, jax.lax.stop_gradient(times)
        plan = times.split(equation.field)
        scale = unit(initial.mass, grid.length)
        by_sum = fields.autonomous(equation.field)
        # One matrix for all spans, where it is.
        steady = (
            None
            if not by_sum or fields.jump_times(equation.field, grid.width.dtype).size
            else transfer(equation, grid, times.t0)
        )
        report = _report if options.progress else None
        loop = TimeLoop(_add, _more, report) if by_sum else TimeLoop(_step, _more, report)

        def span(carry: tuple, ends: tuple) -> tuple:
            (_, count), state = carry
            start, end = ends
            law = with_field(equation, fields.frozen(equation.field, 0.5 * (start + end)))
            rounds = None if options.max_steps is None else (options.max_steps - count).astype(start.dtype)
            entire = _Span(law, grid, start, end, times, law.rate * (end - start), jnp.zeros_like(start), None)
            if by_sum:
                matrix = transfer(law, grid, start) if steady is None else steady
                part = _sum(entire._replace(matrix=matrix), rounds)
                begun = (state, _share(jnp.zeros_like(start), part.collisions) * state)
            else:
                part, begun = _steps(entire, self.steps, rounds), state
            clock, after = options.adjoint.loop(
                loop, (start, count), begun, part, spans=plan.ends.shape[0], steps=None if by_sum else self.steps
            )
            after = after[1] if by_sum else after
            # What the sum leaves out, and rounding.
            after = after * (jnp.sum(state) / jnp.sum(after))
            return (clock, after), (clock[0], after)

        clock = (times.t0, jnp.zeros((), jnp.int32))
        (clock, final), (reached, states) = jax.lax.scan(
            span, (clock, extend(initial.values / scale)), (plan.starts, plan.ends)
        )
        out = package(initial, scale * states[plan.saved], scale * final, clock, jnp.any(reached < plan.ends))
        return out._replace(result=Result.where(out_of_bounds(equation), Result.bad_equation, out.result))


class _Span(NamedTuple):
    """The time between two events: how many collisions a particle has in it on average, and in how many rounds of a loop it
    is gone through; with the matrix if there is one for all of it."""

    law: Boltzmann
    grid: Grid
    start: Float[Array, ""]
    end: Float[Array, ""]
    times: Times
    collisions: Float[Array, ""]
    rounds: Float[Array, ""]
    matrix: Float[Array, "pieces extended"] | None


# The time, and the number of rounds.
_Clock = tuple[Array, Array]


def _sum(span: _Span, most: Array | None) -> _Span:
    """With as many rounds as the sum has terms but the first; if `most` are too few, up to an earlier end."""
    z = span.collisions
    if most is not None:
        # The z for which `most` are enough, and none for the least that there are.
        affordable = jnp.square(jnp.sqrt(16 + jnp.maximum(most - 14, 0)) - 4)
        cut = jax.lax.stop_gradient(z) > affordable
        end = jnp.where(cut, span.start + affordable / span.law.rate, span.end)
        span, z = span._replace(end=end), jnp.where(cut, affordable, z)
    # What is left out is a share of 1e-15.
    rounds = jnp.where(z > 0, jnp.floor(z + 8 * jnp.sqrt(z)) + 14, jnp.zeros_like(z))
    # Numbers that are out of bounds must not make a loop without an end.
    sound = (z >= 0) & jnp.isfinite(z)
    z = jnp.where(sound, z, jnp.full_like(z, jnp.nan))
    return span._replace(collisions=z, rounds=jax.lax.stop_gradient(jnp.where(sound, rounds, jnp.zeros_like(z))))


def _steps(span: _Span, steps: int | None, most: Array | None) -> _Span:
    """With as many rounds as there are steps; if `most` are too few, up to an earlier end."""
    z = jax.lax.stop_gradient(span.collisions)
    rounds = jnp.ceil(_STEPS + z / _COLLISIONS_PER_STEP) if steps is None else jnp.full_like(z, steps)
    sound = (z > 0) & jnp.isfinite(z)
    rounds = jnp.where(sound, rounds, jnp.zeros_like(z))
    if most is None:
        return span._replace(rounds=rounds)
    share = jnp.where(sound, jnp.minimum(most / jnp.maximum(rounds, 1), 1), jnp.ones_like(z))
    end = jnp.where(share < 1, span.start + share * (span.end - span.start), span.end)
    return span._replace(end=end, rounds=jnp.minimum(rounds, most), collisions=share * span.collisions)


def _share(k: Array, z: Array) -> Array:
    """e^-z z^k / k!."""
    positive = jnp.where(z > 0, z, jnp.ones_like(z))
    # By logarithms: e^-z is 0 where there are 1000 collisions.
    share = jnp.exp(k * jnp.log(positive) - positive - jax.lax.lgamma(k + 1))
    return jnp.where(z > 0, share, jnp.where(k == 0, 1 + 0 * z, 0 * z))


def _more(span: _Span, k: Array, clock: _Clock) -> Array:
    return k.astype(span.rounds.dtype) < span.rounds


def _report(span: _Span, k: Array, clock: _Clock) -> None:
    progress.report(k, (clock[0] - span.times.t0) / (span.times.t1 - span.times.t0))


def _tick(span: _Span, k: Array, clock: _Clock) -> _Clock:
    done = (k + 1).astype(span.start.dtype)
    t = jnp.where(done < span.rounds, span.start + (span.end - span.start) * (done / span.rounds), span.end)
    going = _more(span, k, clock)
    return jnp.where(going, t, clock[0]), clock[1] + going.astype(clock[1].dtype)


def _add(span: _Span, k: Array, clock: _Clock, state: tuple[Array, Array]) -> tuple[_Clock, tuple[Array, Array]]:
    """G^k g and the sum up to k, one term on."""
    assert span.matrix is not None
    power, total = state
    power = collide(span.matrix, span.grid, power)
    term = _share((k + 1).astype(power.dtype), span.collisions) * power
    going = _more(span, k, clock)
    return _tick(span, k, clock), (jnp.where(going, power, state[0]), jnp.where(going, total + term, total))


def _step(span: _Span, k: Array, clock: _Clock, state: Array) -> tuple[_Clock, Array]:
    """One step for e^(rate t) g, and back. No coefficient is negative, and no average becomes so."""
    going = _more(span, k, clock)
    many = jnp.where(going, span.rounds, jnp.ones_like(span.rounds))
    # Collisions in this step.
    z = span.collisions / many
    begin = k.astype(many.dtype) / many
    shares = jnp.stack([begin, begin + 0.5 / many, begin + 1 / many])
    ts = span.start + (span.end - span.start) * shares
    first, middle, last = jax.lax.map(lambda t: transfer(span.law, span.grid, t), ts)
    one = collide(first, span.grid, state)
    two = collide(middle, span.grid, state + 0.5 * z * one)
    three = collide(middle, span.grid, state + 0.5 * z * two)
    four = collide(last, span.grid, state + z * three)
    after = state + (z / 6) * (one + 2 * two + 2 * three + four)
    after = after * (jnp.sum(state) / jnp.sum(after))
    return _tick(span, k, clock), jnp.where(going, after, state)
