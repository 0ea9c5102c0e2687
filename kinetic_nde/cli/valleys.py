"""A kernel density on a fine grid, and the valleys of it."""

import math
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

_CELLS_PER_BANDWIDTH = 10
_MOST_CELLS = 2**22
_REACH = 6.0  # bandwidths after which the Gaussian kernel is cut off, at 1.5e-8 of its peak


class Curve(NamedTuple):
    """A density at increasing positions; `share` is the mass that each of them stands for (their sum is 1)."""

    positions: np.ndarray
    density: np.ndarray
    share: np.ndarray


class Valley(NamedTuple):
    """A local minimum of a density, the highest peaks to its left and right, and its depth below the lower of them,
    absolute (`prominence`) and as a fraction of that peak (`depth`)."""

    position: float
    left_peak: float
    right_peak: float
    prominence: float
    depth: float


def kernel_density(data: np.ndarray, bandwidth: float) -> Curve:
    """Gaussian kernel density of sorted data: binned linearly on an even grid, then convolved, O(M + cells).

    Gaps wider than the reach of two kernels are drawn together before the binning, since the density inside is zero
    anyway. Without that the grid of heavy-tailed data (range / bandwidth is 1e7 and more) would not fit in memory.
    With four million cells and more (a million values over hundreds of decades) the grid becomes coarser than a tenth
    of the bandwidth.

    >>> curve = kernel_density(np.array([0.0, 1.0, 1e9]), 0.1)
    >>> bool(np.isclose(np.max(curve.density), 1.0 / (3 * 0.1 * np.sqrt(2 * np.pi)), rtol=0.01))
    True
    >>> curve.positions.size < 1000
    True
    """
    margin = (_REACH + 1.0) * bandwidth
    gaps = np.diff(data)
    widest = 2.0 * margin + bandwidth
    drawn = np.concatenate([[0.0], np.cumsum(np.minimum(gaps, widest))]) + margin
    length = float(drawn[-1]) + margin
    cells = min(math.ceil(length / bandwidth * _CELLS_PER_BANDWIDTH), _MOST_CELLS) + 1
    step = length / (cells - 1)
    left = np.minimum((drawn / step).astype(np.int64), cells - 2)
    weight = drawn / step - left
    counts = np.bincount(left, 1.0 - weight, cells) + np.bincount(left + 1, weight, cells)
    share = gaussian_filter1d(counts / data.size, bandwidth / step, mode="constant", truncate=_REACH)
    # Back to true positions: only the middle of a gap was shortened, the margins around the data are as they were.
    wide = np.flatnonzero(gaps > widest)
    knots = np.sort(np.concatenate([[0.0, length], drawn, drawn[wide] + margin, drawn[wide + 1] - margin]))
    ends = [data[0] - margin, data[-1] + margin]
    undrawn = np.sort(np.concatenate([ends, data, data[wide] + margin, data[wide + 1] - margin]))
    return Curve(np.interp(np.arange(cells) * step, knots, undrawn), share / step, share)


def find_valleys(curve: Curve, least_share: float, least_depth: float) -> list[Valley]:
    """The valleys of at least that depth between humps of at least that share, the most prominent first.

    A hump is what is connected to the highest peak of its side above the level of the valley.

    >>> data = np.concatenate([np.linspace(0.0, 1.0, 20), np.linspace(4.0, 5.0, 20)])
    >>> [round(valley.position, 3) for valley in find_valleys(kernel_density(data, 0.5), 0.05, 0.25)]
    [2.5]
    """
    density = curve.density
    left_peak = np.maximum.accumulate(density)
    right_peak = np.maximum.accumulate(density[::-1])[::-1]
    lower_peak = np.minimum(left_peak, right_peak)
    below = np.cumsum(curve.share)
    least_share *= 1.0 - 1e-6  # the kernels' tails are cut off
    # The humps are walked through one valley at a time, so first drop the thousands of ripples of a heavy tail.
    deep = lower_peak - density >= least_depth * lower_peak
    inside = (below >= least_share) & (below <= below[-1] - least_share)
    valleys = []
    for start, end in _flat_minima(density):
        if not (deep[start] and inside[start] and inside[end]):
            continue
        level, peak = float(density[start]), float(lower_peak[start])
        left, left_share = _hump(density[start::-1], curve.share[start::-1], level)
        right, right_share = _hump(density[end:], curve.share[end:], level)
        if min(left_share, right_share) < least_share:
            continue
        # Over a gap the density is exactly zero; the middle of the zeros is the middle of the gap.
        middle = 0.5 * float(curve.positions[start] + curve.positions[end])
        peaks = float(curve.positions[start - left]), float(curve.positions[end + right])
        valleys.append(Valley(middle, *peaks, peak - level, 1.0 - level / peak))
    return sorted(valleys, key=lambda valley: -valley.prominence)


def _flat_minima(density: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of equal values between larger ones."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(density) != 0) + 1])
    ends = np.concatenate([starts[1:] - 1, [density.size - 1]])
    levels = density[starts]
    lowest = np.flatnonzero((levels[1:-1] < levels[:-2]) & (levels[1:-1] < levels[2:])) + 1
    return list(zip(starts[lowest].tolist(), ends[lowest].tolist(), strict=True))


def _hump(density: np.ndarray, share: np.ndarray, level: float) -> tuple[int, float]:
    """Index of the highest peak of one side, and the mass around it that is connected above `level`."""
    peak = int(np.argmax(density))
    low = np.flatnonzero(density <= level)
    following = int(np.searchsorted(low, peak))
    start = low[following - 1] if following > 0 else 0
    stop = low[following] if following < low.size else density.size
    return peak, float(np.sum(share[start:stop]))
