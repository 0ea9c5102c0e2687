"""A network for measurements that are distributed differently than those it was made for."""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..distributions.density import Density
from ..distributions.distance import wasserstein
from ..distributions.ensemble import Ensemble
from ..sensitivity.retraining import Retraining
from ..sensitivity.transport_losses import WassersteinLoss
from . import goals
from .compare import Comparison, compare
from .interrupt import interrupting
from .retrained import Evaluation, Retrained, Step, clusters_at
from .standardise import InputError
from .task import Task, parameters
from .threshold import find_threshold

LEAST = 5  # measurements in each file, to compare them
# To train with: the shares of two classes of 16 are uncertain by 12 % of the whole, of fewer the threshold is anywhere.
LEAST_TRAINING = 16
_SHARES = (1 / 3, 2 / 3)  # of the way from the start to what is kept, at which the density is drawn


class Options(NamedTuple):
    """How to retrain, with the defaults of the command."""

    level: float = 0.05
    threshold: float | None = None
    updates: int = 60
    learning_rate: float | None = None
    held_out: float = 0.2
    seed: int = 0

    def checked(self, has_target: bool) -> "Options":
        """These options, or an `InputError`."""
        if has_target and self.threshold is not None:
            raise InputError("a threshold divides classes: give --threshold or --target, not both")
        for name, share in (("level", self.level), ("held-out", self.held_out)):
            if not 0.0 < share < 1.0:
                raise InputError(f"{name} must be between 0 and 1, got {share:g}")
        if self.updates < 1:
            raise InputError(f"updates must be at least 1, got {self.updates}")
        if self.learning_rate is not None and not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning-rate must be positive and finite, got {self.learning_rate:g}")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")
        return self


def check(old: np.ndarray, new: np.ndarray, names: Sequence[str]) -> None:
    """Raises `InputError`, naming the file, for measurements that cannot be compared."""
    for x, name in zip((old, new), names, strict=True):
        if x.size < LEAST:
            raise InputError(f"{name}: retraining needs at least {LEAST} measurements, got {x.size}")
        if np.all(x == x[0]):
            raise InputError(f"{name}: all {x.size} measurements are {x[0]:g}: there is no distribution to compare")
    if not 1e-290 < goals.whole(old, new).unit < 1e290:
        raise InputError("the measurements are out of the range of numbers: choose another unit")


def check_training(new: np.ndarray, name: str, held_out: float) -> None:
    """Raises `InputError`, naming the file, where what is not held out is too little to train a network with."""
    left = new.size - _held_out(new, held_out)
    if left < LEAST_TRAINING:
        raise InputError(
            f"a share of {held_out:g} held out leaves {left} of the {new.size} measurements in {name} to train with, "
            f"{LEAST_TRAINING} are needed"
        )


def is_different(old: np.ndarray, new: np.ndarray, options: Options) -> Comparison:
    """Whether there is anything to retrain for."""
    return compare(old, new, options.level, options.seed)


def retrain(
    old: np.ndarray,
    new: np.ndarray,
    compared: Comparison,
    options: Options = Options(),
    target: np.ndarray | None = None,
    progress: bool = False,
) -> Retrained:
    """The network that carries the old measurements to their classes, or to a target (K,), changed so that it carries
    the new ones there.

    A random part of the new measurements is held out, and trained with is the kernel density of the rest. How good the
    network is before and after is told by the measurements themselves, of both parts, which are followed on their own.

    Meant for float64, which the caller switches on. Raises `InputError` where the measurements, or a threshold, do not
    go together.
    """
    started = time.perf_counter()
    training, held_out = _divided(new, options)
    if np.all(training == training[0]):
        raise InputError("the new measurements to train with are all equal: hold out fewer, or take another seed")
    fit = None
    if target is None:
        task = goals.classes(old, new, options.threshold, compared.w1)
    else:
        task, fit = goals.target(old, new, target, options.updates, options.learning_rate, progress)
    trained = task.train(training, options.updates, options.learning_rate, progress)
    rows, frame, best = parameters(trained), task.frame, trained.best
    initial = task.density(training)
    with interrupting("after the training, before its results were there"):
        model = _step(task, rows[0], 0, task.density(old)) if target is None else _held(task, target)
        return Retrained(
            task=task,
            trained=trained,
            best=best,
            history=[(frame.network(*row), frame.threshold(*row) if task.classes else None) for row in rows],
            training=training,
            held_out=held_out,
            evaluations=_evaluations(task, rows[0], rows[best], {"training": training, "held_out": held_out}),
            steps=[_step(task, rows[k], k, initial) for k in _drawn(task, trained, rows)],
            model=model,
            fit=fit,
            valley=find_threshold(new),
            seconds=time.perf_counter() - started,
        )


def _held_out(new: np.ndarray, share: float) -> int:
    return max(1, round(share * new.size))


def _divided(new: np.ndarray, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """What to train with and what is held out, both in the order of the file."""
    out = np.zeros(new.size, dtype=bool)
    chosen = np.random.default_rng(options.seed).permutation(new.size)
    out[chosen[: _held_out(new, options.held_out)]] = True
    return new[~out], new[out]


def _drawn(task: Task, trained: Retraining, rows: list[tuple[float, float]]) -> list[int]:
    """Rows of the history between which something happens: the start, the one that is kept, and those at which a third
    and two thirds of the way between them are made. That is by the distance from what is wanted; of classes half by the
    threshold, which alone may move for long before the first measurement changes sides, or after the last did."""
    best = trained.best
    way = _progress(np.sqrt(trained.history.loss[: best + 1]))
    if task.classes:
        thresholds = [np.nan if weight <= 0 else -bias / weight for weight, bias in rows[: best + 1]]
        way = 0.5 * (way + _progress(np.array(thresholds)))
    return sorted({0, *(int(np.argmax(way >= share)) for share in _SHARES), best})


def _progress(numbers: np.ndarray) -> np.ndarray:
    """From 0 at the first to 1 at the last; 0 everywhere if they are the same."""
    return (numbers - numbers[0]) / ((numbers[-1] - numbers[0]) or 1.0)


def _step(task: Task, row: tuple[float, float], update: int, initial: Density) -> Step:
    solution = task.carried(*row, initial, sorted({task.midway, task.t1}))
    return Step(update, task.frame.density(solution[0]), task.frame.density(solution.final))


def _held(task: Task, target: np.ndarray) -> Step:
    density = task.frame.density(task.density(target))
    return Step(0, density, density)


def _evaluations(
    task: Task, before: tuple[float, float], after: tuple[float, float], parts: dict[str, np.ndarray]
) -> dict[str, tuple[Evaluation, Evaluation]]:
    everything = task.frame.ensemble(np.concatenate(list(parts.values())))
    ends = np.cumsum([x.size for x in parts.values()])[:-1]
    # All in one solve, which is compiled once.
    finals = [np.split(np.asarray(task.carried(*row, everything).final.samples), ends) for row in (before, after)]
    return {
        name: (_evaluation(task, before, finals[0][k]), _evaluation(task, after, finals[1][k]))
        for k, name in enumerate(parts)
    }


def _evaluation(task: Task, row: tuple[float, float], u: np.ndarray) -> Evaluation:
    final, frame = Ensemble(u), task.frame
    w1, loss = float(wasserstein(final, task.wanted)), float(WassersteinLoss(task.wanted)(final))
    x, threshold = frame.measured(u), frame.threshold(*row)
    classes = None
    if task.classes and threshold is not None:
        classes = clusters_at(x, threshold)
    return Evaluation(frame.unit * w1, frame.unit * math.sqrt(2.0 * loss), x, classes)
