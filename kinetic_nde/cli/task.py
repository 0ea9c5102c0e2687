"""What a network is retrained for: the classes of earlier measurements, or a target."""

import math
from typing import NamedTuple

import numpy as np
import optax

from ..distributions.density import Density
from ..distributions.distance import wasserstein
from ..distributions.ensemble import Ensemble
from ..sensitivity.retrain import retrain
from ..sensitivity.retraining import Outcome, Retraining
from ..sensitivity.transport_losses import WassersteinLoss
from ..solution import Solution
from ..solve import solve
from .compare import Comparison
from .frame import Frame
from .standardise import InputError, standardise

CELLS = 400
BACKGROUND = 1e-3  # of the mass, evenly from wall to wall, in the densities that classes are trained with
_WEIGHT = 10.0  # of the network of classes, in the unit of its frame
_ARRIVAL = 9.0  # scales of the classes that the final time is longer than the way from wall to wall
_TARGET_T1 = 4.0  # in units of half the way from wall to wall
_APPROACH = 10  # updates in which the threshold comes as far as the measurements have moved
_WIDEST = 50.0  # from wall to wall, in units of the range of one file
_TOLERANCE = 1e-4  # of the learning rate


class Task(NamedTuple):
    """A network in the unit of `frame`, and where it is to carry what until `t1`.

    - `weight`, `bias`: of the network for the old measurements.
    - `target`: what the loss compares the density with; `wanted`: the same without kernels, for the evaluation.
    - `reach`: a change of the bias with which the network comes about as far as it has to, in one of `_APPROACH` steps.
    - `how`: how the threshold of classes was found, None if the task is a target.
    - `fit`: of the network to the target with the old measurements, None for classes.
    """

    frame: Frame
    weight: float
    bias: float
    t1: float
    target: Density | Ensemble
    wanted: Ensemble
    reach: float
    how: str | None
    fit: Retraining | None = None

    def density(self, x: np.ndarray) -> Density:
        """The kernel density of measurements."""
        return _density(self.frame, x, BACKGROUND if self.how is not None else 0.0)


def task_of_classes(old: np.ndarray, new: np.ndarray, threshold: float | None, compared: Comparison) -> Task:
    """The classes of the old measurements as `classify` makes them, and their shares for the new ones.

    The network is that of `classify`, with the threshold (given or found) as origin and the weight 1 for measurements
    that span six units; the walls are at the smallest and at the largest measurement of both files, and the time is
    long enough to come from wall to wall. All mass then ends at the two walls, whatever lies between, and the loss
    compares the shares, over a distance.

    At the end only the threshold -b / w counts, so that w and b are not determined one by one. The unit is ten times
    the scale of the classes: in it w is so large that updates change it little in proportion.

    Where there are no measurements at the threshold, a shift of it changes nothing and the loss has no slope. Hence the
    background of 0.1 % of the mass in both densities.
    """
    data = standardise(old, threshold)
    low, high = _ends(old, new)
    frame = Frame(data.threshold, _WEIGHT * data.scale, low, high)
    t1 = ((high - low) / data.scale + _ARRIVAL) / _WEIGHT
    equation = frame.equation(_WEIGHT, 0.0)
    target = _final(equation, _density(frame, old, BACKGROUND), t1)
    wanted = _final(equation, frame.ensemble(old), t1)
    reach = max(compared.w1 / data.scale, 0.1) / _APPROACH
    return Task(frame, _WEIGHT, 0.0, t1, target, wanted, reach, data.how)


def task_of_target(
    old: np.ndarray,
    new: np.ndarray,
    target: np.ndarray,
    updates: int,
    learning_rate: float | None,
    progress: bool = False,
) -> Task:
    """A target that the old measurements are carried to, by a network that is first trained to do so.

    That starts from the network that would be right if tanh(z) were z: mean and standard deviation of the target.
    """
    low, high = _ends(old, new, target)
    frame = Frame(0.5 * low + 0.5 * high, 0.5 * (high - low), low, high)
    weight, bias = _affine(frame.inside(old), frame.inside(target), _TARGET_T1)
    wanted = frame.ensemble(target)

    def reach(weight: float, bias: float, x: np.ndarray) -> float:
        final = _final(frame.equation(weight, bias), frame.ensemble(x), _TARGET_T1)
        return max(float(wasserstein(final, wanted)), 0.1) / (0.5 * _APPROACH * _TARGET_T1)

    task = Task(frame, weight, bias, _TARGET_T1, wanted, wanted, reach(weight, bias, old), None)
    fit = train(task, old, updates, learning_rate, progress)
    if fit.result == Outcome.interrupted:
        raise KeyboardInterrupt
    weight, bias = parameters(fit)[fit.best]
    return task._replace(weight=weight, bias=bias, reach=reach(weight, bias, new), fit=fit)


def train(task: Task, x: np.ndarray, updates: int, learning_rate: float | None, progress: bool) -> Retraining:
    """The network of the task, for measurements x: Adam, with a learning rate that falls to 0 as a cosine."""
    rate = task.reach if learning_rate is None else learning_rate
    # Gradients may be tiny and are right all the same: no epsilon. The memory of their size is short, it changes by decades.
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, updates), b2=0.99, eps=1e-30)
    try:
        return retrain(
            task.frame.equation(task.weight, task.bias),
            task.density(x),
            WassersteinLoss(task.target),
            t1=task.t1,
            optimizer=optimizer,
            max_updates=updates,
            tolerance=_TOLERANCE * rate,
            progress=progress,
        )
    except ValueError as error:
        raise InputError(f"the network cannot be retrained for these measurements. {error}") from error


def parameters(trained: Retraining) -> list[tuple[float, float]]:
    """Weight and bias in each row of the history."""
    field = trained.history.parameters
    return list(zip(field.weight.value.tolist(), field.bias.value.tolist(), strict=True))


def carried(task: Task, weight: float, bias: float, initial: Density | Ensemble, saveat: list | None = None) -> Solution:
    """What the network with these parameters does until t1."""
    try:
        return solve(task.frame.equation(weight, bias), initial, t1=task.t1, saveat=saveat)
    except RuntimeError as error:
        raise InputError(f"the solve failed for these parameters. {error}") from error
