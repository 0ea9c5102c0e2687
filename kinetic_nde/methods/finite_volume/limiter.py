"""Positivity."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def no_more_than_there_is(amount: Float[Array, "*n"], limit: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`amount` clipped into [0, limit].

    With `limit` the content of the upwind cell times the share of its outflow that goes through this face, no cell can
    give more than it holds, whatever the time step. At a Courant number of at most 1/2 the clip is idle on smooth data,
    since the first-order scheme needs none of it: the order stays.

    >>> no_more_than_there_is(jnp.array([-1.0, 0.5, 2.0]), jnp.array([1.0, 1.0, 1.0]))
    Array([0. , 0.5, 1. ], dtype=float64)
    """
    return jnp.maximum(jnp.minimum(amount, limit), 0)


@no_more_than_there_is.defjvp
def _no_more_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # Minimum and maximum halve the derivative at a tie. An amount of 0 is one: at a face where the wind turns, the flux
    # depends on the wind all the same.
    amount, limit = primals
    inner = jnp.where(amount < 0, jnp.zeros_like(amount), tangents[0])
    return no_more_than_there_is(amount, limit), jnp.where(
        amount > limit, jnp.where(limit < 0, jnp.zeros_like(amount), tangents[1]), inner
    )


@jax.custom_jvp
def between(amount: Float[Array, "*n"], lowest: Float[Array, "*n"], highest: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`amount` clipped into [lowest, highest]: what may come from the cell above an edge, and what from the one below.

    >>> between(jnp.array([-2.0, 0.5, 2.0]), jnp.full(3, -1.0), jnp.full(3, 1.0))
    Array([-1. ,  0.5,  1. ], dtype=float64)
    """
    return jnp.maximum(jnp.minimum(amount, highest), lowest)


@between.defjvp
def _between_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    # At a tie the amount counts, as above.
    amount, lowest, highest = primals
    inner = jnp.where(amount < lowest, tangents[1], tangents[0])
    return between(*primals), jnp.where(amount > highest, tangents[2], inner)
