"""Training as fitting: samples of the four families, and the lengths of rivers, to weight and bias of a noisy network."""

from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy import optimize, stats

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.analysis.families.family import AbstractFamily
from kinetic_nde.plotting.style import COLOURS, LINES, finish

from .numbers import Number

QUICK = {"trials": 4, "count": 2000}

RIVERS = Path(__file__).parent / "data" / "rivers.csv"
FEW = 2000  # samples of a trial
# One member of each family, all with positive samples: those of the Gaussian are five standard deviations from 0, or
# the other families would not compete.
TRUTHS: list[tuple[AbstractFamily, dict[str, float]]] = [
    (kn.GaussianFamily(), {"mean": 10.0, "std": 2.0}),
    (kn.InverseGammaFamily(), {"mu": 3.0, "beta": 4.0}),
    (kn.ParetoTailFamily(), {"a": 2.0, "mu": 3.0}),
    (kn.GeneralizedGammaFamily(), {"p": 0.5, "A": 1.0, "q": 3.0}),
]


def main(out: Path, trials: int = 100, count: int = 100_000) -> dict[str, Number]:
    """Fits `count` samples of one member of each family, and `trials` times 2000 samples of each to the best of the four.

    Draws `fitting.png`: the lengths of 141 rivers with the best member of each family, and which family was chosen for
    which. Beside the parameters: errors of at most 3 standard errors, a log-likelihood that is SciPy's maximum to 1e-4 per
    sample, and the right family in 95 of 100 trials.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Number] = {}
    for family, truth in TRUTHS:
        samples = np.asarray(family.sample(truth, jax.random.key(0), count))
        found = kn.fit(samples, family, nu=1.0)
        exact = {**truth, **{name: float(each) for name, each in family.coefficients(truth, 1.0).items()}}
        errors = {name: error for name, error in found.standard_errors.items() if error > 0}
        estimates = {**found.parameters, **found.coefficients}
        for name, error in errors.items():
            size = abs(estimates[name] - exact[name]) / error
            numbers[f"{family.name}, {count} samples: error of {name}, in standard errors"] = Number(size, 0.0, 3.0)
        best = peers_maximum(family, samples)
        apart = (found.log_likelihood - best) / count
        numbers[f"{family.name}: log-likelihood per sample above SciPy's maximum"] = Number(apart, 0.0, 1e-4)
    chosen = np.zeros((len(TRUTHS), len(TRUTHS)), dtype=int)
    for k, (family, truth) in enumerate(TRUTHS):
        for trial in range(trials):
            best = kn.fit(family.sample(truth, jax.random.key(1000 + trial), FEW)).family
            chosen[k, [each for each, _ in TRUTHS].index(best)] += 1
        right = chosen[k, k] / trials
        numbers[f"{family.name}: right family, share of {trials} trials"] = Number(right, 0.95, 0.0, at_least=True)
    rivers = np.loadtxt(RIVERS, skiprows=1)
    fits = [kn.fit(rivers, family) for family, _ in TRUTHS]
    best = kn.fit(rivers)
    for name, value in {**best.parameters, **best.coefficients, "Kolmogorov-Smirnov": best.ks}.items():
        numbers[f"rivers, {best.family.name}: {name}"] = Number(value)
    _draw(out / "fitting.png", rivers, fits, best, chosen)
    return numbers


def peers_maximum(family: AbstractFamily, x: np.ndarray) -> float:
    """The log-likelihood that SciPy reaches: by the fits of `scipy.stats`, or by a search without derivatives."""
    if isinstance(family, kn.GaussianFamily):
        return float(np.sum(stats.norm.logpdf(x, *stats.norm.fit(x))))
    if isinstance(family, kn.InverseGammaFamily):
        return float(np.sum(stats.invgamma.logpdf(x, *stats.invgamma.fit(x, floc=0))))
    if isinstance(family, kn.GeneralizedGammaFamily):
        return float(np.sum(stats.gengamma.logpdf(x, *stats.gengamma.fit(x, 5.0, 0.6, floc=0))))
    log_prob = jax.jit(lambda u: family.log_prob({"a": np.e ** u[0], "mu": 1 + np.e ** u[1]}, x).sum())
    found = optimize.minimize(lambda u: -float(log_prob(u)), [0.5, 0.5], method="Nelder-Mead", tol=1e-10)
    return -float(found.fun)


def _draw(path: Path, rivers: np.ndarray, fits: list[kn.Fit], best: kn.Fit, chosen: np.ndarray) -> None:
    drawing, (left, right) = plotting.figure(columns=2, panels=2, height=2.6)
    plotting.plot_histogram(rivers, ax=left, bins=40, xlabel="length of a river", unit="miles")
    x = np.linspace(0.0, rivers.max(), 800)
    with plotting.style():
        for k, each in enumerate(fits):
            is_best = each.family == best.family
            density = np.exp(np.asarray(each.family.log_prob(each.parameters, x)))
            look = {"color": COLOURS[k], "linestyle": LINES[k], "linewidth": 1.6 if is_best else 0.9}
            left.plot(x, density, label=each.family.name + ", best" * is_best, **look)
        left.legend(loc="upper right")
        _matrix(right, chosen)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


def _matrix(ax: Axes, chosen: np.ndarray) -> None:
    names = [family.name.replace(" ", "\n") for family, _ in TRUTHS]
    ax.imshow(chosen, cmap="Blues", vmin=0, vmax=2 * chosen.max(), aspect="auto")
    for (row, column), count in np.ndenumerate(chosen):
        ax.text(column, row, str(count), ha="center", va="center")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    finish(ax, f"chosen, of {chosen[0].sum()} trials", "true family")
    ax.margins(0)
