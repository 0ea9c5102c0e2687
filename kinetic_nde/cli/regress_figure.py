"""The picture of `kinetic-nde regress`."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plotting import plot_snapshots, style
from ..plotting.style import COLOURS, figure, finish
from .regress import Regressed
from .words import label_of

_POINTS = 5000  # that are drawn
_PANELS = 3
_ONE = 1e-6  # of the measurements, beside which the spread of the lines is nothing to be drawn
_WHOLE = 0.995  # of the lines


def draw(found: Regressed, x: str, y: str) -> Figure:
    """The measurements with the fitted line, its band and that of new ones; below, the density of slopes and intercepts over
    time, in colours of its logarithm: few lines are far from all others, and are seen."""
    one = _is_one(found)
    drawing = figure(columns=2, height=2.6 if one else 5.0)[0]
    drawing.clear()
    if one:
        with style():
            ax = drawing.add_subplot()
            _draw_line(ax, found, label_of(x).replace("\n", " "), label_of(y).replace("\n", " "))
            ax.set_title("all lines through pairs are one", loc="right", fontsize=7)
        plt.close(drawing)
        return drawing
    with style():
        above, *below = drawing.subplot_mosaic([["line"] * _PANELS, [f"t{k}" for k in range(_PANELS)]]).values()
        _draw_line(above, found, label_of(x).replace("\n", " "), label_of(y).replace("\n", " "))
        origin = found.drawn.origin
        labels: dict[str, Any] = {"xlabel": "slope", "label": "density"}
        labels["ylabel"] = "intercept" if origin == 0 else f"height at {origin:.12g}"
        times = np.asarray(found.solution.ts)[:_PANELS]
        plot_snapshots(found.solution, below, times=times, log=True, **labels)
        inside = float(found.solution[0].mass)
        if inside < _WHOLE:
            below[0].set_title(f"t = 0, {inside:.0%} of the lines")
        for ax in below:
            ax.plot(*found.drawn.line, "x", color=COLOURS[1], markersize=5)
            finish(ax, ax.get_xlabel(), ax.get_ylabel())
            ax.margins(x=0)
            ax.locator_params(axis="x", nbins=4)
    plt.close(drawing)
    return drawing


def _is_one(found: Regressed) -> bool:
    """Whether all lines are the same, up to rounding: then there is no density to be seen."""
    spread = np.abs(np.diag(found.drawn.axes)) * (found.drawn.reach, 1.0)
    return bool(np.max(spread) < _ONE * (float(np.max(np.abs(found.y))) or 1.0))


def _draw_line(ax: Axes, found: Regressed, x: str, y: str) -> None:
    low, high = float(np.min(found.x)), float(np.max(found.x))
    at = np.linspace(low, high, 200)
    band = found.drawn.predict(at)
    rows = np.unique(np.linspace(0, found.x.size - 1, min(found.x.size, _POINTS)).round().astype(int))
    blue, orange, green = COLOURS[:3]
    ax.plot(
        found.x[rows], found.y[rows], ".", color="#7f8c97", markersize=4 if rows.size < 500 else 2, label="measurements"
    )
    ax.fill_between(at, band.new_lower, band.new_upper, color=blue, alpha=0.12, linewidth=0, label="95 % of new ones")
    ax.fill_between(at, band.lower, band.upper, color=blue, alpha=0.35, linewidth=0)
    name = (
        "medians of the lines through pairs, with their band"
        if found.found.robust
        else "mean of the lines through pairs, with its band"
    )
    ax.plot(at, band.line, color=blue, label=name)
    peers: Any = (
        (found.least_squares, "least squares", {"color": orange, "linestyle": "--"}),
        (found.theil_sen, "Theil and Sen", {"color": green, "linestyle": ":"}),
    )
    for peer, label, look in peers:
        ax.plot(at, peer.slope * at + peer.intercept, linewidth=0.9, label=label, **look)
    finish(ax, x, f"log10 of {y}" if found.log_y else y)
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=3)
