"""A field with the activation chosen by a number: one compiled program for all of them."""

from collections.abc import Callable

import equinox as eqx
import jax
from jax.typing import ArrayLike

import kinetic_nde as kn

ACTIVATIONS = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine(), kn.GeneralizedGamma(0.5, 1.0)]
IDENTITY, RELU, SIGMOID, TANH, COSINE, GAMMA = range(6)


class AnyActivation(eqx.Module):
    """sigma(w x + b) with w and b numbers, arrays or functions of t."""

    which: ArrayLike
    w: ArrayLike | Callable
    b: ArrayLike | Callable

    @property
    def autonomous(self):
        return not (callable(self.w) or callable(self.b))

    def __call__(self, t, x):
        w, b = (each(t) if callable(each) else each for each in (self.w, self.b))
        z = (w @ x if x.ndim else w * x) + b
        return jax.lax.switch(self.which, ACTIVATIONS, z)
