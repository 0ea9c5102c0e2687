"""Figure 6, in two dimensions: dx/dt = 1 - x, dy/dt = -y draws a normal density on [-4.5, 4.5] x [-4.5, 4.5] together at (1, 0), to t = 2.

The flow is affine, so that the density stays normal: at t its mean is (1, 0) + e^-t (mean - (1, 0)) and its covariance e^-2t times that at the start.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import kinetic_nde as kn
from kinetic_nde.adjoints.adjoint import AbstractAdjoint
from kinetic_nde.adjoints.loop import autodiff, run_checkpointed

from .compiling import WIDE, compiled, temporary_bytes
from .table import Cell, Table
from .timing import race
from .ways import CHECKPOINT, FORWARD, TANGENTS, TRANSPORT, Case, Way, by_tangents

REACH, T1 = 4.5, 2.0
POINT = np.array([1.0, 0.0])
MEAN, COVARIANCE = np.array([-0.5, 0.5]), np.array([[0.64, 0.2], [0.2, 0.64]])
THETA = np.array([-1.0, 0.0, 0.0, -1.0, *POINT])
"""w row by row, then b."""
AUTODIFF = "CheckpointAdjoint, each step by autodiff"


class StepByStep(kn.CheckpointAdjoint):
    """The sweep of `CheckpointAdjoint()` with every step reversed by JAX and not by the transpose that is written out."""

    def loop(self, time_loop: Any, clock: Any, state: Any, args: Any, *, spans: int, steps: int | None) -> tuple:
        return run_checkpointed(time_loop, 64, clock, state, args, autodiff)


def law(theta: Array) -> kn.MeanField:
    """dx/dt = w x + b with the six numbers of theta."""
    return kn.MeanField(kn.SimResNet(theta[:4].reshape(2, 2), theta[4:], kn.Identity()))


def initial(cells: int, dtype: Any = np.float64) -> kn.Density:
    """The start on that many cells a side."""
    corner = np.full(2, REACH, dtype)
    return kn.Density.gaussian(MEAN.astype(dtype), COVARIANCE.astype(dtype), kn.Grid(-corner, corner, cells))


def errors(final: kn.Density, t: float) -> tuple[float, float, float]:
    """How far a solution is from the closed form: in L1, its mean, and its covariance relative to the largest entry."""
    shrunk = np.exp(-t)
    mean, covariance = POINT + shrunk * (MEAN - POINT), shrunk**2 * COVARIANCE
    final = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), final)
    exact = kn.Density.gaussian(mean, covariance, final.grid)
    distance = float(jnp.sum(jnp.abs(final.values - exact.values)) * final.grid.volume)
    off = float(np.max(np.abs(final.mean - mean)))
    return distance, off, float(np.max(np.abs(final.variance - covariance)) / np.max(covariance))


def forward(cells: tuple[int, ...], batch: tuple[int, int], t1: float, repeats: int) -> Table:
    """The solve to t1 on each grid in both precisions, and `batch` = (cells a side, networks) in one `jax.vmap`."""

    def solve(theta: Array, start: kn.Density) -> tuple[kn.Density, Array]:
        solution = kn.solve(law(theta), start, t1=t1)
        return solution.final, solution.stats["steps"]

    rows: list[tuple[Cell, ...]] = []
    cases = [(n, None, dtype) for dtype in (np.float64, np.float32) for n in cells]
    for n, members, dtype in [*cases, (*batch, np.float64)]:
        start, theta = initial(n, dtype), jnp.asarray(THETA, dtype)
        if members:
            # Other biases, and the same number of steps but for a few.
            theta = jnp.asarray(THETA + 0.1 * np.outer(np.linspace(-1, 1, members), [0, 0, 0, 0, 1, 1]), dtype)
        begun = time.perf_counter()
        program = compiled(jax.vmap(solve, (0, None)) if members else solve, WIDE, theta, start)
        compiling = time.perf_counter() - begun
        final, steps = program(theta, start)
        seconds = race({"": lambda program=program, theta=theta, start=start: program(theta, start)}, repeats)[""]
        taken = int(jnp.sum(steps))
        memory = temporary_bytes(program)
        off: tuple[Cell, ...] = (None,) * 3 if members else errors(final, t1)
        what = f"{members} networks, {dtype.__name__}" if members else dtype.__name__
        size = None if memory is None else memory / 1e6
        rows.append((f"{n} x {n}", what, taken, seconds, seconds / (taken * n**2) * 1e9, compiling, size, *off))
    columns = (
        "cells", "what", "steps", "s", "ns per cell and step", "compiling, s", "temporary MB", "L1 error", "mean off by",
        "covariance off by",
    )  # fmt: skip
    note = (
        f"Figure 6 to t = {t1:g}, compiled in a `jax.jit` with the option for wide vectors; the steps of a batch are summed. "
        "Against the exact normal density; the covariance relative to its largest entry."
    )
    return Table("Two dimensions", columns, rows, note)


def ways() -> dict[str, Way]:
    """The value of a loss and the ways to its gradient with respect to all six parameters."""

    def by(adjoint: AbstractAdjoint) -> Way:
        def loss(theta: Array, t1: Array, start: kn.Density, target: kn.Density) -> Array:
            return kn.L2Loss(target)(kn.solve(law(theta), start, t1=t1, adjoint=adjoint).final)

        return loss

    return {
        FORWARD: by(kn.CheckpointAdjoint()),
        TRANSPORT: jax.value_and_grad(by(kn.TransportAdjoint())),
        CHECKPOINT: jax.value_and_grad(by(kn.CheckpointAdjoint())),
        AUTODIFF: jax.value_and_grad(by(StepByStep())),
        TANGENTS: by_tangents(by(kn.ForwardMode())),
    }


def case(cells: int, t1: float) -> Case:
    """Figure 6 to t1 on that many cells a side, against a normal density nearby."""
    start = initial(cells)
    target = kn.Density.gaussian([0.5, 0.3], 0.3, start.grid)
    return Case((jnp.asarray(THETA), jnp.asarray(t1), start, target))
