"""Uniform grids of cells."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import as_floating, known, require
from ..network.field import breakpoints, check_velocity
from .stack import check_one


class Grid(eqx.Module):
    """Equal cells: `cells` of them on [lower, upper] in one dimension, in two dimensions a pair of numbers along x and y
    on a box, with `lower` and `upper` its corners (2,). The bounds are traced, the numbers of cells are static; one
    number for both axes is as many along each.

    `dimension` is 1 or 2, `shape` that of an array with one number per cell, axis order x, y. Raises `ValueError` for
    more than two dimensions and for lengths that differ, for fewer than 3 cells along an axis (a third-order
    reconstruction needs three), and for bounds that are not finite or not increasing; `TypeError` for cells that are no
    integers.

    >>> grid = Grid(0.0, 1.0, 4)
    >>> grid.centers
    Array([0.125, 0.375, 0.625, 0.875], dtype=float64)
    >>> plane = Grid((0.0, -1.0), (1.0, 1.0), (4, 10))
    >>> plane.shape, plane.width
    ((4, 10), Array([0.25, 0.2 ], dtype=float64))
    """

    lower: Float[Array, "*axes"]
    upper: Float[Array, "*axes"]
    cells: Any = eqx.field(static=True)

    def __init__(self, lower: Any, upper: Any, cells: Any):
        self.lower, self.upper = as_floating(lower, "lower"), as_floating(upper, "upper")
        self.cells = _counts(cells, self.lower.shape, self.upper.shape)
        bounds = lambda: [np.atleast_1d(np.asarray(each)) for each in (self.lower, self.upper)]
        where = lambda: np.flatnonzero(~(np.isfinite(bounds()).all(axis=0) & (bounds()[0] < bounds()[1])))
        require(
            lambda: where().size == 0,
            lambda: (
                f"a grid needs finite bounds with lower < upper{_along(where()[0], self.shape)}, got "
                f"lower={bounds()[0][where()[0]]}, upper={bounds()[1][where()[0]]}"
            ),
            self.lower,
            self.upper,
        )

    @classmethod
    def covering(cls, equation: Any, initial: Any, t1: Any, cells: int | np.integer) -> "Grid":
        """A grid that keeps all but 1e-12 of the mass of `initial`, a `Density` or an `Ensemble`, inside on [0, t1].

        Characteristics of a mean field in one dimension do not cross, so the two that start at the ends of the data
        bound all others: they are followed, and their extremes are the bounds. An end with a wall is the wall. Raises
        `TypeError` for an equation with noise, and
        `ValueError` if anything is traced or if the characteristics leave every bounded set before t1.

        >>> import kinetic_nde as kn
        >>> equation = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Identity()))
        >>> grid = kn.Grid.covering(equation, kn.Ensemble([-1.0, 2.0]), t1=1.0, cells=100)
        >>> bool(grid.upper > 2.0 * jnp.e), bool(grid.upper < 6.0)
        (True, True)
        """
        if not known(equation, initial, t1):
            raise ValueError(
                "Grid.covering follows trajectories and needs known values: call it outside jit, vmap and grad"
            )
        if not hasattr(initial, "support") or not hasattr(equation, "velocity"):
            raise TypeError(
                "Grid.covering takes a kn.MeanField, of which it follows the trajectories, and a kn.Density or a kn.Ensemble, "
                f"not {type(equation).__name__} and {type(initial).__name__}"
            )
        if getattr(equation.field, "dimension", 1) != 1 or getattr(initial, "dimension", 1) != 1:
            raise ValueError(
                "Grid.covering is for one dimension, where characteristics do not cross: in two take a wide grid and see "
                "stats['mass_lost'], or walls"
            )
        if equation.diffusivity(jnp.asarray(0.0)) is not None:
            raise TypeError(
                "Grid.covering follows characteristics, and noise carries mass beyond them: take a wide grid and see stats['mass_lost'], or walls"
            )
        ends = jnp.stack(initial.support(1e-12))
        check_velocity(equation.field, ends[0])
        t1 = float(t1)
        if not (np.isfinite(t1) and t1 >= 0):
            raise ValueError(f"t1 must be finite and not negative, got {t1}")
        low, high = float(ends[0]), float(ends[1])
        if t1 > 0:
            path = _paths(equation, ends, t1)
            low, high = float(jnp.min(path)), float(jnp.max(path))
        # Two cells beyond the outermost characteristic, for what a scheme of third order smears.
        margin = 2 * max(high - low, 1e-9 * max(abs(low), abs(high), 1.0)) / cells
        walls = equation.walls or (None, None)
        lower = low - margin if walls[0] is None else float(walls[0])
        upper = high + margin if walls[1] is None else float(walls[1])
        return cls(lower, upper, cells)

    @property
    def dimension(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def stacked(self) -> bool:
        """Whether this is a stack of grids, whose bounds have further axes, as that of `solution.distributions` is."""
        return self.lower.shape != (() if self.dimension == 1 else (self.dimension,))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an array with one number per cell."""
        return self.cells if isinstance(self.cells, tuple) else (self.cells,)

    @property
    def axes(self) -> tuple["Grid", ...]:
        """One grid in one dimension for each axis."""
        check_one(self, "a grid's axes")
        if self.dimension == 1:
            return (self,)
        return tuple(Grid(self.lower[axis], self.upper[axis], cells) for axis, cells in enumerate(self.cells))

    @property
    def length(self) -> Float[Array, "*axes"]:
        """upper - lower, (2,) in two dimensions."""
        check_one(self, "a grid's length")
        return self.upper - self.lower

    @property
    def width(self) -> Float[Array, "*axes"]:
        """The width dx of one cell, (dx, dy) in two dimensions."""
        return self.length / (jnp.asarray(self.cells, self.lower.dtype) if self.dimension > 1 else self.cells)

    @property
    def volume(self) -> Float[Array, ""]:
        """What one cell measures: dx, or dx dy."""
        return self.width if self.dimension == 1 else jnp.prod(self.width)

    @property
    def widths(self) -> Any:
        """The width of each cell; in two dimensions a tuple, one array per axis."""
        if self.dimension > 1:
            return tuple(axis.widths for axis in self.axes)
        return jnp.full(self.shape, self.width)

    @property
    def faces(self) -> Any:
        """The cells + 1 ends of the cells, the first and the last of which are the bounds exactly; in two dimensions a
        tuple, one array per axis."""
        if self.dimension > 1:
            return tuple(axis.faces for axis in self.axes)
        share = jnp.arange(self.cells + 1, dtype=self.lower.dtype) / self.cells
        return (self.lower + self.length * share).at[-1].set(self.upper)

    @property
    def centers(self) -> Float[Array, "*cells"]:
        """The midpoints of the cells; in two dimensions points (nx, ny, 2)."""
        if self.dimension > 1:
            return jnp.stack(jnp.meshgrid(*(axis.centers for axis in self.axes), indexing="ij"), axis=-1)
        faces = self.faces
        return 0.5 * (faces[:-1] + faces[1:])


def box(grid: Grid) -> str:
    """The bounds, for messages: those of the two axes one after the other."""
    return " x ".join(f"[{low}, {high}]" for low, high in zip(np.ravel(grid.lower), np.ravel(grid.upper), strict=True))


def _counts(cells: Any, lower: tuple[int, ...], upper: tuple[int, ...]) -> int | tuple[int, ...]:
    """The numbers of cells along each axis, for bounds of these shapes; one number in one dimension."""
    if lower != upper or lower not in ((), (2,)):
        raise ValueError(
            "a grid's bounds are two numbers, or two pairs in two dimensions, which is the most there is; got shapes "
            f"{lower} and {upper}"
        )
    dimension = len(lower) + 1
    several = np.ndim(cells) > 0
    if several and (dimension == 1 or len(cells) != dimension):
        raise ValueError(
            f"a grid in {dimension}D takes {('one number', 'one number or two')[dimension - 1]} of cells, got {cells}"
        )
    counts = tuple(cells) if several else (cells,) * dimension
    for axis, count in enumerate(counts):
        along = _along(axis, counts)
        if not isinstance(count, int | np.integer) or isinstance(count, bool):
            raise TypeError(f"the number of cells must be an integer{along}, got {count!r}")
        if count < 3:
            raise ValueError(f"a grid needs at least 3 cells{along}, got {count}")
    return tuple(int(count) for count in counts) if lower else int(counts[0])


def _along(axis: int | np.integer, shape: tuple) -> str:
    return f" along axis {axis}" if len(shape) > 1 else ""


def _paths(equation: Any, ends: Array, t1: float) -> Array:
    """Positions over time of the characteristics that start at `ends`, kept within the walls."""
    low, high = equation.walls or (None, None)

    def velocity(t: Any, x: Array, _: Any) -> Array:
        return jax.vmap(lambda point: equation.velocity(t, point))(jnp.clip(x, low, high))

    jumps = [t for t in breakpoints(equation.field) if 0 < t < t1]
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        0.0,
        t1,
        t1 / 256,
        ends,
        stepsize_controller=_controller(t1, jumps),
        saveat=diffrax.SaveAt(t0=True, steps=True),
        max_steps=20_000,
        throw=False,
    )
    if solution.result != diffrax.RESULTS.successful:
        raise ValueError(
            f"the characteristics from {ends} cannot be followed to t1={t1}: they grow without bound or turn too often"
        )
    assert solution.ts is not None and solution.ys is not None
    return jnp.clip(solution.ys[jnp.isfinite(solution.ts)], low, high)


def _controller(t1: float, jumps: list[float]) -> diffrax.AbstractStepSizeController:
    controller = diffrax.PIDController(rtol=1e-6, atol=1e-9, dtmax=t1 / 256)
    return diffrax.ClipStepSizeController(controller, jump_ts=jnp.asarray(jumps)) if jumps else controller
