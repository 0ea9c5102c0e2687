"""How far a distribution is from the one that is wanted, both seen through a Gaussian."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, require
from ..distributions import plane
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid
from ..distributions.plane import Plane
from ..distributions.profile import Profile, gauss, optimal
from .losses import AbstractLoss, densities, needs_density

# Beyond so many standard deviations a Gaussian is below the rounding of float64.
_REACH = 9.0


class SmoothedL2Loss(AbstractLoss):
    """D = 1/2 int |kappa * (g - h)|^2 dx over the whole line, kappa the normal density of standard deviation
    `bandwidth`; lambda = kappa * kappa * (g - h). In two dimensions over the whole plane, with the product of two such
    kappa and one bandwidth, or one for each axis.

    What is within a few bandwidths attracts, unlike in `L2Loss`, to which this tends with bandwidth -> 0. Exact to
    rounding on the optimal parabolas of g - h, for any bandwidth, in O(N log N). Nothing is mirrored at the ends of the grid.
    Raises `ValueError` unless 0 < bandwidth < inf.

    >>> from kinetic_nde.distributions.grid import Grid
    >>> grid = Grid(-8.0, 8.0, 400)
    >>> g, h = Density.dirac(-1.0, grid), Density.dirac(1.0, grid)
    >>> D = (1 - jnp.exp(-1)) / (2 * jnp.sqrt(jnp.pi))
    >>> bool(abs(SmoothedL2Loss(h, bandwidth=1.0)(g) / D - 1) < 1e-3)
    True
    """

    target: Density
    bandwidth: Float[Array, "*axes"]

    def __init__(self, target: Density | Ensemble, bandwidth: float | ArrayLike | list | tuple):
        self.target, self.bandwidth = needs_density(self, target), as_floating(bandwidth, "bandwidth")
        allowed = ((),) if self.target.dimension == 1 else ((), (2,))
        if self.bandwidth.shape not in allowed:
            what = "one number" if len(allowed) == 1 else "one number, or one for each of two axes"
            raise ValueError(f"a bandwidth is {what}, got shape {self.bandwidth.shape}")
        require(
            lambda: np.all((np.asarray(self.bandwidth) > 0) & np.isfinite(self.bandwidth)),
            lambda: (
                f"a smoothed loss needs a finite bandwidth > 0, got {self.bandwidth}: without smoothing it is L2Loss"
            ),
            self.bandwidth,
        )

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        grid, coefficients, smoothed = self._smoothed(*densities(self, distribution))
        return 0.5 * grid.volume * jnp.sum(smoothed * coefficients)

    def first_variation(self, density: Density) -> Float[Array, "*cells"]:
        grid, _, smoothed = self._smoothed(*densities(self, density))
        return smoothed[(0,) * grid.dimension]

    def _smoothed(self, g: Density, h: Density) -> tuple[Grid, Array, Array]:
        """The grid, the coefficients of the polynomials of g - h by their shapes along each axis, and their smoothed
        counterparts."""
        error = _difference(g, h)
        coefficients = _coefficients(error) if isinstance(error, Profile) else _coefficients_of_plane(error)
        bandwidths = jnp.broadcast_to(self.bandwidth.astype(coefficients.dtype), (g.dimension,))
        return error.grid, coefficients, _smoothed(error.grid, coefficients, bandwidths)


def _difference(g: Density, h: Density) -> Profile | Plane:
    """The optimal polynomials of g - h.

    The weights of the non-oscillatory reconstruction would make the loss depend on where in its cell a spike sits: its
    gradient would be that of these weights as much as of the distance. Smoothing needs no protection from oscillations.
    """
    return (optimal if g.dimension == 1 else plane.optimal)(g.grid, g.values - h.values)


def _coefficients(profile: Profile) -> Float[Array, "3 cells"]:
    return jnp.stack([profile.average, profile.slope, profile.curvature])


def _coefficients_of_plane(error: Plane) -> Float[Array, "3 3 nx ny"]:
    nothing = jnp.zeros_like(error.average)
    constant = [error.average, error.slope[1], error.curvature[1]]
    rest = [[error.slope[0], error.twist, nothing], [error.curvature[0], nothing, nothing]]
    return jnp.stack([jnp.stack(row) for row in (constant, *rest)])


@jax.jit
def _smoothed(grid: Grid, coefficients: Array, bandwidths: Float[Array, " axes"]) -> Array:
    """int L_a(s) K(x - y) error(y) dy ds for products L of the shapes along each axis, K = kappa * kappa, itself a product:
    one axis after the other."""
    if grid.dimension == 1:
        return _along(grid, coefficients, bandwidths[0])
    first, second = grid.axes
    # Both shapes and both cells of each axis: (3, 3, nx, ny).
    across = jax.vmap(jax.vmap(partial(_along, first, bandwidth=bandwidths[0]), 1, 1), 3, 3)(coefficients)
    return jax.vmap(jax.vmap(partial(_along, second, bandwidth=bandwidths[1])), 2, 2)(across)


def _along(grid: Grid, coefficients: Float[Array, "3 cells"], bandwidth: Float[Array, ""]) -> Float[Array, "3 cells"]:
    """int int L_a(s) K(x - y) error(y) dy ds for the shapes L = 1, s, s^2 - 1/12 across each cell of a line.

    By FFT, with zeros up to a power of two that keep the two ends apart: a dense matrix for each pair of shapes would
    be as exact, and at 1000 cells 300 times the memory."""
    cells = grid.cells
    size = 2 ** int(np.ceil(np.log2(2 * cells)))
    ahead = _lags(jnp.sqrt(jnp.asarray(2.0, bandwidth.dtype)) * bandwidth / grid.width, cells)
    parity = _parity(bandwidth.dtype)
    behind = parity[:, :, None] * ahead[:, :, :0:-1]
    kernel = jnp.concatenate([ahead, jnp.zeros((3, 3, size - 2 * cells + 1), bandwidth.dtype), behind], axis=2)
    spectrum = jnp.fft.rfft(kernel) * jnp.fft.rfft(coefficients, size)[None]
    return jnp.fft.irfft(jnp.sum(spectrum, axis=1), size)[:, :cells]


def _lags(width: Float[Array, ""], cells: int) -> Float[Array, "3 3 cells"]:
    """int int L_a(s) L_b(t) K(k + s - t) ds dt for lags k = 0, 1, ... of whole cells, K the normal density of standard
    deviation `width`, in cells.

    With u = s - t this is one integral, of K(k + u) times the overlap of two shapes that are u apart, smooth on each
    side of u = 0.
    """
    dtype = width.dtype
    nodes, weights = (jnp.asarray(each, dtype) for each in gauss(24))
    # From a whole number of cells on only as far as the kernel reaches, so that it is resolved also inside one cell.
    reach = jnp.minimum(_REACH * width, 1.0)
    u = reach * (nodes + 0.5)
    z = (jnp.arange(cells, dtype=dtype)[:, None] + u[None, :]) / width
    heights = (
        jnp.exp(-0.5 * jnp.minimum(z, 4 * _REACH) ** 2) * (reach * weights / (width * math.sqrt(2 * math.pi)))[None, :]
    )
    right = jnp.einsum("kn,abn->abk", heights, _overlap(u), precision="highest")
    left = jnp.einsum("kn,abn->abk", heights, _overlap(1 - u), precision="highest")
    parity = _parity(dtype)[:, :, None]
    return right + parity * jnp.concatenate([right[:, :, :1], left[:, :, :-1]], axis=2)


def _overlap(u: Float[Array, " n"]) -> Float[Array, "3 3 n"]:
    """int L_a(s) L_b(s - u) ds over the s for which both are inside [-1/2, 1/2], 0 <= u <= 1."""

    def shapes(s: Array) -> Array:
        return jnp.stack([jnp.ones_like(s), s, s**2 - 1 / 12])

    total = jnp.zeros((3, 3, u.size), u.dtype)
    for node, weight in zip(*gauss(3), strict=True):
        s = 0.5 * u + (1 - u) * node
        total += weight * shapes(s)[:, None] * shapes(s - u)[None]
    return total * (1 - u)[None, None]


def _parity(dtype: jnp.dtype) -> Float[Array, "3 3"]:
    """The sign of what two shapes share when the order of the cells is turned round."""
    signs = np.array([1.0, -1.0, 1.0])
    return jnp.asarray(np.outer(signs, signs), dtype)
