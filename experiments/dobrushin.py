"""Theorem 1: how far apart particles and their density, two densities, and two clouds in the plane come, against the bound."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, LINES

from .numbers import Number

ACTIVATIONS = {"identity": kn.Identity(), "ReLU": kn.ReLU(), "sigmoid": kn.Sigmoid(), "tanh": kn.Tanh()}
QUICK = {"cells": 300, "particles": 60, "names": ("identity",)}

# Two layers, out and in again: the distances of the identity fall in the second, the bound does not.
TIMES, WEIGHTS, BIASES = [0.0, 1.0], [1.2, -0.8], [0.0, 0.5]
T1 = 2.0
SAVES = jnp.linspace(0.0, T1, 21)
# Where 8 standard deviations can come to; the bounded activations go no faster than 1.
REACH = {"identity": 30.0, "ReLU": 30.0, "sigmoid": 11.0, "tanh": 11.0}

STEEP, BRIEFLY, APART = 3.0, 0.5, 0.01  # the counter-example to the printed constant
STATED = 4.47


class Race(NamedTuple):
    """W1 at the save times, and the bound."""

    distance: np.ndarray
    bound: np.ndarray

    @property
    def margin(self) -> float:
        """How many times the distance fits into the bound, at the later time where it fits least."""
        return float(np.min(self.bound[1:] / self.distance[1:]))


def main(
    out: Path, cells: int = 1200, particles: int = 200, names: tuple[str, ...] = tuple(ACTIVATIONS), seed: int = 1
) -> dict[str, Number]:
    """Moves `particles` samples of N(0, 1), that density and N(0.5, 0.8^2), on `cells` averages, by two layers with w = 1.2 and w = -0.8 and each of the
    activations; two clouds of as many particles in the plane by tanh and a full matrix; and two points at 0 and 0.01 by tanh(3 x).

    Draws `dobrushin.png`: W1 between particles and density against the bound, all distances in units of their bound, and what the printed constant
    allows.

    Exact: no distance exceeds exp(Lip(sigma) int ||w||_2) times the initial one (Theorem 1 with the Lipschitz constant of the layer), and in the first
    layer of the identity, w > 0, each is equal to it. The printed exponent Lip(sigma) t is exceeded: at t = 0.5 the two points are asinh(e^1.5 sinh 0.03) / 3
    apart, 4.47 times as far as at first, where e^0.5 = 1.65.
    """
    out.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).normal(size=particles)
    pairs = {name: _on_the_line(name, cells, samples) for name in names}
    plane = _in_the_plane(particles, seed)
    growth = _growth()
    _draw(out / "dobrushin.png", pairs, plane, growth)

    # A density's distribution function is off by what its averages are, and by its being linear between 8 places in a cell.
    tolerance = 1e-4 * max(1200 / cells, 1.0) ** 2
    numbers = {}
    for name, (sampled, densities) in pairs.items():
        numbers[f"{name}: bound over W1, particles and density"] = Number(sampled.margin, 1.0, tolerance, at_least=True)
        numbers[f"{name}: bound over W1, two densities"] = Number(densities.margin, 1.0, tolerance, at_least=True)
    if "identity" in pairs:
        first = np.asarray(SAVES) <= TIMES[1]
        ratios = np.concatenate([race.distance[first] / race.bound[first] for race in pairs["identity"]])
        numbers["identity: W1 over bound in the first layer"] = Number(float(np.max(ratios)), 1.0, tolerance)
    at_end = growth.distance[-1] / APART
    exact = math.asinh(math.exp(STEEP * BRIEFLY) * math.sinh(STEEP * APART)) / (STEEP * APART)
    return {
        **numbers,
        "tanh in the plane: bound over W1": Number(plane.margin, 1.0, 1e-6, at_least=True),
        "tanh(3 x), t = 0.5: growth of W1": Number(at_end, exact, 1e-5),
        "tanh(3 x), t = 0.5: growth of W1, as stated": Number(at_end, STATED, 5e-3),
        "tanh(3 x), t = 0.5: bound over W1": Number(growth.margin, 1.0, 1e-6, at_least=True),
        "tanh(3 x), t = 0.5: bound of the growth": Number(float(growth.bound[-1]) / APART, math.exp(1.5), 1e-12),
        # More than 1: violated.
        "tanh(3 x), t = 0.5: W1 over e^0.5 W1(0), as printed": Number(
            at_end / math.exp(BRIEFLY), 2.7, 0.0, at_least=True
        ),
    }


def _on_the_line(name: str, cells: int, samples: np.ndarray) -> tuple[Race, Race]:
    """Particles against their density, and two densities."""
    net = kn.SimResNet(kn.PiecewiseConstant(TIMES, WEIGHTS), kn.PiecewiseConstant(TIMES, BIASES), ACTIVATIONS[name])
    grid = kn.Grid(-REACH[name], REACH[name], cells)
    starts = kn.Ensemble(samples), kn.Density.gaussian(0.0, 1.0, grid), kn.Density.gaussian(0.5, 0.8, grid)
    empirical, density, other = (_moved(net, start) for start in starts)
    return _race(net, _DISTANCES(empirical, density)), _race(net, _DISTANCES(density, other))


def _in_the_plane(particles: int, seed: int) -> Race:
    """Two clouds, by the best matching at each save time."""
    rng = np.random.default_rng(seed)
    net = kn.SimResNet([[0.8, -1.0], [0.6, 0.4]], [0.0, 0.3], kn.Tanh())
    clouds = [rng.normal(mean, std, (particles, 2)) for mean, std in ((0.0, 1.0), (0.4, 0.7))]
    first, second = (_moved(net, kn.Ensemble(cloud)) for cloud in clouds)
    pairs = zip(first.samples, second.samples, strict=True)
    return _race(net, np.array([float(kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y))) for x, y in pairs]))


def _growth() -> Race:
    """Points at 0 and APART: what parts them is the slope of the layer, which is three times that of the activation."""
    net = kn.SimResNet(STEEP, 0.0, kn.Tanh())
    points = _moved(net, kn.Ensemble([0.0, APART]), BRIEFLY).samples
    return _race(net, np.asarray(points[:, 1] - points[:, 0]), BRIEFLY)


def _moved(net: kn.SimResNet, start: kn.Density | kn.Ensemble, t1: float = T1) -> Any:
    """The distributions at the save times."""
    return kn.solve(kn.MeanField(net), start, t1=t1, saveat=SAVES * (t1 / T1)).distributions


def _race(net: kn.SimResNet, distance: Any, t1: float = T1) -> Race:
    distance = np.asarray(distance)
    return Race(distance, np.asarray(kn.dobrushin_bound(net, SAVES * (t1 / T1), distance[0])))


_DISTANCES: Callable[..., Any] = jax.jit(jax.vmap(kn.wasserstein))


def _draw(path: Path, pairs: dict[str, tuple[Race, Race]], plane: Race, growth: Race) -> None:
    drawing, (left, middle, right) = plotting.figure(columns=2, panels=3, height=2.4)
    ts = np.asarray(SAVES)
    look = {name: {"color": COLOURS[k], "linestyle": LINES[k]} for k, name in enumerate(ACTIVATIONS)}
    with plotting.style():
        bounds = {}
        for name, (sampled, densities) in pairs.items():
            left.plot(ts, sampled.distance / sampled.distance[0], label=name, **look[name])
            middle.plot(ts, densities.distance / densities.bound, **look[name])
            bounds[ACTIVATIONS[name].lipschitz] = sampled.bound / sampled.bound[0]
        for (lipschitz, bound), colour in zip(bounds.items(), ("black", look["sigmoid"]["color"]), strict=False):
            left.plot(ts, bound, linewidth=0.6, color=colour, label=f"bound, Lip = {lipschitz:g}")
        left.set_yscale("log", base=2)
        left.yaxis.set_major_formatter("{x:g}")
        left.set(xlabel="time t", ylabel="$W_1(t)\\,/\\,W_1(0)$, particles to density", ylim=(0.7, 32.0))
        left.legend(loc="upper left", ncols=2)
        middle.plot(ts, plane.distance / plane.bound, color=COLOURS[4], label="tanh, in the plane")
        middle.axhline(1.0, color="0.6", linewidth=0.6)
        middle.set(xlabel="time t", ylabel="$W_1$ in units of the bound", ylim=(0.0, 1.08))
        middle.legend(loc="lower left")
        ts = ts * (BRIEFLY / T1)
        right.plot(ts, growth.bound / APART, color="0.8", linewidth=3.5, label="bound, $e^{3t}$")
        right.plot(ts, growth.distance / APART, color=look["tanh"]["color"], label="tanh(3 x)")
        right.plot(ts, np.exp(ts), color="black", linestyle=":", label="as printed, $e^t$")
        right.set(xlabel="time t", ylabel="$W_1(t)\\,/\\,W_1(0)$, two points")
        right.legend()
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
