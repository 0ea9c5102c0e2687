"""Fokker-Planck equations of all families in one compiled program, and their steady states in closed form."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.special import gammaincc, gammaln

import kinetic_nde as kn

IDENTITY, RELU, TANH, GENERALISED_GAMMA, COSINE, CUBIC = range(6)


class AnyField(eqx.Module):
    """sigma(w x + b) with the activation chosen by a number; delta and c are those of the generalised Gamma."""

    which: jax.Array
    w: jax.Array
    b: jax.Array
    delta: jax.Array
    c: jax.Array
    autonomous: bool = eqx.field(static=True, default=True)

    def __call__(self, t, x):
        z = self.w * x + self.b
        positive = jnp.where(z > 0, z, jnp.ones_like(z))
        power = (positive / self.c) ** self.delta
        gamma = jnp.where(z > 0, -(power - 1) / self.delta * positive, jnp.zeros_like(z))
        return jnp.stack([z, jnp.maximum(z, 0), jnp.tanh(z), gamma, z * jnp.cos(z), z - z**3])[self.which]

    def kinks(self, t):
        """Where sigma is ReLU or that of the generalised Gamma."""
        return [jnp.where(self.which % 2 == 1, -self.b / self.w, jnp.nan)]


class PowerOfX(eqx.Module):
    """K(x) = scale |x|^exponent |1 - x|^other."""

    scale: jax.Array
    exponent: jax.Array
    other: jax.Array

    def __call__(self, x):
        power = 1.0
        for size, exponent in ((jnp.abs(x), self.exponent), (jnp.abs(1 - x), self.other)):
            positive = jnp.where(size > 0, size, jnp.ones_like(x))
            power = power * jnp.where((size > 0) | (exponent == 0), positive**exponent, jnp.zeros_like(x))
        return self.scale * power


def equation(
    which, w, b, nu, exponent: float = 0, other: float = 0, scale=1.0, delta=0.5, c=1.0, walls=None, dtype: Any = float
):
    numbers = (jnp.asarray(each, dtype) for each in (w, b, delta, c))
    field = AnyField(jnp.asarray(which), *numbers, autonomous=True)
    diffusion = PowerOfX(*(jnp.asarray(each, dtype) for each in (scale, exponent, other)))
    return kn.FokkerPlanck(field, jnp.asarray(nu, dtype), diffusion, walls)


def between(distribution, faces):
    """The mass of each cell, from the side on which it has more digits."""
    right = distribution.cdf(faces[:-1]) > 0.5
    return np.where(right, -np.diff(distribution.sf(faces)), np.diff(distribution.cdf(faces)))


def gaussian(w, b, nu):
    return stats.norm(-b / w, nu / np.sqrt(-2 * w))


def inverse_gamma(w, b, nu):
    return stats.invgamma(1 - 2 * w / nu**2, scale=2 * b / nu**2)


def generalised_gamma(delta, c, nu):
    """x^{-2 + 2/(nu^2 delta)} exp(-(2/(nu^2 delta^2)) (x/c)^delta)."""
    q = 2 / (nu**2 * delta) - 1
    return stats.gengamma(q / delta, delta, scale=c * (nu**2 * delta**2 / 2) ** (1 / delta))


class ParetoTail:
    """C x^-2 from a = -b/w on, inverse-Gamma-like below, by the incomplete Gamma function."""

    def __init__(self, w, b, nu):
        self.a, self.mu, self.beta = -b / w, 1 - 2 * w / nu**2, 2 * b / nu**2
        self.body = self._below(self.a)
        self.constant = 1 / (1 / self.a + self.body)

    def _below(self, x):
        """int_0^x y^-2 exp((2/nu^2)(w ln(y/a) - b (1/y - 1/a))) dy, with s = beta / y."""
        shape = self.mu
        log = (shape - 1) * np.log(self.a) + self.beta / self.a - shape * np.log(self.beta) + gammaln(shape)
        return np.exp(log) * gammaincc(shape, self.beta / np.where(x > 0, x, 1e-300))

    def cdf(self, x):
        x = np.asarray(x, dtype=float)
        tail = 1 / self.a - 1 / np.maximum(x, self.a)
        return self.constant * (self._below(np.minimum(x, self.a)) + tail)

    def sf(self, x):
        x = np.asarray(x, dtype=float)
        return np.where(x > self.a, self.constant / np.maximum(x, self.a), 1 - self.cdf(x))
