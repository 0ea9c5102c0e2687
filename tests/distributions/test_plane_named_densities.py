"""Densities in two dimensions: normal and uniform distributions, functions, points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from tests.distributions.plane_cases import COVARIANCE, GRID, MEAN, exact_averages, gaussian


def normal(x, y, covariance=COVARIANCE):
    inverse = np.linalg.inv(covariance)
    x, y = x - MEAN[0], y - MEAN[1]
    square = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2
    return np.exp(-0.5 * square) * np.sqrt(np.linalg.det(inverse)) / (2 * np.pi)


def test_correlated_gaussians_to_twelve_digits():
    density = gaussian()
    exact = exact_averages(normal, density.grid)
    np.testing.assert_allclose(density.values, exact, rtol=0, atol=1e-12 * exact.max())
    # Where the exact ones have digits.
    bulk = exact > 1e-8 * exact.max()
    np.testing.assert_allclose(np.asarray(density.values)[bulk], exact[bulk], rtol=1e-12)


def test_independent_components_are_exact_products():
    """Also where a cell is many standard deviations wide, as a covariance too."""
    std = np.array([0.05, 0.8])
    x, y = (np.asarray(kn.Density.gaussian(MEAN[axis], std[axis], line).values) for axis, line in enumerate(GRID.axes))
    product = x[:, None] * y[None, :]
    np.testing.assert_allclose(kn.Density.gaussian(MEAN, std, GRID).values, product, rtol=1e-13)
    np.testing.assert_allclose(
        kn.Density.gaussian(MEAN, np.diag(std**2), GRID).values, product, rtol=1e-11, atol=1e-300
    )
    even = kn.Density.gaussian(MEAN, 0.8, GRID).values
    np.testing.assert_allclose(even, kn.Density.gaussian(MEAN, [0.8, 0.8], GRID).values, rtol=1e-14)


def test_uniform_and_functions():
    density = kn.Density.uniform((-1.97, 0.1), (0.51, 2.0), GRID)
    x, y = (np.diff(np.asarray(f).clip(*ends)) for f, ends in zip(GRID.faces, ((-1.97, 0.51), (0.1, 2.0)), strict=True))
    np.testing.assert_allclose(density.values, np.outer(x, y) / (2.48 * 1.9) / float(GRID.volume), rtol=1e-13)

    @jax.jit
    def given_by_functions(grid):
        cubic = kn.Density.from_function(lambda p: 20.0 + p[0] ** 3 * p[1] + p[1] ** 5, grid)
        unit = kn.Density.from_function(lambda p: jnp.exp(-p @ p), grid, normalize=True)
        return cubic.values, unit.mass

    cubic, mass = given_by_functions(GRID)
    np.testing.assert_allclose(cubic, exact_averages(lambda x, y: 20.0 + x**3 * y + y**5, GRID), rtol=1e-13)
    np.testing.assert_allclose(mass, 1.0, rtol=1e-14)


@jax.jit
def of_dirac(point, direction):
    """How its mean moves when it moves in a direction, its averages, mass and mean: one program for all places."""

    def mean(point):
        density = kn.Density.dirac(point, GRID)
        return density.mean, (density.values, density.mass, density.mean)

    _, slope, rest = jax.jvp(mean, (point,), (direction,), has_aux=True)
    return slope, *rest


ALONG_X, ALONG_Y = np.eye(2)


@pytest.mark.slow
@pytest.mark.parametrize(("x", "y"), [(0.3, 0.4), (-1.7, 2.29), (2.69, -0.8), (1.111, 0.0)])
def test_diracs_have_their_mean(x, y):
    _, values, mass, mean = of_dirac(np.array([x, y]), ALONG_X)
    np.testing.assert_allclose(mean, [x, y], atol=1e-12)
    np.testing.assert_allclose(mass, 1.0, rtol=1e-13)
    assert np.sum(np.asarray(values) > 1e-12) <= 4


@pytest.mark.slow
@given(x=st.floats(-1.7, 2.7), y=st.floats(-0.8, 2.3))
def test_diracs_anywhere_have_their_mean(x, y):
    test_diracs_have_their_mean(x, y)


@pytest.mark.slow
def test_diracs_at_corners_and_their_derivative():
    volume = 5 / 12 * 3.5 / 12
    for corner, cell in (((-2.0, 2.5), (0, -1)), ((3.0, -1.0), (-1, 0))):
        np.testing.assert_allclose(of_dirac(np.array(corner), ALONG_X)[1][cell] * volume, 1.0, rtol=1e-14)
    for direction in (ALONG_X, ALONG_Y):
        np.testing.assert_allclose(of_dirac(np.array([0.3, 0.4]), direction)[0], direction, atol=1e-6)
