"""The adjoint transport equation in two dimensions."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.lax import slice_in_dim
from jaxtyping import Array, Bool, Float, Int

from ..adjoints.fence import fenced
from ..adjoints.lockstep import slowest_member
from ..adjoints.loop import Sweep, TimeLoop
from ..distributions.grid import Grid
from ..distributions.reconstruction import AbstractReconstruction, threshold
from ..equations.balance_law import AbstractBalanceLaw, walls_by_axis
from ..methods.finite_volume.plane import edge_speeds, upwind_edge, with_frame
from ..methods.finite_volume.ssprk3 import STAGES, step_ssprk3
from ..methods.finite_volume.step import Clock, Span
from .integral import Integral, Node, begin, end, extend
from .pairing import PLACE, faces


class EdgeHeadwind(NamedTuple):
    """What carries lambda backwards across the edges that face along one axis, as `Headwind` in one dimension: `sign` is +1
    where lambda is carried upwards, which is where v < 0; v lambda is base * (average of the upwind cell) + gain * (the rest
    of its parabola) + shear * (its rise along the edge) + inflow, averaged over an edge."""

    sign: Float[Array, "*edges"]
    base: Float[Array, "*edges"]
    gain: Float[Array, "*edges"]
    shear: Float[Array, "*edges"]
    inflow: Float[Array, "*edges"]
    still: Bool[Array, "2 rows"]
    leaving: Bool[Array, "2 rows"]


class PlaneHeadwind(NamedTuple):
    """That along each of the axes, and the average of div v in each cell."""

    axes: tuple[EdgeHeadwind, EdgeHeadwind]
    divergence: Float[Array, "nx ny"]


class PlanePairing(NamedTuple):
    """What v / dx and v / dy are multiplied by in int g v . grad lambda dx: at the 2 x 2 Gauss points of each cell, and at the
    edges at both ends of each axis."""

    inside: Float[Array, "2 4 nx ny"]
    x_ends: Float[Array, "2 ny"]
    y_ends: Float[Array, "2 nx"]


class _Carry(NamedTuple):
    adjoint: Float[Array, "nx ny"]
    steps: Int[Array, ""]
    integral: Integral


# The four Gauss points of a cell.
_CORNERS = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]


def plane_transport(
    loop: TimeLoop, span: Span, final: tuple[Clock, Array], cotangent: Float[Array, "extended_x extended_y"]
) -> Sweep:
    """The panels of a span reversed by d_t lambda + v . grad lambda = 0, with dD/dtheta = int int g d_theta v . grad lambda,
    section 2.4 of Herty, Trimborn, Visconti (2021): as `transport` does in one dimension, along each axis."""
    law, grid = span.equation, span.grid
    start = _corrected(cotangent[1:-1, 1:-1], 1 / 12)
    frame = cotangent.at[1:-1, 1:-1].set(0)
    # What leaves may be all that counts.
    largest = jnp.maximum(jnp.max(jnp.abs(start)), jnp.max(jnp.abs(frame)))
    scale = jnp.maximum(largest, jnp.finfo(start.dtype).tiny)
    beyond = tuple(each / scale for each in (frame[jnp.array([0, -1]), 1:-1], frame[1:-1, jnp.array([0, -1])].T))
    trained, rest = eqx.partition(law, eqx.is_inexact_array)

    def wind_at(t: Array) -> PlaneHeadwind:
        return plane_headwind(law, grid, t, beyond)

    def pull(t: Array, weights: PlanePairing) -> Any:
        return jax.vjp(lambda trained: _speeds(eqx.combine(trained, rest), grid, t), trained)[1](weights)[0]

    def node(always: Array, entry: tuple, adjoint: Array) -> Node:
        (t, _), state = entry
        wind = wind_at(t) if steady is None else steady
        weights = _pair(always, span.reconstruction, state[1:-1, 1:-1], adjoint, wind, beyond)
        return Node(t, pull(t, weights) if steady is None else weights)

    def back(k: Array, entry: tuple, carry: _Carry) -> _Carry:
        clock, always, last = entry[0], k >= 0, carry.integral.node.t
        steps, duration = carry.steps - clock[1], last - clock[0]

        def earlier(done: Array, adjoint: Array) -> Array:
            dt = jnp.where(
                done < steps, duration / jnp.maximum(steps, 1).astype(duration.dtype), jnp.zeros_like(duration)
            )
            stop = last - done.astype(dt.dtype) * dt
            winds = [wind_at(stop - stage * dt) if steady is None else steady for stage in STAGES]
            return step_ssprk3(
                lambda stage, adjoint: _carried_change(span.reconstruction, always, adjoint, winds[stage], dt), adjoint
            )

        adjoint = jax.lax.fori_loop(0, -slowest_member(-steps), earlier, carry.adjoint)
        return _Carry(adjoint, clock[1], extend(carry.integral, node(always, entry, adjoint)))

    def finish(carry: _Carry) -> tuple[Array, Span]:
        gradient = end(carry.integral) if steady is None else pull(span.end, end(carry.integral))
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(span, eqx.is_inexact_array))
        state = frame.at[1:-1, 1:-1].set(scale * _corrected(carry.adjoint, -1 / 12))
        return state, zeros._replace(equation=jax.tree.map(lambda leaf: scale * leaf, gradient))

    steady = None if span.steady is None else wind_at(span.end)
    last = node(final[0][1] >= 0, final, start / scale)
    return Sweep(back, _Carry(start / scale, final[0][1], begin(last)), finish)


def plane_headwind(
    law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""], beyond: tuple[Array, ...]
) -> PlaneHeadwind:
    """From the velocity at all edges, and lambda beyond the ends of each axis."""
    x, y = (_edge_headwind(law, grid, t, axis, beyond[axis]) for axis in (0, 1))
    return PlaneHeadwind((x[0], y[0]), jnp.diff(x[1], axis=0) + jnp.diff(y[1], axis=1))


def _edge_headwind(
    law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""], axis: int, beyond: Float[Array, "2 rows"]
) -> tuple[EdgeHeadwind, Float[Array, "*edges"]]:
    # With the axis first.
    mean, slope = (jnp.moveaxis(each, axis, 0) for each in edge_speeds(law, grid, t, axis))
    inside, shaped, inflow = jnp.ones_like(mean), jnp.ones_like(mean), jnp.zeros_like(mean)
    none = jnp.zeros_like(mean[0])
    still, leaves = [], []
    for k, (last, inner, side, wall) in enumerate(
        zip((0, -1), (1, -2), (-1, 1), walls_by_axis(law, 2)[axis], strict=True)
    ):
        leaving, pushed = side * mean[last] > 0, side * mean[inner] > 0
        if wall is None:
            inside = inside.at[last].set(jnp.where(leaving, none, inside[last]))
            inflow = inflow.at[last].set(jnp.where(leaving, mean[last] * beyond[k], none))
        else:
            mean = mean.at[last].set(jnp.where(leaving, none, mean[last]))
            slope = slope.at[last].set(jnp.where(leaving, none, slope[last]))
            shaped = shaped.at[inner].set(jnp.where(pushed, none, shaped[inner]))
        still.append(pushed if wall is not None else jnp.zeros_like(pushed))
        leaves.append(leaving if wall is None else jnp.zeros_like(leaving))
    # What crosses an end of the grid is known inside only.
    sign = jnp.where(mean < 0, jnp.ones_like(mean), -jnp.ones_like(mean)).at[0].set(-1).at[-1].set(1)
    base = mean * inside
    sign, base, gain, shear, inflow = (
        jnp.moveaxis(each, 0, axis) for each in (sign, base, base * shaped, slope * inside / 12, inflow)
    )
    headwind = EdgeHeadwind(sign, base, gain, shear, inflow, jnp.stack(still), jnp.stack(leaves))
    return headwind, jnp.moveaxis(mean, 0, axis)


def _framed(adjoint: Float[Array, "nx ny"]) -> Float[Array, "framed_x framed_y"]:
    return with_frame(jnp.pad(adjoint, 1))


def _carried_change(
    reconstruction: AbstractReconstruction,
    always: Bool[Array, ""],
    adjoint: Float[Array, "nx ny"],
    wind: PlaneHeadwind,
    dt: Float[Array, ""],
) -> Float[Array, "nx ny"]:
    """dt times the average of v . grad lambda = div(v lambda) - (div v) lambda in each cell."""
    framed = _framed(adjoint)

    def through(axis: int) -> Array:
        def flux(framed: Array, wind: EdgeHeadwind) -> Array:
            average, rest, rise = upwind_edge(reconstruction, framed, wind.sign, axis)
            return wind.base * average + wind.gain * rest + wind.shear * rise + wind.inflow

        return jnp.diff(fenced(always, flux, framed, wind.axes[axis]), axis=axis)

    def source(framed: Array, divergence: Array) -> Array:
        total = divergence * adjoint
        for axis in (0, 1):
            ends = [2 - (each == axis) for each in (0, 1)]
            wide = framed[ends[0] : framed.shape[0] - ends[0], ends[1] : framed.shape[1] - ends[1]]
            total = total + _central(wide, axis) * _central(jnp.pad(divergence, _both(axis), mode="edge"), axis) / 12
        return total

    return dt * (through(0) + through(1) - source(framed, wind.divergence))


def _both(axis: int) -> list[tuple[int, int]]:
    return [(1, 1) if each == axis else (0, 0) for each in (0, 1)]


def _central(wide: Float[Array, "*wide"], axis: int) -> Float[Array, "nx ny"]:
    """Half the difference of the two neighbours along the axis."""
    size = wide.shape[axis]
    return 0.5 * (slice_in_dim(wide, 2, size, axis=axis) - slice_in_dim(wide, 0, size - 2, axis=axis))


def _speeds(law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> PlanePairing:
    """v / dx and v / dy where they are paired."""

    def at(corner: tuple[float, float]) -> Array:
        shift = PLACE * jnp.asarray(corner, grid.lower.dtype) * grid.width
        points = grid.centers + jnp.broadcast_to(shift, grid.centers.shape)
        speeds = jax.vmap(jax.vmap(lambda x: law.velocity(t, x)))(points)
        return jnp.moveaxis(speeds / jnp.broadcast_to(grid.width, speeds.shape), -1, 0)

    inside = jnp.stack([at(corner) for corner in _CORNERS], axis=1)
    ends = [jnp.moveaxis(edge_speeds(law, grid, t, axis)[0], axis, 0)[jnp.array([0, -1])] for axis in (0, 1)]
    return PlanePairing(inside, *ends)


def _pair(
    always: Bool[Array, ""],
    reconstruction: AbstractReconstruction,
    averages: Float[Array, "nx ny"],
    adjoint: Float[Array, "nx ny"],
    wind: PlaneHeadwind,
    beyond: tuple[Array, ...],
) -> PlanePairing:
    """g grad lambda, from averages of both: all mass of a cell counts, with the slopes that lambda has across the cell."""
    states = [
        jax.vmap(lambda line, still: faces(always, line, still), (1 - axis, 1), 1 - axis)(
            adjoint, wind.axes[axis].still
        )
        for axis in (0, 1)
    ]
    framed, around = with_frame(jnp.pad(averages, 1))[1:-1, 1:-1], _framed(adjoint)[1:-1, 1:-1]
    cross = 0.25 * (around[2:, 2:] - around[2:, :-2] - around[:-2, 2:] + around[:-2, :-2])
    slopes, rises, bends, ends = [], [], [], []
    for axis in (0, 1):
        wide = framed[:, 1:-1] if axis == 0 else framed[1:-1]
        steps = jnp.diff(wide, axis=axis)
        size = averages.shape[axis]
        backward, forward = (slice_in_dim(steps, first, first + size, axis=axis) for first in (0, 1))
        slopes.append(reconstruction(backward, forward, threshold(size))[0])
        low, high = (slice_in_dim(states[axis], first, first + size, axis=axis) for first in (0, 1))
        rises.append(high - low)
        bends.append(6 * (high + low - 2 * adjoint))
        edge, cell = (jnp.moveaxis(each, axis, 0)[jnp.array([0, -1])] for each in (states[axis], averages))
        jumps = (edge - beyond[axis]) * jnp.broadcast_to(jnp.array([1, -1], edge.dtype)[:, None], edge.shape)
        ends.append(jnp.where(wind.axes[axis].leaving, cell * jumps, jnp.zeros_like(jumps)))

    def at(corner: tuple[float, float]) -> Array:
        a, b = (PLACE * side for side in corner)
        g = 0.25 * (averages + a * slopes[0] + b * slopes[1])
        return jnp.stack([g * (rises[0] + a * bends[0] + b * cross), g * (rises[1] + b * bends[1] + a * cross)])

    return PlanePairing(jnp.stack([at(corner) for corner in _CORNERS], axis=1), ends[0], ends[1])


def _corrected(averages: Float[Array, "nx ny"], share: float) -> Float[Array, "nx ny"]:
    """averages + share d2, d2 the sum of the second differences along the axes, of which there is none in the outermost
    cells."""
    along_x = averages[2:] - 2 * averages[1:-1] + averages[:-2]
    along_y = averages[:, 2:] - 2 * averages[:, 1:-1] + averages[:, :-2]
    return averages.at[1:-1].add(share * along_x).at[:, 1:-1].add(share * along_y)
