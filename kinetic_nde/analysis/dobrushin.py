"""How far apart two distributions can come."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.integrate import quad_vec

from .._values import as_floating, common_float, known
from ..network.parameters import AbstractParameter
from ..network.simresnet import SimResNet

# Of the quadrature; where the norm has a kink each gains two bits.
_BISECTIONS = 2000
# Places at which a number w is asked for its sign, and halvings of what lies between two of them.
_PLACES, _HALVINGS = 4096, 50


def dobrushin_bound(net: SimResNet, t: ArrayLike | list | tuple, initial_distance: ArrayLike) -> Float[Array, "*shape"]:
    """The largest W_1 distance at time t between two distributions that `net` moves and that start at
    `initial_distance`,

        W_1(mu(t), nu(t)) <= exp(Lip(sigma) int_0^t ||w(s)||_2 ds) W_1(mu(0), nu(0)),

    for densities and ensembles alike, so for particles against the density that they sample. Theorem 1 of Herty, Trimborn,
    Visconti (2021) with the Lipschitz constant of x -> sigma(w x + b); as printed the exponent is Lip(sigma) t, which is
    too small wherever ||w||_2 > 1. In one dimension, with w > 0 and the identity, nothing smaller holds.

    - `net`: of any dimension; ||w||_2 is the spectral norm. The bias does not matter.
    - `t`: times of any shape, that of the result. `initial_distance`: a number, such as `kn.wasserstein(mu, nu)`.

    The integral is adaptive to 12 digits, between the breakpoints of w. The bound is infinite where the activation has no
    Lipschitz constant, such as the growing cosine, unless w = 0 up to t or the distance is 0. Values are known: outside jit,
    vmap and grad. Raises `ValueError` for traced values, for times and a distance that are negative or not finite,
    for a distance that is no number and for a weight that is not finite or not integrable; `TypeError` for what is no
    `SimResNet`.

    >>> from kinetic_nde import Identity
    >>> dobrushin_bound(SimResNet(3.0, 0.0, Identity()), [0.0, 0.5], 1.0).round(2)
    Array([1.  , 4.48], dtype=float64)
    """
    if not isinstance(net, SimResNet):
        raise TypeError(f"the bound is for a kn.SimResNet, whose Lipschitz constant is known, not {net!r}")
    if not known(net, t, initial_distance):
        raise ValueError("dobrushin_bound needs known values: call it outside jit, vmap and grad")
    times, start = as_floating(t, "t"), as_floating(initial_distance, "initial_distance")
    dtype = common_float(net, times, start)
    ends, distance = np.asarray(times, dtype=float), np.asarray(start, dtype=float)
    if not np.all(np.isfinite(ends) & (ends >= 0)):
        raise ValueError(f"the times must be finite and >= 0, got t = {t}")
    if distance.shape != () or not (np.isfinite(distance) and distance >= 0):
        raise ValueError(f"initial_distance must be one number, finite and >= 0, got {initial_distance}")
    rotated = _integral(net.weight, ends)
    # No weight and no distance stay none, whatever the Lipschitz constant: 0 and not 0 times infinity.
    exponent = np.where(rotated > 0, net.activation.lipschitz * np.where(rotated > 0, rotated, 1.0), 0.0)
    with np.errstate(over="ignore"):
        bound = distance * np.exp(exponent) if distance > 0 else np.zeros_like(exponent)
    return jnp.asarray(bound, dtype)


def _integral(weight: AbstractParameter, ts: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """int_0^t ||w(s)||_2 ds for each t."""
    last = np.max(ts, initial=0.0)
    knots = np.unique([0.0, *ts.reshape(-1), *(s for s in weight.breakpoints if 0 < s < last)])
    if not weight.autonomous and weight(jnp.zeros(())).size == 1:
        knots = np.unique([*knots, *_turns(weight, np.union1d(knots, np.linspace(0.0, last, _PLACES)))])
    starts, lengths = knots[:-1], np.diff(knots)
    if lengths.size == 0:
        return np.zeros_like(ts)

    def across(share: float) -> np.ndarray:
        """The integrand at the same place of each interval between two knots, all in one call."""
        norms = np.asarray(_norms(weight, jnp.asarray(starts + share * lengths)), dtype=float)
        if not np.all(np.isfinite(norms)):
            raise ValueError(f"the weight is not finite on [0, {last:g}]")
        return lengths * norms

    precision = 16 * float(jnp.finfo(_norms(weight, jnp.zeros(1)).dtype).eps)
    parts, _, report = quad_vec(
        across,
        0.0,
        1.0,
        epsabs=np.finfo(float).tiny,  # not 0: no weight has no relative error
        epsrel=max(1e-12, precision),
        norm="max",
        limit=_BISECTIONS,
        full_output=True,
    )
    if report.status == 1:
        raise ValueError(
            f"the integral of the weight's norm over [0, {last:g}] does not converge: it is infinite, or the weight changes too often"
        )
    return np.asarray(np.concatenate([[0.0], np.cumsum(parts)])[np.searchsorted(knots, ts)])


def _turns(weight: AbstractParameter, ts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " turns"]:
    """Where a number w changes its sign between the times: kinks of |w|, which the quadrature need not look for."""
    signs = np.sign(_numbers(weight, jnp.asarray(ts)))
    (before,) = np.nonzero(signs[:-1] * signs[1:] < 0)
    low, high, sign = ts[before], ts[before + 1], signs[before]
    for _ in range(_HALVINGS if before.size else 0):
        middle = 0.5 * (low + high)
        same = np.sign(_numbers(weight, jnp.asarray(middle))) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high


@eqx.filter_jit
def _numbers(weight: AbstractParameter, ts: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.vmap(lambda t: weight(t).reshape(()))(ts)


@eqx.filter_jit
def _norms(weight: AbstractParameter, ts: Float[Array, " n"]) -> Float[Array, " n"]:
    def norm(t: Float[Array, ""]) -> Float[Array, ""]:
        value = weight(t)
        return jnp.abs(value.reshape(())) if value.size == 1 else jnp.linalg.norm(value, 2)

    return jax.vmap(norm)(ts)
