"""Networks with identity activation, and data that they move."""

from typing import Any

import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

DATA = kn.Ensemble([-0.5, 0.4, 1.0, 3.1])  # mean 1
MEAN, VARIANCE, ENERGY = (float(each) for each in (DATA.mean, DATA.variance, DATA.energy))
SAMPLES = np.array([-1.3, -0.2, 0.4, 1.0, 2.9])


def identity(weight: Any, bias: Any = 0.0) -> kn.SimResNet:
    return kn.SimResNet(weight, bias, kn.Identity())


def power_means(x, order):
    """The means of x^0 .. x^order over the last axis, in a new last axis."""
    return np.stack([np.mean(x**k, axis=-1) for k in range(order + 1)], axis=-1)


def moments_of(density, order):
    """m_0 .. m_order of a density."""
    return jnp.stack([density.moment(k) for k in range(order + 1)])
