"""All mass at a point, as cell averages."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._values import require
from . import plane, profile
from .averages import as_point
from .grid import Grid, box

# Newton steps from the shares along each axis alone, which are within a few hundredths.
_STEPS = 8


def dirac_averages(x: ArrayLike | list | tuple, grid: Grid) -> Float[Array, "*cells"]:
    """Those of mass 1 in the cells around x, two along each axis, whose polynomials have the mean x."""
    point = as_point(x, "x", grid)
    require(
        lambda: jnp.all((grid.lower <= point) & (point <= grid.upper)),
        lambda: f"x={point} is outside the grid {box(grid)}",
        (point, grid),
    )
    return _on_line(point, grid) if grid.dimension == 1 else _on_plane(point, grid)


@jax.jit
def _on_line(x: Float[Array, ""], grid: Grid) -> Float[Array, " cells"]:
    return _shared(x, grid, share_on_line(x, grid))


def _shared(x: Float[Array, ""], grid: Grid, share: Float[Array, ""]) -> Float[Array, " cells"]:
    """Averages of mass 1 in the two cells whose centres surround x, the share `share` in that on the right."""
    left = jnp.clip(jnp.floor((x - grid.lower) / grid.width - 0.5).astype(int), 0, grid.cells - 2)
    empty = jnp.zeros(grid.shape, x.dtype)
    return empty.at[left].set(1 - share).at[left + 1].set(share) / grid.width


def share_on_line(x: Float[Array, ""], grid: Grid) -> Float[Array, ""]:
    """How much of the mass is in the cell on the right for the parabolas to have the mean x."""

    def excess(share: Array) -> Array:
        return (profile.reconstruct(grid, _shared(x, grid, share)).moment(1) - x) / grid.width

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        below = excess(middle) < 0
        return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

    # The parabolas lean towards each other, so that the share is not quite linear in x.
    start = (jnp.zeros_like(x), jnp.ones_like(x))
    share = jax.lax.stop_gradient(jax.lax.fori_loop(0, jnp.finfo(x.dtype).nmant + 2, halve, start)[1])
    slope = jax.lax.stop_gradient(jax.grad(excess)(share))
    return jnp.clip(share - excess(share) / slope, 0, 1)


@jax.jit
def _on_plane(point: Float[Array, " 2"], grid: Grid) -> Float[Array, "nx ny"]:
    """The product of two, with shares for which the mean is right in the plane: what is steep there is so in another unit
    than along a line."""

    def averages(point: Array, shares: Array) -> Array:
        x, y = (_shared(point[axis], line, shares[axis]) for axis, line in enumerate(grid.axes))
        return x[:, None] * y[None, :]

    def excess(point: Array, shares: Array) -> Array:
        return (plane.reconstruct(grid, averages(point, shares)).mean() - point) / grid.width

    def newton(_: Any, shares: Array) -> Array:
        change = jnp.linalg.solve(jax.jacfwd(excess, 1)(point, shares), excess(point, shares))
        return jnp.clip(shares - change, 0, 1)

    start = jnp.stack([share_on_line(point[axis], line) for axis, line in enumerate(grid.axes)])
    # The last step carries the derivative.
    shares = jax.lax.stop_gradient(jax.lax.fori_loop(0, _STEPS, newton, start))
    slopes = jax.lax.stop_gradient(jax.jacfwd(excess, 1)(point, shares))
    shares = jnp.clip(shares - jnp.linalg.solve(slopes, excess(point, shares)), 0, 1)
    return averages(point, shares)
