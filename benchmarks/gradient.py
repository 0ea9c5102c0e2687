"""python -m benchmarks.gradient [--quick] [--out DIR]: value and gradient of a loss, measured against one forward solve.

Writes `gradient.md` with all tables and `gradient.png`. Six minutes, most of them in the compiler; with `--quick` seconds, for the machinery only: the
numbers mean nothing.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from . import cost, plane, program, ways
from .cost import Costs
from .table import Cell, Table
from .timing import Company
from .ways import CHECKPOINT, FORWARD, STORED, TRANSPORT


class Sizes(NamedTuple):
    """What is measured."""

    alone: tuple[int, int] = (1600, 2000)  # cells, steps
    batch: tuple[int, int, int] = (400, 500, 64)  # cells, steps, members
    samples: int = 10_000
    cells: int = 400
    """Of the table of memory."""
    steps: tuple[int, ...] = (125, 500, 2000, 8000)
    repeats: int = 15
    close: float = 1e-3
    """What `TransportAdjoint` may be off by: it is exact for the equation, not for the grid."""
    plane: tuple[int, float, float] = (256, plane.T1, 0.5)
    """Cells a side, t1, and `close` there: at t = 2 the density is three cells wide."""
    quick: bool = False
    """Each way once, with wide vectors, and few ways but for the first table: what takes long is the compiler."""


QUICK = Sizes((48, 60), (48, 60, 3), 50, 24, (5, 20), 1, 0.2, (8, 0.1, 0.5), True)
_FEW = (FORWARD, CHECKPOINT)

# At most so many forward solves, alone and in a batch.
AIMS = [{TRANSPORT: 3.5, CHECKPOINT: 7.0, STORED: 5.0}, {CHECKPOINT: 6.0}]
AIM_MEMORY = 0.2  # MB per 100 cells
AIM_GROWTH = 0.5


def measure(sizes: Sizes, out: Path) -> tuple[list[Table], list[str]]:
    """All tables and remarks; draws the picture into the folder `out`."""
    few = lambda every: {name: way for name, way in every.items() if name in _FEW or not sizes.quick}
    race = lambda case, taking_part: cost.measure(case, taking_part, sizes.repeats, sizes.close, wide_only=sizes.quick)
    cells, steps = sizes.alone
    its_cells, its_steps, members = sizes.batch
    company = Company()
    alone = race(ways.density(cells, steps), ways.of_densities(steps))
    batch = race(ways.density(its_cells, its_steps, members), few(ways.of_densities(its_steps)))
    ensemble = race(ways.ensemble(sizes.samples), few(ways.of_ensembles()))
    side, t1, close = sizes.plane
    in_plane = cost.measure(plane.case(side, t1), few(plane.ways()), min(sizes.repeats, 3), close, wide_only=True)
    others = company.cores()
    by_steps = {
        n: cost.memory(ways.density(sizes.cells, n), few(ways.of_densities(n, fixed=True))) for n in sizes.steps
    }
    growth = cost.memory_table(sizes.cells, by_steps)
    groups = {f"{cells} cells": alone, f"{members} networks of {its_cells} cells": batch}
    cost.draw(groups, AIMS, out / "gradient.png")
    tables = [
        _targets(sizes, list(groups.items()), growth, in_plane),
        cost.table("One density", f"{cells} cells, {steps} steps.", alone),
        cost.table(
            "A batch", f"{members} networks of {its_cells} cells each, {its_steps} steps, in `jax.vmap`.", batch
        ),
        cost.table("An ensemble", f"{sizes.samples} samples.", ensemble),
        cost.table("Two dimensions", f"Figure 6 to t = {t1:g} on {side} x {side} cells, six parameters.", in_plane),
        growth,
    ]
    remarks = [
        "Ratios are of times in one run, the fastest of each way in turns; memory is without inputs and outputs."
    ]
    if others is not None:
        remarks.append(f"While the times were measured, other processes kept {others:.2f} cores busy.")
    return tables, remarks


def _targets(sizes: Sizes, groups: list[tuple[str, Costs]], growth: Table, in_plane: Costs) -> Table:
    """What the gradients were to cost, beside what was measured here."""
    rows: list[tuple[Cell, ...]] = []
    for (title, costs), aims in zip(groups, AIMS, strict=True):
        for way, aim in aims.items():
            for how, options in {"wide vectors": ", wide", "a user's jit": ""}.items():
                rows.append((f"{title}, {way} / forward, {how}", f"at most {aim:g}", costs.ratio(way, options)))
    side = sizes.plane[0]
    rows.append((f"{side} x {side} cells, {TRANSPORT} / forward", "at most 4", in_plane.ratio(TRANSPORT)))
    cells, steps = sizes.alone
    taken = groups[0][1].memory[CHECKPOINT]
    memory = {f"{cells} cells, {steps} steps": None if taken is None else taken / 1e6 / (cells / 100)}
    row = dict(zip(growth.columns, next(row for row in growth.rows if row[0] == CHECKPOINT), strict=True))
    if f"{steps} steps" in row and isinstance(fixed := row[f"{steps} steps"], float):
        memory[f"{sizes.cells} cells, {steps} fixed steps"] = fixed / (sizes.cells / 100)
    rows += [(f"{CHECKPOINT}, MB per 100 cells: {what}", f"at most {AIM_MEMORY:g}", at) for what, at in memory.items()]
    rows.append((f"{CHECKPOINT}, growth of memory with the steps", f"at most {AIM_GROWTH:g}", row["growth"]))
    return Table("Targets", ("what", "target", "measured"), rows)


def run(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes everything; returns the exit code."""
    about = "Value and gradient of a loss against one forward solve."
    measured = lambda quick, out: measure(QUICK if quick else Sizes(), out)
    return program.run("gradient", about, "Gradient", measured, arguments)


if __name__ == "__main__":
    sys.exit(run())
