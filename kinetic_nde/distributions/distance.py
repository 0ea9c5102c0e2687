"""Distances between distributions."""

import math
import numbers

from jaxtyping import Array, Float, PRNGKeyArray

from .._values import as_count, as_key, common_float
from .assignment import matched
from .density import Density
from .ensemble import Ensemble
from .quantiles import distance
from .sliced import sliced
from .stack import check_mass, check_one


def wasserstein(
    p: Density | Ensemble,
    q: Density | Ensemble,
    order: float | int = 1,
    *,
    projections: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, ""]:
    """The Wasserstein distance W_p of two distributions, in the unit of x and each normalised to mass 1.

    In one dimension

        W_p^p = int_0^1 |F^{-1}(s) - G^{-1}(s)|^p ds,

    where the integral over the merged pieces of the two quantile functions is exact: for ensembles of any sizes to
    round-off, for a density with its distribution function taken linear between 8 places in each cell.

    In d >= 2, between ensembles of M and N samples,

        W_p^p = min over matchings pi of the mean of |x_i - y_pi(i)|^p,

    exact by SciPy's linear_sum_assignment; if M and N differ, each sample counts as several, up to their least common
    multiple. More than 2000 pairs are a `ValueError`: 2000 take seconds, and the time grows faster than their cube. At
    any sizes `projections` asks for the sliced distance, a mean over that many random directions theta, drawn with `key`,

        SW_p^p = mean over theta of W_p^p(theta . x, theta . y),

    which is at most W_p: a shift by h has W_2 = |h| and, over all directions, SW_2 = |h| / sqrt(d). A density in two
    dimensions has this distance only; it counts as its four Gauss points in each cell, with an error of second order in dx.

    Works under `jit`, `vmap` and `grad`; `order` and `projections` are static. Derivatives hold the matching fixed, which is
    right wherever the best one is unique. A matching of traced samples is found by a callback to the host.

    Raises `TypeError` for what is no distribution and for a key that is none, `ValueError` for order < 1, for a stack, for a density without
    mass, for distributions of different dimensions,
    for `projections` in one dimension, which needs none, for a density in two dimensions without, and unless `projections`
    and `key` come together.

    >>> wasserstein(Ensemble([0.0, 1.0]), Ensemble([0.0, 3.0]))
    Array(1., dtype=float64)
    >>> wasserstein(Ensemble([[0.0, 0.0], [1.0, 0.0]]), Ensemble([[1.0, 2.0], [0.0, 2.0]]))
    Array(2., dtype=float64)
    >>> import jax
    >>> p, q = (Ensemble(jax.random.normal(jax.random.key(k), (5000, 2)) + 3.0 * k) for k in (0, 1))
    >>> wasserstein(p, q, order=2, projections=100, key=jax.random.key(2)).round(1)
    Array(3., dtype=float64)
    """
    for each in (p, q):
        if not isinstance(each, Density | Ensemble):
            raise TypeError(f"wasserstein is between densities and ensembles, not {type(each).__name__}")
        check_one(each, "wasserstein")
        check_mass(each, "wasserstein")
    if not isinstance(order, numbers.Real):
        raise TypeError(f"the order of a Wasserstein distance is a number and static, not {type(order).__name__}")
    power = float(order)
    if not 1 <= power < math.inf:
        raise ValueError(f"the order of a Wasserstein distance is a finite number of at least 1, got {order}")
    dimension, other = p.dimension, q.dimension
    if dimension != other:
        raise ValueError(f"wasserstein needs distributions of one dimension d, got d = {dimension} and d = {other}")
    if (projections is None) != (key is None):
        raise ValueError(
            "the directions of the sliced distance are random: wasserstein needs projections= and key= together, such as "
            f"projections=100, key=jax.random.key(0), got projections={projections}, key={key}"
        )
    if projections is not None:
        projections = as_count(projections, "projections")
        key = as_key(key)
    if dimension == 1:
        if projections is not None:
            raise ValueError("in one dimension the distance is exact at any size: leave out projections and key")
        return distance(p, q, power)
    if projections is not None:
        return sliced(p, q, power, projections, key)
    if isinstance(p, Density) or isinstance(q, Density):
        raise ValueError(
            "in two dimensions the distance from a density is the sliced one: give projections=100, key=jax.random.key(0), or "
            "match samples of both, kn.Ensemble(density.sample(key, 500))"
        )
    dtype = common_float(p, q)
    return matched(p.samples.astype(dtype), q.samples.astype(dtype), power)
