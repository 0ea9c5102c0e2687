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
from .affine import affine_path, check_identity, rates

_HORIZON = 1000.0
_PLACES = 4096
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
    is overlooked. Works on known values, outside `jit`, `vmap` and `grad`.

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
        last = min(end, knots[-1]) if decided else end
        ts = np.sort(np.append(last * (np.arange(_PLACES) / (_PLACES - 1)) ** 2, np.minimum(knots, last)))
        first = _searched(net, variance, mean, level, ts, np.ones(ts.size - 1, bool))
        if decided and math.isinf(first):
            v, m, w, b = (each[-1] for each in _states(net, variance, mean, 0.0, *_ends(ts)))
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
    middles = edges + 0.5 * np.diff(edges, append=edges[-1] + 2.0)
    v, m, w, b = _states(net, variance, mean, 0.0, edges, middles)
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


def _searched(net: SimResNet, variance: float, mean: float, level: float, ts: np.ndarray, within: np.ndarray) -> float:
    """The first time in those of the spans between `ts` that count, V and M being those at the first of `ts`.

    Spans that may hold it are divided, as many places in all as there were, until they are next to nothing: one compiled
    program serves for all rounds, where a root finder would need one for single times.
    """
    v, m, w, b = _states(net, variance, mean, ts[0], *_ends(ts))
    with np.errstate(all="ignore"):
        energy = _energy(v, m)
        (left, right), (falling, rising) = (each.reshape(2, -1) for each in (energy, 2 * (w * energy + b * m)))
        # Where the tangents at both ends meet: a convex dip is not deeper.
        deepest = left + falling * (right - left - rising * np.diff(ts)) / (falling - rising)
    lost, reached = np.isnan(right), within & (right <= level)
    spans = np.flatnonzero(lost | reached | (within & (falling < 0) & (rising > 0) & (deepest <= level)))
    for chunk in np.array_split(spans, np.arange(_TOGETHER, spans.size, _TOGETHER)) if spans.size else []:
        starts, stops = ts[chunk], ts[chunk + 1]
        if np.any(lost[chunk]):
            k = np.argmax(lost[chunk])
            raise RuntimeError(
                f"w and b vary too fast to be followed from t = {starts[k]:.6g} to {stops[k]:.6g}: (a) give an earlier "
                "`until`, or (b) evaluate both there and see whether they are finite"
            )
        if np.max(stops - starts) <= 8 * np.finfo(float).eps * stops[-1]:
            first = float(np.min(stops[reached[chunk]], initial=math.inf))
        else:
            first = _searched(net, float(v[chunk[0]]), float(m[chunk[0]]), level, *_divided(starts, stops, ts.size))
        if math.isfinite(first):
            return first
    return math.inf


def _ends(ts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The starts of all spans between `ts`, then their ends, and the middle of the span for each: at a jump both sides
    count."""
    return np.concatenate([ts[:-1], ts[1:]]), np.tile(0.5 * (ts[:-1] + ts[1:]), 2)


def _divided(starts: np.ndarray, stops: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` times, as many in each of some spans, and which of the spans between them are parts of those."""
    each = count // starts.size
    ts = np.append(np.linspace(starts, stops, each, axis=1).ravel(), np.full(count - each * starts.size, stops[-1]))
    within = np.arange(count - 1) % each != each - 1
    return ts, within


def _states(
    net: SimResNet, variance: float, mean: float, t0: float, ts: np.ndarray, middles: np.ndarray
) -> tuple[np.ndarray, ...]:
    """V, M, w and b at times (T,), followed from t0; w and b as they are on the pieces that hold `middles`."""
    values = cast((float(variance), float(mean), float(t0), ts, middles), default_float())
    return tuple(np.asarray(each, float) for each in _followed(net, *values))


@eqx.filter_jit
def _followed(net: SimResNet, variance: Array, mean: Array, t0: Array, ts: Array, middles: Array) -> tuple:
    path = affine_path(net, mean, jnp.sqrt(variance), ts, t0)
    w, b = jax.vmap(lambda t, middle: rates(fields.frozen(net, middle), t))(ts, middles)
    return variance * jnp.exp(2 * path.log_growth), path.mean, w, b


def _energy(v: np.ndarray, m: np.ndarray) -> np.ndarray:
    # A mean that is lost in the overflow of the variance does not matter.
    return np.where(np.isinf(v), v, v + m**2)
