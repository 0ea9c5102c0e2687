"""States kept on the way through a loop."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

Tree = Any


class Store(NamedTuple):
    """Every `stride`-th (clock, state) of a loop, and one slot more into which all others are written and forgotten."""

    entries: Tree
    stride: Int[Array, ""]


def buffer(entry: Tree, slots: int) -> Tree:
    """Room for that many entries, and for what is to be forgotten."""
    return jax.tree.map(lambda leaf: jnp.zeros((slots + 1, *jnp.shape(leaf)), jnp.result_type(leaf)), entry)


def write(entries: Tree, k: Array, stride: Array, entry: Tree) -> Tree:
    """`entry` number k into its slot, or into the last one where k is no multiple of the stride: cheaper than not to
    write."""
    last = jax.tree.leaves(entries)[0].shape[0] - 1
    slot = jnp.where(k % stride == 0, k // stride, last)
    return jax.tree.map(lambda rows, leaf: lax.dynamic_update_index_in_dim(rows, leaf, slot, 0), entries, entry)


def read(entries: Tree, slot: Array) -> Tree:
    """The entry in a slot."""
    return jax.tree.map(lambda rows: lax.dynamic_index_in_dim(rows, slot, 0, keepdims=False), entries)


def copy_run(entries: Tree, store: Store, first: Array) -> Tree:
    """`entries`, with as many consecutive ones of the store, from slot `first` on, as there is room for."""

    def copied(rows: Array, stored: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(rows, lax.dynamic_slice_in_dim(stored, first, rows.shape[0] - 1), 0, 0)

    return jax.tree.map(copied, entries, store.entries)


def thin(store: Store) -> Store:
    """Without every second state. Entry by entry, in place: a slice would be a copy of half the store."""
    slots = jax.tree.leaves(store.entries)[0].shape[0] - 1

    def move(i: Array, entries: Tree) -> Tree:
        return write(entries, i, jnp.ones((), jnp.int32), read(entries, 2 * i))

    return Store(lax.fori_loop(1, (slots + 1) // 2, move, store.entries), 2 * store.stride)
