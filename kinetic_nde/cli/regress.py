"""A straight line through two columns, as the point where the density of slopes and intercepts collapses."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student, theilslopes

from ..analysis.regression.regress import regress
from ..analysis.regression.regression import Regression
from ..solution import Solution
from ..solve import solve
from .standardise import InputError

CELLS = 101
# Where the intercept is drawn: at zero if that is no further from the data than half of their width.
_NEAR = 0.5
# For the mean and for the medians: three times that are drawn, and one at which what is left of distances is 1e-3 or less.
_TIMES = {False: (0.0, 1.0, 2.0, 8.0), True: (0.0, 0.5, 1.0, 12.0)}
# Rows whose pairs Theil and Sen's estimator takes all at once, in a table of their squares.
MOST_ROWS = 2000


class Peer(NamedTuple):
    """What another estimator says of slope and intercept, with their standard errors, None where it has none, and with the
    interval of the slope at 95 %."""

    slope: float
    intercept: float
    errors: tuple[float, float] | None
    interval: tuple[float, float]


class Regressed(NamedTuple):
    """The line through x and y, the latter perhaps log10 of what was measured; the same with the intercept at a place
    where its density can be seen, the collapse of that, and what least squares, and Theil and Sen, say; the latter of
    `compared` rows."""

    x: np.ndarray
    y: np.ndarray
    log_y: bool
    found: Regression
    drawn: Regression
    solution: Solution
    least_squares: Peer
    theil_sen: Peer
    compared: int


def regress_values(x: np.ndarray, y: np.ndarray, log_y: bool = False, robust: bool = False) -> Regressed:
    """Finds the line through measurements x (M,), y (M,), and carries the density of slopes and intercepts to it.

    Raises `InputError` for what `kn.regress` refuses, and for y <= 0 with `log_y`.

    >>> found = regress_values(np.arange(5.0), np.array([0.1, 0.9, 2.1, 2.9, 4.0]))
    >>> round(found.found.slope, 2), round(found.least_squares.slope, 2), round(found.theil_sen.slope, 2)
    (0.98, 0.98, 0.99)
    """
    if log_y:
        if np.any(y <= 0):
            raise InputError(
                f"--log-y takes the logarithm of y, of which row {np.argmax(y <= 0) + 1} is {y[y <= 0][0]:g}"
            )
        y = np.log10(y)
    try:
        found = regress(x, y, robust=robust)
        drawn = regress(x, y, robust=robust, origin=_origin(x))
        times = _TIMES[robust]
        solution = solve(drawn.equation, drawn.density(cells=CELLS), t1=times[-1], saveat=list(times))
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error
    rows = _spread(x)
    return Regressed(x, y, log_y, found, drawn, solution, _least_squares(x, y), _theil_sen(x[rows], y[rows]), rows.size)


def _origin(x: np.ndarray) -> float:
    """0, or the median of x to three digits of its spread where 0 is far."""
    low, high = float(np.min(x)), float(np.max(x))
    if low - _NEAR * (high - low) <= 0 <= high + _NEAR * (high - low):
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(high - low)) - 2)
    return round(float(np.median(x)) / unit) * unit


def _least_squares(x: np.ndarray, y: np.ndarray) -> Peer:
    # Around the middle, in units of the data: squares of small and of large numbers alike are numbers.
    middle, above = float(np.mean(x)), float(np.mean(y))
    reach, unit = float(np.max(np.abs(x - middle))), float(np.max(np.abs(y - above))) or 1.0
    u, v = (x - middle) / reach, (y - above) / unit
    squares = float(np.sum(u**2))
    slope = float(u @ v) / squares
    # Not by the correlation, which measurements that are all equal do not have.
    sigma = math.sqrt(float(np.sum((v - slope * u) ** 2)) / (x.size - 2))
    arm, error = middle / reach, sigma / math.sqrt(squares)
    errors = error * unit / reach, unit * math.hypot(sigma / math.sqrt(x.size), arm * error)
    intercept = above - unit * slope * arm
    slope = slope * unit / reach
    half = float(student.ppf(0.975, x.size - 2)) * errors[0]
    return Peer(slope, intercept, errors, (slope - half, slope + half))


def _theil_sen(x: np.ndarray, y: np.ndarray) -> Peer:
    line: Any = theilslopes(y, x, method="joint")  # the median of y - m x, as `regress` has it
    return Peer(float(line.slope), float(line.intercept), None, (float(line.low_slope), float(line.high_slope)))


def _spread(x: np.ndarray) -> np.ndarray:
    """All rows, or as many as can be compared with each other, evenly spread over x."""
    if x.size <= MOST_ROWS:
        return np.arange(x.size)
    order = np.argsort(x, kind="stable")
    return np.sort(order[np.linspace(0, x.size - 1, MOST_ROWS).round().astype(int)])
