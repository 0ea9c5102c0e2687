"""Densities in two dimensions: normal and uniform distributions, functions, points, and their marginals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from tests.distributions.plane_cases import BOX, COVARIANCE, GRID, MEAN, computed, exact_averages, gaussian


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
    lines = [kn.Density.gaussian(MEAN[axis], std[axis], line).values for axis, line in enumerate(GRID.axes)]
    product = np.outer(*map(np.asarray, lines))
    np.testing.assert_allclose(kn.Density.gaussian(MEAN, std, GRID).values, product, rtol=1e-13)
    np.testing.assert_allclose(
        kn.Density.gaussian(MEAN, np.diag(std**2), GRID).values, product, rtol=1e-11, atol=1e-300
    )
    even = kn.Density.gaussian(MEAN, 0.8, GRID).values
    np.testing.assert_allclose(even, kn.Density.gaussian(MEAN, [0.8, 0.8], GRID).values, rtol=1e-14)


def test_uniform_and_functions():
    density = kn.Density.uniform((-1.97, 0.1), (0.51, 2.0), GRID)
    x, y = (
        np.diff(np.clip(np.asarray(f), *ends)) for f, ends in zip(GRID.faces, ((-1.97, 0.51), (0.1, 2.0)), strict=True)
    )
    np.testing.assert_allclose(density.values, np.outer(x, y) / (2.48 * 1.9) / float(GRID.volume), rtol=1e-13)
    cubic = kn.Density.from_function(lambda p: 20.0 + p[0] ** 3 * p[1] + p[1] ** 5, GRID)
    np.testing.assert_allclose(cubic.values, exact_averages(lambda x, y: 20.0 + x**3 * y + y**5, GRID), rtol=1e-13)
    unit = kn.Density.from_function(lambda p: jnp.exp(-p @ p), GRID, normalize=True)
    np.testing.assert_allclose(unit.mass, 1.0, rtol=1e-14)


@given(x=st.floats(-1.7, 2.7), y=st.floats(-0.8, 2.3))
def test_diracs_have_their_mean(x, y):
    density = kn.Density.dirac((x, y), GRID)
    np.testing.assert_allclose(density.mean, [x, y], atol=1e-12)
    np.testing.assert_allclose(density.mass, 1.0, rtol=1e-13)
    assert int(jnp.sum(density.values > 1e-12)) <= 4


def test_diracs_at_corners_and_their_derivative():
    np.testing.assert_allclose(kn.Density.dirac((-2.0, 2.5), GRID).values[0, -1] * GRID.volume, 1.0, rtol=1e-14)
    slope = jax.jacfwd(lambda x: kn.Density.dirac(x, GRID).mean)(jnp.array([0.3, 0.4]))
    np.testing.assert_allclose(slope, np.eye(2), atol=1e-6)


def test_conditionals_and_marginals_of_a_correlated_gaussian():
    density = gaussian(160)
    got = computed(density, (0.7, -0.6))
    for axis, at in ((0, 0.7), (1, -0.6)):
        line, other = density.grid.axes[axis], density.grid.axes[1 - axis]
        slope = COVARIANCE[0, 1] / COVARIANCE[axis, axis]
        mean = MEAN[1 - axis] + slope * (at - MEAN[axis])
        std = np.sqrt(COVARIANCE[1 - axis, 1 - axis] - slope * COVARIANCE[0, 1])
        exact = np.diff(norm(mean, std).cdf(other.faces)) / float(other.width)
        np.testing.assert_allclose(got["conditionals"][axis], exact, atol=1e-3)
        marginal = np.diff(norm(MEAN[axis], np.sqrt(COVARIANCE[axis, axis])).cdf(line.faces)) / float(line.width)
        np.testing.assert_allclose(got["marginals"][axis], marginal, atol=1e-7)
