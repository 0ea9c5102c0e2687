"""Parameters made of parameters."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, ArrayLike, Float, Real

from .parameters import AbstractParameter, Constant, Interpolated, PiecewiseConstant, as_parameter


class Affine(eqx.Module):
    """value -> slope value + offset with two fixed numbers, which are not trained.

    >>> import jax.numpy as jnp
    >>> Affine(2.0, 1.0)(jnp.array([0.0, 3.0]))
    Array([1., 7.], dtype=float64)
    """

    slope: float = eqx.field(static=True)
    offset: float = eqx.field(static=True, default=0.0)

    def __call__(self, value: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.slope * value + self.offset


def mapped(parameter: AbstractParameter, function: Any, time: float = 1.0) -> AbstractParameter:
    """The parameter function(parameter(t / time)), of the same kind: layers stay layers, knots stay knots. A function of
    t becomes a module of t.

    `function` is an `eqx.Module` that acts on one value and is affine, since it must commute with interpolation.

    >>> mapped(PiecewiseConstant([0.0, 1.0], [-1.0, 2.0]), Affine(-3.0), time=2.0)(2.0)
    Array(-6., dtype=float64)
    """
    if isinstance(parameter, Constant):
        return Constant(function(parameter.value))
    if isinstance(parameter, PiecewiseConstant | Interpolated):
        return type(parameter)([time * t for t in parameter.times], jax.vmap(function)(parameter.values))
    return as_parameter(_Mapped(parameter, function, time))


class _Mapped(eqx.Module):
    parameter: AbstractParameter
    function: Any
    time: float = eqx.field(static=True)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return tuple(self.time * t for t in self.parameter.breakpoints)

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        return self.function(self.parameter(t / self.time))
