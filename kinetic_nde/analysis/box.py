"""The box in which steady states are looked for."""

from typing import Any, NamedTuple

import numpy as np

from .._values import as_floating
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble


class Box(NamedTuple):
    """The box from `lower` to `upper` (d,), which of the two ends was `given`, the smallest one that holds it and the
    `data` (2, d), and the share `slack` of it by which what is outside counts as inside."""

    lower: np.ndarray
    upper: np.ndarray
    given: tuple[bool, bool]
    data: np.ndarray
    slack: float

    @property
    def around(self) -> np.ndarray:
        """The ends (2, d) of the smallest box that holds this one and the data."""
        return np.stack([np.minimum(self.lower, self.data[0]), np.maximum(self.upper, self.data[1])])

    @property
    def size(self) -> float:
        """The longest side of the smallest box that holds this one and the data."""
        return float(np.max(self.around[1] - self.around[0]))

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which of the points (n, d) are inside."""
        beyond = self.slack * (self.upper - self.lower)
        return np.all((points >= self.lower - beyond) & (points <= self.upper + beyond), axis=1)

    def widened(self, points: np.ndarray) -> "Box":
        """With the ends that were not given moved out to hold the points (n, d)."""
        lower = self.lower if self.given[0] else np.min([self.lower, *points], axis=0)
        upper = self.upper if self.given[1] else np.max([self.upper, *points], axis=0)
        return self._replace(lower=lower, upper=upper)


def as_box(lower: Any, upper: Any, d: int, initial: Density | Ensemble | None, slack: float) -> Box:
    """The box of a user, who may leave ends to the data; `ValueError` for one that is empty, not finite, of another
    dimension than d, or not told at all.

    >>> as_box(0.0, None, 1, Ensemble([2.0, 5.0]), slack=0.0).upper
    array([5.])
    """
    ends = {name: None if end is None else _as_end(name, end, d) for name, end in (("lower", lower), ("upper", upper))}
    if initial is None:
        missing = [name for name, end in ends.items() if end is None]
        if missing:
            raise ValueError(
                f"steady states are looked for in a box: give {' and '.join(missing)}, or an initial distribution"
            )
        data = np.stack([end for end in ends.values() if end is not None])
    else:
        data = _span(initial, d)
    low, high = (data[k] if end is None else end for k, end in enumerate(ends.values()))
    given = ends["lower"] is not None, ends["upper"] is not None
    if any(given) and not np.all(low < high):
        raise ValueError(f"the box is empty: need lower < upper, got lower={low}, upper={high}")
    return Box(low, high, given, data, slack)


def _as_end(name: str, end: Any, d: int) -> np.ndarray:
    place = np.asarray(as_floating(end, name), dtype=float)
    if place.shape not in ((), (d,)):
        raise ValueError(f"in dimension {d} {name} is a number or has the shape ({d},), got shape {place.shape}")
    if not np.all(np.isfinite(place)):
        raise ValueError(f"{name} must be finite, got {place}")
    return np.broadcast_to(place, d)


def _span(initial: Density | Ensemble, d: int) -> np.ndarray:
    """The ends of a grid, or the outermost samples; in d > 1 with some room where these have the same coordinate."""
    if isinstance(initial, Density):
        return np.array([[initial.grid.lower], [initial.grid.upper]], dtype=float)
    samples = np.asarray(initial.samples, dtype=float).reshape(-1, d)
    ends = np.stack([samples.min(axis=0), samples.max(axis=0)])
    sides = ends[1] - ends[0]
    room = 0.5 * (np.max(sides) or np.max(np.abs(ends)) or 1.0)
    return ends + np.where((sides == 0) & (d > 1), room, 0.0) * np.array([[-1.0], [1.0]])
