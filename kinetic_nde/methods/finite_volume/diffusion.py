"""Diffusion on cell averages, conservative and of fourth order."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...distributions.grid import Grid
from ...distributions.profile import gauss
from ...distributions.reconstruction import AbstractReconstruction, ghosts, threshold
from ...equations.balance_law import AbstractBalanceLaw


class Diffusion(NamedTuple):
    """What makes averages of D g from averages of g, in units of dx^2 per unit of time.

    - `left`, `centre`, `right`: the average of D g in a cell is that sum over the cell and its neighbours.
    - `ends`: 1 at an open end, through which what gets there leaves, and 0 at a wall.
    - `faces`: D / dx^2 at the faces, and `fastest` the largest.
    """

    left: Float[Array, " cells"]
    centre: Float[Array, " cells"]
    right: Float[Array, " cells"]
    ends: Float[Array, " 2"]
    faces: Float[Array, " faces"]
    fastest: Float[Array, ""]


def diffusivities(equation: AbstractBalanceLaw, grid: Grid, places: Float[Array, " n"]) -> Any:
    """D / dx^2 at these places; None if the equation has no diffusion."""
    found = jax.vmap(equation.diffusivity)(places)
    return None if found is None else found / grid.width**2


def diffusion(equation: AbstractBalanceLaw, grid: Grid) -> Diffusion | None:
    """The diffusion of an equation on a grid; None if it has none.

    The average of D g is that of D times the optimal parabola through the averages of g in a cell and its neighbours, at
    three Gauss points: a product of averages would be of second order.
    """
    at_faces = diffusivities(equation, grid, grid.faces)
    if at_faces is None:
        return None
    nodes, weights = gauss(3)
    parts = [
        weight * diffusivities(equation, grid, grid.centers + s * grid.width)
        for s, weight in zip(nodes, weights, strict=True)
    ]

    def mean(shape: Callable[[float], float]) -> Any:
        first, *others = (shape(s) * part for s, part in zip(nodes, parts, strict=True))
        return sum(others, first)

    average, slope, bend = mean(lambda s: 1.0), mean(lambda s: s), mean(lambda s: s**2 - 1 / 12)
    low, high = equation.walls or (None, None)
    ends = jnp.array([low is None, high is None]).astype(average.dtype)
    return Diffusion(
        0.5 * (bend - slope),
        average - bend,
        0.5 * (bend + slope),
        ends,
        at_faces,
        jax.lax.stop_gradient(jnp.max(at_faces)),
    )


def drift_share(diffusion: Diffusion, winds: Float[Array, " faces"]) -> Float[Array, " faces"]:
    """|v| dx / (|v| dx + D) from |v| / dx at the inner faces, P / (1 + P) with the Peclet number P of a cell: next to 0 where
    layers in which diffusion balances the drift are many cells wide, 1 where there is no diffusion."""
    total = winds + diffusion.faces[1:-1]
    moving = total > 0
    return jnp.where(moving, winds, jnp.ones_like(winds)) / jnp.where(moving, total, jnp.ones_like(total))


def prepared(
    reconstruction: AbstractReconstruction, averages: Float[Array, " cells"], drift: Float[Array, " faces"]
) -> Float[Array, " cells"]:
    """Averages of the start for which central differences give what follows from its reconstruction.

    They take averages for those of a smooth function. A cell that is flat beside a jump, and is so in the reconstruction P,
    has a second moment larger by h^2 / 12 than a smooth one has, and the law keeps that: order 2. Here it is put into the
    neighbours,

        u + (d2 u - d P') / 12,

    with the second difference of the averages and the difference of the slopes: nothing to fourth order where data are
    smooth. Kreiss, Thomee, Widlund (1970), doi:10.1002/cpa.3160230210, on such a preparation. In full where the share of the
    `drift` is small, not at all where it is 1.
    """
    before, after = ghosts(averages)
    rises = jnp.diff(jnp.concatenate([before[None], averages, after[None]]))
    slopes, _ = reconstruction(rises[:-1], rises[1:], threshold(averages.size))
    moved = (rises[1:-1] - 0.5 * (slopes[1:] + slopes[:-1])) / 12
    share = (1 - drift) ** 2 / ((1 - drift) ** 2 + drift**2)
    return averages + jnp.diff(jnp.pad(share * moved, 1))


def diffused(diffusion: Diffusion, padded: Float[Array, " padded"], dt: Float[Array, ""]) -> Float[Array, " faces"]:
    """The mass that diffusion carries through each face in a time dt, divided by dx: that of -d_x (D g)."""
    near = padded[2:-2]
    product = diffusion.left * near[:-2] + diffusion.centre * near[1:-1] + diffusion.right * near[2:]
    return dt * jnp.pad(descent(product, diffusion.ends), 1)


def descent(product: Float[Array, " cells"], ends: Float[Array, " 2"]) -> Float[Array, " faces"]:
    """-d_x of something at the faces, by its averages and undivided.

    Inside by the four averages around a face; at the faces next to the ends one-sided, by the cubic through four averages
    (mirrored averages are second order). None at a wall, where `ends` is 0. At an open end what diffuses is zero: what gets
    there leaves.
    """
    first, last = (4 * (end[0] + end[2]) - 6 * end[1] - end[3] for end in (product[:4], product[:-5:-1]))
    wide = jnp.concatenate([first[None], product, last[None]])
    rise = (15 * (wide[2:-1] - wide[1:-2]) - (wide[3:] - wide[:-3])) / 12
    # Kept from carrying anything in, which rough data next to an open end would ask for.
    low, high = (jnp.maximum(3.5 * end - 0.5 * inner, 0) for end, inner in (product[:2], product[:-3:-1]))
    return jnp.concatenate([ends[:1] * -low, -rise, ends[1:] * high])
