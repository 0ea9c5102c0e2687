"""Samples in two dimensions and more, and the distances between them."""

import numpy as np

import kinetic_nde as kn


def cloud(seed, size=30, d=2):
    return np.random.default_rng(seed).normal(size=(size, d)) * np.arange(1, d + 1)


def distance(x, y, p=1, **sliced):
    return float(kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p, **sliced))
