"""Trajectories back to the start, piece by piece: by steps that follow tolerances, and by a fixed number of them."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..network import field as fields
from .events import split_at_events
from .result import Result, first_failure, from_diffrax

Tree = Any

# The first step is this part of an interval: an estimate from the data may not be finite.
_FIRST_STEP = 1 / 64


def carried_back(
    rate: Any,
    field: Any,
    state: Tree,
    t0: Float[Array, ""],
    t: Float[Array, ""],
    *,
    solver: diffrax.AbstractSolver,
    controller: diffrax.AbstractStepSizeController,
    adjoint: diffrax.AbstractAdjoint,
    max_steps: int | None = None,
) -> tuple[Tree, Int[Array, ""], Result]:
    """The state at t0 of d state / ds = rate(field, s, state) from that at t >= t0, the number of steps, and how it
    ended. `max_steps` is a limit for the whole way.

    Between two breakpoints of the field its layers are constants: backwards a stage at a breakpoint would read the
    wrong one.
    """

    def piece(carry: tuple, ends: tuple) -> tuple:
        state, steps, before = carry
        start, end = ends
        # What has failed goes no further.
        length = jnp.where(before == Result.successful, end - start, jnp.zeros_like(end))
        solution = over_interval(
            lambda args, share, state: rate(args[0], args[1] - share * args[2], state),
            (fields.frozen(field, 0.5 * (start + end)), end, length),
            state,
            -length,
            solver=solver,
            controller=controller,
            adjoint=adjoint,
            max_steps=max_steps,
        )
        state = jax.tree.map(lambda leaf: leaf[0], solution.ys)
        # No step is made where there is no length, and yet the state changes with it.
        speed = rate(fields.frozen(field, 0.5 * (start + end)), end, state)
        still = jnp.where(length == 0, length, jnp.zeros_like(length))
        state = jax.tree.map(lambda leaf, v: leaf - still * v, state, speed)
        steps = steps + jnp.asarray(solution.stats["num_steps"], jnp.int32)
        spent = jnp.asarray(False) if max_steps is None else steps > max_steps
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))
        here = from_diffrax(solution.result, finite)
        here = Result.where((here == Result.successful) & spent, Result.max_steps_reached, here)
        return (state, steps, Result.where(before == Result.successful, here, before)), None

    start = (state, jnp.zeros((), jnp.int32), first_failure([(jnp.zeros((), bool), Result.not_finite)]))
    intervals = split_at_events(field, t0, t)
    (state, steps, result), _ = jax.lax.scan(piece, start, (intervals.starts, intervals.ends), reverse=True)
    return state, steps, result


def over_interval(
    rate: Any,
    args: Any,
    state: Tree,
    length: Float[Array, ""],
    *,
    solver: diffrax.AbstractSolver,
    controller: diffrax.AbstractStepSizeController,
    adjoint: diffrax.AbstractAdjoint,
    max_steps: int | None,
    first_step: float = _FIRST_STEP,
) -> diffrax.Solution:
    """One interval without an event inside, of a length that may be negative: d state / d share = length * rate(args, share,
    state) for a share of it from 0 to 1, so that a short interval is like any other;
    `first_step` is a share too. Nothing happens if its length is 0."""
    end = (length != 0).astype(length.dtype)

    def change(share: Any, state: Tree, args: Any) -> Tree:
        return jax.tree.map(lambda leaf: args[1] * leaf, rate(args[0], share, state))

    return diffrax.diffeqsolve(
        diffrax.ODETerm(change),
        solver,
        jnp.zeros_like(end),
        end,
        jnp.full_like(end, first_step),
        state,
        (args, length),
        stepsize_controller=controller,
        adjoint=adjoint,
        max_steps=max_steps,
        throw=False,
    )


def stepped_back(
    rate: Any,
    field: Any,
    state: Tree,
    t0: Float[Array, ""],
    t: Float[Array, ""],
    *,
    solver: diffrax.AbstractERK,
    steps: int,
) -> Tree:
    """The same state after a static number of equal steps between two breakpoints: plain scans, whose derivative is that
    of the scheme and takes a fraction of the time that it takes through a loop of unknown length. What a step computes is
    computed again on the way back, so that one state is stored for each."""

    def piece(state: Tree, ends: tuple) -> tuple:
        first, last = ends
        here, h = fields.frozen(field, 0.5 * (first + last)), (last - first) / steps
        term = diffrax.ODETerm(lambda s, state, args: jax.tree.map(jnp.negative, rate(args, last - s, state)))

        @jax.checkpoint
        def step(carry: tuple, number: Array) -> tuple:
            state, inner = carry
            state, _, _, inner, _ = solver.step(term, number * h, (number + 1) * h, state, here, inner, made_jump=False)
            return (state, inner), None

        inner = solver.init(term, jnp.zeros_like(h), h, state, here)
        (state, _), _ = jax.lax.scan(step, (state, inner), jnp.arange(steps, dtype=h.dtype))
        return state, None

    intervals = split_at_events(field, t0, t)
    return jax.lax.scan(piece, state, (intervals.starts, intervals.ends), reverse=True)[0]
