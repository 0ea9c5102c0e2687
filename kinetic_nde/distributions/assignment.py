"""The Wasserstein distance between ensembles in two dimensions and more, by the best matching."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from .._values import known, root
from .quantiles import nonzero

# Pairs in a matching. So many take seconds, twice as many a minute.
_MOST = 2000


def matched(x: Float[Array, "m d"], y: Float[Array, "n d"], order: float) -> Float[Array, ""]:
    """W_p between m and n equally weighted points, exact: a transport between them is a matching of copies, lcm(m, n) of
    each.

    Raises `ValueError` if that is more than 2000.
    """
    pairs = math.lcm(len(x), len(y))
    if pairs > _MOST:
        raise ValueError(
            f"an exact distance between ensembles of {len(x)} and {len(y)} samples in {x.shape[1]} dimensions matches {pairs} pairs, "
            f"of which {_MOST} is the limit: either (a) give projections=100, key=jax.random.key(0) for the sliced distance, which is a smaller one, "
            "or (b) take fewer samples, as many on either side"
        )
    return _mean_distance(x, y, _partners(x, y, order), order)


def _partners(x: Float[Array, "m d"], y: Float[Array, "n d"], order: float) -> Int[Array, " pairs"]:
    """The copy of y that each copy of x goes to."""
    x, y = jax.lax.stop_gradient(x), jax.lax.stop_gradient(y)
    if known(x, y):
        return jnp.asarray(_solve(x, y, order))
    shape = jax.ShapeDtypeStruct((math.lcm(len(x), len(y)),), np.int32)
    return jax.pure_callback(lambda x, y: _solve(x, y, order), shape, x, y, vmap_method="sequential")


def _solve(x: Array, y: Array, order: float) -> np.ndarray:
    """As `_partners`, in NumPy."""
    cost = cdist(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    pairs = math.lcm(*cost.shape)
    # In units of the largest: powers of what is left neither overflow nor vanish.
    largest = cost.max()
    if not np.isfinite(largest):
        return np.arange(pairs, dtype=np.int32)  # traced samples that are not finite: so is their distance
    cost = (cost / (largest or 1.0)) ** order
    cost = cost.repeat(pairs // len(x), axis=0).repeat(pairs // len(y), axis=1)
    return linear_sum_assignment(cost)[1].astype(np.int32)


def _lengths(z: Float[Array, "pairs d"]) -> Float[Array, " pairs"]:
    """|z|, whose derivative at 0 is 0."""
    size = jnp.max(jnp.abs(z), axis=1)
    away = size != 0
    unit = jax.lax.stop_gradient(jnp.where(away, size, jnp.ones_like(size)))
    squares = jnp.sum((z / unit[:, None]) ** 2, axis=1)
    return unit * jnp.where(away, jnp.sqrt(jnp.where(away, squares, jnp.ones_like(squares))), jnp.zeros_like(squares))


@functools.partial(jax.jit, static_argnums=3)
def _mean_distance(
    x: Float[Array, "m d"], y: Float[Array, "n d"], partners: Int[Array, " pairs"], order: float
) -> Float[Array, ""]:
    """(mean of |x_i - y_i|^p)^(1/p) over copies of x and their partners among those of y, without overflow of the powers."""
    copies = lambda points: jnp.repeat(points, partners.size // len(points), axis=0)
    lengths = _lengths(copies(x) - copies(y)[partners])
    unit = nonzero(jnp.max(lengths))
    return unit * root(jnp.mean((lengths / unit) ** order), order)
