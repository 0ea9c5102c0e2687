"""A density between its averages: one non-negative parabola per cell, and its integrals."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .grid import Grid
from .reconstruction import CWENO3, ghosts, threshold, unit


def gauss(points: int) -> tuple[list[float], list[float]]:
    """Nodes in [-1/2, 1/2] and weights of sum 1: exact for polynomials of degree 2 points - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (0.5 * nodes).tolist(), (0.5 * weights).tolist()


class Profile(NamedTuple):
    """P(s) = average + slope s + curvature (s^2 - 1/12) with s in [-1/2, 1/2] across each cell of the grid."""

    grid: Grid
    average: Float[Array, " cells"]
    slope: Float[Array, " cells"]
    curvature: Float[Array, " cells"]

    def at(self, s: float | Float[Array, ""] | Float[Array, " cells"]) -> Float[Array, " cells"]:
        """The values at the place s of each cell, the same in all or one for each."""
        return self.average + s * self.slope + (s**2 - 1 / 12) * self.curvature

    @functools.partial(jax.jit, static_argnums=1)
    def moment(self, k: int, centre: float | Float[Array, ""] = 0.0) -> Float[Array, ""]:
        """int (x - centre)^k P dx, exact."""
        nodes, weights = gauss((k + 4) // 2)
        x = self.grid.centers - centre
        parts = [w * jnp.sum((x + s * self.grid.width) ** k * self.at(s)) for s, w in zip(nodes, weights, strict=True)]
        return sum(parts[1:], parts[0]) * self.grid.width

    def masses(self, edges: Float[Array, " k"]) -> Float[Array, "cells k"]:
        """The mass of each cell from its left end to the places `edges` in [-1/2, 1/2] across it."""
        return self.grid.width * jax.vmap(integral, (None, None, None, 0), 1)(
            self.average, self.slope, self.curvature, edges
        )

    def height(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """P(x), 0 outside the grid."""
        cell, s = place(self.grid, x)
        value = self.average[cell] + s * self.slope[cell] + (s**2 - 1 / 12) * self.curvature[cell]
        return jnp.where((x >= self.grid.lower) & (x <= self.grid.upper), value, jnp.zeros_like(value))

    @jax.jit
    def below(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """int_{-inf}^x P."""
        cell, s = place(self.grid, x)
        start = jnp.concatenate([jnp.zeros(1, x.dtype), jnp.cumsum(self.average)])[cell]
        return self.grid.width * (start + integral(self.average[cell], self.slope[cell], self.curvature[cell], s))

    @jax.jit
    def quantile(self, q: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The x below which the share q of the mass lies."""
        cell, s = self.quantile_place(q)
        return self.grid.lower + (cell.astype(q.dtype) + 0.5 + s) * self.grid.width

    def quantile_place(self, q: Float[Array, "*shape"]) -> tuple[Array, Array]:
        """The cell of the x below which the share q of the mass lies, and the place s across it."""
        cumulative = jnp.concatenate([jnp.zeros(1, q.dtype), jnp.cumsum(self.average)])
        target = q * cumulative[-1]
        cell = jnp.clip(
            jnp.searchsorted(cumulative, jax.lax.stop_gradient(target), side="left") - 1, 0, self.grid.cells - 1
        )
        rest = target - cumulative[cell]
        return cell, place_of_mass(self.average[cell], self.slope[cell], self.curvature[cell], rest, target > 0)


def place(grid: Grid, x: Float[Array, "*shape"]) -> tuple[Array, Array]:
    """The cell that holds x and the place s across it, both clipped to the grid."""
    along = (x - grid.lower) / grid.width
    cell = jnp.clip(jnp.floor(along).astype(int), 0, grid.cells - 1)
    # By selection: `jnp.clip` halves the derivative of what is at a face.
    s = along - cell.astype(x.dtype) - 0.5
    s = jnp.where(s < -0.5, jnp.full_like(s, -0.5), s)
    return cell, jnp.where(s > 0.5, jnp.full_like(s, 0.5), s)


def place_of_mass(
    average: Float[Array, "*n"],
    slope: Float[Array, "*n"],
    curvature: Float[Array, "*n"],
    mass: Float[Array, "*n"],
    last: Bool[Array, "*n"],
) -> Float[Array, "*n"]:
    """The s up to which the integral of P is `mass`: where there are several, in a part without mass, the last of those that
    bisection cannot tell apart, or the first."""

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        left = integral(average, slope, curvature, middle) < mass
        return jnp.where(left, middle, low), jnp.where(left, high, middle)

    # P is not negative, so its integral is monotone: bisection cannot fail, and one Newton step after it carries the
    # derivative.
    start = jnp.full_like(mass, -0.5), jnp.full_like(mass, 0.5)
    ends = jax.lax.stop_gradient(jax.lax.fori_loop(0, jnp.finfo(mass.dtype).nmant + 2, halve, start))
    s = jnp.where(last, ends[1], ends[0])
    height = jax.lax.stop_gradient(average + s * slope + (s**2 - 1 / 12) * curvature)
    error = integral(average, slope, curvature, s) - mass
    step = jnp.where(height > 0, error / jnp.where(height > 0, height, jnp.ones_like(height)), jnp.zeros_like(error))
    # Only rounding is cut off, and with it no derivative.
    found = s - step
    return jax.lax.stop_gradient(jnp.clip(found, -0.5, 0.5) - found) + found


@jax.jit
def reconstruct(grid: Grid, averages: Float[Array, " cells"]) -> Profile:
    """The solver's own third-order reconstruction, drawn towards the average where it would go below zero."""
    scale = unit(jnp.sum(averages) * grid.width, grid.length)
    u, (slope, curvature) = averages / scale, shapes(averages, scale)
    share = scale * positive_share(u, minimum(u, slope, curvature))
    return Profile(grid, averages, share * slope, share * curvature)


def shapes(averages: Float[Array, " cells"], scale: Float[Array, ""]) -> tuple[Array, Array]:
    """Slope and curvature of the third-order reconstruction in each cell of a line, in the unit `scale`."""
    difference = differences(averages) / scale
    return CWENO3()(difference[:-1], difference[1:], threshold(averages.size))


def differences(averages: Float[Array, " cells"]) -> Float[Array, " faces"]:
    """Those across each face, with a ghost at either end."""
    before, after = ghosts(averages)
    return jnp.diff(jnp.concatenate([before[None], averages, after[None]]))


def positive_share(average: Float[Array, "*cells"], lowest: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """How much is left of what a polynomial has beyond its average, so that it does not go below zero, from its lowest
    value; both in the unit of the reconstruction."""
    sinks = lowest < 0
    # Cells too empty to have a shape are flat: dividing by what is in them would overflow in float32.
    shaped = sinks & (average > jnp.finfo(average.dtype).eps ** 2)
    share = jnp.where(shaped, average, jnp.zeros_like(average))
    share = share / jnp.where(shaped, average - lowest, jnp.ones_like(average))
    return jnp.where(sinks, share, jnp.ones_like(average))


@jax.jit
def optimal(grid: Grid, averages: Float[Array, " cells"]) -> Profile:
    """The parabola through the averages of each cell and its neighbours: linear in the averages, which may have any
    sign, and not kept from going below zero."""
    steps = differences(averages)
    return Profile(grid, averages, 0.5 * (steps[:-1] + steps[1:]), 0.5 * (steps[1:] - steps[:-1]))


def integral(average: Array, slope: Array, curvature: Array, s: Array) -> Array:
    """int_{-1/2}^s P."""
    return average * (s + 0.5) + 0.5 * slope * (s**2 - 0.25) + curvature * (s**3 - 0.25 * s) / 3


def minimum(average: Array, slope: Array, curvature: Array) -> Array:
    """The smallest value of P in the cell: at an end, or at the vertex where that is inside."""
    end = average - 0.5 * jnp.abs(slope) + curvature / 6
    # A curvature that is next to nothing has no vertex: its square underflows in float32.
    vertex = (curvature > jnp.abs(slope)) & (curvature > jnp.finfo(curvature.dtype).eps ** 2)
    safe = jnp.where(vertex, curvature, jnp.ones_like(curvature))
    return jnp.where(vertex, average - slope**2 / (4 * safe) - curvature / 12, end)
