"""The loop over time steps, and the sweep back over it from a bounded number of stored states."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from .lockstep import any_member
from .store import Store, Tree, buffer, copy_run, read, thin, write

# States stored between two stored states while the steps between them are reversed: a power of two, as the stride is, so
# that one divides the other. Buffers are made for every segment, which costs less than to carry them through all loops.
_INNER = 32


class TimeLoop(NamedTuple):
    """A loop `while more(args, k, clock): clock, state = step(args, k, clock, state)` for k = 0, 1, ...

    `state` and the arrays of floats in `args` are differentiated, `clock` (times and counts) is not. Both functions are
    static and use no traced values but their arguments. Under `vmap` all members of a batch go round together: a step
    must leave alone a member for which `more` is false. `report(args, k, clock)`, if given, is called in each round of
    the forward loop only. `reversal`, if given, is a faster way than `autodiff` to the same derivative.
    """

    step: Callable[[Tree, Int[Array, ""], Tree, Tree], tuple[Tree, Tree]]
    more: Callable[[Tree, Int[Array, ""], Tree], Any]
    report: Callable[[Tree, Int[Array, ""], Tree], None] | None = None
    reversal: "Reversal | None" = None


class Sweep(NamedTuple):
    """How the steps of a loop are gone through backwards.

    - `back(k, entry, carry) -> carry`: step k reversed, from the (clock, state) that it started from.
    - `carry`: what is carried backwards, as it is after the last step.
    - `finish(carry) -> (ct_state, ct_args)`: the cotangents of the state at the start and of the arrays of floats in
      `args`.
    """

    back: Callable[[Int[Array, ""], tuple[Tree, Tree], Tree], Tree]
    carry: Tree
    finish: Callable[[Tree], tuple[Tree, Tree]]


# `reversal(loop, args, final, cotangent)`, with the last (clock, state) and the cotangent of that state: what is done on
# the way back. Static, as are the functions of the loop.
Reversal = Callable[[TimeLoop, Tree, tuple[Tree, Tree], Tree], Sweep]


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


def autodiff(loop: TimeLoop, args: Tree, final: tuple[Tree, Tree], cotangent: Tree) -> Sweep:
    """Each step reversed by JAX: the exact derivative of the numbers that the loop computes."""
    differentiable, rest = eqx.partition(args, eqx.is_inexact_array)

    def back(k: Array, entry: tuple, carry: tuple) -> tuple:
        clock, state = entry
        _, pull = jax.vjp(
            lambda state, differentiable: loop.step(eqx.combine(differentiable, rest), k, clock, state)[1],
            state,
            differentiable,
        )
        ct_state, ct_args = pull(carry[0])
        return ct_state, jax.tree.map(jnp.add, carry[1], ct_args)

    return Sweep(back, (cotangent, jax.tree.map(jnp.zeros_like, differentiable)), lambda carry: carry)


def run_checkpointed(
    loop: TimeLoop,
    slots: int,
    clock: Tree,
    state: Tree,
    args: Tree,
    reversal: Reversal | None = None,
) -> tuple[Tree, Tree]:
    """The same loop with a reverse-mode derivative that stores `slots` states on the way, and twice 32 more while it
    goes back.

    The number of steps need not be known: whenever the store is full, every second state is dropped and the distance
    between stored states doubles. Up to `slots` steps are computed once, up to 32 slots twice (again from the
    stored state), up to 32^2 slots three times, and there is no limit. `reversal` says what is done on the way back; by
    default it is the exact derivative, by the loop's own rule or by `autodiff`.
    """
    differentiable, rest = eqx.partition(args, eqx.is_inexact_array)
    arrays, static = eqx.partition(rest, eqx.is_array)
    merge = functools.partial(_merge, static)
    report = loop.report
    rule = reversal or loop.reversal or autodiff
    merged = TimeLoop(
        lambda parts, k, clock, state: loop.step(merge(parts), k, clock, state),
        lambda parts, k, clock: loop.more(merge(parts), k, clock),
        None if report is None else lambda parts, k, clock: report(merge(parts), k, clock),
    )
    return _checkpointed(
        merged,
        slots,
        lambda parts, final, cotangent: rule(loop, merge(parts), final, cotangent),
        clock,
        state,
        differentiable,
        arrays,
    )


def _merge(static: Tree, parts: tuple[Tree, Tree]) -> Tree:
    return eqx.combine(*parts, static)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _checkpointed(
    loop: TimeLoop, slots: int, reversal: Callable, clock: Tree, state: Tree, differentiable: Tree, arrays: Tree
) -> tuple[Tree, Tree]:
    return run(loop, clock, state, (differentiable, arrays))


def _forward(
    loop: TimeLoop, slots: int, reversal: Callable, clock: Tree, state: Tree, differentiable: Tree, arrays: Tree
) -> tuple:
    args = (differentiable, arrays)

    def more(carry: tuple) -> Any:
        k, clock, _, _ = carry
        return any_member(jnp.asarray(loop.more(args, k, clock)))

    def body(carry: tuple) -> tuple:
        k, clock, state, store = carry
        if loop.report is not None:
            loop.report(args, k, clock)
        store = lax.cond(k == slots * store.stride, thin, lambda store: store, store)
        store = Store(write(store.entries, k, store.stride, (clock, state)), store.stride)
        return (k + 1, *loop.step(args, k, clock, state), store)

    store = Store(buffer((clock, state), slots), jnp.ones((), jnp.int32))
    k, clock, state, store = lax.while_loop(more, body, (jnp.zeros((), jnp.int32), clock, state, store))
    return (clock, state), (store, k, (clock, state), args)


def _backward(loop: TimeLoop, slots: int, reversal: Callable, residuals: tuple, cotangents: tuple) -> tuple:
    store, count, final, args = residuals
    sweep: Sweep = reversal(args, final, cotangents[1])

    def advance(steps: Array, k: Array, entry: tuple) -> tuple:
        """`entry` after that many steps, the first of which has number k."""
        return lax.fori_loop(0, steps, lambda i, entry: loop.step(args, k + i, *entry), entry)

    def segment(done: Array, carry: Tree) -> Tree:
        """At least `_INNER` steps and all between two stored states: cut into runs of `_INNER` steps, the state at whose
        starts is kept where those fit."""
        first = (segments - 1 - done) * apiece
        length = jnp.minimum(apiece, count - first)
        runs = (length + _INNER - 1) // _INNER
        apart = (runs + _INNER - 1) // _INNER

        def keep(i: Array, kept: tuple) -> tuple:
            entry, starts = kept
            entry = advance(jnp.asarray(_INNER, jnp.int32), first + (i - 1) * _INNER, entry)
            return entry, write(starts, i, apart, entry)

        start = read(store.entries, first // store.stride)
        _, starts = lax.fori_loop(
            1, runs, keep, (start, write(buffer(start, _INNER), jnp.zeros((), jnp.int32), apart, start))
        )

        def reverse(done: Array, carry: Tree) -> Tree:
            i = runs - 1 - done
            slot = i // apart
            entry = advance((i - slot * apart) * _INNER, first + slot * apart * _INNER, read(starts, slot))
            return run_back(first + i * _INNER, jnp.minimum(_INNER, length - i * _INNER), entry, carry)

        return lax.fori_loop(0, runs, reverse, carry)

    def run_back(first: Array, steps: Array, entry: tuple, carry: Tree) -> Tree:
        """At most `_INNER` steps: forward with all states kept, and back over them."""

        def fill(i: Array, filled: tuple) -> tuple:
            entry, entries = filled
            k = first + i
            entry = lax.cond(
                k % store.stride == 0,
                lambda _: read(store.entries, k // store.stride),
                lambda entry: loop.step(args, k - 1, *entry),
                entry,
            )
            return entry, write(entries, i, one, entry)

        def filled_by_steps(entries: Tree) -> tuple:
            return lax.fori_loop(1, steps, fill, (entry, write(entries, 0 * one, one, entry)))

        def filled_at_once(entries: Tree) -> tuple:
            entries = copy_run(entries, store, first)
            return read(entries, steps - 1), entries

        one = jnp.ones((), jnp.int32)
        if slots < _INNER:
            last, entries = filled_by_steps(buffer(entry, _INNER))
        else:
            all_stored = (store.stride == 1) & (first + _INNER <= slots)
            last, entries = lax.cond(all_stored, filled_at_once, filled_by_steps, buffer(entry, _INNER))

        def back(done: Array, carried: tuple) -> tuple:
            entry, carry = carried
            i = steps - 1 - done
            # The next entry is carried: read where it is used it would be read, slowly, by each of its uses.
            return read(entries, jnp.maximum(i - 1, 0)), sweep.back(first + i, entry, carry)

        return lax.fori_loop(0, steps, back, (last, carry))[1]

    apiece = jnp.maximum(store.stride, _INNER)
    segments = (count + apiece - 1) // apiece
    ct_state, ct_args = sweep.finish(lax.fori_loop(0, segments, segment, sweep.carry))
    return None, ct_state, eqx.filter(ct_args, eqx.is_inexact_array), None


_checkpointed.defvjp(_forward, _backward)
