"""Noise that depends on x and noise that does not, in one compiled program."""

import equinox as eqx
import jax
import jax.numpy as jnp


class Affine(eqx.Module):
    """K(x) = k_0 + k_1 x."""

    k: jax.Array = eqx.field(converter=jnp.asarray)

    def __call__(self, x):
        return self.k[0] + self.k[1] * x


ONE, X = Affine([1.0, 0.0]), Affine([0.0, 1.0])
