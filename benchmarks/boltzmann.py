"""python -m benchmarks.boltzmann [--quick] [--out DIR]: Boltzmann's equations.

Writes `boltzmann.md` with all tables and `boltzmann.png`. Six minutes; with `--quick` seconds, for the machinery only: the numbers mean nothing.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from . import collisions, program, push_forward
from .table import Cell, Table
from .timing import Company


class Sizes(NamedTuple):
    """What is measured."""

    particles: int = 10_000_000
    collisions: float = 100.0
    few: int = 1_000_000
    """Particles of what takes longer."""
    cells: tuple[int, ...] = (50, 100, 200, 400, 1000)
    ensembles: tuple[int, ...] = (1000, 10_000, 100_000, 1_000_000)
    repeats: int = 1


QUICK = Sizes(60, 5.0, 40, (16, 60), (50,), 1)

AIM_SECONDS, AIM_MEGABYTES, AIM_MOMENTS = 60.0, 2000.0, 1e-6


def measure(sizes: Sizes, out: Path) -> tuple[list[Table], list[str]]:
    """All tables and remarks; draws the picture into the folder `out`."""
    company = Company()
    speed = collisions.speed(sizes.particles, sizes.collisions, sizes.few, sizes.repeats)
    found = push_forward.measure(sizes.cells, sizes.ensembles, sizes.collisions, sizes.repeats)
    others = company.cores()
    push_forward.draw(found, out / "boltzmann.png")
    remarks = ["Times are those of the fastest run."]
    if others is not None:
        remarks.append(f"While the times were measured, other processes kept {others:.2f} cores busy.")
    return [_targets(speed, found), speed, push_forward.table(found)], remarks


def _targets(speed: Table, found: list[push_forward.Measured]) -> Table:
    """What was to be reached, beside what was measured here."""
    first = dict(zip(speed.columns, speed.rows[0], strict=True))
    what = f"{first['particles']} particles, {first['collisions']:g} collisions each"
    finest = [each for each in found if each.with_gradient is not None][-1]
    rows: list[tuple[Cell, ...]] = [
        (f"{what}, seconds", f"below {AIM_SECONDS:g}", first["seconds"]),
        (f"{what}, MB", f"below {AIM_MEGABYTES:g}", first["MB"]),
        (f"PushForward(), {finest.size} cells, m1 and m2", f"at most {AIM_MOMENTS:g}", max(finest.m1, finest.m2)),
    ]
    return Table("Targets", ("what", "target", "measured"), rows)


def run(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes everything; returns the exit code."""
    measured = lambda quick, out: measure(QUICK if quick else Sizes(), out)
    return program.run("boltzmann", "Boltzmann's equations.", "Boltzmann", measured, arguments)


if __name__ == "__main__":
    sys.exit(run())
