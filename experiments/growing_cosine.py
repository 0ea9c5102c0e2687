"""Growing cosine: a distribution comes to rest in four clusters, at the places and with the masses that were predicted."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 300}

# z = x - 5 has its stable zeros at +-pi/2 and +-5pi/2. At both ends of the grid the velocity points inwards; no unstable
# point is at a face of it, where the scheme could not help but share the mass rightly.
WEIGHT, BIAS = 1.0, -5.0
LOWER, UPPER = -4.3, 14.7
MEAN, STD = 6.0, 3.0
# Mass that is further than this many cells from where it goes is still on its way; when only this much is, all has settled.
NEAR, ON_ITS_WAY = 3, 2e-4
SPAN, MOST = 2.0, 20


def main(out: Path, cells: int = 800) -> dict[str, Number]:
    """Moves a Gaussian by sigma(x - 5), sigma(z) = z cos z, on `cells` averages until less than 2e-4 of the mass is on its way.

    Draws `growing_cosine.png`: where the mass is predicted to go, and where it went.

    The prediction solves nothing: the points are those of Proposition 1 (with w y + b = z, where the paper prints 0), and each stable one takes the
    mass between the two unstable ones around it. That of the Gaussian is known in closed form too.
    """
    out.mkdir(parents=True, exist_ok=True)
    net = kn.SimResNet(WEIGHT, BIAS, kn.GrowingCosine())
    grid = kn.Grid(LOWER, UPPER, cells)
    gaussian = kn.Density.gaussian(MEAN, STD, grid)
    # The grid ends within three standard deviations: what is on it counts as all.
    initial = kn.Density(grid, gaussian.values / gaussian.mass)
    states = kn.steady_states(net, initial, lower=LOWER, upper=UPPER)
    assert states.masses is not None and states.basins is not None and states.escaping is not None
    stable, unstable = states.points[states.stable], states.points[~states.stable]
    predicted, edges = states.masses[states.stable], states.basins[states.stable]

    solution, time = _settle(kn.MeanField(net), initial, stable)
    places, masses = _clusters(solution.final, edges)
    dx = float(grid.width)
    near = np.array([_between(solution.final, x - NEAR * dx, x + NEAR * dx) for x in stable])
    left = [_between(solution.final, x - NEAR * dx, x + NEAR * dx) for x in unstable]
    _draw(out / "growing_cosine.png", initial, states, places, near)

    below = norm.cdf(np.clip(edges, LOWER, UPPER), MEAN, STD)
    exact = (below[:, 1] - below[:, 0]) / (norm.cdf(UPPER, MEAN, STD) - norm.cdf(LOWER, MEAN, STD))
    numbers = {"stable points in the box, at least four": Number(float(stable.size), 4.0, 0.0, at_least=True)}
    for k, x in enumerate(stable):
        numbers[f"place of cluster {k + 1}, within a cell"] = Number(float(places[k]), float(x), dx)
    for k, mass in enumerate(exact):
        numbers[f"predicted mass of cluster {k + 1}, against the closed form"] = Number(float(predicted[k]), mass, 1e-6)
    for k, mass in enumerate(predicted):
        numbers[f"mass within {NEAR} cells of cluster {k + 1}"] = Number(float(near[k]), float(mass), 1e-3)
    for x, mass in zip(unstable, left, strict=True):
        numbers[f"mass within {NEAR} cells of the unstable point at {x:.4g}"] = Number(mass, 0.0, 1e-3)
    numbers["predicted masses and what leaves, their sum"] = Number(
        float(states.masses.sum() + states.escaping.sum()), 1.0, 1e-12
    )
    numbers["mass that crossed an unstable point"] = Number(float(np.abs(masses - predicted).max()), 0.0, 1e-3)
    numbers["time after which all had settled"] = Number(time)
    return {**numbers, **conservation(solution)}


def _settle(equation: kn.MeanField, density: kn.Density, stable: np.ndarray) -> tuple[kn.Solution, float]:
    """The solve in spans of time until next to nothing is on its way to a stable point; what the last span began with is saved too."""
    reach = NEAR * float(density.grid.width)
    solution = None
    for k in range(MOST):
        solution = kn.solve(equation, density, t1=SPAN, saveat=jnp.array([0.0, SPAN]))
        density = solution.final
        if 1 - sum(_between(density, x - reach, x + reach) for x in stable) < ON_ITS_WAY:
            return solution, (k + 1) * SPAN
    assert solution is not None
    return solution, MOST * SPAN


def _between(density: kn.Density, low: float, high: float) -> float:
    below = density.cdf(jnp.array([low, high])) * density.mass
    return float(below[1] - below[0])


def _clusters(density: kn.Density, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mass of what is between each two of the edges."""
    averages, x = np.asarray(density.values), np.asarray(density.grid.centers)
    masses = np.array([_between(density, low, high) for low, high in edges])
    inside = (x > edges[:, :1]) & (x < edges[:, 1:])
    return (inside * averages) @ x / (inside @ averages), masses


def _draw(path: Path, initial: kn.Density, states: kn.SteadyStates, places: np.ndarray, masses: np.ndarray) -> None:
    assert states.masses is not None
    drawing, (ax,) = plotting.figure(columns=1, height=2.6)
    stable = states.stable
    start: dict[str, Any] = {"color": "0.85", "label": "density g(0, x), scaled"}
    with plotting.style():
        values = np.asarray(initial.values)
        ax.stairs(0.9 * masses.max() * values / values.max(), np.asarray(initial.grid.faces), fill=True, **start)
        for k, x in enumerate(states.points[~stable]):
            look: dict[str, Any] = {"color": "0.5", "linewidth": 0.7, "linestyle": (0, (2, 2))}
            ax.axvline(x, **look, label=None if k else "unstable point")
        ax.vlines(places, 0.0, masses, color="#0072b2", linewidth=1.4)
        ax.plot(places, masses, "o", color="#0072b2", markersize=3.5, label="solved")
        ax.plot(
            states.points[stable],
            states.masses[stable],
            "o",
            color="black",
            markersize=8,
            fillstyle="none",
            markeredgewidth=0.8,
            label="predicted",
        )
        for x, mass in zip(states.points[stable], states.masses[stable], strict=True):
            ax.annotate(f"{mass:.3f}", (x, mass), (0, 6), textcoords="offset points", ha="center", fontsize=7)
        ax.set_xlabel("x")
        ax.set_ylabel("mass of the cluster")
        ax.set_ylim(0.0, 1.2 * masses.max())
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=2)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
