"""Figure 7: a Gaussian contracts to a point mass."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 200}

MEAN, REACH = 1.0, 8.0  # the grid ends 8 standard deviations from the mean, beyond which there is 1e-15 of the mass
T1 = 5.0
SAVES = 21
DRAWN = [0.0, 1.0, T1]


def main(out: Path, cells: int = 400) -> dict[str, Number]:
    """Moves N(1, 1) by dx/dt = 1 - x on `cells` averages of [-7, 9].

    Draws `figure7.png`: the density at t = 0, 1, 5; the one at t = 5 from near; the variance over time.

    Exact: N(1, e^-2t). At t = 5 its standard deviation, 0.0067, is a sixth of a cell of the 400: the fixed grid has a peak there in two cells, whose
    L1 distance is reported and whose W1 distance is below a cell's width. The density itself comes from a grid that follows: at t = 1, 2, 3, 4 what
    there is moves to a grid that is narrower by the factor e, the one by which the characteristics have drawn together. (The paper's weight and
    bias have the wrong sign: w = 1, b = -1 drive away from 1.)
    """
    out.mkdir(parents=True, exist_ok=True)
    equation = kn.MeanField(kn.SimResNet(weight=-1.0, bias=MEAN, activation=kn.Identity()))
    grid = kn.Grid(MEAN - REACH, MEAN + REACH, cells)
    initial = kn.Density.gaussian(MEAN, 1.0, grid)
    solution = kn.solve(equation, initial, t1=T1, saveat=jnp.linspace(0.0, T1, SAVES))
    at_one, at_end = _statistics(solution[(SAVES - 1) // int(T1)], 1.0), _statistics(solution.final, T1)
    followed = _follow(equation, initial)
    there = [_statistics(density, float(k)) for k, density in enumerate(followed, start=1)]
    _draw(out / "figure7.png", solution, followed[-1], [float(each["variance"]) for each in there])

    coarse = max(400 / cells, 1.0) ** 3  # the averages are of third order
    return {
        "L1 distance at t = 1": Number(float(at_one["L1"]), 0.0, 2e-3 * coarse),
        "mean at t = 1": Number(float(at_one["mean"]), MEAN, 1e-12),
        "variance at t = 1": Number(float(at_one["variance"]), math.exp(-2.0), 1e-4 * coarse),
        "mean at t = 5": Number(float(at_end["mean"]), MEAN, 1e-12),
        "variance at t = 5 on the fixed grid": Number(float(at_end["variance"]), math.exp(-2 * T1)),
        "L1 distance at t = 5 on the fixed grid": Number(float(at_end["L1"]), 0.0),
        "W1 distance at t = 5 on the fixed grid": Number(float(at_end["W1"]), 0.0, float(grid.width)),
        "variance at t = 5 on the grid that follows": Number(
            float(there[-1]["variance"]), math.exp(-2 * T1), 1e-7 * coarse
        ),
        "L1 distance at t = 5 on the grid that follows": Number(float(there[-1]["L1"]), 0.0, 2e-3 * coarse),
        "mass drift on the grid that follows": Number(abs(float(followed[-1].mass - initial.mass)), 0.0, 1e-11),
        **conservation(solution),
    }


def _follow(equation: kn.MeanField, density: kn.Density) -> list[kn.Density]:
    """The density at t = 1, ..., 5 on grids that narrow with it."""
    # On fewer cells what the scheme smears reaches beyond the next grid, which must not lose mass.
    cells = max(density.grid.cells, 100)
    densities = []
    for k in range(int(T1)):
        reach = REACH * math.exp(-k)
        density = density.on(kn.Grid(MEAN - reach, MEAN + reach, cells))
        # As many save times as the solve on the fixed grid has, whose compiled program then serves here too.
        density = kn.solve(equation, density, t1=1.0, saveat=jnp.linspace(0.0, 1.0, SAVES)).final
        densities.append(density)
    return densities


@jax.jit
def _statistics(density: kn.Density, t: float) -> dict[str, Array]:
    """Mean and variance, and how far the density at time t is from the exact one."""
    exact = kn.Density.gaussian(MEAN, jnp.exp(-t), density.grid)
    return {
        "mean": density.mean,
        "variance": density.variance,
        "L1": jnp.sum(jnp.abs(density.values - exact.values)) * density.grid.width,
        "W1": kn.wasserstein(density, exact),
    }


def _draw(path: Path, solution: kn.Solution, followed: kn.Density, variances: list[float]) -> None:
    drawing, (left, middle, right) = plotting.figure(columns=2, panels=3, height=2.1)
    plotting.plot_evolution(solution, left, times=DRAWN)
    left.set_xlim(-3.0, 5.0)
    std = math.exp(-T1)
    x = np.linspace(MEAN - 9 * std, MEAN + 9 * std, 400)
    gaussian = np.exp(-0.5 * ((x - MEAN) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    fixed: dict[str, Any] = {"color": "#d55e00", "label": "fixed grid"}
    follows: dict[str, Any] = {"color": "#0072b2", "label": "grid that follows"}
    exact: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2)), "label": "exact"}
    ts = np.asarray(solution.ts)
    with plotting.style():
        for density, look in ((solution.final, fixed), (followed, follows)):
            middle.stairs(np.asarray(density.values), np.asarray(density.grid.faces), baseline=None, **look)
        middle.plot(x, gaussian, **exact)
        middle.set(xlim=(x[0], x[-1]), xlabel="x", ylabel="density g(5, x)")
        plotting.plot_moments(solution, "variance", right, log=True, ylabel="variance")
        right.lines[0].set(**fixed)
        right.plot(range(1, 6), variances, "o", markersize=3, **follows)
        right.plot(ts, np.exp(-2 * ts), **exact)
        right.legend(loc="lower left")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
