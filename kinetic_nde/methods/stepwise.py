"""Runge-Kutta methods that know in which step they are."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array


def as_adjoint_needs(solver: Any, adjoint: diffrax.AbstractAdjoint) -> Any:
    """The solver with stages in a loop that has derivatives forwards if `adjoint` takes these. diffrax sees to it itself, but
    not within two solvers that are wrapped around one another."""
    if not isinstance(adjoint, diffrax.ForwardMode) or solver.scan_kind is not None:
        return solver
    return eqx.tree_at(lambda each: each.scan_kind, solver, "lax", is_leaf=lambda leaf: leaf is None)


class AbstractStepwise(diffrax.AbstractWrappedSolver):
    """A solver whose vector field is another one in each step; `step` is left to be written."""

    solver: eqx.AbstractVar[diffrax.AbstractSolver]

    @property
    def term_structure(self) -> Any:
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.solver.interpolation_cls

    @property
    def scan_kind(self) -> Any:
        # diffrax takes a wrapped Runge-Kutta method for one itself, and sets this for forward-mode derivatives.
        solver: Any = self.solver
        return solver.scan_kind

    def order(self, terms: Any) -> int | None:
        return self.solver.order(terms)

    def strong_order(self, terms: Any) -> Any:
        return self.solver.strong_order(terms)

    def error_order(self, terms: Any) -> Any:
        return self.solver.error_order(terms)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Array, args: Any) -> Any:
        return self.solver.init(terms, t0, t1, y0, args)

    def func(self, terms: Any, t0: Any, y0: Array, args: Any) -> Any:
        return self.solver.func(terms, t0, y0, args)


class InOneInterval(AbstractStepwise):
    """A solver whose steps end at whole numbers: a stage at the end of a step is asked for just before it, so that the whole
    part of its time is the number of the interval."""

    solver: diffrax.AbstractSolver

    def step(self, terms: Any, t0: Any, t1: Any, y0: Array, args: Any, solver_state: Any, made_jump: Any) -> Any:
        inside = (jnp.floor(t0) + 1) * (1 - float(jnp.finfo(t0.dtype).eps))
        term = diffrax.ODETerm(lambda t, y, args: terms.vf(jnp.minimum(t, inside), y, args))
        return self.solver.step(term, t0, t1, y0, args, solver_state, made_jump)
