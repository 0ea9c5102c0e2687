"""Equations in which a distribution is transported, and where it ends."""

import abc
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating, require
from ..distributions.grid import Grid
from ..network import field as fields
from .equation import AbstractEquation, Walls


class AbstractBalanceLaw(AbstractEquation):
    """An equation for a distribution g in which the transport is linear in g,

        d_t g + div(v(t, x) g) = right-hand side,

    Eq. (23) of Herty, Trimborn, Visconti (2021) with F(u, t, x) = v(t, x) u. An equation says what happens at a point;
    how it is solved is the business of a method.
    """

    def velocity(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """v(t, x) at one point; also the largest speed at which information travels there."""
        return self.field(t, x)

    def divergence(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, ""]:
        """div v(t, x) at one point."""
        return fields.divergence(self.field, t, x)

    @abc.abstractmethod
    def diffusivity(self, x: Float[Array, "*d"]) -> Float[Array, "*d"] | None:
        """D(x) at one point, by component, of the right-hand side sum_i d_i d_i (D_i(x) g); None where there is none."""


def as_walls(walls: Any) -> Walls | None:
    """Walls (lo, hi), either of which may be None, as arrays."""
    if walls is None:
        return None
    if isinstance(walls, np.ndarray | Array) and walls.shape == (2,):
        walls = tuple(walls)
    if not isinstance(walls, tuple | list) or len(walls) != 2:
        raise ValueError(f"walls are a pair (lo, hi), either of which may be None, got {walls!r}")
    low, high = (None if wall is None else as_floating(wall, "a wall") for wall in walls)
    for wall in (low, high):
        if wall is not None and wall.shape != ():
            raise ValueError(f"in one dimension a wall is a number, got shape {wall.shape}")
        require(
            lambda wall=wall: wall is None or np.isfinite(wall),
            lambda wall=wall: f"a wall must be finite (None for an open end), got {wall}",
            wall,
        )
    require(
        lambda: low is None or high is None or jnp.all(low < high),
        lambda: f"walls need lo < hi, got ({low}, {high})",
        low,
        high,
    )
    return (low, high)


def walls_off_grid(equation: AbstractEquation, grid: Grid) -> Array:
    """Whether a wall is not at its end of the grid, to 1e-9 of the width or what the float type resolves."""
    low, high = equation.walls or (None, None)
    # float32 cannot place a wall to 1e-9 of the width.
    tolerance = grid.length * max(1e-9, 4 * float(jnp.finfo(grid.lower.dtype).eps))
    off = [jnp.abs(wall - end) > tolerance for wall, end in ((low, grid.lower), (high, grid.upper)) if wall is not None]
    return jnp.any(jnp.stack(off)) if off else jnp.zeros((), bool)
