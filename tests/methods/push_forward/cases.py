"""Linear Boltzmann equations on a density, how they are solved, and what their moments are."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn
from tests.methods.moments_of_collisions import moments_in_time
from tests.steady_laws import AnyField, PowerOfX

# One number of cells for almost everything: each is a program of its own. Few where only time matters.
CELLS, FEWER, FINE = 60, 30, 400
NORMAL, UNIFORM = kn.NormalNoise(), kn.UniformNoise()


def equation(which, w, b, eps=1.0, nu=0.0, rate=1.0, exponent=0, noise: Any = NORMAL, dtype: Any = float):
    """Every field and every K in one compiled program."""
    w, b, delta, c, scale, power, other, eps, nu, rate = (
        jnp.asarray(each, dtype) for each in (w, b, 0.5, 1.0, 1.0, exponent, 0.0, eps, nu, rate)
    )
    return kn.Boltzmann(
        AnyField(jnp.asarray(which), w, b, delta, c), eps, nu, PowerOfX(scale, power, other), rate, noise
    )


def run(law, start, t1, steps=None, adjoint=None, **options):
    method = kn.PushForward(steps)
    return kn.solve(law, start, t1=t1, method=method, adjoint=adjoint or kn.CheckpointAdjoint(), **options)


def distance(one, other):
    return float(jnp.sum(jnp.abs(one.values - other.values)) * one.grid.width)


def read(density):
    """m1 and m2 of smooth data from the averages alone, without the error of a reconstruction: sum x^2 g dx is that of g
    seen through a window of width dx, of variance dx^2 / 12."""
    masses, x, dx = (
        np.asarray(density.values * density.grid.width),
        np.asarray(density.grid.centers),
        density.grid.width,
    )
    return [masses @ x, masses @ x**2 - float(dx) ** 2 / 12 * masses.sum()]


class Wave(eqx.Module):
    """The bias size cos(frequency t)."""

    size: jax.Array
    frequency: jax.Array

    def __call__(self, t):
        return self.size * jnp.cos(self.frequency * t)


KNOTS, WEIGHTS = [0.0, 0.4, 1.0], [-1.0, 0.0, -0.5]


def turning(rate, eps):
    """A weight with kinks and a bias that turns."""
    bias = Wave(jnp.asarray(0.5), jnp.asarray(6.0))
    return kn.Boltzmann(kn.SimResNet(kn.Interpolated(KNOTS, WEIGHTS), bias, kn.Identity()), eps, 0.7, rate=rate)


def turned(rate, eps, t, m1, m2):
    """Its m1 and m2."""
    w, b = lambda s: np.interp(s, KNOTS, WEIGHTS), lambda s: 0.5 * np.cos(6 * s)
    return moments_in_time(w, b, eps, 0.7, rate, [t], m1, m2)[-1]
