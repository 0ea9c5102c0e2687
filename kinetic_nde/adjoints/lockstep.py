"""Loops whose members of a batch go round together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Real


@jax.custom_batching.custom_vmap
def any_member(predicate: Bool[Array, ""]) -> Bool[Array, ""]:
    """`predicate`; under `vmap`, whether it holds for any member of the batch, as a value that is the same for all.

    A `while_loop` with a batched predicate selects its whole carry in each round to keep finished members still. With
    this around the predicate there is nothing to select, and buffers in the carry cost nothing: the members that have
    finished must stay where they are by taking steps of length 0.
    """
    return predicate


@any_member.def_vmap
def _any_member_batched(
    axis_size: int, in_batched: list[bool], predicate: Bool[Array, " batch"]
) -> tuple[Bool[Array, ""], bool]:
    return any_member(jnp.any(predicate, axis=0) if in_batched[0] else predicate), False


@jax.custom_batching.custom_vmap
def slowest_member(progress: Real[Array, ""]) -> Real[Array, ""]:
    """`progress`; under `vmap`, the smallest of the batch."""
    return progress


@slowest_member.def_vmap
def _slowest_member_batched(
    axis_size: int, in_batched: list[bool], progress: Real[Array, " batch"]
) -> tuple[Real[Array, ""], bool]:
    return slowest_member(jnp.min(progress, axis=0) if in_batched[0] else progress), False
