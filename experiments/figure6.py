"""Figure 6: slopes and intercepts of straight lines gather at (1, 0), and with the printed parameters run away from slope 1."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

from .numbers import Number, conservation, distance

QUICK = {"cells": 48}

# As many measurements as in figure 5, at other places: y = x at P places with standard Gaussian errors, R times over, P R = 5000.
PLACES = np.linspace(-1.0, 2.0, 10)
REPLICATES = 500
LINE, OTHER = np.array([1.0, 0.0]), np.array([0.7, 0.3])  # slopes and intercepts, that of the data and another
REACH = 5.5  # standard deviations, beyond which there is 1e-7 of the mass
TIMES = [0.0, 1.0, 2.0]


class Diagonal(NamedTuple):
    """dx/dt = w x + b with a number for each axis: all is known in closed form."""

    weight: np.ndarray
    bias: np.ndarray

    @property
    def equation(self) -> kn.MeanField:
        return kn.MeanField(kn.SimResNet(np.diag(self.weight), self.bias, kn.Identity()))

    def points(self, t: float, start: np.ndarray) -> np.ndarray:
        """Where points (..., 2) are at time t."""
        rest = -self.bias / self.weight
        return rest + np.exp(self.weight * t) * (start - rest)

    def covariance(self, t: float, start: np.ndarray) -> np.ndarray:
        growth = np.exp(self.weight * t)
        return growth[:, None] * start * growth


CORRECTED = Diagonal(np.array([-1.0, -1.0]), np.array([1.0, 0.0]))
PRINTED = Diagonal(np.array([1.0, -1.0]), np.array([-1.0, 0.0]))


class Case(NamedTuple):
    """A solve from the Gaussian law of least squares around a line, saved at t = 0, 1, 2."""

    field: Diagonal
    mean: np.ndarray
    solution: kn.Solution


def main(out: Path, cells: int = 320, seed: int = 6) -> dict[str, Number]:
    """Moves the law of slopes and intercepts, of lines through 10 places in [-1, 2], by dx/dt = 1 - x, dy/dt = -y on `cells` x `cells` averages, to t = 2.

    Draws `figure6.png`: from the law around y = 0.7 x + 0.3, the density at t = 0, 1, 2 with the slopes and intercepts of simulated measurements; the
    same, from the same start, with the parameters as printed.

    Exact: least squares of P measurements with errors of variance 1 have a Gaussian law, with covariance (X^T X)^-1. The network keeps it Gaussian:
    the covariance falls by e^-2t, and a law around another line, (0.7, 0.3), has its mean at (1 - 0.3 e^-t, 0.3 e^-t). At t = 2 its standard
    deviations, 7.4 times as small as at first, are about 4 of the 320 cells. As printed, w_xx = 1 and b_x = -1 drive slopes away from 1: the mean goes to
    1 - 0.3 e^t, and the variance of the slopes grows as e^2t.
    """
    out.mkdir(parents=True, exist_ok=True)
    law = least_squares_law()
    cases = {
        "around y = x": _case(CORRECTED, LINE, law, cells),
        "around y = 0.7 x + 0.3": _case(CORRECTED, OTHER, law, cells),
        "as printed, around y = 0.7 x + 0.3": _case(PRINTED, OTHER, law, cells),
    }
    fits = replicates(seed)
    _draw(out / "figure6.png", cases["around y = 0.7 x + 0.3"], cases["as printed, around y = 0.7 x + 0.3"], fits)

    error = 4 / math.sqrt(REPLICATES)
    numbers = {
        "mean slope of the replicates": Number(fits[:, 0].mean(), 1.0, error * law[0, 0] ** 0.5),
        "mean intercept of the replicates": Number(fits[:, 1].mean(), 0.0, error * law[1, 1] ** 0.5),
        "covariance of the replicates over that of the law, furthest from 1": Number(
            _furthest(np.cov(fits.T), law), 1.0, 2**0.5 * error
        ),
    }
    for name, case in cases.items():
        numbers |= {f"{name}: {key}": number for key, number in _judged(case, law, cells).items()}
    return numbers


def least_squares_law() -> np.ndarray:
    """The covariance (X^T X)^-1 of slope and intercept by least squares, for errors of variance 1."""
    design = np.stack([PLACES, np.ones_like(PLACES)], axis=1)
    return np.linalg.inv(design.T @ design)


def replicates(seed: int) -> np.ndarray:
    """Slopes and intercepts (R, 2) of simulated measurements of y = x."""
    measured = PLACES[:, None] + np.random.default_rng(seed).normal(size=(PLACES.size, REPLICATES))
    return np.polyfit(PLACES, measured, 1).T


def _case(field: Diagonal, mean: np.ndarray, law: np.ndarray, cells: int) -> Case:
    """The solve on a box that holds the law from t = 0 to t = 2, where it is widest and where it is furthest off."""
    boxes = []
    for t in (TIMES[0], TIMES[-1]):
        centre, std = field.points(t, mean), np.sqrt(np.diag(field.covariance(t, law)))
        boxes.append((centre - REACH * std, centre + REACH * std))
    lower, upper = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    start = kn.Density.gaussian(mean, law, kn.Grid(lower, upper, (cells, cells)))
    return Case(field, mean, kn.solve(field.equation, start, t1=TIMES[-1], saveat=jnp.array(TIMES)))


def _judged(case: Case, law: np.ndarray, cells: int) -> dict[str, Number]:
    """Mean and covariance at t = 2 beside the exact ones, with tolerances that grow on fewer than 256 cells a side."""
    t, coarse = TIMES[-1], max(256 / cells, 1.0) ** 3  # the averages are of third order
    final = case.solution.final
    mean, covariance = np.asarray(final.mean), np.asarray(final.variance)
    place, exact = case.field.points(t, case.mean), case.field.covariance(t, law)
    resolved = np.sqrt(np.diag(exact)) / np.asarray(final.grid.width)
    # What the scheme is off by in the mean grows with the distance between any two characteristics.
    off = 1e-3 * coarse * np.maximum(np.exp(case.field.weight * t), 1.0)
    numbers = {"cells per standard deviation at t = 2": Number(float(resolved.min()))}
    for axis, each in enumerate(("slope", "intercept")):
        numbers[f"mean {each} at t = 2"] = Number(mean[axis], place[axis], off[axis])
        numbers[f"variance of the {each} at t = 2"] = Number(
            covariance[axis, axis], exact[axis, axis], 0.01 * coarse * exact[axis, axis]
        )
    numbers["covariance of both at t = 2"] = Number(covariance[0, 1], exact[0, 1], 0.01 * coarse * abs(exact[0, 1]))
    for row, time in enumerate(TIMES[1:], start=1):
        gaussian = kn.Density.gaussian(case.field.points(time, case.mean), case.field.covariance(time, law), final.grid)
        numbers[f"L1 distance to the exact density at t = {time:g}"] = Number(
            distance(case.solution[row], gaussian), 0.0
        )
    numbers |= conservation(case.solution)
    numbers["mass lost through the open ends"] = Number(float(case.solution.stats["mass_lost"]), 0.0, 1e-6)
    return numbers


def _furthest(found: np.ndarray, exact: np.ndarray) -> float:
    """The ratio of two entries that is furthest from 1."""
    ratios = (found / exact).reshape(-1)
    return float(ratios[np.argmax(np.abs(ratios - 1))])


def _draw(path: Path, corrected: Case, printed: Case, fits: np.ndarray) -> None:
    """Both rows from the same start, each in the same part of the plane at all times; what was measured is drawn at the start."""
    with plotting.style():
        drawing, axes = plt.subplots(2, len(TIMES), figsize=(7.0, 4.2), layout="constrained")
        rows = ((corrected, "corrected", (-0.6, -1.6), (2.4, 1.4)), (printed, "as printed", (-9.0, -1.5), (7.0, 1.5)))
        for row, (case, name, lower, upper) in zip(axes, rows, strict=True):
            plotting.plot_snapshots(
                case.solution,
                list(row),
                contours=(),
                lower=lower,
                upper=upper,
                xlabel="slope",
                ylabel="intercept",
                label="density",
            )
            measured = fits - LINE + case.mean  # errors are the same around any line
            look: dict[str, Any] = {"markersize": 1.4, "color": plotting.COLOURS[2], "markeredgewidth": 0}
            row[0].plot(*measured.T, "o", **look, label="least squares around\ny = 0.7 x + 0.3")
            for ax, t in zip(row, TIMES, strict=True):
                ax.axvline(1.0, color="0.5", linewidth=0.6, linestyle=":", zorder=2)
                ax.set_title(f"{name}, t = {t:g}")
        axes[0, 0].legend(loc="lower left", handletextpad=0.1, borderaxespad=0.1, markerscale=2)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
