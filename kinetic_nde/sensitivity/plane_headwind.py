"""What carries the adjoint in two dimensions, as `headwind` in one."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.lax import slice_in_dim
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..distributions.reconstruction import AbstractReconstruction
from ..equations.balance_law import AbstractBalanceLaw, walls_by_axis
from ..methods.finite_volume.plane import edge_speeds, upwind_edge, with_frame
from .plane_kolmogorov import PlaneSpread


class EdgeHeadwind(NamedTuple):
    """What carries lambda backwards across the edges that face along one axis, as `Headwind` in one dimension: `sign` is +1
    where lambda is carried upwards, which is where v < 0; v lambda is base * (average of the upwind cell) + gain * (the rest
    of its parabola) + shear * (its rise along the edge) + inflow, averaged over an edge."""

    sign: Float[Array, "*edges"]
    base: Float[Array, "*edges"]
    gain: Float[Array, "*edges"]
    shear: Float[Array, "*edges"]
    inflow: Float[Array, "*edges"]
    still: Bool[Array, "2 rows"]
    leaving: Bool[Array, "2 rows"]


class PlaneHeadwind(NamedTuple):
    """That along each of the axes, and the average of div v in each cell."""

    axes: tuple[EdgeHeadwind, EdgeHeadwind]
    divergence: Float[Array, "nx ny"]


def plane_headwind(
    law: AbstractBalanceLaw,
    grid: Grid,
    t: Float[Array, ""],
    beyond: tuple[Array, Array],
    diffusion: PlaneSpread | None,
) -> PlaneHeadwind:
    """From the velocity at all edges, lambda beyond the ends of each axis, and diffusion, which keeps mass from piling up
    at a wall."""
    free = (None, None) if diffusion is None else diffusion.free
    x, y = (_edge_headwind(law, grid, t, axis, beyond[axis], free[axis]) for axis in (0, 1))
    return PlaneHeadwind((x[0], y[0]), jnp.diff(x[1], axis=0) + jnp.diff(y[1], axis=1))


def _edge_headwind(
    law: AbstractBalanceLaw,
    grid: Grid,
    t: Float[Array, ""],
    axis: int,
    beyond: Float[Array, "2 rows"],
    free: Bool[Array, "2 rows"] | None,
) -> tuple[EdgeHeadwind, Float[Array, "*edges"]]:
    # With the axis first.
    mean, slope = (jnp.moveaxis(each, axis, 0) for each in edge_speeds(law, grid, t, axis))
    inside, shaped, inflow = jnp.ones_like(mean), jnp.ones_like(mean), jnp.zeros_like(mean)
    none = jnp.zeros_like(mean[0])
    still, leaves = [], []
    for k, (last, inner, side, wall) in enumerate(
        zip((0, -1), (1, -2), (-1, 1), walls_by_axis(law, 2)[axis], strict=True)
    ):
        leaving, pushed = side * mean[last] > 0, side * mean[inner] > 0
        if wall is not None and free is not None:
            leaving, pushed = leaving & free[k], pushed & free[k]
        if wall is None:
            inside = inside.at[last].set(jnp.where(leaving, none, inside[last]))
            inflow = inflow.at[last].set(jnp.where(leaving, mean[last] * beyond[k], none))
        else:
            mean = mean.at[last].set(jnp.where(leaving, none, mean[last]))
            slope = slope.at[last].set(jnp.where(leaving, none, slope[last]))
            shaped = shaped.at[inner].set(jnp.where(pushed, none, shaped[inner]))
        still.append(pushed if wall is not None else jnp.zeros_like(pushed))
        leaves.append(leaving if wall is None else jnp.zeros_like(leaving))
    # What crosses an end of the grid is known inside only.
    sign = jnp.where(mean < 0, jnp.ones_like(mean), -jnp.ones_like(mean)).at[0].set(-1).at[-1].set(1)
    base = mean * inside
    sign, base, gain, shear, inflow = (
        jnp.moveaxis(each, 0, axis) for each in (sign, base, base * shaped, slope * inside / 12, inflow)
    )
    headwind = EdgeHeadwind(sign, base, gain, shear, inflow, jnp.stack(still), jnp.stack(leaves))
    return headwind, jnp.moveaxis(mean, 0, axis)


def plane_carried_change(
    reconstruction: AbstractReconstruction,
    always: Bool[Array, ""],
    adjoint: Float[Array, "nx ny"],
    wind: PlaneHeadwind,
    dt: Float[Array, ""],
) -> Float[Array, "nx ny"]:
    """dt times the average of v . grad lambda = div(v lambda) - (div v) lambda in each cell."""
    framed = with_frame(jnp.pad(adjoint, 1))

    def through(axis: int) -> Array:
        def flux(framed: Array, wind: EdgeHeadwind) -> Array:
            average, rest, rise = upwind_edge(reconstruction, framed, wind.sign, axis)
            return wind.base * average + wind.gain * rest + wind.shear * rise + wind.inflow

        return jnp.diff(fenced(always, flux, framed, wind.axes[axis]), axis=axis)

    def source(framed: Array, divergence: Array) -> Array:
        total = divergence * adjoint
        for axis in (0, 1):
            ends = [2 - (each == axis) for each in (0, 1)]
            wide = framed[ends[0] : framed.shape[0] - ends[0], ends[1] : framed.shape[1] - ends[1]]
            total = total + _central(wide, axis) * _central(jnp.pad(divergence, _both(axis), mode="edge"), axis) / 12
        return total

    return dt * (through(0) + through(1) - source(framed, wind.divergence))


def _both(axis: int) -> list[tuple[int, int]]:
    return [(1, 1) if each == axis else (0, 0) for each in (0, 1)]


def _central(wide: Float[Array, "*wide"], axis: int) -> Float[Array, "nx ny"]:
    """Half the difference of the two neighbours along the axis."""
    size = wide.shape[axis]
    return 0.5 * (slice_in_dim(wide, 2, size, axis=axis) - slice_in_dim(wide, 0, size - 2, axis=axis))
