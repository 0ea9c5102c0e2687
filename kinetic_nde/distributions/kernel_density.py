"""Kernel density estimates as exact cell averages."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, known, require
from .grid import Grid

# Samples are taken in chunks, so that memory does not grow with samples times cells.
_CHUNK = 2048


def silverman(samples: Float[Array, " m"]) -> Float[Array, ""]:
    """Silverman's bandwidth 0.9 min(std, IQR / 1.34) M^(-1/5); the standard deviation alone where half of the samples
    are equal.

    Raises `ValueError` if all samples are equal.

    >>> silverman(jnp.linspace(0.0, 1.0, 100)).round(4)
    Array(0.1045, dtype=float64)
    """
    require(
        lambda: np.max(samples) > np.min(samples),
        lambda: (
            f"all samples equal {np.asarray(samples)[0]}: there is no scale for a bandwidth, give one (0 for the histogram)"
        ),
        samples,
    )
    std = jnp.std(samples)
    low, high = jnp.quantile(samples, jnp.asarray([0.25, 0.75], samples.dtype))
    spread = jnp.where(high > low, jnp.minimum(std, (high - low) / 1.34), std)
    return 0.9 * spread * samples.shape[0] ** -0.2


def kernel_density(
    samples: ArrayLike | list, grid: Grid, bandwidth: float | ArrayLike | None
) -> Float[Array, " cells"]:
    """The averages behind `Density.from_samples`."""
    samples = as_floating(samples, "samples")
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(
            f"a density in one dimension needs samples of shape (M,) with M >= 1, got shape {samples.shape}"
        )
    require(lambda: np.all(np.isfinite(samples)), lambda: "samples must be finite", samples)
    tolerance = 1e-9 * grid.length
    require(
        lambda: np.min(samples) >= grid.lower - tolerance and np.max(samples) <= grid.upper + tolerance,
        lambda: (
            f"samples from {np.min(samples)} to {np.max(samples)} do not fit on the grid [{grid.lower}, {grid.upper}]"
        ),
        (samples, grid),
    )
    width = silverman(samples) if bandwidth is None else as_floating(bandwidth, "bandwidth")
    require(
        lambda: width >= 0 and np.isfinite(width),
        lambda: f"a bandwidth must be finite and not negative, got {width}",
        width,
    )
    is_histogram = bandwidth is not None and known(width) and float(width) == 0
    mass = _histogram(samples, grid) if is_histogram else _smooth(samples, grid, width)
    return mass / grid.width


def _histogram(samples: Array, grid: Grid) -> Array:
    cell = jnp.clip(jnp.searchsorted(grid.faces, samples, side="right") - 1, 0, grid.cells - 1)
    return jnp.zeros(grid.shape, samples.dtype).at[cell].add(1.0) / samples.size


@jax.jit
def _smooth(samples: Array, grid: Grid, width: Array) -> Array:
    """The mass of all kernels in each cell, with their mirror images at both ends of the grid."""
    faces = grid.faces
    chunks = -(-samples.size // _CHUNK)
    # Padding with copies of the first sample that weigh nothing.
    padding = chunks * _CHUNK - samples.size
    padded = jnp.concatenate([samples, jnp.full(padding, samples[0])]).reshape(chunks, _CHUNK)
    weights = (jnp.arange(chunks * _CHUNK) < samples.size).astype(samples.dtype).reshape(chunks, _CHUNK)

    def add(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
        def below(face: Array) -> Array:
            x, weight = chunk
            images = (
                ndtr((face - x) / width)
                + ndtr((face - 2 * grid.lower + x) / width)
                + ndtr((face - 2 * grid.upper + x) / width)
            )
            return jnp.sum(weight * images)

        return total + jax.vmap(below)(faces), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(faces), (padded, weights))
    mass = jnp.maximum(jnp.diff(total), 0)
    return mass / jnp.sum(mass)
