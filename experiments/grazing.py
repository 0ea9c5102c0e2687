"""The grazing limit: collisions that are weaker and more frequent, against the Fokker-Planck equation and the mean field."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.scipy.special import ndtr

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, LINES, finish, shade

from . import grazing_exact as exact
from .numbers import Number

QUICK = {"cells": 200, "particles": 20_000, "halvings": 5, "names": ("identity, K = 1, normal", "mean field, identity")}

T1 = 1.0
MEAN, STD = 1.0, 0.6  # the start; where K = x that of ln x is N(LOG_MEAN, LOG_STD^2)
LOG_MEAN, LOG_STD = math.log(2.0), 0.15
LINE, HALF_LINE = (-5.0, 6.0), (0.0, 6.0)
# Weight and bias, and nu. With K = x no collision crosses 0: at eps = 1 that would take 4.7 standard deviations.
W_B, NU = (-0.8, 0.4), 0.7
W_B_PROPORTIONAL, NU_PROPORTIONAL = (-0.3, 0.0), 0.15
SMALL = 2.0**-3  # orders are fitted below


class Case(NamedTuple):
    """A network, its noise, and the limit of W1 / eps where that is known."""

    net: kn.SimResNet
    nu: float
    diffusion: Any
    noise: Any
    constant: float | None = None

    @property
    def domain(self) -> tuple[float, float]:
        """The ends of the grid."""
        return HALF_LINE if isinstance(self.diffusion, kn.LinearDiffusion) else LINE

    def start(self, cells: int) -> kn.Density:
        """N(MEAN, STD^2); away from 0, where K = x leaves nothing, a log-normal law."""
        grid = kn.Grid(*self.domain, cells)
        if self.domain == LINE:
            return kn.Density.gaussian(MEAN, STD, grid)
        below = ndtr((jnp.log(jnp.maximum(grid.faces, 1e-300)) - LOG_MEAN) / LOG_STD)
        return kn.Density(grid, jnp.diff(below) / grid.width)

    @property
    def limit(self) -> kn.MeanField | kn.FokkerPlanck:
        """What eps to 0 leads to."""
        return kn.FokkerPlanck(self.net, self.nu, self.diffusion) if self.nu > 0 else kn.MeanField(self.net)

    def collisions(self, epsilon: float) -> kn.Boltzmann:
        """Rule (20) at the rate 1 / eps."""
        return kn.Boltzmann(self.net, epsilon, self.nu, self.diffusion, 1 / epsilon, self.noise)


class Row(NamedTuple):
    """W1 at one eps: from the limit by both methods, between them, and what chance makes of the latter."""

    epsilon: float
    deterministic: float
    monte_carlo: float
    between: float
    sampling_error: float
    exact: float | None


def cases() -> dict[str, Case]:
    """Networks by name: two activations and K = 1, the identity with K = x; with normal and with uniform noise; and both without noise."""
    one, proportional, normal, uniform = (
        kn.ConstantDiffusion(),
        kn.LinearDiffusion(),
        kn.NormalNoise(),
        kn.UniformNoise(),
    )
    identity, shrinking = kn.SimResNet(*W_B, kn.Identity()), kn.SimResNet(*W_B_PROPORTIONAL, kn.Identity())
    tanh = kn.SimResNet(*W_B, kn.Tanh())
    found = {}
    for name, noise, fourth in (("normal", normal, exact.NORMAL), ("uniform", uniform, exact.UNIFORM)):
        constant = exact.identity_constant(*W_B, NU, T1, MEAN, STD, fourth)
        found[f"identity, K = 1, {name}"] = Case(identity, NU, one, noise, constant)
        found[f"tanh, K = 1, {name}"] = Case(tanh, NU, one, noise)
        constant = exact.proportional_constant(W_B_PROPORTIONAL[0], NU_PROPORTIONAL, T1, LOG_MEAN, LOG_STD, fourth)
        found[f"identity, K = x, {name}"] = Case(shrinking, NU_PROPORTIONAL, proportional, noise, constant)
    constant = exact.identity_constant(*W_B, 0.0, T1, MEAN, STD, 0.0)
    found["mean field, identity"] = Case(identity, 0.0, one, normal, constant)
    found["mean field, tanh"] = Case(tanh, 0.0, one, normal)
    return found


def main(
    out: Path,
    cells: int = 600,
    particles: int = 1_000_000,
    halvings: int = 6,
    names: tuple[str, ...] = (),
    seed: int = 3,
) -> dict[str, Number]:
    """Solves the Boltzmann equation with (20) and rate 1 / eps for eps = 1, 1/2, ..., 2^-halvings to t = 1: on `cells` averages and with that many `particles`;
    its limit on averages; rule (18) at rate 1; and particles that start from one point. All cases unless `names` are given.

    Draws `grazing.png`: W1 from the limit over eps, and the densities of tanh with noise and without. Writes all distances to `grazing.csv`.

    Exact: the order is 1, as noise whose third moment vanishes leaves nothing between 1 and eps. W1 / eps tends to a constant in closed form for the
    identity, of which with K = 1 and normal noise the law itself is known at any eps, a mixture of normal laws. Samples are off by
    (2 / (pi M))^(1/2) int (F (1 - F))^(1/2) dx on average. Rule (18) at rate 1 has no small parameter: it is near neither limit. Without noise the
    order 1 needs a start that is spread. From a point it is 1/2: collisions come at random times, and the mean field goes by the clock.
    """
    out.mkdir(parents=True, exist_ok=True)
    chosen = {name: case for name, case in cases().items() if not names or name in names}
    keys = jax.random.split(jax.random.key(seed), 2 * len(chosen) + 1)
    numbers, rows, densities = {}, {}, {}
    for k, (name, case) in enumerate(chosen.items()):
        start = case.start(cells)
        sample = kn.Ensemble(start.sample(keys[2 * k], particles))
        limit = kn.solve(case.limit, start, t1=T1).final
        solved = {2.0**-n: kn.solve(case.collisions(2.0**-n), start, t1=T1).final for n in range(halvings + 1)}
        rows[name] = [
            _row(name, case, epsilon, density, limit, sample, keys[2 * k + 1]) for epsilon, density in solved.items()
        ]
        densities[name] = {**solved, 0.0: limit}
        numbers |= {f"{name}: {what}": number for what, number in _judged(case, rows[name]).items()}
    numbers |= _rule_18(densities, cells)
    numbers |= _from_points(particles, halvings, keys[-1])
    _write(out / "grazing.csv", rows)
    _draw(out / "grazing.png", rows, densities)
    return numbers


def _row(
    name: str, case: Case, epsilon: float, density: kn.Density, limit: kn.Density, sample: kn.Ensemble, key: jax.Array
) -> Row:
    moved = kn.solve(case.collisions(epsilon), sample, t1=T1, key=key).final
    faces = np.asarray(density.grid.faces)
    return Row(
        epsilon,
        float(kn.wasserstein(density, limit)),
        float(kn.wasserstein(moved, limit)),
        float(kn.wasserstein(moved, density)),
        exact.sampling_error(np.asarray(density.cdf(faces)), faces, sample.samples.size),
        _mixture(case, epsilon) if name in ("identity, K = 1, normal", "mean field, identity") else None,
    )


def _mixture(case: Case, epsilon: float, nu_of_limit: float | None = None) -> float:
    """W1 of the exact law of collisions of the identity from the exact limit, with the same noise by default."""
    mean, std = exact.limit(*W_B, case.nu if nu_of_limit is None else nu_of_limit, T1, MEAN, STD)
    law = exact.mixture(*W_B, case.nu, T1, MEAN, STD, epsilon=epsilon, rate=1 / epsilon)
    return exact.apart(law, lambda x: np.asarray(ndtr((x - mean) / std)), LINE)


def _judged(case: Case, rows: list[Row]) -> dict[str, Number]:
    """The order, the constant, and the two methods against each other."""
    epsilons, distances = (
        np.array(each) for each in zip(*((row.epsilon, row.deterministic) for row in rows), strict=True)
    )
    small = epsilons <= SMALL
    ratio = distances / epsilons
    numbers = {
        "order of W1 in eps": Number(np.polyfit(np.log(epsilons[small]), np.log(distances[small]), 1)[0], 1.0, 0.1),
        f"W1 / eps at eps = 1/{round(1 / epsilons[-1])}": Number(ratio[-1]),
        "Monte Carlo from the deterministic solution at worst, in sampling errors": Number(
            max(row.between / row.sampling_error for row in rows), 1.0, 2.0
        ),
    }
    if case.constant is not None:
        numbers["W1 / eps, extrapolated to eps = 0"] = Number(
            2 * ratio[-1] - ratio[-2], case.constant, 0.02 * case.constant
        )
    if rows[0].exact is not None:
        worst = max(abs(row.deterministic / row.exact - 1) for row in rows if row.exact is not None)
        numbers["W1 against that of the exact laws, largest relative difference"] = Number(worst, 0.0, 0.02)
    return numbers


def _rule_18(densities: dict[str, dict[float, kn.Density]], cells: int) -> dict[str, Number]:
    """How far rule (18) at rate 1 is from both limits: it is (20) without noise, eps = 1 and rate 1."""
    numbers = {}
    for activation in ("identity", "tanh"):
        noisy, mean_field = f"{activation}, K = 1, normal", f"mean field, {activation}"
        if noisy not in densities or mean_field not in densities:
            continue
        for name, nu, limit in (("Fokker-Planck", NU, noisy), ("the mean field", 0.0, mean_field)):
            distance = float(kn.wasserstein(densities[mean_field][1.0], densities[limit][0.0]))
            known = _mixture(cases()[mean_field], 1.0, nu) if activation == "identity" else None
            what = f"rule (18) at rate 1, {activation}: W1 from {name}"
            if known is None:
                numbers[what] = Number(distance, 0.1, 0.0, at_least=True)
            else:
                numbers[what] = Number(distance, known, 1e-3 * max(600 / cells, 1.0) ** 2)
    return numbers


def _from_points(particles: int, halvings: int, key: jax.Array) -> dict[str, Number]:
    """The mean field of a point: W1 by Monte Carlo, which is the mean distance from where the point goes, and by the sum over the numbers of collisions."""
    w, b = W_B
    case, point = cases()["mean field, identity"], MEAN
    arrival = exact.limit(w, b, 0.0, T1, MEAN, 0.0)[0]
    layer: Callable[[float, float], float] = lambda epsilon, x: x + epsilon * (w * x + b)
    epsilons = 2.0 ** -np.arange(halvings + 1)
    known = np.array([exact.from_a_point(layer, arrival, point, epsilon, T1) for epsilon in epsilons])
    small = epsilons <= SMALL
    start, epsilon = kn.Ensemble(jnp.full(particles, point)), float(epsilons[-1])
    moved = kn.solve(case.collisions(epsilon), start, t1=T1, key=key).final
    distances = np.abs(np.asarray(moved.samples) - arrival)
    what = f"mean field from a point, identity: W1 at eps = 1/{round(1 / epsilon)}"
    return {
        "mean field from a point, identity: order of W1 in eps": Number(
            np.polyfit(np.log(epsilons[small]), np.log(known[small]), 1)[0], 0.5, 0.1
        ),
        what: Number(float(distances.mean()), known[-1], 4 * float(distances.std()) / math.sqrt(particles)),
    }


def _write(path: Path, rows: dict[str, list[Row]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", *Row._fields])
        for name, each in rows.items():
            writer.writerows([name, *("" if value is None else f"{value:.8g}" for value in row)] for row in each)


def _draw(path: Path, rows: dict[str, list[Row]], densities: dict[str, dict[float, kn.Density]]) -> None:
    noisy = [name for name in densities if not name.startswith("mean field")]
    # tanh where it was solved.
    shown = [
        max(names, key=lambda name: name in ("tanh, K = 1, normal", "mean field, tanh"))
        for names in (noisy, [name for name in densities if name not in noisy])
        if names
    ]
    with plotting.style():
        ratios = [1.5, *[1.0 for _ in shown]]
        drawing, axes = plt.subplots(1, len(ratios), figsize=(7.0, 3.2), width_ratios=ratios, layout="constrained")
        _draw_distances(axes[0], rows)
        for ax, name in zip(axes[1:], shown, strict=True):
            _draw_densities(ax, densities[name], without_noise=name not in noisy)
            ax.set_title(name)
        handles, labels = axes[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside upper center", ncols=4)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


def _draw_distances(ax: Any, rows: dict[str, list[Row]]) -> None:
    epsilons = [row.epsilon for row in next(iter(rows.values()))]
    networks = list(dict.fromkeys(_network(name) for name in rows))
    for name, each in rows.items():
        colour, line = COLOURS[networks.index(_network(name))], LINES[name.endswith(", uniform")]
        label = None if name.endswith(", uniform") else _network(name)
        ax.loglog(
            epsilons, [row.deterministic for row in each], linestyle=line, linewidth=1.0, color=colour, label=label
        )
        ax.loglog(epsilons, [row.monte_carlo for row in each], "o", markersize=3, fillstyle="none", color=colour)
    errors = np.array([[row.sampling_error for row in each] for each in rows.values()])
    if any(name.endswith(", uniform") for name in rows):
        ax.plot([], [], color="0.4", linestyle=LINES[1], linewidth=1.0, label="with uniform noise")
    ax.plot([], [], "o", markersize=3, fillstyle="none", color="0.4", label="Monte Carlo")
    bottom = 0.4 * errors.min()
    ax.fill_between(epsilons, bottom, errors.max(axis=0), color="0.9", linewidth=0, label="sampling error")
    reference = np.array([epsilons[0], epsilons[-1]])
    ax.loglog(reference, 0.4 * reference, color="black", linewidth=0.6, linestyle=LINES[3], label="slope 1")
    ax.set_ylim(bottom=bottom)
    ax.set_xscale("log", base=2)
    finish(ax, "$\\epsilon$", "$W_1$ from the limit at t = 1")


def _network(name: str) -> str:
    return name.removesuffix(", normal").removesuffix(", uniform")


def _draw_densities(ax: Any, densities: dict[float, kn.Density], without_noise: bool) -> None:
    x = np.asarray(densities[0.0].grid.centers)
    shown = [epsilon for epsilon in (1.0, 0.25, 0.0625) if epsilon in densities]
    for k, epsilon in enumerate(shown):
        label = f"$\\epsilon$ = 1{f'/{round(1 / epsilon)}' if epsilon < 1 else ''}"
        label = "rule (18)" if without_noise and epsilon == 1 else label
        ax.plot(x, np.asarray(densities[epsilon].values), color=shade(1 - k / len(shown)), label=label)
    ax.plot(x, np.asarray(densities[0.0].values), color="black", linestyle=LINES[1], label="limit")
    ax.set_xlim(*(float(densities[1.0].quantile(q)) for q in (2e-3, 1 - 2e-3)))
    finish(ax, "x", "density at t = 1")
    ax.legend()
