"""Walls, open ends, and the velocity at faces with both built in."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...distributions.grid import Grid
from ...distributions.reconstruction import ghosts
from ...equations.balance_law import AbstractBalanceLaw


class Wind(NamedTuple):
    """The velocity at the faces of the grid and of one more cell at either end, in which what leaves through an open
    end is kept.

    `sign` is +1 where the wind blows to the right and -1 elsewhere, `courant` is |v| / dx, the Courant number per unit
    of time, and `fastest` the largest of them; `share` is the part of the outflow of the upwind cell that goes through
    this face.
    """

    sign: Float[Array, " faces"]
    courant: Float[Array, " faces"]
    share: Float[Array, " faces"]
    fastest: Float[Array, ""]


def wind(equation: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""]) -> Wind:
    """The velocity at time t with no flux through walls, no flux into the domain through open ends, and none beyond."""
    faces = grid.faces
    v = jax.vmap(lambda x: equation.velocity(t, x))(faces)
    low, high = equation.walls or (None, None)
    # A wall is a face without flux (ghost values would leak); at an open end only what leaves passes.
    first = jnp.minimum(v[0], 0) if low is None else jnp.zeros_like(v[0])
    last = jnp.maximum(v[-1], 0) if high is None else jnp.zeros_like(v[-1])
    nothing = jnp.zeros(1, v.dtype)
    v = jnp.concatenate([nothing, first[None], v[1:-1], last[None], nothing])
    right = jnp.maximum(v[1:], 0)
    left = jnp.maximum(-v[:-1], 0)
    outflow = right + left
    moving = outflow > 0
    outflow = jnp.where(moving, outflow, jnp.ones_like(outflow))
    right, left = right / outflow, left / outflow
    rightwards = v > 0
    share = jnp.where(rightwards, jnp.concatenate([nothing, right]), jnp.concatenate([left, nothing]))
    # Not jnp.abs, whose derivative at 0 is 0: where the wind turns at a face, the flux there still depends on it.
    sign = jnp.where(rightwards, jnp.ones_like(v), -jnp.ones_like(v))
    courant = sign * v / grid.width
    # Only steps depend on it, which are constants for differentiation.
    return Wind(sign, courant, share, jax.lax.stop_gradient(jnp.max(courant)))


def extend(averages: Float[Array, "*cells"]) -> Float[Array, "*extended"]:
    """The averages with an empty cell at either end of each axis for what leaves there."""
    return jnp.pad(averages, 1)


def with_ghosts(extended: Float[Array, " extended"]) -> Float[Array, " padded"]:
    """Four neighbours for every face: the cells that hold what has left are hidden behind extrapolated ghosts."""
    averages = extended[1:-1]
    before, after = ghosts(averages)
    # By selection: in a batch a concatenation copies row by row, on one core.
    places = jnp.arange(averages.size + 6)
    padded = jnp.where(places == 2, before, jnp.pad(averages, 3))
    return jnp.where(places == averages.size + 3, after, padded)
