"""Self-similar scaling: in units of its mean a distribution stands still, spreads for ever, or settles."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from scipy import stats

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, LINES, finish, shade

from .numbers import Number

QUICK = {"cells": 200, "particles": 20_000}

SAVES = 9
LOG_MEAN, LOG_STD = math.log(2.0), 0.3  # of the start with m1 > 0, a log-normal law
W, NU, EPSILON, T1 = -0.5, 0.4, 0.1, 2.0  # of what spreads
UPPER = 16.0
# Of what settles, and what it starts from.
W_SETTLES, B_SETTLES, NU_SETTLES, T_SETTLES = -1.0, 1.0, 0.6, 8.0
DRAWN = [0, 2, 4, 8]


class Spread(NamedTuple):
    """m2 / m1^2 over time, and what it should be."""

    ts: np.ndarray
    computed: np.ndarray
    exact: np.ndarray

    @property
    def worst(self) -> float:
        """The largest relative difference."""
        return float(np.max(np.abs(self.computed / self.exact - 1)))


class InUnitsOfTheMean(eqx.Module):
    """(b / m1(t)) (1 - x): what moves X / m1 if w X + b moves X, since m1' = w m1 + b. Without b nothing does."""

    weight: Array
    bias: Array
    mean: Array

    def __call__(self, t: Any, x: Array) -> Array:
        fixed = -self.bias / self.weight
        return self.bias / (fixed + (self.mean - fixed) * jnp.exp(self.weight * t)) * (1 - x)


def main(out: Path, cells: int = 800, particles: int = 1_000_000, seed: int = 5) -> dict[str, Number]:
    """Follows the distribution in units of its mean, by `kn.self_similar`, on `cells` averages and with that many `particles`: of the mean field, of
    layers with noise in proportion to x, of rule (18), and of such layers with a bias.

    Draws `self_similar.png`: m2 / m1^2 over time, the densities that spread, and those that settle.

    Exact, for the identity: the mean field with b = 0 moves nothing, whatever w(t). With K = x and b = 0, m1' = w m1 and, under (20) at rate 1 / eps,
    m2' = (2 w + nu^2 + eps w^2) m2, so that m2 / m1^2 = V(gbar) + 1 grows by e^{(nu^2 + eps w^2) t}; with eps = 0 that is Fokker-Planck, for which a
    log-normal start stays log-normal. Rule (18) has nu = 0 and eps = 1, e^{w^2 t}: it spreads only because collisions come at random times. With
    b > 0 > w the law of X / m1 is moved by (b / m1) (1 - x) and ends in the inverse Gamma law of mean 1 and shape 1 - 2 w / nu^2; under (20)
    m2 / m1^2 ends at (2 w + eps w^2) / (2 w + nu^2 + eps w^2).
    """
    out.mkdir(parents=True, exist_ok=True)
    key, other = jax.random.split(jax.random.key(seed))
    start = _log_normal(LOG_MEAN, LOG_STD, kn.Grid(0.0, UPPER, cells))
    sample = kn.Ensemble(start.sample(key, particles))
    still, numbers = _stands_still(cells, particles)
    spreads, shapes, more = _spreads(start, sample, other)
    settled, at_the_end = _settles(cells)
    _draw(out / "self_similar.png", {"mean field": still, **spreads}, shapes, settled)
    return {**numbers, **more, **at_the_end}


def _stands_still(cells: int, particles: int) -> tuple[Spread, dict[str, Number]]:
    """The mean field of two layers without bias, out and in again."""
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [0.6, -1.0]), 0.0, kn.Identity())
    law, ts = kn.MeanField(net), jnp.linspace(0.0, T1, SAVES)
    start = kn.Density.gaussian(2.0, 0.5, kn.Grid(-3.0, 11.0, cells))
    density = kn.solve(law, start, t1=T1, saveat=ts)
    points = kn.Ensemble(start.sample(jax.random.key(0), min(particles, 10_000)))
    moved = kn.solve(law, points, t1=T1, saveat=ts)
    of_density, of_points = (
        float(jnp.max(_distances(solution.distributions, kn.self_similar(begin))))
        for solution, begin in ((density, start), (moved, points))
    )
    spread = Spread(np.asarray(ts), np.asarray(_spread(density.distributions)), np.full(SAVES, 1 + 0.25 / 4))
    return spread, {
        "mean field: largest W1 of gbar from the start, averages": Number(
            of_density, 0.0, 1e-4 * max(800 / cells, 1) ** 2
        ),
        "mean field: largest W1 of gbar from the start, particles": Number(of_points, 0.0, 1e-6),
        "mean field: the mean itself at t = 1": Number(float(density[SAVES // 2].mean), 2 * math.exp(0.6), 1e-3),
    }


def _spreads(
    start: kn.Density, sample: kn.Ensemble, key: jax.Array
) -> tuple[dict[str, Spread], Any, dict[str, Number]]:
    """Without a bias: Fokker-Planck, collisions with noise, and rule (18)."""
    net, line, ts = kn.SimResNet(W, 0.0, kn.Identity()), kn.LinearDiffusion(), jnp.linspace(0.0, T1, SAVES)
    noisy, plain = kn.Boltzmann(net, EPSILON, NU, line, 1 / EPSILON), kn.Boltzmann(net, diffusion=line)
    begin = math.exp(LOG_STD**2)
    spreads, numbers = {}, {}
    fokker_planck = kn.solve(
        kn.FokkerPlanck(net, NU, line), start, t1=T1, saveat=ts, method=kn.ChangCooper(tolerance=1e-6)
    )
    exponents = {
        "Fokker-Planck, K = x": (NU**2, fokker_planck),
        f"Boltzmann, K = x, eps = {EPSILON:g}": (NU**2 + EPSILON * W**2, kn.solve(noisy, start, t1=T1, saveat=ts)),
        "rule (18)": (W**2, kn.solve(plain, start, t1=T1, saveat=ts)),
    }
    coarse = max(800 / start.grid.cells, 1.0) ** 2
    for name, (exponent, solution) in exponents.items():
        exact = begin * np.exp(exponent * np.asarray(ts))
        spread = Spread(np.asarray(ts), np.asarray(_spread(solution.distributions)), exact)
        spreads[name] = spread
        numbers[f"{name}: m2 / m1^2, largest relative error"] = Number(spread.worst, 0.0, 1e-3 * coarse)
    for name, law, k in (("Boltzmann", noisy, 0), ("rule (18)", plain, 1)):
        moved = kn.solve(law, sample, t1=T1, key=jax.random.fold_in(key, k)).final
        exact = begin * math.exp((NU**2 + EPSILON * W**2 if law is noisy else W**2) * T1)
        numbers[f"{name}, Monte Carlo: m2 / m1^2 at t = {T1:g}"] = Number(*_with_error(moved, exact))
    shapes = jax.vmap(kn.self_similar)(fokker_planck.distributions)
    last = jax.tree.map(lambda leaf: leaf[-1], shapes)
    deviation = math.sqrt(LOG_STD**2 + NU**2 * T1)
    exact = _log_normal(-0.5 * deviation**2, deviation, last.grid)
    numbers["Fokker-Planck, K = x: W1 of gbar from the log-normal law of mean 1"] = Number(
        float(kn.wasserstein(last, exact)), 0.0, 1e-3 * coarse
    )
    return spreads, shapes, numbers


def _settles(cells: int) -> tuple[tuple[Any, kn.Density], dict[str, Number]]:
    """With a bias: to the inverse Gamma law of mean 1."""
    net, line, ts = (
        kn.SimResNet(W_SETTLES, B_SETTLES, kn.Identity()),
        kn.LinearDiffusion(),
        jnp.linspace(0, T_SETTLES, SAVES),
    )
    start = kn.Density.gaussian(3.0, 0.4, kn.Grid(0.0, UPPER, cells))
    slowly = kn.ChangCooper(tolerance=1e-6)
    solution = kn.solve(kn.FokkerPlanck(net, NU_SETTLES, line), start, t1=T_SETTLES, saveat=ts, method=slowly)
    shapes = jax.vmap(kn.self_similar)(solution.distributions)
    last, early = (jax.tree.map(lambda leaf, k=k: leaf[k], shapes) for k in (-1, 1))
    mu = 1 - 2 * W_SETTLES / NU_SETTLES**2
    distributions: Any = stats
    below = distributions.invgamma(mu, scale=mu - 1).cdf(np.maximum(np.asarray(last.grid.faces), 0.0))
    inverse_gamma = kn.Density(last.grid, jnp.asarray(np.diff(below)) / last.grid.width)
    # The equation of X / m1 itself, from the start divided by its mean: another solve of another equation.
    field = InUnitsOfTheMean(*(jnp.asarray(each) for each in (W_SETTLES, B_SETTLES)), mean=start.mean)
    scaled = kn.FokkerPlanck(field, NU_SETTLES, line)
    begin = kn.self_similar(start).on(start.grid)
    directly = kn.solve(scaled, begin, t1=ts[1], method=slowly).final
    collided = kn.solve(kn.Boltzmann(net, EPSILON, NU_SETTLES, line, 1 / EPSILON), start, t1=T_SETTLES, saveat=ts).final
    by_collisions = 2 * W_SETTLES + EPSILON * W_SETTLES**2
    coarse = max(800 / cells, 1.0) ** 2
    return (shapes, inverse_gamma), {
        f"bias: W1 of gbar from the inverse Gamma law at t = {T_SETTLES:g}": Number(
            float(kn.wasserstein(last, inverse_gamma)), 0.0, 2e-3 * coarse
        ),
        "bias: the same at the start": Number(
            float(kn.wasserstein(kn.self_similar(start), inverse_gamma)), 0.1, 0.0, at_least=True
        ),
        f"bias: W1 of gbar at t = {ts[1]:g} from the solution of its own equation": Number(
            float(kn.wasserstein(early, directly)), 0.0, 2e-3 * coarse
        ),
        f"bias, Boltzmann, eps = {EPSILON:g}: m2 / m1^2 at t = {T_SETTLES:g}": Number(
            float(kn.self_similar(collided).energy), by_collisions / (by_collisions + NU_SETTLES**2), 1e-3 * coarse
        ),
    }


def _log_normal(mean: float, std: float, grid: kn.Grid) -> kn.Density:
    """Exact averages, on a grid from 0 on."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(np.maximum(np.asarray(grid.faces), 0.0))
    distributions: Any = stats
    return kn.Density(grid, jnp.asarray(np.diff(distributions.norm.cdf(logarithms, mean, std))) / grid.width)


@jax.jit
def _spread(distributions: Any) -> Array:
    """m2 / m1^2 at each save time."""
    return jax.vmap(lambda each: kn.self_similar(each).variance + 1)(distributions)


@jax.jit
def _distances(distributions: Any, start: Any) -> Array:
    """W1 of gbar from that of the start at each save time."""
    return jax.vmap(lambda each: kn.wasserstein(kn.self_similar(each), start))(distributions)


def _with_error(ensemble: kn.Ensemble, exact: float) -> tuple[float, float, float]:
    """m2 / m1^2 of samples, the exact value, and four standard errors, which come from both moments."""
    x = np.asarray(kn.self_similar(ensemble).samples)
    return float(np.mean(x**2)), exact, 4 * float(np.std(x**2 - 2 * exact * x)) / math.sqrt(x.size)


def _draw(path: Path, spreads: dict[str, Spread], shapes: Any, settled: tuple[Any, kn.Density]) -> None:
    drawing, (left, middle, right) = plotting.figure(columns=2, panels=3, height=2.6)
    with plotting.style():
        for (name, spread), colour, line in zip(spreads.items(), COLOURS, LINES, strict=False):
            left.semilogy(spread.ts, spread.exact, color=colour, linestyle=line, label=name)
            left.plot(spread.ts, spread.computed, "o", color=colour, markersize=2.5)
        left.plot([], [], "o", color="0.4", markersize=2.5, label="computed")
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter("{x:g}")
        finish(left, "time t", "$m_2 / m_1^2$")
        left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
        for ax, densities, t1, title in (
            (middle, shapes, T1, "K = x, b = 0: spreads"),
            (right, settled[0], T_SETTLES, "K = x, b > 0: settles"),
        ):
            for order, k in enumerate(DRAWN):
                density = jax.tree.map(lambda leaf, k=k: leaf[k], densities)
                label = f"t = {k * t1 / (SAVES - 1):g}"
                colour = shade(1 - order / (len(DRAWN) - 1))
                ax.plot(np.asarray(density.grid.centers), np.asarray(density.values), color=colour, label=label)
            finish(ax, "x in units of the mean", "$\\bar{g}(t, x)$")
            ax.set_xlim(0.0, 3.0)
            ax.set_title(title)
        dashed: dict[str, Any] = {"color": COLOURS[1], "linestyle": LINES[1], "linewidth": 1.0}
        deviation = math.sqrt(LOG_STD**2 + NU**2 * T1)
        x = np.linspace(1e-3, 3.0, 300)
        exact = np.exp(-0.5 * ((np.log(x) + 0.5 * deviation**2) / deviation) ** 2) / (
            x * deviation * math.sqrt(2 * math.pi)
        )
        middle.plot(x, exact, label="log-normal", **dashed)
        inverse_gamma = settled[1]
        right.plot(
            np.asarray(inverse_gamma.grid.centers), np.asarray(inverse_gamma.values), label="inverse Gamma", **dashed
        )
        for ax in (middle, right):
            ax.legend(loc="upper right")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
