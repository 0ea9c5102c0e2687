"""What retraining works on, checked before any work."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from .._values import as_count, as_floating, cast, common_float, known, require, under_jit
from ..adjoints.adjoint import AbstractAdjoint
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_one
from ..equations.equation import AbstractEquation
from ..methods.method import AbstractMethod
from ..methods.result import Result
from ..solve import solve
from . import trainable
from .retraining import Retraining


class Problem(eqx.Module):
    """The loss of the distribution at t1 as a function of the trainable arrays of the field.

    `equation.field` is the part of the field that is not trained. A solve that fails gives NaN and its `Result`.
    `ValueError` for a loss that is not one number.
    """

    equation: Any
    initial: Any
    loss: Any
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    method: AbstractMethod | None
    adjoint: AbstractAdjoint
    key: PRNGKeyArray | None
    max_steps: int | None = eqx.field(static=True)
    l2_metric: bool = eqx.field(static=True)

    def __call__(self, parameters: Any) -> tuple[Float[Array, ""], Result]:
        field = eqx.combine(parameters, self.equation.field)
        solution = solve(
            eqx.tree_at(lambda law: law.field, self.equation, field),
            self.initial,
            t1=self.t1,
            t0=self.t0,
            method=self.method,
            adjoint=self.adjoint,
            key=self.key,
            max_steps=self.max_steps,
            throw=False,
        )
        try:
            value = as_number(self.loss(solution.final))
        except jax.errors.TracerArrayConversionError:
            raise TypeError("the loss turns its argument into a NumPy array: write it with jax.numpy") from None
        return jnp.where(solution.result == Result.successful, value, jnp.nan), solution.result


def as_number(value: Any) -> Float[Array, ""]:
    """What a loss gave, `ValueError` if it is not one number."""
    value = as_floating(value, "what the loss gives")
    if value.shape != ():
        raise ValueError(f"a loss must give one number, got shape {value.shape}")
    return value


def check_kinds(equation: Any, initial: Any, loss: Any, optimizer: Any, adjoint: Any, resume: Any) -> None:
    """`TypeError` for what is not of the kind that `retrain` takes."""
    if not isinstance(equation, AbstractEquation):
        raise TypeError(f"the first argument is an equation such as kn.MeanField(net), not {type(equation).__name__}")
    if not isinstance(initial, Density | Ensemble):
        raise TypeError(f"the initial distribution is a kn.Density or a kn.Ensemble, not {type(initial).__name__}")
    check_one(initial, "retraining")
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(f"loss is called with the distribution at t1, such as kn.L2Loss(target); got {loss!r}")
    check_optimizer(optimizer)
    if not isinstance(adjoint, AbstractAdjoint):
        raise TypeError(f"adjoint must be an object such as kn.TransportAdjoint(), not {adjoint!r}")
    if resume is not None and not isinstance(resume, Retraining):
        raise TypeError(f"resume must be the kn.Retraining of an earlier call, not {type(resume).__name__}")


def check_optimizer(optimizer: Any) -> None:
    """`TypeError` for what is no optimiser of optax, with a hint where it only was not called."""
    if not isinstance(optimizer, optax.GradientTransformation):
        hint = f": did you mean {optimizer.__name__}(...)?" if hasattr(optimizer, "__name__") else ""
        raise TypeError(f"optimizer must be one of optax's, such as optax.adam(0.1), not {optimizer!r}{hint}")


def prepare(
    equation: Any,
    initial: Any,
    loss: Any,
    t0: Any,
    t1: Any,
    method: Any,
    adjoint: Any,
    key: Any,
    max_steps: Any,
    l2_metric: bool,
) -> tuple[Problem, Any]:
    """The problem and the parameters at the start, or a `ValueError` for values that cannot be worked with."""
    if under_jit() or not known(equation, initial, loss, t0, t1, method):
        raise ValueError(
            "retrain runs a loop in Python and needs values that are known; within jit, vmap or grad write the loop yourself: "
            "jax.value_and_grad of the loss of kn.solve(...).final, optimizer.update and optax.apply_updates in a jax.lax.scan"
        )
    start, end = as_floating(t0, "t0"), as_floating(t1, "t1")
    if start.shape != () or end.shape != ():
        raise ValueError(f"t0 and t1 are numbers, got shapes {start.shape} and {end.shape}")
    require(
        lambda: np.isfinite(start) and np.isfinite(end) and start < end,
        lambda: f"need finite times with t0 < t1, got t0={start}, t1={end}",
        (start, end),
    )
    parameters, rest = trainable.split(equation.field)
    # A target on another grid or of another mass is found out only where the values are known.
    as_number(loss(cast(initial, common_float(initial, equation.field))))
    limit = None if max_steps is None else as_count(max_steps, "max_steps")
    law = eqx.tree_at(lambda law: law.field, equation, rest)
    return Problem(law, initial, loss, start, end, method, adjoint, key, limit, l2_metric), parameters


def like(expected: Any, given: Any, what: str) -> Any:
    """`given`, if it has the structure and shapes of `expected`."""

    def shapes(tree: Any) -> Any:
        return jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)]

    if shapes(expected) != shapes(given):
        raise ValueError(f"resume does not fit: it has {what} of another kind or shape than this call")
    return given
