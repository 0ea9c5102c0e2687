"""Closed forms, in NumPy: the flow maps of mathematics in one dimension for constant w != 0 and b, and what follows
from them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import wrightomega
from scipy.stats import norm

import kinetic_nde as kn


class Course(eqx.Module):
    """c_0 + c_1 t + c_2 t^2 + c_3 sin 3t + c_4 e^-t: many functions of t, and one compiled program for all."""

    c: jax.Array

    def __call__(self, t):
        return self.c @ jnp.stack([jnp.ones_like(t), t, t**2, jnp.sin(3 * t), jnp.exp(-t)])


def course(*c):
    return Course(jnp.array([*c, *[0.0] * (5 - len(c))]))


ACTIVATIONS = [kn.Identity(), kn.Tanh(), kn.Sigmoid(), kn.ReLU()]


def flow(activation, w, b, t, x):
    """X(t) from X(0) = x; with -t the way back."""
    z = w * np.asarray(x) + b
    if isinstance(activation, kn.Identity):
        z = z * np.exp(w * t)
    elif isinstance(activation, kn.Tanh):
        z = np.arcsinh(np.exp(w * t) * np.sinh(z))
    elif isinstance(activation, kn.ReLU):
        z = np.where(z > 0, z * np.exp(w * t), z)
    else:
        # y - exp(-y) = c has the solution c + wrightomega(-c).
        c = z - np.exp(-z) + w * t
        z = c + wrightomega(-c).real
    return (z - b) / w


def averages(activation, w, b, t, grid, cdf=norm.cdf):
    """The exact cell averages at time t of the mean field that starts with the distribution function `cdf`."""
    start = flow(activation, w, b, -t, np.asarray(grid.faces))
    return np.diff(cdf(start)) / np.asarray(grid.widths)


def order(cells, errors):
    """The slope of log(error) over log(1 / cells), fitted over all grids."""
    return -np.polyfit(np.log(cells), np.log(errors), 1)[0]


def l1(density, exact):
    return float(np.sum(np.abs(np.asarray(density.values) - exact)) * density.grid.width)
