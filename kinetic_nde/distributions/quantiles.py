"""The Wasserstein distance in one dimension, by quantile functions."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._values import common_float, ratio, root
from . import profile
from .density import Density
from .ensemble import Ensemble
from .points import Points

# Places across a cell between which the distribution function of a density is taken as linear: the error is that of
# cells 8 times finer.
_PARTS = 8

_Kind = Density | Ensemble | Points


@functools.partial(jax.jit, static_argnums=2)
def distance(p: Density | Ensemble, q: Density | Ensemble, order: float) -> Float[Array, ""]:
    """W_p in one dimension, the integral over the merged pieces of the two quantile functions."""
    lengths, starts, ends = _differences(p, q)
    # In units of the largest: powers of what is left neither overflow nor vanish.
    unit = nonzero(jnp.maximum(jnp.max(jnp.abs(starts)), jnp.max(jnp.abs(ends))))
    return unit * root(jnp.sum(lengths * _mean_power(starts / unit, ends / unit, order)), order)


def cost(p: _Kind, q: _Kind, order: float, unit: Float[Array, ""]) -> Float[Array, ""]:
    """(W_p / unit)^p, with a unit for the differences of x."""
    lengths, starts, ends = _differences(p, q)
    return jnp.sum(lengths * _mean_power(starts / unit, ends / unit, order))


def nonzero(size: Float[Array, ""]) -> Float[Array, ""]:
    """`size` as a unit, a constant for differentiation: 1 in the place of 0."""
    return jax.lax.stop_gradient(jnp.where(size == 0, jnp.ones_like(size), size))


def _differences(p: _Kind, q: _Kind) -> tuple[Array, Array, Array]:
    """The merged pieces of the two quantile functions: how long they are, and the difference at both ends of each."""
    dtype = common_float(p, q)
    first, second = _pieces(p, dtype), _pieces(q, dtype)
    knots = jnp.sort(jnp.concatenate([first[0], second[0]]))
    left, right = knots[:-1], knots[1:]
    a = _evaluate(first, left, right)
    b = _evaluate(second, left, right)
    return right - left, a[0] - b[0], a[1] - b[1]


def _pieces(p: _Kind, dtype: jnp.dtype) -> tuple[Array, Array, Array]:
    """The quantile function as linear pieces: knots s (k + 1,), and its values (k,) at the left and at the right end of
    each piece."""
    if isinstance(p, Ensemble):
        x = jnp.sort(p.samples.reshape(-1)).astype(dtype)
        return jnp.arange(x.size + 1, dtype=dtype) / x.size, x, x
    if isinstance(p, Points):
        # Sorted together, which is several times faster than by a permutation.
        x, weight = jax.lax.sort((p.x.astype(dtype), p.weight.astype(dtype)), num_keys=1)
        below = jnp.cumsum(weight)
        # By rounding the sum may end elsewhere than at 1.
        return jnp.concatenate([jnp.zeros(1, dtype), ratio(below, below[-1]).at[-1].set(1.0)]), x, x
    places = jnp.arange(1, _PARTS + 1, dtype=dtype) / _PARTS
    parts = p.profile
    cumulative = jnp.cumsum(p.values)
    start = jnp.concatenate([jnp.zeros(1, p.values.dtype), cumulative[:-1]])
    masses = parts.masses((places - 0.5).astype(p.values.dtype)) / p.grid.width
    below = ratio((start[:, None] + masses).reshape(-1), cumulative[-1])
    # Rounding must not make the distribution function decrease, nor end elsewhere than at 1.
    below = jnp.clip(below, 0, 1).astype(dtype).at[-1].set(1.0)
    x = (p.grid.faces[:-1, None] + p.grid.width * places[None, :].astype(p.values.dtype)).reshape(-1).astype(dtype)
    x = jnp.concatenate([p.grid.lower[None].astype(dtype), x])
    return jnp.concatenate([jnp.zeros(1, dtype), below]), x[:-1], x[1:]


def _evaluate(pieces: tuple[Array, Array, Array], left: Array, right: Array) -> tuple[Array, Array]:
    """The quantile function at the two ends of intervals that no knot divides."""
    knots, low, high = pieces
    piece = jnp.clip(jnp.searchsorted(knots, 0.5 * (left + right), side="right") - 1, 0, low.size - 1)
    start, length = knots[piece], knots[piece + 1] - knots[piece]
    rate = ratio(high[piece] - low[piece], jnp.where(length > 0, length, jnp.ones_like(length)))
    return low[piece] + rate * (left - start), low[piece] + rate * (right - start)


def _mean_power(a: Array, b: Array, order: float | int) -> Array:
    """The mean of |z|^p along the straight line from a to b, exact."""
    crossing = a * b < 0
    total = jnp.where(crossing, jnp.abs(a) + jnp.abs(b), jnp.ones_like(a))
    split = ratio(_power(a, order + 1) + _power(b, order + 1), (order + 1) * total)
    # Without a change of sign by quadrature: the closed form divides by b - a.
    nodes, weights = profile.gauss(8)
    even = sum(w * _power(0.5 * (a + b) + s * (b - a), order) for s, w in zip(nodes, weights, strict=True))
    return jnp.where(crossing, split, even)


def _power(z: Array, order: float | int) -> Array:
    """|z|^order, whose derivative at 0 is 0."""
    away = z != 0
    return jnp.where(away, jnp.abs(jnp.where(away, z, jnp.ones_like(z))) ** order, jnp.zeros_like(z))
