"""Densities in the plane that stay as they are and are no sums of point masses: what a rotation, a shear and ReLU leave at rest."""

import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from scipy.stats import norm

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.heat import Scale, colour_bar, draw_map

from .numbers import Number, conservation, distance

QUICK = {"sizes": (32, 48)}

REACH = 4.0  # the grid is [-4, 4] x [-4, 4]
ROTATION, SHEAR = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
TURN = 2 * math.pi
RADIUS, THICKNESS = 1.7, 0.45  # of the ring
MEAN, COVARIANCE = np.array([1.2, 0.0]), np.array([[0.4, 0.15], [0.15, 0.3]])
BAND, SHEARED = 0.2, 1.0  # the standard deviation along y of what is constant along x, and the time of the shear
# The start of ReLU, and a time by which all that moves is next to where it comes to rest.
PLACE, STDS, AT_REST = np.array([0.5, -0.3]), np.array([1.0, 0.9]), 12.0


def main(out: Path, sizes: tuple[int, ...] = (64, 128, 256)) -> dict[str, Number]:
    """Turns a ring and a Gaussian, shears a Gaussian and what is constant along x, and lets ReLU with w = -1, b = 0 act on a Gaussian; the rotation on
    several grids of `sizes` cells a side, the others on the last but one.

    Draws `steady_plane.png`: the ring and the Gaussian on their way round, the shear, and what ReLU leaves.

    Exact: the rotation keeps every density of |x|, and after a turn it brings back any other; it and the shear take N(m, S) to N(E m, E S E^T), E = 1 + t w for
    the shear. What is constant along x stays where nothing comes from the ends; there the mass t E|y| / 8 leaves. ReLU lets nothing move that is
    above 0 in a component, and takes the rest of that component to 0: all that ends there is a density on a quadrant, one on each
    of two half lines, and a point mass.
    """
    out.mkdir(parents=True, exist_ok=True)
    cells = sizes[-2]
    turned = [_solve(ROTATION, _ring(_grid(n)), TURN) for n in sizes]
    gaussian = kn.Density.gaussian(MEAN, COVARIANCE, _grid(cells))
    swung, sheared = _solve(ROTATION, gaussian, TURN), _solve(SHEAR, gaussian, SHEARED)
    band = _solve(SHEAR, _constant_along_x(_grid(cells)), SHEARED)
    stopped = _solve(-np.eye(2), kn.Density.gaussian(PLACE, STDS, _grid(cells)), AT_REST, kn.ReLU())
    _draw(out / "steady_plane.png", turned[-1], swung, sheared, stopped)

    return {
        **_turning(turned, swung, sizes),
        **_shearing(sheared, band),
        **_stopping(stopped),
        **{
            f"{name}: {key}": number
            for name, solution in (("ring", turned[-1]), ("constant along x", band), ("ReLU", stopped))
            for key, number in conservation(solution).items()
        },
    }


def _grid(cells: int) -> kn.Grid:
    return kn.Grid((-REACH, -REACH), (REACH, REACH), (cells, cells))


def _solve(weight: np.ndarray, start: kn.Density, t1: float, activation: Any = kn.Identity()) -> kn.Solution:
    """At t = 0, t1 / 4 and t1."""
    return kn.solve(kn.MeanField(_net(weight, activation)), start, t1=t1, saveat=jnp.array([0.0, 0.25 * t1, t1]))


def _net(weight: np.ndarray, activation: Any = kn.Identity()) -> kn.SimResNet:
    return kn.SimResNet(weight, np.zeros(2), activation)


def _ring(grid: kn.Grid) -> kn.Density:
    def ring(x: Array) -> Array:
        return jnp.exp(-0.5 * ((jnp.sqrt(jnp.sum(x**2)) - RADIUS) / THICKNESS) ** 2)

    return kn.Density.from_function(ring, grid, normalize=True)


def _constant_along_x(grid: kn.Grid) -> kn.Density:
    along_y = kn.Density.gaussian(0.0, BAND, grid.axes[1]).values
    return kn.Density(grid, np.tile(np.asarray(along_y) / (2 * REACH), (grid.shape[0], 1)))


def _turning(rings: list[kn.Solution], swung: kn.Solution, sizes: tuple[int, ...]) -> dict[str, Number]:
    apart = [distance(ring.final, ring[0]) for ring in rings]
    coarse = max(256 / sizes[-1], 1.0) ** 3
    numbers = {
        f"rotation: L1 distance of the ring from itself after a turn, {n} cells a side": Number(each, 0.0)
        for n, each in zip(sizes, apart, strict=True)
    }
    last = f"rotation: L1 distance of the ring from itself after a turn, {sizes[-1]} cells a side"
    numbers[last] = Number(apart[-1], 0.0, 1e-3 * coarse)
    order = -float(np.polyfit(np.log(sizes), np.log(apart), 1)[0])
    numbers["rotation: order of that"] = Number(order, 3.0, 0.4 if len(sizes) > 2 else None)
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    for row, name, matrix in ((1, "a quarter of a turn", quarter), (2, "a turn", np.eye(2))):
        numbers |= _gaussian(f"rotation: Gaussian after {name}", swung[row], matrix)
    start, there = swung[0], swung[1]
    numbers["rotation: L1 distance of that Gaussian from itself after a quarter of a turn"] = Number(
        distance(there, start), 1.0, 0.0, at_least=True
    )
    return numbers


def _shearing(sheared: kn.Solution, band: kn.Solution) -> dict[str, Number]:
    grid = band.final.grid
    coarse = max(256 / grid.shape[0], 1.0) ** 3
    values = np.asarray(band.distributions.values)
    # What seven standard deviations of y come in from the ends, and as much again.
    middle = np.abs(np.asarray(grid.axes[0].centers)) < REACH - 14 * BAND * SHEARED
    moved = np.abs(values[-1] - values[0])[middle].max() / values[0].max()
    return {
        **_gaussian("shear: Gaussian", sheared.final, np.eye(2) + SHEARED * SHEAR),
        "shear: change of what is constant along x, in the middle, over its largest value": Number(
            float(moved), 0.0, 1e-12 if coarse <= 8 else 1e-6
        ),
        "shear: mass of it that leaves at the ends": Number(
            float(band.stats["mass_lost"]), SHEARED * BAND * math.sqrt(2 / math.pi) / (2 * REACH), 1e-5 * coarse
        ),
    }


def _gaussian(name: str, density: kn.Density, matrix: np.ndarray) -> dict[str, Number]:
    """How far a density is from that of the start which the matrix has moved."""
    exact = kn.Density.gaussian(matrix @ MEAN, matrix @ COVARIANCE @ matrix.T, density.grid)
    coarse = max(256 / density.grid.shape[0], 1.0) ** 3
    return {f"{name}, L1 distance to the exact one": Number(distance(density, exact), 0.0, 1e-3 * coarse)}


def _stopping(solution: kn.Solution) -> dict[str, Number]:
    """Against what the closed form has in each cell at t = infinity; 0 is a face."""
    grid, half = solution.final.grid, solution.final.grid.shape[0] // 2
    masses = np.asarray(solution.distributions.values) * float(grid.volume)
    along = []
    for axis, line in enumerate(grid.axes):
        mass = np.diff(norm.cdf(np.asarray(line.faces), PLACE[axis], STDS[axis]))
        # The cell below 0 has all that was below.
        along.append(np.concatenate([np.zeros(half - 1), [mass[:half].sum()], mass[half:]]))
    exact = np.outer(along[0], along[1])
    frozen = np.abs(masses[-1] - masses[0])[half:, half:].max() / masses[0].max()
    last = masses[-1]
    return {
        "ReLU: change of the density where both components are above 0, over its largest value": Number(
            frozen, 0.0, 1e-12
        ),
        "ReLU: mass there": Number(last[half:, half:].sum(), exact[half:, half:].sum(), 1e-6),
        "ReLU: mass on the half line x = 0": Number(last[half - 1, half:].sum(), exact[half - 1, half:].sum(), 1e-4),
        "ReLU: mass on the half line y = 0": Number(last[half:, half - 1].sum(), exact[half:, half - 1].sum(), 1e-4),
        "ReLU: mass of the point at the corner": Number(
            last[half - 1, half - 1], float(exact[half - 1, half - 1]), 1e-4
        ),
        "ReLU: L1 distance to all that ends there": Number(np.abs(last - exact).sum(), 0.0, 1e-3),
    }


def _draw(path: Path, ring: kn.Solution, swung: kn.Solution, sheared: kn.Solution, stopped: kn.Solution) -> None:
    panels = (
        (ring[0], _net(ROTATION), "ring"),
        (ring.final, _net(ROTATION), "the same after a turn"),
        (swung[1], _net(ROTATION), "Gaussian, a quarter turned"),
        (sheared.final, _net(SHEAR), "Gaussian, sheared"),
        (stopped[0], _net(-np.eye(2), kn.ReLU()), "ReLU, t = 0"),
    )
    with plotting.style():
        drawing, axes = plt.subplots(2, 3, figsize=(7.0, 4.3), layout="constrained")
        for ax, (density, net, title) in zip(axes.flat, panels, strict=False):
            plotting.plot_density(
                density, ax, marginals=False, contours=(), label="density" if ax is axes[0, 2] else ""
            )
            plotting.plot_field(net, ax, arrows=9)
            ax.set(title=title, aspect="equal")
        _draw_rest(axes[1, 2], stopped.final)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


def _draw_rest(ax: Axes, density: kn.Density) -> None:
    """The four parts of what ReLU leaves, with the mass of each: lines and a point would be invisible without logarithms."""
    averages, x, y = (np.asarray(each) for each in (density.values, *density.grid.faces))
    scale = Scale(averages[None], log=True, clip=False)
    colour_bar(ax, draw_map(ax, (x, y), averages, scale), scale, 0.08, "density")
    last, half = averages * float(density.grid.volume), density.grid.shape[0] // 2
    parts = (
        ((0.4, 0.7), last[half:, half:], "left"),
        ((-0.25, 1.3), last[half - 1, half:], "right"),
        ((1.0, -0.7), last[half:, half - 1], "left"),
        ((-0.25, -0.7), last[half - 1, half - 1], "right"),
    )
    for place, masses, side in parts:
        ax.annotate(f"{masses.sum():.2f}", place, ha=side, fontsize=7)
    ax.annotate("numbers: masses", (-3.8, -3.7), fontsize=6)
    ax.set(xlabel="x", ylabel="y", title="ReLU, all at rest", aspect="equal")
