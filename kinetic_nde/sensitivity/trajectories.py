"""The adjoint equation of particles, along their trajectories."""

import functools
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..methods.backward import over_interval
from ..methods.events import split_at_events
from ..methods.method import with_field
from ..methods.particles import Trajectories
from ..network import field as fields

Tree = Any


def followed(problem: Trajectories, law: Any, start: Float[Array, "m *d"], ts: Float[Array, " k"], kept: int) -> tuple:
    """What `problem.follow` gives, with the derivative by

        p' = -(d_x v)^T p,   dD/dtheta = int sum_i p_i^T d_theta v(t, x_i) dt

    backwards along each trajectory, which starts anew from `kept` stored positions, and at save times and breakpoints:
    backwards, trajectories that come together part, and an error would grow with them.
    """
    trained, rest = eqx.partition(law, eqx.is_inexact_array)
    arrays, static = eqx.partition((problem, rest), eqx.is_array)
    return _followed(functools.partial(_merge, static), kept, trained, start, arrays, ts)


def _merge(static: Tree, trained: Tree, arrays: Tree) -> tuple[Trajectories, Any]:
    problem, rest = eqx.combine(arrays, static)
    return problem, eqx.combine(trained, rest)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _followed(merge: Any, kept: int, trained: Tree, start: Array, arrays: Tree, ts: Array) -> tuple:
    problem, law = merge(trained, arrays)
    return problem.follow(law, start, ts, diffrax.ForwardMode())


def _forward(merge: Any, kept: int, trained: Tree, start: Array, arrays: Tree, ts: Array) -> tuple:
    problem, law = merge(trained, arrays)
    share = jnp.linspace(0, 1, kept + 1, dtype=ts.dtype)
    saves = jnp.concatenate([ts, problem.t0 + share * (problem.t1 - problem.t0)])
    intervals = split_at_events(law.field, problem.t0, problem.t1, saves)
    stops = jnp.concatenate([problem.t0[None], intervals.ends])
    positions, stats, result = problem.follow(law, start, stops, diffrax.ForwardMode())
    # Where each save time has come to lie among the stops.
    places = 1 + intervals.saved[: ts.size]
    return (positions[places], stats, result), (trained, arrays, stops, positions, places)


def _backward(merge: Any, kept: int, residuals: tuple, cotangents: tuple) -> tuple:
    trained, arrays, stops, positions, places = residuals
    problem, law = merge(trained, arrays)
    saved = cotangents[0]
    scale = jnp.maximum(jnp.max(jnp.abs(saved)), jnp.finfo(saved.dtype).tiny)
    jumps = jnp.zeros_like(positions).at[places].add(saved / scale)
    size = problem.size

    def rate(t: Array, state: tuple, piece: Any) -> tuple:
        x, p, _ = state
        x = size * x
        parts, rest = eqx.partition(piece, eqx.is_inexact_array)
        v, pull = jax.vjp(lambda x, parts: problem.rate(with_field(law, eqx.combine(parts, rest)), t, x), x, parts)
        moving = problem.between_walls(x)
        # Backwards, one that has come to a wall was waiting there.
        ct_x, ct_parts = pull(jnp.where(moving, p, jnp.zeros_like(p)))
        return jnp.where(moving, v, jnp.zeros_like(v)) / size, -ct_x, jax.tree.map(jnp.negative, ct_parts)

    def segment(carry: tuple, at: tuple) -> tuple:
        p, gradient = carry
        begin, end, x, jump = at
        # What is at a wall is there whatever came before.
        p = jnp.where(problem.between_walls(x), p + jump, jnp.zeros_like(p))

        def freeze(trained: Tree) -> Any:
            field = eqx.combine(trained, law).field
            return eqx.filter(fields.frozen(field, 0.5 * (begin + end)), eqx.is_inexact_array)

        parts, pull = jax.vjp(freeze, trained)
        piece = eqx.combine(parts, fields.frozen(law.field, 0.5 * (begin + end)))
        state = (x / size, p, jax.tree.map(jnp.zeros_like, parts))
        (_, p, change), ok = _carried(problem, rate, piece, state, begin, end)
        p = jnp.where(ok, p, jnp.full_like(p, jnp.nan))
        return (p, jax.tree.map(jnp.add, gradient, pull(change)[0])), None

    nothing = jax.tree.map(jnp.zeros_like, trained)
    steps = (stops[:-1], stops[1:], positions[1:], jumps[1:])
    (p, gradient), _ = jax.lax.scan(segment, (jnp.zeros_like(positions[0]), nothing), steps, reverse=True)
    start = p + jumps[0]
    return jax.tree.map(lambda leaf: scale * leaf, gradient), scale * start, None, None


_followed.defvjp(_forward, _backward)


def _carried(
    problem: Trajectories, rate: Any, piece: Any, state: tuple, begin: Array, end: Array
) -> tuple[Any, Bool[Array, ""]]:
    """The state at `begin` from that at `end`, positions and cotangents both with the tolerances of the particles."""
    solution = over_interval(
        lambda args, share, state: rate(args[1] + share * (args[2] - args[1]), state, args[0]),
        (piece, end, begin),
        state,
        begin - end,
        solver=problem.solver,
        controller=problem.controller(jnp.ones_like(problem.size)),
        adjoint=diffrax.ForwardMode(),
        max_steps=problem.max_steps,
        first_step=1.0,
    )
    return jax.tree.map(lambda leaf: leaf[0], solution.ys), solution.result == diffrax.RESULTS.successful
