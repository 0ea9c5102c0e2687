"""Figure 4: the distribution of very many vehicles turns into two point masses."""

from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 200}

LOWER, MIDDLE, UPPER = 2.0, 5.0, 8.0
T1 = 12.0
DRAWN = [0.0, 0.5, 1.0, 2.0, 4.0, T1]


def main(out: Path, cells: int = 600) -> dict[str, Number]:
    """Moves the uniform distribution on [2, 8] by tanh(x - 5) between walls at 2 and 8, on `cells` averages.

    Draws `figure4.png`: the density at several times, and the mass in the last cell over time.

    Exact, by the flow map sinh z_t = e^t sinh z_0 of z = x - 5: the mass below x < 8 at time t is that which started below
    5 + asinh(e^-t sinh(x - 5)), and the rest is in the wall. At t = 12 all but 2e-5 of the mass has reached a wall, and 600 cells have 0.49999 in each
    of the two outer ones (stated for the paper's figure).
    """
    out.mkdir(parents=True, exist_ok=True)
    equation = kn.MeanField(kn.SimResNet(weight=1.0, bias=-MIDDLE, activation=kn.Tanh()), walls=(LOWER, UPPER))
    grid = kn.Grid(LOWER, UPPER, cells)
    # Every quarter, which the times that are drawn are among.
    solution = kn.solve(equation, kn.Density.uniform(LOWER, UPPER, grid), t1=T1, saveat=jnp.linspace(0.0, T1, 49))

    masses = np.asarray(solution.distributions.values) * float(grid.width)
    exact = np.stack([exact_masses(np.asarray(grid.faces), t) for t in np.asarray(solution.ts)])
    _draw(out / "figure4.png", solution, masses[:, -1], exact[:, -1])

    numbers = {
        "mass in the first cell at t = 12": Number(masses[-1, 0], exact[-1, 0], 1e-4),
        "mass in the last cell at t = 12": Number(masses[-1, -1], exact[-1, -1], 1e-4),
    }
    if cells == 600:
        numbers["mass in the first cell at t = 12, as stated"] = Number(masses[-1, 0], 0.49999, 1e-4)
        numbers["mass in the last cell at t = 12, as stated"] = Number(masses[-1, -1], 0.49999, 1e-4)
    # The averages are of third order.
    coarse = max(600 / cells, 1.0) ** 3
    for t in DRAWN[1:-1]:
        row = int(np.argmin(np.abs(np.asarray(solution.ts) - t)))
        distance = np.sum(np.abs(masses[row] - exact[row]))
        numbers[f"L1 distance to the exact averages at t = {t:g}"] = Number(distance, 0.0, 1e-4 * coarse)
    return {**numbers, **conservation(solution)}


def exact_masses(faces: np.ndarray, t: float) -> np.ndarray:
    """The mass of each cell between `faces` at time t, with that in the walls."""
    start = MIDDLE + np.arcsinh(np.exp(-t) * np.sinh(faces - MIDDLE))
    below = (start - LOWER) / (UPPER - LOWER)
    below[0], below[-1] = 0.0, 1.0
    return np.diff(below)


def _draw(path: Path, solution: kn.Solution, computed: np.ndarray, exact: np.ndarray) -> None:
    drawing, (left, right) = plotting.figure(columns=2, panels=2)
    plotting.plot_evolution(solution, left, times=DRAWN)
    with plotting.style():
        right.plot(solution.ts, exact, color="black", linewidth=0.8, label="exact")
        right.plot(solution.ts, computed, "o", color="#0072b2", markersize=2.5, label="computed")
        right.set_xlabel("time t")
        right.set_ylabel("mass in the last cell")
        right.legend(loc="lower right")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
