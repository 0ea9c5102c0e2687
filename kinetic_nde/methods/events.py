"""The time of a solve, cut at its events: save times and breakpoints of the field."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..network.field import jump_times

# Two times that are no further apart than this many units in the last place are one: 0.3 and 3 * 0.1, or a save time of
# `linspace` and the layer that it was meant for.
_ROUNDINGS = 4


class Intervals(NamedTuple):
    """The parts of [t0, t1] between events, in order. `ends[saved[i]]` is save time i, to rounding."""

    starts: Float[Array, " intervals"]
    ends: Float[Array, " intervals"]
    saved: Int[Array, " saves"]


def split_at_events(
    field: Any, t0: Float[Array, ""], t1: Float[Array, ""], saves: Float[Array, " saves"] | None = None
) -> Intervals:
    """Cuts [t0, t1] at each breakpoint of the field and at each save time: t1 alone if None is given.

    Events that differ from the first of them by rounding are one, at that first, or at t0 or t1 if that is among them:
    a row of events, each a rounding from the next, does not run together. What lies outside, and what is one with another
    event, leaves an interval of length 0, so that the number of intervals is static. No interval is shorter otherwise: a
    field that is frozen at the middle of one is on the right layer.

    >>> intervals = split_at_events(None, jnp.array(0.0), jnp.array(0.3), jnp.array([0.1, 0.1 * 3]))
    >>> intervals.ends, intervals.saved
    (Array([0.1, 0.3, 0.3], dtype=float64), Array([0, 2], dtype=int32))
    """
    saves = t1[None] if saves is None else saves
    jumps = jnp.clip(jump_times(field, t0.dtype), t0, t1)
    events = jnp.sort(jnp.concatenate([saves, jumps, t1[None]]))

    def first_of_group(first: Array, event: Array) -> tuple[Array, Array]:
        first = jnp.where(event - first > rounding(event), event, first)
        return first, first

    last, firsts = jax.lax.scan(first_of_group, t0, events)
    ends = jnp.where(firsts == last, t1, firsts)
    return Intervals(jnp.concatenate([t0[None], ends[:-1]]), ends, jnp.searchsorted(events, saves))


def rounding(t: Float[Array, "*times"]) -> Float[Array, "*times"]:
    """How far from t another time may be and count as the same."""
    return _ROUNDINGS * float(jnp.finfo(t.dtype).eps) * jnp.abs(t)


class IntervalClock(NamedTuple):
    """A time that runs through interval k of a solve from k to k + 1, and leaves out those of length 0.

    Every event is a whole number and every interval has length 1: what is too short for a step of t is not too short
    for one of this time, and the layer is known by the number alone, without a comparison of rounded times.
    """

    starts: Float[Array, " intervals"]
    lengths: Float[Array, " intervals"]
    end: Float[Array, ""]

    def interval(self, s: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """The start and the length of the interval that s is in, and the share of it that has passed."""
        place = jnp.clip(jnp.floor(s), 0, jnp.maximum(self.end - 1, 0))
        number = place.astype(int)
        return self.starts[number], self.lengths[number], s - place

    def reading(self, t: Float[Array, " k"]) -> Float[Array, " k"]:
        """What the clock shows at times t, increasing as they are."""
        number = jnp.clip(jnp.searchsorted(self.starts, t, side="right") - 1, 0)
        start, length = self.starts[number], self.lengths[number]
        share = jnp.clip((t - start) / jnp.where(length > 0, length, jnp.ones_like(length)), 0, 1)
        return jnp.minimum(number.astype(t.dtype) + share, self.end)


def interval_clock(intervals: Intervals) -> IntervalClock:
    """The clock that runs through these intervals.

    >>> clock = interval_clock(split_at_events(None, jnp.array(1.0), jnp.array(5.0), jnp.array([2.0, 5.0])))
    >>> clock.end, clock.reading(jnp.array([1.0, 1.5, 3.5]))
    (Array(2., dtype=float64), Array([0. , 0.5, 1.5], dtype=float64))
    """
    lengths = intervals.ends - intervals.starts
    order = jnp.argsort(lengths <= 0, stable=True)
    end = jnp.sum(lengths > 0).astype(lengths.dtype)
    # The times of what is left out are never asked for: at the end `starts` stay in order.
    starts = jnp.where(lengths[order] > 0, intervals.starts[order], intervals.ends[-1])
    return IntervalClock(starts, lengths[order], end)
