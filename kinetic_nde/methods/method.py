"""What a method is asked for, and what it gives."""

import abc
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..adjoints.adjoint import AbstractAdjoint
from ..distributions.density import Density
from ..equations.equation import AbstractEquation
from ..network.field import check_velocity as check_velocity
from .events import Intervals, split_at_events
from .result import Result

Equation = TypeVar("Equation", bound=AbstractEquation)


class Times(NamedTuple):
    """When a solve starts, what is to be stored, and when it ends."""

    t0: Float[Array, ""]
    t1: Float[Array, ""]
    saveat: Float[Array, " saves"] | None

    def split(self, field: Any) -> Intervals:
        """[t0, t1] cut at the save times and at the breakpoints of the field."""
        return split_at_events(field, self.t0, self.t1, self.saveat)


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
    def check(self, equation: Any, initial: Any, times: Times) -> None:
        """Raises `TypeError` or `ValueError` for what does not fit together, as far as shapes and known values tell."""

    @abc.abstractmethod
    def integrate(self, equation: Any, initial: Any, times: Times, options: Options) -> Integrated:
        """The solve itself: traced, for one problem, written so that `vmap` works over it."""


class AbstractHeldMethod(AbstractMethod):
    """A method for whose `integrate` the times are constants: derivatives by them are rates of change. Autodiff of any other
    method gives them by itself."""

    @abc.abstractmethod
    def rate_of_change(self, equation: Any, distribution: Any, t: Float[Array, ""]) -> Array:
        """d/dt of the averages or samples by the equation, as the method has it, for a field without events; `TypeError` if
        there is none."""


def no_rate(method: AbstractMethod) -> TypeError:
    """The error of a method whose samples have no derivative by time."""
    return TypeError(
        f"kn.{type(method).__name__} follows random paths, which have no derivative by t0, t1 and save times: differentiate "
        "with respect to equation and samples only, or solve for a kn.Density"
    )


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
