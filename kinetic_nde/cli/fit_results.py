"""What `kinetic-nde fit` writes and says."""

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

from .fit import FAMILIES, Fitted
from .fit_figure import draw
from .names import FIT
from .report import write_report
from .words import counted, save

NAMES = FIT
_POOR = 1e-3  # p-value of the test, which is too large rather than too small


class Source(NamedTuple):
    """Where the measurements are from."""

    file: str
    column: str
    dropped: int = 0


def write(folder: Path, found: Fitted, source: Source) -> None:
    """Writes `NAMES` into a folder that exists. Raises `OSError` if a file cannot be written.

    >>> import tempfile
    >>> import numpy as np
    >>> from kinetic_nde.cli.fit import fit_values
    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder, fit_values(np.array([1.0, 2.0, 2.5, 3.0, 4.0]), "gaussian"), Source("a.csv", "length"))
    >>> print((folder / "parameters.csv").read_text())
    name,value,standard_error
    mean,2.5,0.447213595
    std,1,0.316227766
    weight,-0.5,0.316227766
    bias,1.25,0.821583836
    nu,1,
    <BLANKLINE>
    """
    with open(folder / "parameters.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["name", "value", "standard_error"])
        for name, value in {**found.fit.parameters, **found.fit.coefficients}.items():
            error = _error(found, name)
            writer.writerow([name, f"{value:.12g}", "" if error is None else f"{error:.9g}"])
    write_report(folder, report(found, source), NAMES)
    save(draw(found, source.column), folder / "fit.png")


def report(found: Fitted, source: Source) -> dict[str, Any]:
    """All numbers, for report.json, in the unit of the measurements; None for the error of what is fixed or held."""
    fit = found.fit
    return {
        **source._asdict(),
        "count": fit.count,
        "family": _key(fit.family),
        "parameters": _with_errors(found, fit.parameters),
        "equation": {
            "activation": type(fit.equation.net.activation).__name__,
            "diffusion": type(fit.equation.diffusion).__name__,
            **_with_errors(found, fit.coefficients),
        },
        "log_likelihood": fit.log_likelihood,
        "aic": fit.aic,
        "bic": fit.bic,
        "kolmogorov_smirnov": fit.ks,
        "p_value_if_nothing_were_estimated": fit.ks_pvalue,
        "candidates": [
            {
                "family": _key(each.family),
                "log_likelihood": _finite(each.log_likelihood),
                "aic": _finite(each.aic),
                "bic": _finite(each.bic),
                "kolmogorov_smirnov": _finite(each.ks),
                "left_out": each.left_out or None,
            }
            for each in fit.candidates or (fit.candidate,)
        ],
        "notes": list(fit.notes),
        "evolution": {
            "interval": list(found.interval),
            "measurements_inside": int(found.shown.size),
            "uniform_start": list(found.uniform),
            "times": found.solution.ts.tolist(),
            "distances_to_steady_state": found.distances.tolist(),
        },
    }


def summary(found: Fitted, source: Source) -> str:
    """The fit in some lines for people."""
    left_out = f", {source.dropped} without a value left out" if source.dropped else ""
    fit = found.fit
    constant = type(fit.equation.diffusion).__name__ == "ConstantDiffusion"
    noise = "nu dW" if constant else "nu X dW"
    low, high = found.uniform
    poor = fit.ks_pvalue < _POOR
    warning = [f"poor fit   none is like the measurements: KS {fit.ks:.2g}, where p is below {_POOR:g}"] if poor else []
    return "\n".join(
        [
            *warning,
            f"data       {counted(fit.count)} of {source.column} in {source.file}{left_out}",
            str(fit),
            f"network    dX = {type(fit.equation.net.activation).__name__}(weight X + bias) dt + {noise}",
            f"evolution  from uniform on [{low:.6g}, {high:.6g}] to within {found.distances[-1]:.2g} of the steady state"
            f" in L1 at t = {float(found.solution.ts[-1]):.4g}",
        ]
    )


def _with_errors(found: Fitted, numbers: dict[str, float]) -> dict[str, Any]:
    return {name: {"value": value, "standard_error": _error(found, name)} for name, value in numbers.items()}


def _error(found: Fitted, name: str) -> float | None:
    return _finite(found.fit.standard_errors[name]) or None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _key(family: Any) -> str:
    return next(name for name, each in FAMILIES.items() if each == family)
