"""What `kinetic-nde regress` writes and says."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..analysis.regression.regression import Regression
from .names import REGRESS
from .regress import Peer, Regressed
from .regress_figure import draw
from .report import write_report
from .words import save

NAMES = REGRESS


class Source(NamedTuple):
    """Where the measurements are from."""

    file: str
    x: str
    y: str
    dropped: int = 0


def write(folder: Path, found: Regressed, source: Source) -> None:
    """Writes `NAMES` into a folder that exists. Raises `OSError` if a file cannot be written."""
    write_report(folder, report(found, source), NAMES)
    save(draw(found, source.x, source.y), folder / "regression.png")


def report(found: Regressed, source: Source) -> dict[str, Any]:
    """All numbers, for report.json, in the units of the file; with `log_y` those of log10 of y.

    >>> from kinetic_nde.cli.regress import regress_values
    >>> told = report(regress_values(np.arange(4.0), np.array([0.0, 1.0, 2.0, 3.0])), Source("a.csv", "time", "way"))
    >>> round(told["slope"]["value"], 6), told["measurements"], told["fitted"]
    (1.0, 4, 'way = slope time + intercept')
    """
    one, drawn = found.found, found.drawn
    errors, intervals = one.standard_errors, one.interval()
    names = ("slope", "intercept")
    numbers = {
        name: {"value": value, "standard_error": error, "interval_95": interval}
        for name, value, error, interval in zip(
            names, one.line.tolist(), errors.tolist(), intervals.tolist(), strict=True
        )
    }
    return {
        **source._asdict(),
        "log_y": found.log_y,
        "fitted": f"{_y(found, source)} = slope {source.x} + intercept",
        "measurements": one.count,
        "estimate": "medians" if one.robust else "mean",
        "lines": int(one.weights.size),
        **numbers,
        "covariance": one.covariance.tolist(),
        "degrees_of_freedom": one.degrees,
        "standard_deviation_of_a_measurement": one.sigma,
        "least_squares": _peer(found.least_squares),
        "theil_sen": {**_peer(found.theil_sen), "rows": found.compared},
        "collapse": {
            "network": "tanh, in units of the spread of slopes and heights" if one.robust else "identity",
            "origin_of_x": drawn.origin,
            "slope_and_height_there": drawn.line.tolist(),
            "units": drawn.axes.tolist(),
            "times": found.solution.ts.tolist(),
            "mass_of_the_lines_on_the_grid": float(found.solution[0].mass),
            "means": [np.asarray(found.solution[k].mean).tolist() for k in range(len(found.solution))],
            "off_in_spreads": apart(found),
        },
        "notes": list(one.notes),
    }


def summary(found: Regressed, source: Source) -> str:
    """The line in some lines for people."""
    one = found.found
    left_out = f", {source.dropped} without a value left out" if source.dropped else ""
    squares, theil = found.least_squares, found.theil_sen
    assert squares.errors is not None
    first, second = one.digits
    some = f" (of {found.compared} rows, evenly spread)" if found.compared < found.x.size else ""
    return "\n".join(
        [
            f"data           {one.count} measurements of {source.x} and {source.y} in {source.file}{left_out}",
            f"line           {_y(found, source)} = slope {source.x} + intercept",
            str(one),
            f"least squares  slope {squares.slope:.{first}g} +- {squares.errors[0]:.2g}, intercept"
            f" {squares.intercept:.{second}g} +- {squares.errors[1]:.2g}",
            f"Theil and Sen  slope {theil.slope:.{first}g} ({theil.interval[0]:.6g} to {theil.interval[1]:.6g}), intercept"
            f" {theil.intercept:.{second}g}{some}",
            f"collapse       the density of slopes and {_heights(found.drawn)} is at the line to {apart(found):.1g} of its spread"
            f" at t = {float(found.solution.ts[-1]):g}",
        ]
    )


def apart(found: Regressed) -> float:
    """How far the mean of the density is from the line in the end, in its spread at the start."""
    # Of lines that are all one the variance is rounding: then in units of the frame, which are not.
    spread = np.sqrt(np.diag(np.asarray(found.solution[0].variance)))
    spread = np.maximum(spread, np.sum(np.abs(found.drawn.axes), axis=1))
    return float(np.max(np.abs(np.asarray(found.solution.final.mean) - found.drawn.line) / spread))


def _heights(drawn: Regression) -> str:
    return "intercepts" if drawn.origin == 0 else f"heights at {drawn.origin:.12g}"


def _y(found: Regressed, source: Source) -> str:
    return f"log10({source.y})" if found.log_y else source.y


def _peer(peer: Peer) -> dict[str, Any]:
    errors = peer.errors or (None, None)
    return {
        "slope": peer.slope,
        "intercept": peer.intercept,
        "slope_standard_error": errors[0],
        "intercept_standard_error": errors[1],
        "slope_interval_95": list(peer.interval),
    }
