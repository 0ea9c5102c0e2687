"""Ensembles that collide, in few programs, and what is to be expected of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

import kinetic_nde as kn
from tests.methods.affine_diffusion import ONE

# An odd number: where particles collide in pairs one is left over.
MANY, MILLION = 2001, 10**6
START = kn.Ensemble(1.0 + np.random.default_rng(8).normal(size=MANY))
ZEROS = kn.Ensemble(np.zeros(MANY))
NORMAL = kn.NormalNoise()
CLOCKS, STEPS = kn.Collisions(), kn.Collisions(steps=10)
COMPROMISE = np.array([[-1.0, 1.0], [1.0, -1.0]])
BOTH_UP = kn.SimResNet(jnp.zeros((2, 2)), jnp.ones(2), kn.Identity())


def millions():
    return kn.Ensemble(1.0 + np.random.default_rng(8).normal(size=MILLION))


def twice(parameter):
    """That of two layers: the same in both, unless there are two already."""
    first, second = parameter if isinstance(parameter, tuple) else (parameter, parameter)
    return np.array([first, second], float)


def linear(w, b, eps=1.0, nu=0.0, rate=1.0, diffusion: Any = ONE, noise: Any = NORMAL):
    """The field w x + b: two numbers for w are layers that change at 0.5, two for b its values at 0 and 1."""
    weight, bias = kn.PiecewiseConstant([0.0, 0.5], twice(w)), kn.Interpolated([0.0, 1.0], twice(b))
    return kn.Boltzmann(kn.SimResNet(weight, bias, kn.Identity()), eps, nu, diffusion, rate, noise)


def binary(w, b, eps=1.0, rate=1.0):
    weight = kn.PiecewiseConstant([0.0, 0.5], twice(w))
    return kn.BinaryBoltzmann(kn.SimResNet(weight, jnp.asarray(b, float), kn.Identity()), eps, rate)


def solved(law, start=START, seed=0, method=CLOCKS, saveat=(0.5, 1.0), t0=0.0, **options):
    """Up to the second of two save times."""
    key = jax.random.key(seed)
    return kn.solve(law, start, t0=t0, t1=saveat[1], saveat=list(saveat), method=method, key=key, **options)


def repeated(law, start=START, seeds=5, method=CLOCKS, saveat=(0.5, 1.0)):
    """The particles of some solves, by save time."""
    runs = [solved(law, start, seed, method, saveat).distributions.samples for seed in range(seeds)]
    return np.concatenate([np.asarray(each) for each in runs], axis=1)


def counting(rate):
    """Collisions that add 1 to x."""
    return linear(0.0, 1.0, rate=rate)


def standard_errors(samples, m1, m2):
    """How many standard errors the first two moments are from m1 and m2."""
    x = np.asarray(samples)
    return (x.mean() - m1) / (x.std() / len(x) ** 0.5), (np.mean(x**2) - m2) / (np.std(x**2) / len(x) ** 0.5)


def p_value(counts, law):
    """Of a chi-square test of integers, with those that are rare put together."""
    numbers = np.arange(30)
    both = np.array([np.bincount(counts, minlength=30)[:30], law.pmf(numbers) * len(counts)])
    kept = both[:, both[1] > 10]
    rest = len(counts) - kept.sum(axis=1)
    return scipy.stats.chisquare(*(np.c_[kept, rest] if rest[1] > 1e-6 else kept)).pvalue
