"""The second-order part of the backward Kolmogorov equation, which carries the adjoint of Fokker-Planck."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..distributions.reconstruction import ghosts
from ..equations.balance_law import AbstractBalanceLaw, walls_by_axis
from ..equations.equation import Ends
from ..methods.finite_volume.diffusion import diffusivities

# The two Gauss points of a cell, where s^2 = 1/12: a parabola has no curvature to show there.
PLACE = 12**-0.5


class Spread(NamedTuple):
    """D / dx^2 at the two Gauss points of each cell, and whether it vanishes at either end of the grid."""

    inside: Float[Array, "2 cells"]
    free: Bool[Array, " 2"]


def spread(law: AbstractBalanceLaw, grid: Grid) -> Spread | None:
    """The diffusion of a law where lambda needs it; None if it has none."""
    at_ends = diffusivities(law, grid, jnp.stack([grid.lower, grid.upper]))
    if at_ends is None:
        return None
    shift = PLACE * grid.width
    inside = [diffusivities(law, grid, grid.centers + side * shift) for side in (-1, 1)]
    return Spread(jnp.stack(inside), at_ends == 0)


def spread_change(
    law: AbstractBalanceLaw,
    always: Bool[Array, ""],
    adjoint: Float[Array, " cells"],
    spread: Spread,
    beyond: tuple[Array, Array],
    dt: Float[Array, ""],
) -> Float[Array, " cells"]:
    """dt times the average of D d_xx lambda in each cell."""

    def change(adjoint: Array, spread: Spread, beyond: tuple[Array, Array], dt: Array) -> Array:
        average, tilt = bends(adjoint, walls_by_axis(law, 1)[0], spread.free, beyond)
        left, right = spread.inside
        return 0.5 * dt * (left * (average - tilt) + right * (average + tilt))

    return fenced(always, change, adjoint, spread, beyond, dt)


def pair_spread(
    law: AbstractBalanceLaw,
    always: Bool[Array, ""],
    averages: Float[Array, " cells"],
    adjoint: Float[Array, " cells"],
    spread: Spread,
    beyond: tuple[Array, Array],
) -> Float[Array, "2 cells"]:
    """g d_xx lambda, from averages of both: what D / dx^2 is multiplied by in int g D d_xx lambda dx."""

    def weigh(averages: Array, adjoint: Array, free: Array, beyond: tuple[Array, Array]) -> Array:
        average, tilt = bends(adjoint, walls_by_axis(law, 1)[0], free, beyond)
        before, after = ghosts(averages)
        padded = jnp.concatenate([before[None], averages, after[None]])
        slope = 0.5 * PLACE * (padded[2:] - padded[:-2])
        return 0.5 * jnp.stack([(averages - slope) * (average - tilt), (averages + slope) * (average + tilt)])

    return fenced(always, weigh, averages, adjoint, spread.free, beyond)


def bends(
    adjoint: Float[Array, " cells"], walls: Ends, free: Bool[Array, " 2"], beyond: tuple[Array, Array]
) -> tuple[Float[Array, " cells"], Float[Array, " cells"]]:
    """The average of d_xx lambda dx^2 in each cell, and by how much it is more at the right one of the two Gauss points, from
    averages of lambda by its slopes at the faces.

    Nothing passes a wall, so that lambda has no slope there; at an open end it has the value that what has left counts;
    and an end where D vanishes asks for nothing.
    """
    slopes = (15 * (adjoint[2:-1] - adjoint[1:-2]) - (adjoint[3:] - adjoint[:-3])) / 12
    ends = []
    for near, wall, free_here, value in zip((adjoint[:4], adjoint[:-5:-1]), walls, free, beyond, strict=True):
        alone = _dot((-35 / 12, 23 / 4, -15 / 4, 11 / 12), near), _dot((-11 / 12, 9 / 12, 3 / 12, -1 / 12), near)
        if wall is None:
            held = _dot((3.5, -0.5), near) - 3 * value, alone[1]
        else:
            held = jnp.zeros_like(alone[0]), _dot((-13 / 11, 14 / 11, -1 / 11), near)
        ends.append(jnp.where(free_here, jnp.stack(alone), jnp.stack(held)))
    slopes = jnp.concatenate([ends[0], slopes, -ends[1][::-1]])
    average = slopes[1:] - slopes[:-1]
    return average, PLACE * jnp.asarray(jnp.gradient(average))


def _dot(weights: tuple[float, ...], values: Float[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.array(weights, values.dtype) * values[: len(weights)])
