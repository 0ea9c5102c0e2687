"""Figure 2: how long it takes until energy and variance are down to a level."""

import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .figure1 import MEAN, REACH, set_up, statistics
from .numbers import Number

QUICK = {"cells": 200}

T1 = 2.0
LEVELS = np.linspace(0.075, 1.925, 38)  # the energy that is not reached, m1^2, is none of them
LIMIT = MEAN**2  # of the energy where the mean is held
FINE = np.sort(
    np.append(np.linspace(0.0125, 2.0, 160), LIMIT + np.geomspace(1e-3, 1e-2, 8))
)  # of the curves, and of their bend at the limit


def main(out: Path, cells: int = 800) -> dict[str, Number]:
    """Moves N(1, 1) by dx/dt = -x + b on `cells` averages of [-5, 7], for b = 0 and for the b = +m1 that holds the mean, and looks after each step
    whether energy and variance are down to levels between 0.075 and 1.925.

    Draws `figure2.png`: the times against the levels, those of the solver on those of Corollary 2 (`kn.time_to_variance`, `kn.time_to_energy`), and the
    level m1^2, to which the energy falls for b = +m1 without reaching it.

    Exact: V = e^-2t; the energy is 2 e^-2t for b = 0 and 1 + e^-2t for b = +m1, which never comes down to m1^2 = 1. The times of the solver are to be
    within one step of these.
    """
    out.mkdir(parents=True, exist_ok=True)
    initial, without, held = set_up(cells)
    # Steps as long as the solver's own, for the speed 7 at the upper end: each ends at a save time.
    steps = math.ceil(T1 * (MEAN + REACH) / (0.45 * float(initial.grid.width)))
    ts = np.linspace(0.0, T1, steps + 1)

    numbers, curves = {}, {}
    for name, net in (("b = 0", without), ("b = +m1", held)):
        solution = kn.solve(kn.MeanField(net), initial, t1=T1, saveat=ts)
        numbers[f"{name}: steps per save time"] = Number(float(solution.stats["steps"]) / steps, 1.0, 0.0)
        _, energy, variance = statistics(solution.distributions)
        quantities = ("variance", kn.time_to_variance, variance), ("energy", kn.time_to_energy, energy)
        for which, predict, values in quantities:
            computed = np.array([_first(ts, np.asarray(values), level) for level in LEVELS])
            exact = np.array([predict(net, initial, level) for level in LEVELS])
            curves[name, which] = computed, np.array([predict(net, initial, level) for level in FINE])
            never = np.isinf(exact)
            apart = np.abs(computed[~never] - exact[~never]).max() / (T1 / steps)
            numbers[f"{name}: largest difference for the {which}, in time steps"] = Number(apart, 0.0, 1.0)
            agreed = float(np.sum(np.isinf(computed) == never))
            numbers[f"{name}: levels of the {which} that are reached or not, as predicted"] = Number(
                agreed, float(LEVELS.size), 0.0
            )
    _draw(out / "figure2.png", curves)
    return numbers


def _first(ts: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first time at which values on a straight line from step to step are down to the level."""
    below = np.flatnonzero(values <= level)
    if not below.size:
        return math.inf
    k = below[0]
    if k == 0:
        return 0.0
    return float(ts[k - 1] + (ts[k] - ts[k - 1]) * (values[k - 1] - level) / (values[k - 1] - values[k]))


def _draw(path: Path, curves: dict[Any, Any]) -> None:
    drawing, panels = plotting.figure(columns=2, panels=2)
    with plotting.style():
        for ax, case in zip(panels, ("b = 0", "b = +m1"), strict=True):
            for which, colour in (("variance", "#009e73"), ("energy", "#d55e00")):
                computed, exact = curves[case, which]
                ax.plot(FINE, np.where(np.isinf(exact), np.nan, exact), color="black", linewidth=0.6)
                ax.plot(LEVELS, computed, "o", color=colour, markersize=2.5, label=f"{which}, solver")
            ax.set(xlabel="level", title=f"w = -1, {case}", ylim=(-0.05, T1))
        panels[1].axvline(LIMIT, color="0.5", linewidth=0.6, linestyle=(0, (4, 3)))
        panels[1].text(LIMIT - 0.03, 0.97 * T1, "$m_1^2$", color="0.4", fontsize=7, ha="right", va="top")
        panels[0].plot([], [], color="black", linewidth=0.6, label="Corollary 2")
        panels[0].set_ylabel("time to the level")
        panels[0].legend(loc="upper right")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
