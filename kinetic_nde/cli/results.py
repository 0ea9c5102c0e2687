"""What `kinetic-nde classify` writes and says."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plotting import figure, plot_evolution, plot_histogram, plot_trajectories, style
from .classify import CELLS, Classification
from .names import CLASSIFY
from .report import write_report
from .words import counted, label_of, save, to_a_thousandth

NAMES = CLASSIFY
_NOTICED = 0.05  # difference in mass between the two descriptions


def write(
    folder: Path,
    found: Classification,
    file: str,
    column: str,
    dropped: int = 0,
    rows: np.ndarray | None = None,
) -> None:
    """Writes `NAMES` into a folder that exists: the picture, a row per measurement, the report.

    `file` and `column` say where the measurements are from, `dropped` how many rows were left out, `rows` (M,) in which
    rows of the file those stand that were not, 1 for the first below the header; by default all did. Raises `OSError` if a
    file cannot be written.

    >>> import tempfile
    >>> from kinetic_nde.cli.classify import classify
    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder, classify([1.0, 1.1, 1.2, 1.3, 8.7, 8.8, 8.9, 9.0]), "lengths.csv", "length")
    >>> print((folder / "classes.csv").read_text())
    row,value,class
    1,1,0
    2,1.1,0
    3,1.2,0
    4,1.3,0
    5,8.7,1
    6,8.8,1
    7,8.9,1
    8,9,1
    <BLANKLINE>
    """
    with open(folder / "classes.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["row", "value", "class"])
        places = range(1, found.values.size + 1) if rows is None else rows.tolist()
        writer.writerows(zip(places, map(_exact, found.values.tolist()), found.classes.tolist(), strict=True))
    write_report(folder, report(found, file, column, dropped), NAMES)
    save(draw(found, column), folder / "classification.png")


def report(found: Classification, file: str, column: str, dropped: int = 0) -> dict[str, Any]:
    """All numbers, for report.json; in the units of the file unless a name says otherwise.

    `threshold_kind` is "given", "valley" or, where there are no two classes to be found, "median". `classes` says where the
    measurements of each are, `clusters` where they end: the position of one without mass is None.
    """
    weight = found.weight / found.scale
    counts = [int((found.classes == k).sum()) for k in (0, 1)]
    return {
        "file": file,
        "column": column,
        "measurements": int(found.values.size),
        "dropped": dropped,
        "smallest": float(found.values.min()),
        "largest": float(found.values.max()),
        "threshold": found.threshold,
        "threshold_kind": found.kind,
        "threshold_how": found.how,
        "parameters": {
            "activation": "tanh",
            "standardised": {"weight": found.weight, "bias": 0.0, "t1": found.t1},
            "file_units": {"weight": weight, "bias": -weight * found.threshold, "t1": found.t1 * found.scale},
            "standardisation": {"formula": "z = (x - centre) / scale", "centre": found.threshold, "scale": found.scale},
        },
        "classes": [
            {"class": k, "count": counts[k], "smallest": low, "mean": mean, "largest": high}
            for k, (low, mean, high) in enumerate(_extents(found))
        ],
        "clusters": {
            "particles": [
                {"class": k, "position": cluster.position, "mass": cluster.mass, "count": counts[k]}
                for k, cluster in enumerate(found.particles)
            ],
            "density": [
                {"class": k, "position": cluster.position, "mass": cluster.mass}
                for k, cluster in enumerate(found.density)
            ],
        },
        "w1": found.w1,
        "exactly_at_threshold": found.undecided,
        "not_at_a_wall": found.moving,
        "cells": CELLS,
        "bandwidth": found.bandwidth,
        "mass_drift": found.mass_drift,
        "steps": found.steps,
        "seconds": {name: round(seconds, 4) for name, seconds in found.seconds.items()},
    }


def summary(found: Classification, file: str, column: str, dropped: int = 0) -> str:
    """The result in a few lines for people."""
    width = float(np.ptp(found.values)) / CELLS
    left_out = f", {dropped} without a value left out" if dropped else ""
    lines = ["no two classes found: divided at the median all the same"] if found.kind == "median" else []
    lines += [
        f"{counted(found.values.size)} of {column} in {file}{left_out}",
        f"threshold  {shown(found, found.threshold)}: {found.how}",
    ]
    extents = [tuple(shown(found, x) for x in extent) for extent in _extents(found)]
    for k, (particles, density, extent) in enumerate(zip(found.particles, found.density, extents, strict=True)):
        low, mean, high = extent
        lines.append(
            f"class {k}    {counted(int((found.classes == k).sum()))}, mass {particles.mass:.4f} (density: "
            f"{density.mass:.4f}), from {low} to {high}, mean {mean}"
        )
    if found.undecided:
        lines.append(f"note       {counted(found.undecided)} exactly at the threshold: nothing moves there; class 1")
    if found.moving:
        lines.append(f"note       {counted(found.moving)} not yet at the smallest or the largest at t1 = {found.t1:g}")
    undecided = found.undecided / found.values.size
    if abs(found.particles[0].mass - found.density[0].mass) > _NOTICED + undecided:
        widths = f"cells {shown(found, width)}, kernels {shown(found, found.bandwidth)} wide"
        lines.append(
            f"note       the density is too coarse for these measurements ({widths}); the classes do not use it"
        )
    return "\n".join(lines)


def draw(found: Classification, column: str) -> Figure:
    """The measurements and their density, their paths, and the density at several times; the threshold in each."""
    name = label_of(column)
    drawing, (histogram, paths, evolution) = figure(columns=2, panels=3, height=2.5)
    labels = ("measurements", "their kernel density")
    plot_histogram(found.values, found.initial, histogram, bins=_bins(found), xlabel=name, labels=labels)
    plot_trajectories(found.paths, paths, xlabel="time t (standardised)", ylabel=name)
    plot_evolution(found.evolution, evolution, xlabel=name)
    look: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8}
    histogram.axvline(found.threshold, label="threshold", **look)
    paths.axhline(found.threshold, **look)
    evolution.axvline(found.threshold, **look)
    histogram.margins(y=0.05)
    with style():
        # Above the axes, where neither the threshold nor the power of ten of an axis is in the way.
        histogram.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=1)
        _name_masses(evolution, found)
        evolution.legend(loc="lower left", bbox_to_anchor=(0.0, 1.09), borderaxespad=0.2, ncols=3)
    return drawing


def _name_masses(ax: Axes, found: Classification) -> None:
    """The mass on either side in the end, as the text has it, above the axes: beside an arrow it may be across the threshold,
    and where a peak is not cut off there is none."""
    for text in [text for text in ax.texts if text.get_text().startswith("mass")]:
        text.remove()
    for place, side, cluster in zip((0.0, 1.0), ("left", "right"), found.density, strict=True):
        ax.text(place, 1.02, f"mass {cluster.mass:.4f}", ha=side, va="bottom", fontsize=7, transform=ax.transAxes)


def _bins(found: Classification) -> int:
    """As fine as the kernels, or more than is usual: to show the gap, and each class, beside the smooth density."""
    values = found.values
    root = min(math.ceil(math.sqrt(values.size)), np.unique(values).size, 40)
    return int(np.clip(np.ptp(values) / (2.0 * found.bandwidth), max(root, 5), 60))


def _extents(found: Classification) -> list[tuple[float, float, float]]:
    """The smallest measurement of each class, the mean and the largest. Both have some: the ends are on both sides."""
    parts = [found.values[found.classes == k] for k in (0, 1)]
    # As distances from the smallest: the mean of equal numbers is not always that number.
    return [(float(np.min(x)), float(np.min(x) + np.mean(x - np.min(x))), float(np.max(x))) for x in parts]


def _exact(value: float) -> str:
    """All digits that tell the number from its neighbours; integers without a point."""
    return repr(value).removesuffix(".0")


def shown(found: Classification, x: float | None) -> str:
    """A number in the units of the file, to a thousandth of the spread."""
    largest = max(abs(float(found.values.min())), abs(float(found.values.max())))
    return to_a_thousandth(x, largest, found.scale)
