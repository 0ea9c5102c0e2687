"""The discrete residual network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from .._values import as_count, require
from ..distributions.ensemble import Ensemble
from ..equations.balance_law import AbstractBalanceLaw
from ..network import field as fields
from ..network.parameters import PiecewiseConstant
from .events import rounding
from .method import AbstractMethod, Integrated, Options, Times, check_velocity, with_field
from .particles import check_ensemble
from .result import Result, first_failure


class Layers(AbstractMethod):
    """The residual network with `count` layers,

        x(l + 1) = x(l) + dt sigma(w(l) x(l) + b(l)),   dt = (t1 - t0) / count,

    Eq. (1) of Herty, Trimborn, Visconti (2021): the forward Euler method for (2). A layer of piecewise-constant
    parameters is the one that holds its middle, so that layers whose times are rounded are not mixed up; other parameters
    are taken at its start. Between two layers a save time gets the straight line; with `saveat` all layers are kept in
    memory. Raises `ValueError` for a count below 1, for a `max_steps` below the count, and where steps are so few that a layer
    with a part in [t0, t1] has the middle of none: it would be left out.

    >>> Layers(20).count
    20
    """

    count: int = eqx.field(static=True, converter=lambda count: as_count(count, "count"))

    def check(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times) -> None:
        check_ensemble(equation, initial)
        for table in _tables(equation.field):
            require(
                lambda table=table: not np.any(self._skipped(table, times)),
                lambda table=table: self._message(table, times),
                times.t0,
                times.t1,
            )

    def _skipped(self, table: PiecewiseConstant, times: Times) -> Bool[Array, " layers"]:
        """Which layers of a table have a part in [t0, t1], and the middle of no step."""
        t0, t1 = times.t0, times.t1
        middles = t0 + (t1 - t0) * (jnp.arange(self.count, dtype=t0.dtype) + 0.5) / self.count
        edges = jnp.asarray([-np.inf, *table.times[1:], np.inf], t0.dtype)
        ends = jnp.minimum(edges[1:], t1)
        part = ends - jnp.maximum(edges[:-1], t0) > rounding(ends)
        return part & (jnp.diff(jnp.searchsorted(middles, edges)) == 0)

    def _message(self, table: PiecewiseConstant, times: Times) -> str:
        skipped = ", ".join(str(layer) for layer in np.flatnonzero(self._skipped(table, times)))
        return (
            f"kn.Layers({self.count}) would leave out layers {skipped} of 0 to {len(table.times) - 1}, in which no step from "
            f"t0={times.t0} to t1={times.t1} has its middle: take more steps, kn.Layers({len(table.times)}) if the layers "
            "are of equal length"
        )

    def integrate(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times, options: Options) -> Integrated:
        if options.max_steps is not None and options.max_steps < self.count:
            raise ValueError(
                f"Layers({self.count}) takes {self.count} steps: max_steps={options.max_steps} would end it early"
            )
        check_velocity(equation.field, initial.samples[0])
        dt = (times.t1 - times.t0) / self.count

        def layer(x: Array, number: Array) -> tuple[Array, Array | None]:
            t = times.t0 + dt * number.astype(dt.dtype)
            law = with_field(equation, fields.frozen(equation.field, t + 0.5 * dt))
            after = x + dt * jax.vmap(lambda point: law.velocity(t, point))(x)
            after = after if equation.walls is None else jnp.clip(after, *equation.walls)
            return after, None if times.saveat is None else after

        final, states = jax.lax.scan(layer, initial.samples, jnp.arange(self.count))
        stats = {"steps": jnp.asarray(self.count, jnp.int32)}
        skipped = jnp.asarray([jnp.any(self._skipped(table, times)) for table in _tables(equation.field)], bool)
        result = first_failure(
            [(jnp.any(skipped), Result.layers_skipped), (~jnp.all(jnp.isfinite(final)), Result.not_finite)]
        )
        if times.saveat is None or states is None:
            return Integrated(_stack(final[None]), Ensemble(final), stats, result)
        states = jnp.concatenate([initial.samples[None], states])
        place = jnp.where(
            dt > 0, (times.saveat - times.t0) / jnp.where(dt > 0, dt, jnp.ones_like(dt)), 0 * times.saveat
        )
        before = jnp.clip(jnp.floor(place).astype(int), 0, self.count - 1)
        share = (place - before.astype(place.dtype)).reshape((-1,) + (1,) * final.ndim)
        share = jnp.broadcast_to(share, states[before].shape)
        return Integrated(
            _stack((1 - share) * states[before] + share * states[before + 1]), Ensemble(final), stats, result
        )


def _tables(field: Any) -> list[PiecewiseConstant]:
    """The tables of layers anywhere in the field."""
    is_table = lambda node: isinstance(node, PiecewiseConstant)
    return [node for node in jax.tree.leaves(field, is_leaf=is_table) if is_table(node)]


def _stack(samples: Array) -> Ensemble:
    return jax.vmap(Ensemble)(samples)
