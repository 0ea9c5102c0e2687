"""The adjoint transport equation, solved backwards in time beside the stored states of a finite-volume solve."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..adjoints.lockstep import any_member, slowest_member
from ..adjoints.loop import Sweep, TimeLoop
from ..methods.finite_volume.ssprk3 import STAGES, step_ssprk3
from ..methods.finite_volume.step import Clock, Span, pace
from .headwind import carried_change, headwind
from .integral import Integral, Node, begin, end, extend
from .kolmogorov import pair_spread, spread, spread_change
from .pairing import pair, speeds
from .plane_headwind import plane_carried_change, plane_headwind
from .plane_kolmogorov import plane_pair_spread, plane_spread, plane_spread_change
from .plane_pairing import plane_pair, plane_speeds

# Of the integral over time: steps between two nodes at most, and panels in a span at least if it has so many steps.
_LONGEST, _FEWEST = 8, 32


class Course(NamedTuple):
    """How lambda is carried and paired with g on one kind of grid; the signatures are those of the functions of `LINE`."""

    beyond: Callable
    headwind: Callable
    carried_change: Callable
    speeds: Callable
    pair: Callable
    spread: Callable
    spread_change: Callable
    pair_spread: Callable


# What is beyond the two ends of each axis: in two dimensions the edges of the frame, without its corners.
LINE = Course(
    lambda frame: (frame[0], frame[-1]),
    headwind,
    carried_change,
    speeds,
    pair,
    spread,
    spread_change,
    pair_spread,
)
PLANE = Course(
    lambda frame: (frame[jnp.array([0, -1]), 1:-1], frame[1:-1, jnp.array([0, -1])].T),
    plane_headwind,
    plane_carried_change,
    plane_speeds,
    plane_pair,
    plane_spread,
    plane_spread_change,
    plane_pair_spread,
)


class _Carry(NamedTuple):
    """`adjoint`: averages of lambda in units of the largest at the end of the span, at the node of the `integral`, which
    `steps` steps lead to."""

    adjoint: Float[Array, "*cells"]
    steps: Int[Array, ""]
    integral: Integral


def panels(span: Span, loop: TimeLoop) -> TimeLoop:
    """The loop over panels of several steps, at whose ends g and lambda are paired.

    What is integrated over time, int g d_theta v d_x lambda dx, does not change faster than v along a trajectory, however
    steep g and lambda are: where v does not depend on t a panel may be a few cells long. Where it does, each step is a
    panel.
    """
    if span.steady is None:
        return loop

    def step(span: Span, k: Array, clock: Clock, state: Array) -> tuple[Clock, Array]:
        size = _panel(span)

        def going(carry: tuple) -> Array:
            i, clock, _ = carry
            return (i < size) & any_member(loop.more(span, k * size + i, clock))

        def body(carry: tuple) -> tuple:
            i, clock, state = carry
            return (i + 1, *loop.step(span, k * size + i, clock, state))

        return jax.lax.while_loop(going, body, (jnp.zeros_like(k), clock, state))[1:]

    return TimeLoop(step, lambda span, k, clock: loop.more(span, k * _panel(span), clock), loop.report)


def _panel(span: Span) -> Int[Array, ""]:
    """The number of steps in a panel, the same for all members of a batch."""
    assert span.steady is not None
    steps = (span.end - span.start) * pace(span, span.steady) / span.cfl
    # Compared as floats: no integer holds the number of steps of a field that is next to infinite.
    steps = jnp.nan_to_num(steps) if span.steps is None else jnp.full_like(steps, span.steps)
    return slowest_member(jnp.clip(steps / _FEWEST, 1, _LONGEST).astype(jnp.int32))


def transport(loop: TimeLoop, span: Span, final: tuple[Clock, Array], cotangent: Float[Array, "*extended"]) -> Sweep:
    """The panels of a span reversed by

        d_t lambda + v . grad lambda + sum_i D_i d_ii lambda = 0,
        dD/dtheta = int int g (d_theta v . grad lambda + sum_i d_theta D_i d_ii lambda) dx dt,

    section 2.4 of Herty, Trimborn, Visconti (2021) with the signs of (C6), and the backward Kolmogorov equation where
    there is diffusion. Third order needs all of this: the cotangent of the averages becomes averages of lambda by
    1 + d2 / 12, with d2 the second difference, and back by 1 - d2 / 12; the average of (div v) lambda is the product of
    averages and that of slopes / 12; g and grad lambda are paired at Gauss points; and the integral over time is the
    trapezoidal rule with its end corrections, from slopes by parabolas.
    """
    law, grid, reconstruction = span.equation, span.grid, span.reconstruction
    course = LINE if grid.dimension == 1 else PLANE
    inside = (slice(1, -1),) * grid.dimension
    frame, start = cotangent.at[inside].set(0), _corrected(cotangent[inside], 1 / 12)
    # What leaves may be all that counts.
    largest = jnp.maximum(jnp.max(jnp.abs(start)), jnp.max(jnp.abs(frame)))
    scale = jnp.maximum(largest, jnp.finfo(start.dtype).tiny)
    beyond = course.beyond(frame / scale)
    # The grid as well: in places relative to it the averages obey the same equation, with v and D in units of the cell, and
    # these are what its bounds change.
    trained, rest = eqx.partition((law, grid), eqx.is_inexact_array)
    diffusion = course.spread(law, grid)

    def wind_at(t: Array) -> Any:
        return course.headwind(law, grid, t, beyond, diffusion)

    def pull(t: Array, weights: tuple) -> Any:
        """The derivative with respect to the parameters of v and D, and to the grid, where g and lambda are paired, times
        the weights."""

        def pairs(trained: Any) -> tuple:
            law, grid = eqx.combine(trained, rest)
            diffusion = course.spread(law, grid)
            return course.speeds(law, grid, t), None if diffusion is None else diffusion.inside

        return jax.vjp(pairs, trained)[1](weights)[0]

    def node(always: Array, entry: tuple, adjoint: Array) -> Node:
        (t, _), state = entry
        wind = wind_at(t) if steady is None else steady
        averages, of_diffusion = state[inside], None
        if diffusion is not None:
            of_diffusion = course.pair_spread(law, always, averages, adjoint, diffusion, beyond)
        weights = course.pair(reconstruction, always, averages, adjoint, wind, beyond), of_diffusion
        return Node(t, pull(t, weights) if steady is None else weights)

    def back(k: Array, entry: tuple, carry: _Carry) -> _Carry:
        clock, always, last = entry[0], k >= 0, carry.integral.node.t
        steps, length = carry.steps - clock[1], last - clock[0]

        def earlier(done: Array, adjoint: Array) -> Array:
            dt = jnp.where(done < steps, length / jnp.maximum(steps, 1).astype(length.dtype), jnp.zeros_like(length))
            end = last - done.astype(dt.dtype) * dt
            winds = [wind_at(end - stage * dt) if steady is None else steady for stage in STAGES]

            def change(stage: int, adjoint: Array) -> Array:
                carried = course.carried_change(reconstruction, always, adjoint, winds[stage], dt)
                if diffusion is None:
                    return carried
                return carried + course.spread_change(law, always, adjoint, diffusion, beyond, dt)

            return step_ssprk3(change, adjoint)

        adjoint = jax.lax.fori_loop(0, -slowest_member(-steps), earlier, carry.adjoint)
        return _Carry(adjoint, clock[1], extend(carry.integral, node(always, entry, adjoint)))

    def finish(carry: _Carry) -> tuple[Array, Span]:
        gradient = end(carry.integral) if steady is None else pull(span.end, end(carry.integral))
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(span, eqx.is_inexact_array))
        state = frame.at[inside].set(scale * _corrected(carry.adjoint, -1 / 12))
        by_law, by_grid = jax.tree.map(lambda leaf: scale * leaf, gradient)
        return state, zeros._replace(equation=by_law, grid=by_grid)

    steady = None if span.steady is None else wind_at(span.end)
    last = node(final[0][1] >= 0, final, start / scale)
    return Sweep(back, _Carry(start / scale, final[0][1], begin(last)), finish)


def _corrected(averages: Float[Array, "*cells"], share: float) -> Float[Array, "*cells"]:
    """averages + share d2, d2 the sum of the second differences along the axes, of which there is none in the outermost
    cells."""
    corrected = averages
    for axis in range(averages.ndim):
        line = jnp.moveaxis(averages, axis, 0)
        second = jnp.pad(line[2:] - 2 * line[1:-1] + line[:-2], ((1, 1), *[(0, 0)] * (line.ndim - 1)))
        corrected = corrected + share * jnp.moveaxis(second, 0, axis)
    return corrected
