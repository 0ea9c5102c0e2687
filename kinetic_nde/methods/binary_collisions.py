"""Collisions of particles with each other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from . import steps
from .rounds import Rule, Span


def _meet(
    span: Span,
    t: Float[Array, "*pairs"],
    x: Float[Array, " m"],
    first: Int[Array, " pairs"],
    second: Int[Array, " pairs"],
    hit: Bool[Array, " pairs"],
) -> Float[Array, " m"]:
    """All particles after the collisions of some pairs, in which nobody is twice."""
    pairs = jnp.stack([x[first], x[second]], axis=-1)
    after = jax.vmap(span.law.collide, (0 if t.ndim else None, 0))(t, pairs)
    # What is no collision is written to a place that does not exist.
    nowhere = jnp.full_like(first, x.shape[0])
    for each, column in ((first, 0), (second, 1)):
        x = x.at[jnp.where(hit, each, nowhere)].set(after[:, column], mode="drop")
    return x


class _Events(NamedTuple):
    """The time of the last collision, and the number of collisions since the span began."""

    time: Float[Array, ""]
    number: Int[Array, ""]


def _begin_events(span: Span) -> _Events:
    return _Events(jnp.zeros_like(span.length), jnp.zeros((), jnp.int32))


def _time(span: Span, now: _Events) -> Float[Array, ""]:
    return now.time


def _next_events(
    span: Span, key: PRNGKeyArray, now: _Events, x: Float[Array, " m"], going: Bool[Array, ""]
) -> tuple[_Events, Float[Array, " m"], Float[Array, ""]]:
    """The next collisions up to the first in which somebody is for the second time: what comes before it can be done at
    once. Some root of m of them, by the odds of shared birthdays.

    Each collision has random numbers of its own, by its number in the span: the next round sees the rest again, and all are
    those that one after the other would give.
    """
    m = x.shape[0]
    ahead = max(1, round(m**0.5))
    numbers = now.number + jnp.arange(ahead, dtype=jnp.int32)
    series = jax.random.fold_in(span.block.key, span.place)
    first, second, waits = jax.vmap(lambda number: _draw(jax.random.fold_in(series, number), m, x.dtype))(numbers)
    then = now.time + jnp.cumsum(waits) * (2 / m)
    # Sorted by who is in them: a collision is the first to meet again if it stands after another with the same particle.
    who = jnp.stack([first, second], axis=1).reshape(-1)
    order = jnp.argsort(who, stable=True)
    again = jnp.where(who[order][1:] == who[order][:-1], order[1:] // 2, ahead)
    hit = going & (jnp.arange(ahead) < jnp.min(again)) & (then < span.length)
    done = jnp.sum(hit)
    # A collision that is not to be may be late, at a time for which the field is not made: its derivative would be NaN.
    x = _meet(span, span.at(jnp.where(hit, then, jnp.zeros_like(then))), x, first, second, hit)
    last = jnp.where(done > 0, then[jnp.maximum(done - 1, 0)], now.time)
    over = then[jnp.minimum(done, ahead - 1)] >= span.length
    time = jnp.where(going & over, span.length, last)
    return _Events(time, now.number + done.astype(jnp.int32)), x, done.astype(x.dtype) * (2 / m)


def _draw(key: PRNGKeyArray, m: int, dtype: jnp.dtype) -> tuple[Array, Array, Array]:
    """Two different particles, all pairs equally likely, and the wait in units of the mean wait for a collision."""
    one, other, wait = jax.random.split(key, 3)
    first = jax.random.randint(one, (), 0, m)
    second = jax.random.randint(other, (), 0, m - 1)
    return first, second + (second >= first).astype(second.dtype), jax.random.exponential(wait, (), dtype)


# The process of m particles of which any two meet at the same rate, without an error in time.
EVENTS = Rule(_begin_events, _time, _next_events)


def _pair_off(
    span: Span, key: PRNGKeyArray, number: Int[Array, ""], x: Float[Array, " m"], going: Bool[Array, ""]
) -> tuple[Int[Array, ""], Float[Array, " m"], Float[Array, ""]]:
    """A step of length dt, in which the particles are paired off at random and each pair collides with one probability.

    Of an odd number one is left over, another in each step: pairs then collide a little more often, so that a particle
    still does with probability rate dt.
    """
    m = x.shape[0]
    pairs = m // 2
    shuffle, chances = jax.random.split(key)
    order = jax.random.permutation(shuffle, m)
    chance = jax.random.uniform(chances, (pairs,), x.dtype)
    hit = going & (chance < steps.length(span) * pairing_odds(m))
    x = _meet(span, span.at(steps.passed(span, number)), x, order[:pairs], order[pairs : 2 * pairs], hit)
    return number + going.astype(number.dtype), x, jnp.sum(hit).astype(x.dtype) * (2 / m)


def pairing_odds(m: int) -> float:
    """How much more often a pair must collide than a particle, of which one is left over if m is odd."""
    return m / (m - m % 2)


# The scheme of Nanbu and Babovsky: first order in dt.
NANBU_BABOVSKY = Rule(steps.begin, steps.passed, _pair_off)
