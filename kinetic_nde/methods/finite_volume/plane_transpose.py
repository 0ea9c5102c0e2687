"""A stage reversed in two dimensions."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import slice_in_dim
from jaxtyping import Array, Float

from ...adjoints.fence import fenced
from ...distributions.reconstruction import threshold
from .plane import EdgeWind, PlaneWind, beside, carried_across, gathered, upwind_edge, with_frame
from .plane_diffusion import AxisDiffusion, PlaneDiffusion, spread_through
from .step import Span
from .transpose import Stages

_Edges = Float[Array, "*edges"]
_Cells = Float[Array, "nx ny"]


class _Stage(NamedTuple):
    """What a stage computed on the way: the averages with their frame, and by axis the upwind average of each edge, the
    rest of the parabola there and the rise along the edge."""

    framed: Float[Array, "framed_x framed_y"]
    upwind: list[tuple[_Edges, _Edges, _Edges]]
    wind: PlaneWind


class _OfFlux(NamedTuple):
    """The cotangents of sign * (c * (average + rest) + shear * rise) and of the two limits, one of which counts."""

    inside: _Edges
    top: _Edges
    bottom: _Edges


def on_plane(span: Span) -> Stages:
    """An edge gives to the polynomials of its upwind cell: to slope and curvature along the axis that it faces along, and to
    the slope along itself. A cell gathers the cotangents of these from its four edges, which makes one transpose of the
    reconstruction for each axis, where edge by edge it would be four. Each part stands behind a fence of its own.
    """
    shape = span.grid.shape

    def rest_of(framed: Array, sign: Array, axis: int) -> Array:
        return upwind_edge(span.reconstruction, framed, sign, axis)[1]

    def rise_of(framed: Array, sign: Array, axis: int) -> Array:
        return upwind_edge(span.reconstruction, framed, sign, axis)[2]

    def upwind(always: Array, framed: Array, sign: Array, axis: int) -> tuple[_Edges, _Edges, _Edges]:
        # One at a time: XLA would compute all of the reconstruction for each result.
        rest, rise = (fenced(always, partial(part, axis=axis), framed, sign) for part in (rest_of, rise_of))
        below, above = beside(framed, axis)
        return jnp.where(sign > 0, below, above), rest, rise

    def forward(always: Array, state: Array, wind: PlaneWind, dt: Array) -> tuple[Array, _Stage]:
        framed = fenced(always, with_frame, state)
        stage = _Stage(framed, [upwind(always, framed, wind.axes[axis].sign, axis) for axis in (0, 1)], wind)

        def through(axis: int) -> Array:
            carried = carried_across(span.positivity, framed, stage.upwind[axis], wind.axes[axis], axis, dt)
            if span.diffusion is None:
                return carried
            spread = lambda framed, diffusion, dt: spread_through(diffusion, framed, axis, dt)
            return carried + fenced(always, spread, framed, span.diffusion.axes[axis], dt)

        return gathered(through(0), through(1)), stage

    def to_flux(stage: _Stage, rise: Array, dt: Array, axis: int) -> _OfFlux:
        wind = stage.wind.axes[axis]
        if not span.positivity:
            return _OfFlux(dt * wind.sign * rise, jnp.zeros_like(rise), jnp.zeros_like(rise))
        average, rest, slope = stage.upwind[axis]
        below, above = beside(stage.framed, axis)
        amount = wind.sign * dt * (wind.courant * (average + rest) + wind.shear * slope)
        counts, bottom, top = clipped(amount, -wind.down * above, wind.up * below, rise)
        return _OfFlux(dt * wind.sign * counts, top, bottom)

    def to_polynomials(stage: _Stage, flux: list[_OfFlux], axis: int) -> tuple[_Cells, _Cells, _Cells]:
        """The cotangents of slope and curvature along the axis, and both times these, summed."""
        wind, other = stage.wind.axes[axis], stage.wind.axes[1 - axis]
        weight = flux[axis].inside * wind.courant
        upper, lower = _to_upwind(weight, wind.sign, axis)
        along = sum(_to_upwind(flux[1 - axis].inside * other.shear, other.sign, 1 - axis))
        known = sum(_to_upwind(weight * stage.upwind[axis][1], wind.sign, axis)) + sum(
            _to_upwind(flux[1 - axis].inside * other.shear * stage.upwind[1 - axis][2], other.sign, 1 - axis)
        )
        return 0.5 * (upper - lower) + along, (upper + lower) / 6, known

    def to_differences(framed: Array, slope: Array, curvature: Array, known: Array, axis: int) -> tuple[_Cells, _Cells]:
        wide = framed[1:-1, 2:-2] if axis == 0 else framed[2:-2, 1:-1]
        steps = jnp.diff(wide, axis=axis)
        backward, forward = _below(steps, axis), _above(steps, axis)
        return span.reconstruction.derivatives(backward, forward, threshold(shape[axis]), known, slope, curvature)

    def to_averages(stage: _Stage, flux: list[_OfFlux], differences: list[tuple[_Cells, _Cells]]) -> _Cells:
        total = jnp.zeros(shape, stage.framed.dtype)
        for axis, (backward, forward) in enumerate(differences):
            wind = stage.wind.axes[axis]
            total = total + sum(_to_upwind(flux[axis].inside * wind.courant, wind.sign, axis))
            if span.positivity:
                total = total + _above(wind.up * flux[axis].top, axis) - _below(wind.down * flux[axis].bottom, axis)
            total = total + _of_differences(backward, forward, axis)
        return total

    def pull(
        always: Array, stage: _Stage, cotangent: Array, dt: Array
    ) -> tuple[Array, list[tuple[Array, ...]], PlaneDiffusion | None]:
        rises = [jnp.diff(line, axis=axis) for axis, line in enumerate((cotangent[:, 1:-1], cotangent[1:-1]))]
        flux = [fenced(always, partial(to_flux, axis=axis), stage, rises[axis], dt) for axis in (0, 1)]
        differences = []
        for axis in (0, 1):
            parts = fenced(always, partial(to_polynomials, axis=axis), stage, flux)
            differences.append(fenced(always, partial(to_differences, axis=axis), stage.framed, *parts))
        of_state = jnp.pad(fenced(always, to_averages, stage, flux, differences), 1)
        of_wind = [_of_wind(stage, each, axis) for axis, each in enumerate(flux)]
        if span.diffusion is None:
            return of_state, of_wind, None

        def spread(diffusion: tuple[AxisDiffusion, ...], framed: Array) -> list[Array]:
            return [spread_through(each, framed, axis, dt) for axis, each in enumerate(diffusion)]

        _, through_spread = jax.vjp(spread, span.diffusion.axes, stage.framed)
        of_axes, framed = through_spread(rises)
        (of_averages,) = jax.linear_transpose(with_frame, cotangent)(framed)
        fastest = jnp.zeros_like(span.diffusion.fastest)
        return of_state + of_averages, of_wind, PlaneDiffusion(of_axes, fastest)

    return Stages(forward, pull, _parts, _replaced, lambda cotangent: cotangent, lambda cotangent: cotangent)


def clipped(amount: _Edges, lowest: _Edges, highest: _Edges, cotangent: _Edges) -> tuple[_Edges, _Edges, _Edges]:
    """The cotangents of the three that `between` takes, as it has it at ties.

    >>> [float(each) for each in clipped(jnp.array(3.0), jnp.array(0.0), jnp.array(2.0), jnp.array(5.0))]
    [0.0, 0.0, 5.0]
    """
    high, low, nothing = amount > highest, amount < lowest, jnp.zeros_like(cotangent)
    inner = jnp.where(high, nothing, cotangent)
    return jnp.where(low, nothing, inner), jnp.where(low, inner, nothing), jnp.where(high, cotangent, nothing)


def _parts(wind: PlaneWind) -> list[tuple[Array, ...]]:
    return [(each.courant, each.shear, each.up, each.down) for each in wind.axes]


def _replaced(wind: PlaneWind, parts: list[tuple[Array, ...]]) -> PlaneWind:
    x, y = (EdgeWind(each.sign, *found) for each, found in zip(wind.axes, parts, strict=True))
    return wind._replace(axes=(x, y))


def _of_wind(stage: _Stage, flux: _OfFlux, axis: int) -> tuple[_Edges, ...]:
    average, rest, rise = stage.upwind[axis]
    below, above = beside(stage.framed, axis)
    return flux.inside * (average + rest), flux.inside * rise, flux.top * below, -flux.bottom * above


def _below(edges: _Edges, axis: int) -> _Cells:
    """Of the edges that face along the axis those below the cells."""
    return slice_in_dim(edges, 0, edges.shape[axis] - 1, axis=axis)


def _above(edges: _Edges, axis: int) -> _Cells:
    return slice_in_dim(edges, 1, edges.shape[axis], axis=axis)


def _to_upwind(edges: _Edges, sign: _Edges, axis: int) -> tuple[_Cells, _Cells]:
    """What each cell has from the edge above it and from the one below, of those that it is upwind of."""
    nothing = jnp.zeros_like(edges)
    return _above(jnp.where(sign > 0, edges, nothing), axis), _below(jnp.where(sign > 0, nothing, edges), axis)


def _of_differences(backward: _Cells, forward: _Cells, axis: int) -> _Cells:
    """The cotangents of averages from those of the differences to both neighbours along the axis, with `ghosts` at the
    ends."""
    one = [(1, 1) if each == axis else (0, 0) for each in (0, 1)]
    before, after = jnp.pad(forward, one), jnp.pad(backward, one)
    size = backward.shape[axis]
    total = backward - forward
    total = total + slice_in_dim(before, 0, size, axis=axis) - slice_in_dim(after, 2, size + 2, axis=axis)
    # What the ghosts' cotangents are for the three cells that each is made of.
    weights = jnp.array([3.0, -3.0, 1.0], backward.dtype)
    first = jnp.expand_dims(jnp.zeros(size, backward.dtype).at[:3].set(weights), 1 - axis)
    last = jnp.flip(first, axis)
    low, high = slice_in_dim(backward, 0, 1, axis=axis), slice_in_dim(forward, size - 1, size, axis=axis)
    grown = [jnp.broadcast_to(each, backward.shape) for each in (first, low, last, high)]
    return total - grown[0] * grown[1] + grown[2] * grown[3]
