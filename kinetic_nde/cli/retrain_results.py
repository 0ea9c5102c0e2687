"""What `kinetic-nde retrain` writes."""

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..sensitivity.retraining import Outcome, Retraining
from .compare import Comparison
from .frame import Network
from .names import COMPARE as ALWAYS, RETRAIN as RETRAINED
from .report import write_report
from .retrain import Options
from .retrain_figures import draw_before_after, draw_comparison, draw_densities, draw_training
from .retrained import Evaluation, Retrained
from .table import Column
from .words import save

HEADER: tuple[str, ...] = ("update", "loss", "w2_of_density", "gradient_norm", "weight", "bias", "threshold")
STEPPED_OVER = "stepped over the minimum"
_ENDED = (
    (Outcome.max_updates_reached, "all updates were made"),
    (Outcome.interrupted, "interrupted"),
    (Outcome.stalled, "settled: updates changed nothing any more"),
    (Outcome.not_finite, "a solve failed, or its loss is no number"),
    (Outcome.diverging, "diverged"),
)


class Sources(NamedTuple):
    """The measurements, and the files that they are from: old, new and, where there is one, the target."""

    files: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column(self) -> str:
        """The name of the column."""
        return self.columns[0].name

    @property
    def target(self) -> np.ndarray | None:
        """The measurements of the target."""
        return self.columns[2].values if len(self.columns) > 2 else None


def write(folder: Path, sources: Sources, compared: Comparison, options: Options, found: Retrained | None) -> None:
    """Writes `RETRAINED` into a folder that exists, or `ALWAYS` if nothing was retrained. `OSError` if a file cannot be
    written."""
    old, new = (column.values for column in sources.columns[:2])
    thresholds = (None, None) if found is None else (found.before[1], found.after[1])
    save(draw_comparison(old, new, sources.target, compared, sources.column, thresholds), folder / "comparison.png")
    if found is not None:
        save(draw_before_after(found, sources.column), folder / "before_after.png")
        save(draw_training(found), folder / "training.png")
        save(draw_densities(found, sources.column), folder / "densities.png")
        with open(folder / "history.csv", "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, HEADER, lineterminator="\n")
            writer.writeheader()
            writer.writerows(history(found))
    write_report(folder, report(sources, compared, options, found), ALWAYS if found is None else RETRAINED)


def report(sources: Sources, compared: Comparison, options: Options, found: Retrained | None) -> dict[str, Any]:
    """All numbers, for report.json; in the unit of the files unless a name says otherwise."""
    roles = ("old", "new", "target")
    measurements = {
        role: {
            "file": file,
            "measurements": int(column.values.size),
            "dropped": column.dropped,
            "smallest": float(column.values.min()),
            "largest": float(column.values.max()),
            "mean": float(column.values.mean()),
        }
        for role, file, column in zip(roles, sources.files, sources.columns, strict=False)
    }
    return {
        "column": sources.column,
        **measurements,
        "test": {
            "name": "two-sample Kolmogorov-Smirnov",
            "statistic": compared.statistic,
            "p_value": compared.p_value,
            "level": compared.level,
            "different": compared.different,
        },
        "distance": {
            "w1": compared.w1,
            "of_samples_of_one_distribution": {
                "mean": compared.usual,
                "exceeded_with_probability_level": compared.limit,
                "permutations": compared.permutations,
            },
            "p_value": compared.w1_p_value,
        },
        "retrained": found is not None,
        **({} if found is None else _training(found, options)),
    }


def _training(found: Retrained, options: Options) -> dict[str, Any]:
    frame, task = found.task.frame, found.task
    parts = {
        name: {
            "measurements": int(getattr(found, name).size),
            "before": _evaluation(before),
            "after": _evaluation(after),
        }
        for name, (before, after) in found.evaluations.items()
    }
    goal: dict[str, Any] = {"kind": "classes" if task.classes else "target"}
    if task.classes:
        goal["classes"] = _clusters(found.wanted_classes)
        goal["threshold_how"] = task.how
        goal["valley_of_new"] = found.valley.value if found.valley.valley else None
        goal["share_below_valley_of_new"] = found.valley.below if found.valley.valley else None
    if found.fit is not None:
        losses = found.fit.history.loss
        goal["network_for_old"] = {
            "updates": len(losses) - 1,
            "w2_of_density_at_start": w2_of_density(found, losses[0]),
            "w2_of_density": w2_of_density(found, losses[found.fit.best]),
        }
    return {
        "goal": goal,
        "network": {
            "activation": "tanh",
            "walls": [frame.lowest, frame.highest],
            "t1": task.t1 * frame.unit,
            "before": _network(*found.before),
            "after": _network(*found.after),
        },
        "training": {
            "loss": "W2^2 / 2 between the kernel density at t1 and what is wanted",
            "optimiser": "rprop",
            "learning_rate": task.learning_rate if options.learning_rate is None else options.learning_rate,
            "updates": len(found.history) - 1,
            "updates_asked_for": options.updates,
            "kept_update": found.best,
            "ended": ended(found.trained),
            **parts["training"],
        },
        "held_out": {
            "share": options.held_out,
            "seed": options.seed,
            "w1_by_sampling_alone": found.noise,
            "verdict": found.verdict,
            **parts["held_out"],
        },
        "history": history(found),
        "standardised": {
            "formula": "u = (x - centre) / unit",
            "centre": frame.centre,
            "unit": frame.unit,
            "t1": task.t1,
            "before": {"weight": task.weight, "bias": task.bias},
        },
        "cells": found.model.final.grid.cells,
        "seconds": round(found.seconds, 4),
    }


def ended(trained: Retraining) -> str:
    """How the training ended, in words of the command; those of the library are about its own arguments."""
    for outcome, words in _ENDED:
        if trained.result == outcome:
            return f"{words}. {trained.solver_message}".strip(". ")
    return STEPPED_OVER if stepped_over(trained) or not trained.sound else "settled"


def stepped_over(trained: Retraining) -> bool:
    """Whether the last network is far worse than the one that is kept: twice the distance, where there is any."""
    losses = trained.history.loss
    return bool(losses[-1] > 4.0 * losses[trained.best] + 0.01 * losses[0])


def history(found: Retrained) -> list[dict[str, Any]]:
    """A row for each update, the start first; the norm of the gradient is that in the standardised unit."""
    numbers = found.trained.history
    rows = zip(numbers.loss.tolist(), numbers.gradient_norm.tolist(), found.history, strict=True)
    return [
        {
            "update": k,
            "loss": _number(loss * found.task.frame.unit**2),
            "w2_of_density": w2_of_density(found, loss),
            "gradient_norm": _number(norm),
            **_network(*row),
        }
        for k, (loss, norm, row) in enumerate(rows)
    ]


def w2_of_density(found: Retrained, loss: float) -> float | None:
    """The distance W2 of the kernel density from where it is wanted, in the unit of the measurements, for a loss."""
    return _number(found.task.frame.unit * math.sqrt(max(2.0 * loss, 0.0)))


def _number(x: float) -> float | None:
    """Not a number is nothing, in JSON: a run that ended so has one row of it."""
    return float(x) if math.isfinite(x) else None


def _network(network: Network, threshold: float | None) -> dict[str, Any]:
    numbers = {**network._asdict(), "threshold": threshold}
    return {name: None if x is None else _number(x) for name, x in numbers.items()}


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    found: dict[str, Any] = {"w1_of_measurements": evaluation.w1, "w2_of_measurements": evaluation.w2}
    if evaluation.classes is not None:
        found["classes"] = _clusters(evaluation.classes)
    return found


def _clusters(classes: tuple) -> list[dict[str, Any]]:
    return [{"class": k, "position": cluster.position, "share": cluster.mass} for k, cluster in enumerate(classes)]
