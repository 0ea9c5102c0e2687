"""The times that `update_cost` measures, where they cross, and their picture."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, finish

BATCH = 256


class Row(NamedTuple):
    """Seconds for one number of measurements in one run; of the particles `source` is measured, first run or extrapolated."""

    run: int
    measurements: int
    building: float
    mean_field: float
    particles: float
    source: str

    @property
    def everything(self) -> float:
        """An update by the mean field with all that it takes."""
        return self.building + self.mean_field


class Race(NamedTuple):
    """Whole trainings to an equal loss, in one run."""

    mean_field_updates: int
    mean_field: float
    batch_updates: int
    batch: float


def crossing(sizes: list[int], ours: list[float], theirs: list[float]) -> float:
    """Where `theirs` begins to take longer, all of it linear in logarithms between the sizes; NaN if it never does, or does from the
    first size on.

    >>> round(crossing([10, 1000], [1.0, 1.0], [0.1, 10.0]))
    100
    """
    ratio = np.log(np.array(theirs) / np.array(ours))
    for k in range(len(sizes) - 1):
        if ratio[k] <= 0 < ratio[k + 1]:
            share = ratio[k] / (ratio[k] - ratio[k + 1])
            return math.exp(math.log(sizes[k]) + share * math.log(sizes[k + 1] / sizes[k]))
    return math.nan


def crossings(rows: list[Row]) -> np.ndarray:
    """That of each run, building g0 counted."""
    found = []
    for run in range(max(row.run for row in rows) + 1):
        own = [row for row in rows if row.run == run]
        everything = [row.everything for row in own]
        found.append(crossing([row.measurements for row in own], everything, [row.particles for row in own]))
    return np.array(found)


def draw(path: Path, rows: list[Row], races: list[Race]) -> None:
    """Left: an update against the number of measurements, the fastest to the slowest run shaded. Right: whole trainings."""
    drawing, (left, right) = plotting.figure(columns=2, panels=2, height=2.8)
    sizes = list(dict.fromkeys(row.measurements for row in rows))
    curves: dict[str, Callable[[Row], float]] = {
        "mean field, without g0": lambda row: row.mean_field,
        "mean field, building g0 counted": lambda row: row.everything,
        "back-propagation, all particles": lambda row: row.particles,
    }
    with plotting.style():
        for (name, seconds), colour, line, marker in zip(
            curves.items(), COLOURS, ("--", "-", "-."), "^os", strict=False
        ):
            times = np.array([[seconds(row) for row in rows if row.measurements == size] for size in sizes]) * 1e3
            left.fill_between(sizes, times.min(axis=1), times.max(axis=1), color=colour, alpha=0.25, linewidth=0)
            left.loglog(sizes, np.median(times, axis=1), linestyle=line, marker=marker, ms=3, color=colour, label=name)
        guessed = [row for row in rows if row.source == "extrapolated"]
        if guessed:
            x, y = [row.measurements for row in guessed], [1e3 * row.particles for row in guessed]
            left.plot(x, y, "s", ms=5, color="white", markeredgecolor=COLOURS[1], label="extrapolated", zorder=3)
        # What mini-batches take for the same loss, shared among the updates that the mean field takes.
        shares = np.array([1e3 * each.batch / each.mean_field_updates for each in races])
        left.axhspan(shares.min(), shares.max(), color=COLOURS[3], alpha=0.25, linewidth=0)
        label = f"mini-batches of {BATCH}: training to\nequal loss / mean-field updates"
        left.axhline(np.median(shares), linestyle=":", color=COLOURS[3], label=label)
        points = crossings(rows)
        if np.all(np.isfinite(points)):
            left.axvspan(points.min(), points.max(), color="0.8", linewidth=0, zorder=0)
            left.axvline(float(np.median(points)), color="0.5", linewidth=0.8, zorder=0)
            words = f"equal at {np.median(points):.0f}\n({points.min():.0f} to {points.max():.0f})"
            left.text(np.median(points) * 1.2, 0.97, words, fontsize=7, va="top", transform=left.get_xaxis_transform())
        finish(left, "measurements", "time per update [ms]")
        left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
        names = []
        for k, (field, name) in enumerate(((1, "mean field,\ng0 counted"), (3, f"mini-batches\nof {BATCH}"))):
            times = np.array([each[field] for each in races]) * 1e3
            counts = np.array([each[field - 1] for each in races])
            right.plot(times, np.full(len(times), k), "os"[k], ms=4, color=(COLOURS[0], COLOURS[3])[k], alpha=0.7)
            names.append(f"{name},\n{counts.min()} to {counts.max()} updates")
        right.set(yticks=[0, 1], ylim=(-0.5, 1.5))
        right.set_yticklabels(names)
        right.set_title("whole training to equal loss, each run", fontsize=8)
        finish(right, "time [ms]", "")
        right.set_xlim(0, 1.1 * right.get_xlim()[1])
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
