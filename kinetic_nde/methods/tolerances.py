"""What decides on the steps of a trajectory: the solver and its tolerances."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from .._values import as_floating, require

# Units in the last place of the time at which no step is short enough.
_SHORTEST = 8


def as_solver(solver: Any) -> diffrax.AbstractERK:
    """`solver` if it is an explicit Runge-Kutta method of diffrax with an error estimate, else `TypeError`.

    >>> as_solver(diffrax.Euler())
    Traceback (most recent call last):
    TypeError: solver must be an explicit Runge-Kutta method with an error estimate, such as diffrax.Tsit5(), not Euler()
    """
    if isinstance(solver, type):
        raise TypeError(f"solver must be an object: did you mean diffrax.{solver.__name__}()?")
    if not isinstance(solver, diffrax.AbstractERK):
        raise TypeError(
            f"solver must be an explicit Runge-Kutta method with an error estimate, such as diffrax.Tsit5(), not {solver!r}"
        )
    return solver


def as_tolerance(name: str) -> Callable[[Any], Array]:
    """What turns the argument of that name into a positive finite number, or raises `ValueError` or `TypeError`.

    >>> as_tolerance("rtol")(0)
    Traceback (most recent call last):
    ValueError: rtol must be positive and finite, got 0.0
    """

    def convert(value: Any) -> Array:
        tolerance = as_floating(value, name)
        if tolerance.shape != ():
            raise ValueError(f"{name} must be a number, got shape {tolerance.shape}")
        require(
            lambda: 0 < tolerance < np.inf, lambda: f"{name} must be positive and finite, got {tolerance}", tolerance
        )
        return tolerance

    return convert


def as_optional_tolerance(name: str) -> Callable[[Any], Array | None]:
    """The same where None, for the method's own choice, may be given too."""
    convert = as_tolerance(name)
    return lambda value: None if value is None else convert(value)


def controller(
    rtol: Float[Array, ""], atol: Float[Array, ""], size: Float[Array, ""], intervals: int = 1
) -> "UpToWholeNumbers":
    """Steps with an error below rtol |x| + atol * size, in a solve that always ends, along a time from 0 to at most
    `intervals` whose events are the whole numbers."""
    # A tolerance below the resolution of the type would reject every step.
    eps = float(jnp.finfo(size.dtype).eps)
    pid = diffrax.PIDController(rtol=jnp.maximum(rtol, 10 * eps), atol=jnp.maximum(atol, eps) * size, norm=_norm)
    return UpToWholeNumbers(pid, _SHORTEST * eps * intervals)


class UpToWholeNumbers(diffrax.AbstractStepSizeController):
    """Steps of the lengths that another controller asks for, the last of which before each whole number ends there: what is
    left up to it is divided into equal steps, so that none is short by chance.

    Steps then grow shorter by rejection only. Where the field is singular or not finite no step is short enough: the
    search for one ends with a failure at `shortest`.
    """

    controller: diffrax.PIDController
    shortest: float = eqx.field(static=True)

    def wrap(self, direction: Any) -> "UpToWholeNumbers":
        # Time runs from 0 upwards: the direction is known.
        return UpToWholeNumbers(self.controller.wrap(direction), self.shortest)

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: Any, dt0: Any, args: Any, func: Any, error_order: Any
    ) -> tuple[Array, Any]:
        end, state = self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)
        return _equal_step(t0, jnp.asarray(end - t0)), state

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: Any,
    ) -> tuple:
        keep, start, end, _, state, result = self.controller.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state
        )
        start, wanted = jnp.asarray(start), jnp.asarray(end - start)
        result = diffrax.RESULTS.where(wanted < self.shortest, diffrax.RESULTS.dt_min_reached, result)
        return keep, start, _equal_step(start, wanted), start == jnp.floor(start), state, result


def _equal_step(start: Array, wanted: Array) -> Array:
    """The end of the first of the fewest equal steps that lead from `start` to the next whole number and are no longer
    than `wanted`, up to a thousandth."""
    event = jnp.floor(start) + 1
    rest = event - start
    left = jnp.ceil(rest / wanted - 1e-3)
    return jnp.where(left <= 1, event, start + rest / jnp.maximum(left, 1))


def _norm(error: Any) -> Array:
    # An infinite candidate has the scaled error inf / inf, which would neither be rejected nor end the search.
    size = optx.rms_norm(error)
    return jnp.where(jnp.isnan(size), jnp.inf, size)
