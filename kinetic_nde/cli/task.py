"""A network that is to carry measurements somewhere, and how it is trained to."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..sensitivity.retrain import retrain
from ..sensitivity.retraining import Retraining
from ..sensitivity.transport_losses import WassersteinLoss
from ..solution import Solution
from ..solve import solve
from .frame import Frame
from .rprop import rprop
from .standardise import InputError

CELLS = 400
_TOLERANCE = 1e-4  # of the learning rate


class Task(NamedTuple):
    """A network in the unit of `frame`, and where it is to carry measurements until `t1`.

    - `weight`, `bias`: of the network for the old measurements, where training starts.
    - `target`: what the loss compares the density with; `wanted`: the same without kernels, for the evaluation.
    - `learning_rate`: what suits the way that there is to go.
    - `midway`: a time at which the density shows most.
    - `background`: the share of the mass that is spread evenly from wall to wall.
    - `how`: how the threshold of classes was found, None if the task is a target.
    """

    frame: Frame
    weight: float
    bias: float
    t1: float
    target: Density | Ensemble
    wanted: Ensemble
    learning_rate: float
    midway: float
    background: float
    how: str | None

    @property
    def classes(self) -> bool:
        """Whether it is the shares of two classes that count."""
        return self.how is not None

    def density(self, x: np.ndarray) -> Density:
        """The kernel density of measurements, with the background."""
        return density_of(self.frame, x, self.background)

    def carried(
        self, weight: float, bias: float, initial: Density | Ensemble, saveat: list[float] | None = None
    ) -> Solution:
        """What the network with these parameters does until t1. `InputError` if the solve fails."""
        try:
            return solve(self.frame.equation(weight, bias), initial, t1=self.t1, saveat=saveat)
        except RuntimeError as error:
            raise InputError(f"the solve failed for these parameters. {error}") from error

    def train(self, x: np.ndarray, updates: int, learning_rate: float | None, progress: bool = False) -> Retraining:
        """The network for measurements x: W2^2 / 2 between their density at t1 and the target, made small by `rprop`.

        Where classes count, the loss is a well with a kink at its bottom, between plateaus where no measurement is near
        the threshold: there the slope is smaller by decades, and right all the same. Beyond the walls it is rounding,
        so that the threshold is kept a cell away from them.

        The gradient is that of the adjoint transport equation on a density. Along particles it would be zero: all are
        at a wall in the end, and a small change of the network moves none of them to the other.
        """
        rate = self.learning_rate if learning_rate is None else learning_rate
        optimizer = optax.chain(rprop(rate), _divides_within(self.frame)) if self.classes else rprop(rate)
        try:
            return retrain(
                self.frame.equation(self.weight, self.bias),
                self.density(x),
                WassersteinLoss(self.target),
                t1=self.t1,
                optimizer=optimizer,
                max_updates=updates,
                tolerance=_TOLERANCE * rate,
                progress=progress,
            )
        except ValueError as error:
            raise InputError(f"the network cannot be retrained for these measurements: {error}") from error


def _divides_within(frame: Frame) -> optax.GradientTransformation:
    """Changes the bias in an update so that the threshold -b / w stays a cell away from the walls."""
    faces = np.asarray(frame.grid(CELLS).faces)

    def update(steps: Any, net: Any) -> Any:
        weight = net.weight.value + steps.weight.value
        inside = jnp.clip(net.bias.value + steps.bias.value, -weight * faces[-2], -weight * faces[1])
        # A network of negative weight has no threshold.
        step = jnp.where(weight > 0, inside - net.bias.value, steps.bias.value)
        return eqx.tree_at(lambda net: net.bias.value, steps, step)

    return optax.stateless(update)


def density_of(frame: Frame, x: np.ndarray, background: float = 0.0) -> Density:
    """The kernel density of measurements with Silverman's bandwidth, or all in one place if they are equal."""
    grid = frame.grid(CELLS)
    bandwidth = 0.0 if np.all(x == x[0]) else None
    kernels = Density.from_samples(frame.inside(x), grid, bandwidth)
    return Density(grid, (1.0 - background) * kernels.values + background / grid.length)


def parameters(trained: Retraining) -> list[tuple[float, float]]:
    """Weight and bias in each row of the history."""
    field = trained.history.parameters
    return list(zip(field.weight.value.tolist(), field.bias.value.tolist(), strict=True))
