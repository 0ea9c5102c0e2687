"""How strong the noise of a layer is at each point."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import as_floating, require


class AbstractDiffusion(eqx.Module):
    """The diffusion K(x) of Eqs. (20) and (21) of Herty, Trimborn, Visconti (2021), which acts by component: of the shape
    of x. Any `eqx.Module` that is called as `K(x)` will do."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """K(x) at one point."""


class ConstantDiffusion(AbstractDiffusion):
    """K(x) = value. Raises `ValueError` unless value >= 0 is finite.

    >>> ConstantDiffusion(2.0)(jnp.array([1.0, 5.0]))
    Array([2., 2.], dtype=float64)
    """

    value: Float[Array, ""] = eqx.field(converter=lambda value: as_floating(value, "value"), default=1.0)

    def __check_init__(self):
        if self.value.shape != ():
            raise ValueError(f"ConstantDiffusion needs a number, got shape {self.value.shape}")
        require(
            lambda: 0 <= self.value < np.inf,
            lambda: f"ConstantDiffusion needs a finite value >= 0, got {self.value}",
            self.value,
        )

    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        return jnp.broadcast_to(self.value, x.shape)


class LinearDiffusion(AbstractDiffusion):
    """K(x) = slope x, noise in proportion to x. On a grid K must not be negative: a positive slope is for x >= 0, a negative
    one for x <= 0. Raises `ValueError` unless the slope is finite.

    >>> LinearDiffusion(0.5)(jnp.array(4.0))
    Array(2., dtype=float64)
    """

    slope: Float[Array, ""] = eqx.field(converter=lambda slope: as_floating(slope, "slope"), default=1.0)

    def __check_init__(self):
        if self.slope.shape != ():
            raise ValueError(f"LinearDiffusion needs a number, got shape {self.slope.shape}")
        require(
            lambda: np.isfinite(self.slope),
            lambda: f"LinearDiffusion needs a finite slope, got {self.slope}",
            self.slope,
        )

    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        return jnp.broadcast_to(self.slope, x.shape) * x


def as_diffusion(diffusion: Any) -> Any:
    """`diffusion` if it can be one; `TypeError` for what cannot be called, such as a number."""
    if isinstance(diffusion, type) or not callable(diffusion):
        raise TypeError(
            f"a diffusion is an object called as K(x), such as kn.ConstantDiffusion(0.5) for a number, not {diffusion!r}"
        )
    return diffusion
