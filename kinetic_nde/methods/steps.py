"""A span in a fixed number of equal steps."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .rounds import Span


def begin(span: Span) -> Int[Array, ""]:
    """The number of steps done."""
    return jnp.zeros((), jnp.int32)


def passed(span: Span, number: Int[Array, ""]) -> Float[Array, ""]:
    """The time after so many steps."""
    assert span.steps is not None  # the rule is for a number of steps
    return jnp.where(number < span.steps, number.astype(span.length.dtype) * length(span), span.length)


def length(span: Span) -> Float[Array, ""]:
    """rate dt: how many collisions a particle has in a step on average."""
    assert span.steps is not None
    return span.length / span.steps
