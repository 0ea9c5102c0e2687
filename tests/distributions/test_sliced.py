"""Sliced Wasserstein distances: of samples, and of densities in two dimensions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import wasserstein_distance

import kinetic_nde as kn
from kinetic_nde.distributions.points import points_of_plane
from kinetic_nde.distributions.sliced import directions
from tests.distributions.clouds import cloud, distance
from tests.distributions.optimal_transport import ot
from tests.distributions.plane_cases import BOX, COVARIANCE, GRID, MEAN

seeds = st.integers(0, 10**6)


# One number of samples and of directions for all tests: one compiled program for each order.
def sliced(x, y, p=1, seed=0):
    return distance(x, y, p, projections=25, key=jax.random.key(seed))


def drawn(seed=0):
    return np.asarray(directions(jax.random.key(seed), 25, 2, np.dtype(float)))


@given(seed=seeds, p=st.sampled_from([1, 2]))
def test_sliced_it_is_pots(seed, p):
    x, y = cloud(seed), cloud(seed + 1)
    exact: Any = ot.sliced_wasserstein_distance(x, y, projections=drawn(seed).T, p=p)
    np.testing.assert_allclose(sliced(x, y, p, seed), exact, rtol=1e-10)


@pytest.mark.parametrize("p", [1, 2])
def test_sliced_a_shift_is_as_long_as_it_is_seen(p):
    x, shift = cloud(7), np.array([3.0, -4.0])
    exact = np.mean(np.abs(drawn() @ shift) ** p) ** (1 / p)
    np.testing.assert_allclose(sliced(x, x + shift, p), exact, rtol=1e-12)


def test_directions_are_uniform_on_the_sphere():
    """So that a shift by h has, over all of them, SW_2 = |h| / sqrt(d), and in the plane SW_1 = 2 |h| / pi."""
    shift = np.array([3.0, -4.0])
    seen = np.asarray(directions(jax.random.key(0), 10**5, 2, np.dtype(float))) @ shift
    np.testing.assert_allclose([np.sqrt(np.mean(seen**2)), np.mean(np.abs(seen))], [5 / 2**0.5, 10 / np.pi], rtol=0.01)
    space = np.asarray(directions(jax.random.key(0), 10**5, 3, np.dtype(float)))
    np.testing.assert_allclose(np.linalg.norm(space, axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(space.T @ space / 1e5, np.eye(3) / 3, atol=0.01)


@given(seed=seeds)
def test_sliced_is_a_distance_below_the_exact_one(seed):
    x, y, z = (cloud(seed + k) for k in range(3))
    xy = sliced(x, y, 2)
    np.testing.assert_allclose(sliced(y, x, 2), xy, rtol=1e-12)
    assert sliced(x, z, 2) <= xy + sliced(y, z, 2) + 1e-12
    assert sliced(x, x, 2) < 1e-12 < xy <= distance(x, y, 2)
    assert sliced(x, y, 2, seed=1) != xy


def test_sliced_of_samples_on_an_axis_is_their_distance_as_it_is_seen():
    x, y = cloud(8), cloud(9)
    x[:, 1] = y[:, 1] = 0.0
    exact = np.mean(np.abs(drawn()[:, 0])) * wasserstein_distance(x[:, 0], y[:, 0])
    np.testing.assert_allclose(sliced(x, y), exact, rtol=1e-12)


@pytest.mark.slow
def test_the_gradient_of_a_sliced_distance():
    x, shift = jnp.asarray(cloud(7)), jnp.array([3.0, -4.0])
    value = lambda h: kn.wasserstein(kn.Ensemble(x), kn.Ensemble(x + h[None]), projections=25, key=jax.random.key(0))
    exact = np.mean(np.sign(drawn() @ shift)[:, None] * drawn(), axis=0)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(shift), exact, rtol=1e-12)


# Densities in the plane


def test_gauss_points_have_the_mass_and_the_mean():
    density = kn.Density(GRID, np.random.default_rng(0).uniform(0.1, 1.0, (12, 12)))
    points = jax.jit(points_of_plane)(density)
    assert points.x.shape == (4 * 144, 2)
    np.testing.assert_allclose(points.mass, density.mass, rtol=1e-13)
    np.testing.assert_allclose(points.weight @ points.x / points.mass, density.mean, rtol=1e-12)


KEY = jax.random.key(1)


def seen_by_key():
    return np.asarray(directions(KEY, 20, 2, np.dtype(np.float64)))


@pytest.mark.slow
def test_between_a_density_and_samples_at_its_gauss_points_it_is_a_shift():
    """Those of a uniform density weigh the same, as samples do. The way back is a slow test below."""
    density, seen, shift = kn.Density(GRID, np.ones((12, 12))), seen_by_key(), np.array([3.0, -2.0])
    samples = np.asarray(jax.jit(points_of_plane)(density).x)

    def there(by):
        return kn.wasserstein(density, kn.Ensemble(samples + by[None]), order=2, projections=20, key=KEY)

    found, slope = jax.jit(jax.value_and_grad(there))(shift)
    exact = np.sqrt(np.mean((seen @ shift) ** 2))
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    np.testing.assert_allclose(slope, (seen @ shift) @ seen / 20 / exact, rtol=1e-9)


def errors_between_gaussians(n):
    """A direction sees (difference of means)^2 + (difference of standard deviations)^2; here relative to that, for two
    shifts, of which the second changes the covariance too."""
    shift, other, seen = np.array([-0.9, 0.7]), np.array([[0.4, -0.1], [-0.1, 0.7]]), seen_by_key()
    std = lambda covariance: np.sqrt(np.einsum("pi,ij,pj->p", seen, covariance, seen))
    grid, errors = kn.Grid(*BOX, n), []
    p = kn.Density.gaussian(MEAN, COVARIANCE, grid)
    for covariance in (COVARIANCE, other):
        q = kn.Density.gaussian(MEAN + shift, covariance, grid)
        exact = np.sqrt(np.mean((seen @ shift) ** 2 + (std(COVARIANCE) - std(covariance)) ** 2))
        errors.append(abs(float(kn.wasserstein(p, q, 2, projections=20, key=KEY)) / exact - 1))
    assert float(kn.wasserstein(p, p, 2, projections=20, key=KEY)) == 0
    return errors


@pytest.mark.slow
def test_between_gaussians():
    assert max(errors_between_gaussians(16)) < 4e-3


@pytest.mark.slow
def test_between_gaussians_with_an_error_of_second_order():
    errors = [errors_between_gaussians(n) for n in (16, 32)]
    assert max(errors[1]) < 1e-3 and errors[1][0] < 0.3 * errors[0][0]


@pytest.mark.slow
def test_between_a_gaussian_and_its_samples():
    p, seen = kn.Density.gaussian(MEAN, COVARIANCE, kn.Grid(*BOX, 32)), seen_by_key()
    samples = kn.Ensemble(p.sample(KEY, 4000))
    there, back = (kn.wasserstein(*pair, order=2, projections=20, key=KEY) for pair in ((p, samples), (samples, p)))
    np.testing.assert_allclose(there, back, rtol=1e-12)
    assert float(there) < 0.04
    moved = lambda by: kn.wasserstein(
        kn.Density(p.grid, p.values), kn.Ensemble(samples.samples + by[None]), 2, projections=20, key=KEY
    )
    size = jnp.array([3.0, -2.0])
    unit = (seen @ size) @ seen / 20 / float(np.sqrt(np.mean((seen @ size) ** 2)))
    np.testing.assert_allclose(jax.grad(moved)(size), unit, rtol=0.02)


def test_bad_input():
    x, key = kn.Ensemble(cloud(0)), jax.random.key(0)
    with pytest.raises(ValueError, match="projections= and key= together"):
        kn.wasserstein(x, x, projections=10)
    with pytest.raises(ValueError, match="projections= and key= together"):
        kn.wasserstein(x, x, key=key)
    for wrong in (0, jax.random.split(key, 3)):
        with pytest.raises(TypeError, match="key"):
            kn.wasserstein(x, x, projections=10, key=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="projections must be at least 1"):
        kn.wasserstein(x, x, projections=0, key=key)
