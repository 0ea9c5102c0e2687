"""Weighted medians, and how uncertain they are."""

import numpy as np

# Of the total weight: cumulative weights this near a half are a half.
_ROUNDING = 1e-10
# How far from a half the shares may be that an error is read off at, beyond which outliers would have a say.
_FAR = 0.15


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The number with at most half of the weight below it and at most half above; the middle of all such numbers if there
    are several, which for equal weights is the median as it is usually defined.

    Exact under ties, of values and of weights. Values without weight do not count.

    >>> weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0]))
    3.0
    >>> weighted_median(np.array([1.0, 5.0, 9.0, 2.0]), np.array([2.0, 2.0, 0.0, 0.0]))
    3.0
    """
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    half = 0.5 * below[-1]
    low = np.searchsorted(below, half - _ROUNDING * below[-1], "left")
    high = np.searchsorted(below, half + _ROUNDING * below[-1], "right")
    return float(0.5 * (values[order[low]] + values[order[high]]))


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Where these shares of the weight are below: linear between the values, each of which stands for the middle of its
    weight, and the smallest and the largest value beyond.

    >>> weighted_quantiles(np.array([2.0, 0.0, 1.0]), np.array([1.0, 1.0, 2.0]), np.array([0.0, 0.25, 0.5, 1.0])).round(3)
    array([0.   , 0.333, 1.   , 2.   ])
    """
    order = np.argsort(values, kind="stable")
    ordered = weights[order]
    below = np.cumsum(ordered)
    return np.interp(shares, (below - 0.5 * ordered) / below[-1], values[order])


def quantile_errors(values: np.ndarray, weights: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Standard errors (d,) of the weighted medians of the columns of `values` (N, d), from those of the share of the weight
    below them, `errors` (d,): what lies between the quantiles at 1/2 - k error and 1/2 + k error, divided by 2 k, as the
    intervals of Woodruff (1952) do with k = 2. k is less where that is further than the shares 0.35 and 0.65, beyond which
    outliers have a say, and never below 1.

    The share below a place moves smoothly as data do, and its error is known where that of the median is not: to divide it
    by a density would need an estimate of that, and the median of what is left when a point is left out jumps.

    >>> quantile_errors(np.linspace(0.0, 1.0, 101)[:, None], np.ones(101), np.array([0.05])).round(4)
    array([0.0505])
    """
    reach = np.maximum(errors, np.minimum(2 * errors, _FAR))
    ends = np.clip(np.stack([0.5 - reach, 0.5 + reach], axis=1), 0.0, 1.0)
    columns = zip(values.T, ends, strict=True)
    apart = np.array([np.diff(weighted_quantiles(column, weights, shares))[0] for column, shares in columns])
    return 0.5 * apart * np.divide(errors, reach, out=np.zeros_like(errors), where=reach > 0)
