"""Moments of the part of a distribution that a ReLU moves, and the rate that they give."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, cast, common_float, require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.points import Points, points
from ..network.activations import Identity, ReLU
from ..network.simresnet import SimResNet
from .affine import check_1d, rates
from .moments import as_order


def partial_moments(
    net: SimResNet, distribution: Density | Ensemble, t: ArrayLike, order: int
) -> Float[Array, " orders"]:
    """The moments of the part of a distribution on which a ReLU is active at time t,

        m_k^+ = int_{w(t) x + b(t) > 0} x^k g dx,   k = 0 .. order,

    of Remark 2 of Herty, Trimborn, Visconti (2021), shape (order + 1,). With the kink at a = -b/w the set is x > a for w > 0
    and x < a for w < 0; for w = 0 all or nothing.

    Exact on the parabolas of a density, also in the cell with the kink; of an ensemble the samples on that side. The activation
    of `net` does not matter. Works under `jit`, `vmap` and `grad`. Raises `ValueError` for more than one dimension, a
    time that is not finite and an order outside 0 to 20; `TypeError` for what is no network or no distribution.

    >>> import kinetic_nde as kn
    >>> partial_moments(kn.SimResNet(-1.0, 3.0, kn.ReLU()), kn.Ensemble([1.0, 2.0, 6.0, 7.0]), 0.0, order=2)
    Array([0.5 , 0.75, 1.25], dtype=float64)
    """
    check_1d(net, distribution, "partial_moments")
    net, distribution, time = cast((net, distribution, _as_time(t)), common_float(net, distribution))
    return _partial_moments(net, distribution, time, as_order(order))


def moment_rate(net: SimResNet, distribution: Density | Ensemble, t: ArrayLike, order: int) -> Float[Array, " orders"]:
    """How fast the moments change when a distribution is g at time t: for a ReLU

        d m_k / dt = k (w m_k^+ + b m_{k-1}^+),   k = 0 .. order,

    with the `partial_moments`, shape (order + 1,). Remark 2 of Herty, Trimborn, Visconti (2021), without the boundary
    terms of Eq. (16), which vanish since w a + b = 0 at the kink a, also where it moves. Not closed: m_k^+ has to be known.
    With the identity the same of all moments, Eq. (10).

    Exact on the parabolas of a density. Without walls. Works under `jit`, `vmap` and `grad`. Raises as `partial_moments` does,
    and `ValueError` for another activation.

    >>> import kinetic_nde as kn
    >>> moment_rate(kn.SimResNet(1.0, -1.0, kn.ReLU()), kn.Ensemble([0.0, 2.0]), 0.0, order=2)  # velocities 0 and 1
    Array([0. , 0.5, 2. ], dtype=float64)
    """
    check_1d(net, distribution, "moment_rate")
    if not isinstance(net.activation, Identity | ReLU):
        raise ValueError(
            f"moment_rate is for kn.ReLU() and kn.Identity(), whose velocity is linear on either side of a kink, not "
            f"{type(net.activation).__name__}; kn.linearised(net) is such a network for kn.Sigmoid() and kn.Tanh(), and an approximation"
        )
    net, distribution, time = cast((net, distribution, _as_time(t)), common_float(net, distribution))
    return _moment_rate(net, distribution, time, as_order(order))


def _as_time(t: ArrayLike) -> Float[Array, ""]:
    time = as_floating(t, "t")
    if time.shape != ():
        raise ValueError(f"t must be a number, got shape {time.shape}; map over times by jax.vmap")
    require(lambda: np.isfinite(time), lambda: f"t must be finite, got {t}", time)
    return time


@eqx.filter_jit
def _partial_moments(net: SimResNet, distribution: Density | Ensemble, t: Array, order: int) -> Array:
    return _active(net, distribution, t, order).power_sums(order)


@eqx.filter_jit
def _moment_rate(net: SimResNet, distribution: Density | Ensemble, t: Array, order: int) -> Array:
    moved = (
        points(distribution, order) if isinstance(net.activation, Identity) else _active(net, distribution, t, order)
    )
    sums = moved.power_sums(order)
    w, b = rates(net, t)
    return jnp.arange(order + 1, dtype=sums.dtype) * (
        w * sums + b * jnp.concatenate([jnp.zeros_like(sums[:1]), sums[:-1]])
    )


def _active(net: SimResNet, distribution: Density | Ensemble, t: Array, order: int) -> Points:
    """The part on which w x + b > 0."""
    w, b = rates(net, t)
    kink = -b / jnp.where(w == 0, jnp.ones_like(w), w)
    flat = jnp.where(b > 0, -jnp.inf, jnp.inf)
    lower = jnp.where(w > 0, kink, jnp.where(w < 0, -jnp.inf, flat))
    return points(distribution, order, lower, jnp.where(w < 0, kink, jnp.inf))
