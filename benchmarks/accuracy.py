"""Error against time, of this package and of others."""

import gc
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, LINES, style

from . import peers
from .c_loop import CLoop
from .table import Cell, Table
from .timing import race

MARKERS = "osDv^P"

# Name -> cells -> error, seconds, steps.
Points = dict[str, dict[int, tuple[float, float, int]]]


def measure(loop: CLoop | None, cells: tuple[int, ...], repeats: int) -> tuple[Points, list[str]]:
    """Every contender on every grid, and a line for each who is missing. On one grid they take turns."""
    found, missing = peers.contenders(loop)
    points: Points = {name: {} for name in found}
    for n in cells:
        for name, point in _on_grid(found, n, repeats).items():
            points[name][n] = point
        # SharpClaw keeps its work arrays in one Fortran module: the solver of one grid must be gone before the next is made.
        gc.collect()
    return points, missing


def _on_grid(
    found: dict[str, Callable[[int], peers.Prepared]], cells: int, repeats: int
) -> dict[str, tuple[float, float, int]]:
    prepared = {name: prepare(cells) for name, prepare in found.items()}
    errors = {name: each.error(np.asarray(each.run())) for name, each in prepared.items()}
    seconds = race({name: each.run for name, each in prepared.items()}, repeats)
    return {name: (errors[name], seconds[name], each.steps) for name, each in prepared.items()}


def table(points: Points) -> Table:
    """All that was measured."""
    rows: list[tuple[Cell, ...]] = [
        (name, n, steps, error, 1e3 * seconds, seconds / (n * steps) * 1e9)
        for name, on_grids in points.items()
        for n, (error, seconds, steps) in on_grids.items()
    ]
    columns = ("solver", "cells", "steps", "L1 error", "ms", "ns per cell and step")
    note = (
        "u_t + (tanh(x + 0.3) u)_x = 0 on [-8, 8] from the standard normal density to t = 1, against the closed form. Whole runs; compilation and set-up "
        "are not counted for anyone."
    )
    return Table("Error against time", columns, rows, note)


def at_equal_error(points: Points, errors: tuple[float, ...]) -> Table:
    """Milliseconds to an error, by interpolation between grids in logarithms; None outside of what was measured."""
    reference = next(iter(points))
    rows: list[tuple[Cell, ...]] = []
    for name in points:
        times = [_time_to(points[name], error) for error in errors]
        base = [_time_to(points[reference], error) for error in errors]
        ratios = [None if mine is None or its is None else mine / its for mine, its in zip(times, base, strict=True)]
        rows.append((name, *(None if mine is None else 1e3 * mine for mine in times), *ratios))
    columns = ("solver", *(f"{error:.0e}" for error in errors), *(f"ratio, {error:.0e}" for error in errors))
    note = f"Milliseconds to an L1 error, and how many times those of {reference}. A dash: outside of the grids that were measured."
    return Table("At equal error", columns, rows, note)


def _time_to(on_grids: dict[int, tuple[float, float, int]], error: float) -> float | None:
    errors, seconds = (np.log([point[k] for point in on_grids.values()]) for k in (0, 1))
    if not errors.min() <= np.log(error) <= errors.max():
        return None
    return float(np.exp(np.interp(np.log(error), errors[::-1], seconds[::-1])))


def draw(points: Points, path: Path) -> None:
    """Error against time, both logarithmic; colours, lines and markers tell the solvers apart."""
    cells = list(next(iter(points.values())))
    drawing, (ax,) = plotting.figure(columns=2, height=3.2)
    with style():
        for k, (name, on_grids) in enumerate(points.items()):
            errors, seconds = ([point[j] for point in on_grids.values()] for j in (0, 1))
            milliseconds = 1e3 * np.asarray(seconds)
            colour, line, marker = (*COLOURS, "#56b4e9")[k], LINES[k % len(LINES)], MARKERS[k]
            ax.plot(milliseconds, errors, color=colour, linestyle=line, marker=marker, markersize=4, label=name)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(True, which="major", color="0.9", linewidth=0.5)
        ax.set_axisbelow(True)
        ax.set_xlabel(
            f"time of one run (ms); {cells[0]} cells at the first marker of a line, then twice as many at each"
        )
        ax.set_ylabel("L1 error (share of the mass)")
        drawing.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
