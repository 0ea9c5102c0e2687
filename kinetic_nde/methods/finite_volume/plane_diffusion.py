"""Diffusion on cell averages in two dimensions, along each axis as in one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...distributions.grid import Grid
from ...distributions.profile import gauss
from ...equations.balance_law import AbstractBalanceLaw, walls_by_axis
from .diffusion import descent


class AxisDiffusion(NamedTuple):
    """What makes averages of D g from averages of g, with the D along one axis in units of the square of a cell's width
    there: the averages of D times 1, xi, eta, xi^2 - 1/12, eta^2 - 1/12 and xi eta, with xi and eta in [-1/2, 1/2] across a
    cell. `ends` is 1 at an open end of the axis and 0 at a wall."""

    weights: Float[Array, "6 nx ny"]
    ends: Float[Array, " 2"]


class PlaneDiffusion(NamedTuple):
    """That along each of the axes, and the largest of the one and of the other together."""

    axes: tuple[AxisDiffusion, AxisDiffusion]
    fastest: Float[Array, ""]


def plane_diffusion(equation: AbstractBalanceLaw, grid: Grid) -> PlaneDiffusion | None:
    """The diffusion of an equation on a grid; None if it has none.

    The average of D g is that of D times the optimal polynomial through the averages of g in a cell and its neighbours, at
    three Gauss points along each axis: a product of averages would be of second order.
    """
    if equation.diffusivity(jnp.zeros_like(grid.lower)) is None:
        return None
    nodes, weights = (jnp.asarray(each, grid.lower.dtype) for each in gauss(3))

    def diffusivities(shift: Float[Array, " 2"]) -> Float[Array, "2 nx ny"]:
        points = grid.centers + jnp.broadcast_to(shift * grid.width, grid.centers.shape)
        found: Any = jax.vmap(jax.vmap(equation.diffusivity))(points)
        return jnp.moveaxis(found / jnp.broadcast_to(grid.width**2, found.shape), -1, 0)

    def part(xi: Array, eta: Array, weight: Array) -> tuple[Array, Array]:
        shapes = jnp.stack([jnp.ones_like(xi), xi, eta, xi**2 - 1 / 12, eta**2 - 1 / 12, xi * eta])
        found = diffusivities(jnp.stack([xi, eta]))
        return weight * jnp.einsum("k,axy->akxy", shapes, found), jnp.max(found, axis=(1, 2))

    pairs = jnp.meshgrid(nodes, nodes, indexing="ij")
    shares = jnp.outer(weights, weights)
    parts, largest = jax.lax.map(lambda each: part(*each), (*(each.reshape(-1) for each in pairs), shares.reshape(-1)))
    moments = jnp.sum(parts, axis=0)
    ends = [jnp.array([wall is None for wall in pair]).astype(moments.dtype) for pair in walls_by_axis(equation, 2)]
    x, y = (AxisDiffusion(moments[axis], ends[axis]) for axis in (0, 1))
    return PlaneDiffusion((x, y), jax.lax.stop_gradient(jnp.sum(jnp.max(largest, axis=0))))


def spread_through(
    diffusion: AxisDiffusion, framed: Float[Array, "framed_x framed_y"], axis: int, dt: Float[Array, ""]
) -> Float[Array, "*edges"]:
    """The mass that diffusion carries through each edge that faces along the axis in a time dt, divided by dx dy: that of
    -d_i (D_i g), averaged over the edge."""
    near = framed[1:-1, 1:-1]
    here, left, right = near[1:-1, 1:-1], near[:-2, 1:-1], near[2:, 1:-1]
    below, above = near[1:-1, :-2], near[1:-1, 2:]
    cross = near[2:, 2:] - near[2:, :-2] - near[:-2, 2:] + near[:-2, :-2]
    shapes = (
        here,
        0.5 * (right - left),
        0.5 * (above - below),
        0.5 * (right - 2 * here + left),
        0.5 * (above - 2 * here + below),
        0.25 * cross,
    )
    product = jnp.sum(diffusion.weights * jnp.stack(shapes), axis=0)
    return dt * jax.vmap(descent, (1 - axis, None), 1 - axis)(product, diffusion.ends)
