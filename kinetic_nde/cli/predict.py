"""What a network will do to measurements, from its parameters alone."""

import math
from typing import NamedTuple

import numpy as np

from ..analysis.equilibria import SteadyStates
from ..analysis.moments import moments
from ..analysis.steady_states import steady_states
from ..analysis.times import time_to_variance
from ..distributions.ensemble import Ensemble
from ..network.activations import (
    AbstractActivation,
    GeneralizedGamma,
    GrowingCosine,
    Identity,
    ReLU,
    Sigmoid,
    Tanh,
)
from ..network.simresnet import SimResNet
from .standardise import InputError

ACTIVATIONS: dict[str, type[AbstractActivation]] = {
    "identity": Identity,
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "growing-cosine": GrowingCosine,
    "generalized-gamma": GeneralizedGamma,
}
_REACH = 6.0  # of |w x + b| in the box, where nothing else says how far it goes
_SAMPLES = 41  # times of the curves of the moments


class Options(NamedTuple):
    """What the command was asked for: the network and where to look."""

    weight: float
    bias: float
    activation: str
    delta: float | None = None
    scale: float | None = None
    lower: float | None = None
    upper: float | None = None
    share: float = 0.01


class Course(NamedTuple):
    """Mean and variance of the measurements at `times`, and when the variance is down to the share that was asked for."""

    times: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    reached: float


class Prediction(NamedTuple):
    """What is known before anything is solved; `course` with measurements under the identity only."""

    net: SimResNet
    states: SteadyStates
    growth: float
    """The rate r of Theorem 1: distances between distributions grow like e^(r t) at most."""
    values: np.ndarray | None
    course: Course | None

    @property
    def box(self) -> tuple[float, float]:
        """Where it was looked."""
        return float(self.states.lower), float(self.states.upper)


def network(options: Options) -> SimResNet:
    """The network that was asked for; `InputError` for numbers and names that make none.

    >>> network(Options(1.0, -5.0, "tanh")).activation
    Tanh()
    """
    for name, value in (("weight", options.weight), ("bias", options.bias)):
        if not math.isfinite(value):
            raise InputError(f"--{name} must be a finite number, got {value}")
    kind = ACTIVATIONS.get(options.activation.lower().replace("_", "-"))
    if kind is None:
        raise InputError(f"no activation is called {options.activation!r}; there are: {', '.join(ACTIVATIONS)}")
    given = {"--delta": options.delta, "--scale": options.scale}
    if kind is not GeneralizedGamma:
        extra = [name for name, value in given.items() if value is not None]
        if extra:
            raise InputError(f"{extra[0]} is of generalized-gamma only, not of {options.activation}")
        return SimResNet(options.weight, options.bias, kind())
    if options.delta is None or options.scale is None:
        missing = next(name for name, value in given.items() if value is None)
        raise InputError(f"generalized-gamma needs its exponent --delta and its --scale: {missing} is missing")
    try:
        activation = GeneralizedGamma(options.delta, options.scale)
    except ValueError as error:
        raise InputError(str(error)) from error
    return SimResNet(options.weight, options.bias, activation)


def predict(options: Options, values: np.ndarray | None = None) -> Prediction:
    """Where measurements will rest, which of them where, and for the identity how their mean and variance get there.

    Everything in the unit of the measurements. Without measurements and ends the box is where |w x + b| <= 6. Raises
    `InputError` for what `network` refuses and for an empty box.

    >>> found = predict(Options(0.5236, -2.618, "growing-cosine"), np.array([1.0, 3.0, 6.0, 8.5]))
    >>> found.states.points[found.states.stable].round(3), found.states.masses[found.states.stable]
    (array([2., 8.]), array([0.5, 0.5]))
    """
    net = network(options)
    if not 0 < options.share < 1:
        raise InputError(f"--share must lie between 0 and 1, got {options.share}")
    if values is not None and values.size == 0:
        raise InputError("there are no measurements")
    initial = None if values is None else Ensemble(values)
    try:
        states = steady_states(net, initial, *_box(options, initial is not None))
    except ValueError as error:
        raise InputError(str(error)) from error
    growth = net.activation.lipschitz * abs(options.weight) if options.weight else 0.0
    course = None
    if isinstance(net.activation, Identity) and values is not None and initial is not None and np.ptp(values) > 0:
        course = _course(net, initial, options.share)
    return Prediction(net, states, growth, values, course)


def _box(options: Options, measured: bool) -> tuple[float | None, float | None]:
    """The ends that were asked for. With measurements the others are left to `steady_states`, which goes as far as they
    will."""
    for name, end in (("--lower", options.lower), ("--upper", options.upper)):
        if end is not None and not math.isfinite(end):
            raise InputError(f"{name} must be a finite number, got {end}")
    if measured:
        return options.lower, options.upper
    reach = max(_REACH, 2 * (options.scale or 0.0))
    ends = [(z - options.bias) / options.weight for z in (-reach, reach)] if options.weight else [-1.0, 1.0]
    low = min(ends) if options.lower is None else options.lower
    high = max(ends) if options.upper is None else options.upper
    if not (low < high and math.isfinite(high - low)):
        raise InputError(f"the box from {low:g} to {high:g} is empty: give --lower below --upper")
    return low, high


def _course(net: SimResNet, initial: Ensemble, share: float) -> Course:
    variance, rate = float(initial.variance), float(net.weight(0.0))
    reached = time_to_variance(net, initial, share * variance)
    end = 1.2 * reached if math.isfinite(reached) else 2.0 / abs(rate) if rate else 1.0
    times = np.linspace(0.0, end, _SAMPLES)
    mean = np.asarray(moments(net, initial, times, 1))[:, 1]
    return Course(times, mean, variance * np.exp(2 * rate * times), reached)
