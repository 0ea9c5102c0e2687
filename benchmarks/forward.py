"""python -m benchmarks.forward [--quick] [--out DIR]: the forward solve, measured against a C loop and other packages.

Writes `forward.md` with all tables and `error_against_time.png`. A few minutes; with `--quick` seconds, for the machinery only: the numbers mean nothing.
"""

import importlib.util
import sys
from pathlib import Path
from typing import NamedTuple

from . import accuracy, peers, plane, program, speed
from .c_loop import c_loop
from .table import Cell, Table
from .timing import Company


class Sizes(NamedTuple):
    """What is measured; `work` is cells times steps of one run."""

    cells: tuple[int, ...] = (400, 1600, 6400)
    work: int = 4_800_000
    batch: tuple[int, int, int] = (400, 150, 256)  # cells, steps, members
    layouts: tuple[int, int] = (1600, 1500)  # cells, steps
    layouts_in_batches: bool = True
    grids: tuple[int, ...] = (100, 200, 400, 800, 1600, 3200, 6400)
    errors: tuple[float, ...] = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
    repeats: int = 15
    processes: int = 3
    py_pde_entry: int | None = 400
    plane: tuple[tuple[int, ...], tuple[int, int], float] = ((64, 128, 256), (64, 8), plane.T1)
    """Grids by their cells a side; those of a batch and its networks; t1."""


QUICK = Sizes((24,), 240, (12, 5, 3), (24, 10), False, (24,), (0.0375,), 1, 0, None, ((8,), (8, 2), 0.1))


def measure(sizes: Sizes, out: Path) -> tuple[list[Table], list[str]]:
    """All tables and remarks; draws the picture into the folder `out`."""
    loop, line = c_loop()
    company = Company()
    tables = [
        speed.alone(loop, sizes.cells, sizes.work, sizes.repeats),
        speed.batches(loop, *sizes.batch, sizes.repeats),
        speed.layouts(loop, sizes.layouts, sizes.batch if sizes.layouts_in_batches else None, sizes.repeats),
    ]
    others = company.cores()
    tables.append(plane.forward(*sizes.plane, sizes.repeats))
    if sizes.processes:
        kinds = {
            "one problem": ("constant", 1600),
            "five layers": ("layers", 1600),
            "jax.jit(jax.vmap), 256 networks": ("vmap", 400),
        }
        tables.append(speed.first_call(kinds, sizes.processes))
    points, missing = accuracy.measure(loop, sizes.grids, sizes.repeats)
    tables += [accuracy.table(points), accuracy.at_equal_error(points, sizes.errors)]
    accuracy.draw(points, out / "error_against_time.png")
    remarks = [
        line,
        *missing,
        f"A call of kn.solve with one step on {sizes.grids[0]} cells: {speed.fixed_cost(sizes.grids[0], sizes.repeats):.2f} ms.",
    ]
    if others is not None:
        remarks.append(f"While the first three tables were measured, other processes kept {others:.2f} cores busy.")
    if sizes.py_pde_entry and importlib.util.find_spec("pde") is not None:
        seconds = peers.py_pde_entry(sizes.py_pde_entry)
        remarks.append(
            f"py-pde's own PDE.solve on {sizes.py_pde_entry} cells, which compiles in every call: {seconds:.1f} s."
        )
    return [_targets(tables), *tables], remarks


def _targets(tables: list[Table]) -> Table:
    """What the forward solver was to reach, beside what was measured here."""
    by_title = {table.title: table for table in tables}
    rows: list[tuple[Cell, ...]] = []
    for row in by_title["One problem"].rows:
        if row[0] == 1600:
            single = dict(zip(by_title["One problem"].columns, row, strict=True))
            rows.append(("1600 cells, kn.solve / C loop", "at most 2.2", single["kn.solve / C"]))
            rows.append(("1600 cells, in jax.jit / C loop", "at most 2.2", single["in jax.jit / C"]))
    for row in by_title["Two dimensions"].rows:
        if row[:2] == ("256 x 256", "float64"):
            rows.append(("256 x 256 cells, figure 6 to t = 2, s", "under 30", row[3]))
            rows.append(("256 x 256 cells, mean off by", "at most 1e-3", row[-2]))
            rows.append(("256 x 256 cells, covariance off by", "at most 1e-2", row[-1]))
    for row in by_title["Batches"].rows:
        if not str(row[0]).startswith("C loop"):
            rows.append((f"batch on all cores, {row[0]} / C loop on one", "at most 1.5", row[2]))
    if "First call" in by_title:
        first = by_title["First call"]
        rows += [
            (f"first call, s, {what}", "under 4", seconds)
            for what, seconds in zip(first.column("what"), first.column("first call, s"), strict=True)
        ]
    equal = by_title["At equal error"]
    times = {str(row[0]): row for row in equal.rows}
    milliseconds = [index for index, name in enumerate(equal.columns) if name[0].isdigit()]
    for peer in (name for name in times if name.lower().startswith("py")):
        for call in ("kn.solve in jax.jit", "kn.solve"):
            pairs = [(times[peer][index], times[call][index]) for index in milliseconds]
            ratios = [theirs / ours for theirs, ours in pairs if isinstance(theirs, float) and isinstance(ours, float)]
            smallest = min(ratios, default=None)
            rows.append((f"{peer} / {call}: smallest ratio of times at equal error", "above 1", smallest))
    return Table("Targets", ("what", "target", "measured"), rows)


def run(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes everything; returns the exit code."""
    about = "The speed of the forward solve."
    measured = lambda quick, out: measure(QUICK if quick else Sizes(), out)
    return program.run("forward", about, "Error against time", measured, arguments)


if __name__ == "__main__":
    sys.exit(run())
