"""The sliced Wasserstein distance, in any dimension."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._values import cast, common_float, root
from .density import Density
from .ensemble import Ensemble
from .points import Points, points_of_plane
from .quantiles import cost, nonzero


@functools.partial(jax.jit, static_argnums=(2, 3))
def sliced(
    p: Density | Ensemble, q: Density | Ensemble, order: float, projections: int, key: PRNGKeyArray
) -> Float[Array, ""]:
    """SW_p, the mean over directions as a sum over W_p^p of what the samples of an ensemble, or the Gauss points of a
    density, are when seen along each."""
    first, second = cast((_in_space(p), _in_space(q)), common_float(p, q))
    x, y = _places(first), _places(second)
    unit = nonzero(jnp.max(jnp.abs(x - y[:1])) + jnp.max(jnp.abs(y - y[:1])))

    def seen(direction: Float[Array, " d"]) -> Float[Array, ""]:
        return cost(_along(first, direction), _along(second, direction), order, unit)

    # One direction after the other: all at once would take the memory of `projections` ensembles.
    return unit * root(jnp.mean(jax.lax.map(seen, directions(key, projections, x.shape[1], x.dtype))), order)


def _in_space(p: Density | Ensemble) -> Points | Ensemble:
    return points_of_plane(p) if isinstance(p, Density) else p


def _places(p: Points | Ensemble) -> Float[Array, "m d"]:
    return p.x if isinstance(p, Points) else p.samples


def _along(p: Points | Ensemble, direction: Float[Array, " d"]) -> Points | Ensemble:
    seen = _places(p) @ direction
    return p._replace(x=seen) if isinstance(p, Points) else Ensemble(seen)


def directions(key: PRNGKeyArray, projections: int, d: int, dtype: np.dtype) -> Float[Array, "projections d"]:
    """Independent unit vectors, uniform on the sphere."""
    normal = jax.random.normal(key, (projections, d), dtype)
    return normal / jnp.linalg.norm(normal, axis=1, keepdims=True)
