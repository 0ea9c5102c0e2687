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
    """The cotangent of the flux through each edge, and what it is the flux of: 0 of the upwind state, 1 of what the cell
    below holds and -1 of what the one above does."""

    rise: _Edges
    limit: _Edges


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

    def to_flux(stage: _Stage, rise: Array, dt: Array, axis: int) -> Array:
        """Which of the three counts, of which the rest follows by selection."""
        if not span.positivity:
            return jnp.zeros_like(rise)
        wind, (average, rest, slope) = stage.wind.axes[axis], stage.upwind[axis]
        below, above = beside(stage.framed, axis)
        amount = wind.sign * dt * (wind.courant * (average + rest) + wind.shear * slope)
        return limiting(amount, -wind.down * above, wind.up * below)

    def inside(wind: EdgeWind, flux: _OfFlux, dt: Array) -> Array:
        return jnp.where(flux.limit == 0, dt * wind.sign * flux.rise, jnp.zeros_like(flux.rise))

    def to_polynomials(wind: PlaneWind, flux: list[_OfFlux], dt: Array, axis: int) -> tuple[_Cells, _Cells]:
        """The cotangents of slope and curvature along the axis."""
        here, other = wind.axes[axis], wind.axes[1 - axis]
        upper, lower = _to_upwind(inside(here, flux[axis], dt) * here.courant, here.sign, axis)
        along = sum(_to_upwind(inside(other, flux[1 - axis], dt) * other.shear, other.sign, 1 - axis))
        return 0.5 * (upper - lower) + along, (upper + lower) / 6

    def to_differences(framed: Array, slope: Array, curvature: Array, axis: int) -> tuple[_Cells, _Cells]:
        wide = framed[1:-1, 2:-2] if axis == 0 else framed[2:-2, 1:-1]
        steps = jnp.diff(wide, axis=axis)
        backward, forward = _below(steps, axis), _above(steps, axis)
        return span.reconstruction.derivatives(backward, forward, threshold(shape[axis]), None, slope, curvature)

    def to_averages(wind: PlaneWind, flux: list[_OfFlux], dt: Array, axis: int) -> _Cells:
        """By the upwind average, and by what a cell holds."""
        here, each = wind.axes[axis], flux[axis]
        upper, lower = _to_upwind(inside(here, each, dt) * here.courant, here.sign, axis)
        total = upper + lower
        if not span.positivity:
            return total
        top, bottom = _limited(each)
        return total + _above(here.up * top, axis) - _below(here.down * bottom, axis)

    def pull(
        always: Array, stage: _Stage, cotangent: Array, dt: Array
    ) -> tuple[Array, list[tuple[Array, ...]], PlaneDiffusion | None]:
        wind, flux, of_state = stage.wind, [], jnp.zeros(shape, cotangent.dtype)
        for axis, line in enumerate((cotangent[:, 1:-1], cotangent[1:-1])):
            rise = fenced(always, partial(jnp.diff, axis=axis), line)
            flux.append(_OfFlux(rise, fenced(always, partial(to_flux, axis=axis), stage, rise, dt)))
        for axis in (0, 1):
            parts = fenced(always, partial(to_polynomials, axis=axis), wind, flux, dt)
            differences = fenced(always, partial(to_differences, axis=axis), stage.framed, *parts)
            of_state = of_state + fenced(always, partial(to_averages, axis=axis), wind, flux, dt)
            of_state = of_state + fenced(always, partial(_of_differences, axis=axis), *differences)
        of_state, of_wind = jnp.pad(of_state, 1), []
        for axis, each in enumerate(flux):
            (average, rest, slope), (below, above) = stage.upwind[axis], beside(stage.framed, axis)
            within, (top, bottom) = inside(wind.axes[axis], each, dt), _limited(each)
            of_wind.append((within * (average + rest), within * slope, top * below, -bottom * above))
        if span.diffusion is None:
            return of_state, of_wind, None

        def spread(diffusion: tuple[AxisDiffusion, ...], framed: Array) -> list[Array]:
            return [spread_through(each, framed, axis, dt) for axis, each in enumerate(diffusion)]

        _, through_spread = jax.vjp(spread, span.diffusion.axes, stage.framed)
        of_axes, framed = through_spread([each.rise for each in flux])
        (of_averages,) = jax.linear_transpose(with_frame, cotangent)(framed)
        fastest = jnp.zeros_like(span.diffusion.fastest)
        return of_state + of_averages, of_wind, PlaneDiffusion(of_axes, fastest)

    return Stages(forward, pull, _parts, _replaced, lambda cotangent: cotangent, lambda cotangent: cotangent)


def limiting(amount: _Edges, lowest: _Edges, highest: _Edges) -> _Edges:
    """Which of the three the derivative of `between` is that of, as it has it at ties: 0, -1 or 1.

    >>> limiting(jnp.array([-3.0, 0.0, 3.0]), jnp.full(3, -1.0), jnp.full(3, 1.0))
    Array([-1.,  0.,  1.], dtype=float64)
    """
    nothing, one = jnp.zeros_like(amount), jnp.ones_like(amount)
    return jnp.where(amount > highest, one, jnp.where(amount < lowest, -one, nothing))


def _limited(flux: _OfFlux) -> tuple[_Edges, _Edges]:
    """The cotangents of what the cells below and above hold."""
    nothing = jnp.zeros_like(flux.rise)
    return jnp.where(flux.limit > 0, flux.rise, nothing), jnp.where(flux.limit < 0, flux.rise, nothing)


def _parts(wind: PlaneWind) -> list[tuple[Array, ...]]:
    return [(each.courant, each.shear, each.up, each.down) for each in wind.axes]


def _replaced(wind: PlaneWind, parts: list[tuple[Array, ...]]) -> PlaneWind:
    x, y = (EdgeWind(each.sign, *found) for each, found in zip(wind.axes, parts, strict=True))
    return wind._replace(axes=(x, y))


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
