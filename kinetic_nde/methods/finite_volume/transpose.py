"""The transpose of a step, written out: what autodiff computes, in a fraction of its time (benchmarks/README.md)."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...adjoints.fence import fenced
from ...adjoints.loop import Sweep, TimeLoop, Tree
from ...distributions.reconstruction import threshold
from .boundary import Wind, wind, with_ghosts
from .diffusion import Diffusion, diffused
from .flux import carried, upwind, upwind_state
from .ssprk3 import STAGES, pull_ssprk3, step_ssprk3
from .step import Clock, Span, length


class _Stage(NamedTuple):
    """What a stage computed on the way: the averages with their ghosts, and the upwind state of each face."""

    padded: Float[Array, " padded"]
    state: Float[Array, " faces"]
    wind: Wind


_Faces = tuple[Float[Array, " faces"], Float[Array, " faces"]]


def transposed(loop: TimeLoop, span: Span, final: tuple[Clock, Array], cotangent: Float[Array, " extended"]) -> Sweep:
    """The steps of a span reversed: what `autodiff` computes, to rounding.

    A face has three cells, upwind, ahead and behind, and a flux of which all derivatives are local: with edge(d_behind,
    d_ahead) the value of the upwind parabola at the face less its average u,

        flux = sign clip(dt c (u + edge), 0, share u),

    and the cotangents of the three are gathered in the cells. Each part stands behind a fence of its own. Diffusion is linear
    in the averages, and autodiff's transpose of it as good as any. What the steps pull back to is the diffusion and the wind
    at the faces, at the end of the span if it is steady and else at each stage.
    """
    epsilon = threshold(span.grid.cells)
    # What the cotangents of `ghosts` are for the cells that they are made of, between zeros for the cells outside. As
    # factors: added to three places only, in a batch each would be a copy of the whole.
    weights = jnp.array([3.0, -3.0, 1.0], cotangent.dtype)
    first, last = (jnp.zeros(span.grid.cells + 4, cotangent.dtype),) * 2
    first, last = first.at[2:5].set(weights), last.at[-5:-2].set(weights[::-1])
    trained, rest = eqx.partition((span.equation, span.grid), eqx.is_inexact_array)

    def winds_and_pull(t: Array, dt: Array, always: Array) -> tuple[list[Wind], Callable[[list[_Faces]], Tree]]:
        """The wind at the stages, and what its cotangents are for equation and grid. Evaluated once for both, and fenced as
        on the way forward: where the wind turns at a face, rounding decides on its sign."""

        def wind_at(trained: Tree, time: Array) -> Wind:
            equation, grid = eqx.combine(trained, rest)
            return wind(equation, grid, time)

        times = [t + stage * dt for stage in STAGES]
        winds, pull = jax.vjp(lambda trained: [fenced(always, wind_at, trained, time) for time in times], trained)
        nothing = jax.tree.map(jnp.zeros_like, winds)

        def pull_winds(pulled: list[_Faces]) -> Tree:
            return pull([zero._replace(courant=c, share=s) for zero, (c, s) in zip(nothing, pulled, strict=True)])[0]

        return winds, pull_winds

    def state_of(padded: Array, sign: Array) -> Array:
        average, edge = upwind_state(span.reconstruction, epsilon, padded, sign)
        return average + edge

    def to_flux(stage: _Stage, cotangent: Array, dt: Array) -> _Faces:
        return _to_flux(span.positivity, _upwind_average(stage), stage.state, cotangent, stage.wind, dt)

    def through_edges(stage: _Stage, inside: Array) -> _Faces:
        """The cotangents of the differences behind and ahead."""
        average, behind, ahead = upwind(stage.padded, stage.wind.sign)
        by_behind, by_ahead = span.reconstruction.edge_derivatives(behind, ahead, epsilon, stage.state - average)
        weight = inside * stage.wind.courant
        return weight * by_behind, weight * by_ahead

    def to_cells(behind: Array, ahead: Array, inside: Array, top: Array, wind: Wind) -> tuple[Array, Array]:
        """The cotangents of the averages and of the two ghosts."""
        here = inside * wind.courant + top * wind.share + behind - ahead
        rightwards, nothing = wind.sign > 0, jnp.zeros_like(behind)
        far_left, far_right = jnp.where(rightwards, -behind, nothing), jnp.where(rightwards, nothing, -behind)
        left, right = jnp.where(rightwards, here, ahead), jnp.where(rightwards, ahead, here)
        # Nothing passes the outermost faces: what they would add is zero.
        cells = far_left[3:] + left[2:-1] + right[1:-2] + far_right[:-3]
        before, after = far_left[2] + left[1] + right[0], left[-1] + right[-2] + far_right[-3]
        return cells, jnp.stack([before, after])

    def through_diffusion(diffusion: Diffusion, padded: Array, cotangent: Array, dt: Array) -> tuple[Diffusion, Array]:
        _, pull = jax.vjp(lambda diffusion, padded: diffused(diffusion, padded, dt), diffusion, padded)
        return pull(cotangent[1:] - cotangent[:-1])

    def back(k: Array, entry: tuple[Clock, Array], carry: tuple[Array, Tree, Tree]) -> tuple[Array, Tree, Tree]:
        (clock, state), always = entry, k >= 0
        _, dt, winds = length(span, k, clock, always)
        winds, pull_winds = (winds, _sums) if span.steady is not None else winds_and_pull(clock[0], dt, always)
        stages: list[_Stage] = []

        def increment(number: int, state: Array) -> Array:
            padded, wind = fenced(always, with_ghosts, state), winds[number]
            upwind_states = fenced(always, state_of, padded, wind.sign)
            stages.append(_Stage(padded, upwind_states, wind))
            through = carried(span.positivity, _upwind_average(stages[-1]), upwind_states, wind, dt)
            if span.diffusion is not None:
                through = through + fenced(always, diffused, span.diffusion, padded, dt)
            return through[:-1] - through[1:]

        pulled: list[_Faces] = []
        spread: list[Diffusion] = []

        def pull(number: int, cotangent: Array) -> Array:
            stage = stages[number]
            inside, top = fenced(always, to_flux, stage, cotangent, dt)
            edges = fenced(always, through_edges, stage, inside)
            cells, ends = fenced(always, to_cells, *edges, inside, top, stage.wind)
            pulled.insert(0, (inside * stage.state, top * _upwind_average(stage)))
            if span.diffusion is not None:
                of_diffusion, padded = fenced(always, through_diffusion, span.diffusion, stage.padded, cotangent, dt)
                spread.append(of_diffusion)
                cells, ends = cells + padded[3:-3], ends + padded[jnp.array([2, -3])]
            return jnp.pad(cells, 2) + ends[0] * first + ends[1] * last

        step_ssprk3(increment, state)
        before = pull_ssprk3(pull, carry[0])
        of_winds = jax.tree.map(jnp.add, carry[1], pull_winds(pulled))
        return before, of_winds, jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), carry[2], *spread)

    def finish(carry: tuple[Array, Tree, Tree]) -> tuple[Array, Span]:
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(span, eqx.is_inexact_array))._replace(diffusion=carry[2])
        if span.steady is None:
            equation, grid = carry[1]
            return carry[0][1:-1], zeros._replace(equation=equation, grid=grid)
        courant, share = carry[1]
        return carry[0][1:-1], zeros._replace(steady=zeros.steady._replace(courant=courant, share=share))

    wanted = trained if span.steady is None else (span.steady.courant, span.steady.share)
    # With one more zero at either end: a difference for every face.
    nothing = jax.tree.map(jnp.zeros_like, (wanted, span.diffusion))
    return Sweep(back, (jnp.pad(cotangent, 1), *nothing), finish)


def _sums(pulled: list[_Faces]) -> _Faces:
    """Over the stages, of a wind that is the same at all of them."""
    (courant, share), *others = pulled
    for more_courant, more_share in others:
        courant, share = courant + more_courant, share + more_share
    return courant, share


def _upwind_average(stage: _Stage) -> Float[Array, " faces"]:
    return jnp.where(stage.wind.sign > 0, stage.padded[1:-2], stage.padded[2:-1])


def _to_flux(positivity: bool, average: Array, state: Array, cotangent: Array, wind: Wind, dt: Array) -> _Faces:
    """The cotangents of wind times upwind state, and of share times average, of which `carried` takes one or the other or
    nothing: as `no_more_than_there_is` has it at ties."""
    rise = wind.sign * (cotangent[1:] - cotangent[:-1])
    nothing = jnp.zeros_like(rise)
    if not positivity:
        return dt * rise, nothing
    amount, limit = dt * wind.courant * state, wind.share * average
    above = amount > limit
    inside = jnp.where(above, nothing, jnp.where(amount < 0, nothing, dt * rise))
    return inside, jnp.where(above, jnp.where(limit < 0, nothing, rise), nothing)
