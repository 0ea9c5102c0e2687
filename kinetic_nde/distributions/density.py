"""A distribution given by cell averages."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._values import as_floating, require
from . import profile
from .grid import Grid
from .kernel_density import kernel_density
from .profile import Profile

# Averages a little below zero are rounding; more is a mistake of whoever made them.
_TOLERATED = 1e-14


class Density(eqx.Module):
    """The density g of a distribution on a grid, as averages over the cells: `values`, of shape `grid.shape`, mass
    sum(values) dx.

    Between the averages the density is the parabola of the third-order reconstruction in each cell, kept from going
    below zero: moments, distribution function, quantiles and samples are those of this piecewise parabola, exactly.

    Raises `ValueError` if the shape is not the grid's, if a value is not finite or below -1e-14 of the largest, or if
    there is no mass.

    >>> grid = Grid(-8.0, 8.0, 400)
    >>> density = Density.gaussian(1.0, 0.5, grid)
    >>> round(float(density.mean), 8), round(float(density.variance), 6)
    (1.0, 0.25)
    """

    grid: Grid
    values: Float[Array, "*cells"]

    def __init__(self, grid: Grid, values: ArrayLike | list):
        if not isinstance(grid, Grid):
            raise TypeError(f"a density lives on a kn.Grid, not {grid!r}")
        self.grid, self.values = grid, as_floating(values, "the averages of a density")
        if self.values.shape != grid.shape:
            raise ValueError(
                f"a density on {' x '.join(map(str, grid.shape))} cells needs averages of shape {grid.shape}, got {self.values.shape}"
            )
        # Read by NumPy, for which no new grid is a new program to compile.
        values, averages = self.values, lambda: np.asarray(self.values)
        require(lambda: np.all(np.isfinite(averages())), lambda: "the averages of a density must be finite", values)
        require(
            lambda: np.min(averages()) >= -_TOLERATED * np.max(averages()),
            lambda: (
                f"the averages of a density must not be negative, got {np.min(averages()):.3g} in cell {_lowest(averages())}"
            ),
            values,
        )
        require(lambda: np.max(averages()) > 0, lambda: "a density needs mass, got averages that are all zero", values)

    @classmethod
    def from_function(cls, function: Callable[[Array], Array], grid: Grid, normalize: bool = False) -> "Density":
        """Cell averages of `function(x)`, called with x of shape () by three-point Gauss quadrature; of mass 1 with
        `normalize=True`.

        >>> Density.from_function(lambda x: x**2, Grid(0.0, 1.0, 4)).values[0]
        Array(0.02083333, dtype=float64)
        """
        nodes, weights = profile.gauss(3)
        dtype = grid.lower.dtype
        points = grid.centers[:, None] + grid.width * jnp.asarray(nodes, dtype)[None, :]
        values = jax.vmap(jax.vmap(function))(points) @ jnp.asarray(weights, dtype)
        return cls(grid, values / (jnp.sum(values) * grid.width) if normalize else values)

    @classmethod
    def from_samples(
        cls, samples: ArrayLike | list, grid: Grid, bandwidth: float | ArrayLike | None = None
    ) -> "Density":
        """Kernel density estimate of mass 1: a Gaussian of standard deviation `bandwidth` around each sample (M,),
        averages over the cells exact to 1e-8 of the largest. Time grows with M + cells, not with their product.

        Kernels are mirrored at the ends of the grid, so that none of the mass is lost there. The default bandwidth is
        Silverman's, 0.9 min(std, IQR / 1.34) M^(-1/5); `bandwidth=0` is the histogram. Raises `ValueError` for samples
        that are empty, not finite or outside the grid (traced ones outside give NaN), for a negative bandwidth, and for the default bandwidth if all
        samples are equal.

        >>> Density.from_samples([0.1, 0.2, 0.9], Grid(0.0, 1.0, 4), bandwidth=0).values.round(4)
        Array([2.6667, 0.    , 0.    , 1.3333], dtype=float64)
        """
        return cls(grid, kernel_density(samples, grid, bandwidth))

    @classmethod
    def gaussian(cls, mean: float | ArrayLike, std: float | ArrayLike, grid: Grid) -> "Density":
        """The exact cell averages of a normal distribution; the mass beyond the grid is missing. `ValueError` unless
        std > 0."""
        mean, std = as_floating(mean, "mean"), as_floating(std, "std")
        require(lambda: std > 0, lambda: f"a Gaussian needs std > 0, got {std}", std)
        return cls(grid, _gaussian(mean, std, grid))

    @classmethod
    def uniform(cls, lower: float | ArrayLike, upper: float | ArrayLike, grid: Grid) -> "Density":
        """The uniform distribution on [lower, upper], exact in each cell. `ValueError` unless the interval is
        increasing and inside the grid.

        >>> Density.uniform(0.0, 0.5, Grid(0.0, 1.0, 4)).values
        Array([2., 2., 0., 0.], dtype=float64)
        """
        lower, upper = as_floating(lower, "lower"), as_floating(upper, "upper")
        tolerance = 1e-9 * grid.length
        require(
            lambda: lower < upper and lower >= grid.lower - tolerance and upper <= grid.upper + tolerance,
            lambda: (
                f"need lower < upper inside the grid [{grid.lower}, {grid.upper}], got lower={lower}, upper={upper}"
            ),
            (lower, upper, grid),
        )
        return cls(grid, _uniform(lower, upper, grid))

    @classmethod
    def dirac(cls, x: float | ArrayLike, grid: Grid) -> "Density":
        """All mass at x: in the two cells whose centres surround it, shared so that the mean is x exactly.

        Within half a cell of an end all mass is in the last cell. Raises `ValueError` if x is outside the grid.

        >>> density = Density.dirac(0.3, Grid(0.0, 1.0, 10))
        >>> bool(abs(density.mean - 0.3) < 1e-12)
        True
        """
        x = as_floating(x, "x")
        require(
            lambda: grid.lower <= x <= grid.upper,
            lambda: f"x={x} is outside the grid [{grid.lower}, {grid.upper}]",
            (x, grid),
        )
        return cls(grid, profile.dirac(x, grid))

    @property
    def mass(self) -> Float[Array, ""]:
        """int g dx."""
        return jnp.sum(self.values) * self.grid.volume

    @property
    def mean(self) -> Float[Array, ""]:
        """int x g dx / mass."""
        return self.moment(1) / self.mass

    @property
    def variance(self) -> Float[Array, ""]:
        """int (x - mean)^2 g dx / mass, never negative."""
        return self.profile.moment(2, self.mean) / self.mass

    @property
    def energy(self) -> Float[Array, ""]:
        """m_2 = int x^2 g dx."""
        return self.moment(2)

    def moment(self, k: int) -> Float[Array, ""]:
        """m_k = int x^k g dx, exact on the parabolas. `ValueError` for a negative order."""
        if k < 0:
            raise ValueError(f"the order of a moment must not be negative, got {k}")
        return self.profile.moment(k)

    @property
    def profile(self) -> Profile:
        """The parabola in each cell."""
        return profile.reconstruct(self.grid, self.values)

    def cdf(self, x: ArrayLike) -> Float[Array, "*shape"]:
        """The share of the mass at or below x, of any shape.

        >>> Density.uniform(0.0, 1.0, Grid(0.0, 1.0, 10)).cdf(0.25).round(6)
        Array(0.25, dtype=float64)
        """
        return self.profile.below(as_floating(x, "x")) / self.mass

    def quantile(self, q: ArrayLike) -> Float[Array, "*shape"]:
        """The smallest x with cdf(x) >= q, of the shape of q. `ValueError` for q outside [0, 1].

        >>> Density.gaussian(2.0, 1.0, Grid(-8.0, 12.0, 400)).quantile(0.5).round(6)
        Array(2., dtype=float64)
        """
        q = as_floating(q, "q")
        require(
            lambda: np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)),
            lambda: f"quantiles are of numbers in [0, 1], got {q}",
            q,
        )
        return self.profile.quantile(q)

    def support(self, tail: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """An interval with all but the share `tail` of the mass."""
        return self.quantile(0.5 * tail), self.quantile(1 - 0.5 * tail)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, " n"]:
        """`n` independent samples.

        >>> Density.uniform(0.0, 1.0, Grid(0.0, 1.0, 10)).sample(jax.random.key(0), 5).shape
        (5,)
        """
        return self.quantile(jax.random.uniform(key, (n,), self.values.dtype))

    def on(self, grid: Grid) -> "Density":
        """The same distribution on another grid: the mass of each new cell is that of the parabolas in it, so that mass
        is conserved.

        Raises `ValueError` if more than 1e-12 of the mass lies outside the new grid.

        >>> density = Density.gaussian(0.0, 1.0, Grid(-8.0, 8.0, 100)).on(Grid(-9.0, 9.0, 333))
        >>> round(float(density.mass), 12)
        1.0
        """
        below = self.profile.below(grid.faces)
        inside = below[-1] - below[0]
        rounding = max(1e-12, 8 * float(jnp.finfo(self.values.dtype).eps) * self.grid.cells**0.5)
        require(
            lambda: inside >= (1 - rounding) * self.mass,
            lambda: (
                f"the share {1 - float(inside / self.mass):.3g} of the mass is outside the new grid [{grid.lower}, {grid.upper}]"
            ),
            (inside, self.mass),
        )
        return Density(grid, jnp.maximum(jnp.diff(below), 0) / grid.width)


def _lowest(values: np.ndarray) -> int | tuple[int, ...]:
    """The cell of the smallest average."""
    first = np.argmin(values)
    return int(first) if values.ndim == 1 else tuple(int(i) for i in np.unravel_index(first, values.shape))


# Each one program: call by call, every number of cells would compile a dozen.
@jax.jit
def _gaussian(mean: Float[Array, ""], std: Float[Array, ""], grid: Grid) -> Float[Array, " cells"]:
    z = (grid.faces - mean) / std
    # On the right of the mean by the upper tail, where 1 - (almost 1) has no digits left.
    mass = jnp.where(z[:-1] > 0, ndtr(-z[:-1]) - ndtr(-z[1:]), ndtr(z[1:]) - ndtr(z[:-1]))
    return mass / grid.width


@jax.jit
def _uniform(lower: Float[Array, ""], upper: Float[Array, ""], grid: Grid) -> Float[Array, " cells"]:
    faces = jnp.clip(grid.faces, lower, upper)
    return (faces[1:] - faces[:-1]) / (upper - lower) / grid.width
