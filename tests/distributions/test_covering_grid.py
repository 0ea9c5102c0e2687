"""Grids that cover a mean field: the mass stays inside, an end with a wall is the wall, parameters may jump."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.closed_forms import flow

NET = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [1.5, -2.0]), 0.7, kn.Identity())
ENSEMBLE = kn.Ensemble(np.random.default_rng(0).normal(size=1000))


def test_the_outermost_characteristic_turns_where_the_weight_jumps():
    """It is furthest out at t = 1; the wall on the other side is the end there."""
    grid = kn.Grid.covering(kn.MeanField(NET, walls=(None, 3.5)), ENSEMBLE, t1=2.0, cells=50)
    turning = float(flow(kn.Identity(), 1.5, 0.7, 1.0, np.min(np.asarray(ENSEMBLE.samples))))
    assert float(grid.upper) == 3.5 and grid.cells == 50
    np.testing.assert_allclose(float(grid.lower), turning - 2 * (3.5 - turning) / 50, rtol=1e-5)


def test_at_once_it_covers_the_data_with_two_cells_to_spare():
    grid = kn.Grid.covering(kn.MeanField(NET), kn.Ensemble([-1.0, 0.5, 2.0]), t1=0.0, cells=60)
    np.testing.assert_allclose([grid.lower, grid.upper], [-1.1, 2.1], rtol=1e-14)
    walled = kn.Grid.covering(kn.MeanField(NET, walls=(-3.5, None)), kn.Ensemble([-1.0, 2.0]), t1=0.0, cells=60)
    np.testing.assert_allclose([walled.lower, walled.upper], [-3.5, 2.1], rtol=1e-14)
    density = kn.Density.uniform(-1.0, 0.5, kn.Grid(-2.0, 3.0, 40))
    of_density = kn.Grid.covering(kn.MeanField(NET), density, t1=0.0, cells=60)
    np.testing.assert_allclose([of_density.lower, of_density.upper], [-1.05, 0.55], atol=1e-9)


@pytest.mark.slow
def test_parameters_that_jump_where_a_step_ends():
    """Steps of t1 / 256 arrive within a rounding of 0.2, where the slope of b jumps."""
    density = kn.Density.gaussian(0.5, 0.6, kn.Grid(-9.0, 9.0, 400))
    bounds = []
    for knot in (0.2, 0.2 + 1e-7):
        net = kn.SimResNet(0.5, kn.Interpolated([0.0, knot, 0.5], [0.1, 0.6, -0.2]), kn.Identity())
        grid = kn.Grid.covering(kn.MeanField(net), density, t1=0.8, cells=400)
        bounds.append([grid.lower, grid.upper])
    np.testing.assert_allclose(*bounds, rtol=1e-6)


@pytest.mark.slow
def test_the_mass_stays_inside():
    equation = kn.MeanField(NET)
    grid = kn.Grid.covering(equation, ENSEMBLE, t1=2.0, cells=300)
    paths = kn.solve(equation, ENSEMBLE, t1=2.0, saveat=np.linspace(0, 2, 101))
    assert float(jnp.min(paths.distributions.samples)) > float(grid.lower)
    assert float(jnp.max(paths.distributions.samples)) < float(grid.upper)
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-9.0, 9.0, 400))
    wide = kn.Grid.covering(equation, density, t1=2.0, cells=900)
    lost = kn.solve(equation, density.on(kn.Grid(wide.lower, wide.upper, 900)), t1=2.0).stats["mass_lost"]
    assert float(lost) < 1e-12
    walled = kn.Grid.covering(kn.MeanField(equation.field, walls=(-3.5, None)), ENSEMBLE, t1=2.0, cells=50)
    assert float(walled.lower) == -3.5


def test_bad_input():
    equation = kn.MeanField(NET)
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda t1: kn.Grid.covering(equation, ENSEMBLE, t1, 10))(1.0)
    with pytest.raises(TypeError, match="takes a kn.MeanField"):
        kn.Grid.covering(NET, ENSEMBLE, 1.0, 10)
    with pytest.raises(TypeError, match="noise carries mass"):
        kn.Grid.covering(kn.FokkerPlanck(NET, nu=1.0), ENSEMBLE, 1.0, 10)
    for t1 in (-1.0, np.inf):
        with pytest.raises(ValueError, match="t1 must be finite and not negative"):
            kn.Grid.covering(equation, ENSEMBLE, t1, 10)
