"""What the diagnosis of a solution returns."""

import math
from typing import Any

import equinox as eqx
import numpy as np

# Stretches of time that a row of the table lists.
_LISTED = 3


class Diagnosis(eqx.Module):
    """What `diagnose` found, Definition 2 of Herty, Trimborn, Visconti (2021). It prints itself as a table.

    - `ts` (T,): the save times, the first of which stands for t = 0. `energy`, `variance` (T,): m2 and V; in d >= 2 the
      mean of |x|^2 and the trace of the covariance.
    - `local_energy_bound` (T,): (i), whether m2(0) > m2(t). `local_aggregation` (T,): (iii), whether V(0) > V(t).
    - `energy_trend`, `variance_trend` (T - 1,): -1 where m2 or V decreases from one save time to the next, 1 where it
      increases, 0 where it does neither beyond the tolerance. `energy_decay` is (ii) and `aggregation` (iv).
    - `point` (T,): where V(t) <= `level` V(0), or a density is narrower than one of its cells: V counts as 0, and a
      trend of 0 between two such times says nothing, since less is not told apart.
    - `clustered_from`: (v), the save time from which on V counts as 0; infinite where it does not at the end. `clustering`
      is whether it does.

    >>> import kinetic_nde as kn
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity()))
    >>> diagnosis = kn.diagnose(kn.solve(equation, kn.Ensemble([1.0, 3.0]), t1=6.0, saveat=[0.0, 1.0, 3.0, 5.0, 6.0]))
    >>> diagnosis.variance_trend, diagnosis.clustered_from
    (array([-1, -1, -1, -1], dtype=int8), 5.0)
    """

    ts: np.ndarray
    energy: np.ndarray
    variance: np.ndarray
    level: float
    local_energy_bound: np.ndarray
    energy_trend: np.ndarray
    local_aggregation: np.ndarray
    variance_trend: np.ndarray
    point: np.ndarray

    @property
    def energy_decay(self) -> bool:
        """(ii): m2 decreases between all save times, but for what is within a point."""
        return self._decreases(self.energy_trend)

    @property
    def aggregation(self) -> bool:
        """(iv): V decreases between all save times, but for what is within a point."""
        return self._decreases(self.variance_trend)

    @property
    def clustering(self) -> bool:
        """(v), as far as the save times go: V counts as 0 at the last one."""
        return bool(self.point[-1])

    @property
    def clustered_from(self) -> float:
        """The first save time from which on V counts as 0; infinite where it does not at the last one."""
        if not self.clustering:
            return math.inf
        away = np.flatnonzero(~self.point)
        return float(self.ts[away[-1] + 1 if away.size else 0])

    def _decreases(self, trend: np.ndarray) -> bool:
        told = trend[(trend != 0) | ~self._within_a_point]
        return bool(told.size > 0 and np.all(told < 0))

    @property
    def _within_a_point(self) -> np.ndarray:
        return self.point[:-1] & self.point[1:]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """One row for each property: whether it holds, and when."""
        first, last = self.ts[0], self.ts[-1]
        rows = [
            ("(i)", "local energy bound", "m2(0) > m2(t)", *self._at_times(self.local_energy_bound)),
            ("(ii)", "energy decay", "m2 decreases", *self._over_time(self.energy_trend, self.energy_decay)),
            ("(iii)", "local aggregation", "V(0) > V(t)", *self._at_times(self.local_aggregation)),
            ("(iv)", "aggregation", "V decreases", *self._over_time(self.variance_trend, self.aggregation)),
            ("(v)", "clustering", "V -> 0", *self._limit()),
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
        ]
        top = f"Definition 2 at {len(self.ts)} save times from t = {first:g} to {last:g}"
        end = f"m2 from {self.energy[0]:.4g} to {self.energy[-1]:.4g}, V from {self.variance[0]:.4g} to {self.variance[-1]:.4g}"
        return "\n".join([top, *table, end])

    def _at_times(self, holds: np.ndarray) -> tuple[str, str]:
        """Verdict and times of a property that holds at single times."""
        count, of = int(np.sum(holds)), len(self.ts) - 1
        verdict = "yes" if count == of else "no" if count == 0 else "at times"
        return verdict, f"at {_stretches(holds, self.ts, self.ts)}" if 0 < count < of else ""

    def _over_time(self, trend: np.ndarray, holds: bool) -> tuple[str, str]:
        """Verdict of a property that compares neighbouring times, and where it does what."""
        untold = (trend == 0) & self._within_a_point
        parts = [
            (trend < 0, "decreases"),
            (trend > 0, "increases"),
            ((trend == 0) & ~untold, "unchanged"),
            (untold, "a point"),
        ]
        starts, ends = self.ts[:-1], self.ts[1:]
        told = [f"{word} from {_stretches(where, starts, ends)}" for where, word in parts if where.any()]
        partly = np.any(trend < 0) and not np.any(trend > 0)
        return ("yes" if holds else "in part" if partly else "no"), "" if holds and len(told) == 1 else "; ".join(told)

    def _limit(self) -> tuple[str, str]:
        if self.clustering:
            return "yes", f"V counts as 0 from t = {self.clustered_from:g} on"
        share = self.variance[-1] / self.variance[0] if self.variance[0] > 0 else math.inf
        return "no", f"V({self.ts[-1]:g}) = {share:.3g} V(0), above {self.level:g}"


def _stretches(where: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> str:
    """The runs of true entries in words: from the start of the first to the end of the last of each."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(int)))
    runs = [(starts[a], ends[b - 1]) for a, b in edges.reshape(-1, 2)]
    told = [f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in runs]
    return ", ".join(told if len(told) <= _LISTED else [*told[:_LISTED], f"{len(told) - _LISTED} more"])
