"""Rounds of collisions, from one event to the next."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..adjoints.loop import TimeLoop
from ..network import field as fields
from . import progress
from .blocks import Block
from .method import Options, Times, with_field


class Span(NamedTuple):
    """What the rounds between two events need to know. Time in a span is in units of 1 / rate, from 0 to `length`: so many
    collisions a particle has on average. `place` is the number of the span among `places`."""

    law: Any
    block: Block
    start: Float[Array, ""]
    length: Float[Array, ""]
    place: Int[Array, ""]
    places: int
    steps: int | None
    limit: int | None

    def at(self, passed: Float[Array, "*m"]) -> Float[Array, "*m"]:
        """The time t of the equation."""
        return self.start + passed / self.law.rate


class Clock(NamedTuple):
    """The rounds and the collisions of a particle on average since the solve began; where in its span it is, in a form of
    the rule's own."""

    rounds: Int[Array, ""]
    collisions: Float[Array, ""]
    now: Any


class Rule(NamedTuple):
    """Who collides with what, as static functions.

    - `begin(span)`: what `now` is when a span begins.
    - `passed(span, now)`: the time since then; the span is over when that is its length.
    - `collide(span, key, now, x, going)`: one round with its own key. Gives `now`, x, and the collisions of a particle on
      average; nothing may happen unless `going`.
    """

    begin: Callable[[Span], Any]
    passed: Callable[[Span, Any], Float[Array, ""]]
    collide: Callable[[Span, PRNGKeyArray, Any, Array, Bool[Array, ""]], tuple[Any, Array, Float[Array, ""]]]


class Followed(NamedTuple):
    """A block of particles at the end and at the save times, the rounds and the collisions of a particle that it took, and
    whether a limit ended it."""

    final: Float[Array, "m *d"]
    saved: Float[Array, "saves m *d"]
    rounds: Int[Array, ""]
    collisions: Float[Array, ""]
    short: Bool[Array, ""]


def follow(
    rule: Rule, equation: Any, block: Block, times: Times, options: Options, steps: int | None = None
) -> Followed:
    """A block of particles over all spans, in `steps` steps each where that is static.

    Collisions have no memory: the clocks start anew with each span, in which the layer is one. Derivatives are along the
    paths, with the same collisions: each round makes its random numbers from a key of its own, on the way back too.
    """
    plan = times.split(equation.field)
    loop = TimeLoop(
        functools.partial(_step, rule),
        functools.partial(_more, rule),
        functools.partial(_report, rule) if options.progress else None,
    )
    number, saves = plan.ends.shape[0], 0 if times.saveat is None else times.saveat.shape[0]

    def span(carry: tuple, ends: tuple) -> tuple:
        x, saved, clock, short = carry
        start, end, place = ends
        law = with_field(equation, fields.frozen(equation.field, 0.5 * (start + end)))
        length = law.rate * jax.lax.stop_gradient(end - start)
        args = Span(law, block, start, length, place, number, steps, options.max_steps)
        clock = Clock(clock.rounds, clock.collisions, rule.begin(args))
        clock, x = options.adjoint.loop(loop, clock, x, args, spans=number, steps=steps)
        short = short | (rule.passed(args, clock.now) < length)
        if saves:
            here = plan.saved.astype(jnp.int32) == place
            slot = jnp.where(jnp.any(here), jnp.argmax(here).astype(jnp.int32), saves)
            saved = saved.at[slot].set(x, mode="drop")
        return (x, saved, clock._replace(now=None), short), None

    zero = jnp.zeros((), block.x.dtype)
    carry = (
        block.x,
        jnp.zeros((saves, *block.x.shape), block.x.dtype),
        Clock(jnp.zeros((), jnp.int32), zero, None),
        jnp.zeros((), bool),
    )
    (final, saved, clock, short), _ = jax.lax.scan(
        span, carry, (plan.starts, plan.ends, jnp.arange(number, dtype=jnp.int32))
    )
    return Followed(final, saved, clock.rounds, clock.collisions, short)


def _more(rule: Rule, span: Span, k: Int[Array, ""], clock: Clock) -> Bool[Array, ""]:
    more = rule.passed(span, clock.now) < span.length
    return more if span.limit is None else more & (clock.rounds < span.limit)


def _step(rule: Rule, span: Span, k: Int[Array, ""], clock: Clock, x: Array) -> tuple[Clock, Array]:
    """One round; none for a member of a batch that is at the end already."""
    going = _more(rule, span, k, clock)
    key = jax.random.fold_in(span.block.key, clock.rounds)
    now, x, collisions = rule.collide(span, key, clock.now, x, going)
    return Clock(clock.rounds + going.astype(jnp.int32), clock.collisions + collisions, now), x


def _report(rule: Rule, span: Span, k: Int[Array, ""], clock: Clock) -> None:
    part = rule.passed(span, clock.now) / jnp.where(span.length > 0, span.length, jnp.ones_like(span.length))
    share = (span.place.astype(part.dtype) + part) / span.places
    progress.report(k, (span.block.number.astype(part.dtype) + share) / span.block.blocks)
