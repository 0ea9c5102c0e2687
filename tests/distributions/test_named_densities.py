"""Densities of a point, of an interval, of a normal distribution, in one dimension; and averages that are none."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn

GRID = kn.Grid(-2.0, 3.0, 40)


@jax.jit
def of_dirac(x):
    """Its averages, mass, mean and variance, and the derivative of the mean: one program for all places."""

    def mean(x):
        density = kn.Density.dirac(x, GRID)
        return density.mean, (density.values, density.mass, density.mean, density.variance)

    slope, rest = jax.grad(mean, has_aux=True)(x)
    return *rest, slope


@given(x=st.floats(-1.9, 2.9))
def test_dirac_has_its_mean(x):
    values, mass, mean, variance, slope = of_dirac(np.float64(x))
    assert abs(float(mean) - x) < 1e-12 and abs(float(mass) - 1) < 1e-12
    assert np.sum(np.asarray(values) > 1e-12) <= 2
    assert float(variance) <= float(GRID.width) ** 2 / 2
    np.testing.assert_allclose(slope, 1.0, atol=1e-6)


def test_dirac_near_an_end_and_outside():
    assert float(of_dirac(np.float64(-2.0))[0][0]) * 0.125 == 1.0
    assert float(of_dirac(np.float64(3.0))[0][-1]) * 0.125 == 1.0
    with pytest.raises(ValueError, match="outside the grid"):
        kn.Density.dirac(3.1, GRID)


def test_uniform_overlaps_exactly():
    density = kn.Density.uniform(-1.97, 0.51, GRID)
    faces = np.clip(np.asarray(GRID.faces), -1.97, 0.51)
    np.testing.assert_allclose(density.values, np.diff(faces) / 2.48 / 0.125, rtol=1e-14)
    assert abs(float(density.mass) - 1) < 1e-14
    for bad in ((1.0, 1.0), (1.0, 0.0), (-2.5, 0.0), (0.0, 4.0)):
        with pytest.raises(ValueError, match="inside the grid"):
            kn.Density.uniform(*bad, GRID)


def test_gaussian_tails_have_digits_on_both_sides():
    density = kn.Density.gaussian(0.0, 0.2, GRID)
    faces = np.asarray(GRID.faces)
    exact = np.where(
        faces[:-1] > 0,
        norm.sf(faces[:-1] / 0.2) - norm.sf(faces[1:] / 0.2),
        norm.cdf(faces[1:] / 0.2) - norm.cdf(faces[:-1] / 0.2),
    )
    np.testing.assert_allclose(np.asarray(density.values) * 0.125, exact, rtol=1e-10)
    with pytest.raises(ValueError, match="std > 0"):
        kn.Density.gaussian(0.0, 0.0, GRID)


@pytest.mark.parametrize(
    "values", [np.full(40, -1.0), [-1e-10] + [1.0] * 39, [np.nan] * 40, [np.inf] + [1.0] * 39, np.zeros(40)]
)
def test_bad_averages_are_refused(values):
    with pytest.raises(ValueError, match="averages"):
        kn.Density(GRID, values)


def test_bad_shapes_are_refused_and_rounding_accepted():
    with pytest.raises(ValueError, match=r"needs averages of shape \(40,\), got \(39,\)"):
        kn.Density(GRID, np.ones(39))
    with pytest.raises(TypeError):
        kn.Density(40, np.ones(40))  # pyright: ignore[reportArgumentType]
    kn.Density(GRID, [-0.5e-14] + [1.0] * 39)
