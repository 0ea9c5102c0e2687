"""What a solver needs to know of any velocity field: its breakpoints, its pieces, its divergence."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating, known
from .parameters import is_parameter, parameters_in
from .pieces import Piece, piece_around


def breakpoints(field: Any) -> tuple[float, ...]:
    """The times, increasing, at which a parameter anywhere in the field jumps or has a kink, or that the field itself
    names. Raises `ValueError` for traced ones: `jump_times` has these too."""
    fixed, traced = _breakpoints(field)
    if traced:
        raise ValueError("the breakpoints of the field are traced, and here they must be known: call this outside jit")
    return tuple(fixed)


def jump_times(field: Any, dtype: Any) -> Float[Array, " jumps"]:
    """The same as an increasing array, for solvers: traced breakpoints are allowed. They count as constants for
    differentiation, as the times of layers do."""
    fixed, traced = _breakpoints(field)
    times = [jnp.asarray(np.asarray(fixed), dtype)]
    if not traced:
        return times[0]
    return jax.lax.stop_gradient(jnp.sort(jnp.concatenate([*times, *(each.astype(dtype) for each in traced)])))


def frozen(field: Any, t: Real[ArrayLike, ""]) -> Any:
    """The field as it is between the two breakpoints around t: each piecewise-constant parameter replaced by its value
    on the layer that holds t, and a field that names breakpoints of its own asked for times between them only."""
    if len(_named(field)):
        return _OnPiece(field, piece_around(jump_times(field, as_floating(t, "t").dtype), t))
    return jax.tree.map(lambda node: node.frozen(t) if is_parameter(node) else node, field, is_leaf=is_parameter)


class _OnPiece(eqx.Module):
    field: Any
    piece: Piece

    def __call__(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        return self.field(self.piece(t), x)

    def divergence(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*points"]:
        return divergence(self.field, self.piece(t), x)

    def kinks(self, t: Real[ArrayLike, ""]) -> list[Array]:
        return kinks(self.field, self.piece(t))


def _named(field: Any) -> Any:
    return getattr(field, "breakpoints", ())


def _breakpoints(field: Any) -> tuple[list[float], list[Array]]:
    """The known ones, increasing and without repetition, and arrays of the traced ones."""
    groups = [_named(field), *(parameter.breakpoints for parameter in parameters_in(field))]
    fixed = {float(t) for times in groups if known(times) for t in np.ravel(np.asarray(times))}
    return sorted(fixed), [jnp.ravel(jnp.asarray(times)) for times in groups if not known(times)]


def autonomous(field: Any) -> bool:
    """Whether the field promises not to depend on t between its breakpoints, by an attribute `autonomous`. No promise
    costs time only."""
    return bool(getattr(field, "autonomous", False))


def check_velocity(field: Any, point: Float[Array, "*d"]) -> None:
    """Raises `ValueError` if the field does not give a velocity of the shape and float type of `point`; called where a solve
    is traced, since calling a field to see what it gives takes longer than a small solve."""
    try:
        out = jax.eval_shape(field, jax.ShapeDtypeStruct((), point.dtype), point)
    except Exception as error:
        error.add_note(
            f"A field is called as field(t, x), with a number t and here with points x of shape {point.shape}."
        )
        raise
    check_moved(out, point, "the field", "velocities of ")


def check_moved(out: Any, point: Float[Array, "*d"], who: str, what: str) -> None:
    """Raises `ValueError` unless `out`, what a function was found to give at `point`, has its shape and can be added to it:
    no complex number, and no float of more digits, which the steps of a solver could not hold."""
    if getattr(out, "shape", None) != point.shape:
        raise ValueError(
            f"{who} is called with points of shape {point.shape} and must give {what}that shape, got {out}"
        )
    if jnp.issubdtype(out.dtype, jnp.complexfloating):
        hint = "take its real part"
    elif out.dtype == point.dtype or out.weak_type or jnp.issubdtype(out.dtype, jnp.integer):
        return
    else:
        hint = "write constants as Python floats, or end with .astype(x.dtype)"
    raise ValueError(
        f"{who} is called with points of {point.dtype} and must give {what}that type, got {out.dtype}: {hint}"
    )


def kinks(field: Any, t: Real[ArrayLike, ""]) -> list[Array]:
    """The places x at which the velocity in one dimension has a kink, as far as the field names them by a method `kinks(t)`;
    one that is infinite or no number is none."""
    return list(field.kinks(t)) if hasattr(field, "kinks") else []


def divergence(field: Any, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, ""]:
    """div v(t, x) at one point: the field's own method `divergence` if it has one, else the trace of autodiff's
    Jacobian."""
    if hasattr(field, "divergence"):
        return field.divergence(t, x)
    jacobian = jax.jacfwd(lambda point: field(t, point))(x)
    return jacobian if x.ndim == 0 else jnp.trace(jacobian)
