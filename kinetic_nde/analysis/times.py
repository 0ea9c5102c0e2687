"""When a network with identity activation has drawn a distribution together."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._values import as_floating, cast, default_float, known
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.points import points
from ..network import field as fields
from ..network.activations import Identity
from ..network.parameters import Interpolated
from ..network.simresnet import SimResNet
from .affine import check_identity, moved_mean, rates, span_maps

_SOON = 1.0, 30.0
_HORIZON = 1000.0
_SPANS = 4096
_TOGETHER = 256  # spans that are divided in one round


def time_to_variance(
    net: SimResNet, initial: Density | Ensemble, level: ArrayLike, until: ArrayLike | None = None
) -> float:
    """The first time t >= 0 at which the variance of the mean field of a network with identity activation,

        V(t) = V(0) e^{Phi_2(t)},   Phi_2(t) = 2 int_0^t w,

    is down to `level`: Phi_2(t) = ln(level / V(0)), Corollary 2 of Herty, Trimborn, Visconti (2021), for any b. 0.0 if it is
    there from the start, `math.inf` if it never is: w < 0 alone is not enough.

    - `net`: a one-dimensional `SimResNet` with `Identity()`; w any function of time.
    - `initial`: a `Density` or an `Ensemble` at t = 0; the variance does not depend on its mass.
    - `until`: how far in time to look. By default for ever where parameters stay the same after their last layer or
      knot, which decides what happens at infinity, and up to 1000 where one is a function of t, of which nobody knows.

    Exact for constants and layers. Else the first crossing is bracketed between 4096 places in [0, until], denser
    towards 0, and between two of them also if the slopes say that there is a minimum; a dip that is narrower than that
    is overlooked, and so may be a minimum that only just touches the level. Works on known values, outside `jit`, `vmap` and `grad`.

    Raises `ValueError` for a negative level, another activation, more than one dimension, an infinite variance and traced
    values; `TypeError` for what is no network or no distribution; `RuntimeError` if w varies too fast to be followed.

    >>> import kinetic_nde as kn
    >>> data = kn.Ensemble([0.0, 2.0])  # variance 1
    >>> time_to_variance(kn.SimResNet(-1.0, 0.0, kn.Identity()), data, 0.01)  # e^{-2t} = 0.01
    2.302585
    >>> time_to_variance(kn.SimResNet(lambda t: -jnp.exp(-t), 0.0, kn.Identity()), data, 0.13)  # stops at e^-2 = 0.135
    inf
    """
    variance, _, _, level = _start(net, initial, level, "time_to_variance")
    # The variance is the energy of what moves about 0.
    return _first_time(SimResNet(net.weight, 0.0, Identity()), variance, 0.0, level, until)


def time_to_energy(
    net: SimResNet, initial: Density | Ensemble, level: ArrayLike, until: ArrayLike | None = None
) -> float:
    """The first time t >= 0 at which the energy m_2 = int x^2 g dx of the mean field of a network with identity
    activation is down to `level`. For mass 1

        m_2(t) = V(0) e^{Phi_2(t)} + m_1(t)^2,

    of which Corollary 2 of Herty, Trimborn, Visconti (2021) gives two cases: Phi_2(t) = ln(level / m_2(0)) for b = 0, and
    Phi_2(t) = ln((level - m_1(0)^2) / V(0)) for b = -w m_1 and level > m_1(0)^2. Here b is any function of time too. 0.0
    if the energy is there from the start, `math.inf` if it never is; it may come back later.

    Arguments, accuracy and errors as for `time_to_variance`; the energy is that of the mass which `initial` has.

    >>> import kinetic_nde as kn
    >>> data = kn.Ensemble([0.0, 2.0])  # m_1 = 1, m_2 = 2
    >>> time_to_energy(kn.SimResNet(-1.0, 0.0, kn.Identity()), data, 0.02)
    2.302585
    >>> time_to_energy(kn.SimResNet(-1.0, 1.0, kn.Identity()), data, 1.0)  # the mean stays where it is
    inf
    """
    variance, mean, mass, level = _start(net, initial, level, "time_to_energy")
    return _first_time(net, variance, mean, level / mass, until)


def _start(net: Any, initial: Any, level: Any, what: str) -> tuple[float, float, float, float]:
    """Variance, mean and mass at t = 0, and the level."""
    if not known(net, initial, level):
        raise ValueError(f"{what} finds a root and needs known values: call it outside jit, vmap and grad")
    check_identity(net, initial, what)
    height = as_floating(level, "level")
    if height.shape != () or not float(height) >= 0:
        raise ValueError(f"the level of {what} is a number that is not negative, got {level}")
    variance, mean, mass = (float(each) for each in _statistics(initial))
    if not math.isfinite(variance + mean * mean):
        raise ValueError(f"{what}: the initial distribution has the mean {mean} and the variance {variance}")
    return variance, mean, mass, float(height)


@jax.jit
def _statistics(initial: Density | Ensemble) -> tuple[Array, Array, Array]:
    start = points(initial, 2)
    return start._replace(x=start.x - start.mean).power_sums(2)[2] / start.mass, start.mean, start.mass


def _first_time(net: SimResNet, variance: float, mean: float, level: float, until: Any) -> float:
    """The first time at which V + M^2 <= level."""
    # To rounding: the level may be this very energy, summed in another order.
    if variance + mean * mean <= level * (1 + 64 * float(jnp.finfo(default_float()).eps)):
        return 0.0
    # What is constant after its last breakpoint is known for ever.
    decided = all(each.autonomous or isinstance(each, Interpolated) for each in (net.weight, net.bias))
    end = _end(until, math.inf if decided else _HORIZON)
    net = cast(net, default_float())
    knots = np.array([0.0, *(t for t in fields.breakpoints(net) if t > 0)])
    if net.autonomous:
        first = _on_constants(net, variance, mean, level, knots)
    else:
        last = knots[-1] if decided else end
        count = _SPANS * (1 + 2 * knots.size // _SPANS) - knots.size
        # What happens soon is found before all the time until the end has been followed.
        first, ts = math.inf, np.zeros(1)
        for reach in [each for each in _SOON if each < last] + [last]:
            ts = np.sort(np.append(reach * (np.arange(count + 1) / count) ** 2, np.minimum(knots, reach)))
            first = _searched(net, mean, level, ts[None], np.array([variance]), np.array([mean]))
            if math.isfinite(first):
                break
        if decided and math.isinf(first):
            end_state = _followed_from(net, mean, ts[None], np.array([variance]), np.array([mean]))[1]
            v, m, w, b = (float(each[-1]) for each in end_state)
            first = last + _on_constants(SimResNet(w, b, net.activation), v, m, level, np.zeros(1))
    return first if first <= end else math.inf


def _end(until: Any, default: float) -> float:
    if until is None:
        return default
    end = float(as_floating(until, "until"))
    if not end > 0 or (math.isinf(end) and math.isfinite(default)):
        raise ValueError(f"until must be positive, and finite where w or b is a function of t, got {until}")
    return end


def _on_constants(net: SimResNet, variance: float, mean: float, level: float, edges: np.ndarray) -> float:
    """The first time after edges[0], where w and b are constant between the `edges` and after the last one.

    With y = (e^{w h} - 1) / w, the time h since an edge as w sees it, both the growth 1 + w y and the mean M + a y, a =
    w M + b, are linear: V + M^2 = level is A y^2 + 2 B y + C = 0 with A = V w^2 + a^2, B = V w + M a, C = V + M^2 - level
    and the discriminant B^2 - A C = A level - V b^2.
    """
    ends = np.append(edges, edges[-1] + 1.0)
    v, m, w, b = _followed_from(net, mean, ends[None], np.array([variance]), np.array([mean]))[0]
    with np.errstate(all="ignore"):
        a = w * m + b
        square, half, rest = v * w**2 + a**2, v * w + m * a, _energy(v, m) - level
        discriminant = square * level - v * b**2
        root = np.sqrt(np.maximum(discriminant, 0.0))
        y = rest / (root - half)
        # Where little is left of the growth E, from its own quadratic: A E^2 - 2 a b E + b^2 - w^2 level = 0.
        far = np.abs(w) * root
        growth = np.where(a * b >= 0, (a * b + far) / square, (b**2 - w**2 * level) / (a * b - far))
        h = np.where(w == 0, y, np.where(w * y < -0.5, np.log(growth), np.log1p(w * y)) / w)
        reached = (discriminant >= 0) & (half < 0) & (h >= 0)
    times = edges + np.where(rest <= 0, 0.0, np.where(reached, h, math.inf))
    times = times[times <= np.append(edges[1:], math.inf)]
    return float(times[0]) if times.size else math.inf


def _searched(net: SimResNet, centre: float, level: float, ts: np.ndarray, v: np.ndarray, m: np.ndarray) -> float:
    """The first time in intervals, each of which is divided by a row of `ts` and starts with V and M.

    The spans between `ts` that may hold it are divided in their turn, into as many in all, until they are next to
    nothing: one compiled program serves for all rounds, where a root finder would need one for single times.
    """
    before, after = _followed_from(net, centre, ts, v, m)
    left, right, falling, rising = _energy(*before[:2]), _energy(*after[:2]), _slope(*before), _slope(*after)
    starts, stops = ts[:, :-1].ravel(), ts[:, 1:].ravel()
    with np.errstate(all="ignore"):
        # Where the tangents at both ends meet: a convex dip is not deeper.
        deepest = left + falling * (right - left - rising * (stops - starts)) / (falling - rising)
    lost, reached = np.isnan(right), right <= level
    spans = np.flatnonzero(lost | reached | ((falling < 0) & (rising > 0) & (deepest <= level)))
    for k in range(0, spans.size, _TOGETHER):
        chunk = spans[k : k + _TOGETHER]
        if np.any(lost[chunk]):
            k = chunk[np.argmax(lost[chunk])]
            raise RuntimeError(
                f"w and b vary too fast to be followed from t = {starts[k]:.6g} to {stops[k]:.6g}: (a) give an earlier "
                "`until`, or (b) evaluate both there and see whether they are finite"
            )
        first = math.inf
        if np.max(stops[chunk] - starts[chunk]) > 8 * np.finfo(float).eps * stops[chunk[-1]]:
            # Of as many rows as a power of two, which divides the number of spans.
            rows = np.pad(chunk, (0, (1 << (chunk.size - 1).bit_length()) - chunk.size), mode="edge")
            inside = np.linspace(starts[rows], stops[rows], starts.size // rows.size + 1, axis=1)
            first = _searched(net, centre, level, inside, before[0][rows], before[1][rows])
        # Also where a nearer look has lost it to rounding.
        first = min(first, float(np.min(stops[chunk][reached[chunk]], initial=math.inf)))
        if math.isfinite(first):
            return first
    return math.inf


def _followed_from(
    net: SimResNet, centre: float, ts: np.ndarray, v: np.ndarray, m: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """V, M, w and b at the start and at the end of each span of the rows of `ts`, row after row, when each row starts with
    its V and M: at a jump both sides count."""
    spans = ts.shape[1] - 1
    fresh = np.arange(ts.shape[0] * spans) % spans == 0
    numbers = (centre, ts[:, :-1].ravel(), ts[:, 1:].ravel(), np.repeat(v, spans), np.repeat(m, spans))
    before, after = _followed(net, jnp.asarray(fresh), [jnp.asarray(each, default_float()) for each in numbers])
    return tuple(np.asarray(each, float) for each in before), tuple(np.asarray(each, float) for each in after)


@eqx.filter_jit
def _followed(net: SimResNet, fresh: Array, numbers: list[Array]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    centre, starts, stops, v, m = numbers
    maps = span_maps(net, centre, jnp.sqrt(jnp.max(v)), starts, stops)

    def follow(state: tuple[Array, Array], span: tuple) -> tuple:
        log_growth, shift, *given, new = span
        v, m = (jnp.where(new, own, carried) for own, carried in zip(given, state, strict=True))
        after = v * jnp.exp(2 * log_growth), moved_mean(centre, m, log_growth, shift)
        return after, ((v, m), after)

    _, (before, after) = jax.lax.scan(follow, (v[0], m[0]), (*maps, v, m, fresh))
    at = jax.vmap(lambda t, start, stop: rates(fields.frozen(net, 0.5 * (start + stop)), t))
    return (*before, *at(starts, starts, stops)), (*after, *at(stops, starts, stops))


def _energy(v: np.ndarray, m: np.ndarray) -> np.ndarray:
    # A mean that is lost in the overflow of the variance does not matter.
    with np.errstate(all="ignore"):
        return np.where(np.isinf(v), v, v + m**2)


def _slope(v: np.ndarray, m: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """d (V + M^2) / dt."""
    with np.errstate(all="ignore"):
        return 2 * (w * _energy(v, m) + b * m)
