"""A steady state beyond the grid: its mass there, and how it behaves at infinity and at a zero of K."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real
from scipy.optimize import brentq, minimize_scalar

from .log_ratios import Nodes, integrand, log_gauss, mean_slopes, potentials, spread, unit_nodes

# Steps in the logarithm of the distance, and Gauss points in each: a Gaussian 100 cells away is still seen.
_STEP, _POINTS = 0.05, 8
# Decades of the distance towards a zero of K and to infinity, where x^2 must not overflow, in float64 and float32, and those
# of them at the end that decide.
_DECADES, _NARROW_DECADES = (30, 140), (12, 16)
_LAST = 6
# Logarithms of mass that far below others are.
_NOTHING = 1e5
# An exponent this close to the critical one is taken for it.
_CRITICAL = 1e-9


class FarEnd(NamedTuple):
    """What is between a place x and an end of the line, or of a part of it where K is 0.

    - `place`: the end, `inf`, `-inf` or a zero of K.
    - `log_mass`: ln int M from x to there, psi counted from x; meaningless unless `integrable`.
    - `power`: M goes like |x|^power to infinity, or like |x - place|^power to a zero of K: the largest or the smallest
      local exponent d ln M / d ln of the distance on the last decades, or the last one if it falls or rises all the time.
    """

    place: float
    log_mass: float
    power: float

    @property
    def integrable(self) -> bool:
        """Whether the mass is finite."""
        return self.power < -1 - _CRITICAL if np.isinf(self.place) else self.power > -1 + _CRITICAL


def outwards(start: float, towards: float, length: float, dtype: Any) -> Nodes:
    """Quadrature from `start` to an end, geometric in the distance: to infinity in steps that begin with a part of
    `length`, to a zero of K in steps that shrink like the distance."""
    near, far = _DECADES if dtype == np.float64 else _NARROW_DECADES
    decades = far if np.isinf(towards) else near
    panels = int(np.ceil(decades * np.log(10) / _STEP))
    y = _STEP * (np.arange(panels)[:, None] + unit_nodes(_POINTS)[None, :])
    if np.isinf(towards):
        sign = np.sign(towards)
        places, stretch = start + sign * length * np.expm1(y), sign * length * np.exp(y)
    else:
        places, stretch = towards + (start - towards) * np.exp(-y), -(start - towards) * np.exp(-y)
    return Nodes(jnp.asarray(places, dtype), jnp.asarray(stretch, dtype), _STEP)


def far_end(law: Any, t: Real[ArrayLike, ""], start: float, towards: float, length: float, dtype: Any) -> FarEnd:
    """What is between `start` and the end `towards`, which is infinite or a zero of K."""
    nodes = outwards(start, towards, length, dtype)
    inside, growth = (np.asarray(each, dtype=float) for each in _along(law, t, nodes.places, nodes.stretch))
    # Where a field or K has overflown, what there was before decides.
    whole = np.isfinite(growth) & np.all(np.isfinite(inside), axis=1)
    last = int(np.argmin(whole)) if not whole.all() else whole.size
    if last == 0:
        raise ValueError(f"the field or K is not finite at {start:g}, next to the grid")
    first = max(0, last - int(_LAST * np.log(10) / _STEP))
    ending = growth[first:last]
    # A stretched exponential such as exp(-x^0.05) falls like ever larger powers, and late.
    largest = float(ending[-1] if np.all(np.diff(ending) < 0) else np.max(ending))
    power = largest - 1 if np.isinf(towards) else -largest - 1
    # What is as good as nothing is left out: sums of what leads there have lost all digits of where they began.
    gone = np.min(inside[:last], axis=1) < np.max(inside[0]) - _NOTHING
    last = int(np.argmax(gone)) if gone.any() else last
    log_mass = float(np.logaddexp.reduce((inside + np.asarray(log_gauss(_POINTS, _STEP)))[:last], axis=None))
    if last and growth[last - 1] < 0:
        # A power from the end of the last panel on.
        edge = inside[last - 1, -1] + growth[last - 1] * _STEP * (1 - unit_nodes(_POINTS)[-1])
        log_mass = float(np.logaddexp(log_mass, edge - np.log(-growth[last - 1])))
    return FarEnd(towards, log_mass, power)


@eqx.filter_jit
def _along(law: Any, t: Real[ArrayLike, ""], places: Array, stretch: Array) -> tuple[Array, Array]:
    """ln(M dx/dy) at the nodes, whose integral over y is the mass, and by how much it grows per unit of y."""
    at = integrand(law, t, Nodes(places, stretch, _STEP))
    rise = (at.log_weight[:, -1] - at.log_weight[:, 0]) / (_STEP * spread(_POINTS))
    return potentials(at, _STEP)[0] + at.log_weight, mean_slopes(at) + rise


@eqx.filter_jit
def strengths(diffusion: Any, places: Float[Array, " n"]) -> Float[Array, " n"]:
    """K at many places."""
    return jax.vmap(diffusion)(places)


def first_zero(diffusion: Any, start: float, towards: float, length: float, dtype: Any) -> float:
    """The zero of K that is nearest to `start` on the way to `towards`, `inf` or `-inf`; `towards` if there is none."""
    places = np.concatenate([[start], np.asarray(outwards(start, towards, length, dtype).places).reshape(-1)])
    values = np.asarray(strengths(diffusion, jnp.asarray(places, dtype)))
    found = zeros(diffusion, places[np.isfinite(values)], dtype)
    return found[0] if found else towards


def zeros(diffusion: Any, places: np.ndarray, dtype: Any) -> list[float]:
    """The zeros of K between places in order, where it changes its sign or only touches 0; not those at the first and at
    the last place."""
    values = np.asarray(strengths(diffusion, jnp.asarray(places, dtype)), dtype=float)

    def value(x: float) -> float:
        return float(strengths(diffusion, jnp.asarray([x], dtype))[0])

    found: list[float] = []
    size, sign = np.abs(values), np.sign(values)
    crossed = sign[:-2] * sign[1:-1] < 0
    lowest = (size[1:-1] <= size[:-2]) & (size[1:-1] < size[2:]) & (sign[1:-1] * sign[2:] > 0)
    # There are tens of thousands of places, and next to no zeros.
    for k in 1 + np.flatnonzero((values[1:-1] == 0) | crossed | lowest):
        low, high = sorted((float(places[k - 1]), float(places[k + 1])))
        if values[k] == 0:
            found.append(float(places[k]))
        elif crossed[k - 1]:
            low, high = sorted((float(places[k - 1]), float(places[k])))
            found.append(_rounded(value, _root(value, low, high), high - low))
        else:
            least: Any = minimize_scalar(
                lambda x: abs(value(x)), bounds=(low, high), method="bounded", options={"xatol": 1e-12 * (high - low)}
            )
            place = _rounded(value, float(least.x), high - low)
            if abs(value(place)) < 1e-6 * min(size[k - 1], size[k + 1]):
                found.append(place)
    return found


def _root(value: Callable[[float], float], low: float, high: float) -> float:
    found: Any = brentq(value, low, high, xtol=1e-300, rtol=np.float64(1e-15))
    return float(found)


def _rounded(value: Callable[[float], float], x: float, between: float) -> float:
    """A rounder number next to x at which K is as small."""
    digits = int(np.ceil(-np.log10(between))) + 6
    rounder = round(x, digits)
    return rounder if abs(value(rounder)) <= abs(value(x)) else x
