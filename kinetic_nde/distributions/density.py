"""A distribution given by cell averages."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._values import as_floating, ratio, require
from . import plane, profile
from .averages import function_averages, gaussian_averages, uniform_averages
from .dirac import dirac_averages
from .grid import Grid, box
from .kernel_density import kernel_density
from .plane import Plane, as_axis
from .product_kernels import product_kernel_density
from .profile import Profile
from .stack import check_mass, check_one

# Averages a little below zero are rounding; more is a mistake of whoever made them.
_TOLERATED = 1e-14


class Density(eqx.Module):
    """The density g of a distribution on a grid, as averages over the cells: `values`, of shape `grid.shape` with the axes
    in the order x, y, and mass sum(values) dx, or dx dy.

    Between the averages the density is the parabola of the third-order reconstruction in each cell, in two dimensions one
    along each axis and a mixed term, kept from going below zero: moments, distribution function, quantiles and samples are
    those of this piecewise polynomial, exactly.

    `jax.vmap`, and `solution.distributions`, give a stack, one density whose averages and grid have further axes in front.
    Nothing is asked of a stack but its `dimension`: all else is a `ValueError`, and `jax.vmap` maps over it. Where all
    averages are zero, as after all mass has left through open ends, mean, variance, cdf and quantiles are a `ValueError`, or
    NaN if that is traced.

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
        check_one(grid, "the grid of a density")
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
        """Cell averages of `function(x)`, called with x of shape () or (2,), by three Gauss points along each axis; of mass
        1 with `normalize=True`.

        >>> Density.from_function(lambda x: x**2, Grid(0.0, 1.0, 4)).values[0]
        Array(0.02083333, dtype=float64)
        """
        values = function_averages(function, grid)
        return cls(grid, values / (jnp.sum(values) * grid.volume) if normalize else values)

    @classmethod
    def from_samples(
        cls,
        samples: ArrayLike | list,
        grid: Grid,
        bandwidth: float | ArrayLike | list | tuple | None = None,
        weights: ArrayLike | list | None = None,
    ) -> "Density":
        """Kernel density estimate of mass 1: a Gaussian of standard deviation `bandwidth` around each sample (M,),
        averages over the cells exact to 1e-8 of the largest. Time grows with M + cells, not with their product.

        Around samples (M, 2) a product of two Gaussians, with one bandwidth or one for each axis: averages exact to
        rounding, in time M times the number of cells, by matrix products.

        Kernels are mirrored at the ends of the grid, as often as they reach across it, so that none of the mass is lost
        there: with a bandwidth far beyond the grid they are uniform. The default bandwidth is
        Silverman's, 0.9 min(std, IQR / 1.34) M^(-1/5), and min(std, IQR / 1.34) M^(-1/6) along each of two axes;
        `bandwidth=0` is the histogram. With `weights` (M,), of any sum, a sample's share of the mass is that of its weight, and
        in the default bandwidth stand the weighted spread and 1 / sum(share^2) for M.

        Raises `ValueError` for samples that are empty, not finite or outside the grid (traced ones outside give NaN), for a
        negative bandwidth, for the default bandwidth if all samples are equal, and for weights that are negative, not finite,
        all zero or of another number than the samples.

        >>> Density.from_samples([0.1, 0.2, 0.9], Grid(0.0, 1.0, 4), bandwidth=0).values.round(4)
        Array([2.6667, 0.    , 0.    , 1.3333], dtype=float64)
        """
        estimate = kernel_density if grid.dimension == 1 else product_kernel_density
        return cls(grid, estimate(samples, grid, bandwidth, weights))

    @classmethod
    def gaussian(
        cls, mean: float | ArrayLike | list | tuple, std: float | ArrayLike | list | tuple, grid: Grid
    ) -> "Density":
        """The exact cell averages of a normal distribution; the mass beyond the grid is missing.

        In two dimensions `mean` is a pair, and `std` a number, one for each axis, or a covariance (2, 2): that is exact in
        y, and by eight Gauss points in x, 1e-12 of the largest average where no cell is wider along x than the standard
        deviation of x at a given y. `ValueError` unless std > 0, or symmetric and positive definite.

        >>> tilted = Density.gaussian((0.0, 1.0), [[1.0, 0.5], [0.5, 1.0]], Grid((-8.0, -7.0), (8.0, 9.0), (64, 64)))
        >>> tilted.variance.round(3)
        Array([[1. , 0.5],
               [0.5, 1. ]], dtype=float64)
        """
        return cls(grid, gaussian_averages(mean, std, grid))

    @classmethod
    def uniform(
        cls, lower: float | ArrayLike | list | tuple, upper: float | ArrayLike | list | tuple, grid: Grid
    ) -> "Density":
        """The uniform distribution on [lower, upper], in two dimensions on the box between these corners, exact in each
        cell. `ValueError` unless the interval is increasing and inside the grid.

        >>> Density.uniform(0.0, 0.5, Grid(0.0, 1.0, 4)).values
        Array([2., 2., 0., 0.], dtype=float64)
        """
        return cls(grid, uniform_averages(lower, upper, grid))

    @classmethod
    def dirac(cls, x: float | ArrayLike | list | tuple, grid: Grid) -> "Density":
        """All mass at x: in the cells whose centres surround it, two along each axis, shared so that the mean is x exactly.

        Within half a cell of an end all mass is in the last cell. Raises `ValueError` if x is outside the grid.

        >>> density = Density.dirac(0.3, Grid(0.0, 1.0, 10))
        >>> bool(abs(density.mean - 0.3) < 1e-12)
        True
        """
        return cls(grid, dirac_averages(x, grid))

    @property
    def dimension(self) -> int:
        """d, that of the grid."""
        return self.grid.dimension

    @property
    def stacked(self) -> bool:
        """Whether this is a stack of densities."""
        return self.grid.stacked or self.values.shape != self.grid.shape

    @property
    def mass(self) -> Float[Array, ""]:
        """int g dx."""
        check_one(self, "mass")
        return jnp.sum(self.values) * self.grid.volume

    @property
    def mean(self) -> Float[Array, "*axes"]:
        """int x g dx / mass."""
        self._needs_mass("mean")
        return ratio(self.moment(1), self.mass)

    @property
    def variance(self) -> Float[Array, "*axes_axes"]:
        """int (x - mean)^2 g dx / mass, never negative; in two dimensions the covariance (2, 2), positive semidefinite."""
        self._needs_mass("variance")
        if self.dimension == 2:
            return self.plane.covariance()
        return ratio(self.profile.moment(2, self.mean), self.mass)

    @property
    def energy(self) -> Float[Array, ""]:
        """m_2 = int |x|^2 g dx."""
        check_one(self, "energy")
        return jnp.sum(self.moment(2))

    def moment(self, k: int) -> Float[Array, "*axes"]:
        """m_k = int x^k g dx, by component in two dimensions, exact on the parabolas. `ValueError` for a negative
        order."""
        check_one(self, "moment")
        if k < 0:
            raise ValueError(f"the order of a moment must not be negative, got {k}")
        if self.dimension == 1:
            return self.profile.moment(k)
        lines = self.plane
        return jnp.stack([lines.line(axis).moment(k) for axis in (0, 1)])

    @property
    def profile(self) -> Profile:
        """The parabola in each cell of a density in one dimension."""
        self._needs_line("profile")
        return profile.reconstruct(self.grid, self.values)

    @property
    def plane(self) -> Plane:
        """The polynomial in each cell of a density in two dimensions."""
        self._needs_plane("plane")
        return plane.reconstruct(self.grid, self.values)

    def _needs_mass(self, name: str) -> None:
        check_one(self, name)
        check_mass(self, name)

    def _needs_line(self, name: str) -> None:
        check_one(self, name)
        if self.dimension != 1:
            raise ValueError(
                f"{name} is for densities in one dimension: this one has two, take that of a component, density.marginal(0) "
                "or density.marginal(1)"
            )

    def _needs_plane(self, name: str) -> None:
        check_one(self, name)
        if self.dimension != 2:
            raise ValueError(f"{name} is for densities in two dimensions, this one has {self.dimension}")

    def marginal(self, axis: int) -> "Density":
        """The distribution of the component `axis`, 0 for x and 1 for y, of a density in two dimensions; of the same mass.

        >>> density = Density.gaussian((0.0, 2.0), (0.5, 1.0), Grid((-4.0, -6.0), (4.0, 10.0), (40, 80)))
        >>> density.marginal(1).mean.round(6)
        Array(2., dtype=float64)
        """
        self._needs_plane("marginal")
        other = 1 - as_axis(axis)
        return Density(self.grid.axes[axis], jnp.sum(self.values, axis=other) * self.grid.width[other])

    def conditional(self, axis: int, at: float | ArrayLike) -> "Density":
        """The distribution of the other component where the component `axis`, 0 for x and 1 for y, equals `at`, of mass 1:
        conditional(0, 1.5) is that of y given x = 1.5. For densities in two dimensions.

        Raises `ValueError` for `at` outside the grid or where there is no mass; traced, it is NaN there.

        >>> tilted = Density.gaussian((0.0, 0.0), [[1.0, 0.5], [0.5, 1.0]], Grid((-8.0, -8.0), (8.0, 8.0), 64))
        >>> tilted.conditional(0, 2.0).mean.round(3)
        Array(1., dtype=float64)
        """
        self._needs_plane("conditional")
        return Density(self.grid.axes[1 - as_axis(axis)], self.plane.conditional(axis, at))

    def cdf(self, x: ArrayLike) -> Float[Array, "*shape"]:
        """The share of the mass at or below x, of any shape.

        >>> Density.uniform(0.0, 1.0, Grid(0.0, 1.0, 10)).cdf(0.25).round(6)
        Array(0.25, dtype=float64)
        """
        self._needs_line("cdf")
        self._needs_mass("cdf")
        return ratio(self.profile.below(as_floating(x, "x")), self.mass)

    def quantile(self, q: ArrayLike) -> Float[Array, "*shape"]:
        """The smallest x with cdf(x) >= q, of the shape of q. `ValueError` for q outside [0, 1].

        >>> Density.gaussian(2.0, 1.0, Grid(-8.0, 12.0, 400)).quantile(0.5).round(6)
        Array(2., dtype=float64)
        """
        self._needs_line("quantile")
        self._needs_mass("quantile")
        q = as_floating(q, "q")
        require(
            lambda: np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)),
            lambda: f"quantiles are of numbers in [0, 1], got {q}",
            q,
        )
        return self.profile.quantile(q)

    def support(self, tail: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """An interval with all but the share `tail` of the mass."""
        self._needs_line("support")
        return self.quantile(0.5 * tail), self.quantile(1 - 0.5 * tail)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n *axes"]:
        """`n` independent samples, (n, 2) in two dimensions, which move with the averages: derivatives pass through.

        >>> Density.uniform(0.0, 1.0, Grid(0.0, 1.0, 10)).sample(jax.random.key(0), 5).shape
        (5,)
        """
        self._needs_mass("sample")
        shares = jax.random.uniform(key, (n, *self.grid.lower.shape), self.values.dtype)
        return self.quantile(shares) if self.dimension == 1 else self.plane.quantile(shares)

    def on(self, grid: Grid) -> "Density":
        """The same distribution on another grid: the mass of each new cell is that of the polynomials in it, so that mass
        is conserved.

        Raises `ValueError` if more than 1e-12 of the mass lies outside the new grid, and for a grid of another dimension.

        >>> density = Density.gaussian(0.0, 1.0, Grid(-8.0, 8.0, 100)).on(Grid(-9.0, 9.0, 333))
        >>> round(float(density.mass), 12)
        1.0
        """
        check_one(self, "on")
        if grid.dimension != self.dimension:
            raise ValueError(
                f"a density of dimension {self.dimension} cannot be on a grid of dimension {grid.dimension}"
            )
        masses = jnp.diff(self.profile.below(grid.faces)) if self.dimension == 1 else plane.masses(self.plane, grid)
        inside = jnp.sum(masses)
        rounding = max(1e-12, 8 * float(jnp.finfo(self.values.dtype).eps) * self.values.size**0.5)
        require(
            lambda: inside >= (1 - rounding) * self.mass,
            lambda: f"the share {1 - float(inside / self.mass):.3g} of the mass is outside the new grid {box(grid)}",
            (inside, self.mass),
        )
        return Density(grid, jnp.maximum(masses, 0) / grid.volume)


def _lowest(values: np.ndarray) -> int | tuple[int, ...]:
    """The cell of the smallest average."""
    first = np.argmin(values)
    return int(first) if values.ndim == 1 else tuple(int(i) for i in np.unravel_index(first, values.shape))
