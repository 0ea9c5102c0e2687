"""Kernel density estimates as exact cell averages, by sums over bins instead of sums over samples."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._values import as_floating, cast, common_float, known, ratio, require
from .averages import as_point
from .bandwidth import silverman
from .grid import Grid, box
from .wide_kernels import cosines, is_wide, masses_of_cosines

# Samples are taken in chunks: what is made of them stays in the cache, which is ten times faster for many samples.
_CHUNK = 2**14
# Power sums per bin. With these two numbers a sum over bins differs from that over samples by 6e-9 of it at most.
_BINS = 16  # per cell
_ORDER = 8
# In cells: narrower kernels are too narrow for the bins, and reach (8 bandwidths) no further than the next cells.
_NARROW = 0.125


def kernel_density(
    samples: ArrayLike | list,
    grid: Grid,
    bandwidth: float | ArrayLike | list | tuple | None,
    weights: ArrayLike | list | None,
) -> Float[Array, " cells"]:
    """The averages behind `Density.from_samples` in one dimension."""
    samples, tolerance = checked(samples, grid)
    shares = checked_weights(weights, samples)
    width = silverman(samples, weights=shares) if bandwidth is None else as_point(bandwidth, "a bandwidth", grid)
    require(
        lambda: width >= 0 and np.isfinite(width),
        lambda: f"a bandwidth must be finite and not negative, got {width}",
        width,
    )
    is_histogram = bandwidth is not None and known(width) and float(width) == 0
    # Faces are computed out here: a compiler may round them otherwise, and a sample at a face is a common thing.
    mass = _histogram(samples, shares, grid, grid.faces) if is_histogram else _smooth(samples, shares, grid, width)
    return averages(mass, samples, grid, tolerance)


def checked_weights(weights: ArrayLike | list | None, samples: Float[Array, "m *axes"]) -> Float[Array, " m"] | None:
    """One weight for each sample, of sum 1, or a `ValueError`; None where all samples weigh the same."""
    if weights is None:
        return None
    weights = as_floating(weights, "weights")
    if weights.shape != samples.shape[:1]:
        raise ValueError(f"{samples.shape[0]} samples need weights of shape {samples.shape[:1]}, got {weights.shape}")
    known_as = lambda: np.asarray(weights)
    require(
        lambda: np.all(np.isfinite(known_as()) & (known_as() >= 0)) and np.any(known_as() > 0),
        lambda: "weights must be finite and not negative, and one of them positive",
        weights,
    )
    # By the largest first: a sum of what is finite may not be.
    weights = ratio(weights, jnp.max(weights))
    return (weights / jnp.sum(weights)).astype(samples.dtype)


def checked(samples: ArrayLike | list, grid: Grid) -> tuple[Float[Array, "m *axes"], Float[Array, "*axes"]]:
    """Samples that can be on the grid, and how far outside they may be, or a `ValueError`."""
    samples = as_floating(samples, "samples")
    if samples.shape[1:] != grid.lower.shape or samples.ndim == 0 or samples.size == 0:
        names = ("one dimension", "(M,)") if grid.dimension == 1 else ("two dimensions", "(M, 2)")
        raise ValueError(
            f"a density in {names[0]} needs samples of shape {names[1]} with M >= 1, got shape {samples.shape}"
        )
    require(lambda: np.all(np.isfinite(samples)), lambda: "samples must be finite", samples)
    tolerance = 1e-9 * grid.length
    # By NumPy, for which no new number of samples is a new program to compile.
    ends = lambda: (np.min(np.asarray(samples), axis=0), np.max(np.asarray(samples), axis=0))
    lower, upper = grid.lower - tolerance, grid.upper + tolerance
    require(
        lambda: np.all((ends()[0] >= lower) & (ends()[1] <= upper)),
        lambda: (
            f"samples from {ends()[0]} to {ends()[1]} do not fit on the grid {box(grid)}: "
            f"{_share_outside(samples, lower, upper):.2g} of the mass is outside"
        ),
        (samples, grid),
    )
    return samples, tolerance


def _share_outside(samples: Array, lower: Array, upper: Array) -> float:
    points = np.asarray(samples).reshape(samples.shape[0], -1)
    return float(np.mean(np.any((points < np.asarray(lower)) | (points > np.asarray(upper)), axis=1)))


def summed(
    samples: Float[Array, "m *axes"],
    start: Array,
    add: Callable[[Array, Array, Bool[Array, " n"] | Float[Array, " n"]], Array],
    chunk: int = _CHUNK,
    weights: Float[Array, " m"] | None = None,
) -> Array:
    """What `add(total, samples, counts)` has made of `start` after all chunks; a sample does not count if it fills up
    the last one. With weights, they are what it counts for."""
    count = samples.shape[0]
    chunks = -(-count // chunk)
    size = -(-count // chunks)
    padded = jnp.concatenate([samples, jnp.broadcast_to(samples[:1], (chunks * size - count, *samples.shape[1:]))])
    if weights is None:
        counts = jnp.arange(chunks * size) < count
    else:
        counts = jnp.concatenate([weights, jnp.zeros(chunks * size - count, weights.dtype)])
    parts = padded.reshape(chunks, size, *samples.shape[1:]), counts.reshape(chunks, size)
    return jax.lax.scan(lambda total, part: (add(total, *part), None), start, parts)[0]


def cell_of(samples: Float[Array, " n"], grid: Grid, faces: Float[Array, " faces"]) -> Int[Array, " n"]:
    """The cell of each sample: what is at a face belongs to the one on its right."""
    cell, _ = _place(samples, grid)
    # Nor may rounding of the place decide.
    cell += (samples >= faces[cell + 1]).astype(cell.dtype) - (samples < faces[cell]).astype(cell.dtype)
    return jnp.clip(cell, 0, grid.cells - 1)


def _place(samples: Array, grid: Grid, bins: int = 1) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """The bin of each sample, of `bins` in a cell, and the place in it from 0 to 1."""
    place = (samples - grid.lower) / grid.width * bins
    number = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, grid.cells * bins - 1)
    return number, place - number.astype(place.dtype)


@jax.jit
def _histogram(samples: Array, weights: Array | None, grid: Grid, faces: Array) -> Array:
    def add(total: Array, samples: Array, counts: Array) -> Array:
        return total.at[cell_of(samples, grid, faces)].add(counts.astype(total.dtype))

    if weights is not None:
        return summed(samples, jnp.zeros(grid.shape, weights.dtype), add, weights=weights)
    return summed(samples, jnp.zeros(grid.shape, jnp.int32), add).astype(samples.dtype) / samples.size


@jax.jit
def _smooth(samples: Array, weights: Array | None, grid: Grid, width: Array) -> Array:
    """The mass of all kernels in each cell, with their mirror images at both ends of the grid."""
    samples, weights, grid, width = cast((samples, weights, grid, width), common_float(samples, grid, width))
    kind = jnp.where(width < _NARROW * grid.width, 0, jnp.where(is_wide(grid, width), 2, 1))
    mass = jax.lax.switch(kind, (_by_samples, _by_bins, _by_cosines), samples, weights, grid, width)
    mass = jnp.maximum(mass, 0)
    return mass / jnp.sum(mass)


@jax.jit
def averages(mass: Array, samples: Array, grid: Grid, tolerance: Array) -> Array:
    """Those of the mass in each cell: NaN if a sample is not on the grid, which is not known before where samples are
    traced."""
    low, high = jnp.min(samples, axis=0), jnp.max(samples, axis=0)
    inside = jnp.all((low >= grid.lower - tolerance) & (high <= grid.upper + tolerance))
    return jnp.where(inside, mass, jnp.full_like(mass, jnp.nan)) / grid.volume


def _by_samples(samples: Array, weights: Array | None, grid: Grid, width: Array) -> Array:
    """Narrow kernels: what is beyond the left and the right face of a sample's cell is in the next ones."""
    # Zero is a histogram here, and a derivative must not divide by it.
    sharpness = grid.width / jnp.clip(width, 1e-6 * grid.width, _NARROW * grid.width)

    def add(total: Array, samples: Array, counts: Array) -> Array:
        cell, place = _place(samples, grid)
        left, right = ndtr(-place * sharpness), ndtr((place - 1) * sharpness)
        # What would leave the grid is mirrored: it stays in the last cell.
        for to, mass in ((cell - 1, left), (cell, 1 - left - right), (cell + 1, right)):
            total = total.at[jnp.clip(to, 0, grid.cells - 1)].add(mass * counts.astype(mass.dtype))
        return total

    return summed(samples, jnp.zeros(grid.shape, samples.dtype), add, weights=weights)


def _by_bins(samples: Array, weights: Array | None, grid: Grid, width: Array) -> Array:
    """Wide kernels: with c the centre of a bin of width s, and x = c + u s for each sample in it,

        Phi((f - x) / h) = sum_k u^k / k! (-s / h)^k Phi^(k)((f - c) / h),   |u| <= 1/2,

    so that the (weighted) sums of u^k over the samples of a bin, k < 8, say what lies below a face f: exactly for mass and mean, and
    to (s / 2h)^8 / 8! max |Phi^(8)| = 6e-9 of the mass of a sample for the narrowest kernel, s / h = 1/2, and to rounding
    from s / h = 1/16 on. The sum over all bins is a convolution over the cells for each place of a bin in its cell.
    """
    cells = grid.cells
    powers = jnp.zeros((_ORDER, cells * _BINS), samples.dtype)

    def add(total: Array, samples: Array, counts: Array) -> Array:
        number, place = _place(samples, grid, _BINS)
        rows, power = [], counts.astype(total.dtype)
        for k in range(_ORDER):
            rows.append(total[k].at[number].add(power))
            power = power * (place - 0.5)
        return jnp.stack(rows)

    sums = summed(samples, powers, add, weights=weights).reshape(_ORDER, cells, _BINS)
    # From cell to cell the mass can move by 2 cells - 1 at most: into the mirror images of the grid on both sides.
    kernel = _kernel(grid, jnp.maximum(width, _NARROW * grid.width))
    size = 4 * cells
    spectrum = jnp.fft.rfft(sums, size, axis=1) * jnp.fft.rfft(kernel, axis=1)
    mass = jnp.fft.irfft(jnp.sum(spectrum, axis=(0, 2)), size)
    return mass[:cells] + mass[-cells:][::-1] + mass[cells : 2 * cells][::-1]


def _by_cosines(samples: Array, weights: Array | None, grid: Grid, width: Array) -> Array:
    """Kernels so wide that more than one of their mirror images at each end is on the grid."""

    def add(total: Array, samples: Array, counts: Array) -> Array:
        return total + counts.astype(total.dtype) @ cosines(samples, grid)

    table = masses_of_cosines(grid, width)
    return summed(samples, jnp.zeros(table.shape[0], samples.dtype), add, weights=weights) @ table


def _kernel(grid: Grid, width: Array) -> Float[Array, "order shifts bins"]:
    """What a power sum of the bins of cell 0 contributes to cells 0 .. 2 N - 1, -2 N .. -1."""
    shifts = jnp.fft.ifftshift(jnp.arange(-2 * grid.cells, 2 * grid.cells)).astype(width.dtype)
    centers = (jnp.arange(_BINS).astype(width.dtype) + 0.5) / _BINS
    left = (shifts[:, None] - centers[None, :]) * (grid.width / width)
    right = left + grid.width / width
    # On the right of the bin by the upper tail, where 1 - (almost 1) has no digits left.
    rows = [jnp.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))]
    ratio = -grid.width / (_BINS * width)
    at_left, at_right = _derivatives(left), _derivatives(right)
    for k in range(1, _ORDER):
        rows.append(ratio**k / math.factorial(k) * (at_right[k - 1] - at_left[k - 1]))
    return jnp.stack(rows)


def _derivatives(z: Array) -> list[Array]:
    """Phi^(k)(z) for k = 1 .. 7, by Phi^(k+1) = -z Phi^(k) - (k - 1) Phi^(k-1)."""
    density = jnp.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    rows = [density, -z * density]
    for k in range(2, _ORDER - 1):
        rows.append(-z * rows[-1] - (k - 1) * rows[-2])
    return rows
