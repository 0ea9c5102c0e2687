"""A stage reversed in one dimension."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...adjoints.fence import fenced
from ...distributions.reconstruction import threshold
from .boundary import Wind, with_ghosts
from .diffusion import Diffusion, diffused
from .flux import carried, upwind, upwind_state
from .step import Span
from .transpose import Stages


class _Stage(NamedTuple):
    """What a stage computed on the way: the averages with their ghosts, and the upwind state of each face."""

    padded: Float[Array, " padded"]
    state: Float[Array, " faces"]
    wind: Wind


_Faces = tuple[Float[Array, " faces"], Float[Array, " faces"]]


def on_line(span: Span) -> Stages:
    """A face has three cells, upwind, ahead and behind, and a flux of which all derivatives are local: with edge(d_behind,
    d_ahead) the value of the upwind parabola at the face less its average u,

        flux = sign clip(dt c (u + edge), 0, share u),

    and the cotangents of the three are gathered in the cells. Each part stands behind a fence of its own. Diffusion is linear
    in the averages, and autodiff's transpose of it as good as any.
    """
    epsilon = threshold(span.grid.cells)
    # What the cotangents of `ghosts` are for the cells that they are made of, between zeros for the cells outside. As
    # factors: added to three places only, in a batch each would be a copy of the whole.
    weights = jnp.array([3.0, -3.0, 1.0], span.grid.lower.dtype)
    first, last = (jnp.zeros(span.grid.cells + 4, span.grid.lower.dtype),) * 2
    first, last = first.at[2:5].set(weights), last.at[-5:-2].set(weights[::-1])

    def state_of(padded: Array, sign: Array) -> Array:
        average, edge = upwind_state(span.reconstruction, epsilon, padded, sign)
        return average + edge

    def to_flux(stage: _Stage, cotangent: Array, dt: Array) -> _Faces:
        return _to_flux(span.positivity, _upwind_average(stage), stage.state, cotangent, stage.wind, dt)

    def through_edges(stage: _Stage, inside: Array) -> _Faces:
        """The cotangents of the differences behind and ahead."""
        average, behind, ahead = upwind(stage.padded, stage.wind.sign)
        by_behind, by_ahead = span.reconstruction.derivatives(behind, ahead, epsilon, stage.state - average)
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
        before, after = far_left[2] + left[1], right[-2] + far_right[-3]
        return cells, jnp.stack([before, after])

    def through_diffusion(diffusion: Diffusion, padded: Array, cotangent: Array, dt: Array) -> tuple[Diffusion, Array]:
        _, pull = jax.vjp(lambda diffusion, padded: diffused(diffusion, padded, dt), diffusion, padded)
        return pull(cotangent[1:] - cotangent[:-1])

    def forward(always: Array, state: Array, wind: Wind, dt: Array) -> tuple[Array, _Stage]:
        padded = fenced(always, with_ghosts, state)
        stage = _Stage(padded, fenced(always, state_of, padded, wind.sign), wind)
        through = carried(span.positivity, _upwind_average(stage), stage.state, wind, dt)
        if span.diffusion is not None:
            through = through + fenced(always, diffused, span.diffusion, padded, dt)
        return through[:-1] - through[1:], stage

    def pull(always: Array, stage: _Stage, cotangent: Array, dt: Array) -> tuple[Array, _Faces, Diffusion | None]:
        inside, top = fenced(always, to_flux, stage, cotangent, dt)
        edges = fenced(always, through_edges, stage, inside)
        cells, ends = fenced(always, to_cells, *edges, inside, top, stage.wind)
        of_wind, of_diffusion = (inside * stage.state, top * _upwind_average(stage)), None
        if span.diffusion is not None:
            of_diffusion, padded = fenced(always, through_diffusion, span.diffusion, stage.padded, cotangent, dt)
            cells, ends = cells + padded[3:-3], ends + padded[jnp.array([2, -3])]
        return jnp.pad(cells, 2) + ends[0] * first + ends[1] * last, of_wind, of_diffusion

    # With one more zero at either end: a difference for every face.
    return Stages(
        forward,
        pull,
        lambda wind: (wind.courant, wind.share),
        lambda wind, found: wind._replace(courant=found[0], share=found[1]),
        lambda cotangent: jnp.pad(cotangent, 1),
        lambda cotangent: cotangent[1:-1],
    )


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
