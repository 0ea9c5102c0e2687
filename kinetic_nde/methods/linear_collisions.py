"""Collisions of particles with layers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..equations.boltzmann import Boltzmann
from . import steps
from .rounds import Rule, Span


def _collided(
    span: Span, key: PRNGKeyArray, t: Float[Array, "*m"], x: Float[Array, "m *d"], hit: Bool[Array, " m"]
) -> tuple[Float[Array, "m *d"], Float[Array, ""]]:
    """The particles that are hit after their collision at times t, and how many of all that is."""
    law: Boltzmann = span.law

    def draw() -> Array:
        return law.noise.sample(key, x.shape, x.dtype)

    # Without noise there is nothing to draw: random numbers are most of the work.
    xi = jax.lax.cond(law.nu > 0, draw, lambda: jnp.zeros_like(x))
    after = jax.vmap(law.collide, (0 if t.ndim else None, 0, 0))(t, x, xi)
    share = jnp.sum(hit.astype(x.dtype)) / jnp.sum(span.block.alive.astype(x.dtype))
    return jnp.where(hit.reshape((-1,) + (1,) * (x.ndim - 1)), after, x), share


def _begin_clocks(span: Span) -> Float[Array, " m"]:
    """Each particle's own time; what is not alive is at the end."""
    return jnp.where(span.block.alive, jnp.zeros_like(span.length), span.length)


def _slowest(span: Span, now: Float[Array, " m"]) -> Float[Array, ""]:
    return jnp.min(now)


def _next_of_each(
    span: Span, key: PRNGKeyArray, now: Float[Array, " m"], x: Float[Array, "m *d"], going: Bool[Array, ""]
) -> tuple[Float[Array, " m"], Float[Array, "m *d"], Float[Array, ""]]:
    """The next collision of each particle, unless the span is over before it."""
    waits, draws = jax.random.split(key)
    then = now + jax.random.exponential(waits, now.shape, now.dtype)
    hit = going & (then < span.length)
    # A collision that is not to be may be late, at a time for which the field is not made: its derivative would be NaN.
    times = span.at(jnp.where(hit, then, jnp.zeros_like(then)))
    x, share = _collided(span, draws, times, x, hit)
    return jnp.where(going, jnp.minimum(then, span.length), now), x, share


# Each particle's clock is a Poisson process of its own: no error in time, and as many rounds as the busiest has collisions.
POISSON_CLOCKS = Rule(_begin_clocks, _slowest, _next_of_each)


def _some(
    span: Span, key: PRNGKeyArray, number: Int[Array, ""], x: Float[Array, "m *d"], going: Bool[Array, ""]
) -> tuple[Int[Array, ""], Float[Array, "m *d"], Float[Array, ""]]:
    """A step of length dt, in which each particle collides with probability rate dt."""
    chances, draws = jax.random.split(key)
    chance = jax.random.uniform(chances, span.block.alive.shape, x.dtype)
    hit = going & span.block.alive & (chance < steps.length(span))
    x, share = _collided(span, draws, span.at(steps.passed(span, number)), x, hit)
    return number + going.astype(number.dtype), x, share


# Nanbu's scheme: first order in dt. With rate dt = 1 all collide in each step, as in a residual network.
NANBU = Rule(steps.begin, steps.passed, _some)
