"""A field with the activation chosen by a number: one compiled program for all of them."""

import equinox as eqx
import jax
from jax.typing import ArrayLike

import kinetic_nde as kn

ACTIVATIONS = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine(), kn.GeneralizedGamma(0.5, 1.0)]
IDENTITY, RELU, SIGMOID, TANH, COSINE, GAMMA = range(6)


class AnyActivation(eqx.Module):
    """sigma(w x + b)."""

    which: ArrayLike
    w: ArrayLike
    b: ArrayLike
    autonomous: bool = eqx.field(static=True, default=True)

    def __call__(self, t, x):
        return jax.lax.switch(self.which, ACTIVATIONS, self.w * x + self.b)
