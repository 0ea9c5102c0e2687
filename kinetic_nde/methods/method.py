"""What a method is asked for, and what it gives."""

import abc
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..adjoints.adjoint import AbstractAdjoint
from ..distributions.density import Density
from ..equations.equation import AbstractEquation
from ..network.field import breakpoints, check_velocity as check_velocity
from .result import Result

Equation = TypeVar("Equation", bound=AbstractEquation)


class Times(NamedTuple):
    """When a solve starts, what is to be stored, and when it ends."""

    t0: Float[Array, ""]
    t1: Float[Array, ""]
    saveat: Float[Array, " saves"] | None


class Options(NamedTuple):
    """What `solve` passes on to every method. `devices` are those over which particles may be spread, none for where they
    are."""

    adjoint: AbstractAdjoint
    key: PRNGKeyArray | None
    max_steps: int | None
    progress: bool
    devices: tuple[Any, ...] = ()


class Integrated(NamedTuple):
    """The distributions at the save times (leading axis), the one at t1, what happened on the way, and how it ended."""

    saved: Any
    final: Any
    stats: dict[str, Array]
    result: Result


class AbstractMethod(eqx.Module):
    """A way to solve an equation for one kind of distribution."""

    @abc.abstractmethod
    def check(self, equation: Any, initial: Any) -> None:
        """Raises `TypeError` or `ValueError` for what does not fit together, as far as shapes and known values tell."""

    @abc.abstractmethod
    def integrate(self, equation: Any, initial: Any, times: Times, options: Options) -> Integrated:
        """The solve itself: traced, for one problem, written so that `vmap` works over it."""


def check_line(method: AbstractMethod, initial: Density) -> None:
    """Raises `ValueError` for a density in more than one dimension."""
    if initial.dimension != 1:
        raise ValueError(
            f"kn.{type(method).__name__} is for one dimension, the density has {initial.dimension}: kn.FiniteVolume moves "
            "densities in two"
        )


def with_field(equation: Equation, field: Any) -> Equation:
    """The same equation for another field."""
    return eqx.tree_at(lambda law: law.field, equation, field)


def save_times(times: Times) -> Float[Array, " saves_and_end"]:
    """The save times, if any, and t1 after them."""
    return times.t1[None] if times.saveat is None else jnp.concatenate([times.saveat, times.t1[None]])


class Spans(NamedTuple):
    """The parts of [t0, t1] between events: save times and breakpoints of the field."""

    starts: Float[Array, " spans"]
    ends: Float[Array, " spans"]
    saved: Int[Array, " saves"]


def spans(field: Any, times: Times) -> Spans:
    """Cuts [t0, t1] at each event. Breakpoints outside give spans of length 0, so that the number of spans is
    static."""
    jumps = np.asarray(breakpoints(field))
    t0, t1 = times.t0, times.t1
    ends = jnp.sort(jnp.concatenate([save_times(times), jnp.clip(jnp.asarray(jumps, t0.dtype), t0, t1)]))
    saveat = t1[None] if times.saveat is None else times.saveat
    return Spans(jnp.concatenate([t0[None], ends[:-1]]), ends, jnp.searchsorted(ends, saveat))
