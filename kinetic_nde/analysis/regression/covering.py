"""Where the density of an ensemble of lines is worth drawing."""

import math

import numpy as np

from ...distributions.grid import Grid
from .medians import weighted_quantiles

# Quantiles of slopes and intercepts, and how many times as far from the line as these the grid reaches: for normal
# distributions to 3.9 standard deviations. Slopes through close points have no variance.
_SHARES = (0.025, 0.975)
_REACH = 2.0


def covering(
    values: np.ndarray, weights: np.ndarray, line: np.ndarray, other: np.ndarray, unit: np.ndarray, cells: int
) -> Grid:
    """A grid of `cells` x `cells` cells around lines (N, 2), with a `line` (2,) in the middle of a cell, that holds an `other`
    (2,) too; two units (2,) wide where all lines are one.

    What collapses at the line then ends in one cell, with the mean in its middle: between two cells the shares of their
    masses would decide, and shift it by as much as half a cell.

    >>> lines = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    >>> grid = covering(lines, np.ones(3), lines[1], lines[1], np.ones(2), 21)
    >>> bool(np.any(np.isclose(grid.axes[0].centers, 1.0, rtol=1e-12)))
    True
    """
    bounds = []
    for axis in (0, 1):
        at = line[axis]
        ends = at + _REACH * (weighted_quantiles(values[:, axis], weights, np.array(_SHARES)) - at)
        low, high = min(ends[0], at, other[axis]), max(ends[1], at, other[axis])
        margin = max(0.05 * (high - low), unit[axis])
        low, high = low - margin, high + margin
        width = (high - low) / (cells - 1)
        left = math.ceil((at - low) / width - 0.5)
        bounds.append((at - (left + 0.5) * width, at + (cells - left - 0.5) * width))
    lower, upper = zip(*bounds, strict=True)
    return Grid(lower, upper, (cells, cells))
