"""Velocities of all kinds in one compiled program: with closed forms, and singular ones."""

import equinox as eqx
import jax
import jax.numpy as jnp

import kinetic_nde as kn

IDENTITY, RELU, TANH, NEVER_FINITE, SQUARE, ROOT, ATTRACTING_POLE, REPELLING_POLE = range(8)
ACTIVATION = {IDENTITY: kn.Identity(), RELU: kn.ReLU(), TANH: kn.Tanh()}


class AnyVelocity(eqx.Module):
    """sigma(w x + b), or a function of x alone."""

    which: jax.Array
    w: jax.Array
    b: jax.Array

    def __call__(self, t, x):
        z = self.w * x + self.b
        singular = [x / (x - x), x * x, jnp.sqrt(x), -1 / x, 1 / x]
        return jnp.stack([z, jnp.maximum(z, 0), jnp.tanh(z), *singular])[self.which]


def mean_field(which, w=1.0, b=0.0):
    return kn.MeanField(AnyVelocity(jnp.asarray(which), jnp.asarray(w, float), jnp.asarray(b, float)))
