"""Figure 1: moments over time, without a bias and with the one that holds the mean."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 200}

# The grid ends 6 standard deviations from the mean, beyond which there is 2e-9 of the mass.
MEAN, STD, REACH = 1.0, 1.0, 6.0
WEIGHT, T1 = -1.0, 3.0
NAMES = ("m1", "m2", "V")


def main(out: Path, cells: int = 800) -> dict[str, Number]:
    """Moves N(1, 1) by dx/dt = -x + b(t) on `cells` averages of [-5, 7] up to t = 3, where the standard deviation is that of three of 800 cells.

    Draws `figure1.png`: mean, energy and variance for b = 0, for b = +m1, and for the paper's b = -m1, each computed and exact.

    Exact: V = e^-2t each time. b = 0: m1 = e^-t, m2 = 2 e^-2t. b = -w m1 = +m1: m1 = 1, m2 = 1 + e^-2t (Proposition 3). The paper prints b = -m1(t) for its
    right plot, with w = -1: then m1' = -2 m1, and the mean is not conserved but e^-2t.
    """
    out.mkdir(parents=True, exist_ok=True)
    initial, without, corrected = set_up(cells)
    printed = kn.SimResNet(WEIGHT, lambda t: -MEAN * jnp.exp(2 * WEIGHT * t), kn.Identity())
    ts = np.linspace(0.0, T1, 49)
    means = {"b = 0": np.exp(-ts), "b = +m1": np.ones_like(ts), "b = -m1, as printed": np.exp(-2 * ts)}

    # The averages are of third order.
    coarse = max(800 / cells, 1.0) ** 3
    numbers, curves = {}, {}
    for (name, mean), net in zip(means.items(), (without, corrected, printed), strict=True):
        solution = kn.solve(kn.MeanField(net), initial, t1=T1, saveat=ts)
        predicted = np.asarray(kn.moments(net, initial, ts, 2))
        exact = np.stack([mean, np.exp(-2 * ts) + mean**2, np.exp(-2 * ts)])
        computed = np.stack(statistics(solution.distributions))
        curves[name] = computed, exact
        for which, error in zip(NAMES, np.abs(computed - exact).max(axis=1), strict=True):
            numbers[f"{name}: largest error of {which}"] = Number(error, 0.0, 1e-4 * coarse)
        # What is missing is that of the parabolas at t = 0.
        error = np.abs(predicted[:, 1:] - exact[:2].T).max()
        numbers[f"{name}: largest error of kn.moments"] = Number(error, 0.0, 1e-6 * coarse)
        numbers.update({f"{name}: {quantity}": number for quantity, number in conservation(solution).items()})
    held, lost = (curves[name][0][0, -1] for name in ("b = +m1", "b = -m1, as printed"))
    numbers["b = +m1: mean at t = 3"] = Number(held, MEAN, 1e-7)
    numbers["b = -m1, as printed: mean at t = 3, not 1"] = Number(lost, math.exp(-2 * T1), 1e-4 * coarse)
    _draw(out / "figure1.png", ts, curves)
    return numbers


def set_up(cells: int) -> tuple[kn.Density, kn.SimResNet, kn.SimResNet]:
    """N(1, 1), and the networks with w = -1 without a bias and with the one that holds the mean."""
    initial = kn.Density.gaussian(MEAN, STD, kn.Grid(MEAN - REACH, MEAN + REACH, cells))
    without = kn.SimResNet(WEIGHT, 0.0, kn.Identity())
    return initial, without, kn.SimResNet(WEIGHT, kn.mean_preserving_bias(without, initial), kn.Identity())


@jax.jit
@jax.vmap
def statistics(density: kn.Density) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean, energy and variance at each save time."""
    return density.mean, density.energy, density.variance


def _draw(path: Path, ts: np.ndarray, curves: dict[str, Any]) -> None:
    drawing, panels = plotting.figure(columns=2, panels=3, height=2.1)
    # Hollow: in the last panel mean and variance are the same.
    looks = {
        "mean $m_1$": {"color": "#0072b2", "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.8},
        "energy $m_2$": {"color": "#d55e00", "markersize": 2.5},
        "variance V": {"color": "#009e73", "markersize": 2.5},
    }
    with plotting.style():
        for ax, (name, (computed, exact)) in zip(panels, curves.items(), strict=True):
            for (label, look), found, known in zip(looks.items(), computed, exact, strict=True):
                ax.plot(ts, known, color="black", linewidth=0.6)
                ax.plot(ts[::3], found[::3], "o", label=label, **look)
            ax.set(xlabel="time t", ylim=(-0.05, 2.1), title=f"w = -1, {name}")
        panels[0].plot([], [], color="black", linewidth=0.6, label="exact")
        panels[0].set_ylabel("moment")
        panels[0].legend(loc="upper right")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
