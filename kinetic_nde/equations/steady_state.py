"""The steady state of a Fokker-Planck equation in one dimension."""

import itertools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Real

from .._values import as_floating, cast, common_float, known
from ..distributions.density import Density
from ..distributions.grid import Grid
from ..network.activations import Identity
from ..network.field import autonomous, breakpoints, check_velocity, frozen
from .balance_law import walls_off_grid
from .diffusion import ConstantDiffusion, LinearDiffusion, check_diffusion
from .far_ends import FarEnd, far_end, first_zero, strengths, zeros
from .log_ratios import log_averages

_log_averages = eqx.filter_jit(log_averages)


class _Part(NamedTuple):
    """A part of the line without a zero of K inside: its cells first, ..., last - 1 on the grid, and its two ends."""

    first: int
    last: int
    low: FarEnd | None
    high: FarEnd | None


def steady_state(law: Any, grid: Grid, t: Real[ArrayLike, ""] | None = None) -> Density:
    """The averages of (22) over the cells of the grid: see `FokkerPlanck.steady_state`."""
    if not isinstance(grid, Grid):
        raise TypeError(f"steady_state takes a kn.Grid, not {grid!r}")
    if not known(law, grid, t):
        raise ValueError(
            "steady_state decides by values and needs known ones: call it outside jit, vmap and grad, or make equation and grid "
            "outside, which a compiled function may then use and return"
        )
    with jax.ensure_compile_time_eval():
        return _steady_state(*cast((law, grid, _time(law.field, t)), common_float(grid, law.field)))


def _time(field: Any, t: Any) -> Any:
    if t is None and (not autonomous(field) or breakpoints(field)):
        raise ValueError(
            "the field depends on time, or does not promise not to by an attribute `autonomous`: "
            "say for which time the steady state is meant, steady_state(grid, t=...)"
        )
    return as_floating(0.0 if t is None else t, "t")


def _steady_state(law: Any, grid: Grid, t: Any) -> Density:
    dimension = getattr(law.field, "dimension", 1)
    if dimension != 1 or grid.dimension != 1:
        raise ValueError(f"steady_state is for one dimension, the field has {dimension} and the grid {grid.dimension}")
    if not law.nu > 0:
        raise ValueError("with nu = 0 there is no steady density: kn.steady_states has the points of the mean field")
    check_velocity(law.field, grid.lower)
    check_diffusion(law.diffusion, grid)
    if walls_off_grid(law, grid):
        raise ValueError(f"the walls are not at the ends of the grid [{grid.lower}, {grid.upper}]")
    if not jnp.all(jnp.isfinite(jax.vmap(lambda x: law.velocity(t, x))(grid.faces))):
        raise ValueError("the field is not finite on the grid")
    # Walls change what is compiled, and nothing of what follows but which ends there are.
    free = eqx.tree_at(
        lambda law: (law.field, law.walls), law, (frozen(law.field, t), None), is_leaf=lambda leaf: leaf is None
    )
    parts = _parts(free, grid, t, law.walls or (None, None))
    sound = [part for part in parts if all(end is None or end.integrable for end in part[2:])]
    if not sound:
        faults = [_fault(law, end) for part in parts for end in part[2:] if end is not None and not end.integrable]
        raise ValueError(f"the steady state (22) cannot be normalised: {'; '.join(dict.fromkeys(faults))}")
    if len(sound) > 1:
        between = ", ".join(f"{float(grid.faces[part.first]):g}" for part in sound[1:])
        raise ValueError(
            f"nothing crosses {between}, where K = 0, and each side has a steady state of its own: the equation does not "
            "fix their shares, take a grid on one side"
        )
    return _normalised(free, grid, t, sound[0])


def _normalised(law: Any, grid: Grid, t: Any, part: _Part) -> Density:
    left, right = (np.asarray(each, dtype=float)[part.first : part.last] for each in _log_averages(law, grid, t))
    # By the ratios of neighbours, as ChangCooper sees them.
    logs = np.concatenate([[0.0], np.cumsum(left[1:] - right[:-1])])
    beyond = [] if part.low is None else [part.low.log_mass - left[0]]
    beyond += [] if part.high is None else [part.high.log_mass + logs[-1] - right[-1]]
    if not np.all(np.isfinite(logs)):
        raise ValueError("the field or K is not finite inside the cells")
    total = np.logaddexp.reduce([*logs, *beyond])
    values = np.zeros(grid.cells)
    values[part.first : part.last] = np.exp(logs - total)
    if not np.any(values.astype(grid.lower.dtype) > 0):
        raise ValueError(
            f"the steady state has no mass on the grid [{grid.lower:g}, {grid.upper:g}]: the largest is e^{logs.max() - total:.4g}"
        )
    return Density(grid, jnp.asarray(values, grid.lower.dtype) / grid.width)


def _parts(law: Any, grid: Grid, t: Any, walls: tuple) -> list[_Part]:
    """The parts of the line that meet the grid."""
    faces, centers, dtype = np.asarray(grid.faces), np.asarray(grid.centers), grid.lower.dtype
    zero = _zero_faces(law, grid)
    length = float(grid.length) / 20

    def end(face: int, towards: float) -> FarEnd | None:
        start = float(faces[face])
        if zero[face]:
            # The cells of the grid hold the mass: what counts is how it goes on next to the zero.
            inside = float(centers[face if towards < 0 else face - 1])
            return far_end(law, t, inside, start, length, dtype)._replace(log_mass=-np.inf)
        if walls[0 if towards < 0 else 1] is not None:
            return None
        return far_end(law, t, start, first_zero(law.diffusion, start, towards, length, dtype), length, dtype)

    cuts = sorted({0, *np.flatnonzero(zero).tolist(), grid.cells})
    return [_Part(first, last, end(first, -np.inf), end(last, np.inf)) for first, last in itertools.pairwise(cuts)]


def _zero_faces(law: Any, grid: Grid) -> np.ndarray:
    """At which faces K is 0; `ValueError` if it is 0 elsewhere on the grid, where no average could tell the two sides
    apart."""
    places = np.sort(np.concatenate([np.asarray(grid.faces), np.asarray(grid.centers)]))
    strength = np.asarray(strengths(law.diffusion, jnp.asarray(places, grid.lower.dtype)), dtype=float)
    if np.any((strength[1:] == 0) & (strength[:-1] == 0)):
        raise ValueError(
            f"K is 0 all over a cell, at {places[np.argmin(strength)]:g}: there is no noise and no density"
        )
    # Beside what K is half a cell on.
    beside = np.maximum(np.append(strength[1:], 0.0), np.append(0.0, strength[:-1]))
    zero = strength <= 1e-9 * beside
    at_faces, width = zero[::2], float(grid.width)
    for place in zeros(law.diffusion, places, grid.lower.dtype):
        nearest = int(np.argmin(np.abs(np.asarray(grid.faces) - place)))
        if abs(float(grid.faces[nearest]) - place) > 1e-6 * width:
            raise ValueError(
                f"K = 0 at {place:g}, inside a cell: nothing crosses that place, let the grid have a face there"
            )
        at_faces[nearest] = True
    return at_faces


def _fault(law: Any, end: FarEnd) -> str:
    """Why there is no mass that is finite at this end."""
    infinite = np.isinf(end.place)
    distance = "|x|" if infinite or end.place == 0 else f"|x - {end.place:g}|"
    if abs(end.power) > 100:
        behaviour = "grows faster than any power"
    else:
        behaviour = f"goes like {distance}^{round(end.power, 6) + 0.0:g}"
    fault = f"it {behaviour} as x -> {end.place:g}, where {distance}^p has finite mass for p {'< -1' if infinite else '> -1'}"
    if not isinstance(getattr(law.field, "activation", None), Identity):
        return fault
    if isinstance(law.diffusion, LinearDiffusion) and infinite:
        limit = float(law.diffusion.slope * law.nu) ** 2 / 2
        return f"{fault} (identity and K = slope x: needs w < slope^2 nu^2 / 2 = {limit:g})"
    if isinstance(law.diffusion, LinearDiffusion):
        return f"{fault} (identity and K = slope x: needs b > 0 where x > 0, b < 0 where x < 0)"
    return f"{fault} (identity and constant K: needs w < 0)" if isinstance(law.diffusion, ConstantDiffusion) else fault
