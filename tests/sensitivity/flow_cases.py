"""Samples with a known density, and fits with the shapes that all share."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from scipy.stats import norm

import kinetic_nde as kn

KEY = jax.random.key(0)
T1, BATCH = 3.0, 80
ADAM = optax.adam(0.05)


def bent(count, seed=0):
    """A parabola with noise along it, in units of its own: log-densities and samples are known."""
    u, v = np.random.default_rng(seed).normal(size=(2, count))
    x = np.stack([1e3 * u, 5 + 0.01 * (0.4 * v + u**2)], axis=1)
    return x, norm.logpdf(u) + norm.logpdf(v) - np.log(1e3 * 0.01 * 0.4)


def layers(seed=0, size=0.3, d=2, layers=4):
    rng, times = np.random.default_rng(seed), np.linspace(0, T1, layers, endpoint=False)
    values = (size * rng.normal(size=shape) for shape in ((layers, d, d), (layers, d)))
    weight, bias = (kn.PiecewiseConstant(times, each) for each in values)
    return kn.SimResNet(weight, bias, kn.Tanh())


NET = layers()
SAMPLES, _ = bent(500)


def fitted(field: Any = NET, samples: Any = SAMPLES, **options: Any) -> kn.FlowFit:
    """A fit with the shapes that all fits in the plane share."""
    default = {"t1": T1, "optimizer": ADAM, "batch": BATCH, "max_epochs": 3, "key": KEY, "steps": 2}
    return kn.fit_flow(field, samples, **{**default, **options})


def log_prob(flow, x):
    """At as many points at a time as are held out of 500, for which there is a program already."""
    x = np.asarray(x)
    filled = np.concatenate([x, np.repeat(x[-1:], -len(x) % 100, axis=0)])
    return np.concatenate([flow.log_prob(part) for part in np.split(filled, len(filled) // 100)])[: len(x)]


class Plain(eqx.Module):
    """A field without a method for its divergence, and without a dimension."""

    net: kn.SimResNet

    def __call__(self, t, x):
        return self.net(t, x)


CALLS = []


class Counted(eqx.Module):
    """A field in one dimension that writes down when it is traced."""

    net: kn.SimResNet

    def __call__(self, t, x):
        CALLS.append(1)
        return self.net(t, x)

    def divergence(self, t, x):
        return self.net.divergence(t, x)


def counted(weight, bias=-0.1):
    return Counted(kn.SimResNet(weight, bias, kn.Tanh()))


NUMBERS = np.random.default_rng(0).gamma(4.0, size=500)
