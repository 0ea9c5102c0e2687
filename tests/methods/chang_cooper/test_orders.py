"""The implicit Fokker-Planck solver: orders, steps that follow a tolerance, parameters that depend on time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

import kinetic_nde as kn
from tests.closed_forms import order
from tests.methods.chang_cooper.cases import CELLS, in_time, often, run
from tests.steady_laws import IDENTITY, equation


def transition(faces, mean, std, w, nu, t):
    """Cell masses of an Ornstein-Uhlenbeck process that starts as a Gaussian."""
    variance = std**2 * np.exp(2 * w * t) + nu**2 * (np.exp(2 * w * t) - 1) / (2 * w)
    return np.diff(ndtr((faces - mean * np.exp(w * t)) / np.sqrt(variance)))


def test_second_order_in_space_and_first_in_time():
    """Finer grids are smaller ones, all with room for the density: one compiled program."""
    law = equation(IDENTITY, -1.0, 0.0, 1.0)
    errors, reaches = [], (10.0, 7.0, 5.0)
    for reach in reaches:
        grid = kn.Grid(-reach, reach, CELLS)
        start, exact = (
            transition(np.asarray(grid.faces), 0.6, 0.6, -1.0, 1.0, t) / float(grid.width) for t in (0.0, 0.5)
        )
        errors.append(float(jnp.sum(jnp.abs(in_time(law, kn.Density(grid, start), 0.5) - exact)) * grid.width))
    assert 1.85 < order(1 / np.array(reaches), errors) < 2.15, errors
    start = kn.Density.gaussian(1.0, 0.6, kn.Grid(-5.0, 5.0, CELLS))
    many = in_time(law, start, 0.5, 32)
    of_steps = [float(jnp.sum(jnp.abs(often(law, start, 0.5, times).values - many))) for times in (2, 4, 8)]
    assert 0.95 < order((2, 4, 8), of_steps) < 1.1, of_steps


def test_adaptive_steps_are_as_good_as_their_tolerance_and_grow():
    grid = kn.Grid(-5.0, 5.0, CELLS)
    start = kn.Density.uniform(1.0, 2.0, grid)
    law = equation(IDENTITY, -1.0, 0.0, 1.0)
    precise = in_time(law, start, 1.0, 32)
    errors, counts = [], []
    for tolerance in (1e-2, 1e-3, 1e-4):
        solution = run(law, start, 1.0, tolerance=tolerance)
        errors.append(float(jnp.sum(jnp.abs(solution.final.values - precise)) * grid.width))
        counts.append(int(solution.stats["steps"]))
        assert errors[-1] < tolerance * counts[-1]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    # Errors of second order in a step: ten times as precise takes three times as many.
    assert 2 < counts[1] / counts[0] < 4.5 and 2.5 < counts[2] / counts[1] < 4
    # Of the whole time's first steps, which jump to the end, none is taken before those that resolve the way there.
    assert counts[2] < int(run(law, start, 1e6).stats["steps"]) < counts[2] + 100


@pytest.mark.slow
@pytest.mark.parametrize("tolerances", [(1e-2, 1e-3, 1e-4), (1e-3, 1e-4, 1e-6)])
def test_layers_and_smooth_parameters_in_time(tolerances):
    """The mean of an Ornstein-Uhlenbeck process with w in layers and b(t): m' = w m + b. Other numbers do not retrace."""
    counted = []

    class Wave(eqx.Module):
        size: jax.Array

        def __call__(self, t):
            counted.append(1)
            return self.size * jnp.cos(3 * t)

    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3], [-1.0, -3.0]), Wave(jnp.array(1.2)), kn.Identity())
    law, start = kn.FokkerPlanck(net, 0.7), kn.Density.gaussian(1.0, 0.4, kn.Grid(-3.0, 3.0, CELLS))
    part = lambda w, low, high: quad(lambda s: np.exp(w * (high - s)) * 1.2 * np.cos(3 * s), low, high)[0]
    exact = (np.exp(-0.3) + part(-1, 0, 0.3)) * np.exp(-2.1) + part(-3, 0.3, 1)
    limit = None if tolerances[-1] == 1e-6 else 500
    means, calls = [], []
    for tolerance in tolerances:
        means.append(float(run(law, start, 1.0, tolerance=tolerance, max_steps=limit).final.mean))
        calls.append(len(counted))
    other = kn.Density(kn.Grid(-2.0, 2.0, CELLS), start.values)
    run(eqx.tree_at(lambda law: law.nu, law, jnp.array(1.0)), other, 2.0, max_steps=limit)
    # Each call looks at the shape of b, no more.
    assert [*np.diff(calls), len(counted) - calls[-1]] == [1, 1, 1]
    # What is left is the error of the grid, whose cells have a drift of up to five times the diffusion.
    assert abs(means[2] - exact) < 2e-2
    assert 2 < (means[0] - means[2]) / (means[1] - means[2]) < 5, means
    if limit:
        early = run(law, start, 1.0, tolerance=1e-6, max_steps=limit, throw=False)
        assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) == limit
