"""Densities in two dimensions that several files ask for, and all that is computed of one, as one program."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

# One shape for all that is not about the order, so that one program serves.
GRID = kn.Grid((-2.0, -1.0), (3.0, 2.5), (12, 12))
MEAN, COVARIANCE = np.array([0.3, -0.2]), np.array([[0.6, 0.3], [0.3, 0.5]])
BOX = (-4.5, -5.0), (5.0, 4.5)
ELSEWHERE = 0.7


@jax.jit
def facts(density, grid, at):
    """All that is computed of a density, as one program."""
    parts = density.plane
    return {
        "mass": density.mass,
        "mean": density.mean,
        "variance": density.variance,
        "energy": density.energy,
        "third": density.moment(3),
        "marginals": tuple(density.marginal(axis).values for axis in (0, 1)),
        "conditionals": tuple(density.conditional(axis, at[axis]).values for axis in (0, 1)),
        "lines": tuple(parts.line(axis).at(0.5) for axis in (0, 1)),
        "inside": parts.at(0.3, -0.4),
        "moved": density.on(grid).values,
    }


def wider(grid):
    """Another grid around this one, with as many cells."""
    return kn.Grid(grid.lower - 0.1 * grid.length, grid.upper + 0.07 * grid.length, grid.shape)


def computed(density, at=(ELSEWHERE, ELSEWHERE)):
    return jax.tree.map(np.asarray, facts(density, wider(density.grid), jnp.asarray(at, density.values.dtype)))


def quadrature(points=20):
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return 0.5 * nodes, 0.5 * weights


def exact_averages(function, grid):
    """Of a function of x and y over the cells, by twenty Gauss points along each axis."""
    nodes, weights = quadrature()
    (x, dx), (y, dy) = ((np.asarray(line.centers), float(line.width)) for line in grid.axes)
    values = function((x[:, None] + dx * nodes)[:, None, :, None], (y[:, None] + dy * nodes)[None, :, None, :])
    return np.einsum("xyab,a,b->xy", values, weights, weights)


def waves(x, y):
    """Smooth, with all mixed derivatives, and without symmetry."""
    return np.exp(0.5 * np.sin(x + 0.4 * y) + 0.3 * np.cos(1.2 * y - x))


@functools.cache
def wavy(n):
    grid = kn.Grid((-1.0, -2.0), (2.0, 1.5), (n, n + 8))
    return kn.Density(grid, exact_averages(waves, grid))


def gaussian(n=64):
    return kn.Density.gaussian(MEAN, COVARIANCE, kn.Grid(*BOX, (n, n + 8)))
