"""Trajectories that meet the ends of an interval."""

import abc
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .stepwise import AbstractStepwise


class AbstractEnds(eqx.Module):
    """What happens to a trajectory at the ends of an interval: decided at the beginning and at the end of each step, so
    that no stage sees a jump and no step is rejected for each trajectory that arrives."""

    @abc.abstractmethod
    def velocity(self, start: Float[Array, "*n"], v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The velocity in all stages of a step that begins at `start`, from that of the field."""

    @abc.abstractmethod
    def position(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Where a step ends, from where the field leads."""


class StayingAtWalls(AbstractEnds):
    """What is at a wall has outward velocity zero: it stays exactly, and its velocity is continuous when the field turns
    round. What comes to a wall during a step is put back at its end."""

    low: Float[Array, ""] | None
    high: Float[Array, ""] | None

    def velocity(self, start: Float[Array, "*n"], v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        if self.low is not None:
            v = jnp.where(start <= self.low, jnp.maximum(v, 0), v)
        return v if self.high is None else jnp.where(start >= self.high, jnp.minimum(v, 0), v)

    def position(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        return jnp.clip(x, self.low, self.high)


class BackwardsAtEnds(AbstractEnds):
    """Characteristics on their way back in time, with walls where `walled` says so and open ends elsewhere.

    One that comes back to a wall bounds no mass from there on: it stays just outside for ever. One that comes back to an
    open end at which nothing came in waits there until, further back, mass was going out, and follows the last of it: the
    mass beyond it has left.
    """

    low: Float[Array, ""]
    high: Float[Array, ""]
    walled: tuple[bool, bool] = eqx.field(static=True)

    def velocity(self, start: Float[Array, "*n"], v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        v = jnp.where(start <= self.low, jnp.maximum(v, 0), v)
        v = jnp.where(start >= self.high, jnp.minimum(v, 0), v)
        return jnp.where((start < self.low) | (start > self.high), jnp.zeros_like(v), v)

    def position(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        length = self.high - self.low
        # What is at a wall to rounding is there: it follows the last of what was pressed against the wall.
        rounding = 32 * float(jnp.finfo(length.dtype).eps) * length
        beyond = 1e-3 * length
        at_low = jnp.where(x < self.low - rounding, self.low - beyond, self.low) if self.walled[0] else self.low
        at_high = jnp.where(x > self.high + rounding, self.high + beyond, self.high) if self.walled[1] else self.high
        return jnp.where(x < self.low, at_low, jnp.where(x > self.high, at_high, x))


class Bounded(AbstractStepwise):
    """A solver whose steps obey what holds at the ends."""

    solver: diffrax.AbstractERK
    ends: AbstractEnds

    def step(self, terms: Any, t0: Any, t1: Any, y0: Array, args: Any, solver_state: Any, made_jump: Any) -> Any:
        term = diffrax.ODETerm(lambda t, y, args: self.ends.velocity(y0, terms.vf(t, y, args)))
        # The stage kept from the last step was taken with that step's velocity: compute it again.
        y1, error, dense, state, result = self.solver.step(term, t0, t1, y0, args, solver_state, True)
        return self.ends.position(y1), error, dense, state, result
