"""Figure 3 and Table 1: 50 vehicles, classified by their length."""

import csv
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 200}

LOWER, MIDDLE, UPPER = 2.0, 5.0, 8.0  # lengths: a car's, the threshold -b/w, a truck's
T1 = 12.0


def main(out: Path, cells: int = 600, vehicles: int = 50, seed: int = 1) -> dict[str, Number]:
    """Moves `vehicles` lengths, uniform on [2, 8], by dx/dt = tanh(x - 5) between walls at 2 and 8, as particles and as a density of `cells` averages.

    Draws `figure3.png`: the histogram with its kernel density, and the trajectories. Writes `table1.csv`: a row per vehicle with its length, its class
    by the wall that it has reached, and that wall.

    Exact: what starts above 5 goes to 8 and what starts below goes to 2 (section 4.2.1); on the way sinh(x - 5) grows like e^t, up to the wall.
    """
    out.mkdir(parents=True, exist_ok=True)
    # To the centimetre, as one measures: the table then holds the numbers that were used.
    lengths = np.random.default_rng(seed).uniform(LOWER, UPPER, vehicles).round(2)
    equation = kn.MeanField(kn.SimResNet(weight=1.0, bias=-MIDDLE, activation=kn.Tanh()), walls=(LOWER, UPPER))
    particles = kn.solve(equation, kn.Ensemble(lengths), t1=T1, saveat=jnp.linspace(0.0, T1, 121))
    g0 = kn.Density.from_samples(lengths, kn.Grid(LOWER, UPPER, cells))
    density = kn.solve(equation, g0, t1=T1, saveat=jnp.linspace(0.0, T1, 49))

    walls = np.asarray(particles.final.samples)
    truck = walls > MIDDLE
    _write_table(out / "table1.csv", lengths, truck, walls)
    _draw(out / "figure3.png", lengths, g0, particles)

    grown = np.exp(np.asarray(particles.ts))[:, None] * np.sinh(lengths - MIDDLE)
    paths = np.clip(MIDDLE + np.arcsinh(grown), LOWER, UPPER)
    error = np.abs(np.asarray(particles.distributions.samples) - paths).max()
    return {
        "vehicles that end at 8": Number(float(np.sum(walls == UPPER)), float(np.sum(lengths > MIDDLE)), 0.0),
        "vehicles that end at 2": Number(float(np.sum(walls == LOWER)), float(np.sum(lengths < MIDDLE)), 0.0),
        "vehicles not in the class of their side of 5": Number(float(np.sum(truck != (lengths > MIDDLE))), 0.0, 0.0),
        "largest error of a trajectory": Number(float(error), 0.0, 1e-5),
        "mass of the density above 5 at t = 12": Number(float(_above(density.final)), float(_above(g0)), 1e-6),
        **conservation(density),
    }


@jax.jit
def _above(density: kn.Density) -> Array:
    """The share of the mass above 5, which nothing crosses."""
    return 1 - density.cdf(MIDDLE)


def _write_table(path: Path, lengths: np.ndarray, truck: np.ndarray, walls: np.ndarray) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["length", "class", "wall"])
        for length, is_truck, wall in zip(lengths, truck, walls, strict=True):
            rows.writerow([f"{length:.2f}", "truck" if is_truck else "car", f"{wall:g}"])


def _draw(path: Path, lengths: np.ndarray, g0: kn.Density, particles: kn.Solution) -> None:
    drawing, (left, right) = plotting.figure(columns=2, panels=2)
    plotting.plot_histogram(lengths, g0, left, bins=np.linspace(LOWER, UPPER, 13), xlabel="length x")
    plotting.plot_trajectories(particles, right, ylabel="length x(t)")
    # The threshold between the classes.
    right.axhline(MIDDLE, color="0.6", linewidth=0.6, linestyle=(0, (4, 3)))
    for wall, name in ((LOWER, "car"), (UPPER, "truck")):
        right.annotate(
            name, (T1, wall), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8, annotation_clip=False
        )
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
