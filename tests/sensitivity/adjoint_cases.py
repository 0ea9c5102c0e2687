"""Problems whose gradients the adjoint equation finds, and gradients by differences."""

import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

ADJOINTS = {"transport": kn.TransportAdjoint(), "checkpoint": kn.CheckpointAdjoint()}
CELLS = (100, 200, 400)


def layers(p):
    return kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3, 0.55], p[:3]), p[3], kn.Tanh())


def knots_and_layers(p):
    return kn.SimResNet(kn.Interpolated([0.0, 0.6, 1.0], p[:3]), kn.PiecewiseConstant([0.0, 0.3], p[3:]), kn.Sigmoid())


def two_times(net, cells, adjoint, walls=None, saveat=(0.4, 1.0)):
    """p, averages -> a loss at a save time on the way and at the end, or at other times."""
    grid = kn.Grid(-8.0, 8.0, cells)
    loss = kn.L2Loss(kn.Density.gaussian(1.0, 0.8, grid))

    def total(p, averages):
        solution = kn.solve(
            kn.MeanField(net(p), walls),
            kn.Density(grid, averages),
            t1=1.0,
            saveat=list(saveat),
            adjoint=adjoint,
        )
        return sum(loss(solution[k]) for k in range(len(saveat)))

    return total, kn.Density.gaussian(0.5, 1.0, grid).values


def around(p, h):
    """p + h e and p - h e for each component."""
    steps = h * np.eye(len(p))
    return np.asarray(p) + np.concatenate([steps, -steps])


def central(values, h):
    """The gradient from the values at `around(p, h)`."""
    above, below = np.split(np.asarray(values), 2)
    return (above - below) / (2 * h)


def apart(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def sines(solution):
    """A number that depends on all samples, at both save times."""
    return jnp.sum(jnp.sin(solution.final.samples)) + jnp.sum(solution[0].samples ** 2)
