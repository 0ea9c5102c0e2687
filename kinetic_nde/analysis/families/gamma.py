"""The Gamma distribution of the logarithm, without the cancellations of its textbook form."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

# ln Gamma is asked for at shape + _SHIFT, where these terms of Stirling's series have all digits.
_SHIFT = 8
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def log_prob_of_log(theta: Float[Array, "*shape"], shape: Float[Array, ""]) -> Float[Array, "*shape"]:
    """The log-density of theta = ln(Y / shape) for Y of the Gamma distribution with this shape and rate 1,

        shape (theta - e^theta + 1) + shape ln shape - shape - ln Gamma(shape).

    Data that spread little have a large shape, where shape ln Y - Y - ln Gamma(shape) is a small difference of large
    numbers.

    >>> log_prob_of_log(jnp.array(0.0), jnp.array(1.0))
    Array(-1., dtype=float64)
    """
    return shape * (theta - jnp.expm1(theta)) + _rest(shape)


def _rest(shape: Float[Array, ""]) -> Float[Array, ""]:
    """s ln s - s - ln Gamma(s).

    JAX's gammaln would do for small shapes, but its second derivative is a sum of loops that compile for seconds.
    """
    above = shape + _SHIFT
    steps = jnp.sum(jnp.log((shape + jnp.arange(_SHIFT, dtype=shape.dtype)) / above))
    series = sum(term / above ** (2 * k + 1) for k, term in enumerate(_SERIES))
    return _SHIFT - shape * jnp.log1p(_SHIFT / shape) + steps + 0.5 * jnp.log(above / (2 * math.pi)) - series
