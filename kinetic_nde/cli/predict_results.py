"""What `kinetic-nde predict` writes and says."""

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .names import PREDICT
from .predict import Options, Prediction
from .predict_figure import draw
from .report import write_report
from .words import affine, counted, save

NAMES = PREDICT


class Source(NamedTuple):
    """Where the measurements are from."""

    file: str
    column: str
    dropped: int = 0


def write(folder: Path, found: Prediction, options: Options, source: Source | None = None) -> None:
    """Writes `NAMES` into a folder that exists. Raises `OSError` if a file cannot be written.

    >>> import tempfile
    >>> from kinetic_nde.cli.predict import predict
    >>> folder, options = Path(tempfile.mkdtemp()), Options(1.0, -5.0, "tanh")
    >>> write(folder, predict(options), options)
    >>> print((folder / "steady_states.csv").read_text())
    point,stability,eigenvalue,mass,standard_error,from,to
    5,unstable,1,,,,
    <BLANKLINE>
    """
    rows = [list(row.values()) for row in _states(found)]
    with open(folder / "steady_states.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["point", "stability", "eigenvalue", "mass", "standard_error", "from", "to"])
        writer.writerows([["" if each is None else _short(each) for each in row] for row in rows])
    write_report(folder, report(found, options, source), NAMES)
    save(draw(found, "x" if source is None else source.column), folder / "prediction.png")


def report(found: Prediction, options: Options, source: Source | None = None) -> dict[str, Any]:
    """All numbers, for report.json, in the unit of the measurements; None for what is infinite or does not exist."""
    states, course = found.states, found.course
    numbers: dict[str, Any] = {
        "network": {
            "activation": options.activation,
            "weight": options.weight,
            "bias": options.bias,
            **({"delta": options.delta, "scale": options.scale} if options.delta is not None else {}),
        },
        "box": list(found.box),
        "steady_states": _states(found),
        "continua": list(states.continua),
        "notes": list(states.notes),
        "growth_rate_of_distances": _finite(found.growth),
    }
    if found.values is not None and states.escaping is not None:
        numbers["measurements"] = {
            **({} if source is None else {"file": source.file, "column": source.column, "dropped": source.dropped}),
            "count": int(found.values.size),
            "mean": float(np.mean(found.values)),
            "variance": float(np.var(found.values)),
            "rests_on_continua": states.resting,
            "leaves_below": float(states.escaping[0]),
            "leaves_above": float(states.escaping[1]),
        }
    if course is not None:
        numbers["moments"] = {
            "share": options.share,
            "time_to_share_of_variance": _finite(course.reached),
            "times": course.times.tolist(),
            "mean": course.mean.tolist(),
            "variance": course.variance.tolist(),
        }
    return numbers


def summary(found: Prediction, options: Options, source: Source | None = None) -> str:
    """The prediction in a few lines for people."""
    lines = [f"network    dx/dt = {options.activation}({affine(options.weight, options.bias)})"]
    if source is not None and found.values is not None:
        left_out = f", {source.dropped} without a value left out" if source.dropped else ""
        lines.append(f"data       {counted(found.values.size)} of {source.column} in {source.file}{left_out}")
    lines += str(found.states).splitlines()
    attracting = -found.states.eigenvalues[found.states.eigenvalues < 0]
    if attracting.size:
        slow, fast = (f"{math.log(2) / rate:.4g}" for rate in (attracting.min(), attracting.max()))
        times = slow if slow == fast else f"{fast} to {slow}"
        lines.append(f"speed      half of the way to a stable point takes {times} of time, close to it")
    if math.isfinite(found.growth):
        lines.append(f"certain    distances between distributions grow like exp({found.growth:.4g} t) at most")
    if found.course is not None:
        share = f"{100 * options.share:g} % of the variance {found.course.variance[0]:.6g}"
        reached = found.course.reached
        lines.append(
            f"variance   {f'down to {share} at t = {reached:.6g}' if math.isfinite(reached) else f'never down to {share}'}"
        )
    return "\n".join(lines)


def _states(found: Prediction) -> list[dict[str, Any]]:
    states, rows = found.states, []
    basins = np.full((len(states), 2), math.nan) if states.basins is None else states.basins
    for k in range(len(states)):
        low, high = basins[k]
        has_basin = low < high
        rows.append(
            {
                "point": float(states.points[k]) + 0.0,
                "stability": str(states.stability[k]),
                "eigenvalue": _finite(states.eigenvalues[k]),
                "mass": None if states.masses is None else float(states.masses[k]),
                "standard_error": None if states.standard_errors is None else float(states.standard_errors[k]),
                "from": _finite(low) if has_basin else None,
                "to": _finite(high) if has_basin else None,
            }
        )
    return rows


def _finite(value: Any) -> float | None:
    return float(value) + 0.0 if math.isfinite(value) else None


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"
