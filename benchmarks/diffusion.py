"""Fokker-Planck on a density: the time to come within an error of the law at t = 10, explicitly and implicitly."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

import kinetic_nde as kn

from .compiling import compiled
from .table import Table
from .timing import race

LOW, HIGH, REACH, T1 = -1.0, -0.5, 8.0, 10.0
EXPLICIT, FPLANCK = "explicit finite volumes", "fplanck, matrix exponential"


def exact(grid: kn.Grid) -> np.ndarray:
    """Cell averages at t = 10 of figure 9: the uniform distribution on [-1, -1/2], drawn together, and N(0, 1 - e^-20)."""
    std, faces = math.sqrt(-math.expm1(-2 * T1)), np.asarray(grid.faces)

    def integral(end: float) -> np.ndarray:
        z = (faces - end * math.exp(-T1)) / std
        return z * ndtr(z) + np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)

    width = (HIGH - LOW) * math.exp(-T1)
    return np.diff(std / width * (integral(LOW) - integral(HIGH))) / float(grid.width)


def methods(steps: tuple[int, ...]) -> dict[str, Any]:
    """What is raced."""
    implicit = {f"ChangCooper(steps={count})": kn.ChangCooper(steps=count) for count in steps}
    return {EXPLICIT: kn.FiniteVolume(), "ChangCooper()": kn.ChangCooper(), **implicit}


class Measured(NamedTuple):
    """One row of the table."""

    method: str
    cells: int
    steps: int | None
    ms: float
    error: float


def measure(cells: tuple[int, ...], steps: tuple[int, ...], repeats: int) -> list[Measured]:
    """Time, steps and error of each method on each grid, and of fplanck where it is installed."""
    rows = []
    for count in cells:
        grid = kn.Grid(-REACH, REACH, count)
        start, law = kn.Density.uniform(LOW, HIGH, grid), exact(grid)
        error = lambda values, law=law, grid=grid: float(np.sum(np.abs(np.asarray(values) - law)) * grid.width)
        runners: dict[str, Callable[[], Any]] = {}
        found: dict[str, tuple[int | None, float]] = {}
        for name, method in methods(steps).items():
            run = compiled(_solved(method), None, _equation(), start)
            out = run(_equation(), start)
            found[name] = int(out.stats["steps"]), error(out.final.values)
            runners[name] = lambda run=run, start=start: run(_equation(), start).final.values
        peer = _fplanck(grid)
        if peer is not None:
            initial = np.asarray(start.values)
            runners[FPLANCK] = lambda peer=peer, initial=initial: peer(initial)
            found[FPLANCK] = None, error(peer(initial))
        seconds = race(runners, repeats)
        rows += [Measured(name, count, found[name][0], seconds[name] * 1e3, found[name][1]) for name in runners]
    return rows


def table(rows: list[Measured]) -> Table:
    """The rows under a title."""
    return Table(
        "To t = 10",
        ("method", "cells", "steps", "ms", "L1 error"),
        [tuple(row) for row in rows],
        "Figure 9: identity, w = -1, b = 0, K = 1, nu^2 = 2, uniform on [-1, -1/2], cells on [-8, 8]; ours inside a `jax.jit`. "
        "fplanck multiplies by the exponential of its matrix, which is built beforehand and not counted.",
    )


def advantage(rows: list[Measured], error: float) -> dict[str, float | None]:
    """How many times faster the implicit scheme is than the explicit one, each with an error of at most `error`: on the same
    grid, the finest one, and each on the grid that suits it best. None where one of them does not get there."""
    good = [row for row in rows if row.error <= error and row.method != FPLANCK]
    finest = max(row.cells for row in rows)

    def ratio(on: list[Measured]) -> float | None:
        explicit = [row.ms for row in on if row.method == EXPLICIT]
        implicit = [row.ms for row in on if row.method != EXPLICIT]
        return min(explicit) / min(implicit) if explicit and implicit else None

    same = [row for row in good if row.cells == finest]
    return {f"both on {finest} cells": ratio(same), "each on its best grid": ratio(good)}


def _equation() -> kn.FokkerPlanck:
    return kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=math.sqrt(2.0))


def _solved(method: Any) -> Any:
    def run(equation: kn.FokkerPlanck, start: kn.Density) -> kn.Solution:
        return kn.solve(equation, start, t1=jnp.asarray(T1), method=method)

    return run


def _fplanck(grid: kn.Grid) -> Callable[[np.ndarray], np.ndarray] | None:
    """averages -> averages at t = 10; None where fplanck is not installed."""
    # Its release 0.2.2 asks for a name that NumPy 2 has dropped.
    if not hasattr(np, "product"):
        setattr(np, "product", np.prod)  # noqa: B010, since pyright knows no such name
    try:
        import fplanck
    except ImportError:
        return None
    # In its units kT = 1 and the drag is 1, so that D = 1.
    simulation = fplanck.fokker_planck(
        temperature=1 / fplanck.k, drag=1.0, extent=2 * REACH, resolution=float(grid.width), force=lambda x: -x
    )
    centres = np.asarray(grid.centers)
    assert simulation.axes[0].size == centres.size
    np.testing.assert_allclose(simulation.axes[0], centres, atol=1e-9)

    def run(values: np.ndarray) -> np.ndarray:
        shares = simulation.propagate(lambda x: values.copy(), T1)
        return np.asarray(shares) / float(grid.width)

    return run
