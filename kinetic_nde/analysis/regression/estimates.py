"""Means and medians of ensembles of lines, and how uncertain they are."""

from typing import NamedTuple

import numpy as np

from .medians import quantile_errors, weighted_median
from .pairs import pairs_of

_ROUNDING = 1e-10  # of the size of the measurements


class Lines(NamedTuple):
    """Lines as `values` (N, 2), slopes and heights at x = 0, with weights (N,).

    - `products` (N, 2): values times weights, where they are known without a division.
    - `members`: the data that they are made of, by numbers (N,) below `data`, one array for each of the data of a line:
      a replicate, or two points.
    """

    values: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    members: tuple[np.ndarray, ...]
    data: int

    def sums(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What numbers (N, k) of lines add up to (k,), and what is left of that without the lines of each of the data
        (data, k)."""
        total = np.sum(numbers, axis=0)
        own = sum(
            np.stack([np.bincount(each, column, self.data) for column in numbers.T], axis=1) for each in self.members
        )
        return total, total - own


class Estimate(NamedTuple):
    """A line (2,), slope and height at x = 0, with its covariance (2, 2)."""

    value: np.ndarray
    covariance: np.ndarray


def lines_of_replicates(x: np.ndarray, y: np.ndarray) -> Lines:
    """The line of least squares of each replicate, of measurements y (R, P) R times at each of the positions x (P,)."""
    count, centre = y.shape[0], np.mean(x)
    slopes = y @ ((x - centre) / np.sum((x - centre) ** 2))
    lines = np.stack([slopes, np.mean(y, axis=1) - slopes * centre], axis=1)
    return Lines(lines, np.ones(count), lines, (np.arange(count),), count)


def lines_of_points(x: np.ndarray, y: np.ndarray) -> Lines:
    """The lines through pairs of the points x (M,), y (M,), with the weights |dx|. The products are sign(dx) dy and
    sign(dx) (y_i x_j - y_j x_i)."""
    first, second = pairs_of(x)
    dx, dy = x[second] - x[first], y[second] - y[first]
    heights = y[first] * x[second] - y[second] * x[first]
    slopes = dy / dx
    # From the nearer of the two points: all lines through a point at x = 0 have its y, not only up to rounding.
    near = np.where(np.abs(x[first]) <= np.abs(x[second]), first, second)
    values = np.stack([slopes, y[near] - slopes * x[near]], axis=1)
    products = np.stack([dy, heights], axis=1) * np.sign(dx)[:, None]
    return Lines(values, np.abs(dx), products, (first, second), x.size)


def mean(lines: Lines) -> Estimate:
    """The weighted mean. Of the lines of points it is linear in y: the slope is

        m = sum_i r_i y_i / sum_i r_i x_i,   r_i = 2 rank(x_i) - M - 1,

    the ratio of two covariances with the ranks of x that is called Gini's regression (Olkin and Yitzhaki, 1992). With the
    weights dx^2 it would be least squares (Jacobi, 1841).

    The covariance is that of the jackknife: lines through a common point are not independent, the data that they are made of
    are. For lines of replicates it is the covariance of the lines divided by their number.
    """
    total, rest = lines.sums(lines.products)
    weight, weights = lines.sums(lines.weights[:, None])
    return Estimate(total / weight, jackknifed(rest / weights))


def medians(lines: Lines) -> Estimate:
    """The weighted medians of slopes and heights. Of the lines of points that of the slopes is the rank regression of
    Wilcoxon's scores: it minimises sum_ij |e_i - e_j| over the residuals e = y - m x (Jaeckel, 1972; Sievers, 1978), since
    |dx| sign(slope - m) is a derivative of that.

    The standard errors are by quantiles, from what the jackknife says of the share of the weight below the medians, and so
    are the correlations.
    """
    value = np.array([weighted_median(column, lines.weights) for column in lines.values.T])
    signs = 0.5 * np.sign(value - lines.values) * lines.weights[:, None]
    weights = lines.sums(lines.weights[:, None])[1]
    shares = jackknifed(lines.sums(signs)[1] / weights)
    of_shares = np.sqrt(np.diag(shares))
    errors = quantile_errors(lines.values, lines.weights, of_shares)
    scale = np.divide(errors, of_shares, out=np.zeros(2), where=of_shares > 0)
    return Estimate(value, shares * np.outer(scale, scale))


def medians_of_points(x: np.ndarray, y: np.ndarray, lines: Lines) -> Estimate:
    """The weighted median m of the slopes of `lines_of_points`, and the median of what the points have beyond it, y - m x: the
    intercept that belongs to the slope (Hodges and Lehmann's companion; "joint" in SciPy's `theilslopes`).

    A pair is spoilt if one of its points is: of 35 % outliers 58 % of the heights of pairs are, and their median is lost where
    all are on one side. Of the points themselves 65 % are right.

    Standard errors are those of `medians`. A change of the slope moves the residuals by the mean of x on average, and with
    them their median.
    """
    slopes, middle = lines.values[:, 0], float(np.mean(x))
    slope = weighted_median(slopes, lines.weights)
    residuals, each = y - slope * x, np.ones(x.size)
    height = weighted_median(residuals, each)
    weights = lines.sums(lines.weights[:, None])[1]
    of_slopes = lines.sums(0.5 * (np.sign(slope - slopes) * lines.weights)[:, None])[1] / weights
    # The two points of the slope have one residual, often the median: what is rounding has no sign.
    below = height - residuals
    rounding = _ROUNDING * (float(np.median(np.abs(y))) + abs(slope) * float(np.max(np.abs(x))))
    signs = 0.5 * np.where(np.abs(below) > rounding, np.sign(below), 0.0)
    of_residuals = (np.sum(signs) - signs) / (x.size - 1)
    shares = jackknifed(np.stack([of_slopes[:, 0], of_residuals], axis=1))
    of_shares = np.sqrt(np.diag(shares))
    errors = np.concatenate(
        [
            quantile_errors(slopes[:, None], lines.weights, of_shares[:1]),
            quantile_errors(residuals[:, None], each, of_shares[1:]),
        ]
    )
    scale = np.divide(errors, of_shares, out=np.zeros(2), where=of_shares > 0)
    change = np.array([[1.0, 0.0], [-middle, 1.0]])
    return Estimate(np.array([slope, height]), change @ (shares * np.outer(scale, scale)) @ change.T)


def jackknifed(without: np.ndarray) -> np.ndarray:
    """The covariance (k, k) of an estimate from what it is without each of n data (n, k): (n - 1) / n times the sum of
    squares around their mean.

    >>> jackknifed(np.array([[5.5], [5.0], [1.5]])), float(np.cov([1.0, 2.0, 9.0]) / 3)
    (array([[6.33333333]]), 6.33333333)
    """
    count = without.shape[0]
    apart = without - np.mean(without, axis=0)
    return (count - 1) / count * apart.T @ apart
