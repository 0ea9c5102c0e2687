"""Where a function of one variable is zero, and its sign between."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from .._values import as_floating, default_float

# Places across an interval at which a function is looked at: two zeros between neighbouring ones are missed.
_PLACES = 4096
_PLACES_BETWEEN = 16
# Halvings of such a distance until nothing is left of it.
_HALVINGS = 64
# Of the values around it, what a value may be to count as zero: at a zero that is given to five digits or that the
# function only touches, and not at a jump.
_CROSSED, _TOUCHED = 1e-3, 1e-6
_MOST = 100_000

Function = Callable[[np.ndarray], np.ndarray]


class Portrait(NamedTuple):
    """The zeros (n,) of a function in an interval, increasing, and its sign (n + 1,) below, between and above them.

    The sign is 0 between the ends of a whole interval of zeros, of which the ends are among the zeros as far as they
    are inside.
    """

    zeros: np.ndarray
    signs: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """Which of the zeros (n,) are ends of an interval of zeros."""
        return (self.signs[:-1] == 0) | (self.signs[1:] == 0)

    def runs(self) -> list[tuple[float, float]]:
        """The intervals of zeros, infinite where they reach the end of what was looked at."""
        ends = np.concatenate([[-np.inf], self.zeros, [np.inf]])
        return [(float(ends[k]), float(ends[k + 1])) for k in np.flatnonzero(self.signs == 0)]


def portrait(function: Function, ends: Sequence[float], declared: np.ndarray | None = None) -> Portrait:
    """The portrait of a continuous function between the first and the last of `ends`.

    `declared` are zeros that are known; they are checked and kept as they are. The others are found by a change of sign
    and bisection, the function being looked at in 4096 places between any two ends and 16 at least between any two
    declared zeros; where the function touches zero, by a search around each local minimum of its absolute value. Two zeros
    closer than two places are missed.

    Raises `ValueError` where a declared zero is none, where the function jumps or is not finite.

    >>> portrait(np.sin, [-1.0, 4.0])
    Portrait(zeros=array([0.        , 3.14159265]), signs=array([-1.,  1., -1.]))
    >>> portrait(lambda x: np.maximum(x, 0.0), [-1.0, 1.0]).runs()
    [(-inf, 0.0)]
    """
    known = np.sort(np.zeros(0) if declared is None else np.asarray(declared, dtype=float))
    if known.size > _MOST:
        raise ValueError(f"there are {known.size} zeros from {ends[0]:g} to {ends[-1]:g}: take a smaller box")
    x = _places(np.asarray(ends, dtype=float), known)
    values = function(x)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"steady states need a finite velocity, at {x[~np.isfinite(values)][0]:g} it is not")
    between = np.searchsorted(known, x)
    _check_declared(function, known, x, values)
    zeros = np.concatenate([known, _crossed(function, x, values, between), _touched(function, x, values, between)])
    return _signs(function, ends[0], ends[-1], np.sort(zeros))


def kinks(function: Function, zeros: np.ndarray, room: float) -> np.ndarray:
    """At which of the zeros (n,) the slopes from the left and from the right differ by more than 5 %; `room` is a
    distance that counts as large where there is no other zero.

    >>> kinks(lambda x: np.maximum(x, 0.0) * (x - 1.0) ** 2, np.array([0.0, 1.0]), 1.0)
    array([ True, False])
    """
    apart = np.diff(zeros, prepend=-np.inf, append=np.inf)
    near = np.minimum(np.minimum(apart[:-1], apart[1:]), room)
    step = float(np.finfo(default_float()).eps) ** (1 / 3) * near
    slopes = np.abs(
        np.stack([function(zeros + step) + function(zeros - step), function(zeros + step), function(zeros - step)])
    )
    around = np.maximum(np.abs(function(zeros + 0.25 * near)), np.abs(function(zeros - 0.25 * near)))
    steep = np.maximum(slopes[1], slopes[2])
    # Where the function only touches zero both slopes are next to nothing, whatever their ratio.
    return (slopes[0] > 0.05 * steep) & (steep / step > 1e-3 * around / (0.25 * near))


def on_arrays(function: Any) -> Function:
    """A JAX function of a number as one of NumPy arrays (k,), compiled once for all k and all its own numbers."""

    def values(x: np.ndarray) -> np.ndarray:
        blocks = np.resize(x, (-(-x.size // _PLACES), _PLACES)).astype(default_float())
        out = [np.asarray(_mapped(function, as_floating(block)), dtype=float) for block in blocks]
        return np.concatenate(out)[: x.size] if out else np.zeros(0)

    return values


@eqx.filter_jit
def _mapped(function: Any, x: jax.Array) -> jax.Array:
    return jax.vmap(function)(x)


def _places(ends: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Where to look: between neighbouring ends and zeros, never at them."""
    edges = np.unique(np.concatenate([ends, known]))
    segment = np.diff(ends)[np.clip(np.searchsorted(ends, edges[:-1], side="right") - 1, 0, ends.size - 2)]
    counts = np.maximum(np.ceil(_PLACES * np.diff(edges) / segment), _PLACES_BETWEEN).astype(int)
    between = np.repeat(np.arange(counts.size), counts)
    place = np.arange(between.size) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5
    return edges[between] + np.diff(edges)[between] * place / counts[between]


def _check_declared(function: Function, known: np.ndarray, x: np.ndarray, values: np.ndarray) -> None:
    after = np.searchsorted(x, known)
    around = np.maximum(np.abs(values[np.maximum(after - 1, 0)]), np.abs(values[np.minimum(after, x.size - 1)]))
    wrong = np.abs(function(known)) > _CROSSED * around
    if np.any(wrong):
        raise ValueError(
            f"zeros() of the activation names a place where it is not zero: there the velocity at {known[wrong][0]:g} is {function(known[wrong])[0]:.3g}"
        )


def _crossed(function: Function, x: np.ndarray, values: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Zeros at which the sign changes."""
    signs = np.sign(values)
    turns = np.flatnonzero((between[1:] == between[:-1]) & (signs[1:] != signs[:-1]))
    low, high = x[turns], x[turns + 1]
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        left = np.sign(function(middle)) == signs[turns]
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    sizes = np.abs(np.stack([function(low), function(high)]))
    jumps = sizes.min(axis=0) > _CROSSED * np.maximum(np.abs(values[turns]), np.abs(values[turns + 1]))
    if np.any(jumps):
        raise ValueError(
            f"between {x[turns][jumps][0]:g} and {x[turns + 1][jumps][0]:g} the velocity jumps over zero: steady states are those of a continuous one"
        )
    return np.where(sizes[0] <= sizes[1], low, high)


def _touched(function: Function, x: np.ndarray, values: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Zeros at which the sign stays."""
    sizes = np.abs(values)
    low = (sizes[1:-1] <= sizes[:-2]) & (sizes[1:-1] <= sizes[2:]) & (sizes[1:-1] > 0)
    inside = np.flatnonzero(low & (values[:-2] * values[2:] > 0) & (between[2:] == between[:-2])) + 1
    left, right = x[inside - 1], x[inside + 1]
    for _ in range(2 * _HALVINGS):
        third = (right - left) / 3
        lower = np.abs(function(left + third)) <= np.abs(function(right - third))
        left, right = np.where(lower, left, left + third), np.where(lower, right - third, right)
    found = 0.5 * (left + right)
    return found[np.abs(function(found)) <= _TOUCHED * np.minimum(sizes[inside - 1], sizes[inside + 1])]


def _signs(function: Function, lower: float, upper: float, zeros: np.ndarray) -> Portrait:
    """Each zero once, and the signs between."""
    near = 8 * float(np.finfo(default_float()).eps) * max(abs(lower), abs(upper))
    zeros = np.where(np.abs(zeros) < near, 0.0, zeros)
    zeros = zeros[np.diff(zeros, prepend=-np.inf) > near]
    edges = np.concatenate([[lower], zeros, [upper]])
    inside = edges[:-1, None] + np.diff(edges)[:, None] * np.array([0.25, 0.5, 0.75])
    signs = np.sign(np.sign(function(inside.reshape(-1))).reshape(-1, 3).sum(axis=1))
    # Inside an interval of zeros none is special.
    special = (signs[:-1] != 0) | (signs[1:] != 0)
    return Portrait(zeros[special], np.concatenate([signs[:1], signs[1:][special]]))
