"""Figure 9: noisy layers turn a uniform distribution into the standard normal one."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number

QUICK = {"cells": 192, "steps": 500}

LOW, HIGH = -1.0, -0.5  # where the start is uniform
REACH, T1 = 8.0, 10.0
SAVES = 101
DRAWN = [0.0, 0.1, 1.0, T1]


def main(out: Path, cells: int = 640, steps: int = 4000) -> dict[str, Number]:
    """Solves d_t g = d_x (x g) + d_xx g from the uniform distribution on [-1, -1/2] on `cells` averages of [-8, 8], by the
    explicit finite volumes and by the implicit scheme of Chang and Cooper, the latter with `steps` steps to t = 1.

    Draws `figure9.png`: the density at t = 0, 0.1, 1, 10; the L1 distance of both from the exact law over time.

    Exact at any time: a uniform distribution, drawn together by e^-t, convolved with N(0, 1 - e^-2t). The mean at t = 1 is
    -(3/4) / e = -0.27591. `cells` is a multiple of 32, so that the start jumps at faces, at -1 and -1/2: averages do not tell where
    in a cell a jump is. Chang and Cooper's scheme is of first order in time and of second in dx, each of which makes about half of
    its error in this mean; for the steady state some tens of steps would do. (The paper says that any w < 0 gives the standard
    normal distribution and that b = 0 is needed: the variance is -nu^2 / (2 w), which is 1 for w = -1 and nu^2 = 2, and any b gives
    a normal distribution.)
    """
    out.mkdir(parents=True, exist_ok=True)
    equation = kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=math.sqrt(2.0))
    initial = kn.Density.uniform(LOW, HIGH, kn.Grid(-REACH, REACH, cells))
    ts = jnp.linspace(0.0, T1, SAVES)
    explicit = kn.solve(equation, initial, t1=T1, saveat=ts)
    per_span = max(1, steps * (SAVES - 1) // round(T1) // 100)
    implicit = kn.solve(equation, initial, t1=T1, saveat=ts, method=kn.ChangCooper(steps=per_span))
    names = {"finite volumes": explicit, "Chang-Cooper": implicit}
    distances = {name: np.asarray(_distances(solution)) for name, solution in names.items()}
    one = (SAVES - 1) // int(T1)
    _draw(out / "figure9.png", explicit, distances)
    coarse = max(640 / cells, 1.0)
    numbers = {}
    for name, solution in names.items():
        at_one, tolerance = (
            float(solution[one].mean),
            1e-4 if name == "finite volumes" else 5e-5 * (4000 / steps + coarse**2),
        )
        numbers |= {
            f"mean at t = 1, {name}": Number(at_one, -0.75 / math.e, tolerance),
            f"L1 distance at t = 1, {name}": Number(float(distances[name][one]), 0.0, 5e-4 * coarse**2),
            f"L1 distance from N(0, 1) at t = 10, {name}": Number(float(_from_normal(solution.final)), 0.0, 1e-3),
            f"mass drift, {name}": Number(float(solution.stats["mass_drift"]), 0.0, 1e-12),
            f"smallest average, {name}": Number(float(solution.stats["smallest_average"])),
            f"steps, {name}": Number(float(solution.stats["steps"])),
        }
    return numbers


def _averages(grid: kn.Grid, t: Float[Array, ""]) -> Float[Array, " cells"]:
    """The exact cell averages at time t."""
    low, high, std = LOW * jnp.exp(-t), HIGH * jnp.exp(-t), jnp.sqrt(-jnp.expm1(-2 * t))
    std = jnp.maximum(std, 1e-12)

    def integral(end: Array) -> Array:
        z = (grid.faces - end) / std
        return z * ndtr(z) + jnp.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)

    return jnp.diff(std / (high - low) * (integral(low) - integral(high))) / grid.width


@jax.jit
def _distances(solution: kn.Solution) -> Float[Array, " saves"]:
    """The L1 distance from the exact law at each save time."""

    def distance(density: kn.Density, t: Array) -> Array:
        return jnp.sum(jnp.abs(density.values - _averages(density.grid, t))) * density.grid.width

    return jax.vmap(distance)(solution.distributions, solution.ts)


@jax.jit
def _from_normal(density: kn.Density) -> Float[Array, ""]:
    return jnp.sum(jnp.abs(density.values - kn.Density.gaussian(0.0, 1.0, density.grid).values)) * density.grid.width


def _draw(path: Path, solution: kn.Solution, distances: dict[str, np.ndarray]) -> None:
    drawing, (left, right) = plotting.figure(columns=2, panels=2, height=2.3)
    plotting.plot_evolution(solution, left, times=DRAWN)
    left.set_xlim(-4.0, 4.0)
    ts = np.asarray(solution.ts)
    looks: list[dict[str, Any]] = [{"color": "#0072b2"}, {"color": "#d55e00", "linestyle": (0, (4, 1))}]
    with plotting.style():
        x = np.linspace(-4.0, 4.0, 33)
        normal = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
        # Points, since the curve at t = 10 is where a line would be.
        left.plot(x, normal, "o", color=plotting.COLOURS[1], markersize=2.5, zorder=3, label="N(0, 1)")
        left.legend(loc="upper right")
        for (name, distance), look in zip(distances.items(), looks, strict=True):
            right.semilogy(ts[1:], distance[1:], label=name, **look)
        right.set(xlabel="t", ylabel="L1 distance from the exact law")
        right.legend(loc="upper right")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
