"""Coupled tanh layers in the plane: to one point, to two corners, and round a centre that attracts or repels."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 48, "particles": 150}

REACH = 4.0  # the box is [-4, 4] x [-4, 4], with walls
SAVES = 41
FRAMES = slice(0, 24, 2)  # of the film: later there is little but two points
NEAR = 3  # cells, within which mass has arrived
WALLS = ((-REACH, REACH), (-REACH, REACH))


class Layer(NamedTuple):
    """A tanh layer, the Gaussian that it is given and how long it acts."""

    weight: np.ndarray
    bias: np.ndarray
    mean: tuple[float, float]
    spread: tuple[float, float] | np.ndarray  # standard deviations, or a covariance
    t1: float

    @property
    def net(self) -> kn.SimResNet:
        return kn.SimResNet(self.weight, self.bias, kn.Tanh())


CENTRE = np.array([[1.0, -3.0], [1.0, -1.0]])  # eigenvalues +-1.41i
GATHERS = Layer(np.array([[-0.8, -1.2], [1.0, -0.9]]), np.array([0.2, -1.4]), (-1.0, 1.0), (0.6, 0.6), 10.0)
# Where it reaches a wall the walls do not change to which of the two corners a particle goes.
DIVIDES = Layer(np.array([[0.5, 1.2], [0.9, 0.3]]), np.array([0.2, -0.3]), (0.3, 0.2), (0.9, 0.7), 10.0)
# Round in the coordinates in which w is a rotation near 0: what changes is not that.
ROUND = np.array([[0.75, 0.25], [0.25, 0.25]])
DRAWS_IN = Layer(CENTRE, np.zeros(2), (0.0, 0.0), ROUND, 3.0)
LETS_GO = Layer(-CENTRE, np.zeros(2), (0.0, 0.0), ROUND, 2.0)


class Run(NamedTuple):
    """The same layer on a density and on particles without walls, of which each stands for the mass of its cell."""

    solution: kn.Solution
    places: np.ndarray
    masses: np.ndarray

    @property
    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """int |x|^2 g over time, from the density and from the particles."""
        found = jax.vmap(lambda density: density.energy)(self.solution.distributions)
        return np.asarray(found), np.sum(self.places**2, axis=2) @ self.masses


def main(out: Path, cells: int = 160, particles: int = 200) -> dict[str, Number]:
    """Moves Gaussians by four tanh layers between walls at -4 and 4, on `cells` x `cells` averages, and `particles` x `particles` particles of the same start.

    Draws `coupled_tanh.png`: a layer that gathers all at its steady state; one that divides all between two corners, along the curve through its
    saddle; the energy over time of the layers w = [[1, -3], [1, -1]] and -w. And `coupled_tanh.gif`, the layer that divides.

    Exact: the steady state is -w^-1 b, the only zero of tanh being 0. Of the layer that divides it is a saddle, and the two corners, which are
    attracting because of the walls, take the masses of their basins, known from where characteristics go. Both eigenvalues of w and of -w have real part 0 at
    the steady state 0, which says nothing: w attracts and -w repels, the density as the particles.
    """
    out.mkdir(parents=True, exist_ok=True)
    gathers, divides, draws_in, lets_go = (
        _run(layer, cells, particles) for layer in (GATHERS, DIVIDES, DRAWS_IN, LETS_GO)
    )
    _draw(out / "coupled_tanh.png", gathers, divides, draws_in, lets_go)
    early = jax.tree.map(lambda leaf: leaf[FRAMES], (divides.solution.ts, divides.solution.distributions))
    film = dataclasses.replace(divides.solution, ts=early[0], distributions=early[1])
    plotting.animate(film, out / "coupled_tanh.gif", fps=4.0)
    return {
        **_gathered(gathers),
        **_divided(divides),
        **_around_a_centre(draws_in, lets_go),
        **{
            f"{name}: {key}": number
            for name, run in (
                ("gathers", gathers),
                ("divides", divides),
                ("centre, w", draws_in),
                ("centre, -w", lets_go),
            )
            for key, number in conservation(run.solution).items()
        },
    }


def _run(layer: Layer, cells: int, particles: int) -> Run:
    times = jnp.linspace(0.0, layer.t1, SAVES)
    fine = _start(layer, particles)
    cloud = kn.Ensemble(fine.grid.centers.reshape(-1, 2))
    moved = kn.solve(kn.MeanField(layer.net), cloud, t1=layer.t1, saveat=times)
    solution = kn.solve(kn.MeanField(layer.net, WALLS), _start(layer, cells), t1=layer.t1, saveat=times)
    masses = np.asarray(fine.values).reshape(-1) * float(fine.grid.volume)
    return Run(solution, np.asarray(moved.distributions.samples), masses)


def _start(layer: Layer, cells: int) -> kn.Density:
    return kn.Density.gaussian(layer.mean, layer.spread, kn.Grid((-REACH, -REACH), (REACH, REACH), (cells, cells)))


def _steady_states(layer: Layer) -> kn.SteadyStates:
    return kn.steady_states(layer.net, lower=(-REACH, -REACH), upper=(REACH, REACH))


def _near(density: kn.Density, place: np.ndarray) -> float:
    """The mass of the cells whose centres are within NEAR cells of a place along both axes."""
    away = np.abs(np.asarray(density.grid.centers) - place) / np.asarray(density.grid.width)
    return float(np.sum(np.asarray(density.values)[(away <= NEAR).all(axis=-1)]) * np.asarray(density.grid.volume))


def _gathered(run: Run) -> dict[str, Number]:
    states, final = _steady_states(GATHERS), run.solution.final
    place = -np.linalg.solve(GATHERS.weight, GATHERS.bias)
    width = float(final.grid.width[0])
    numbers = {"gathers: stable steady states in the box": Number(float(states.stable.sum()), 1.0, 0.0)}
    for axis, name in enumerate("xy"):
        numbers[f"gathers: {name} of the steady state"] = Number(float(states.points[0, axis]), place[axis], 1e-9)
        numbers[f"gathers: mean of {name} at t = {GATHERS.t1:g}, within half a cell"] = Number(
            float(final.mean[axis]), place[axis], 0.5 * width
        )
    numbers[f"gathers: mass within {NEAR} cells of it at t = {GATHERS.t1:g}"] = Number(
        _near(final, place), float(run.solution[0].mass), 1e-3
    )
    apart = np.abs(run.places[-1] - place).max(axis=1)
    numbers["gathers: share of the particles within a cell of it"] = Number(
        float(run.masses[apart < width].sum()), float(run.masses.sum()), 1e-3
    )
    return numbers


def _divided(run: Run) -> dict[str, Number]:
    states, final = _steady_states(DIVIDES), run.solution.final
    upper = run.places[-1].sum(axis=1) > 0
    numbers = {
        "divides: unstable steady states in the box": Number(float((states.stability == "unstable").sum()), 1.0, 0.0)
    }
    for name, corner, basin in (("upper", REACH, upper), ("lower", -REACH, ~upper)):
        numbers[f"divides: mass within {NEAR} cells of the {name} corner, against particles"] = Number(
            _near(final, np.full(2, corner)), float(run.masses[basin].sum()), 2e-3
        )
    return numbers


def _around_a_centre(draws_in: Run, lets_go: Run) -> dict[str, Number]:
    coarse = max(128 / draws_in.solution.final.grid.shape[0], 1.0) ** 3
    numbers = {}
    for name, run, layer in (("w", draws_in, DRAWS_IN), ("-w", lets_go, LETS_GO)):
        states = _steady_states(layer)
        numbers[f"centre, {name}: undecided steady states"] = Number(
            float((states.stability == "undecided").sum()), 1.0, 0.0
        )
        density, cloud = (each / each[0] for each in run.energies)
        numbers[f"centre, {name}: energy at t = {layer.t1:g} over that at the start, against particles"] = Number(
            density[-1], cloud[-1], 0.01 * coarse * cloud[-1]
        )
    return numbers


def _draw(path: Path, gathers: Run, divides: Run, draws_in: Run, lets_go: Run) -> None:
    with plotting.style():
        drawing, axes = plt.subplots(2, 3, figsize=(7.0, 4.3), layout="constrained")
        rows = (("gathers", axes[0], gathers, GATHERS, 6), ("divides", axes[1], divides, DIVIDES, 10))
        for name, row, run, layer, later in rows:
            for ax, k in zip(row[:2], (0, later), strict=True):
                plotting.plot_density(run.solution[k], ax, marginals=False, contours=(), label="")
                plotting.plot_field(layer.net, ax, arrows=9, states=_steady_states(layer))
                ax.set(title=f"{name}, t = {float(run.solution.ts[k]):g}", aspect="equal")
        # Where a particle starts, and to which corner it goes.
        count = round(len(divides.masses) ** 0.5)
        x, y = divides.places[0].reshape(count, count, 2).transpose(2, 0, 1)
        upper = (divides.places[-1].sum(axis=1) > 0).reshape(count, count)
        axes[1, 0].contour(x, y, upper, levels=[0.5], colors=plotting.COLOURS[0], linewidths=1.0)
        plotting.plot_density(divides.solution.final, axes[1, 2], marginals=False, contours=(), label="density")
        axes[1, 2].set(title=f"divides, t = {DIVIDES.t1:g}", aspect="equal")
        _draw_energies(axes[0, 2], draws_in, lets_go)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


def _draw_energies(ax: Axes, draws_in: Run, lets_go: Run) -> None:
    for name, run, colour in (("w", draws_in, plotting.COLOURS[0]), ("-w", lets_go, plotting.COLOURS[1])):
        density, cloud = run.energies
        ts = np.asarray(run.solution.ts)
        ax.plot(ts, cloud / cloud[0], color=colour, label=f"{name}, particles")
        ax.plot(ts[::4], (density / density[0])[::4], "o", color=colour, markersize=3, label=f"{name}, density")
    ax.set(xlabel="time t", ylabel="energy / that at t = 0", ylim=(0.0, None), title="w = [[1, -3], [1, -1]]")
    ax.legend(loc="lower left")
