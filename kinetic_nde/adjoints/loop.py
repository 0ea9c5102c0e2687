"""The loop over time steps, and its derivative by recomputed segments."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from .lockstep import any_member

Tree = Any


class TimeLoop(NamedTuple):
    """A loop `while more(args, k, clock): clock, state = step(args, k, clock, state)` for k = 0, 1, ...

    `state` and the arrays of floats in `args` are differentiated, `clock` (times and counts) is not. Both functions are
    static and use no traced values but their arguments. Under `vmap` all members of a batch go round together: a step
    must leave alone a member for which `more` is false. `report(args, k, clock)`, if given, is called in each round of
    the forward loop only.
    """

    step: Callable[[Tree, Int[Array, ""], Tree, Tree], tuple[Tree, Tree]]
    more: Callable[[Tree, Int[Array, ""], Tree], Any]
    report: Callable[[Tree, Int[Array, ""], Tree], None] | None = None


def run(loop: TimeLoop, clock: Tree, state: Tree, args: Tree) -> tuple[Tree, Tree]:
    """The loop as it is: forward-mode derivatives only, no memory for a trajectory."""

    def more(carry: tuple) -> Any:
        k, clock, _ = carry
        return any_member(jnp.asarray(loop.more(args, k, clock)))

    def body(carry: tuple) -> tuple:
        k, clock, state = carry
        if loop.report is not None:
            loop.report(args, k, clock)
        return (k + 1, *loop.step(args, k, clock, state))

    _, clock, state = lax.while_loop(more, body, (jnp.zeros((), jnp.int32), clock, state))
    return clock, state


def run_checkpointed(loop: TimeLoop, slots: int, clock: Tree, state: Tree, args: Tree) -> tuple[Tree, Tree]:
    """The same loop with a reverse-mode derivative that stores `slots` states on the way and as many again while a
    segment is reversed.

    The number of steps need not be known: whenever the store is full, every second state is dropped and the distance
    between stored states doubles. Up to slots^2 / 2 steps are computed three times in all (forward, again from the
    stored state, and inside their own derivative); beyond that, runs of steps between two states of a segment are
    computed again for each of their steps. There is no limit.
    """
    differentiable, rest = eqx.partition(args, eqx.is_inexact_array)
    arrays, static = eqx.partition(rest, eqx.is_array)
    merge = functools.partial(_merge, static)
    report = loop.report
    merged = TimeLoop(
        lambda parts, k, clock, state: loop.step(merge(parts), k, clock, state),
        lambda parts, k, clock: loop.more(merge(parts), k, clock),
        None if report is None else lambda parts, k, clock: report(merge(parts), k, clock),
    )
    return _checkpointed(merged, slots, clock, state, differentiable, arrays)


def _merge(static: Tree, parts: tuple[Tree, Tree]) -> Tree:
    return eqx.combine(*parts, static)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _checkpointed(
    loop: TimeLoop, slots: int, clock: Tree, state: Tree, differentiable: Tree, arrays: Tree
) -> tuple[Tree, Tree]:
    return run(loop, clock, state, (differentiable, arrays))


class _Store(NamedTuple):
    """Every `stride`-th (clock, state) of the loop, and one slot more into which all others are written and
    forgotten."""

    entries: Tree
    stride: Int[Array, ""]


def _forward(loop: TimeLoop, slots: int, clock: Tree, state: Tree, differentiable: Tree, arrays: Tree) -> tuple:
    args = (differentiable, arrays)

    def more(carry: tuple) -> Any:
        k, clock, _, _ = carry
        return any_member(jnp.asarray(loop.more(args, k, clock)))

    def body(carry: tuple) -> tuple:
        k, clock, state, store = carry
        if loop.report is not None:
            loop.report(args, k, clock)
        store = lax.cond(k == slots * store.stride, _thin, lambda store: store, store)
        store = _Store(_write(store.entries, k, store.stride, (clock, state)), store.stride)
        return (k + 1, *loop.step(args, k, clock, state), store)

    store = _Store(_buffer((clock, state), slots), jnp.ones((), jnp.int32))
    k, clock, state, store = lax.while_loop(more, body, (jnp.zeros((), jnp.int32), clock, state, store))
    return (clock, state), (store, k, args)


def _backward(loop: TimeLoop, slots: int, residuals: tuple, cotangents: tuple) -> tuple:
    store, count, args = residuals
    differentiable, arrays = args

    def advance(steps: Array, k: Array, entry: tuple) -> tuple:
        """`entry` after that many steps, the first of which has number k."""
        return lax.fori_loop(0, steps, lambda i, entry: loop.step(args, k + i, *entry), entry)

    def pull_back(k: Array, entry: tuple, ct: tuple) -> tuple:
        """The cotangents of a step's state and of the arguments from those after the step."""
        clock, state = entry
        _, pull = jax.vjp(
            lambda state, differentiable: loop.step((differentiable, arrays), k, clock, state)[1], state, differentiable
        )
        ct_state, ct_args = pull(ct[0])
        return ct_state, jax.tree.map(jnp.add, ct[1], ct_args)

    def segment(done: Array, ct: tuple) -> tuple:
        index = (count - 1) // store.stride - done
        first = index * store.stride
        length = jnp.minimum(store.stride, count - first)
        # States of the segment that fit are stored, `run` steps apart; 1 unless there are more than slots^2 steps or
        # so.
        run_length = (length + slots - 1) // slots

        def fill(i: Array, carry: tuple) -> tuple:
            entry, entries = carry
            entry = loop.step(args, first + i - 1, *entry)
            return entry, _write(entries, i, run_length, entry)

        start = _read(store.entries, index)
        _, entries = lax.fori_loop(
            1, length, fill, (start, _write(_buffer(start, slots), jnp.zeros((), jnp.int32), run_length, start))
        )

        def reverse(done: Array, ct: tuple) -> tuple:
            i = length - 1 - done
            slot = i // run_length
            entry = advance(i - slot * run_length, first + slot * run_length, _read(entries, slot))
            return pull_back(first + i, entry, ct)

        return lax.fori_loop(0, length, reverse, ct)

    zero = jax.tree.map(jnp.zeros_like, differentiable)
    segments = (count + store.stride - 1) // store.stride
    ct_state, ct_args = lax.fori_loop(0, segments, segment, (cotangents[1], zero))
    return None, ct_state, ct_args, None


_checkpointed.defvjp(_forward, _backward)


def _buffer(entry: Tree, slots: int) -> Tree:
    return jax.tree.map(lambda leaf: jnp.zeros((slots + 1, *jnp.shape(leaf)), jnp.result_type(leaf)), entry)


def _write(entries: Tree, k: Array, stride: Array, entry: Tree) -> Tree:
    """`entry` number k into its slot, or into the last one where k is no multiple of the stride: cheaper than not to
    write."""
    last = jax.tree.leaves(entries)[0].shape[0] - 1
    slot = jnp.where(k % stride == 0, k // stride, last)
    return jax.tree.map(lambda buffer, leaf: lax.dynamic_update_index_in_dim(buffer, leaf, slot, 0), entries, entry)


def _read(entries: Tree, slot: Array) -> Tree:
    return jax.tree.map(lambda buffer: lax.dynamic_index_in_dim(buffer, slot, 0, keepdims=False), entries)


def _thin(store: _Store) -> _Store:
    def every_second(buffer: Array) -> Array:
        kept = buffer[:-1:2]
        return lax.dynamic_update_slice_in_dim(buffer, kept, 0, 0)

    return _Store(jax.tree.map(every_second, store.entries), 2 * store.stride)
