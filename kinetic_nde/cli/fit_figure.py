"""The picture of `kinetic-nde fit`."""

import numpy as np
from matplotlib.figure import Figure

from ..plotting import figure, plot_evolution, plot_histogram, style
from ..plotting.histogram import bin_count
from ..plotting.style import COLOURS
from .fit import Fitted
from .words import label_of

_TALLEST = 1.5  # of the densities, in units of the highest bar: they may be infinite at 0


def draw(found: Fitted, column: str) -> Figure:
    """The measurements with the fitted steady state, and the way of a uniform distribution to it. Both densities are those
    within the interval that is drawn, of area 1."""
    drawing, (left, right) = figure(columns=2, panels=2, height=2.8)
    name = found.fit.family.name
    shown = found.shown
    with style():
        plot_histogram(
            shown, found.steady, left, xlabel=label_of(column), labels=("measurements", f"{name}, steady state")
        )
        bars = float(np.max(np.histogram(shown, bins=bin_count(shown), density=True)[0]))
        uniform = 1.0 / (found.uniform[1] - found.uniform[0])
        steady = min(float(np.max(found.steady.values)), _TALLEST * max(bars, uniform))
        left.set_ylim(0.0, 1.05 * max(bars, steady))
        left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
        plot_evolution(found.solution, right, xlabel=label_of(column))
        faces = np.asarray(found.steady.grid.faces)
        look = {"color": COLOURS[1], "linestyle": "--", "linewidth": 0.9, "label": "steady state"}
        right.stairs(np.asarray(found.steady.values), faces, baseline=None, **look)
        right.set_ylim(top=min(right.get_ylim()[1], 1.05 * max(uniform, steady)))
        right.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=3)
        beyond = found.values.size - shown.size
        if beyond:
            left.set_title(f"{beyond} beyond", loc="right", fontsize=7)
    return drawing
