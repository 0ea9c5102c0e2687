"""A straight line through measurements, as the point where an ensemble of lines collapses."""

from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from ..._values import as_float64, known, under_jit
from ...distributions.ensemble import Ensemble
from .collapse import STEEPNESS, towards_mean, towards_medians
from .estimates import Estimate, Lines, lines_of_points, lines_of_replicates, mean, medians, medians_of_points
from .medians import weighted_quantiles
from .pairs import MOST_PAIRS
from .regression import Regression, as_number

# Of measurements, the fourth powers of whose ratios are in the results.
_SMALLEST, _LARGEST = 1e-60, 1e60
# Of the unit of the measurements: lines closer together are one.
_LEAST_SPREAD = 1e-9
_OUTER, _APART = (
    (0.025, 0.975),
    3.92,
)  # quantiles, and how many standard deviations they are apart in a normal distribution
_NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation


def regress(
    x: ArrayLike | list,
    y: ArrayLike | list,
    *,
    robust: bool = False,
    weight: ArrayLike | None = None,
    target: ArrayLike | list | tuple | None = None,
    origin: ArrayLike = 0.0,
) -> Regression:
    """The straight line y = m (x - origin) + q through measurements, and the mean field that carries the density of all
    slopes and intercepts that they give to the one point (m, q). Section 4.2.2 of Herty, Trimborn, Visconti (2021).

    - `x` (P,), `y` (R, P): each position measured R times. Least squares in each of the R replicates gives a line.
    - `x` (M,), `y` (M,): plain data. Each two points of different x give a line, of the weight |dx|: of more than 200,000 pairs
      (632 points) a balanced choice of so many, the same for the same rows.
    - `robust`: medians in place of the mean. Of replicates those of slopes and of heights at the median of x; of points that
      of the slopes, m, and that of y - m x.
    - `weight` of the network, negative; -1 by default, -10 if robust.
    - `target` (m, q): where to collapse, if not at the line that was found.
    - `origin`: where the intercept is, 0 by default. Far from the data slope and intercept are all but one number, and
      their density is a line in the plane: take a place among them to see more.

    The network is the identity with the bias b = -w (m, q) that conserves the mean (Proposition 3). For medians it is tanh, by
    component of what slope and height are in units of their spread: the point that it balances the ensemble at tends to the
    medians as w -> -infinity (and to the mean as w -> 0). Of replicates (m, q) is that limit, of points its slope is.

    Of pairs the mean is Gini's regression, a ratio of covariances with the ranks of x: linear in y and unbiased. For
    evenly spaced x the slope is that of least squares, and the height in the middle is 5/6 as efficient. The median of the slopes is the
    rank regression of Wilcoxon's scores; a third of gross outliers in y does not move it far, on whichever side they are, but
    for points at one end of x, of which fewer will do: they are in the pairs of most weight, and x itself is taken as it is.
    The median of y - m x bears the same. That of the heights of pairs, two thirds of which a third of outliers spoils, would not.

    Uncertainty is by leaving out one of the replicates, or one of the points, at a time: pairs share points and are not
    independent. It needs no equal variances. Intervals are by Student's distribution with R - 1, or M - 2, degrees of freedom.

    In other units, from another origin of x or y, the line is the same. For known values only. Raises `TypeError` for what
    are no numbers; `ValueError` for numbers that are not finite or beyond 1e60, for shapes that do not fit together, for fewer
    than two distinct x or two replicates, for points whose x are all equal without one of them, and unless weight < 0.

    >>> import kinetic_nde as kn
    >>> x = np.arange(6.0)
    >>> found = kn.regress(x, [0.0, 1.1, 1.9, 3.1, 3.9, 50.0], robust=True)
    >>> round(found.slope, 1), round(kn.regress(x, [0.0, 1.1, 1.9, 3.1, 3.9, 50.0]).slope, 1)
    (1.0, 7.4)
    """
    if not known(x, y, target, weight, origin) or under_jit():
        raise ValueError("regress works on known values, outside jit, vmap and grad")
    x, y = _numbers(x, "x"), _numbers(y, "y")
    _check(x, y)
    place = as_number(origin, "origin")
    if not np.isfinite(place):
        raise ValueError(f"origin must be finite, got {place}")
    rate = (-STEEPNESS if robust else -1.0) if weight is None else as_number(weight, "weight")
    if not -np.inf < rate < 0:
        raise ValueError(f"weight must be negative and finite, got {rate}: with a positive one the line repels")
    # In units of the measurements and around their middle, where slope and height are all but independent.
    middle, above = np.median(x), np.median(y)
    reach, unit = float(np.max(np.abs(x - middle))), _unit(y - above)
    scaled = (x - middle) / reach, (y - above) / unit
    lines = lines_of_replicates(*scaled) if y.ndim == 2 else lines_of_points(*scaled)
    if not robust:
        found = mean(lines)
    else:
        found = medians(lines) if y.ndim == 2 else medians_of_points(*scaled, lines)
    # From (slope, height at the middle) in these units to (m, q).
    arm = (place - middle) / reach
    change = np.array([[unit / reach, 0.0], [arm * unit, unit]])
    start, units = np.array([0.0, above]), np.array([unit / reach, unit])
    line = start + change @ found.value
    axes = change * _spreads(lines)
    point = line if target is None else _target(target)
    errors = (scaled[1] - found.value[0] * scaled[0] - found.value[1]) * unit
    return Regression(
        slope=float(line[0]),
        intercept=float(line[1]),
        covariance=change @ found.covariance @ change.T,
        degrees=lines.data - 1 if y.ndim == 2 else lines.data - 2,
        sigma=_NORMAL * float(np.median(np.abs(errors)))
        if robust
        else float(np.sqrt(np.sum(errors**2) / (y.size - 2))),
        origin=place,
        robust=robust,
        ensemble=Ensemble(start + lines.values @ change.T),
        weights=lines.weights / np.sum(lines.weights),
        equation=towards_medians(point, axes, rate) if robust else towards_mean(point, rate),
        target=point,
        axes=axes,
        middle=float(middle),
        reach=reach,
        there=Estimate(start + units * found.value, found.covariance * np.outer(units, units)),
        count=y.size,
        replicates=y.shape[0] if y.ndim == 2 else None,
        notes=_notes(x, y, lines),
    )


def _numbers(values: Any, name: str) -> np.ndarray:
    """As finite float64 of a size that can be squared twice."""
    array = as_float64(values, name)
    if not np.all(np.isfinite(array)):
        place = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{name} must be finite, got {array[tuple(place)]} at index {', '.join(map(str, place))}")
    largest = float(np.max(np.abs(array), initial=0.0))
    if largest != 0 and not _SMALLEST <= largest <= _LARGEST:
        raise ValueError(f"the largest {name} is {largest:g}: take a unit in which it is between 1e-60 and 1e60")
    return array


def _check(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[-1] != x.size:
        raise ValueError(
            "regress needs x (M,) and y (M,), or y (R, P) for R replicates at positions x (P,); got shapes "
            f"{x.shape} and {y.shape}"
        )
    places, counts = np.unique(x, return_counts=True)
    if places.size < 2:
        given = f"all {x.size} are {places[0]:g}" if x.size else "there are none"
        raise ValueError(f"a slope needs two distinct x, and {given}")
    if y.ndim == 2 and y.shape[0] < 2:
        raise ValueError(
            f"uncertainty needs two replicates, got y of shape {y.shape}: for plain data give y of shape (M,)"
        )
    if y.ndim == 1 and (x.size < 3 or np.max(counts) == x.size - 1):
        alone = "" if x.size < 3 else f": all x but one are {places[np.argmax(counts)]:g}"
        raise ValueError(
            f"uncertainty needs two distinct x without any one of the points too, got {x.size} points{alone}"
        )


def _unit(y: np.ndarray) -> float:
    """A size of deviations: their median if that is not zero, else the largest, else 1."""
    size = np.abs(y)
    return float(np.median(size) or np.max(size) or 1.0)


def _spreads(lines: Lines) -> np.ndarray:
    """Of slopes and heights: the standard deviation of a normal distribution that has its outer quantiles as far apart.
    Far lines of little weight do not count, but it is not the middle half alone either, beside which a third of the lines
    may be very far."""
    apart = [np.diff(weighted_quantiles(column, lines.weights, np.array(_OUTER)))[0] for column in lines.values.T]
    return np.maximum(np.array(apart) / _APART, _LEAST_SPREAD)


def _target(target: Any) -> np.ndarray:
    point = _numbers(target, "target")
    if point.shape != (2,):
        raise ValueError(f"target is a slope and an intercept (2,), got shape {point.shape}")
    return point


def _notes(x: np.ndarray, y: np.ndarray, lines: Lines) -> tuple[str, ...]:
    every, count = x.size * (x.size - 1) // 2, lines.weights.size
    if y.ndim == 2 or count == every:
        return ()
    if every > MOST_PAIRS:
        return (f"of {every} pairs a balanced choice",)
    return (
        f"{every - count} pair{'s' * (every - count > 1)} of equal x {'have' if every - count > 1 else 'has'} no slope",
    )
