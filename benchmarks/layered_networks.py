"""Random networks of many layers and their exact flow maps, in NumPy: layers of equal length, typed as decimals, at random
times, and a rounding apart."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.integrate._ivp import dop853_coefficients as dop853

import kinetic_nde as kn

LAYERS, PARTICLES, SAVES = 60, 5, 4
DELTA, SCALE = 0.5, 0.5
ACTIVATIONS = (
    kn.Identity(),
    kn.ReLU(),
    kn.Sigmoid(),
    kn.Tanh(),
    kn.GrowingCosine(),
    kn.GeneralizedGamma(DELTA, SCALE),
)
IDENTITY, RELU, SIGMOID, TANH, COSINE, GAMMA = range(6)
WALL = 1.5
# How far from 0 a network may bring a particle that does not blow up: near a blow-up any error grows without bound.
_FAR = 20.0


class Networks(NamedTuple):
    """N networks, padded to 60 layers: `times` are the left ends, those of the padding after t1; one row each."""

    which: np.ndarray
    times: np.ndarray
    w: np.ndarray
    b: np.ndarray
    t1: np.ndarray
    saves: np.ndarray
    x: np.ndarray


class Layered(eqx.Module):
    """sigma(w x + b) of the layer that holds t, for any of the activations: one compiled program for all networks."""

    which: Array
    breakpoints: Array
    w: Array
    b: Array

    def __call__(self, t, x):
        layer = jnp.searchsorted(self.breakpoints, t, side="right")
        z = self.w[layer] * x + self.b[layer]
        return jnp.stack([activation(z) for activation in ACTIVATIONS])[self.which]


def field(network: Networks) -> Layered:
    """The velocity field of one row."""
    which, times, w, b = map(jnp.asarray, network[:4])
    return Layered(which, times[1:], w, b)


def draw(rng: np.random.Generator, count: int, walls: bool) -> Networks:
    """`count` networks between walls at -1.5 and 1.5 or without; those in which a particle comes far without blowing up are
    left out."""
    rows = [_one(rng, walls) for _ in range(count + count // 4 + 8)]
    drawn = Networks(*(np.stack(each) for each in zip(*rows, strict=True)))
    final = composed(drawn, drawn.t1, drawn.x, walls)
    kept = np.flatnonzero(~np.any(np.isfinite(final) & (np.abs(final) > _FAR), axis=1))[:count]
    assert kept.size == count
    return Networks(*(each[kept] for each in drawn))


def _one(rng: np.random.Generator, walls: bool) -> tuple:
    which, layers = rng.integers(6), int(rng.integers(2, LAYERS + 1))
    times, t1 = _times(rng, layers)
    layers = times.size
    lengths = np.diff(np.append(times, t1))
    w, b = rng.normal(size=LAYERS), rng.normal(size=LAYERS)
    # int |w| dt bounds by how much errors grow.
    w *= rng.uniform(0.3, 1.5 if which in (COSINE, GAMMA) else 3.0) / np.sum(np.abs(w[:layers]) * lengths)
    w = np.copysign(np.maximum(np.abs(w), 0.01), w)
    times = np.concatenate([times, t1 + 1.0 + np.arange(LAYERS - layers)])
    return which, times, w, b, t1, _saves(rng, times[:layers], t1), np.sort(rng.uniform(-1.0, 1.0, PARTICLES))


def _times(rng: np.random.Generator, layers: int) -> tuple[np.ndarray, float]:
    kind = rng.integers(4)
    if kind == 0:
        t1 = float(rng.choice([1.0, 0.1 * 3, 2.0, rng.uniform(0.2, 4.0)]))
        return np.linspace(0.0, t1, layers + 1)[:-1], t1
    if kind == 1:
        digits = int(rng.integers(1, 3))
        typed = np.unique(np.append(0.0, np.round(rng.uniform(0.0, 3.0, layers - 1), digits)))
        return typed, float(typed[-1] + rng.choice([0.1, 0.01, 1.0, 0.1 * 3]))
    t1 = float(rng.uniform(0.2, 4.0))
    if kind == 2:
        return np.append(0.0, np.sort(rng.uniform(0.0, t1, layers - 1))), t1
    # Two tables of the same times: one by multiplication, one by adding up, and some times a few roundings on.
    step = float(rng.choice([0.1, 0.3, 0.7, t1 / layers]))
    number = max(1, (layers - 1) // 2)
    products, sums = step * np.arange(1, number + 1), np.cumsum(np.full(number, step))
    shaken = sums * (1 + np.finfo(float).eps * rng.integers(-2, 3, number))
    times = np.unique(np.concatenate([[0.0], products, shaken]))[:layers]
    return times, float(step * (number + 1) if rng.integers(2) else np.nextafter(times[-1], np.inf))


def _saves(rng: np.random.Generator, times: np.ndarray, t1: float) -> np.ndarray:
    spread = np.linspace(0.0, t1, SAVES + 1)[1:]
    if rng.integers(2):
        return spread
    near = rng.choice(times, SAVES) * (1 + np.finfo(float).eps * rng.integers(-2, 3, SAVES))
    near = np.sort(np.minimum(near, t1))
    return near if np.all(np.diff(near) > 0) else spread


def composed(networks: Networks, until: np.ndarray, x: np.ndarray, walls: bool) -> np.ndarray:
    """Where particles (N, P) are at time `until` (N,); not finite from where they blow up."""
    for layer in range(LAYERS):
        x = _layer(networks, layer, until, x, 1)[0]
        x = np.clip(x, -WALL, WALL) if walls else x
    return x


def composed_back(networks: Networks, x: np.ndarray, walls: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where at time 0 what is at x (N, P) at t1 comes from, and by how much log dX/dx has grown on the way there.

    Between walls: the last x(0) from which particles are at most at x, which need not be within the walls."""
    growth = np.zeros_like(x)
    for layer in reversed(range(LAYERS)):
        before, more = _layer(networks, layer, networks.t1, x, -1)
        # What is at a wall came from everywhere beyond.
        moving = (np.abs(x) < WALL) if walls else np.ones(x.shape, bool)
        x, growth = np.where(moving, before, x), growth + np.where(moving, more, 0.0)
    return x, growth


def _layer(
    networks: Networks, layer: int, until: np.ndarray, x: np.ndarray, sign: int
) -> tuple[np.ndarray, np.ndarray]:
    """The flow map of one layer, up to `until`, forwards or backwards, and its log-derivative."""
    last = networks.times[:, layer + 1] if layer + 1 < LAYERS else np.full(until.shape, np.inf)
    length = np.clip(np.minimum(last, until) - networks.times[:, layer], 0.0, None)
    w, b = networks.w[:, layer, None], networks.b[:, layer, None]
    grown = np.broadcast_to(sign * w * length[:, None], x.shape)
    z = w * x + b
    after, growth = np.empty_like(z), np.empty_like(z)
    for which, flow in enumerate(_FLOWS):
        rows = networks.which == which
        with np.errstate(all="ignore"):
            after[rows] = flow(z[rows], grown[rows])
            growth[rows] = _log_growth(which, z[rows], after[rows], grown[rows])
    still = grown == 0
    return np.where(still, x, (after - b) / w), np.where(still, 0.0, growth)


def _log_growth(which: int, z: np.ndarray, after: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """log dX/dx = log(v(X) / v(x)), where v is not 0."""
    if which == IDENTITY:
        return grown
    before, now = (np.asarray(ACTIVATIONS[which](jnp.asarray(each))) for each in (z, after))
    return np.where(before == 0, 0.0, np.log(np.abs(now / np.where(before == 0, 1.0, before))))


def _sigmoid(z: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """z + d with d - e^-z (e^-d - 1) = w t, by Newton's method for d, whose iterates stay on one side: z - e^-z itself loses
    all digits of z where z is far below 0."""
    d, scale = np.minimum(grown, 0.0), np.exp(np.minimum(z, 0.0))
    rest = np.exp(np.minimum(-z, 0.0))
    for _ in range(60):
        d = d - (scale * (d - grown) - rest * np.expm1(-d)) / (scale + rest * np.exp(-d))
    return z + d


def _gamma(z: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """u = (z / c)^-delta obeys u' = w (1 - u), and z is infinite where u is 0."""
    u = 1 + (np.where(z > 0, z / SCALE, 1.0) ** -DELTA - 1) * np.exp(-grown)
    return np.where(z > 0, np.where(u > 0, SCALE * np.where(u > 0, u, 1.0) ** (-1 / DELTA), np.inf), z)


def _cosine(z: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """By many steps of order 8."""
    if z.size == 0:
        return z
    steps = int(np.ceil(np.max(np.abs(grown)) * (1 + np.max(np.abs(z))) / 0.05)) or 1
    h = grown / steps
    for _ in range(steps):
        slopes: list[np.ndarray] = []
        for row in dop853.A[: dop853.N_STAGES]:
            y = z + h * sum(a * slope for a, slope in zip(row, slopes, strict=False))
            slopes.append(y * np.cos(y))
        z = z + h * sum(weight * slope for weight, slope in zip(dop853.B, slopes, strict=True))
    return z


_FLOWS = (
    lambda z, grown: z * np.exp(grown),
    lambda z, grown: np.where(z > 0, z * np.exp(grown), z),
    _sigmoid,
    lambda z, grown: np.arcsinh(np.exp(grown) * np.sinh(z)),
    _cosine,
    _gamma,
)
