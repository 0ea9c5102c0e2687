"""Moments of a density in one dimension: exact where its parabolas are, and of third order."""

import jax
import numpy as np
import pytest
from numpy.polynomial import Polynomial

import kinetic_nde as kn
from tests.closed_forms import order

POLYNOMIAL = Polynomial([1.0, -0.6, 0.3])
CELLS = [40, 80, 160]


@jax.jit
def moments(density):
    """One program for each number of cells."""
    return [density.moment(k) for k in range(5)], [density.mean, density.variance, density.energy]


@jax.jit
def parabola(grid):
    return kn.Density.from_function(lambda x: 1.0 - 0.6 * x + 0.3 * x**2, grid)


def gaussian(cells):
    return kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 8.0, cells))


@pytest.mark.parametrize("cells", [pytest.param(20, marks=pytest.mark.slow), *CELLS])
def test_they_are_exact_for_a_parabola(cells):
    """The averages of a polynomial of degree 2 give it back, up to what the nonlinear weights do: none where it is flat
    on the scale of the cells."""
    density = parabola(kn.Grid(0.0, 1.0, cells))
    primitive = [(Polynomial([0.0, 1.0]) ** k * POLYNOMIAL).integ()(1.0) for k in range(5)]
    errors = [abs(float(moment) - exact) for moment, exact in zip(moments(density)[0], primitive, strict=True)]
    assert errors[0] < 1e-14 and max(errors) < 0.05 * cells**-4.0


def largest_errors(sizes):
    exact = [1, 0.5, 0.25 + 0.64, 0.125 + 3 * 0.5 * 0.64]
    return [np.max(np.abs(np.array(moments(gaussian(n))[0][:4]) - exact)) for n in sizes]


@pytest.mark.parametrize("cells", [CELLS, pytest.param([50, 100, 200, 400], marks=pytest.mark.slow)])
def test_those_of_a_gaussian_converge_at_third_order_or_better(cells):
    assert order(cells, largest_errors(cells)) > 3
    finest = moments(gaussian(cells[-1]))[1]
    np.testing.assert_allclose(finest, [0.5, 0.64, 0.89], atol=1e-6 * max(1.0, (400 / cells[-1]) ** 3))


def test_called_one_by_one_they_are_the_same():
    density = gaussian(40)
    (_, _, _, third, _), (mean, variance, energy) = moments(density)
    np.testing.assert_allclose(
        [density.moment(3), density.mean, density.variance, density.energy], [third, mean, variance, energy], rtol=1e-12
    )
