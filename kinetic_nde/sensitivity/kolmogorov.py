"""The second-order part of the backward Kolmogorov equation, which carries the adjoint of Fokker-Planck."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..distributions.reconstruction import ghosts
from ..equations.balance_law import AbstractBalanceLaw
from ..equations.equation import Walls
from ..methods.finite_volume.diffusion import diffusivities
from .pairing import PLACE, places


class Spread(NamedTuple):
    """D / dx^2 at the two Gauss points of each cell, and whether it vanishes at either end of the grid."""

    left: Float[Array, " cells"]
    right: Float[Array, " cells"]
    free: Bool[Array, " 2"]


def spread(law: AbstractBalanceLaw, grid: Grid) -> Spread | None:
    """The diffusion of a law where lambda needs it; None if it has none."""
    at = jax.tree.map(lambda x: diffusivities(law, grid, x), places(grid))
    return None if at.ends is None else Spread(at.left, at.right, at.ends == 0)


class Weights(NamedTuple):
    """What D / dx^2 is multiplied by in int g D d_xx lambda dx, at the two Gauss points of each cell."""

    left: Float[Array, " cells"]
    right: Float[Array, " cells"]


def spread_change(
    always: Bool[Array, ""],
    adjoint: Float[Array, " cells"],
    spread: Spread,
    walls: Walls | None,
    beyond: tuple[Array, Array],
    dt: Float[Array, ""],
) -> Float[Array, " cells"]:
    """dt times the average of D d_xx lambda in each cell."""

    def change(adjoint: Array, spread: Spread, beyond: tuple[Array, Array], dt: Array) -> Array:
        left, right = _bends(adjoint, walls, spread.free, beyond)
        return 0.5 * dt * (spread.left * left + spread.right * right)

    return fenced(always, change, adjoint, spread, beyond, dt)


def pair_spread(
    always: Bool[Array, ""],
    averages: Float[Array, " cells"],
    adjoint: Float[Array, " cells"],
    spread: Spread,
    walls: Walls | None,
    beyond: tuple[Array, Array],
) -> Weights:
    """g d_xx lambda, from averages of both."""

    def weigh(averages: Array, adjoint: Array, free: Array, beyond: tuple[Array, Array]) -> Weights:
        left, right = _bends(adjoint, walls, free, beyond)
        before, after = ghosts(averages)
        padded = jnp.concatenate([before[None], averages, after[None]])
        slope = 0.5 * PLACE * (padded[2:] - padded[:-2])
        return Weights(0.5 * (averages - slope) * left, 0.5 * (averages + slope) * right)

    return fenced(always, weigh, averages, adjoint, spread.free, beyond)


def _bends(
    adjoint: Float[Array, " cells"], walls: Walls | None, free: Bool[Array, " 2"], beyond: tuple[Array, Array]
) -> tuple[Float[Array, " cells"], Float[Array, " cells"]]:
    """d_xx lambda dx^2 at the two Gauss points of each cell, from averages of lambda by its slopes at the faces.

    Nothing passes a wall, so that lambda has no slope there; at an open end it has the value that what has left counts;
    and an end where D vanishes asks for nothing.
    """
    slopes = (15 * (adjoint[2:-1] - adjoint[1:-2]) - (adjoint[3:] - adjoint[:-3])) / 12
    ends = []
    for near, wall, free_here, value in zip(
        (adjoint[:4], adjoint[:-5:-1]), walls or (None, None), free, beyond, strict=True
    ):
        alone = _dot((-35 / 12, 23 / 4, -15 / 4, 11 / 12), near), _dot((-11 / 12, 9 / 12, 3 / 12, -1 / 12), near)
        if wall is None:
            held = _dot((3.5, -0.5), near) - 3 * value, alone[1]
        else:
            held = jnp.zeros_like(alone[0]), _dot((-13 / 11, 14 / 11, -1 / 11), near)
        ends.append(jnp.where(free_here, jnp.stack(alone), jnp.stack(held)))
    slopes = jnp.concatenate([ends[0], slopes, -ends[1][::-1]])
    average = slopes[1:] - slopes[:-1]
    steps = jnp.diff(jnp.pad(average, 1, mode="edge"))
    inner = 0.5 * (steps[:-1] + steps[1:])
    change = inner.at[0].set(steps[1]).at[-1].set(steps[-2]) * PLACE
    return average - change, average + change


def _dot(weights: tuple[float, ...], values: Float[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.array(weights, values.dtype) * values[: len(weights)])
