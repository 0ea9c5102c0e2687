"""Monte Carlo for Boltzmann's equations."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from .._values import as_count
from ..distributions.ensemble import Ensemble
from ..equations.binary_boltzmann import BinaryBoltzmann
from ..equations.boltzmann import Boltzmann, out_of_bounds
from ..equations.diffusion import check_shape
from .binary_collisions import EVENTS, NANBU_BABOVSKY, pairing_odds
from .blocks import Block, as_threefry, in_blocks, together
from .linear_collisions import NANBU, POISSON_CLOCKS
from .method import AbstractHeldMethod, Integrated, Options, Times, check_velocity, no_rate
from .particles import check_ensemble
from .result import Result, first_failure
from .rounds import Followed, follow


class Collisions(AbstractHeldMethod):
    """Particles that collide at random times, for an `Ensemble`.

    For a `Boltzmann`: each particle has a Poisson clock of its own, so that there is no error in time: averages are off
    by chance alone, as one over the root of the number of particles. A round brings each particle to its next collision;
    there are as many rounds as the busiest particle has collisions.

    For a `BinaryBoltzmann`: any two particles meet at the same rate, and each collides `rate` times per unit of time. The
    collisions are done in their order, as many at once as have no particle in common, about 0.6 times the root of the
    number m of particles. Besides chance, averages are off by O(1 / m), since particles that have met once are no longer
    independent.

    - `steps`: a static number of equal steps between two events (save times, breakpoints of the field) instead, with an
      error of first order in their length dt; rate dt must not be above 1. For a `Boltzmann` the scheme of Nanbu
      (doi:10.1143/JPSJ.49.2042): each particle collides with probability rate dt, in the layer at the beginning of the
      step. Where rate dt = 1 all do: a residual network, with rate = 1 / eps the steps of `Particles` for a
      `FokkerPlanck`. For a `BinaryBoltzmann` that of Nanbu and Babovsky (doi:10.1002/mma.1670080114): the particles are
      paired off at random, without replacement, and a pair collides with probability rate dt. If m is odd one is left
      over, another in each step, and pairs collide m / (m - 1) times as often, so that the rate is the same.

    Memory: particles of a `Boltzmann` are treated in blocks of a million. They are spread over the devices on which the
    samples are, over all of them if nobody has put the samples anywhere; the same key gives the same result on any number of
    devices, unless JAX's default `jax_threefry_partitionable` is switched off. Under a user's own `jit` they stay where that puts them.

    Derivatives by `CheckpointAdjoint` and `ForwardMode` are along the paths, with the same collisions: without bias for w, b,
    epsilon, nu and K, on which the times of collisions do not depend, if v and K are smooth or have kinks only. With `rate`
    collisions come and go, and a path has no derivative: that raises `TypeError`.

    `max_steps` limits the rounds: with too small a one each particle of a `Boltzmann` by clocks stops at a time of its own.

    Raises `ValueError` for steps < 1, for a field of another dimension than the particles, with binary interactions for fewer
    than two particles and for more than one dimension. rate dt > 1 and traced numbers that are out of bounds end in
    a `Result`.

    >>> import kinetic_nde as kn
    >>> equation = kn.Boltzmann(kn.SimResNet(-1.0, 0.0, kn.Identity()), epsilon=0.5, nu=1.0)
    >>> solution = kn.solve(equation, kn.Ensemble(jnp.ones(10_000)), t1=2.0, key=jax.random.key(0))
    >>> bool(abs(solution.final.mean - jnp.exp(-1.0)) < 0.04)  # m1' = rate eps w m1
    True
    """

    steps: int | None = eqx.field(
        static=True, default=None, converter=lambda steps: None if steps is None else as_count(steps, "steps")
    )

    def check(self, equation: Boltzmann | BinaryBoltzmann, initial: Ensemble, times: Times) -> None:
        if isinstance(equation, Boltzmann):
            check_ensemble(equation, initial)
        elif initial.dimension != 1:
            raise ValueError(
                f"binary interactions are for particles on a line, the ensemble has dimension {initial.dimension}"
            )
        elif initial.samples.shape[0] < 2:
            raise ValueError("binary interactions need two particles at least, got one")

    def rate_of_change(
        self, equation: Boltzmann | BinaryBoltzmann, distribution: Ensemble, t: Float[Array, ""]
    ) -> Array:
        raise no_rate(self)

    def integrate(
        self, equation: Boltzmann | BinaryBoltzmann, initial: Ensemble, times: Times, options: Options
    ) -> Integrated:
        # Raises TypeError for an adjoint that does not know of noise.
        _ = options.adjoint.ode
        assert options.key is not None  # `solve` has seen to it
        key = as_threefry(options.key)
        rate = jax.lax.stop_gradient(_constant(equation.rate))
        # A solve that has failed already ends at once: an infinite rate would never.
        rate = jnp.where(out_of_bounds(equation), jnp.full_like(rate, jnp.nan), rate)
        equation = eqx.tree_at(lambda law: law.rate, equation, rate)
        x, times = initial.samples, jax.lax.stop_gradient(times)
        if isinstance(equation, Boltzmann):
            check_velocity(equation.field, x[0])
            check_shape(equation.diffusion, x[0])
            rule, odds = POISSON_CLOCKS if self.steps is None else NANBU, 1.0
            parts = in_blocks(
                lambda block: follow(rule, equation, block, times, options, self.steps), x, key, options.devices
            )
        else:
            check_velocity(equation.field, jnp.zeros(2, x.dtype))
            rule, odds = EVENTS if self.steps is None else NANBU_BABOVSKY, pairing_odds(x.shape[0])
            everyone = Block(x.reshape(-1), jnp.ones(x.shape[0], bool), key, jnp.zeros((), jnp.int32), 1)
            parts = jax.tree.map(lambda leaf: leaf[None], follow(rule, equation, everyone, times, options, self.steps))
        return self._package(equation, initial, times, parts, odds)

    def _package(
        self, equation: Boltzmann | BinaryBoltzmann, initial: Ensemble, times: Times, parts: Followed, odds: float
    ) -> Integrated:
        """What all blocks have come to; with `odds` the probability of a collision in a step over rate dt."""
        m = initial.samples.shape[0]
        final = together(parts.final, m).reshape(initial.samples.shape)
        saved = final[None]
        if times.saveat is not None:
            saved = jax.vmap(lambda each: together(each, m), 1)(parts.saved).reshape(-1, *initial.samples.shape)
        plan = times.split(equation.field)
        share = jnp.zeros_like(equation.rate)
        if self.steps is not None:
            share = jnp.max(plan.ends - plan.starts) * equation.rate * (odds / self.steps)
        result = first_failure(
            [
                (out_of_bounds(equation), Result.bad_equation),
                (share > 1 + 8 * float(jnp.finfo(share.dtype).eps), Result.too_few_steps),
                (~jnp.all(jnp.isfinite(final)), Result.not_finite),
                (jnp.any(parts.short), Result.max_steps_reached),
            ]
        )
        # Blocks hold the same number of particles but for the last, which the mean does not notice.
        stats = {"steps": jnp.max(parts.rounds), "collisions": jnp.mean(parts.collisions)}
        return Integrated(jax.vmap(Ensemble)(saved), Ensemble(final), stats, result)


@jax.custom_jvp
def _constant(rate: Float[Array, ""]) -> Float[Array, ""]:
    """`rate`, for which no derivative is to be had."""
    return rate


@functools.partial(_constant.defjvp, symbolic_zeros=True)
def _constant_jvp(primals: tuple, tangents: tuple) -> tuple:
    if not isinstance(tangents[0], SymbolicZero):
        raise TypeError(
            "collisions of particles jump with the rate, and a path has no derivative with respect to it: differentiate "
            "with respect to equation.field, epsilon or nu only, or solve for a kn.Density"
        )
    return primals[0], tangents[0]
