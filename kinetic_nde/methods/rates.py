"""How fast neighbouring cells exchange what they hold."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float

from ..distributions.grid import Grid
from ..equations.log_ratios import bounded_ratio, log_ratios
from .chain import Elimination


class Rates(NamedTuple):
    """At each face, which share of the cell on its left goes through it to the right per unit of time, and which share of
    the cell on its right to the left."""

    rightwards: Float[Array, " faces"]
    leftwards: Float[Array, " faces"]


def rates(law: Any, grid: Grid, t: Float[Array, ""]) -> Rates:
    """The exponential fitting of Chang and Cooper (doi:10.1016/0021-9991(70)90001-X) to the averages M of (22),

        F = (D / dx) (B(-p) + B(p)) (u_i / (1 + e^-z) - u_{i+1} / (1 + e^z)),   z = ln(M_{i+1} / M_i),

    with B(p) = p / (e^p - 1) and p = v dx / D at the face: F = 0 where u is a multiple of M, and u_i B(-z) - u_{i+1} B(z)
    times D / dx where z = p. Where D vanishes this is the upwind flux. At an open end, what gets to the face is gone: u = 0
    half a cell away.
    """
    faces, width = grid.faces, grid.width
    v = jax.vmap(lambda x: law.velocity(t, x))(faces)
    diffusivity = jax.vmap(law.diffusivity)(faces)
    exchange = _exchange(0.5 * width * v, diffusivity) * (2 / width**2)
    z = log_ratios(law, grid, t)
    # What nothing but the wind crosses.
    inner = diffusivity[1:-1] > 0
    z = jnp.where(inner, z, jnp.zeros_like(z))
    upwind = jnp.where(v[1:-1] > 0, jnp.ones_like(z), jnp.zeros_like(z))
    rightwards = exchange[1:-1] * jnp.where(inner, jax.nn.sigmoid(z), upwind)
    leftwards = exchange[1:-1] * jnp.where(inner, jax.nn.sigmoid(-z), 1 - upwind)
    low, high = law.walls or (None, None)
    none = jnp.zeros_like(v[0])
    first = none if low is not None else _absorbed(-v[0], diffusivity[0], width)
    last = none if high is not None else _absorbed(v[-1], diffusivity[-1], width)
    return Rates(
        jnp.concatenate([none[None], rightwards, last[None]]), jnp.concatenate([first[None], leftwards, none[None]])
    )


def step_implicitly(rates: Rates, dt: Float[Array, ""], state: Float[Array, " extended"]) -> Float[Array, " extended"]:
    """One step of the backward Euler method on averages with a cell at either end for what has left."""
    rightwards, leftwards = dt * rates.rightwards, dt * rates.leftwards
    diagonal = 1 + jnp.pad(rightwards, (0, 1)) + jnp.pad(leftwards, (1, 0))
    matrix = lx.TridiagonalLinearOperator(diagonal, -rightwards, -leftwards)
    return lx.linear_solve(matrix, state, Elimination(), throw=False).value


def _exchange(drift: Float[Array, "*n"], diffusivity: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """drift coth(drift / diffusivity): the larger of the two, roughly."""
    sign = jnp.where(drift > 0, jnp.ones_like(drift), -jnp.ones_like(drift))
    # Not jnp.abs, whose derivative at 0 is 0: where the wind turns at a face, the flux there still depends on it.
    strength = sign * drift
    windy = strength > 30 * diffusivity
    ratio = bounded_ratio(strength, diffusivity)
    small = ratio < 0.03
    safe = jnp.where(windy | small, jnp.ones_like(ratio), ratio)
    calm = jnp.where(windy, jnp.zeros_like(ratio), ratio)
    series = 1 + calm**2 * (1 / 3 - calm**2 / 45)
    fitted = diffusivity * jnp.where(small, series, safe / jnp.tanh(safe))
    return jnp.where(windy | (diffusivity == 0), strength, fitted)


def _absorbed(outwards: Float[Array, ""], diffusivity: Float[Array, ""], width: Float[Array, ""]) -> Float[Array, ""]:
    """The rate at which the outermost cell loses mass through an open end: 2 D / dx^2 B(-q) with q = v dx / 2 D."""
    drift = 0.5 * width * outwards
    return jnp.maximum(_exchange(0.5 * drift, diffusivity) + 0.5 * drift, 0) * (2 / width**2)
