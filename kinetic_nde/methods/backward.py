"""Trajectories back to the start, piece by piece: by steps that follow tolerances, and by a fixed number of them."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..network import field as fields
from .result import Result, first_failure, from_diffrax

Tree = Any

# The first step is this part of a piece: an estimate from the data may not be finite.
_FIRST_STEPS = 64


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
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda s, state, args: jax.tree.map(jnp.negative, rate(args[0], args[1] - s, state))),
            solver,
            jnp.zeros_like(end),
            length,
            length / _FIRST_STEPS,
            state,
            (fields.frozen(field, 0.5 * (start + end)), end),
            stepsize_controller=controller,
            adjoint=adjoint,
            max_steps=max_steps,
            throw=False,
        )
        state = jax.tree.map(lambda leaf: leaf[0], solution.ys)
        steps = steps + jnp.asarray(solution.stats["num_steps"], jnp.int32)
        spent = jnp.asarray(False) if max_steps is None else steps > max_steps
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))
        here = from_diffrax(solution.result, finite)
        here = Result.where((here == Result.successful) & spent, Result.max_steps_reached, here)
        return (state, steps, Result.where(before == Result.successful, here, before)), None

    start = (state, jnp.zeros((), jnp.int32), first_failure([(jnp.zeros((), bool), Result.not_finite)]))
    (state, steps, result), _ = jax.lax.scan(piece, start, _pieces(field, t0, t), reverse=True)
    return state, steps, result


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

    return jax.lax.scan(piece, state, _pieces(field, t0, t), reverse=True)[0]


def _pieces(field: Any, t0: Float[Array, ""], t: Float[Array, ""]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The ends of the pieces between t0, the breakpoints and t; those outside give pieces of length 0."""
    jumps = jnp.clip(jnp.asarray(np.asarray(fields.breakpoints(field)), t.dtype), t0, t)
    edges = jnp.concatenate([t0[None], jumps, t[None]])
    return edges[:-1], edges[1:]
