"""A density in two dimensions between its averages: one non-negative polynomial per cell, and its integrals."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._values import ratio, require
from .averages import as_point
from .grid import Grid, box
from .profile import Profile, differences, integral, minimum, place, place_of_mass, positive_share, shapes
from .reconstruction import ghosts, threshold, unit


class Plane(NamedTuple):
    """P(xi, eta) = average + slope_x xi + curvature_x (xi^2 - 1/12) + slope_y eta + curvature_y (eta^2 - 1/12)
    + twist xi eta with xi, eta in [-1/2, 1/2] across each cell of the grid: a parabola along each axis, and what makes it of
    third order between them. `slope` and `curvature` are pairs."""

    grid: Grid
    average: Float[Array, "nx ny"]
    slope: tuple[Float[Array, "nx ny"], Float[Array, "nx ny"]]
    curvature: tuple[Float[Array, "nx ny"], Float[Array, "nx ny"]]
    twist: Float[Array, "nx ny"]

    def at(self, xi: float | Float[Array, ""], eta: float | Float[Array, ""]) -> Float[Array, "nx ny"]:
        """The values at one place of each cell."""
        along_x = xi * self.slope[0] + (xi**2 - 1 / 12) * self.curvature[0]
        along_y = eta * self.slope[1] + (eta**2 - 1 / 12) * self.curvature[1]
        return self.average + along_x + along_y + xi * eta * self.twist

    def line(self, axis: int) -> Profile:
        """The integral over the other component: one parabola in each cell along `axis`."""
        other = 1 - axis
        width = self.grid.axes[other].width
        parts = self.average, self.slope[axis], self.curvature[axis]
        return Profile(self.grid.axes[axis], *(width * jnp.sum(part, axis=other) for part in parts))

    @jax.jit
    def mean(self) -> Float[Array, " 2"]:
        """int x P dx / int P dx, exact."""
        lines = self.line(0), self.line(1)
        return ratio(jnp.stack([line.moment(1) for line in lines]), jnp.sum(self.average) * self.grid.volume)

    @jax.jit
    def covariance(self) -> Float[Array, "2 2"]:
        """int (x - mean) (x - mean)^T P dx / int P dx, exact."""
        mass, mean, width = jnp.sum(self.average) * self.grid.volume, self.mean(), self.grid.width
        xx, yy = (self.line(axis).moment(2, mean[axis]) for axis in (0, 1))
        x, y = (line.centers - mean[axis] for axis, line in enumerate(self.grid.axes))
        # By components: the mean of xi is slope_x / 12, that of xi eta twist / 144.
        parts = self.average, self.slope[1] * (width[1] / 12), self.slope[0] * (width[0] / 12)
        whole, eta, xi = parts[0], parts[1], parts[2]
        both = jnp.sum(y[None, :] * whole + eta, axis=1) @ x + jnp.sum(xi, axis=0) @ y
        xy = self.grid.volume * (both + jnp.sum(self.twist) * (self.grid.volume / 144))
        return ratio(jnp.array([[xx, xy], [xy, yy]]), mass)

    def conditional(self, axis: int, at: float | ArrayLike) -> Float[Array, " cells"]:
        """The averages, of mass 1, over the cells of the other component where component `axis` equals `at`; NaN where that
        is traced and outside the grid, or without mass."""
        line, other, name = self.grid.axes[axis], self.grid.axes[1 - axis], "xy"[axis]
        point = as_point(at, "at", line)
        inside = (point >= line.lower) & (point <= line.upper)
        require(
            lambda: inside,
            lambda: f"{name}={point} is outside the grid {box(line)} along axis {axis}",
            inside,
        )
        cell, s = place(line, point)
        average, slope, curvature = (
            jnp.take(part, cell, axis=axis) for part in (self.average, self.slope[axis], self.curvature[axis])
        )
        heights = jnp.maximum(average + s * slope + (s**2 - 1 / 12) * curvature, 0)
        mass = jnp.sum(heights) * other.width
        require(lambda: mass > 0, lambda: f"there is no mass at {name}={point}, and so no distribution there", mass)
        return jnp.where(inside, ratio(heights, mass), jnp.full_like(heights, jnp.nan))

    @jax.jit
    def quantile(self, q: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """The map under which uniform points of the unit square follow the density: x, of which the share q_x of all mass is
        on the left, and y, below which the share q_y of the mass at this x is."""
        (first, second), count = self.grid.axes, self.grid.shape[1]
        column, xi = self.line(0).quantile_place(q[:, 0])
        bend = xi**2 - 1 / 12
        # What is below each face of a column, for the three shapes along x.
        sums = [
            jnp.pad(jnp.cumsum(part, axis=1), ((0, 0), (1, 0)))
            for part in (self.average, self.slope[0], self.curvature[0])
        ]

        def below(face: Array) -> Array:
            whole, tilt, curve = (each[column, face] for each in sums)
            return whole + xi * tilt + bend * curve

        target = q[:, 1] * below(jnp.full_like(column, count))

        def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) // 2
            above = jax.lax.stop_gradient(below(middle) < target)
            return jnp.where(above, middle, low), jnp.where(above, high, middle)

        start = jnp.zeros_like(column), jnp.full_like(column, count)
        row, _ = jax.lax.fori_loop(0, math.ceil(math.log2(count)), halve, start)
        average, tilt, curve, slope, curvature, twist = (
            part[column, row]
            for part in (
                self.average,
                self.slope[0],
                self.curvature[0],
                self.slope[1],
                self.curvature[1],
                self.twist,
            )
        )
        average, slope = average + xi * tilt + bend * curve, slope + xi * twist
        eta = place_of_mass(average, slope, curvature, target - below(row), target > 0)
        cells, places = jnp.stack([column, row], axis=1), jnp.stack([xi, eta], axis=1)
        widths = jnp.stack([first.width, second.width])
        return self.grid.lower[None] + (cells.astype(q.dtype) + 0.5 + places) * widths[None]


def as_axis(axis: int) -> int:
    """`axis` if it is 0 or 1, else a `ValueError`."""
    if isinstance(axis, bool) or axis not in (0, 1):
        raise ValueError(f"the axis is 0 for x or 1 for y, got {axis!r}")
    return axis


@jax.jit
def reconstruct(grid: Grid, averages: Float[Array, "nx ny"]) -> Plane:
    """The solver's own third-order reconstruction along each axis, with the mixed difference of the four cells at the
    corners, drawn towards the average where it might go below zero."""
    scale = unit(jnp.sum(averages) * grid.volume, grid.length)
    u = averages / scale
    slope_x, curvature_x = jax.vmap(shapes, (1, None), 1)(averages, scale)
    slope_y, curvature_y = jax.vmap(shapes, (0, None))(averages, scale)
    twist = _twist(u)
    # As steep as what counts as steep along the axes: 1 + O(dx^2) on smooth data, next to nothing at a jump.
    steep = math.sqrt(threshold(grid.shape[0]) * threshold(grid.shape[1]))
    twist = twist / (1 + twist**2 / steep) ** 2
    flat = jnp.zeros_like(u)
    # Each part at its lowest: not above what the whole comes down to.
    lowest = u + minimum(flat, slope_x, curvature_x) + minimum(flat, slope_y, curvature_y) - 0.25 * jnp.abs(twist)
    share = scale * positive_share(u, lowest)
    slope, curvature = (share * slope_x, share * slope_y), (share * curvature_x, share * curvature_y)
    return Plane(grid, averages, slope, curvature, share * twist)


@jax.jit
def optimal(grid: Grid, averages: Float[Array, "nx ny"]) -> Plane:
    """The parabolas through the averages of each cell and its neighbours with the mixed difference of the cells at the
    corners: linear in the averages, which may have any sign, and not kept from going below zero."""
    steps_x, steps_y = jax.vmap(differences, 1, 1)(averages), jax.vmap(differences)(averages)
    slope = 0.5 * (steps_x[:-1] + steps_x[1:]), 0.5 * (steps_y[:, :-1] + steps_y[:, 1:])
    curvature = 0.5 * (steps_x[1:] - steps_x[:-1]), 0.5 * (steps_y[:, 1:] - steps_y[:, :-1])
    return Plane(grid, averages, slope, curvature, _twist(averages))


def _twist(averages: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
    """(u_++ - u_+- - u_-+ + u_--) / 4 of the cells at the corners of each."""

    def centred(line: Array) -> Array:
        before, after = ghosts(line)
        padded = jnp.concatenate([before[None], line, after[None]])
        return 0.5 * (padded[2:] - padded[:-2])

    return jax.vmap(centred)(jax.vmap(centred, 1, 1)(averages))


def overlaps(old: Grid, new: Grid) -> Float[Array, "3 new old"]:
    """int 1, s, s^2 - 1/12 over the part of each old cell of a line, s across it, that lies in each new one, in widths of
    an old cell."""
    s = jnp.clip((new.faces[:, None] - old.centers[None, :]) / old.width, -0.5, 0.5)
    nothing, one = jnp.zeros_like(s), jnp.ones_like(s)
    unit_shapes = ((one, nothing, nothing), (nothing, one, nothing), (nothing, nothing, one))
    return jnp.stack([jnp.diff(integral(*shape, s), axis=0) for shape in unit_shapes])


@jax.jit
def masses(plane: Plane, grid: Grid) -> Float[Array, "mx my"]:
    """The mass in each cell of another grid, exact."""
    x, y = (overlaps(old, new) for old, new in zip(plane.grid.axes, grid.axes, strict=True))
    zero = jnp.zeros_like(plane.average)
    rows = (
        (plane.average, plane.slope[1], plane.curvature[1]),
        (plane.slope[0], plane.twist, zero),
        (plane.curvature[0], zero, zero),
    )
    parts = jnp.stack([jnp.stack(row) for row in rows])
    along_x = jnp.einsum("pmi,pqij->qmj", x, parts, precision="highest")
    return plane.grid.volume * jnp.einsum("qmj,qnj->mn", along_x, y, precision="highest")
