"""The flow of a network with identity activation, which is affine in x."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.profile import gauss
from ..distributions.stack import check_mass, check_one
from ..methods.tolerances import controller
from ..network import field as fields
from ..network.activations import Identity
from ..network.simresnet import SimResNet

_TOLERANCE = 1e-13
_MAX_STEPS = 16**3  # of one span between two times


class Path(NamedTuple):
    """log E(t) = Phi_1(t), by which distances have grown, and M(t), where the mean is, at times (T,)."""

    log_growth: Float[Array, " T"]
    mean: Float[Array, " T"]


def affine_path(net: SimResNet, mean: Float[Array, ""], reach: Float[Array, ""], ts: Float[Array, " T"]) -> Path:
    """Where dx/dt = w(t) x + b(t) has taken a distribution with this mean at t = 0 and distances up to `reach` from it:

        x(t) = M(t) + E(t) (x(0) - M(0)),   E = e^Phi,   Phi(t) = int_0^t w,
        M(t) = M(0) + int_0^t e^{Phi(t) - Phi(s)} v(s, M(0)) ds = E(t) M(0) + int_0^t e^{Phi(t) - Phi(s)} b(s) ds.

    Exact where w and b are constant between breakpoints, else by Runge-Kutta steps of order 8 with an error below
    1e-12. Times in any order, at least 0; NaN for others and where w and b cannot be followed. All float types agree.
    """
    sound = jnp.isfinite(ts) & (ts >= 0)
    inside = jnp.where(sound, ts, jnp.zeros_like(ts))
    knots = jnp.asarray(fields.breakpoints(net), ts.dtype)
    times = jnp.concatenate([jnp.zeros(1, ts.dtype), jnp.clip(knots, 0, jnp.max(inside)), inside])
    order = jnp.argsort(times)
    edges = times[order]
    growths, shifts = span_maps(net, mean, reach, edges[:-1], edges[1:])

    def compose(before: tuple[Array, Array], move: tuple[Array, Array]) -> tuple:
        after = before[0] + move[0], jnp.exp(move[0]) * before[1] + move[1]
        return after, after

    start = jnp.zeros((), ts.dtype), jnp.zeros(2, ts.dtype)
    _, (log_growth, shift) = jax.lax.scan(compose, start, (growths, shifts))
    # Each time at its own edge, so that also equal times have their own derivative.
    place = jnp.argsort(order)[-ts.size :] - 1
    log_growth, shift = log_growth[place], shift[place]
    path = Path(log_growth, moved_mean(mean, jnp.broadcast_to(mean, ts.shape), log_growth, shift))
    return jax.tree.map(lambda each: jnp.where(sound, each, jnp.nan), path)


def span_maps(
    net: SimResNet,
    centre: Float[Array, ""],
    reach: Float[Array, ""],
    starts: Float[Array, " S"],
    stops: Float[Array, " S"],
) -> tuple[Float[Array, " S"], Float[Array, "S 2"]]:
    """For each span, none of which has a breakpoint inside: Phi over it, and int e^{Phi(stop) - Phi(s)} f(s) ds for f = b
    and for f = v(s, centre) = w centre + b. NaN where w and b cannot be followed."""
    size = jax.lax.stop_gradient(jnp.maximum(jnp.abs(centre), reach))
    size = jnp.where(size > 0, size, jnp.ones_like(size))
    span = _exact if net.autonomous else _integrated
    return jax.vmap(lambda start, stop: span(net, centre, size, start, stop))(starts, stops)


def moved_mean(
    centre: Float[Array, ""], mean: Float[Array, "*n"], log_growth: Float[Array, "*n"], shift: Float[Array, "*n 2"]
) -> Float[Array, "*n"]:
    """Where a span takes a mean, in that of two sums which loses fewer digits: E M + int b, exact where b = 0 and the mean
    goes to 0, or c + E (M - c) + int v(c), exact where b = -w c and a mean c stays."""
    growth = jnp.exp(log_growth)
    # 0 and not 0 times infinity: the mean may stay while distances overflow.
    apart = jnp.where(mean == centre, jnp.zeros_like(mean), growth * (mean - centre))
    raw, about = growth * mean + shift[..., 0], centre + apart + shift[..., 1]
    lost_raw = jnp.abs(growth * mean) + jnp.abs(shift[..., 0])
    lost_about = jnp.abs(centre) + jnp.abs(apart) + jnp.abs(shift[..., 1])
    return jnp.where(lost_raw < lost_about, raw, about)


def rates(net: SimResNet, t: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """w(t) and b(t) of a network in one dimension, in the type of t."""
    return net.weight(t).reshape(()).astype(t.dtype), net.bias(t).reshape(()).astype(t.dtype)


def check_identity(net: Any, initial: Any, what: str) -> None:
    """Raises `TypeError` or `ValueError` unless `initial` is a one-dimensional distribution and `net` a network for it
    whose moments close."""
    check_1d(net, initial, what)
    if not isinstance(net.activation, Identity):
        raise ValueError(
            f"{what} needs the identity as activation, for which the moments close, not {type(net.activation).__name__}; "
            "kn.linearised(net) is such a network for kn.Sigmoid() and kn.Tanh(), and an approximation"
        )


def check_1d(net: Any, distribution: Any, what: str) -> None:
    """Raises `TypeError` or `ValueError` unless both are a network and a distribution in one dimension."""
    if not isinstance(net, SimResNet):
        raise TypeError(f"{what} is of a kn.SimResNet, not of {type(net).__name__}")
    if not isinstance(distribution, Density | Ensemble):
        raise TypeError(f"{what} is of a kn.Density or a kn.Ensemble, not of {type(distribution).__name__}")
    check_one(distribution, what)
    check_mass(distribution, what)
    for name, dimension in (("network", net.dimension), ("distribution", distribution.dimension)):
        if dimension != 1:
            raise ValueError(f"{what} is for one dimension, got a {name} of dimension {dimension}")
    values = distribution.values if isinstance(distribution, Density) else distribution.samples
    require(
        lambda: np.all(np.isfinite(values)), lambda: f"{what}: the distribution has values that are not finite", values
    )


def _exact(net: SimResNet, mean: Array, size: Array, start: Array, stop: Array) -> tuple[Array, Array]:
    """Phi over one span, and what b and v(M(0)) add to the mean."""
    w, b = rates(net, 0.5 * (start + stop))
    length = stop - start
    return w * length, length * _mean_growth(w * length) * jnp.stack([b, w * mean + b])


def _integrated(net: SimResNet, mean: Array, size: Array, start: Array, stop: Array) -> tuple[Array, Array]:
    net = fields.frozen(net, 0.5 * (start + stop))

    def rate(share: Any, state: Any, _: Any) -> Array:
        w, b = rates(net, start + share * (stop - start))
        return (stop - start) * jnp.stack([w, w * state[1] + b / size, w * state[2] + (w * mean + b) / size])

    zero, one, tolerance = jnp.zeros_like(start), jnp.ones_like(start), jnp.full_like(start, _TOLERANCE)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        diffrax.Dopri8(),
        zero,
        one,
        one / 16,
        jnp.zeros(3, start.dtype),
        stepsize_controller=controller(tolerance, tolerance, one),
        # The one through which derivatives of both modes pass.
        adjoint=diffrax.DirectAdjoint(),
        max_steps=_MAX_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    done = jnp.where(solution.result == diffrax.RESULTS.successful, solution.ys[0], jnp.nan)
    return done[0], size * done[1:]


def _mean_growth(z: Array) -> Array:
    """(e^z - 1) / z = int_0^1 e^{z s} ds, 1 at z = 0."""
    small = jnp.abs(z) < 1
    nodes, weights = gauss(8)
    near = sum(
        weight * jnp.exp((node + 0.5) * jnp.where(small, z, 0.0)) for node, weight in zip(nodes, weights, strict=True)
    )
    return jnp.where(small, near, jnp.expm1(z) / jnp.where(small, jnp.ones_like(z), z))
