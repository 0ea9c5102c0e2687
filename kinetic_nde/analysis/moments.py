"""Moments of a network with identity activation."""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._values import as_count, as_floating, cast, common_float, require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.points import points
from ..network.simresnet import SimResNet
from .affine import affine_path, check_identity

HIGHEST = 20  # binomial coefficients and powers beyond lose all digits


def moments(
    net: SimResNet, initial: Density | Ensemble, ts: ArrayLike | list | tuple, order: int
) -> Float[Array, " T orders"]:
    """The moments m_k(t) = int x^k g(t, x) dx, k = 0 .. order, of the mean field of a network with identity activation,
    without solving for g:

        m_k' = k (w m_k + b m_{k-1}),
        m_k(t) = e^{Phi_k(t)} (m_k(0) + k int_0^t e^{-Phi_k(s)} b(s) m_{k-1}(s) ds),   Phi_k(t) = k int_0^t w.

    Eqs. (10) and (11) of Herty, Trimborn, Visconti (2021). The result has shape (len(ts), order + 1), m_0, the mass,
    first; without walls.

    - `net`: a one-dimensional `SimResNet` with `Identity()`; w and b constants, layers, knots or functions of t.
    - `initial`: a `Density` or an `Ensemble` at t = 0, of any mass; the moments of a density are those of its parabolas.
    - `ts`: times (T,), at least 0, in any order.
    - `order`: 0 to 20.

    Computed from the central moments c_j of `initial` and the mean M(t), since the flow is x(t) = M + e^Phi (x(0) - M(0)),

        m_k(t) = sum_j (k choose j) e^{j Phi} c_j M^{k-j},

    which loses no digits far from the origin, where raw moments cancel. Exact where w and b are constant between
    breakpoints, w = 0 included; else w and b are integrated with an error below 1e-12.

    Works under `jit` and `vmap`; differentiable in both modes with respect to w, b, `initial` and `ts`. NaN for traced
    times that are negative, and where w and b vary too fast to be followed; inf or NaN beyond the largest float. Raises
    `ValueError` for another activation, more than one dimension, times that are negative or not finite, and another
    order; `TypeError` for what is no network or no distribution.

    >>> import kinetic_nde as kn
    >>> net = kn.SimResNet(-1.0, 0.5, kn.Identity())
    >>> moments(net, kn.Ensemble([0.0, 2.0]), [0.0, 1.0], order=2).round(4)
    Array([[1.    , 1.    , 2.    ],
           [1.    , 0.6839, 0.6031]], dtype=float64)
    """
    check_identity(net, initial, "moments")
    order, times = as_order(order), as_times(ts)
    net, initial, times = cast((net, initial, times), common_float(net, initial))
    return _moments(net, initial, times, order)


def as_order(order: Any, most: int = HIGHEST) -> int:
    """`order` as an integer from 0 to `most`; `TypeError` or `ValueError` for others.

    >>> as_order(21)
    Traceback (most recent call last):
    ValueError: moments are of order 0 to 20, got 21
    """
    count = as_count(order, "the order of a moment", least=0)
    if count > most:
        raise ValueError(f"moments are of order 0 to {most}, got {count}")
    return count


def as_times(ts: Any) -> Float[Array, " T"]:
    """Times (T,), `ValueError` unless there is at least one and all are finite and not negative, as far as is known."""
    times = as_floating(ts, "ts")
    if times.ndim != 1 or times.size == 0:
        raise ValueError(f"ts is a list of times, at least one, got shape {times.shape}")
    require(
        lambda: np.all(np.isfinite(times)) and np.min(times) >= 0,
        lambda: f"times must be finite and count from t = 0, got {np.asarray(times)}",
        times,
    )
    return times


@eqx.filter_jit
def _moments(net: SimResNet, initial: Density | Ensemble, ts: Array, order: int) -> Array:
    start = points(initial, order)
    centre = start.mean
    # The distances in units of the largest one: their powers neither overflow nor vanish in float32.
    reach = jax.lax.stop_gradient(jnp.max(jnp.abs(start.x - centre)))
    reach = jnp.where(reach > 0, reach, jnp.ones_like(reach))
    central = start._replace(x=(start.x - centre) / reach).power_sums(order)
    path = affine_path(net, centre, reach, ts)
    spread, mean = _powers(reach * jnp.exp(path.log_growth), order), _powers(path.mean, order)
    k, j = np.indices((order + 1, order + 1))
    # The first central moment is 0, and kept so: its rounding times e^Phi would be added to the mean.
    binomial = np.where(j == 1, 0, np.vectorize(math.comb)(k, j))
    terms = (
        jnp.asarray(binomial, ts.dtype)[None] * mean[:, np.maximum(k - j, 0)] * (spread * central[None, :])[:, None, :]
    )
    return jnp.sum(jnp.where(binomial[None] > 0, terms, 0.0), axis=2)


def _powers(x: Array, order: int) -> Array:
    """x^0 .. x^order in a last axis."""
    return jnp.stack(
        list(functools.reduce(lambda done, _: [*done, done[-1] * x], range(order), [jnp.ones_like(x)])), -1
    )
