"""The stochastic differential equation of each particle, from one event to the next."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..distributions.ensemble import Ensemble
from ..equations.diffusion import check_shape
from ..equations.fokker_planck import FokkerPlanck
from ..network import field as fields
from .method import Integrated, Options, Times, check_velocity
from .result import Result, first_failure

# Of a whole solve, shared among its spans by their length.
_LEAST_STEPS = 1000
_MOST_STEPS = 100 * _LEAST_STEPS
# No default step is longer than this over the largest slope of the field: the variance of a linear field is then off by
# half of it at most.
_STEP_TIMES_SLOPE = 0.01
# Slopes are taken at some of the particles: so many, and fewer where each is a large matrix.
_PROBES = 1000
_ENTRIES = 10**6


class Span(NamedTuple):
    """What the steps between two events need to know: number `first` to `last` - 1 of the solve, of length `dt`, the
    first of which begins at `start`. `place` is the number of the span."""

    law: FokkerPlanck
    key: PRNGKeyArray
    place: Int[Array, ""]
    start: Float[Array, ""]
    dt: Float[Array, ""]
    first: Int[Array, ""]
    last: Int[Array, ""]
    times: Times


# `advance(span, x, number of spans)`: where the particles are after the steps of a span.
Advance = Callable[[Span, Float[Array, "m *d"], int], Float[Array, "m *d"]]


def integrate(
    equation: FokkerPlanck,
    initial: Ensemble,
    times: Times,
    options: Options,
    steps: int | None,
    advance: Advance,
) -> Integrated:
    """The solve over all spans: `steps` equal steps in each, or as many as `enough_steps` says."""
    point = initial.samples[0]
    check_velocity(equation.field, point)
    check_shape(equation.diffusion, point)
    key = options.key
    assert key is not None  # `solve` has seen to it
    plan = times.split(equation.field)
    number = plan.ends.shape[0]

    def span(carry: tuple, ends: tuple) -> tuple:
        x, first, short = carry
        start, end, place = ends
        # Inside a span there are no breakpoints: each step has its own layer.
        law = eqx.tree_at(lambda law: law.field, equation, fields.frozen(equation.field, 0.5 * (start + end)))
        count = enough_steps(law, x, start, end, times) if steps is None else jnp.asarray(steps, jnp.int32)
        count = jnp.where(end > start, count, 0)
        allowed = count if options.max_steps is None else jnp.minimum(count, options.max_steps - first)
        dt = jax.lax.stop_gradient((end - start) / jnp.maximum(count, 1).astype(end.dtype))
        x = advance(Span(law, key, place, start, dt, first, first + allowed, times), x, number)
        return (x, first + allowed, short | (allowed < count)), x

    carry = (initial.samples, jnp.zeros((), jnp.int32), jnp.zeros((), bool))
    (final, taken, short), states = jax.lax.scan(span, carry, (plan.starts, plan.ends, jnp.arange(number)))
    finite = jnp.all(jnp.isfinite(final))
    result = first_failure([(~finite, Result.not_finite), (short, Result.max_steps_reached)])
    return Integrated(jax.vmap(Ensemble)(states[plan.saved]), Ensemble(final), {"steps": taken}, result)


def enough_steps(
    law: FokkerPlanck, x: Float[Array, "m *d"], start: Float[Array, ""], end: Float[Array, ""], times: Times
) -> Int[Array, ""]:
    """How many steps a span takes by default: its share of 1000, and so many more that none is longer than 0.01 over the
    largest slope of the field, up to its share of 100,000.

    Their number depends on the parameters only where the field is steep: elsewhere the same key means the same noise for
    all of them, and what comes out is a smooth function of them.
    """
    whole = times.t1 - times.t0
    share = (end - start) / jnp.where(whole > 0, whole, jnp.ones_like(whole))
    slope = jnp.max(jnp.stack([largest_slope(law, t, x) for t in (start, 0.5 * (start + end), end)]))
    wanted = jnp.maximum(_LEAST_STEPS * share, slope.astype(share.dtype) * (end - start) / _STEP_TIMES_SLOPE)
    # The tolerance keeps rounding from adding a step.
    return jnp.maximum(jnp.ceil(jnp.minimum(wanted, _MOST_STEPS * share) - 1e-3), 1).astype(jnp.int32)


def largest_slope(law: FokkerPlanck, t: Float[Array, ""], x: Float[Array, "m *d"]) -> Float[Array, ""]:
    """The largest row sum of |d_x v| at up to 1000 of the particles; what is not finite, as the slope of a root at 0, does
    not count."""
    dynamic, static = eqx.partition(law, eqx.is_inexact_array)
    dynamic, x = jax.lax.stop_gradient((dynamic, x))
    field = eqx.combine(dynamic, static)
    probes = max(1, min(x.shape[0], _PROBES, _ENTRIES // max(1, x[0].size ** 2)))
    probed = x[:: x.shape[0] // probes][:probes]
    slopes = jnp.abs(jax.vmap(jax.jacfwd(lambda point: field.velocity(t, point)))(probed))
    rows = slopes if x.ndim == 1 else jnp.sum(slopes, axis=-1)
    return jnp.max(jnp.where(jnp.isfinite(rows), rows, jnp.zeros_like(rows)))
