"""python -m benchmarks.kinetic [--quick] [--out DIR]: the kinetic equations.

Writes `kinetic.md` with all tables and `noise.png`. Ten minutes; with `--quick` seconds, for the machinery only: the numbers mean nothing.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from . import diffusion, noise, program
from .table import Cell, Table
from .timing import Company


class Sizes(NamedTuple):
    """What is measured."""

    particles: int = 1_000_000
    steps: int = 1000
    few: int | None = 50
    """Steps of what is not the target; None leaves it out."""
    ensembles: tuple[int, ...] = (1000, 10_000, 100_000, 1_000_000)
    work: int = 20_000_000
    """Particles times steps of one run of these."""
    cells: tuple[int, ...] = (32, 64, 144, 400)
    implicit: tuple[int, ...] = (64, 128)
    """Steps of `ChangCooper`, beside those that it chooses."""
    repeats: int = 3


QUICK = Sizes(40, 10, None, (40,), 400, (16,), (4,), 1)

AIM_SPEED, AIM_LAW = 1.5, 4.0
AIM_ADVANTAGE, ERROR = 20.0, 1e-4


def measure(sizes: Sizes, out: Path) -> tuple[list[Table], list[str]]:
    """All tables and remarks; draws the picture into the folder `out`."""
    company = Company()
    speed = noise.speed(sizes.particles, sizes.steps, sizes.few, sizes.repeats)
    points = noise.by_particles(sizes.ensembles, sizes.work, sizes.repeats)
    implicit = diffusion.measure(sizes.cells, sizes.implicit, sizes.repeats)
    others = company.cores()
    noise.draw(points, out / "noise.png")
    law = noise.law(sizes.particles)
    remarks = ["Ratios are of times in one run, the fastest of each way in turns."]
    if others is not None:
        remarks.append(f"While the times were measured, other processes kept {others:.2f} cores busy.")
    return [_targets(speed, law, implicit), speed, law, diffusion.table(implicit)], remarks


def _targets(speed: Table, law: Table, implicit: list[diffusion.Measured]) -> Table:
    """What was to be reached, beside what was measured here."""
    target = dict(zip(speed.columns, speed.rows[0], strict=True))
    rows: list[tuple[Cell, ...]] = [
        (f"{target['steps']} steps, {name}", f"at most {AIM_SPEED:g}", target[name])
        for name in ("kn.solve / bare, wide", "in jax.jit / bare")
    ]
    for row in law.rows:
        off = max(
            cell for cell, name in zip(row, law.columns, strict=True) if "errors" in name and isinstance(cell, float)
        )
        rows.append((f"mean and variance, {row[0]}, standard errors", f"at most {AIM_LAW:g}", off))
    for grids, times in diffusion.advantage(implicit, ERROR).items():
        what = f"explicit / ChangCooper, time to t = 10 with an L1 error of {ERROR:g}, {grids}"
        rows.append((what, f"at least {AIM_ADVANTAGE:g}", times))
    return Table("Targets", ("what", "target", "measured"), rows)


def run(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes everything; returns the exit code."""
    measured = lambda quick, out: measure(QUICK if quick else Sizes(), out)
    return program.run("kinetic", "The kinetic equations.", "Noise", measured, arguments)


if __name__ == "__main__":
    sys.exit(run())
