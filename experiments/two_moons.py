"""Two moons: a residual network of 16 layers that takes a normal distribution to two half circles, with its density drawn."""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from scipy.special import logsumexp

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.heat import colours
from kinetic_nde.plotting.style import COLOURS, finish

from .numbers import Number

QUICK = {"samples": 500, "epochs": 4, "points": 60, "layers": 8}

NOISE = 0.1
T1 = 4.0
LOWER, UPPER = (-1.8, -1.3), (2.8, 1.8)  # what is drawn
FAR = 2.0  # what is integrated over goes so much further on each side


def main(out: Path, samples: int = 4000, epochs: int = 300, points: int = 500, layers: int = 16) -> dict[str, Number]:
    """Fits a `SimResNet` with tanh, d = 2 and its own weights in each layer to `samples` points on two half circles with noise, and
    integrates its density on `points` by `points` places.

    Draws `two_moons.png`: data, the density of the flow with samples of it, and the held-out log-likelihood over the epochs.

    Exact: the mass is 1. The true density is known, an integral over the half circles, and so is the log-likelihood of new samples
    under it, which no model exceeds by more than chance; a Gaussian is there to be beaten.
    """
    out.mkdir(parents=True, exist_ok=True)
    data, new = moons(samples, 0), moons(samples, 1)
    fit = kn.fit_flow(
        network(layers, 0),
        data,
        t1=T1,
        optimizer=optax.adam(0.02),
        max_epochs=epochs,
        patience=60,
        key=jax.random.key(0),
    )
    truth, found = log_density(new), np.asarray(fit.flow.log_prob(new))
    units = kn.Standardisation.of(data)
    normal = jax.vmap(kn.StandardNormal(2).log_prob)(units.standard(jnp.asarray(new))) - units.log_determinant
    axes = [np.linspace(low - FAR, high + FAR, points) for low, high in zip(LOWER, UPPER, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    density = np.exp(np.asarray(fit.flow.log_prob(places.reshape(-1, 2)))).reshape(points, points)
    mass = float(np.trapezoid(np.trapezoid(density, axes[1]), axes[0]))
    drawn = np.asarray(fit.flow.sample(jax.random.key(1), samples))
    _draw(out / "two_moons.png", data, drawn, axes, density, fit, float(truth.mean()))
    enough = samples >= 4000
    apart = truth - found
    return {
        "log-likelihood per new sample": Number(float(found.mean()), float(truth.mean()), 0.15 if enough else None),
        "its distance from the truth, standard error": Number(float(apart.std() / np.sqrt(samples))),
        "of the Gaussian with the same mean and covariance": Number(float(jnp.mean(normal)), float(truth.mean())),
        "mass of the density drawn": Number(mass, 1.0, 1e-4 if enough else 0.05),
        "epochs": Number(float(len(fit.history.held_out) - 1)),
        "best epoch": Number(float(fit.best)),
        "held-out log-likelihood by the steps of training": Number(
            float(fit.history.held_out[fit.best]), fit.log_likelihood, 0.02
        ),
    }


def moons(count: int, seed: int) -> np.ndarray:
    """Points (count, 2) on either half circle, with normal noise."""
    rng = np.random.default_rng(seed)
    centres = curve(np.pi * rng.random(count), rng.random(count) < 0.5)
    return centres + NOISE * rng.normal(size=(count, 2))


def curve(angle: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The upper half circle around (0, 0), the lower one around (1, 1/2)."""
    x, y = np.cos(angle), np.sin(angle)
    return np.where(upper[:, None], np.stack([x, y], axis=1), np.stack([1 - x, 0.5 - y], axis=1))


def log_density(points: np.ndarray, nodes: int = 400) -> np.ndarray:
    """That of `moons`, by the midpoint rule along the half circles."""
    angle = (np.arange(nodes) + 0.5) * np.pi / nodes
    centres = np.concatenate([curve(angle, np.full(nodes, side)) for side in (True, False)])
    squares = np.sum((points[:, None] - centres[None]) ** 2, axis=-1)
    return logsumexp(-squares / (2 * NOISE**2), axis=1) - np.log(2 * nodes * 2 * np.pi * NOISE**2)


def network(layers: int, seed: int) -> kn.SimResNet:
    """A field with weights and biases of its own in each layer, random and small."""
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, T1, layers, endpoint=False)
    weights, biases = (0.3 * rng.normal(size=shape) for shape in ((layers, 2, 2), (layers, 2)))
    return kn.SimResNet(kn.PiecewiseConstant(times, weights), kn.PiecewiseConstant(times, biases), kn.Tanh())


def _draw(
    path: Path,
    data: np.ndarray,
    drawn: np.ndarray,
    axes: list[np.ndarray],
    density: np.ndarray,
    fit: kn.FlowFit,
    truth: float,
) -> None:
    drawing, (left, middle, right) = plotting.figure(columns=2, panels=3, height=2.0)
    with plotting.style():
        for ax, points, name in ((left, data, "data"), (middle, drawn, "flow: density, samples")):
            if ax is middle:
                ax.pcolormesh(axes[0], axes[1], density.T, cmap=colours(), shading="gouraud", rasterized=True)
            ax.plot(*points[:400].T, ".", color=COLOURS[2], markersize=1.2)
            ax.set_aspect("equal")
            finish(ax, "x", "y")
            ax.set_xlim(LOWER[0], UPPER[0])
            ax.set_ylim(LOWER[1], UPPER[1])
            ax.set_title(name)
        epochs = np.arange(len(fit.history.held_out))
        right.plot(epochs, fit.history.training, color=COLOURS[0], linewidth=0.8, label="training")
        right.plot(epochs, fit.history.held_out, color=COLOURS[1], linewidth=0.8, label="held out")
        right.axhline(truth, color="black", linestyle="--", linewidth=0.8, label="true density")
        finish(right, "epoch", "log-likelihood per sample")
        right.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=2)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
