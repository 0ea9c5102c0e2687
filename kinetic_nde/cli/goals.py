"""What a network is retrained for: the classes of earlier measurements, or a target."""

import math

import numpy as np

from ..distributions.distance import wasserstein
from ..sensitivity.retraining import Outcome, Retraining
from .frame import Frame
from .interrupt import interrupting
from .standardise import InputError, standardise
from .task import Task, parameters

BACKGROUND = 1e-3
_WEIGHT = 10.0  # of the network of classes, in the unit of its frame, if the measurements have not moved far
_ARRIVAL = 9.0  # scales of the classes by which the final time is longer than the way from wall to wall
_MIDWAY = 2.0  # scales of the classes: around the threshold there is a gap, and not all are at the walls
_TARGET_T1 = 4.0  # in units of half the way from wall to wall
_UPDATES = 10  # of the size of the learning rate, in which the network comes as far as it has to
_LEAST = 0.1  # of the way to go that learning rates are made for, in scales of the classes or units of the frame
_WIDEST = 50.0  # from wall to wall, in units of the range of one file


def classes(old: np.ndarray, new: np.ndarray, threshold: float | None, distance: float) -> Task:
    """The classes of the old measurements as `classify` makes them, and their shares for the new ones.

    The network is that of `classify`, with the threshold (given or found) as origin and the weight 1 for measurements
    that span six units; the walls are at the smallest and at the largest measurement of both, and the time is long
    enough to come from wall to wall. All mass then ends at the two walls, whatever lies between, and the loss compares
    the shares of the two. `distance` is that of the measurements, W1.

    At the end only the threshold -b / w counts, so that w and b are not determined one by one. The unit is at least ten
    times the scale of the classes and the distance: in it w is so large that updates change it little in proportion.

    Where there are no measurements at the threshold a shift of it changes nothing, and the loss has no slope. Hence a
    background of 0.1 % of the mass in both densities.

    Raises `InputError` as `standardise` does, and where one of the ranges is too small a part of the whole.
    """
    data = standardise(old, threshold)
    ends = _all_of(old, new)
    weight = _WEIGHT * max(1.0, distance / data.scale)
    frame = ends._replace(centre=data.threshold, unit=weight * data.scale)
    start = Task(
        frame,
        weight,
        0.0,
        t1=(2.0 * ends.unit / data.scale + _ARRIVAL) / weight,
        target=frame.ensemble(old),
        wanted=frame.ensemble(old),
        learning_rate=max(distance / data.scale, _LEAST) / _UPDATES,
        midway=_MIDWAY / weight,
        background=BACKGROUND,
        how=data.how,
    )
    target = start.carried(weight, 0.0, start.density(old)).final
    wanted = start.carried(weight, 0.0, start.wanted).final
    return start._replace(target=target, wanted=wanted)


def target(
    old: np.ndarray,
    new: np.ndarray,
    wanted: np.ndarray,
    updates: int,
    learning_rate: float | None = None,
    progress: bool = False,
) -> tuple[Task, Retraining]:
    """A target that the old measurements are carried to, and the training of the network that does it best.

    That starts from the network that would be right if tanh(z) were z and only mean and standard deviation counted.
    Raises `InputError` where one of the ranges is too small a part of the whole.
    """
    frame = _all_of(old, new, wanted)
    weight, bias = _affine(frame.inside(old), frame.inside(wanted), _TARGET_T1)
    there = frame.ensemble(wanted)
    start = Task(
        frame,
        weight,
        bias,
        t1=_TARGET_T1,
        target=there,
        wanted=there,
        learning_rate=0.0,
        midway=_TARGET_T1,
        background=0.0,
        how=None,
    )

    def ready(task: Task, x: np.ndarray) -> Task:
        final = task.carried(task.weight, task.bias, task.density(x)).final
        # A bias moves everything by as much as the time is long.
        way = max(float(wasserstein(final, there)), _LEAST) / _TARGET_T1
        return task._replace(learning_rate=2.0 * way / _UPDATES)

    # A network for OLD that is not finished is no start for the new one: nothing would be worth keeping.
    with interrupting("while the network for OLD was made"):
        fit = ready(start, old).train(old, updates, learning_rate, progress)
        if fit.result == Outcome.interrupted:
            raise KeyboardInterrupt
    weight, bias = parameters(fit)[fit.best]
    return ready(start._replace(weight=weight, bias=bias), new), fit


def whole(*columns: np.ndarray) -> Frame:
    """From the smallest to the largest of all, which are at -1 and 1."""
    low, high = min(float(np.min(x)) for x in columns), max(float(np.max(x)) for x in columns)
    return Frame(0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low, low, high)


def _all_of(old: np.ndarray, new: np.ndarray, *others: np.ndarray) -> Frame:
    """`whole`, or an `InputError` if a grid cannot show them both."""
    frame = whole(old, new, *others)
    for x in (old, new):
        if np.ptp(x) * _WIDEST < 2.0 * frame.unit:
            raise InputError(
                f"measurements from {np.min(x):g} to {np.max(x):g} are too small a part of {frame.lowest:g} to "
                f"{frame.highest:g}, where all of them are: are they in the same unit?"
            )
    return frame


def _affine(old: np.ndarray, wanted: np.ndarray, t1: float) -> tuple[float, float]:
    """Weight and bias with which x' = w x + b carries mean and standard deviation from one to the other.

    >>> weight, bias = _affine(np.array([-1.0, 1.0]), np.array([0.5, 0.5 + 2 / math.e, 0.5, 0.5 + 2 / math.e]), 2.0)
    >>> round(weight, 6)
    -0.5
    """
    stretch = float(np.clip(np.std(wanted) / np.std(old), 1e-3, 1e3))
    weight = math.log(stretch) / t1
    rate = weight / (stretch - 1.0) if abs(stretch - 1.0) > 1e-9 else 1.0 / t1
    return weight, (float(np.mean(wanted)) - stretch * float(np.mean(old))) * rate
