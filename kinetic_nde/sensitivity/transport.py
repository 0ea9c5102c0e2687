"""The adjoint transport equation, solved backwards in time beside the stored states of a finite-volume solve."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..adjoints.fence import fenced
from ..adjoints.lockstep import any_member, slowest_member
from ..adjoints.loop import Sweep, TimeLoop
from ..distributions.reconstruction import ghosts, threshold
from ..equations.balance_law import AbstractBalanceLaw
from ..methods.finite_volume.boundary import with_ghosts
from ..methods.finite_volume.flux import upwind_state
from ..methods.finite_volume.ssprk3 import STAGES, step_ssprk3
from ..methods.finite_volume.step import Clock, Span

# Of the integral over time: steps between two nodes at most, and panels in a span at least if it has so many steps.
_LONGEST, _FEWEST = 8, 32


class _Headwind(NamedTuple):
    """What carries lambda backwards, from v / dx at the faces, which is 0 at a wall that mass is pushed against and the
    field's own value at all other ends, by which lambda leaves where no mass comes in.

    - `sign`: +1 where lambda is carried to the right, which is where v < 0.
    - `base`, `gain`, `inflow`: v lambda at a face is base * (average of the upwind cell) + gain * (the rest of its parabola
      there) + inflow. There is no rest in a cell at a wall that mass is pushed against, since what is in such a cell stays
      in it: lambda has one value there. At an open end through which mass leaves, lambda comes in as a constant.
    - `divergence`: the average of div v in each cell, and `bend` its undivided slope / 12.
    - `counted`: 1 at the faces through which mass passes when v changes, else 0.
    """

    sign: Float[Array, " faces"]
    base: Float[Array, " faces"]
    gain: Float[Array, " faces"]
    inflow: Float[Array, " faces"]
    divergence: Float[Array, " cells"]
    bend: Float[Array, " cells"]
    counted: Float[Array, " faces"]


class _Node(NamedTuple):
    """A time at which the integrand of the gradient is known, and the integrand: by faces, what the derivatives of v there
    are multiplied by, if v does not depend on t; else the integrand itself."""

    t: Float[Array, ""]
    integrand: Any


class _Carry(NamedTuple):
    """`adjoint`: averages of lambda in units of the largest at the end of the span, at the time of `node`, which `count`
    steps lead to; `integral` from there to the end, but for what the slopes at the ends of the panel up to `later` bring;
    `slope` of the integrand at `later`, if that is `between` two panels."""

    adjoint: Float[Array, " cells"]
    count: Int[Array, ""]
    node: _Node
    later: _Node
    slope: Any
    between: Bool[Array, ""]
    integral: Any


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
    steps = (span.end - span.start) * span.steady.fastest / span.cfl
    # Compared as floats: no integer holds the number of steps of a field that is next to infinite.
    steps = jnp.nan_to_num(steps) if span.steps is None else jnp.full_like(steps, span.steps)
    return slowest_member(jnp.clip(steps / _FEWEST, 1, _LONGEST).astype(jnp.int32))


def transport(loop: TimeLoop, span: Span, final: tuple[Clock, Array], cotangent: Float[Array, " extended"]) -> Sweep:
    """The panels of a span reversed by

        d_t lambda + v d_x lambda = 0,   dD/dtheta = int int g d_theta v d_x lambda dx dt,

    section 2.4 of Herty, Trimborn, Visconti (2021) with the signs of (C6). Third order needs all of this: the cotangent
    of the averages becomes averages of lambda by 1 + d2 / 12, with d2 the second difference, and back by 1 - d2 / 12;
    the average of (div v) lambda is the product of averages and that of slopes / 12; g and d_x lambda are paired at the
    faces; and the integral over time is the trapezoidal rule with its end corrections, from slopes by parabolas.
    """
    law, grid = span.equation, span.grid
    outside = cotangent[0], cotangent[-1]
    start = _corrected(cotangent[1:-1], 1 / 12)
    scale = jnp.maximum(jnp.max(jnp.abs(start)), jnp.finfo(start.dtype).tiny)
    beyond = outside[0] / scale, outside[1] / scale
    trained, rest = eqx.partition(law, eqx.is_inexact_array)

    def speeds(trained: Any, t: Array) -> Array:
        law = eqx.combine(trained, rest)
        return jax.vmap(lambda x: law.velocity(t, x))(grid.faces) / grid.width

    def headwind(t: Array) -> tuple[_Headwind, Any]:
        """What carries lambda at time t, and how v / dx at the faces depends on the parameters."""
        value, pull = jax.vjp(lambda trained: speeds(trained, t), trained)
        return _headwind(law, value, beyond), lambda weights: pull(weights)[0]

    def pair(always: Array, state: Array, adjoint: Array, wind: _Headwind) -> Array:
        """g at each face times the jump of the cotangent there."""

        def product(padded: Array, jumps: Array, wind: _Headwind) -> Array:
            # Where lambda is carried to the right, g is carried to the left.
            states = upwind_state(span.reconstruction, threshold(grid.cells), padded, -wind.sign)
            return wind.counted * states * jumps

        jumps = jnp.diff(jnp.concatenate([beyond[0][None], _corrected(adjoint, -1 / 12), beyond[1][None]]))
        return fenced(always, product, with_ghosts(state)[1:-1], jumps, wind)

    def node(always: Array, entry: tuple, adjoint: Array) -> _Node:
        (t, _), state = entry
        wind, pull = (steady, None) if steady is not None else headwind(t)
        integrand = pair(always, state, adjoint, wind)
        return _Node(t, integrand if pull is None else pull(integrand))

    def back(k: Array, entry: tuple, carry: _Carry) -> _Carry:
        clock, always = entry[0], k >= 0
        steps, length = carry.count - clock[1], carry.node.t - clock[0]

        def earlier(done: Array, adjoint: Array) -> Array:
            dt = jnp.where(done < steps, length / jnp.maximum(steps, 1).astype(length.dtype), jnp.zeros_like(length))
            end = carry.node.t - done.astype(dt.dtype) * dt
            winds = [steady or headwind(end - stage * dt)[0] for stage in STAGES]
            return step_ssprk3(lambda stage, adjoint: _change(span, always, adjoint, winds[stage], dt), adjoint)

        most = -slowest_member(-steps)
        adjoint = jax.lax.fori_loop(0, most, earlier, carry.adjoint)
        here = node(always, entry, adjoint)
        slope = _slope(here, carry.node, carry.later)
        last = _other_slope(carry.node, carry.later, slope)
        corrected = _corrected_integral(
            carry, slope, jax.tree.map(partial(jnp.where, carry.between), carry.slope, last)
        )
        known = carry.later.t > carry.node.t
        integral = jax.tree.map(partial(jnp.where, known), corrected, carry.integral)
        integral = jax.tree.map(
            lambda sum, a, b: sum + 0.5 * length * (a + b), integral, here.integrand, carry.node.integrand
        )
        after = _Carry(adjoint, clock[1], here, carry.node, slope, known, integral)
        return jax.tree.map(partial(jnp.where, length > 0), after, carry)

    def finish(carry: _Carry) -> tuple[Array, Span]:
        corrected = _corrected_integral(carry, _other_slope(carry.node, carry.later, carry.slope), carry.slope)
        integral = jax.tree.map(partial(jnp.where, carry.between), corrected, carry.integral)
        integral = integral if pull_steady is None else pull_steady(integral)
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(span, eqx.is_inexact_array))
        state = jnp.concatenate([outside[0][None], scale * _corrected(carry.adjoint, -1 / 12), outside[1][None]])
        return state, zeros._replace(equation=jax.tree.map(lambda leaf: scale * leaf, integral))

    steady, pull_steady = (None, None) if span.steady is None else headwind(span.end)
    last = node(final[0][1] >= 0, final, start / scale)
    nothing = jax.tree.map(jnp.zeros_like, last.integrand)
    carry = _Carry(start / scale, final[0][1], last, last, nothing, jnp.zeros((), bool), nothing)
    return Sweep(back, carry, finish)


def _length(first: _Node, last: _Node) -> Float[Array, ""]:
    """The time between two nodes, or 1 if they are the same."""
    length = last.t - first.t
    return jnp.where(length > 0, length, jnp.ones_like(length))


def _slope(first: _Node, middle: _Node, last: _Node) -> Any:
    """The slope of the integrand at the second of three nodes, by the parabola through them."""
    before, after = _length(first, middle), _length(middle, last)

    def slope(a: Array, b: Array, c: Array) -> Array:
        return (after * (b - a) / before + before * (c - b) / after) / (before + after)

    return jax.tree.map(slope, first.integrand, middle.integrand, last.integrand)


def _other_slope(first: _Node, last: _Node, slope: Any) -> Any:
    """The slope at one node by the parabola through two that has this slope at the other."""
    length = _length(first, last)
    return jax.tree.map(lambda a, b, slope: 2 * (b - a) / length - slope, first.integrand, last.integrand, slope)


def _corrected_integral(carry: _Carry, first: Any, last: Any) -> Any:
    """The integral with what the slopes at either end of the latest panel add to the trapezoidal rule."""
    share = _length(carry.node, carry.later) ** 2 / 12
    return jax.tree.map(lambda sum, a, b: sum + share * (a - b), carry.integral, first, last)


def _headwind(law: AbstractBalanceLaw, speed: Float[Array, " faces"], beyond: tuple[Array, Array]) -> _Headwind:
    """From v / dx at all faces and lambda beyond open ends."""
    ones = jnp.ones_like(speed)
    counted, shaped, inflow = ones, ones, 0 * ones
    inside = ones
    for end, inner, wall in zip((0, -1), (1, -2), law.walls or (None, None), strict=True):
        outward = speed * (1 if end else -1)
        leaving = jnp.where(outward[end] > 0, ones[0], 0 * ones[0])
        if wall is None:
            counted, inside = counted.at[end].set(leaving), inside.at[end].set(1 - leaving)
            inflow = inflow.at[end].set(leaving * speed[end] * beyond[end])
        else:
            counted = counted.at[end].set(0)
            speed = speed.at[end].multiply(1 - leaving)
            shaped = shaped.at[inner].set(jnp.where(outward[inner] > 0, 0 * ones[0], ones[0]))
    divergence = jnp.diff(speed)
    bend = jnp.pad(divergence[2:] - divergence[:-2], 1) / 24
    base = speed * inside
    return _Headwind(jnp.where(speed < 0, ones, -ones), base, base * shaped, inflow, divergence, bend, counted)


def _change(
    span: Span, always: Array, adjoint: Float[Array, " cells"], wind: _Headwind, dt: Float[Array, ""]
) -> Float[Array, " cells"]:
    """dt times the average of v d_x lambda = d_x(v lambda) - (div v) lambda in each cell."""
    before, after = ghosts(adjoint)
    nothing = jnp.zeros(1, adjoint.dtype)
    padded = jnp.concatenate([nothing, before[None], adjoint, after[None], nothing])

    def carried(padded: Array, sign: Array, base: Array, gain: Array, inflow: Array) -> Array:
        upwind = jnp.where(sign > 0, padded[1:-2], padded[2:-1])
        state = upwind_state(span.reconstruction, threshold(span.grid.cells), padded, sign)
        return base * upwind + gain * (state - upwind) + inflow

    def change(through: Array, padded: Array, divergence: Array, bend: Array, dt: Array) -> Array:
        source = divergence * padded[2:-2] + bend * 0.5 * (padded[3:-1] - padded[1:-3])
        return dt * (through[1:] - through[:-1] - source)

    through = fenced(always, carried, padded, wind.sign, wind.base, wind.gain, wind.inflow)
    return fenced(always, change, through, padded, wind.divergence, wind.bend, dt)


def _corrected(averages: Float[Array, " cells"], share: float) -> Float[Array, " cells"]:
    """averages + share d2, without the correction in the outermost cells."""
    return averages.at[1:-1].add(share * (averages[2:] - 2 * averages[1:-1] + averages[:-2]))
