"""What a noisy layer draws for each particle."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._values import require


class AbstractNoise(eqx.Module):
    """The law of eta / nu in Eq. (20) of Herty, Trimborn, Visconti (2021), of mean 0 and variance 1, symmetric."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: np.dtype) -> Float[Array, "*shape"]:
        """Independent draws."""

    @abc.abstractmethod
    def ramp(self, z: Float[Array, "*shape"], order: int) -> Float[Array, "*shape"]:
        """E[(z - xi)_+^order] / order!: the distribution function for order 0, its first antiderivative for 1, its second
        for 2."""


class NormalNoise(AbstractNoise):
    """The standard normal distribution.

    >>> NormalNoise().ramp(jnp.array(0.0), 0)
    Array(0.5, dtype=float64)
    """

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: np.dtype) -> Float[Array, "*shape"]:
        return jax.random.normal(key, shape, dtype)

    def ramp(self, z: Float[Array, "*shape"], order: int) -> Float[Array, "*shape"]:
        below, density = jax.scipy.special.ndtr(z), jnp.exp(-0.5 * z**2) / (2 * np.pi) ** 0.5
        return (below, z * below + density, 0.5 * ((z**2 + 1) * below + z * density))[order]


class UniformNoise(AbstractNoise):
    """The uniform distribution on (-3^(1/2), 3^(1/2)).

    >>> UniformNoise().ramp(jnp.array([-2.0, 0.0, 2.0]), 1).round(4)  # 0, a quarter of 3^(1/2), and 2 itself
    Array([0.   , 0.433, 2.   ], dtype=float64)
    """

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: np.dtype) -> Float[Array, "*shape"]:
        return jax.random.uniform(key, shape, dtype, -(3**0.5), 3**0.5)

    def ramp(self, z: Float[Array, "*shape"], order: int) -> Float[Array, "*shape"]:
        end = 3**0.5
        # Up to the upper end of the interval a power of the distance to the lower one; beyond it the moments of xi.
        rise = jnp.clip(z + end, 0, 2 * end) ** (order + 1) / ([1, 2, 6][order] * 2 * end)
        return jnp.where(z > end, (jnp.ones_like(z), z, 0.5 * (z**2 + 1))[order], rise)


def as_noise(noise: object) -> AbstractNoise:
    """`noise` if it is one, else `TypeError`."""
    if isinstance(noise, AbstractNoise):
        return noise
    raise TypeError(f"noise is kn.NormalNoise() or kn.UniformNoise(), and nu its strength, not {noise!r}")


def check_strength(nu: Float[Array, "..."]) -> None:
    """Raises `ValueError` unless nu is a number, finite and not negative as far as it is known."""
    if nu.shape != ():
        raise ValueError(f"nu is a number, got shape {nu.shape}")
    require(lambda: 0 <= nu < np.inf, lambda: f"nu is the strength of the noise, finite and not negative, got {nu}", nu)
