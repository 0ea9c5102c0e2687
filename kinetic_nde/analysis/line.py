"""Steady states on a line, and the mass that comes to each of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._values import default_float
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..network import field as fields
from ..network.simresnet import SimResNet
from .box import Box
from .equilibria import SteadyStates
from .portrait import Function, Portrait, kinks, on_arrays, portrait

# Beyond the data a network's next zero is asked for in intervals that grow by this factor, and another field is looked at.
_GROWTH = 3.7
_ASKED, _LOOKED = 50, 5
# The share of the mass for whose sake a box that was not given is widened.
_NOTHING = 1e-12


class Line(NamedTuple):
    """A velocity of one variable, and where it is declared to be zero between two places."""

    velocity: Function
    declared: Callable[[float, float], np.ndarray] | None


def states_on_line(field: Any, initial: Density | Ensemble | None, box: Box) -> SteadyStates:
    """The steady states of a field in one dimension. A box that was not given is widened to the points beyond the data
    to which mass goes."""
    line = _line(field)
    found, room = _look(line, *map(float, box.around[:, 0]))
    masses, (below, above, resting) = _masses(found, initial)
    box = box.widened(found.zeros[masses > _NOTHING * masses.sum()][:, None])
    lower, upper, inside = float(box.lower[0]), float(box.upper[0]), box.holds(found.zeros[:, None])

    points, derivative = found.zeros[inside], eqx.Partial(fields.divergence, field, jnp.zeros((), default_float()))
    runs = [(max(low, lower), min(high, upper)) for low, high in found.runs()]
    states = SteadyStates(
        points=points,
        stability=_words(found)[inside],
        eigenvalues=np.where(kinks(line.velocity, points, room), np.nan, on_arrays(derivative)(points)),
        basins=_basins(found)[inside],
        continua=tuple(f"every x in [{low:.6g}, {high:.6g}]" for low, high in runs if low < high),
        lower=lower,
        upper=upper,
    )
    if initial is None:
        return states
    low_side = found.zeros < 0.5 * (lower + upper)
    below, above = below + masses[~inside & low_side].sum(), above + masses[~inside & ~low_side].sum()
    count = initial.samples.shape[0] if isinstance(initial, Ensemble) else None
    return states.with_masses(count, masses[inside], resting, np.array([below, above]))


def _line(field: Any) -> Line:
    if not isinstance(field, SimResNet):
        return Line(on_arrays(eqx.Partial(field, jnp.zeros((), default_float()))), None)
    weight, bias = (float(np.reshape(parameter(0.0), ())) for parameter in (field.weight, field.bias))

    def declared(lower: float, upper: float) -> np.ndarray:
        ends = sorted((weight * lower + bias, weight * upper + bias))
        places = (np.asarray(field.activation.zeros(*ends), dtype=float) - bias) / weight
        return np.sort(places[(lower < places) & (places < upper)])

    if weight != 0:
        return Line(on_arrays(eqx.Partial(field, jnp.zeros((), default_float()))), declared)
    # A bias that is a zero to rounding is meant to be one.
    width = 4 * float(np.finfo(default_float()).eps) * abs(bias)
    still = np.size(field.activation.zeros(bias - width, bias + width)) > 0
    value = 0.0 if still else float(field(0.0, jnp.zeros((), default_float())))
    return Line(lambda x: np.full_like(x, value), lambda lower, upper: np.zeros(0))


def _look(line: Line, low: float, high: float) -> tuple[Portrait, float]:
    """The portrait of [low, high] and of what is beyond to the second next zero on either side, and its length."""
    length = (high - low) or 1e-3 * abs(high) or 1.0
    ends = [low - 0.01 * length, high + 0.01 * length]
    # The next zero is where mass goes, the one after that ends its basin.
    for _ in range(2):
        below, above = _next(line, ends[0], -length), _next(line, ends[-1], length)
        if below is not None:
            ends = [below - 0.01 * (high - below), *ends]
        if above is not None:
            ends = [*ends, above + 0.01 * (above - low)]
    declared = None if line.declared is None else line.declared(ends[0], ends[-1])
    return portrait(line.velocity, ends, declared), ends[-1] - ends[0]


def _next(line: Line, start: float, step: float) -> float | None:
    """The first zero beyond `start` in the direction of `step`; None if there is none as far as was looked."""
    near = start
    for k in range(_LOOKED if line.declared is None else _ASKED):
        far = start + step * _GROWTH**k
        low, high = min(near, far), max(near, far)
        try:
            zeros = portrait(line.velocity, [low, high]).zeros if line.declared is None else line.declared(low, high)
        except ValueError:
            # Beyond the box and the data a field need not be continuous, nor defined.
            return None
        if zeros.size:
            return float(zeros[0] if step > 0 else zeros[-1])
        near = far
    return None


def _words(found: Portrait) -> np.ndarray:
    left, right = found.signs[:-1], found.signs[1:]
    return np.select(
        [(left > 0) & (right < 0), (left > 0) | (right < 0)], ["stable", "semi-stable"], default="unstable"
    )


def _basins(found: Portrait) -> np.ndarray:
    ends = np.concatenate([[-np.inf], found.zeros, [np.inf]])
    left = np.where(found.signs[:-1] > 0, ends[:-2], found.zeros)
    return np.stack([left, np.where(found.signs[1:] < 0, ends[2:], found.zeros)], axis=1)


def _masses(found: Portrait, initial: Density | Ensemble | None) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The mass that comes to each zero, and that which leaves below, leaves above or stays between."""
    zeros, signs = found.zeros, found.signs
    if initial is None:
        return np.zeros(zeros.size), (0.0, 0.0, 0.0)
    between, there = _shares(zeros, initial)
    mass = float(initial.mass)
    below, above = (mass * between[k] * (signs[k] == side) for k, side in ((0, -1), (-1, 1)))
    to_right = np.where(signs[:-1] > 0, between[:-1], 0.0)
    to_left = np.where(signs[1:] < 0, between[1:], 0.0)
    return mass * (there + to_right + to_left), (float(below), float(above), float(mass * between[signs == 0].sum()))


def _shares(zeros: np.ndarray, initial: Density | Ensemble) -> tuple[np.ndarray, np.ndarray]:
    """The share of the mass between the zeros (n + 1,), and that at them (n,)."""
    if isinstance(initial, Density):
        # In blocks, so that the number of zeros does not compile anew.
        places = np.resize(zeros, 64 * (1 + zeros.size // 64)) if zeros.size else np.zeros(0)
        # Sums of averages end at 1 to rounding only, and no mass is negative.
        below = np.minimum(np.asarray(initial.cdf(places), dtype=float)[: zeros.size], 1.0)
        between = np.diff(below, prepend=0.0, append=1.0)
        # What rounding leaves between two sums of averages is no mass.
        rounding = 16 * float(np.finfo(default_float()).eps) * np.append(below, 1.0)
        return np.where(between > rounding, between, 0.0), np.zeros(zeros.size)
    samples = np.asarray(initial.samples, dtype=float).reshape(-1)
    after, at = np.searchsorted(zeros, samples), np.full(samples.size, -1)
    near = 16 * float(np.finfo(default_float()).eps) * np.max(np.abs(np.concatenate([zeros, samples])))
    for k in range(2 if zeros.size else 0):
        candidate = np.clip(after - k, 0, zeros.size - 1)
        at = np.where(np.abs(zeros[candidate] - samples) <= near, candidate, at)
    there = np.bincount(at[at >= 0], minlength=zeros.size)
    return np.bincount(after[at < 0], minlength=zeros.size + 1) / samples.size, there / samples.size
