"""g paired with the slope of its adjoint, by the mass in each cell."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..distributions.reconstruction import AbstractReconstruction, ghosts, threshold
from ..equations.balance_law import AbstractBalanceLaw
from .headwind import Headwind
from .kolmogorov import PLACE


class Pairing(NamedTuple):
    """What v / dx is multiplied by in int g v d_x lambda dx: at the two Gauss points of each cell, and at either end of
    the grid."""

    left: Float[Array, " cells"]
    right: Float[Array, " cells"]
    ends: Float[Array, " 2"]


def speeds(law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> Pairing:
    """v / dx where it is paired."""
    shift = PLACE * grid.width
    places = Pairing(grid.centers - shift, grid.centers + shift, jnp.stack([grid.lower, grid.upper]))
    return jax.tree.map(lambda x: jax.vmap(lambda x: law.velocity(t, x))(x) / grid.width, places)


def pair(
    reconstruction: AbstractReconstruction,
    always: Bool[Array, ""],
    averages: Float[Array, " cells"],
    adjoint: Float[Array, " cells"],
    wind: Headwind,
    beyond: tuple[Array, Array],
) -> Pairing:
    """g d_x lambda, from averages of both.

    All mass of a cell counts, with the slope that lambda has across the cell: where g has collapsed into one cell between
    two faces at which the wind blows inwards, neither face sees any of it. What lambda jumps by at an open end counts for
    the mass that leaves there.
    """
    states = faces(always, adjoint, wind.still)
    before, after = ghosts(averages)
    padded = jnp.concatenate([before[None], averages, after[None]])

    def left_and_right(padded: Array, states: Array, adjoint: Array, side: Array) -> Array:
        backward, forward = padded[1:-1] - padded[:-2], padded[2:] - padded[1:-1]
        slope, _ = reconstruction(backward, forward, threshold(adjoint.size))
        rise = states[1:] - states[:-1]
        bend = 6 * (states[1:] + states[:-1] - 2 * adjoint)
        place = side * PLACE
        return 0.5 * (padded[1:-1] + place * slope) * (rise + place * bend)

    sides = [jnp.full((), side, averages.dtype) for side in (-1, 1)]
    left, right = (fenced(always, left_and_right, padded, states, adjoint, side) for side in sides)
    jumps = jnp.stack([states[0] - beyond[0], beyond[1] - states[-1]])
    ends = jnp.where(wind.leaving, averages[jnp.array([0, -1])] * jumps, jnp.zeros_like(jumps))
    return Pairing(left, right, ends)


def faces(always: Array, adjoint: Float[Array, " cells"], still: Bool[Array, " 2"]) -> Float[Array, " faces"]:
    """lambda at the faces by the cubic through four averages. In a cell at a wall that mass is pushed against it has one
    value."""
    before, after = (3 * (end - inner) + far for end, inner, far in (adjoint[:3], adjoint[:-4:-1]))
    beyond = 6 * adjoint[0] - 8 * adjoint[1] + 3 * adjoint[2], 6 * adjoint[-1] - 8 * adjoint[-2] + 3 * adjoint[-3]
    padded = jnp.concatenate([beyond[0][None], before[None], adjoint, after[None], beyond[1][None]])
    states = fenced(always, lambda u: (7 * (u[1:-2] + u[2:-1]) - (u[:-3] + u[3:])) / 12, padded)
    for pushed, places, cell in ((still[0], [0, 1], 0), (still[1], [-1, -2], -1)):
        states = states.at[jnp.array(places)].set(jnp.where(pushed, adjoint[cell], states[jnp.array(places)]))
    return states
