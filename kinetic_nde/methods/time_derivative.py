"""Derivatives by the times of a solve, which are rates of change."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..network import field as fields
from .events import rounding
from .method import AbstractHeldMethod, AbstractMethod, Integrated, Options, Times, with_field


def integrate(
    method: AbstractMethod, equation: Any, initial: Density | Ensemble, times: Times, options: Options
) -> Integrated:
    """`method.integrate`, with derivatives by t0, t1 and the save times whatever the adjoint: the method itself takes its
    times for constants. With g(t; t0, g0) the solution,

        d g / d t = rate of change at t,   d g / d t0 = d g / d g0 applied to minus the rate of change of g0 at t0.

    Where the field jumps at t1 or at a save time, the rate is that before the jump, and at t0 that after it.
    """
    if not isinstance(method, AbstractHeldMethod):
        return method.integrate(equation, initial, times, options)

    def at(t: Array, distribution: Any, sign: float) -> Any:
        # The layer before t, or after the start: events that differ from t by rounding are one with it.
        here = with_field(equation, fields.frozen(equation.field, jax.lax.stop_gradient(t + sign * rounding(t))))
        return _with(distribution, _moving(_leaf(distribution), -sign * t, t, method, here, distribution))

    held = jax.lax.stop_gradient(times)
    out = method.integrate(equation, at(times.t0, initial, 1.0), held, options)
    saves = times.t1[None] if times.saveat is None else times.saveat
    saved = jax.vmap(lambda t, each: at(t, each, -1.0))(saves, out.saved)
    return out._replace(saved=saved, final=at(times.t1, out.final, -1.0))


def _leaf(distribution: Any) -> Array:
    return distribution.values if isinstance(distribution, Density) else distribution.samples


def _with(distribution: Any, leaf: Array) -> Any:
    return Density(distribution.grid, leaf) if isinstance(distribution, Density) else Ensemble(leaf)


@eqx.filter_custom_jvp
def _moving(
    state: Array, passed: Float[Array, ""], t: Float[Array, ""], method: Any, equation: Any, like: Any
) -> Array:
    """`state`, whose derivative by `passed` is its rate of change at t."""
    return state


@_moving.def_jvp
def _moving_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Any]:
    state, passed, t, method, equation, like = primals
    change, elapsed = tangents[:2]
    # By the function itself, so that its second derivatives are right too.
    state = _moving(state, passed, t, method, equation, like)
    if elapsed is None:
        return state, change
    rate = elapsed * method.rate_of_change(equation, _with(like, state), t)
    return state, rate if change is None else change + rate
