"""Uniform grids of cells."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import as_floating, known, require
from ..network.field import breakpoints


class Grid(eqx.Module):
    """`cells` equal cells on [lower, upper]. The bounds are traced, the number of cells is static.

    Raises `ValueError` for fewer than 3 cells (a third-order reconstruction needs three), and for bounds that are not
    finite or not increasing.

    >>> grid = Grid(0.0, 1.0, 4)
    >>> grid.centers
    Array([0.125, 0.375, 0.625, 0.875], dtype=float64)
    """

    lower: Float[Array, ""]
    upper: Float[Array, ""]
    cells: int = eqx.field(static=True)

    def __init__(self, lower: Any, upper: Any, cells: int | np.integer):
        self.lower, self.upper = as_floating(lower, "lower"), as_floating(upper, "upper")
        if self.lower.shape != () or self.upper.shape != ():
            raise ValueError(f"a grid's bounds are two numbers, got shapes {self.lower.shape} and {self.upper.shape}")
        if not isinstance(cells, int | np.integer) or isinstance(cells, bool):
            raise TypeError(f"the number of cells must be an integer, got {cells!r}")
        if cells < 3:
            raise ValueError(f"a grid needs at least 3 cells, got {cells}")
        self.cells = int(cells)
        require(
            lambda: np.isfinite(self.lower) and np.isfinite(self.upper) and self.lower < self.upper,
            lambda: f"a grid needs finite bounds with lower < upper, got lower={self.lower}, upper={self.upper}",
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
        if equation.diffusivity(jnp.asarray(0.0)) is not None:
            raise TypeError(
                "Grid.covering follows characteristics, and noise carries mass beyond them: take a wide grid and see stats['mass_lost'], or walls"
            )
        if getattr(equation.field, "dimension", 1) != 1 or getattr(initial, "dimension", 1) != 1:
            raise ValueError("Grid.covering is for one dimension")
        ends = jnp.stack(initial.support(1e-12))
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
    def shape(self) -> tuple[int, ...]:
        """The shape of an array with one number per cell."""
        return (self.cells,)

    @property
    def length(self) -> Float[Array, ""]:
        """upper - lower."""
        return self.upper - self.lower

    @property
    def width(self) -> Float[Array, ""]:
        """The width dx of one cell."""
        return self.length / self.cells

    @property
    def widths(self) -> Float[Array, " cells"]:
        """The width of each cell."""
        return jnp.full(self.shape, self.width)

    @property
    def faces(self) -> Float[Array, " faces"]:
        """The cells + 1 ends of the cells; the first and the last are the bounds exactly."""
        share = jnp.arange(self.cells + 1, dtype=self.lower.dtype) / self.cells
        return (self.lower + self.length * share).at[-1].set(self.upper)

    @property
    def centers(self) -> Float[Array, " cells"]:
        """The midpoints of the cells."""
        faces = self.faces
        return 0.5 * (faces[:-1] + faces[1:])


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
