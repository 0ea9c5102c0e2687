"""Trajectories back to the start, piece by piece."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..network import field as fields

Tree = Any


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
) -> tuple[Tree, Int[Array, ""], Bool[Array, ""]]:
    """The state at t0 of d state / ds = rate(field, s, state) from that at t >= t0, the number of steps, and whether it
    was reached.

    Between two breakpoints of the field its layers are constants: backwards a stage at a breakpoint would read the
    wrong one.
    """
    jumps = jnp.clip(jnp.asarray(np.asarray(fields.breakpoints(field)), t.dtype), t0, t)
    edges = jnp.concatenate([t0[None], jumps, t[None]])

    def piece(carry: tuple, ends: tuple) -> tuple:
        state, steps, reached = carry
        start, end = ends
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda s, state, args: jax.tree.map(jnp.negative, rate(args[0], args[1] - s, state))),
            solver,
            jnp.zeros_like(end),
            end - start,
            None,
            state,
            (fields.frozen(field, 0.5 * (start + end)), end),
            stepsize_controller=controller,
            adjoint=adjoint,
            max_steps=max_steps,
            throw=False,
        )
        state = jax.tree.map(lambda leaf: leaf[0], solution.ys)
        steps = steps + jnp.asarray(solution.stats["num_steps"], jnp.int32)
        return (state, steps, reached & (solution.result == diffrax.RESULTS.successful)), None

    start = (state, jnp.zeros((), jnp.int32), jnp.ones((), bool))
    (state, steps, reached), _ = jax.lax.scan(piece, start, (edges[:-1], edges[1:]), reverse=True)
    return state, steps, reached
