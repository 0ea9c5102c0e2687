"""What decides on the steps of a trajectory: the solver and its tolerances."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from .._values import as_floating, require


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
    rtol: Float[Array, ""],
    atol: Float[Array, ""],
    size: Float[Array, ""],
    t0: Float[Array, ""],
    t1: Float[Array, ""],
) -> diffrax.PIDController:
    """Steps with an error below rtol |x| + atol * size, in a solve that always ends."""
    # A tolerance below the resolution of the type would reject every step.
    eps = float(jnp.finfo(size.dtype).eps)
    return diffrax.PIDController(
        rtol=jnp.maximum(rtol, 10 * eps),
        atol=jnp.maximum(atol, eps) * size,
        # Where the field is singular or not finite no step is short enough: this ends the search for one.
        dtmin=64 * eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1)),
        force_dtmin=False,
        norm=_norm,
    )


def _norm(error: Any) -> Array:
    # An infinite candidate has the scaled error inf / inf, which would neither be rejected nor end the search.
    size = optx.rms_norm(error)
    return jnp.where(jnp.isnan(size), jnp.inf, size)
