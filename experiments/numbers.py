"""A computed number beside the exact one, and those that every solve of a density is held to."""

import math
from typing import NamedTuple

import numpy as np

from kinetic_nde import Density, Solution


class Number(NamedTuple):
    """What was computed, what is exact, and how far they may be apart; without a `tolerance` the difference is reported and not judged.

    With `at_least` the exact number is a lower bound: only what is missing counts. Where there is no exact number, or one
    that is a goal and not what should come out, it is None.

    >>> Number(0.49, 0.5, 0.02).ok, Number(0.7, 0.5, 0.02).ok, Number(0.7, 0.5, 0.02, at_least=True).ok
    (True, False, True)
    """

    computed: float
    exact: float | None = None
    tolerance: float | None = None
    at_least: bool = False

    @property
    def difference(self) -> float:
        """|computed - exact|, or what the bound lacks; NaN where nothing is exact."""
        if self.exact is None:
            return math.nan
        return max(self.exact - self.computed, 0.0) if self.at_least else abs(self.computed - self.exact)

    @property
    def ok(self) -> bool:
        """Whether the number is finite and within its tolerance."""
        return math.isfinite(self.computed) and (self.tolerance is None or self.difference <= self.tolerance)


def table(numbers: dict[str, Number]) -> str:
    """The numbers as a table in Markdown, one row each."""
    lines = ["| quantity | computed | exact | difference | tolerance | ok |", "|---|---|---|---|---|---|"]
    for name, number in numbers.items():
        known = number.exact is not None
        exact = f"{'at least ' * number.at_least}{number.exact:.8g}" if known else "-"
        difference = f"{number.difference:.2g}" if known else "-"
        tolerance = "" if number.tolerance is None else f"{number.tolerance:.2g}"
        verdict = "no" if not number.ok else "" if number.tolerance is None else "yes"
        cells = [name, f"{number.computed:.8g}", exact, difference, tolerance, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def distance(density: Density, exact: Density) -> float:
    """The L1 distance of two densities on the same grid, of any dimension, as far as their averages tell."""
    apart = np.abs(np.asarray(density.values) - np.asarray(exact.values))
    return float(np.sum(apart) * np.asarray(density.grid.volume))


def conservation(solution: Solution) -> dict[str, Number]:
    """What holds for every mean field on a grid: no average below -1e-14 of the largest at any save time, and no mass made or lost."""
    values = np.asarray(solution.distributions.values).reshape(len(solution), -1)
    smallest = float(np.min(values.min(axis=1) / values.max(axis=1)))
    return {
        "smallest cell average, in units of the largest": Number(smallest, 0.0, 1e-14, at_least=True),
        "mass drift": Number(float(solution.stats["mass_drift"]), 0.0, 1e-12),
    }
