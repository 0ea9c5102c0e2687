"""What a solver needs to know of any velocity field: its breakpoints, its pieces, its divergence."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from .parameters import AbstractParameter


def _is_parameter(node: Any) -> bool:
    return isinstance(node, AbstractParameter)


def _parameters(field: Any) -> list[AbstractParameter]:
    return [node for node in jax.tree.leaves(field, is_leaf=_is_parameter) if _is_parameter(node)]


def breakpoints(field: Any) -> tuple[float, ...]:
    """The times, increasing, at which a parameter anywhere in the field jumps or has a kink, or that the field itself
    names."""
    named = tuple(getattr(field, "breakpoints", ()))
    return tuple(sorted({*named, *(t for parameter in _parameters(field) for t in parameter.breakpoints)}))


def frozen(field: Any, t: Real[ArrayLike, ""]) -> Any:
    """The field with each piecewise-constant parameter replaced by its value on the layer that holds t."""
    return jax.tree.map(lambda node: node.frozen(t) if _is_parameter(node) else node, field, is_leaf=_is_parameter)


def autonomous(field: Any) -> bool:
    """Whether the field promises not to depend on t between its breakpoints, by an attribute `autonomous`. No promise
    costs time only."""
    return bool(getattr(field, "autonomous", False))


def divergence(field: Any, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, ""]:
    """div v(t, x) at one point: the field's own method `divergence` if it has one, else the trace of autodiff's
    Jacobian."""
    if hasattr(field, "divergence"):
        return field.divergence(t, x)
    jacobian = jax.jacfwd(lambda point: field(t, point))(x)
    return jacobian if x.ndim == 0 else jnp.trace(jacobian)
