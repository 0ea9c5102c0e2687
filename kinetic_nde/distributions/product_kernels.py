"""Kernel density estimates in two dimensions: products of kernels along the axes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Bool, Float

from .._values import as_floating, cast, common_float, known, require
from .bandwidth import silverman
from .grid import Grid
from .kernel_density import averages, cell_of, checked, checked_weights, summed
from .wide_kernels import cosines, is_wide, masses_of_cosines

# Numbers in what is made of the samples of one chunk: 32 MiB, whatever the number of samples.
_NUMBERS = 2**22


def bandwidths(
    samples: Float[Array, "m 2"],
    given: float | ArrayLike | list | tuple | None,
    weights: Float[Array, " m"] | None = None,
) -> Float[Array, " 2"]:
    """One for each axis, Silverman's if none is given."""
    if given is None:
        widths = [silverman(samples[:, axis], 2, f" along axis {axis}", weights) for axis in (0, 1)]
        return jnp.stack(widths)
    widths = as_floating(given, "bandwidth")
    if widths.shape not in ((), (2,)):
        raise ValueError(f"a bandwidth is a number or one for each of two axes, got shape {widths.shape}")
    require(
        lambda: np.all(np.asarray(widths) >= 0) and np.all(np.isfinite(np.asarray(widths))),
        lambda: f"a bandwidth must be finite and not negative, got {widths}",
        widths,
    )
    return jnp.broadcast_to(widths, (2,))


def product_kernel_density(
    samples: ArrayLike | list,
    grid: Grid,
    bandwidth: float | ArrayLike | list | tuple | None,
    weights: ArrayLike | list | None,
) -> Float[Array, "nx ny"]:
    """The averages behind `Density.from_samples` in two dimensions: of a kernel around each sample, the product of two
    normal densities, with all of its mirror images at the ends of the grid; the histogram where both bandwidths are known to be
    0."""
    samples, tolerance = checked(samples, grid)
    shares = checked_weights(weights, samples)
    widths = bandwidths(samples, bandwidth, shares)
    is_histogram = bandwidth is not None and known(widths) and not np.any(np.asarray(widths))
    mass = _histogram(samples, shares, grid, grid.faces) if is_histogram else _smooth(samples, shares, grid, widths)
    return averages(mass, samples, grid, tolerance)


@jax.jit
def _histogram(samples: Array, weights: Array | None, grid: Grid, faces: tuple[Array, Array]) -> Array:
    def add(total: Array, samples: Array, counts: Array) -> Array:
        cells = (cell_of(samples[:, axis], line, faces[axis]) for axis, line in enumerate(grid.axes))
        return total.at[tuple(cells)].add(counts.astype(total.dtype))

    if weights is not None:
        return summed(samples, jnp.zeros(grid.shape, weights.dtype), add, weights=weights)
    return summed(samples, jnp.zeros(grid.shape, jnp.int32), add).astype(samples.dtype) / samples.shape[0]


@jax.jit
def _smooth(samples: Array, weights: Array | None, grid: Grid, widths: Array) -> Array:
    samples, weights, grid, widths = cast((samples, weights, grid, widths), common_float(samples, grid, widths))
    lines = tuple(zip(grid.axes, widths, strict=True))

    def add(total: Array, samples: Array, counts: Bool[Array, " m"] | Float[Array, " m"]) -> Array:
        x, y = (_along(samples[:, axis], *line) for axis, line in enumerate(lines))
        return total + jnp.matmul((x * counts[:, None].astype(x.dtype)).T, y, precision="highest")

    chunk = max(1, _NUMBERS // sum(grid.shape))
    total = summed(samples, jnp.zeros(grid.shape, samples.dtype), add, chunk, weights)
    mass = jnp.maximum(total, 0)
    return mass / jnp.sum(mass)


def _along(samples: Float[Array, " m"], grid: Grid, width: Float[Array, ""]) -> Float[Array, "m cells"]:
    """The mass of each kernel, with all of its mirror images, in each cell of a line."""
    return jax.lax.cond(is_wide(grid, width), _by_cosines, _by_images, samples, grid, width)


def _by_cosines(samples: Float[Array, " m"], grid: Grid, width: Float[Array, ""]) -> Float[Array, "m cells"]:
    return jnp.matmul(cosines(samples, grid), masses_of_cosines(grid, width), precision="highest")


def _by_images(samples: Float[Array, " m"], grid: Grid, width: Float[Array, ""]) -> Float[Array, "m cells"]:
    # Zero is a histogram along this axis, but for samples at faces, and a derivative must not divide by it.
    width = jnp.maximum(width, 1e-6 * grid.width)
    images = jnp.stack([samples, 2 * grid.lower - samples, 2 * grid.upper - samples], axis=1)
    below = jnp.sum(ndtr((grid.faces[None, :, None] - images[:, None, :]) / width), axis=2)
    return jnp.diff(below, axis=1)
