"""Activation functions sigma: value, derivative, zeros and Lipschitz constant."""

import abc
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class AbstractActivation(eqx.Module):
    """A function sigma: R -> R that acts on each component.

    A subclass gives the value, the derivative (used for the divergence of the network's velocity, so that no autodiff
    runs in a hot loop), the zeros in an interval (the candidates for clusters, Proposition 1) and the Lipschitz
    constant (Theorem 1). `kinks` are the places at which the derivative jumps, or the function is no longer smooth: a
    quadrature ends a panel there.
    """

    kinks: ClassVar[tuple[float, ...]] = ()

    @property
    @abc.abstractmethod
    def lipschitz(self) -> float:
        """The smallest Lipschitz constant on the whole line; infinite where there is none."""

    @abc.abstractmethod
    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """sigma(z)."""

    @abc.abstractmethod
    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """sigma'(z); at a kink the value from the left."""

    @abc.abstractmethod
    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        """The zeros in [lower, upper], increasing. Of an interval of zeros, only an end that lies inside [lower,
        upper]."""


class Identity(AbstractActivation):
    """sigma(z) = z.

    >>> Identity().zeros(-1.0, 1.0)
    Array([0.], dtype=float64)
    """

    @property
    def lipschitz(self) -> float:
        return 1.0

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return z

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.ones_like(z)

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        return _inside([0.0], lower, upper)


class ReLU(AbstractActivation):
    """sigma(z) = max(0, z). Every z <= 0 is a zero; `zeros` gives the end of that half line.

    >>> ReLU()(jnp.array([-2.0, 3.0]))
    Array([0., 3.], dtype=float64)
    """

    kinks: ClassVar[tuple[float, ...]] = (0.0,)

    @property
    def lipschitz(self) -> float:
        return 1.0

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jax.nn.relu(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.where(z > 0, jnp.ones_like(z), jnp.zeros_like(z))

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        return _inside([0.0], lower, upper)


class Sigmoid(AbstractActivation):
    """sigma(z) = 1 / (1 + exp(-z)), which has no zeros.

    >>> Sigmoid().lipschitz
    0.25
    """

    @property
    def lipschitz(self) -> float:
        return 0.25

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jax.nn.sigmoid(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        # sigma(-z) and not 1 - sigma(z), which is 0 for z > 37.
        return jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        return _inside([], lower, upper)


class Tanh(AbstractActivation):
    """sigma(z) = tanh(z).

    >>> float(Tanh().derivative(jnp.array(0.0)))
    1.0
    """

    @property
    def lipschitz(self) -> float:
        return 1.0

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.tanh(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return 4 * jax.nn.sigmoid(2 * z) * jax.nn.sigmoid(-2 * z)

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        return _inside([0.0], lower, upper)


class GrowingCosine(AbstractActivation):
    """sigma(z) = z cos z, with zeros at 0 and at the odd multiples of pi / 2.

    >>> GrowingCosine().zeros(-2.0, 2.0).round(4)
    Array([-1.5708,  0.    ,  1.5708], dtype=float64)
    """

    @property
    def lipschitz(self) -> float:
        return math.inf

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return z * jnp.cos(z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.cos(z) - z * jnp.sin(z)

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        first, last = math.ceil(lower / math.pi - 0.5), math.floor(upper / math.pi - 0.5)
        odd = [(k + 0.5) * math.pi for k in range(first, last + 1)]
        return _inside(sorted([0.0, *odd]), lower, upper)


class GeneralizedGamma(AbstractActivation):
    """sigma(z) = -((z / c)^delta - 1) z / delta for z > 0, and 0 elsewhere.

    The drift whose Fokker-Planck steady state with K(x) = x is a generalised Gamma distribution (correction C9 of the
    paper's sigma_N). `delta` in (0, 1) and `c` > 0 are fixed numbers and not trained. Raises `ValueError` outside these
    ranges.

    >>> GeneralizedGamma(delta=0.5, c=2.0).zeros(0.1, 10.0)
    Array([2.], dtype=float64)
    """

    kinks: ClassVar[tuple[float, ...]] = (0.0,)

    delta: float = eqx.field(static=True, converter=float)
    c: float = eqx.field(static=True, converter=float)

    def __check_init__(self):
        if not 0 < self.delta < 1:
            raise ValueError(f"GeneralizedGamma needs 0 < delta < 1, got delta={self.delta}")
        if not 0 < self.c < math.inf:
            raise ValueError(f"GeneralizedGamma needs a finite c > 0, got c={self.c}")

    @property
    def lipschitz(self) -> float:
        return math.inf

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.where(z > 0, (1 - self._power(z)) * z / self.delta, jnp.zeros_like(z))

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.where(z > 0, (1 - (1 + self.delta) * self._power(z)) / self.delta, jnp.zeros_like(z))

    def zeros(self, lower: float, upper: float) -> Float[Array, " zeros"]:
        return _inside([0.0, self.c], lower, upper)

    def _power(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        # The inner `where` keeps the power's derivative finite for z <= 0, where the outer one discards its value but
        # not a NaN.
        return (jnp.where(z > 0, z, jnp.ones_like(z)) / self.c) ** self.delta


def _inside(candidates: list[float], lower: float, upper: float) -> Float[Array, " zeros"]:
    if not lower <= upper:
        raise ValueError(f"an interval needs lower <= upper, got lower={lower}, upper={upper}")
    return jnp.asarray(np.array([z for z in candidates if lower <= z <= upper], dtype=float))
