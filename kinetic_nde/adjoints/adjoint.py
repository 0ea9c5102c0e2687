"""How derivatives pass through a solve."""

import abc
import contextlib
import contextvars
import math
from collections.abc import Iterator

import diffrax
import equinox as eqx
from jaxtyping import Array, Float

from .._values import as_count
from . import loop
from .loop import TimeLoop, Tree

_SLOTS = 64


def as_checkpoints(value: int | None) -> int | None:
    """A number of states to store, None for what the adjoint finds best: `TypeError` for what is no integer, `ValueError`
    below 2."""
    return None if value is None else as_count(value, "checkpoints", least=2)


class AbstractAdjoint(eqx.Module):
    """A way to differentiate `solve`. The gradient itself is taken by `jax.grad` or `eqx.filter_grad`, by `jax.jvp` where
    the adjoint is `ForwardMode`."""

    @abc.abstractmethod
    def loop(
        self, time_loop: TimeLoop, clock: Tree, state: Tree, args: Tree, *, spans: int, steps: int | None
    ) -> tuple[Tree, Tree]:
        """Runs one span of a solve of that many spans; `steps` is the number of steps in it where that is static."""

    @abc.abstractmethod
    def trajectories(self, problem: Tree, law: Tree, start: Tree, ts: Float[Array, " k"]) -> tuple:
        """Follows all particles of a solve: `problem.follow(law, start, ts, ...)` with a derivative."""

    @property
    @abc.abstractmethod
    def ode(self) -> diffrax.AbstractAdjoint:
        """The counterpart for ordinary differential equations; `TypeError` if there is none."""


class CheckpointAdjoint(AbstractAdjoint):
    """The derivative of the discrete scheme, what reverse-mode autodiff computes to round-off, with a bounded number of
    stored states. On a density each step is reversed by its transpose, which is written out; elsewhere by autodiff.

    - Cost: with the value, about 6.5 forward solves of a density, 9 in two dimensions.
    - Memory: `checkpoints` states along the solve and 64 more while it is reversed, however many steps there are. Each span
      between two save times or breakpoints keeps its own: its share of 64, at least 8, or `checkpoints`. Fewer save little,
      and more time is saved only by as many as there are steps, which makes it about 5.5 forward solves.
    - Second derivatives: of a density `jax.hessian`, which is `jax.jacfwd` of a gradient, of an ensemble by `ForwardMode`;
      a gradient of a gradient raises JAX's error for loops.
    - Recommended: whenever the gradient should be that of the numbers that `solve` returns. It is the default.
    - Not recommended: for a handful of parameters (`ForwardMode`), and for an optimiser where a density is narrower than a
      few cells or has been through a field with a kink (`ReLU`): much of the gradient is then that of the scheme.

    The step sizes count as constants; derivatives by t0, t1 and save times are rates of change. `checkpoints` defaults to
    64, or to the root of `FiniteVolume(steps=...)`. Raises `ValueError` for fewer than 2.

    >>> CheckpointAdjoint(checkpoints=32)
    CheckpointAdjoint(checkpoints=32)
    """

    checkpoints: int | None = eqx.field(static=True, default=None, converter=as_checkpoints)

    def loop(
        self, time_loop: TimeLoop, clock: Tree, state: Tree, args: Tree, *, spans: int, steps: int | None
    ) -> tuple[Tree, Tree]:
        slots = self.checkpoints
        if slots is None:
            slots = _SLOTS if steps is None else max(2, math.isqrt(steps) + 1)
            # What a span stores stays until the whole solve is reversed: many spans share the memory of one.
            slots = slots if spans == 1 else max(8, slots // spans)
        return loop.run_checkpointed(time_loop, slots, clock, state, args)

    def trajectories(self, problem: Tree, law: Tree, start: Tree, ts: Float[Array, " k"]) -> tuple:
        return problem.follow(law, start, ts, self.ode)

    @property
    def ode(self) -> diffrax.AbstractAdjoint:
        return diffrax.RecursiveCheckpointAdjoint(checkpoints=self.checkpoints or _SLOTS)


class ForwardMode(AbstractAdjoint):
    """Forward-mode autodiff: tangents travel along with the solve.

    - Cost: about one more forward solve for each parameter.
    - Memory: nothing is stored.
    - Recommended: a handful of parameters, with `jax.jvp`, `jax.jacfwd`; derivatives of many outputs, as in least squares.
    - Second derivatives: `jax.jacfwd(jax.jacfwd(f))`, of densities and of ensembles.
    - Not recommended: many parameters. `jax.grad` through it raises an error.

    >>> ForwardMode()
    ForwardMode()
    """

    def loop(
        self, time_loop: TimeLoop, clock: Tree, state: Tree, args: Tree, *, spans: int, steps: int | None
    ) -> tuple[Tree, Tree]:
        return loop.run(time_loop, clock, state, args)

    def trajectories(self, problem: Tree, law: Tree, start: Tree, ts: Float[Array, " k"]) -> tuple:
        return problem.follow(law, start, ts, self.ode)

    @property
    def ode(self) -> diffrax.AbstractAdjoint:
        return diffrax.ForwardMode()


class Forced:
    """What `forced` gives: the adjoint that solves are to use instead of their own, and whether one has asked."""

    def __init__(self, adjoint: AbstractAdjoint | None):
        self.adjoint = adjoint
        self.consulted = False


_FORCED: contextvars.ContextVar[Forced | None] = contextvars.ContextVar("forced", default=None)


@contextlib.contextmanager
def forced(adjoint: AbstractAdjoint | None) -> Iterator[Forced]:
    """While it lasts, every `solve` that is traced uses `adjoint` whatever it was given; None only watches. A solve that
    comes from jit's cache does not ask: see `consulted`.

    >>> with forced(ForwardMode()) as record:
    ...     in_force(CheckpointAdjoint()), record.consulted
    (ForwardMode(), True)
    """
    record = Forced(adjoint)
    token = _FORCED.set(record)
    try:
        yield record
    finally:
        _FORCED.reset(token)


def in_force(adjoint: AbstractAdjoint) -> AbstractAdjoint:
    """The adjoint that `forced` names, else `adjoint`; called by `solve`."""
    record = _FORCED.get()
    if record is None:
        return adjoint
    record.consulted = True
    return adjoint if record.adjoint is None else record.adjoint
