"""The second-order part of the backward Kolmogorov equation in two dimensions, along each axis as in one."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..equations.balance_law import AbstractBalanceLaw, walls_by_axis
from ..methods.finite_volume.plane import with_frame
from .kolmogorov import PLACE, bends

# On which side of the centre of a cell each of its four Gauss points is, along x and along y.
CORNERS = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]


def at_gauss_points(
    grid: Grid, function: Callable[[Array], Array], units: Float[Array, " 2"]
) -> Float[Array, "2 4 nx ny"]:
    """Both components of a function at the 2 x 2 Gauss points of each cell, in these units."""

    def at(corner: tuple[float, float]) -> Array:
        shift = PLACE * jnp.asarray(corner, grid.lower.dtype) * grid.width
        points = grid.centers + jnp.broadcast_to(shift, grid.centers.shape)
        found = jax.vmap(jax.vmap(function))(points)
        return jnp.moveaxis(found / jnp.broadcast_to(units, found.shape), -1, 0)

    return jnp.stack([at(corner) for corner in CORNERS], axis=1)


class PlaneSpread(NamedTuple):
    """D_i over the square of a cell's width along axis i, at the 2 x 2 Gauss points of each cell, and whether it vanishes at
    the edges at both ends of that axis."""

    inside: Float[Array, "2 4 nx ny"]
    free: tuple[Bool[Array, "2 ny"], Bool[Array, "2 nx"]]


def plane_spread(law: AbstractBalanceLaw, grid: Grid) -> PlaneSpread | None:
    """The diffusion of a law where lambda needs it; None if it has none."""
    if law.diffusivity(jnp.zeros_like(grid.lower)) is None:
        return None

    def diffusivity(x: Array) -> Array:
        found = law.diffusivity(x)
        assert found is not None
        return found

    def free(axis: int) -> Array:
        line, rows = grid.axes[axis], grid.axes[1 - axis].centers
        ends = (jnp.broadcast_to(end, rows.shape) for end in (line.lower, line.upper))
        points = jnp.stack([jnp.stack([end, rows] if axis == 0 else [rows, end], axis=-1) for end in ends])
        return jax.vmap(jax.vmap(diffusivity))(points)[..., axis] == 0

    return PlaneSpread(at_gauss_points(grid, diffusivity, grid.width**2), (free(0), free(1)))


def plane_spread_change(
    law: AbstractBalanceLaw,
    always: Bool[Array, ""],
    adjoint: Float[Array, "nx ny"],
    spread: PlaneSpread,
    beyond: tuple[Array, Array],
    dt: Float[Array, ""],
) -> Float[Array, "nx ny"]:
    """dt times the average of sum_i D_i d_ii lambda in each cell."""

    def change(adjoint: Array, spread: PlaneSpread, beyond: tuple[Array, Array], dt: Array) -> Array:
        return 0.25 * dt * jnp.sum(spread.inside * _bends(law, adjoint, spread, beyond), axis=(0, 1))

    return fenced(always, change, adjoint, spread, beyond, dt)


def plane_pair_spread(
    law: AbstractBalanceLaw,
    always: Bool[Array, ""],
    averages: Float[Array, "nx ny"],
    adjoint: Float[Array, "nx ny"],
    spread: PlaneSpread,
    beyond: tuple[Array, Array],
) -> Float[Array, "2 4 nx ny"]:
    """g d_ii lambda, from averages of both: what D_i is multiplied by in int int g sum_i D_i d_ii lambda dx."""

    def weigh(averages: Array, adjoint: Array, spread: PlaneSpread, beyond: tuple[Array, Array]) -> Array:
        framed = with_frame(jnp.pad(averages, 1))[1:-1, 1:-1]
        along_x = 0.5 * PLACE * (framed[2:, 1:-1] - framed[:-2, 1:-1])
        along_y = 0.5 * PLACE * (framed[1:-1, 2:] - framed[1:-1, :-2])
        states = jnp.stack([averages + a * along_x + b * along_y for a, b in CORNERS])
        return 0.25 * states[None] * _bends(law, adjoint, spread, beyond)

    return fenced(always, weigh, averages, adjoint, spread, beyond)


def _bends(
    law: AbstractBalanceLaw, adjoint: Float[Array, "nx ny"], spread: PlaneSpread, beyond: tuple[Array, Array]
) -> Float[Array, "2 4 nx ny"]:
    """d_ii lambda at the 2 x 2 Gauss points, times the square of a cell's width along axis i."""
    found = []
    for axis, walls in enumerate(walls_by_axis(law, 2)):
        along_line = lambda line, free, beyond, walls=walls: bends(line, walls, free, (beyond[0], beyond[1]))
        average, along = jax.vmap(along_line, (1 - axis, 1, 1), 1 - axis)(adjoint, spread.free[axis], beyond[axis])
        tilts = [along, PLACE * jnp.asarray(jnp.gradient(average, axis=1 - axis))]
        x, y = tilts if axis == 0 else tilts[::-1]
        found.append(jnp.stack([average + a * x + b * y for a, b in CORNERS]))
    return jnp.stack(found)
