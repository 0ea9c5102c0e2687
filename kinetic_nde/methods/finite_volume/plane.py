"""Two dimensions: what blows through the edges of cells, and what it carries."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import slice_in_dim
from jaxtyping import Array, Float

from ...distributions.grid import Grid
from ...distributions.reconstruction import AbstractReconstruction, ghosts, threshold
from ...equations.balance_law import AbstractBalanceLaw, walls_by_axis
from .limiter import between

# Where the two Gauss points of an edge are, in units of its length.
PLACE = 12**-0.5


class EdgeWind(NamedTuple):
    """The velocity across the edges that face along one axis, of which there is one more than cells.

    `sign` is +1 where the average over an edge blows upwards along the axis and -1 elsewhere, `courant` is its size over the
    width of a cell; `shear` is how much more it is, with that sign, at one end of the edge than at the other, over 12
    widths. `up` is the part of the outflow of the cell below an edge that goes through it, `down` that of the cell above:
    where the wind turns along an edge, both give.
    """

    sign: Float[Array, "*edges"]
    courant: Float[Array, "*edges"]
    shear: Float[Array, "*edges"]
    up: Float[Array, "*edges"]
    down: Float[Array, "*edges"]


class PlaneWind(NamedTuple):
    """The wind across the edges that face along each of the axes, and the Courant number per unit of time: the largest along
    x and the largest along y add, so that a cell may give in all directions at once."""

    axes: tuple[EdgeWind, EdgeWind]
    fastest: Float[Array, ""]


def plane_wind(equation: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> PlaneWind:
    """The velocity at time t with no flux through walls and no flux into the domain through open ends.

    On each edge v is the linear function that has its values at the two Gauss points.
    """
    across = [_closed(equation, axis, *edge_speeds(equation, grid, t, axis)) for axis in (0, 1)]
    # At the two Gauss points.
    ups, downs = (
        [
            0.5 * (jnp.maximum(side * (mean + PLACE * slope), 0) + jnp.maximum(side * (mean - PLACE * slope), 0))
            for mean, slope in across
        ]
        for side in (1, -1)
    )
    outflow = sum(
        _lower(up, axis, 1) + _lower(down, axis, 0) for axis, (up, down) in enumerate(zip(ups, downs, strict=True))
    )
    outflow = jnp.where(outflow > 0, outflow, jnp.ones_like(outflow))
    winds = []
    for axis, (mean, slope) in enumerate(across):
        # Not jnp.abs, whose derivative at 0 is 0: where the wind turns at an edge, the flux there still depends on it.
        sign = jnp.where(mean > 0, jnp.ones_like(mean), -jnp.ones_like(mean))
        padded = jnp.pad(outflow, [(1, 1) if each == axis else (0, 0) for each in (0, 1)], constant_values=1)
        below, above = _lower(padded, axis, 0), _lower(padded, axis, 1)
        winds.append(EdgeWind(sign, sign * mean, sign * slope / 12, ups[axis] / below, downs[axis] / above))
    # Only steps depend on it, which are constants for differentiation.
    fastest = jax.lax.stop_gradient(jnp.max(ups[0] + downs[0]) + jnp.max(ups[1] + downs[1]))
    return PlaneWind((winds[0], winds[1]), fastest)


def _lower(a: Float[Array, "*edges"], axis: int, first: int) -> Float[Array, "*cells"]:
    """All but one along the axis: the last if `first` is 0, the first if it is 1."""
    return slice_in_dim(a, first, first + a.shape[axis] - 1, axis=axis)


def edge_speeds(
    equation: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""], axis: int
) -> tuple[Float[Array, "*edges"], Float[Array, "*edges"]]:
    """The average of v / dx over each edge that faces along the axis, and its rise along the edge."""
    line, other = grid.axes[axis], grid.axes[1 - axis]
    edges = (line.cells + 1, other.cells) if axis == 0 else (other.cells, line.cells + 1)
    along = jnp.broadcast_to(jnp.expand_dims(line.faces, 1 - axis), edges)

    def speed(share: float) -> Array:
        across = jnp.broadcast_to(jnp.expand_dims(other.centers + share * other.width, axis), edges)
        points = jnp.stack([along, across] if axis == 0 else [across, along], axis=-1)
        return jax.vmap(jax.vmap(lambda x: equation.velocity(t, x)[axis]))(points) / line.width

    below, above = speed(-PLACE), speed(PLACE)
    return 0.5 * (below + above), 0.5 / PLACE * (above - below)


def _closed(
    equation: AbstractBalanceLaw, axis: int, mean: Float[Array, "*edges"], slope: Float[Array, "*edges"]
) -> tuple[Float[Array, "*edges"], Float[Array, "*edges"]]:
    """The same without what does not pass the ends of the axis: a wall is an edge without flux (ghost values would leak),
    and at each Gauss point of an open end only what leaves passes. By the average over an edge it would not do: where
    the wind turns along it, something would come in at one of its points, and nothing is known of what is there."""
    for end, wall, side in zip((0, -1), walls_by_axis(equation, 2)[axis], (-1.0, 1.0), strict=True):
        there = (end, slice(None)) if axis == 0 else (slice(None), end)
        below, above = (mean[there] + place * slope[there] for place in (-PLACE, PLACE))
        below, above = (jnp.where((side * v > 0) & (wall is None), v, jnp.zeros_like(v)) for v in (below, above))
        mean = mean.at[there].set(0.5 * (below + above))
        slope = slope.at[there].set(0.5 / PLACE * (above - below))
    return mean, slope


def with_frame(extended: Float[Array, "extended_x extended_y"]) -> Float[Array, "framed_x framed_y"]:
    """Two neighbours for every cell on all sides: the cells that hold what has left are hidden behind extrapolated ghosts,
    beyond which there is nothing."""
    framed = jnp.pad(extended[1:-1, 1:-1], 2)
    for axis in (0, 1):
        # Those along y of what is beyond the ends along x too, which makes the corners.
        inside = slice_in_dim(framed, 2, framed.shape[axis] - 2, axis=axis)
        before, after = ghosts(jnp.moveaxis(inside, axis, 0))
        places = jax.lax.broadcasted_iota(jnp.int32, framed.shape, axis)
        for place, ghost in ((1, before), (framed.shape[axis] - 2, after)):
            row = jnp.broadcast_to(jnp.expand_dims(ghost, axis), framed.shape)
            # By selection: in a batch a concatenation copies row by row, on one core.
            framed = jnp.where(places == place, row, framed)
    return framed


def edge_flux(
    reconstruction: AbstractReconstruction,
    positivity: bool,
    framed: Float[Array, "framed_x framed_y"],
    wind: EdgeWind,
    axis: int,
    dt: Float[Array, ""],
) -> Float[Array, "*edges"]:
    """The mass through each edge that faces along the axis in a time dt, divided by dx dy: local Lax-Friedrichs, with the
    upwind state u and the velocity v both linear along the edge,

        average of v u = (average of v) (average of u) + (rise of v) (rise of u) / 12.

    The product of the averages alone, as with one point per edge, is of second order.
    """
    return carried_across(positivity, framed, upwind_edge(reconstruction, framed, wind.sign, axis), wind, axis, dt)


def carried_across(
    positivity: bool,
    framed: Float[Array, "framed_x framed_y"],
    upwind: tuple[Float[Array, "*edges"], ...],
    wind: EdgeWind,
    axis: int,
    dt: Float[Array, ""],
) -> Float[Array, "*edges"]:
    """The flux of what `upwind_edge` gives, with positivity at most what there is in the cells on either side."""
    average, rest, rise = upwind
    amount = wind.sign * dt * (wind.courant * (average + rest) + wind.shear * rise)
    if not positivity:
        return amount
    below, above = beside(framed, axis)
    return between(amount, -wind.down * above, wind.up * below)


def beside(
    framed: Float[Array, "framed_x framed_y"], axis: int
) -> tuple[Float[Array, "*edges"], Float[Array, "*edges"]]:
    """The averages below and above each edge that faces along the axis."""
    cells = framed[2:-2, 1:-1] if axis == 1 else framed[1:-1, 2:-2]
    return _lower(cells, axis, 0), _lower(cells, axis, 1)


def upwind_edge(
    reconstruction: AbstractReconstruction,
    framed: Float[Array, "framed_x framed_y"],
    sign: Float[Array, "*edges"],
    axis: int,
) -> tuple[Float[Array, "*edges"], Float[Array, "*edges"], Float[Array, "*edges"]]:
    """The average of the upwind cell of each edge that faces along the axis, by how much the average of its parabola along
    the axis differs from that at the edge, and the rise along the edge, of its parabola across."""
    cells, rows = (framed.shape[each] - 4 for each in (axis, 1 - axis))

    def cut(across: int, along: int) -> Array:
        """The cells that are so many places from each edge and from its row."""
        part = slice_in_dim(framed, 2 + across, 2 + across + rows, axis=1 - axis)
        return slice_in_dim(part, 2 + along, 2 + along + cells + 1, axis=axis)

    upwards = sign > 0
    left, right = cut(0, -1), cut(0, 0)
    average = jnp.where(upwards, left, right)
    behind = jnp.where(upwards, left - cut(0, -2), right - cut(0, 1))
    slope, curvature = reconstruction(behind, sign * (right - left), threshold(cells))
    below = average - jnp.where(upwards, cut(-1, -1), cut(-1, 0))
    above = jnp.where(upwards, cut(1, -1), cut(1, 0)) - average
    rise, _ = reconstruction(below, above, threshold(rows))
    return average, 0.5 * slope + curvature / 6, rise


def gathered(x: Float[Array, "faces_x ny"], y: Float[Array, "nx faces_y"]) -> Float[Array, "extended_x extended_y"]:
    """What fluxes through all edges bring to each cell, and to the frame around them in which what leaves is kept."""
    along_x, along_y = jnp.pad(x, ((1, 1), (0, 0))), jnp.pad(y, ((0, 0), (1, 1)))
    return jnp.pad(along_x[:-1] - along_x[1:], ((0, 0), (1, 1))) + jnp.pad(
        along_y[:, :-1] - along_y[:, 1:], ((1, 1), (0, 0))
    )
