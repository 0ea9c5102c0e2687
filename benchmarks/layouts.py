"""Layouts of the hot stage: the same numbers between two walls, computed in other orders. The last is the package's own.

What decides is how XLA's CPU back end fuses: it puts an expensive expression into each of its shifted uses, and a
concatenation (which `jnp.roll` is) becomes a branch in the innermost loop.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.stages import Wrapped
from jaxtyping import Array

from kinetic_nde.adjoints.fence import fenced
from kinetic_nde.distributions.reconstruction import CWENO3, ghosts, threshold, unit
from kinetic_nde.methods.finite_volume.boundary import Wind, extend, wind, with_ghosts
from kinetic_nde.methods.finite_volume.flux import upwind_flux
from kinetic_nde.methods.finite_volume.limiter import no_more_than_there_is
from kinetic_nde.methods.finite_volume.ssprk3 import step_ssprk3

from . import problem

_RECONSTRUCTION = CWENO3()


class _Outflow(NamedTuple):
    """The wind as the cells see it, one more at either end included: Courant numbers per time of what leaves a cell to
    the right and to the left, and the shares of the two."""

    right: Array
    left: Array
    share_right: Array
    share_left: Array


def _outflow(wind: Wind) -> _Outflow:
    rightwards = wind.sign > 0
    zero = jnp.zeros_like(wind.courant)
    right, share_right = jnp.where(rightwards, wind.courant, zero), jnp.where(rightwards, wind.share, zero)
    left, share_left = jnp.where(rightwards, zero, wind.courant), jnp.where(rightwards, zero, wind.share)
    return _Outflow(right[1:], left[:-1], share_right[1:], share_left[:-1])


def _leaving(epsilon: float, u: Array, before: Array, after: Array, out: _Outflow, dt: Array) -> tuple[Array, Array]:
    """What each cell gives to its right and to its left neighbour: both states of one reconstruction, clipped."""
    slope, curvature = _RECONSTRUCTION(u - before, after - u, epsilon)
    right = dt * out.right * (u + 0.5 * slope + curvature / 6)
    left = dt * out.left * (u - 0.5 * slope + curvature / 6)
    return no_more_than_there_is(right, out.share_right * u), no_more_than_there_is(left, out.share_left * u)


def _by_roll(always: Array, u: Array, wind: Wind, dt: Array) -> Array:
    """Neighbours by `jnp.roll`: nothing passes the walls, so that what comes round the back is zero."""
    low, high = ghosts(u)
    index = jnp.arange(len(u))
    before = jnp.where(index == 0, low, jnp.roll(u, 1))
    after = jnp.where(index == len(u) - 1, high, jnp.roll(u, -1))
    out = jax.tree.map(lambda each: each[1:-1], _outflow(wind))
    right, left = _leaving(threshold(len(u)), u, before, after, out, dt)
    return jnp.roll(right, 1) + jnp.roll(left, -1) - right - left


def _by_cells(fence: bool) -> Callable[[Array, Array, Wind, Array], Array]:
    """Neighbours by slices of an array with two more cells at either end."""

    def stage(always: Array, u: Array, wind: Wind, dt: Array) -> Array:
        def leaving(padded: Array, out: _Outflow, dt: Array) -> tuple[Array, Array]:
            return _leaving(threshold(len(u)), padded[1:-1], padded[:-2], padded[2:], out, dt)

        padded = with_ghosts(extend(u))[1:-1]
        arguments = (padded, _outflow(wind), dt)
        right, left = fenced(always, leaving, *arguments) if fence else leaving(*arguments)
        return right[:-2] + left[2:] - right[1:-1] - left[1:-1]

    return stage


def _by_faces(fence: bool) -> Callable[[Array, Array, Wind, Array], Array]:
    """One reconstruction per face, of the cell on its upwind side: the functions of the package."""

    def stage(always: Array, extended: Array, wind: Wind, dt: Array) -> Array:
        def flux(padded: Array, wind: Wind, dt: Array) -> Array:
            return upwind_flux(_RECONSTRUCTION, threshold(len(extended) - 2), True, padded, wind, dt)

        arguments = (with_ghosts(extended), wind, dt)
        through = fenced(always, flux, *arguments) if fence else flux(*arguments)
        return through[:-1] - through[1:]

    return stage


class Layout(NamedTuple):
    """The increment of the state in one stage, from a predicate that is true, the state, the wind and the time step;
    and whether the state has a cell more at either end for what leaves through open ends."""

    stage: Callable[[Array, Array, Wind, Array], Array]
    extended: bool = False


LAYOUTS = {
    "(a) cells, `jnp.roll`": Layout(_by_roll),
    "(b) cells, slices": Layout(_by_cells(fence=False)),
    "(c) cells, slices, fence": Layout(_by_cells(fence=True)),
    "(d) faces, slices": Layout(_by_faces(fence=False), extended=True),
    "(e) faces, slices, fence: kept": Layout(_by_faces(fence=True), extended=True),
}


def steps_of(layout: Layout, batched: bool = False, options: dict | None = None) -> Wrapped:
    """(averages, wind, dt, count) -> averages after `count` steps; a batch in all but the last argument if `batched`."""

    def run(averages: Array, wind: Wind, dt: Array, count: Array) -> Array:
        def step(k: Array, state: Array) -> Array:
            return step_ssprk3(lambda _, state: layout.stage(k >= 0, state, wind, dt), state)

        state = jax.lax.fori_loop(0, count, step, extend(averages) if layout.extended else averages)
        return state[1:-1] if layout.extended else state

    return jax.jit(jax.vmap(run, (0, 0, 0, None)) if batched else run, compiler_options=options)


def arguments(cells: int, batch: int | None = None) -> tuple[Array, Wind, Array]:
    """Averages in their unit, wind and time step of the benchmark's problem, tiled `batch` times."""
    grid, initial = problem.grid(cells), problem.initial(cells)
    blowing = wind(problem.equation(), grid, jnp.zeros(()))
    inputs = (initial.values / unit(initial.mass, grid.length), blowing, problem.CFL / blowing.fastest)
    return inputs if batch is None else jax.tree.map(lambda leaf: jnp.stack([leaf] * batch), inputs)
