"""The unit that a network is trained in, and the way back to that of the measurements."""

from typing import NamedTuple

import numpy as np

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid
from ..equations.mean_field import MeanField
from ..network.activations import Tanh
from ..network.simresnet import SimResNet


class Network(NamedTuple):
    """dx/dt = tanh(weight x + bias), in the unit of the measurements."""

    weight: float
    bias: float


class Frame(NamedTuple):
    """Measurements x as u = (x - centre) / unit, between walls at `lowest` and `highest`.

    The weight w of a network in u is w / unit in x, its bias b is b - w centre / unit, and the time t is t unit.
    """

    centre: float
    unit: float
    lowest: float
    highest: float

    @property
    def walls(self) -> tuple[float, float]:
        """The ends in u."""
        return (self.lowest - self.centre) / self.unit, (self.highest - self.centre) / self.unit

    def inside(self, x: np.ndarray) -> np.ndarray:
        """u for measurements from wall to wall, which rounding must not carry past one."""
        return np.clip((x - self.centre) / self.unit, *self.walls)

    def measured(self, u: np.ndarray) -> np.ndarray:
        """x; what is at a wall is exactly at that end."""
        low, high = self.walls
        x = np.clip(self.centre + self.unit * u, self.lowest, self.highest)
        return np.where(u <= low, self.lowest, np.where(u >= high, self.highest, x))

    def grid(self, cells: int) -> Grid:
        """From wall to wall."""
        return Grid(*self.walls, cells)

    def density(self, density: Density) -> Density:
        """A density of u as one of x."""
        return Density(Grid(self.lowest, self.highest, density.grid.cells), density.values / self.unit)

    def ensemble(self, x: np.ndarray) -> Ensemble:
        """Measurements as particles in u."""
        return Ensemble(self.inside(x))

    def equation(self, weight: float, bias: float) -> MeanField:
        """The mean field of the network with these parameters in u."""
        return MeanField(SimResNet(weight, bias, Tanh()), walls=self.walls)

    def network(self, weight: float, bias: float) -> Network:
        """The network with these parameters in u.

        >>> Frame(centre=100.0, unit=10.0, lowest=0.0, highest=200.0).network(10.0, 0.0)
        Network(weight=1.0, bias=-100.0)
        """
        return Network(weight / self.unit, bias - weight * (self.centre / self.unit))

    def threshold(self, weight: float, bias: float) -> float | None:
        """Where a network with these parameters in u divides, None where it brings together instead.

        >>> Frame(centre=100.0, unit=10.0, lowest=0.0, highest=200.0).threshold(10.0, -2.0)
        102.0
        """
        return self.centre - self.unit * bias / weight if weight > 0 else None
