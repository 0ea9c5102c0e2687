"""The sliced Wasserstein distance, in any dimension."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .ensemble import Ensemble
from .quantiles import cost, nonzero, root


@functools.partial(jax.jit, static_argnums=(2, 3))
def sliced(
    x: Float[Array, "m d"], y: Float[Array, "n d"], order: float, projections: int, key: PRNGKeyArray
) -> Float[Array, ""]:
    """SW_p, the mean over directions as a sum over W_p^p of what the samples are when seen along each."""

    unit = nonzero(jnp.max(jnp.abs(x - y[:1])) + jnp.max(jnp.abs(y - y[:1])))

    def seen(direction: Float[Array, " d"]) -> Float[Array, ""]:
        return cost(Ensemble(x @ direction), Ensemble(y @ direction), order, unit)

    # One direction after the other: all at once would take the memory of `projections` ensembles.
    return unit * root(jnp.mean(jax.lax.map(seen, directions(key, projections, x.shape[1], x.dtype))), order)


def directions(key: PRNGKeyArray, projections: int, d: int, dtype: np.dtype) -> Float[Array, "projections d"]:
    """Independent unit vectors, uniform on the sphere."""
    normal = jax.random.normal(key, (projections, d), dtype)
    return normal / jnp.linalg.norm(normal, axis=1, keepdims=True)
