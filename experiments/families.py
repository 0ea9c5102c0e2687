"""Four families: noise drives a uniform distribution to the Gaussian, inverse Gamma, Pareto-tailed or generalised Gamma law of its network."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from scipy import stats
from scipy.integrate import quad

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation

QUICK = {"cells": 100}

T1 = 40.0
DRAWN = [0.0, 0.3, 1.0, 3.0]
LETTERS = "abcde"  # of the panels, which the last one is about


class Family(NamedTuple):
    """A network with noise, where it starts, and its steady density up to a factor."""

    title: str
    law: kn.FokkerPlanck
    domain: tuple[float, float]
    start: tuple[float, float]
    density: Callable[[float], Any]
    kink: float | None = None


def families() -> list[Family]:
    """The rows of the table of section 3.1.1, the inverse Gamma with finite and with infinite mean; between walls, so that heavy tails have an end."""

    # What SciPy's types do not say: a distribution with numbers put in has a density.
    frozen: Any = stats

    def law(net: kn.SimResNet, nu: float, domain: tuple[float, float], diffusion: Any) -> kn.FokkerPlanck:
        return kn.FokkerPlanck(net, nu=nu, diffusion=diffusion, walls=domain)

    gaussian, line, low, high = (-5.0, 5.0), kn.LinearDiffusion(), (0.0, 20.0), (0.0, 10.0)
    return [
        Family(
            "Gaussian, w = -2",
            law(kn.SimResNet(-2.0, 1.0, kn.Identity()), math.sqrt(2), gaussian, kn.ConstantDiffusion()),
            gaussian,
            (-3.0, -1.0),
            frozen.norm(0.5, math.sqrt(0.5)).pdf,
        ),
        Family(
            "inverse Gamma, w = -0.4",
            law(kn.SimResNet(-0.4, 1.0, kn.Identity()), 1.0, low, line),
            low,
            (3.0, 6.0),
            frozen.invgamma(1.8, scale=2.0).pdf,
        ),
        Family(
            "inverse Gamma, w = +0.3",
            law(kn.SimResNet(0.3, 1.0, kn.Identity()), 1.0, low, line),
            low,
            (3.0, 6.0),
            frozen.invgamma(0.4, scale=2.0).pdf,
        ),
        Family(
            "Pareto tail, w = -1",
            law(kn.SimResNet(-1.0, 1.02, kn.ReLU()), 1.0, high, line),
            high,
            (3.0, 5.0),
            lambda x: x**-2 * math.exp(2 * (1 - math.log(x / 1.02) - 1.02 / x) if x < 1.02 else 0.0) if x > 0 else 0.0,
            1.02,
        ),
        Family(
            "generalised Gamma, delta = 1/2",
            law(kn.SimResNet(1.0, 0.0, kn.GeneralizedGamma(0.5, 1.0)), 1.0, high, line),
            high,
            (3.0, 5.0),
            frozen.gengamma(6.0, 0.5, scale=1 / 64).pdf,
        ),
    ]


class Solved(NamedTuple):
    """A family, what it came to, and the exact averages of its steady state."""

    family: Family
    solution: kn.Solution
    exact: np.ndarray

    @property
    def grid(self) -> kn.Grid:
        """That of the averages."""
        return self.solution.final.grid

    def distance(self, averages: np.ndarray) -> float:
        """The L1 distance of other averages from what the solve came to."""
        return float(np.abs(np.asarray(self.solution.final.values) - averages).sum() * float(self.grid.width))


class PrintedDrift(eqx.Module):
    """sigma_N as printed: [(1/delta) (x/c)^delta - 1] x, here with delta = 1/2, c = 1."""

    autonomous: bool = eqx.field(static=True, default=True)

    def __call__(self, t: Any, x: Array) -> Array:
        positive = jnp.where(x > 0, x, jnp.ones_like(x))
        return jnp.where(x > 0, (2 * positive**0.5 - 1) * positive, jnp.zeros_like(x))


def main(out: Path, cells: int = 400) -> dict[str, Number]:
    """Solves each family by `ChangCooper` on `cells` averages between walls, from a uniform start to t = 40.

    Draws `families.png`: the densities on their way, and their L1 distances from the closed forms over time. Steps have a given length: with a
    tolerance the distances would end where it allows.

    Exact: the closed forms of the table with mu = 1 - 2 w / nu^2 (C10), the Pareto tail with its body below -b/w (C11), sigma_N with its bracket moved and
    its sign turned (C9), the variance -nu^2 / 2 w for any b (C15), by quadrature in each cell; what is printed instead is shown to be apart.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Number] = {}
    solved: list[Solved] = []
    distances = []
    times = jnp.concatenate([jnp.zeros(1), jnp.geomspace(0.03, T1, 26), jnp.array(DRAWN[1:])]).sort()
    for family in families():
        grid = kn.Grid(*family.domain, cells)
        exact = averages(family, grid)
        method = kn.ChangCooper(steps=200)  # as often between save times, which are ever further apart
        solution = kn.solve(family.law, kn.Density.uniform(*family.start, grid), t1=T1, saveat=times, method=method)
        apart = np.abs(np.asarray(solution.distributions.values) - exact).sum(axis=1) * float(grid.width)
        solved.append(Solved(family, solution, exact))
        distances.append(apart)
        numbers[f"{family.title}: L1 distance to the closed form at t = {T1:g}"] = Number(float(apart[-1]), 0.0, 1e-9)
        for name, number in conservation(solution).items():
            numbers[f"{family.title}: {name}"] = number
    _draw(out / "families.png", solved, np.array(distances), np.asarray(times))
    return {**numbers, **_as_printed(solved)}


def averages(family: Family, grid: kn.Grid) -> np.ndarray:
    """The averages of the closed form over the cells of a grid between the walls."""
    faces = np.asarray(grid.faces)
    points = lambda low, high: [family.kink] if family.kink is not None and low < family.kink < high else None
    masses = [
        quad(family.density, low, high, points=points(low, high), epsabs=1e-14, epsrel=1e-10)[0]
        for low, high in itertools.pairwise(faces)
    ]
    return np.array(masses) / np.sum(masses) / float(grid.width)


def _as_printed(solved: list[Solved]) -> dict[str, Number]:
    """What the printed formulas say instead of what the solves come to."""
    gaussian, inverse, _, pareto, _ = solved
    distributions: Any = stats
    # With its scale put right: as printed, exp((mu - 1) b / (w x)) grows without bound at 0 besides.
    shape = averages(inverse.family._replace(density=distributions.invgamma(1 - 2 * 0.4, scale=2.0).pdf), inverse.grid)
    pure = averages(pareto.family._replace(density=lambda x: x**-2 if x >= 1.02 else 0.0), pareto.grid)
    law = kn.FokkerPlanck(PrintedDrift(), 1.0, kn.LinearDiffusion())
    try:
        law.steady_state(kn.Grid(0.0, 10.0, 100))
        refused = 0.0
    except ValueError:
        refused = 1.0
    return {
        "C9, drift as printed: steady_state refuses": Number(refused, 1.0, 0.0),
        "C10, mu = 1 + 2 w / nu^2 as printed: L1 distance of the settled density": Number(
            inverse.distance(shape), 0.3, 0.0, at_least=True
        ),
        "C11, Pareto on the whole line as printed: L1 distance of the settled density": Number(
            pareto.distance(pure), 0.3, 0.0, at_least=True
        ),
        "C15, variance at w = -2, b = 1; as printed 1": Number(float(gaussian.solution.final.variance), 0.5, 1e-3),
    }


def _draw(path: Path, solved: list[Solved], distances: np.ndarray, times: np.ndarray) -> None:
    with plotting.style():
        drawing, axes = plt.subplots(2, 3, figsize=(7.0, 4.4), layout="constrained")
        panels = axes.reshape(-1)
        shades = plt.get_cmap("viridis")(np.linspace(0.75, 0.0, len(DRAWN) + 1))
        for ax, letter, (family, solution, exact) in zip(panels, LETTERS, solved, strict=False):
            faces = np.asarray(solution.final.grid.faces)
            values = np.asarray(solution.distributions.values)
            for t, shade in zip([*DRAWN, T1], shades, strict=True):
                row = int(np.argmin(np.abs(times - t)))
                ax.stairs(values[row], faces, baseline=None, color=shade, label=f"t = {t:g}")
            centers = 0.5 * (faces[1:] + faces[:-1])
            dashed: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": (0, (3, 3))}
            ax.plot(centers, exact, label="closed form", **dashed)
            ax.set_title(f"({letter}) {family.title}")
            ax.set_xlim(*((-4.0, 4.0) if faces[0] < 0 else (0.0, 8.0)))
            ax.set_ylim(0.0, 1.25 * max(exact.max(), values[0].max()))
            ax.set_xlabel("x")
            ax.set_ylabel("density g(t, x)")
        handles, labels = panels[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        looks: list[tuple[str, Any]] = list(zip(plotting.COLOURS, plotting.LINES, strict=True))
        for letter, apart, (colour, line) in zip(LETTERS, distances, looks, strict=True):
            panels[5].semilogy(times, apart, color=colour, linestyle=line, label=f"({letter})")
        panels[5].set(xlabel="time t", ylabel="L1 distance", title="distance to the closed form")
        panels[5].legend(loc="upper right", ncols=2, handlelength=2.2, borderaxespad=0.0)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
