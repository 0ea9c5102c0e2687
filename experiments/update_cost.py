"""What one update of retraining costs, by the mean field and by the measurements themselves."""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

import kinetic_nde as kn
from benchmarks.timing import Company, race

from . import updates
from .numbers import Number
from .update_times import BATCH, Race, Row, crossings, draw

QUICK = {"cells": 100, "sizes": (100, 3000), "runs": 2, "repeats": 1, "data": 500, "epochs": 10, "judged": False}

LEVEL = 1.01  # times the smallest loss of the mean-field retraining: what counts as equal
LONG, TOO_LONG = 20.0, 120.0  # seconds of an update: to be measured in the first run only, and not at all


def main(
    out: Path,
    cells: int = 400,
    sizes: tuple[int, ...] = (100, 1000, 10_000, 100_000, 1_000_000, 10_000_000),
    runs: int = 5,
    repeats: int = 5,
    data: int = 20_000,
    epochs: int = 60,
    judged: bool = True,
) -> dict[str, Number]:
    """Times one update of (w, b), loss, gradient and a step of Adam, for `sizes` numbers of measurements in `runs` runs.

    The network dx/dt = tanh(w x + b), trained for measurements from N(0, 1), is to hand on the same distribution for
    ones from N(0.7, 1.3^2): the loss is W2^2 / 2 at t = 2, of a density on `cells` cells (adjoint equation) or of an
    ensemble (back-propagation through the particle ODE by diffrax, all measurements). Tolerances are the defaults.

    Draws `update_cost.png` and writes `update_cost.csv`, after every size anew: an interrupt costs the size that is
    being measured. Everything is compiled before it is timed; fastest of `repeats` turns. Particles beyond 1e6 are taken
    in chunks that fit into 2 GB; an update of more than 20 s is measured in the first run only, and one that would take
    two minutes not at all but extrapolated, in proportion.

    Mini-batches of 256 measurements, drawn from `data`, are compared by whole trainings: from the start to 1.01 times the
    smallest loss of `epochs` mean-field updates, the loss being that of all data, which is not timed. A training of the
    mean field counts the building of g0.
    """
    out.mkdir(parents=True, exist_ok=True)
    company, loss = Company(), updates.loss(cells)
    rows: list[Row] = []
    with tqdm(total=runs * (len(sizes) + 1) + 1, desc="update_cost", leave=False, disable=None) as bar:
        for row in _rows(sizes, runs, repeats, cells, loss):
            rows.append(row)
            _write(out / "update_cost.csv", rows)
            bar.update()
        spread = _mean_field_alone([size for size in sizes if size >= 1000], 6 * repeats, cells, loss)
        bar.update()
        races = []
        for run in range(runs):
            races.append(_race(run, data, epochs, repeats, cells, loss))
            bar.update()
    draw(out / "update_cost.png", rows, races)
    others = company.cores()
    numbers = _numbers(rows, races, spread, 0.1 if judged else None)
    return numbers if others is None else numbers | {"cores that other processes kept busy": Number(others)}


def _rows(sizes: tuple[int, ...], runs: int, repeats: int, cells: int, loss: kn.WassersteinLoss) -> Iterator[Row]:
    known: dict[int, Row] = {}
    for run in range(runs):
        for size in sizes:
            reuse = None
            if run and known[size].particles > LONG:
                reuse = known[size].particles, known[size].source.replace("measured", "first run")
            elif known and run == 0:
                smaller = known[max(known)]
                expected = smaller.particles * size / smaller.measurements
                reuse = (expected, "extrapolated") if expected > TOO_LONG else None
            row = _row(run, size, repeats, cells, loss, reuse)
            known.setdefault(size, row)
            yield row


def _row(
    run: int, size: int, repeats: int, cells: int, loss: kn.WassersteinLoss, reuse: tuple[float, str] | None
) -> Row:
    samples, state, grid = updates.measurements(size, 1000 * run), updates.start(), updates.grid(cells)
    density = kn.Density.from_samples(samples, grid)
    mean_field: dict[str, Callable[[], Any]] = {
        "building": lambda: kn.Density.from_samples(samples, grid).values,
        "mean field": lambda: updates.update(state, density, loss),
    }
    best = race(mean_field, repeats)
    if reuse is None:
        ensemble = kn.Ensemble(samples)
        whole = lambda: updates.update(state, ensemble, loss)
        chunks = lambda: updates.update_in_chunks(state, samples, loss)
        # What takes seconds does so in every turn.
        turns = repeats if size < updates.CHUNK else 1
        reuse = race({"all": whole if size <= updates.CHUNK else chunks}, turns)["all"], "measured"
    return Row(run, size, best["building"], best["mean field"], *reuse)


def _mean_field_alone(sizes: list[int], repeats: int, cells: int, loss: kn.WassersteinLoss) -> float:
    """The relative difference of the slowest and the fastest update by the mean field, all sizes taking turns."""
    state, densities = updates.start(), {}
    for size in sizes:
        densities[size] = kn.Density.from_samples(updates.measurements(size, size), updates.grid(cells))
    runners = {f"{size}": partial(updates.update, state, density, loss) for size, density in densities.items()}
    best = race(runners, repeats).values()
    return max(best) / min(best) - 1


def _race(run: int, data: int, epochs: int, repeats: int, cells: int, loss: kn.WassersteinLoss) -> Race:
    samples, key = updates.measurements(data, 1000 * run + 1), jax.random.key(run)
    grid, ensemble = updates.grid(cells), kn.Ensemble(samples)

    def by_mean_field(count: int) -> Iterator[updates.State]:
        density, state = kn.Density.from_samples(samples, grid), updates.start()
        for _ in range(count):
            state, _ = updates.update(state, density, loss)
            yield state

    def by_batches(count: int) -> Iterator[updates.State]:
        state, luck = updates.start(), key
        for _ in range(count):
            state, luck = updates.update_by_batch(state, samples, luck, BATCH, loss)
            yield state

    def all_data(state: updates.State) -> float:
        return float(updates.loss_of(state, ensemble, loss))

    losses = [all_data(state) for state in by_mean_field(epochs)]
    level = LEVEL * min(losses)
    # Noise may keep batches from ever coming so close: then the limit stands for them, too low a time.
    reached = (k for k, state in enumerate(by_batches(10 * epochs), start=1) if all_data(state) <= level)
    first, batches = next(k for k, each in enumerate(losses, start=1) if each <= level), next(reached, 10 * epochs)
    best = race({"field": lambda: [*by_mean_field(first)], "batches": lambda: [*by_batches(batches)]}, repeats)
    return Race(first, best["field"], batches, best["batches"])


def _numbers(rows: list[Row], races: list[Race], spread: float, tolerance: float | None) -> dict[str, Number]:
    numbers = {"mean-field update, slowest / fastest from 1e3 measurements on - 1": Number(spread, 0.0, tolerance)}
    for size in dict.fromkeys(row.measurements for row in rows):
        own = [row for row in rows if row.measurements == size]
        building, field, particles = np.median([row[2:5] for row in own], axis=0) * 1e3
        sources = ", ".join(dict.fromkeys(row.source for row in own))
        numbers |= {
            f"{size} measurements: building g0, ms": Number(building),
            f"{size} measurements: mean-field update, ms": Number(field),
            f"{size} measurements: update by all particles ({sources}), ms": Number(particles),
        }
    points = crossings(rows)
    numbers["runs with a crossing between the sizes"] = Number(int(np.isfinite(points).sum()))
    # Two sizes on a busy machine may have none between them, which is not a number out of tolerance.
    if np.all(np.isfinite(points)):
        numbers |= {
            "crossing, measurements, median of the runs": Number(float(np.median(points))),
            "crossing, smallest": Number(float(np.min(points))),
            "crossing, largest": Number(float(np.max(points))),
        }
    for field in Race._fields:
        values = np.array([getattr(each, field) for each in races], float)
        seconds = field in ("mean_field", "batch")
        what = f"{field.replace('_', ' ')}{' training, ms' if seconds else ''} to equal loss"
        for name, value in (("median", np.median(values)), ("smallest", values.min()), ("largest", values.max())):
            numbers[f"{what}, {name}"] = Number(float(value) * (1e3 if seconds else 1.0))
    return numbers


def _write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "measurements", "building g0, s", "mean-field update, s", "all particles, s", "source"])
        writer.writerows(rows)
