"""What `regress` returns."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike
from scipy.stats import t as student

from ..._values import as_count, as_float64, default_float
from ...distributions.bandwidth import silverman
from ...distributions.density import Density
from ...distributions.ensemble import Ensemble
from ...distributions.grid import Grid
from ...equations.mean_field import MeanField
from .covering import covering
from .estimates import Estimate

# That a density is made of: time grows with lines times cells.
_MOST_LINES = 200_000


class Prediction(NamedTuple):
    """What a regression says at places x, in arrays of the shape of x.

    - `line`: m (x - origin) + q, between `lower` and `upper` at the level asked for.
    - `new_lower`, `new_upper`: between which one new measurement there will be.

    >>> import kinetic_nde as kn
    >>> found = kn.regress([0.0, 1.0, 2.0, 3.0], [0.1, 0.9, 2.1, 2.9]).predict(4.0, level=0.5)
    >>> bool(found.new_lower < found.lower < found.line < found.upper < found.new_upper)
    True
    """

    line: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    new_lower: np.ndarray
    new_upper: np.ndarray


def as_number(value: Any, name: str) -> float:
    """`value` as a float; `TypeError` unless it is one number.

    >>> as_number(np.float32(2), "level")
    2.0
    """
    array = as_float64(value, name)
    if array.shape != ():
        raise TypeError(f"{name} must be a number, not {value!r}")
    return float(array)


class Regression(eqx.Module):
    """A straight line y = m (x - origin) + q that `regress` found as a point of the plane of slopes m and intercepts q. It
    prints itself as a table.

    - `slope`, `intercept`: m and q. `covariance` (2, 2) of the two, with `degrees` of freedom.
    - `sigma`: the standard deviation of a measurement around the line: of least squares, sqrt(sum e^2 / (N - 2)), or, if
      `robust`, 1.4826 median |e|, which for normal errors is the same.
    - `ensemble`: the lines (N, 2) that the measurements give, with `weights` (N,) of sum 1.
    - `equation`: the `MeanField` under which `density()` collapses at `target` (2,), which is (m, q) unless another was given.
      The identity shortens all distances by e^(w t); with tanh what is k spreads of the ensemble away is there at about
      t = k, in slope and height alike.
    - `axes` (2, 2): the columns are what a change of the slope by its spread, and one of the height in the middle of the
      data, change of (m, q).
    - `middle`, `reach`, `there`: the median of x, how far x reaches from it, and slope and height there with their covariance:
      what `predict` goes by, since far from the data slope and intercept differ by rounding from lines that differ much
      among them.
    - `count`: the number of measurements; `replicates`: how many times all positions were measured, None for plain data.
    - `notes`: what else a reader must know.

    >>> import kinetic_nde as kn
    >>> print(kn.regress([0.0, 1.0, 2.0, 3.0, 4.0], [0.1, 0.9, 2.1, 2.9, 4.0]))
    10 lines through pairs of 5 points, weighted by |dx|: their mean
               estimate  standard error  from (95 %)        to
    slope          0.98           0.038     0.859464   1.10054
    intercept      0.03            0.11    -0.304277  0.364277
    a measurement is around the line with a standard deviation of 0.1103
    """

    slope: float
    intercept: float
    covariance: np.ndarray
    degrees: int
    sigma: float
    origin: float
    robust: bool
    ensemble: Ensemble
    weights: np.ndarray
    equation: MeanField
    target: np.ndarray
    axes: np.ndarray
    middle: float
    reach: float
    there: Estimate
    count: int
    replicates: int | None
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> np.ndarray:
        """(m, q)."""
        return np.array([self.slope, self.intercept])

    @property
    def standard_errors(self) -> np.ndarray:
        """Those of m and q, (2,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def digits(self) -> tuple[int, int]:
        """With how many digits m and q must be written for the line to be among the data what it is, up to a thousandth of
        `sigma` or a millionth of what y rises: six at least, and more where x is far from 0.

        >>> import kinetic_nde as kn
        >>> x = 1e6 + np.arange(4.0)
        >>> found = kn.regress(x, 0.1 * x + np.array([0.0, 0.1, -0.1, 0.0]))
        >>> found.digits
        (9, 9)
        """
        tolerance = max(1e-3 * self.sigma, 1e-6 * abs(self.slope) * self.reach)
        far = abs(self.middle - self.origin) + self.reach
        largest = abs(self.slope) * far, abs(self.intercept)
        first, second = (math.ceil(math.log10(x / tolerance)) if x > tolerance > 0 else 0 for x in largest)
        return min(max(first, 6), 17), min(max(second, 6), 17)

    def interval(self, level: ArrayLike = 0.95) -> np.ndarray:
        """Between which numbers m and q lie, each at this level: (2, 2), a row for each. By Student's distribution.

        `ValueError` unless 0 < level < 1.
        """
        reach = self._quantile(level) * self.standard_errors
        return np.stack([self.line - reach, self.line + reach], axis=1)

    def predict(self, x: ArrayLike | list, level: ArrayLike = 0.95) -> Prediction:
        """The line at places x of any shape, with the band in which it lies there at this level, and the one in which
        one new measurement lies: the former from the covariance, the latter from that and `sigma`, for normal
        errors; both by Student's distribution, at each place by itself.

        Raises `ValueError` for x that is not finite, and unless 0 < level < 1.

        >>> import kinetic_nde as kn
        >>> found = kn.regress([0.0, 1.0, 2.0, 3.0, 4.0], [0.1, 0.9, 2.1, 2.9, 4.0]).predict([2.0, 10.0])
        >>> found.line.round(1), (found.upper - found.lower).round(1)
        (array([2. , 9.8]), array([0.4, 1.9]))
        """
        quantile = self._quantile(level)
        x = as_float64(x, "x")
        if not np.all(np.isfinite(x)):
            raise ValueError(f"a line is predicted at finite x, got {x[~np.isfinite(x)].ravel()[0]}")
        (slope, height), covariance = self.there
        arm = x - self.middle
        line = slope * arm + height
        variance = (covariance[0, 0] * arm + 2 * covariance[0, 1]) * arm + covariance[1, 1]
        variance = np.maximum(variance, 0.0)
        reach, new = quantile * np.sqrt(variance), quantile * np.sqrt(variance + self.sigma**2)
        return Prediction(line, line - reach, line + reach, line - new, line + new)

    def density(
        self, grid: Grid | None = None, bandwidth: float | ArrayLike | list | tuple | None = None, cells: int = 101
    ) -> Density:
        """The density of the ensemble in the plane of m and q: a kernel around each line, as `Density.from_samples` places
        them, with its weight.

        By default on `cells` x `cells` cells that reach twice as far as the quantiles 0.025 and 0.975, with `target` in the middle
        of a cell. Lines through close points are anywhere: those that are beyond the grid are left out, and their weight is
        missing in the mass. Of more than 200,000 lines each second, third, ... is taken.

        Raises `ValueError` if no line is on the grid, and as `Density.from_samples` does.

        >>> import kinetic_nde as kn
        >>> found = kn.regress([0.0, 1.0, 2.0, 3.0, 4.0], [0.1, 0.9, 2.1, 2.9, 4.0])
        >>> final = kn.solve(found.equation, found.density(cells=21), t1=8.0).final
        >>> bool(np.allclose(final.mean, found.line, atol=1e-3))
        True
        """
        every = -(-self.weights.size // _MOST_LINES)
        samples, shares = np.asarray(self.ensemble.samples, dtype=np.float64)[::every], self.weights[::every]
        shares = shares / np.sum(shares)
        if grid is None:
            cells = as_count(cells, "cells", 3)
            # No narrower than what the float type tells apart next to numbers like these.
            resolved = 4 * cells * np.finfo(default_float()).eps * np.maximum(np.abs(self.target), np.abs(self.line))
            unit = np.maximum(1e-3 * np.sum(np.abs(self.axes), axis=1), resolved)
            grid = covering(samples, shares, self.target, self.line, unit, cells)
        lower, upper = np.asarray(grid.lower), np.asarray(grid.upper)
        if lower.shape != (2,):
            raise ValueError("slopes and intercepts need a grid in two dimensions, this one has one")
        inside = np.all((samples >= lower) & (samples <= upper), axis=1)
        weights = np.where(inside, shares, 0.0)
        if not np.any(weights > 0):
            raise ValueError(f"no line of the ensemble is on the grid from {lower} to {upper}")
        # Without weight, and as many as before: another number of samples would be another program to compile.
        samples = np.where(inside[:, None], samples, samples[np.argmax(inside)])
        if bandwidth is None:
            bandwidth = [_bandwidth(column, weights / np.sum(weights)) for column in samples.T]
        density = Density.from_samples(samples, grid, bandwidth, weights)
        return Density(density.grid, density.values * np.sum(weights).astype(density.values.dtype))

    def _quantile(self, level: ArrayLike) -> float:
        share = as_number(level, "level")
        if not 0 < share < 1:
            raise ValueError(f"the level must be between 0 and 1, got {level}")
        return float(student.ppf(0.5 * (1 + share), self.degrees))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """The estimates with their errors."""
        lines = self.weights.size
        if self.replicates is None:
            source = f"{lines} lines through pairs of {self.count} points, weighted by |dx|"
        else:
            source = f"lines of least squares of {lines} replicates, {self.count} measurements"
        rows = [["", "estimate", "standard error", "from (95 %)", "to"]]
        at = "" if self.origin == 0 else f" at x = {self.origin:.12g}"
        numbers = zip(
            ("slope", f"intercept{at}"), self.line, self.digits, self.standard_errors, self.interval(), strict=True
        )
        for name, value, digits, error, ends in numbers:
            rows.append([name, f"{value:.{digits}g}", f"{error:.2g}", *(f"{end:.6g}" for end in ends)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        return "\n".join(
            [
                f"{source}: their {'medians' if self.robust else 'mean'}",
                *table,
                f"a measurement is around the line with a standard deviation of {self.sigma:.4g}",
                *(f"note: {note}" for note in self.notes),
            ]
        )


def _bandwidth(values: np.ndarray, shares: np.ndarray) -> float:
    """Silverman's, and none for values that are all equal."""
    counted = values[shares > 0]
    return float(silverman(jnp.asarray(values), 2, weights=jnp.asarray(shares))) if np.ptp(counted) > 0 else 0.0
