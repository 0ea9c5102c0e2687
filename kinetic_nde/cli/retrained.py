"""A network that was retrained, in the unit of the measurements."""

from typing import NamedTuple

import numpy as np

from ..distributions.density import Density
from ..sensitivity.retraining import Retraining
from .clusters import Cluster
from .frame import Network
from .task import Task
from .threshold import Threshold

_BEYOND = 2.0  # times what sampling alone gives
_ROUNDING = 1e-6  # of that


class Evaluation(NamedTuple):
    """What a network makes of measurements, each of them followed on its own, in their unit.

    - `w1`, `w2`: distances of where they end from where they are wanted; the loss is w2^2 / 2.
    - `final`: where they end (M,).
    - `classes`: left and right of the threshold; None for a target, or if the network does not divide any more.
    """

    w1: float
    w2: float
    final: np.ndarray
    classes: tuple[Cluster, Cluster] | None


class Step(NamedTuple):
    """The new measurements after an update: their density on the way and at the end, in their unit."""

    update: int
    midway: Density
    final: Density


class Retrained(NamedTuple):
    """A network that was retrained, and how it does.

    - `task`, `trained`: in the unit of `task.frame`; `best` is the row of the history that is kept.
    - `history`: the network and its threshold in each row, in the unit of the measurements.
    - `training`, `held_out`: the two parts of the new measurements.
    - `evaluations`: of the network before and after, for each part.
    - `steps`: some updates up to the one that is kept; `model` is what the density should be like.
    - `fit`: the training of the network for the old measurements, where there is a target.
    - `valley`: that of the new measurements, as `classify` would find it; `threshold`: of the old classes.
    """

    task: Task
    trained: Retraining
    best: int
    history: list[tuple[Network, float | None]]
    training: np.ndarray
    held_out: np.ndarray
    evaluations: dict[str, tuple[Evaluation, Evaluation]]
    steps: list[Step]
    model: Step
    fit: Retraining | None
    valley: Threshold
    seconds: float

    @property
    def before(self) -> tuple[Network, float | None]:
        """The network for the old measurements, and its threshold."""
        return self.history[0]

    @property
    def after(self) -> tuple[Network, float | None]:
        """The network for the new measurements, and its threshold."""
        return self.history[self.best]

    @property
    def noise(self) -> float:
        """What the distance W1 of as many measurements as are held out is from where they are wanted, if they come from
        the very distribution that is wanted: int sqrt(H (1 - H) / M) dx. Of two classes, those walls apart, it is the
        standard deviation of the share times the way between the walls."""
        return self.task.frame.unit * deviation(np.asarray(self.task.wanted.samples), self.held_out.size)

    @property
    def decided(self) -> bool:
        """Whether enough are held out to tell the networks before and after apart: their distances from what is wanted differ
        by more than sampling alone gives, or both are more than that."""
        before, after = (evaluation.w1 for evaluation in self.evaluations["held_out"])
        return max(abs(after - before), min(after, before)) > _BEYOND * self.noise

    @property
    def verdict(self) -> str:
        """Of the measurements that are held out: the network is "better" than before, "not better", or that is "undecided".

        Farther from what is wanted than before is not better, however few they are.
        """
        before, after = (evaluation.w1 for evaluation in self.evaluations["held_out"])
        if self.decided:
            return "better" if after < before else "not better"
        return "not better" if after - before > _ROUNDING * self.noise else "undecided"

    @property
    def wanted_classes(self) -> tuple[Cluster, Cluster]:
        """Those of the old measurements; for a target, what is left and right of the middle of the whole."""
        frame, (_, threshold) = self.task.frame, self.before
        wanted = frame.measured(np.asarray(self.task.wanted.samples))
        return clusters_at(wanted, frame.centre if threshold is None else threshold)


def clusters_at(x: np.ndarray, threshold: float) -> tuple[Cluster, Cluster]:
    """The positions and shares of what is left and right of a threshold."""
    left, right = (
        Cluster(float(np.mean(x[side])) if np.any(side) else None, float(np.mean(side)))
        for side in (x < threshold, x >= threshold)
    )
    return left, right


def deviation(x: np.ndarray, size: int) -> float:
    """int sqrt(F (1 - F) / size) dx: how far the distribution function of `size` samples strays from F, that of x.

    >>> deviation(np.array([0.0, 0.0, 10.0, 10.0]), 100)
    0.5
    """
    below = np.arange(1, x.size) / x.size
    return float(np.sqrt(below * (1.0 - below) / size) @ np.diff(np.sort(x)))
