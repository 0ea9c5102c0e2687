"""Layers with noise, one after the other."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..adjoints.loop import TimeLoop
from ..equations.equation import Walls
from . import progress
from .method import Options
from .stochastic import Advance, Span


def advance(options: Options, steps: int | None) -> Advance:
    """Takes the steps of a span

        x(k + 1) = x(k) + dt v(t_k, x(k)) + sqrt(dt) nu K(x(k)) xi_k,   xi_k standard normal, by component,

    Eq. (20) of Herty, Trimborn, Visconti (2021) with eps = dt: the scheme of Euler and Maruyama for (21), in which means
    of smooth functions are off by O(dt). `steps` is their number where that is static.

    - Walls: what v moves across is put back, as in `Layers`; what noise moves across is reflected. The drift of a step is
      O(dt) and its noise O(sqrt(dt)), so that means stay O(dt): noise that is put back would make them O(sqrt(dt)).
      Without v, and with a constant K, the law is that of reflected Brownian motion whatever dt.
    - Derivatives: along the paths, with the same noise. Its key is that of the solve folded with the number of the step,
      so that the way back makes it again and nothing of it is kept. Lengths of steps count as constants.
    """
    loop = TimeLoop(_step, _more, _report if options.progress else None)

    def walk(span: Span, x: Float[Array, "m *d"], spans: int) -> Float[Array, "m *d"]:
        return options.adjoint.loop(loop, span.first, x, span, spans=spans, steps=steps)[1]

    return walk


def _more(span: Span, k: Int[Array, ""], number: Int[Array, ""]) -> Bool[Array, ""]:
    return number < span.last


def _step(span: Span, k: Int[Array, ""], number: Int[Array, ""], x: Array) -> tuple[Array, Array]:
    """Step `number` of the solve; of length 0 for a member of a batch that is at the end already."""
    going = _more(span, k, number)
    length = jax.lax.stop_gradient(span.dt)
    dt = jnp.where(going, length, jnp.zeros_like(length))
    t = jax.lax.stop_gradient(span.start) + dt * (number - span.first).astype(dt.dtype)
    xi = jax.random.normal(jax.random.fold_in(span.key, number), x.shape, x.dtype)
    drifted = x + dt * jax.vmap(lambda point: span.law.velocity(t, point))(x)
    if span.law.walls is not None:
        drifted = jnp.clip(drifted, *span.law.walls)
    after = drifted + jnp.sqrt(dt) * jax.vmap(span.law.amplitude)(x) * xi
    return number + going.astype(number.dtype), reflected(after, span.law.walls)


def _report(span: Span, k: Int[Array, ""], number: Int[Array, ""]) -> None:
    t = span.start + span.dt * (number - span.first).astype(span.dt.dtype)
    progress.report(k, (t - span.times.t0) / (span.times.t1 - span.times.t0))


def reflected(x: Float[Array, "*n"], walls: Walls | None) -> Float[Array, "*n"]:
    """x mirrored at the walls until it is between them.

    >>> reflected(jnp.array([0.3, -0.2, 1.1, 3.75, -5.25]), (jnp.array(0.0), jnp.array(1.0))).round(6)
    Array([0.3 , 0.2 , 0.9 , 0.25, 0.75], dtype=float64)
    """
    low, high = walls or (None, None)
    if low is not None and high is not None:
        # Mirrored at both, places repeat after twice the distance. Not by jnp.mod, which is not vectorised.
        period = 2 * (high - low)
        beyond = x - low - period * jnp.floor((x - low) / period)
        back = jnp.clip(low + jnp.minimum(beyond, period - beyond), low, high)
        return jnp.where((x < low) | (x > high), back, x)
    if low is not None:
        return jnp.where(x < low, 2 * low - x, x)
    return x if high is None else jnp.where(x > high, 2 * high - x, x)
