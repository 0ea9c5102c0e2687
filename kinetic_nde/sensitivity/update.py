"""One update of retraining, compiled: the loss with its gradient, and what an optimiser makes of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from ..adjoints.adjoint import AbstractAdjoint, ForwardMode
from ..methods.result import Result
from .metric import l2_change, l2_gradient, l2_norm
from .problem import Problem


def reverse_mode(function: Callable[[Any], tuple[Array, Any]], adjoint: AbstractAdjoint) -> Callable[[Any], Any]:
    """`function`, a number and something else of parameters, so that `jax.grad` works for every adjoint: through a
    `ForwardMode` one tangent for each parameter travels along."""
    if not isinstance(adjoint, ForwardMode):
        return function

    @jax.custom_vjp
    def wrapped(parameters: Any) -> tuple[Array, Any]:
        return function(parameters)

    def forward(parameters: Any) -> tuple[tuple[Array, Any], tuple[Any, Any]]:
        return function(parameters), (parameters, jax.jacfwd(lambda arrays: function(arrays)[0])(parameters))

    def backward(residuals: tuple[Any, Any], cotangents: tuple[Array, Any]) -> tuple[Any]:
        like, slopes = residuals
        return (jax.tree.map(lambda leaf, slope: (cotangents[0] * slope).astype(leaf.dtype), like, slopes),)

    wrapped.defvjp(forward, backward)
    return wrapped


@eqx.filter_jit
def evaluate(problem: Problem, parameters: Any) -> tuple[Array, Any, Array, Result]:
    """D, dD/dtheta, the norm of the gradient in L2(t0, t1), and how the solve ended."""
    function = reverse_mode(problem, problem.adjoint)
    (value, result), slope = jax.value_and_grad(function, has_aux=True)(parameters)
    norm = l2_norm(slope, l2_gradient(slope, problem.t0, problem.t1))
    # The slope of a solve that failed is zero, which it is not known to be.
    return value, slope, jnp.where(result == Result.successful, norm, jnp.nan), result


@eqx.filter_jit
def advance(
    problem: Problem, optimizer: optax.GradientTransformation, parameters: Any, state: Any, slope: Any, value: Array
) -> tuple[Any, Any, Array]:
    """The parameters after an update, the optimiser's state, and `l2_change` from before it."""
    function = reverse_mode(problem, problem.adjoint)
    with as_optax_expects():
        updates, state = optax.with_extra_args_support(optimizer).update(
            l2_gradient(slope, problem.t0, problem.t1) if problem.l2_metric else slope,
            state,
            parameters,
            # What a line search needs: the loss along the update, and its true slope, not that in another metric.
            value=value,
            grad=slope,
            value_fn=lambda arrays: function(arrays)[0],
        )
        after = optax.apply_updates(parameters, updates)
    return after, strong(state), l2_change(parameters, after, problem.t0, problem.t1)


@contextlib.contextmanager
def as_optax_expects() -> Iterator[None]:
    """JAX's usual promotion of types and ranks, which optax counts on, also where a program has forbidden it."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def strong(state: Any) -> Any:
    """The tree with strongly typed arrays: an optimiser starts from weakly typed numbers, and the next update would
    compile again."""
    return jax.tree.map(
        lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype) if isinstance(leaf, jax.Array) else leaf, state
    )
