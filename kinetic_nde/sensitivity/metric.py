"""The gradient of a functional of parameters that are functions of time."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float

from ..network.parameters import Constant, Interpolated, PiecewiseConstant

# Pieces shorter than this many units in the last place of the times are rounding.
_ROUNDING = 16


def l2_gradient(gradient: Any, t0: Float[Array, ""], t1: Float[Array, ""]) -> Any:
    """The gradient in the metric of L2(t0, t1) from the derivatives dD/dtheta_i.

    The values theta_i of a parameter make a function of time, w(t) = sum_i theta_i phi_i(t), and its gradient is the
    function sum_i m_i phi_i with

        sum_j M_ij m_j = dD/dtheta_i,   M_ij = int_t0^t1 phi_i phi_j dt.

    For a `Constant` that is the derivative divided by t1 - t0, for a `PiecewiseConstant` by the length of each piece in
    [t0, t1], for an `Interpolated` M is the mass matrix of the hat functions. Values that no time in [t0, t1] sees get
    0. Arrays of any other kind are divided by t1 - t0. A step of descent then does not depend on how finely a function
    is divided. Correction C7 to Algorithm 1 of Herty, Trimborn, Visconti (2021).

    - `gradient`: a tree of derivatives with the structure of the field.

    >>> slope = PiecewiseConstant([0.0, 0.5], [1.0, 1.0])
    >>> l2_gradient(slope, jnp.array(0.0), jnp.array(2.0)).values.round(6)
    Array([2.      , 0.666667], dtype=float64)
    """
    return jax.tree.map(lambda node: _of_parameter(node, t0, t1), gradient, is_leaf=_is_parameter)


def l2_norm(gradient: Any, in_metric: Any) -> Float[Array, ""]:
    """The norm in L2(t0, t1) of a gradient, sqrt(sum_i m_i dD/dtheta_i), from the derivatives and `l2_gradient`."""
    products = jax.tree.map(lambda slope, m: jnp.sum(slope * m), gradient, in_metric)
    total = sum(product.astype(float) for product in jax.tree.leaves(products))
    # Round-off can make the square of nearly nothing negative.
    return jnp.sqrt(jnp.maximum(jnp.asarray(total), 0))


def l2_change(before: Any, after: Any, t0: Float[Array, ""], t1: Float[Array, ""]) -> Float[Array, ""]:
    """By how much the parameters of a field have changed: the sum over them of

        (int_t0^t1 |theta_after(t) - theta_before(t)|^2 dt)^(1/2),

    which does not depend on how finely a function of time is divided. Arrays that are no function of time count as
    constant ones; values that no time in [t0, t1] sees count for nothing.

    >>> finely, start, end = PiecewiseConstant([0.0, 0.1, 0.2], [1.0, 1.0, 1.0]), jnp.array(0.0), jnp.array(4.0)
    >>> float(l2_change(finely, jax.tree.map(lambda w: w + 0.5, finely), start, end).round(12))
    1.0
    """
    moved = jax.tree.map(lambda old, new: new - old, before, after)
    squares = [_square(node, t0, t1) for node in jax.tree.leaves(moved, is_leaf=_is_parameter)]
    return jnp.asarray(sum(jnp.sqrt(square.astype(float)) for square in squares))


def _is_parameter(node: Any) -> bool:
    return isinstance(node, Constant | PiecewiseConstant | Interpolated)


def _square(node: Any, t0: Array, t1: Array) -> Float[Array, ""]:
    """int_t0^t1 |theta(t)|^2 dt."""
    if isinstance(node, Interpolated) and len(node.times) > 1:
        diagonal, beside = (part.astype(node.values.dtype) for part in mass_matrix(node, t0, t1))
        columns = node.values.reshape(len(node.times), -1)
        square = jnp.sum(diagonal[:, None] * columns**2) + 2 * jnp.sum(beside[:, None] * columns[1:] * columns[:-1])
        # Round-off can make the square of nearly nothing negative.
        return jnp.maximum(square, 0)
    if isinstance(node, PiecewiseConstant):
        values = node.values.reshape(len(node.times), -1)
        return jnp.sum(_lengths(node, t0, t1).astype(values.dtype) * jnp.sum(values**2, axis=1))
    values = jnp.asarray(jax.tree.leaves(node)[0])
    return (t1 - t0).astype(values.dtype) * jnp.sum(values**2)


def _of_parameter(node: Any, t0: Array, t1: Array) -> Any:
    if isinstance(node, PiecewiseConstant):
        lengths = _lengths(node, t0, t1).astype(node.values.dtype)
        return _with_values(node, jax.vmap(_divided)(node.values, lengths))
    if isinstance(node, Interpolated) and len(node.times) > 1:
        diagonal, beside = (part.astype(node.values.dtype) for part in mass_matrix(node, t0, t1))
        columns = node.values.reshape(len(node.times), -1)
        # A knot whose hat no time sees has an empty row.
        seen = diagonal > 0
        matrix = lx.TridiagonalLinearOperator(jnp.where(seen, diagonal, 1), beside, beside)
        solve = jax.vmap(lambda column: lx.linear_solve(matrix, column, lx.Tridiagonal()).value, 1, 1)
        values = solve(jnp.where(seen[:, None], columns, 0))
        return _with_values(node, values.reshape(node.values.shape))
    return jax.tree.map(lambda slope: _divided(slope, (t1 - t0).astype(slope.dtype)), node)


def _with_values(node: Any, values: Array) -> Any:
    return jax.tree.unflatten(jax.tree.structure(node), [values])


def _divided(slope: Array, length: Array) -> Array:
    return jnp.where(length > 0, slope / jnp.where(length > 0, length, 1), 0)


def _lengths(parameter: PiecewiseConstant, t0: Array, t1: Array) -> Float[Array, " layers"]:
    """The length of each piece in [t0, t1]; the first begins at -inf and the last ends at inf."""
    inner = jnp.clip(jnp.asarray(parameter.times[1:], t0.dtype), t0, t1)
    lengths = jnp.diff(jnp.concatenate([t0[None], inner, t1[None]]))
    rounding = _ROUNDING * jnp.finfo(t0.dtype).eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1))
    return jnp.where(lengths > rounding, lengths, 0)


def mass_matrix(
    parameter: Interpolated, t0: Float[Array, ""], t1: Float[Array, ""]
) -> tuple[Float[Array, " knots"], Float[Array, " knots-1"]]:
    """int_t0^t1 phi_i phi_j dt of the hat functions of an interpolated parameter, the outer ones held at 1 outside: the
    diagonal and what is beside it.

    >>> mass_matrix(Interpolated([0.0, 1.0], [0.0, 0.0]), jnp.array(0.0), jnp.array(2.0))[0].round(6)
    Array([0.333333, 1.333333], dtype=float64)
    """
    knots = jnp.asarray(parameter.times, t0.dtype)
    widths = jnp.diff(knots)
    start, end = jnp.clip(t0, knots[:-1], knots[1:]), jnp.clip(t1, knots[:-1], knots[1:])
    # On its piece a hat rises as s and falls as 1 - s; the part of the piece in [t0, t1] is s in [a, b]. Differences of
    # cubes are written out: on a short part they would cancel.
    a, b = (start - knots[:-1]) / widths, (end - knots[:-1]) / widths
    length = end - start
    rising = length * (a * a + a * b + b * b) / 3
    falling = length * ((1 - a) ** 2 + (1 - a) * (1 - b) + (1 - b) ** 2) / 3
    beside = length * (a + b) / 2 - rising
    nothing = jnp.zeros_like(t0)[None]
    before = jnp.maximum(jnp.minimum(t1, knots[0]) - t0, 0)[None]
    after = jnp.maximum(t1 - jnp.maximum(t0, knots[-1]), 0)[None]
    diagonal = jnp.concatenate([before, rising]) + jnp.concatenate([falling, after])
    rounding = _ROUNDING * jnp.finfo(t0.dtype).eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1))
    seen = diagonal > rounding
    return jnp.where(seen, diagonal, nothing), jnp.where(seen[:-1] & seen[1:], beside, nothing)
