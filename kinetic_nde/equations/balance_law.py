"""Equations in which a distribution is transported, and where it ends."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating, known, require
from ..distributions.grid import Grid
from ..network import field as fields
from .equation import AbstractEquation, Ends, Walls


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
    """Walls (lo, hi), either of which may be None, as arrays; in two dimensions one such pair for each axis, of which a
    whole one may be None too and becomes (None, None)."""
    if walls is None:
        return None
    if isinstance(walls, np.ndarray | Array) and walls.shape in ((2,), (2, 2)):
        walls = tuple(walls)
    if not isinstance(walls, tuple | list) or len(walls) != 2:
        raise ValueError(
            "walls are a pair (lo, hi), either of which may be None, and in two dimensions one pair for each axis, got "
            f"{walls!r}"
        )
    if not any(map(_several, walls)):
        return _ends(walls, "")
    for axis, pair in enumerate(walls):
        if pair is not None and not (_several(pair) and len(pair) == 2):
            raise ValueError(
                f"in two dimensions walls are one pair (lo, hi) for each axis, or None where it is open, got {pair!r} along "
                f"axis {axis}; in one dimension a wall is a number"
            )
    first, second = (
        (None, None) if pair is None else _ends(tuple(pair), f" along axis {axis}") for axis, pair in enumerate(walls)
    )
    return first, second


def _several(given: Any) -> bool:
    return isinstance(given, tuple | list) or (isinstance(given, np.ndarray | Array) and given.ndim > 0)


def _ends(walls: Any, along: str) -> Ends:
    """The two walls of one axis."""
    low, high = (None if wall is None else as_floating(wall, f"a wall{along}") for wall in walls)
    for wall in (low, high):
        if wall is not None and wall.shape != ():
            raise ValueError(f"a wall{along} is a number, got shape {wall.shape}")
        require(
            lambda wall=wall: wall is None or np.isfinite(wall),
            lambda wall=wall: f"a wall{along} must be finite (None for an open end), got {wall}",
            wall,
        )
    require(
        lambda: low is None or high is None or jnp.all(low < high),
        lambda: f"walls need lo < hi{along}, got ({low}, {high})",
        low,
        high,
    )
    return low, high


def walls_by_axis(equation: AbstractEquation, dimension: int) -> tuple[Ends, ...]:
    """The walls (lo, hi) at the ends of each axis, None for an open end.

    Raises `ValueError` for one pair of numbers in two dimensions, and for two pairs in one.
    """
    walls: Any = equation.walls
    if walls is None or walls == (None, None):
        return ((None, None),) * dimension
    axes = walls if isinstance(walls[0], tuple) else (walls,)
    if len(axes) != dimension:
        meant = "one pair (lo, hi)" if dimension == 1 else "one pair for each axis, ((lo, hi), (lo, hi))"
        raise ValueError(f"walls in {dimension}D are {meant}, got {_shown(walls)}")
    return axes


def walls_off_grid(equation: AbstractEquation, grid: Grid) -> Array:
    """Whether a wall is not at its end of the grid, to 1e-9 of the width or what the float type resolves."""
    off = [_ends_off(ends, line) for ends, line in zip(walls_by_axis(equation, grid.dimension), grid.axes, strict=True)]
    return jnp.any(jnp.stack(off))


def check_walls(equation: AbstractEquation, grid: Grid) -> None:
    """Raises `ValueError` for walls of another dimension than the grid's, and for those that are not at its ends."""
    for axis, (ends, line) in enumerate(zip(walls_by_axis(equation, grid.dimension), grid.axes, strict=True)):
        along = f" along axis {axis}" if grid.dimension > 1 else ""
        require(
            lambda ends=ends, line=line: not np.any(_ends_off(ends, line)),
            lambda ends=ends, line=line, along=along: (
                f"the walls {_shown(ends)} are not at the ends of the grid [{line.lower}, {line.upper}]{along}"
            ),
            (ends, line),
        )


def _ends_off(ends: Ends, grid: Grid) -> Array:
    # float32 cannot place a wall to 1e-9 of the width.
    tolerance = grid.length * max(1e-9, 4 * float(jnp.finfo(grid.lower.dtype).eps))
    pairs = zip(ends, (grid.lower, grid.upper), strict=True)
    off = [jnp.abs(wall - end) > tolerance for wall, end in pairs if wall is not None]
    return jnp.any(jnp.stack(off)) if off else jnp.zeros((), bool)


def _shown(walls: Any) -> str:
    return str(jax.tree.map(lambda wall: float(wall) if known(wall) else wall, walls))
