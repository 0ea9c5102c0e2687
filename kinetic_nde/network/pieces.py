"""Time between two jumps."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating


class Piece(NamedTuple):
    """The times between two neighbouring breakpoints, without their ends."""

    first: Float[Array, ""]
    last: Float[Array, ""]

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, ""]:
        """The time of the piece that is nearest to t."""
        t = as_floating(t, "t")
        return jnp.clip(t, self.first.astype(t.dtype), self.last.astype(t.dtype))


def piece_around(breakpoints: Any, t: Real[ArrayLike, ""]) -> Piece:
    """The piece that holds t. Its ends are a few roundings inside, so that what is evaluated there is on one side of a
    jump however the time of the jump was computed.

    >>> piece = piece_around((0.0, 1.0, 2.5), 1.7)
    >>> piece(0.2) > 1.0, piece(2.0), piece(9.0) < 2.5
    (Array(True, dtype=bool), Array(2., dtype=float64), Array(True, dtype=bool))
    """
    t = as_floating(t, "t")
    times = jnp.sort(jnp.asarray(breakpoints, t.dtype))
    largest = jnp.max(jnp.abs(times))
    far = float(jnp.finfo(t.dtype).max)
    number = jnp.searchsorted(times, t, side="right")
    padded = jnp.pad(times, 1, constant_values=(-far, far))
    first, last = padded[number], padded[number + 1]
    # Of the time there, or next to 0 of the piece: a short one beside times that are large is not lost.
    length = jnp.minimum(jnp.where(largest > 0, largest, jnp.ones_like(largest)), 0.5 * last - 0.5 * first)
    within = lambda end: 4 * float(jnp.finfo(t.dtype).eps) * jnp.maximum(jnp.abs(end), length)
    return Piece(first + within(first), last - within(last))
