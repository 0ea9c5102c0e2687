"""g paired with the slopes of its adjoint in two dimensions, as `pairing` in one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import slice_in_dim
from jaxtyping import Array, Bool, Float

from ..distributions.grid import Grid
from ..distributions.reconstruction import AbstractReconstruction, threshold
from ..equations.balance_law import AbstractBalanceLaw
from ..methods.finite_volume.plane import edge_speeds, with_frame
from .pairing import PLACE, faces
from .plane_headwind import PlaneHeadwind
from .plane_kolmogorov import CORNERS, at_gauss_points


class PlanePairing(NamedTuple):
    """What v / dx and v / dy are multiplied by in int g v . grad lambda dx: at the 2 x 2 Gauss points of each cell, and at the
    edges at both ends of each axis."""

    inside: Float[Array, "2 4 nx ny"]
    ends: tuple[Float[Array, "2 ny"], Float[Array, "2 nx"]]


def plane_speeds(law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> PlanePairing:
    """v / dx and v / dy where they are paired."""

    inside = at_gauss_points(grid, lambda x: law.velocity(t, x), grid.width)
    ends = [jnp.moveaxis(edge_speeds(law, grid, t, axis)[0], axis, 0)[jnp.array([0, -1])] for axis in (0, 1)]
    return PlanePairing(inside, (ends[0], ends[1]))


def plane_pair(
    reconstruction: AbstractReconstruction,
    always: Bool[Array, ""],
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
    framed, around = (with_frame(jnp.pad(each, 1))[1:-1, 1:-1] for each in (averages, adjoint))
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

    return PlanePairing(jnp.stack([at(corner) for corner in CORNERS], axis=1), (ends[0], ends[1]))
