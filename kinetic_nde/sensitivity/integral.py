"""An integral over time whose integrand becomes known at one node after the other, backwards."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Node(NamedTuple):
    """A time, and the integrand there: any tree of arrays."""

    t: Float[Array, ""]
    integrand: Any


class Integral(NamedTuple):
    """The trapezoidal rule with its end corrections h^2 / 12 (slope at the start - slope at the end) in each panel, the
    slopes by the parabola through three nodes: fourth order for panels of any lengths. A single panel gets the
    trapezoidal rule.

    `value` is that from `node` to the end, but for the correction of the latest panel, from `node` to `later`; `slope` is
    that at `later`, if it lies `between` two panels.
    """

    node: Node
    later: Node
    slope: Any
    between: Bool[Array, ""]
    value: Any


def begin(last: Node) -> Integral:
    """Nothing yet, at the last node."""
    nothing = jax.tree.map(jnp.zeros_like, last.integrand)
    return Integral(last, last, nothing, jnp.zeros((), bool), nothing)


def extend(integral: Integral, here: Node) -> Integral:
    """With the panel that begins at `here`; the same integral if that is no earlier."""
    node, later = integral.node, integral.later
    slope = _slope(here, node, later)
    last = jax.tree.map(partial(jnp.where, integral.between), integral.slope, _other_slope(node, later, slope))
    known = later.t > node.t
    value = jax.tree.map(partial(jnp.where, known), _corrected(integral, slope, last), integral.value)
    length = node.t - here.t
    value = jax.tree.map(lambda sum, a, b: sum + 0.5 * length * (a + b), value, here.integrand, node.integrand)
    return jax.tree.map(partial(jnp.where, length > 0), Integral(here, node, slope, known, value), integral)


def end(integral: Integral) -> Any:
    """Its value, with the correction of the first panel."""
    slope = _other_slope(integral.node, integral.later, integral.slope)
    corrected = _corrected(integral, slope, integral.slope)
    return jax.tree.map(partial(jnp.where, integral.between), corrected, integral.value)


def _length(first: Node, last: Node) -> Float[Array, ""]:
    """The time between two nodes, or 1 if they are the same."""
    length = last.t - first.t
    return jnp.where(length > 0, length, jnp.ones_like(length))


def _slope(first: Node, middle: Node, last: Node) -> Any:
    """The slope of the integrand at the second of three nodes, by the parabola through them."""
    before, after = _length(first, middle), _length(middle, last)

    def slope(a: Array, b: Array, c: Array) -> Array:
        return (after * (b - a) / before + before * (c - b) / after) / (before + after)

    return jax.tree.map(slope, first.integrand, middle.integrand, last.integrand)


def _other_slope(first: Node, last: Node, slope: Any) -> Any:
    """The slope at one node by the parabola through two that has this slope at the other."""
    length = _length(first, last)
    return jax.tree.map(lambda a, b, slope: 2 * (b - a) / length - slope, first.integrand, last.integrand, slope)


def _corrected(integral: Integral, first: Any, last: Any) -> Any:
    share = _length(integral.node, integral.later) ** 2 / 12
    return jax.tree.map(lambda sum, a, b: sum + share * (a - b), integral.value, first, last)
