"""What the families on the half line share."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq


def not_positive(samples: np.ndarray, or_else: str = "") -> str | None:
    """How many samples are not positive, in words; None if all are.

    >>> not_positive(np.array([1.0, -2.0, 0.0]))
    'its support is x > 0; 2 of 3 samples are not inside, the first of them -2'
    """
    beyond = samples[~(samples > 0)]
    if beyond.size == 0:
        return None
    are = "is" if beyond.size == 1 else "are"
    which = "it is" if beyond.size == 1 else "the first of them"
    return f"its support is x > 0{or_else}; {beyond.size} of {samples.size} samples {are} not inside, {which} {beyond[0]:g}"


def geometric(samples: np.ndarray) -> float:
    """The geometric mean of |x|, a unit that no tail can spoil."""
    return float(np.exp(np.mean(np.log(np.abs(samples)))))


def crossing(falling: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Where a falling function of a positive number has a value, or the end of [low, high] that is nearest to it.

    >>> round(crossing(lambda x: 1 / x, 0.25, 1.0, 100.0), 9), crossing(lambda x: 1 / x, 2.0, 1.0, 100.0)
    (4.0, 1.0)
    """
    if falling(low) <= value:
        return low
    if falling(high) >= value:
        return high
    root = brentq(lambda log: falling(math.exp(log)) - value, math.log(low), math.log(high))
    return math.exp(root) if isinstance(root, float) else math.nan


def logit(low: float, high: float, value: float) -> float:
    """The u with value = low + (high - low) / (1 + e^-u), for a value a little inside.

    >>> float(logit(0.0, 1.0, 0.5))
    0.0
    """
    share = min(max((value - low) / (high - low), 1e-3), 1 - 1e-3)
    return math.log(share) - math.log1p(-share)
