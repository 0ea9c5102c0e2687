"""Where a network in several dimensions stands still: points, lines and regions."""

import itertools
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.linalg import eig, null_space
from scipy.optimize import linprog

from .._values import default_float
from ..network.activations import AbstractActivation
from .box import Box
from .portrait import kinks, on_arrays, portrait

# Beyond these there is more to compute than anyone will read.
_MOST_POINTS, _MOST_SETS = 1_000_000, 1000


class Component(NamedTuple):
    """The zeros of sigma that one component of z = w x + b meets in the box: places with the slope there, which is NaN at
    a kink, those of them that end no interval of zeros, and such intervals."""

    zeros: np.ndarray
    slopes: np.ndarray
    isolated: np.ndarray
    runs: list[tuple[float, float]]


class Lattice(NamedTuple):
    """Points (n, d), sigma' at their z (n, d), and sets that are more than a point, in words."""

    points: np.ndarray
    slopes: np.ndarray
    continua: tuple[str, ...]


def _components(weight: np.ndarray, bias: np.ndarray, activation: AbstractActivation, box: Box) -> list[Component]:
    """The zeros of sigma in the range that each component of w x + b has over the box."""
    middles = weight @ (0.5 * (box.lower + box.upper)) + bias
    reaches = np.abs(weight) @ (0.5 * (box.upper - box.lower))
    found = []
    for middle, reach in zip(middles, reaches, strict=True):
        # A component that does not depend on x has one value, around which it is enough to look.
        reach = 1.01 * reach or 1e-3 * abs(middle) or 1.0
        ends = (float(middle - reach), float(middle + reach))
        declared = np.asarray(activation.zeros(*ends), dtype=float)
        values = on_arrays(activation)
        seen = portrait(values, ends, declared[(ends[0] < declared) & (declared < ends[1])])
        slopes = np.where(kinks(values, seen.zeros, 2 * reach), np.nan, on_arrays(activation.derivative)(seen.zeros))
        found.append(Component(seen.zeros, slopes, seen.zeros[~seen.flat], seen.runs()))
    return found


def lattice(weight: np.ndarray, bias: np.ndarray, activation: AbstractActivation, box: Box, rounding: float) -> Lattice:
    """All x in the box with sigma(w x + b) = 0, for w (d, d) and b (d,) that are known to the relative error `rounding`.

    Raises `ValueError` for more than a million candidates.
    """
    axes = _components(weight, bias, activation, box)
    count = int(np.prod([axis.zeros.size for axis in axes], dtype=float))
    if count > _MOST_POINTS:
        raise ValueError(f"the box holds up to {count} steady states: take a smaller one")
    d = bias.size
    points = slopes = np.zeros((0, d))
    if rank_of(weight, rounding) == d and count:
        z, slopes = _product([axis.zeros for axis in axes]), _product([axis.slopes for axis in axes])
        points = np.linalg.solve(weight, (z - bias).T).T
        inside = box.holds(points)
        points, slopes = points[inside], slopes[inside]
    return Lattice(points, slopes, tuple(_continua(weight, bias, axes, box, rounding)))


def rates(weight: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (n, d) of diag(slopes) w, and what they say (n,): "stable" if all real parts are negative, "unstable"
    if one is positive, else "undecided". A real part counts as zero if rounding could have made it.
    """
    values, words = np.full(slopes.shape, np.nan, dtype=complex), np.full(len(slopes), "undecided")
    for k in np.flatnonzero(np.all(np.isfinite(slopes), axis=1)):
        jacobian = slopes[k][:, None] * weight
        values[k], left, right = cast(tuple, eig(jacobian, left=True, right=True))
        # The angle between its two eigenvectors says how much an eigenvalue moves with the matrix, up to the worst case,
        # that of d equal ones.
        angle = np.abs(np.sum(left.conj() * right, axis=0))
        eps = 64 * float(np.finfo(default_float()).eps)
        error = np.linalg.norm(jacobian, 2) * np.minimum(eps / np.maximum(angle, eps), eps ** (1 / len(angle)))
        if np.any(values[k].real > error):
            words[k] = "unstable"
        elif np.all(values[k].real < -error):
            words[k] = "stable"
    return values, words.astype("<U11")


def rank_of(weight: np.ndarray, rounding: float) -> int:
    """The rank of a matrix that is known to a relative error."""
    return int(np.linalg.matrix_rank(weight, rtol=rounding))


def _continua(weight: np.ndarray, bias: np.ndarray, axes: list[Component], box: Box, rounding: float) -> list[str]:
    """In each component z is a single zero or in an interval of zeros; together they are linear equations and
    inequalities for x, which a linear program finds to have a solution in the box or not."""
    words, d = [], bias.size
    for runs in itertools.product(*([None, *axis.runs] for axis in axes)):
        fixed = [i for i in range(d) if runs[i] is None]
        if rank_of(weight[fixed], rounding) == d:
            continue
        kernel = null_space(weight[fixed], rcond=rounding) if fixed else np.eye(d)
        for z, start in _solved(weight[fixed], bias[fixed], [axes[i].isolated for i in fixed], rounding):
            ranges = {i: run for i, run in enumerate(runs) if run is not None}
            if _meets_box(start, kernel, ranges, weight, bias, box):
                words.append(_describe(start, kernel, ranges, dict(zip(fixed, z, strict=True))))
            if len(words) > _MOST_SETS:
                raise ValueError(f"the box holds more than {_MOST_SETS} lines of steady states: take a smaller one")
    return words


def _solved(weight: np.ndarray, bias: np.ndarray, zeros: list[np.ndarray], rounding: float) -> Any:
    """Each choice z of zeros for which weight x + bias = z can be solved, with the shortest solution x."""
    z = _product(zeros)
    if not len(weight):
        yield np.zeros(0), np.zeros(weight.shape[1])
        return
    x = (np.linalg.pinv(weight, rcond=rounding) @ (z - bias).T).T
    size = np.abs(z) + np.abs(bias) + np.abs(x) @ np.abs(weight).T
    solved = np.abs(x @ weight.T + bias - z) <= rounding * size
    yield from ((z[k], x[k]) for k in np.flatnonzero(np.all(solved, axis=1)))


def _meets_box(
    start: np.ndarray,
    kernel: np.ndarray,
    ranges: dict[int, tuple[float, float]],
    weight: np.ndarray,
    bias: np.ndarray,
    box: Box,
) -> bool:
    """Whether start + kernel s is in the box for an s, with each z_i of `ranges` in its interval."""
    # In units of the box, in which the tolerances of the program are meant.
    unit = box.upper - box.lower
    rows = [kernel / unit[:, None], -kernel / unit[:, None]]
    sides = [(box.upper - start) / unit, (start - box.lower) / unit]
    for i, (low, high) in ranges.items():
        scale = float(np.abs(weight[i]) @ unit) or 1.0
        for end, sign in ((high, 1.0), (low, -1.0)):
            if np.isfinite(end):
                rows.append(sign * (weight[i] @ kernel)[None] / scale)
                sides.append(np.array([sign * (end - bias[i] - weight[i] @ start) / scale]))
    size = float(unit.max())
    program = linprog(
        np.zeros(kernel.shape[1]), size * np.concatenate(rows), np.concatenate(sides), bounds=(None, None)
    )
    return bool(program.status == 0)


def _describe(
    start: np.ndarray, kernel: np.ndarray, ranges: dict[int, tuple[float, float]], zeros: dict[int, float]
) -> str:
    if ranges:
        parts = {i: f"z_{i + 1} = {z:.6g}" for i, z in zeros.items()}
        for i, ends in ranges.items():
            low, high = (f"{end:.6g}" if np.isfinite(end) else "" for end in ends)
            parts[i] = f"{low}{' <= ' * bool(low)}z_{i + 1}{' <= ' * bool(high)}{high}"
        told = " and ".join(part for _, part in sorted(parts.items()) if "=" in part)
        return f"every x with {told}, where z = w x + b" if told else "every x"
    where = f"({', '.join(f'{each + 0.0:.6g}' for each in start)})"
    if kernel.shape[1] == 1:
        along = kernel[:, 0] * np.sign(kernel[np.argmax(np.abs(kernel[:, 0])), 0])
        return f"the line through {where} along ({', '.join(f'{each + 0.0:.6g}' for each in along)})"
    if kernel.shape[1] == len(start):
        return "every x"
    return f"the {kernel.shape[1]}-dimensional plane through {where} on which w x stays the same"


def _product(axes: list[np.ndarray]) -> np.ndarray:
    """All rows with one number from each axis."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)) if axes else np.zeros((1, 0))
