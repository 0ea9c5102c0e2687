"""The problem that everybody solves: u_t + (tanh(x + 0.3) u)_x = 0 on [-8, 8] from the standard normal density, to t = 1.

The flow map is closed, sinh(z(t)) = e^t sinh(z(0)) with z = x + 0.3, so that each cell average is known: the difference of the normal distribution
function at the faces carried back.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

import kinetic_nde as kn

LOWER, UPPER, WEIGHT, BIAS, T1 = -8.0, 8.0, 1.0, 0.3, 1.0
CFL = 0.45  # the default of kn.FiniteVolume


def grid(cells: int) -> kn.Grid:
    """`cells` cells on [-8, 8]."""
    return kn.Grid(LOWER, UPPER, cells)


def equation(bias=BIAS) -> kn.MeanField:
    """dx/dt = tanh(x + bias) between walls at the ends of the grid, as the C loop has them."""
    return kn.MeanField(kn.SimResNet(WEIGHT, bias, kn.Tanh()), walls=(LOWER, UPPER))


def initial(cells: int) -> kn.Density:
    """The standard normal density."""
    return kn.Density.gaussian(0.0, 1.0, grid(cells))


def velocity(x: np.ndarray) -> np.ndarray:
    """tanh(x + 0.3), without the walls."""
    return np.tanh(WEIGHT * x + BIAS)


def carried_back(x: np.ndarray, t: float = T1) -> np.ndarray:
    """Where what is at x at time t has come from."""
    return np.arcsinh(np.exp(-t) * np.sinh(x + BIAS)) - BIAS


class Nodes(NamedTuple):
    """The numbers of one grid that those need who do not take a `kn.Grid`."""

    width: float
    centers: np.ndarray
    faces: np.ndarray
    speed: float
    """The largest |v| at an inner face."""

    @property
    def steps(self) -> int:
        """The number of equal steps to t = 1 with a Courant number of at most 0.45."""
        return int(np.ceil(T1 * self.speed / (CFL * self.width)))


def nodes(cells: int) -> Nodes:
    """Width, centers and faces of the grid with that many cells."""
    faces = np.linspace(LOWER, UPPER, cells + 1)
    speed = float(np.max(np.abs(velocity(faces[1:-1]))))
    return Nodes((UPPER - LOWER) / cells, 0.5 * (faces[:-1] + faces[1:]), faces, speed)


def initial_averages(cells: int) -> np.ndarray:
    """Cell averages at t = 0, exact."""
    at = nodes(cells)
    return np.diff(norm.cdf(at.faces)) / at.width


def error_of_averages(averages: np.ndarray) -> float:
    """The L1 distance of cell averages at t = 1 from the exact ones."""
    at = nodes(len(averages))
    exact = np.diff(norm.cdf(carried_back(at.faces))) / at.width
    return float(np.sum(np.abs(averages - exact)) * at.width)


def error_of_values(values: np.ndarray) -> float:
    """The same for a method whose unknowns are the values at the centers: against the exact density there, g0(y) dy/dx with y the point carried back."""
    at = nodes(len(values))
    start = carried_back(at.centers)
    exact = norm.pdf(start) * np.exp(-T1) * np.cosh(at.centers + BIAS) / np.cosh(start + BIAS)
    return float(np.sum(np.abs(values - exact)) * at.width)
