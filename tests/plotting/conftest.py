"""Fixtures that several files share. Solutions are put together from closed forms: the tests draw hundreds of curves and
solve nothing. The docstrings draw what `kn.solve` returns."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import kinetic_nde as kn
from experiments.figure4 import exact_masses
from tests.plotting.solutions import CELLS, COVARIANCE, LOWER, UPPER, paths_of, put_together


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def spikes():
    """A uniform density between walls at 2 and 8 that tanh(x - 5) turns into two point masses."""
    grid, ts = kn.Grid(2.0, 8.0, 200), [0.0, 1.0, 2.0, 12.0]
    return put_together([kn.Density(grid, exact_masses(np.asarray(grid.faces), t) / 0.03) for t in ts], ts)


@pytest.fixture(scope="session")
def gaussian():
    """N(1, e^-2t), which stays wide enough for its grid until t = 1."""
    grid, ts = kn.Grid(-7.0, 9.0, 200), np.linspace(0.0, 1.0, 11)
    return put_together([kn.Density.gaussian(1.0, np.exp(-t), grid) for t in ts], ts)


@pytest.fixture(scope="session")
def paths():
    """A hundred particles between the same walls."""
    ts = np.linspace(0.0, 8.0, 9)
    z = np.linspace(-2.5, 2.5, 100)
    return paths_of(ts, np.clip(5.0 + np.arcsinh(np.exp(ts)[:, None] * np.sinh(z)), 2.0, 8.0))


# In the plane


@pytest.fixture(scope="session")
def grid():
    return kn.Grid(LOWER, UPPER, CELLS)


@pytest.fixture(scope="session")
def tilted(grid):
    return kn.Density.gaussian((0.0, 1.0), COVARIANCE, grid)


@pytest.fixture(scope="session")
def corners(grid):
    """A tenth, two, three and four tenths of the mass at the corners of the grid."""
    masses = np.zeros(CELLS)
    masses[0, 0], masses[-1, 0], masses[0, -1], masses[-1, -1] = 0.1, 0.2, 0.3, 0.4
    return kn.Density(grid, masses / float(grid.volume))


@pytest.fixture(scope="session")
def falling(grid):
    """Onto (1, 2), by (0, 1 / 2, 4 / 5) of the way."""
    return put_together([kn.Density.gaussian((s, 1.0 + s), 1.0 - s, grid) for s in (0.0, 0.5, 0.8)])


@pytest.fixture(scope="session")
def plane_paths():
    rng = np.random.default_rng(0)
    return put_together([kn.Ensemble(rng.normal(size=(40, 2)) * s) for s in (1.0, 0.5, 0.2)])


# On a line


@pytest.fixture(scope="session")
def line():
    flat = kn.Grid(0.0, 1.0, 40)
    return put_together([kn.Density.gaussian(0.5, std, flat) for std in (0.2, 0.15, 0.1)])
