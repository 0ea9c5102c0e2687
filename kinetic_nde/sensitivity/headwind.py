"""What carries the adjoint of the mean field backwards, and how far it gets in a time step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints.fence import fenced
from ..distributions.grid import Grid
from ..distributions.reconstruction import AbstractReconstruction, ghosts, threshold
from ..equations.balance_law import AbstractBalanceLaw
from ..methods.finite_volume.flux import upwind_state
from .kolmogorov import Spread


class Headwind(NamedTuple):
    """What carries lambda backwards, from v / dx at the faces, which is 0 at a wall that mass is pushed against and the
    field's own value at all other ends, by which lambda leaves where no mass comes in.

    - `sign`: +1 where lambda is carried to the right, which is where v < 0.
    - `base`, `gain`, `inflow`: v lambda at a face is base * (average of the upwind cell) + gain * (the rest of its parabola
      there) + inflow. There is no rest in a cell at a wall that mass is pushed against, since what is in such a cell stays
      in it: lambda has one value there. At an open end through which mass leaves, lambda comes in as a constant.
    - `divergence`: the average of div v in each cell, and `bend` its undivided slope / 12.
    - `still`, `leaving`: whether mass is pushed against a wall at either end, and whether it leaves through an open end
      there.
    """

    sign: Float[Array, " faces"]
    base: Float[Array, " faces"]
    gain: Float[Array, " faces"]
    inflow: Float[Array, " faces"]
    divergence: Float[Array, " cells"]
    bend: Float[Array, " cells"]
    still: Bool[Array, " 2"]
    leaving: Bool[Array, " 2"]


def headwind(
    law: AbstractBalanceLaw, grid: Grid, t: Float[Array, ""], beyond: tuple[Array, Array], diffusion: Spread | None
) -> Headwind:
    """From v / dx at all faces, lambda beyond open ends, and diffusion, which keeps mass from piling up at a wall."""
    speed = jax.vmap(lambda x: law.velocity(t, x))(grid.faces) / grid.width
    diffuse = jnp.zeros(2, bool) if diffusion is None else ~diffusion.free
    ones = jnp.ones_like(speed)
    inside, shaped, inflow = ones, ones, 0 * ones
    still, open_ends = [], []
    for end, inner, side, wall, spreads in zip(
        (0, -1), (1, -2), (-1, 1), law.walls or (None, None), diffuse, strict=True
    ):
        leaving, pushed = side * speed[end] > 0, side * speed[inner] > 0
        if wall is not None:
            leaving, pushed = leaving & ~spreads, pushed & ~spreads
        if wall is None:
            inside = inside.at[end].set(jnp.where(leaving, 0 * ones[0], ones[0]))
            inflow = inflow.at[end].set(jnp.where(leaving, speed[end] * beyond[end], 0 * ones[0]))
        else:
            speed = speed.at[end].set(jnp.where(leaving, 0 * ones[0], speed[end]))
            shaped = shaped.at[inner].set(jnp.where(pushed, 0 * ones[0], ones[0]))
        still.append(pushed if wall is not None else jnp.zeros_like(pushed))
        open_ends.append(leaving if wall is None else jnp.zeros_like(leaving))
    divergence = jnp.diff(speed)
    bend = jnp.pad(divergence[2:] - divergence[:-2], 1) / 24
    base = speed * inside
    # What crosses an end of the grid is known inside only.
    sign = jnp.where(speed < 0, ones, -ones).at[0].set(-1).at[-1].set(1)
    return Headwind(
        sign,
        base,
        base * shaped,
        inflow,
        divergence,
        bend,
        jnp.stack(still),
        jnp.stack(open_ends),
    )


def carried_change(
    reconstruction: AbstractReconstruction,
    always: Bool[Array, ""],
    adjoint: Float[Array, " cells"],
    wind: Headwind,
    dt: Float[Array, ""],
) -> Float[Array, " cells"]:
    """dt times the average of v d_x lambda = d_x(v lambda) - (div v) lambda in each cell."""
    before, after = ghosts(adjoint)
    nothing = jnp.zeros(1, adjoint.dtype)
    padded = jnp.concatenate([nothing, before[None], adjoint, after[None], nothing])

    def carried(padded: Array, sign: Array, base: Array, gain: Array, inflow: Array) -> Array:
        upwind, rest = upwind_state(reconstruction, threshold(adjoint.size), padded, sign)
        return base * upwind + gain * rest + inflow

    def change(through: Array, padded: Array, divergence: Array, bend: Array, dt: Array) -> Array:
        source = divergence * padded[2:-2] + bend * 0.5 * (padded[3:-1] - padded[1:-3])
        return dt * (through[1:] - through[:-1] - source)

    through = fenced(always, carried, padded, wind.sign, wind.base, wind.gain, wind.inflow)
    return fenced(always, change, through, padded, wind.divergence, wind.bend, dt)
