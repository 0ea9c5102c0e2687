"""Densities in the plane to compare, and the losses that are for them."""

import functools

import numpy as np
from hypothesis import strategies as st

import kinetic_nde as kn

CELLS, FINEST = [20, 50], 80
BOX = (-6.0, -6.5), (6.5, 6.0)
MEANS = np.array([0.3, -0.2]), np.array([-0.6, 0.5])
COVARIANCES = np.array([[1.2, 0.3], [0.3, 1.1]]), np.array([[0.8, -0.1], [-0.1, 0.7]])
BANDWIDTHS = np.array([0.5, 0.7])
# The shape of the coarsest, so that one program serves.
GRID = kn.Grid((-2.0, -1.0), (3.0, 2.5), (20, 20))
NAMES = ["l2", "smoothed", "kullback leibler", "moments"]
rough = st.lists(st.sampled_from([0.0, 0.0, 1e-9, 0.5, 1.0, 7.0, 1e4]), min_size=400, max_size=400).filter(any)


def every_loss(h, bandwidths=BANDWIDTHS):
    losses = kn.L2Loss(h), kn.SmoothedL2Loss(h, bandwidths), kn.KullbackLeiblerLoss(h), kn.MomentLoss(h, (1, 2))
    return dict(zip(NAMES, losses, strict=True))


@functools.cache
def gaussians(n):
    grid = kn.Grid(*BOX, n)
    g, h = (kn.Density.gaussian(*each, grid) for each in zip(MEANS, COVARIANCES, strict=True))
    return g, h


def normalized(averages, grid=GRID):
    averages = np.reshape(np.asarray(averages, float), grid.shape)
    return kn.Density(grid, averages / (averages.sum() * float(grid.volume)))


def random_densities(seed):
    rng = np.random.default_rng(seed)
    return rng, normalized(rng.uniform(0.2, 1.0, 400)), normalized(rng.uniform(0.2, 1.0, 400))
