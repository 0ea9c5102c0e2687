"""The noisy network that drives any data to the distribution of measurements."""

import math
from typing import NamedTuple

import numpy as np

from ..analysis.families.family import AbstractFamily
from ..analysis.families.gaussian import GaussianFamily
from ..analysis.families.generalized_gamma import GeneralizedGammaFamily
from ..analysis.families.inverse_gamma import InverseGammaFamily
from ..analysis.families.pareto_tail import ParetoTailFamily
from ..analysis.fitted import Fit
from ..analysis.fitting import fit
from ..distributions.density import Density
from ..distributions.grid import Grid
from ..equations.fokker_planck import FokkerPlanck
from ..methods.chang_cooper import ChangCooper
from ..solution import Solution
from ..solve import solve
from .standardise import InputError

FAMILIES: dict[str, AbstractFamily] = {
    "gaussian": GaussianFamily(),
    "inverse-gamma": InverseGammaFamily(),
    "pareto-tail": ParetoTailFamily(),
    "generalized-gamma": GeneralizedGammaFamily(),
}
CELLS = 400
# Of the picture: the share of the fitted distribution that it shows at least, but a tail no further than so many medians
# or the last tenth.
_SHOWN, _MEDIANS = 0.95, 20.0
_FAR = 0.5  # of the far end, and more: how far from 0 the near end is of a narrow distribution
_BEYOND = 1.5  # times the largest measurement
_TIMES = 5  # that are drawn, after the start
# Of measurements, whose squares and inverse squares the numbers of the equation are.
_SMALLEST, _LARGEST = 1e-100, 1e100


class Fitted(NamedTuple):
    """A fit, and the way of a uniform distribution to its steady state within `interval`, between walls at the ends of it:
    `steady` are the averages of what the fitted distribution has there, of mass 1, and `distances` how far from it
    the solution is in L1 at its save times."""

    values: np.ndarray
    fit: Fit
    interval: tuple[float, float]
    uniform: tuple[float, float]
    solution: Solution
    steady: Density
    distances: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """The measurements within `interval`."""
        low, high = self.interval
        return self.values[(self.values >= low) & (self.values <= high)]


def fit_values(values: np.ndarray, family: str | None = None, nu: float | None = None) -> Fitted:
    """Fits measurements (M,) and solves from a uniform distribution to the steady state, in the unit of the measurements.

    Raises `InputError` for a family of another name and for what `kn.fit` refuses.

    >>> found = fit_values(np.array([1.0, 2.0, 2.5, 3.0, 4.0]), "gaussian")
    >>> round(found.fit.parameters["mean"], 6), bool(found.distances[-1] < 1e-3)
    (2.5, True)
    """
    chosen = None
    if family is not None:
        chosen = FAMILIES.get(family.lower().replace("_", "-"))
        if chosen is None:
            raise InputError(f"no family is called {family!r}; there are: {', '.join(FAMILIES)}")
    if nu is not None and not 0 < nu < math.inf:
        raise InputError(f"--nu must be a finite number > 0, got {nu}")
    largest = float(np.max(np.abs(values)))
    if largest != 0 and not _SMALLEST <= largest <= _LARGEST:
        raise InputError(f"the largest measurement is {largest:g}: take a unit in which it is between 1e-100 and 1e100")
    try:
        found = fit(values, chosen, nu)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error
    return _towards_the_steady_state(values, found)


def _towards_the_steady_state(values: np.ndarray, found: Fit) -> Fitted:
    low, high = interval = _interval(values, found)
    grid = Grid(low, high, CELLS)
    below = found.family.cdf(found.parameters, np.asarray(grid.faces))
    steady = Density(grid, np.diff(below) / (below[-1] - below[0]) / float(grid.width))
    inside = values[(values >= low) & (values <= high)]
    uniform = (float(np.min(inside)), float(np.max(inside))) if np.ptp(inside) > 0 else interval
    law = found.equation
    equation = FokkerPlanck(field=law.field, nu=law.nu, diffusion=law.diffusion, walls=interval)
    fast, slow = _rates(found)
    times = np.append(0.0, np.geomspace(0.1 / fast, max(20 / fast, 8 / slow), _TIMES))
    start = Density.uniform(*uniform, grid)
    solution = solve(equation, start, t1=times[-1], saveat=times, method=ChangCooper())
    apart = np.abs(np.asarray(solution.distributions.values) - np.asarray(steady.values))
    return Fitted(values, found, interval, uniform, solution, steady, np.sum(apart, axis=1) * float(grid.width))


def _interval(values: np.ndarray, found: Fit) -> tuple[float, float]:
    """Where most of both is; a tail is followed for some medians only, and no further than half beyond the measurements."""
    low, high = found.family.support(found.parameters)
    rest = 0.5 * (1 - _SHOWN)
    inner = found.family.quantile(found.parameters, np.array([rest, 0.5, 1 - rest, 0.1, 0.9]))
    ends = inner[1] + 2.0 * (inner[[0, 2]] - inner[1])
    ends = min(float(np.min(values)), float(ends[0])), max(float(np.max(values)), float(ends[1]))
    # A narrow distribution on a half line is drawn like one on the line: from its end the data would be a sliver.
    if (math.isinf(low) and math.isinf(high)) or min(map(abs, ends)) > _FAR * max(map(abs, ends)):
        return ends
    # On a half line, which begins at 0.
    largest = float(np.max(np.abs(values)))
    far = max(largest, min(float(np.max(np.abs(inner))), _BEYOND * largest))
    reach = 1.02 * min(far, max(_MEDIANS * abs(float(inner[1])), float(np.max(np.abs(inner[3:])))))
    return (0.0, reach) if low == 0 else (-reach, 0.0)


def _rates(found: Fit) -> tuple[float, float]:
    """At which rates the distribution forgets where it comes from, first and last.

    Where K = x the logarithm diffuses: in a tail x^(-1-k), or where g goes like x^(k-1) at 0, no faster than nu^2 k^2 / 8.
    """
    weight, noise = abs(found.coefficients["weight"]), 0.5 * found.coefficients["nu"] ** 2
    if isinstance(found.family, GaussianFamily):
        return weight, weight
    if isinstance(found.family, ParetoTailFamily):
        return weight + noise, 0.25 * noise
    power = found.parameters["mu" if isinstance(found.family, InverseGammaFamily) else "q"]
    return weight + noise, min(weight or noise, 0.25 * noise * power**2)
