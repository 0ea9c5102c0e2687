"""Measurements without their unit, and the way back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid
from ..solution import Solution
from .threshold import find_threshold

SPAN = 6.0  # of standardised measurements
_LEAST = 8  # measurements whose median divides them, where no valley does


class InputError(ValueError):
    """Measurements or parameters that cannot be used. The message is one line."""


class Standardised(NamedTuple):
    """Measurements x (M,) as z = (x - threshold) / scale, which span six units; `how` says how the threshold was found, and
    `kind` whether it was "given", is a "valley" between two classes or, for want of one, the "median"."""

    x: np.ndarray
    z: np.ndarray
    threshold: float
    how: str
    kind: str
    scale: float

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest measurement."""
        return float(np.min(self.x)), float(np.max(self.x))

    @property
    def walls(self) -> tuple[float, float]:
        """The smallest and the largest z."""
        return float(np.min(self.z)), float(np.max(self.z))

    def measured(self, z: ArrayLike) -> np.ndarray:
        """From z to x; what is at a wall is exactly at that end."""
        z, (low, high), (lowest, highest) = np.asarray(z), self.walls, self.ends
        x = np.clip(self.threshold + self.scale * z, lowest, highest)
        return np.where(z <= low, lowest, np.where(z >= high, highest, x))

    def density(self, density: Density) -> Density:
        """A density from wall to wall in the units of x."""
        return Density(Grid(*self.ends, density.grid.cells), density.values / self.scale)

    def solution(self, solution: Solution) -> Solution:
        """A solution in the units of x; its times stay as they are. `final` is the last that was stored."""
        if isinstance(solution.distributions, Ensemble):
            distributions: Any = jax.vmap(Ensemble)(jnp.asarray(self.measured(solution.distributions.samples)))
        else:
            distributions = jax.vmap(self.density)(solution.distributions)
        final = jax.tree.map(lambda leaf: leaf[-1], distributions)
        return Solution(solution.ts, distributions, final, solution.stats, solution.result)


def standardise(values: ArrayLike | list, threshold: float | None = None) -> Standardised:
    """Standardises measurements (M,) around a threshold in their own units, by default that of `find_threshold`.

    The threshold is the origin and not some mean of the data: x - threshold is exact where the two are close, so that
    no measurement changes sides by rounding. Where the median is asked for and equals the smallest measurement (or the
    largest), nothing lies beyond it, and the middle between it and the next measurement is taken.

    Raises `InputError` for fewer than two measurements, or fewer than eight without a clear gap and a threshold; for
    measurements that are not finite, all equal, too close for a number between them or near the ends of what numbers can
    hold; and for a threshold that is not between the smallest and the largest.

    >>> data = standardise([2.0, 4.0, 8.0], threshold=5.0)
    >>> data.z, data.scale, data.measured(data.z)
    (array([-3., -1.,  3.]), 1.0, array([2., 4., 8.]))
    """
    x = _checked(values)
    threshold, how, kind = _threshold(x, threshold)
    scale = float(np.max(x) - np.min(x)) / SPAN
    return Standardised(x, (x - threshold) / scale, threshold, how, kind, scale)


def _checked(values: ArrayLike | list) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2:
        found = x.size if x.ndim == 1 else f"shape {x.shape}"
        raise InputError(f"two classes need at least two measurements, got {found}")
    if not np.all(np.isfinite(x)):
        raise InputError(f"measurements must be finite, got {x[~np.isfinite(x)][0]}")
    if np.all(x == x[0]):
        raise InputError(f"all {x.size} measurements are {x[0]:g}: there is nothing to divide")
    # Half of each, since the difference itself may overflow.
    if not 1e-290 < 0.5 * np.max(x) - 0.5 * np.min(x) < 1e290:
        what = f"measurements from {np.min(x):g} to {np.max(x):g}"
        raise InputError(f"{what} are out of the range of numbers: choose another unit")
    return x


def _threshold(x: np.ndarray, given: float | None) -> tuple[float, str, str]:
    lowest, highest = float(np.min(x)), float(np.max(x))
    if given is not None:
        if not lowest < given < highest:
            between = f"between the smallest and the largest measurement, {lowest:g} and {highest:g}"
            raise InputError(f"threshold must be {between}, got {given:g}")
        return float(given), "given", "given"
    found = find_threshold(x)
    if not found.valley and x.size < _LEAST:
        raise InputError(
            f"{x.size} measurements are too few to find two classes: no gap between them is clear. Give a threshold"
        )
    value, how = found.value, found.how
    if not found.valley and not lowest < value < highest:
        low = value <= lowest
        side, neighbour = ("smallest", np.min(x[x > lowest])) if low else ("largest", np.max(x[x < highest]))
        value = 0.5 * (value + float(neighbour))
        how = (
            f"midway between the {side} measurement, which is the median, and the next one: "
            "the kernel density has no valley beyond sampling noise"
        )
    if not lowest < value < highest:
        raise InputError(f"measurements from {lowest!r} to {highest!r} are too close for a threshold between them")
    return value, how, "valley" if found.valley else "median"
