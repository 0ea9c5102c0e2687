"""Samples in two dimensions: kernel density estimates, histograms, and sliced distances."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.distributions import product_kernels
from kinetic_nde.distributions.points import points_of_plane
from kinetic_nde.distributions.sliced import directions

# One shape for all, so that one program serves.
GRID = kn.Grid((-2.0, -1.0), (3.0, 2.5), (12, 12))
MEAN, COVARIANCE = np.array([0.3, -0.2]), np.array([[0.6, 0.3], [0.3, 0.5]])
BOX = (-4.5, -5.0), (5.0, 4.5)


def plain_sum(samples, grid, widths):
    """Products of the masses of all kernels and their mirror images, summed over the samples."""

    def along(axis):
        line, x = grid.axes[axis], samples[:, axis]
        faces, lower, upper = np.asarray(line.faces), float(line.lower), float(line.upper)
        images = (x, 2 * lower - x, 2 * upper - x)
        return sum(np.diff(norm.cdf((faces[None] - image[:, None]) / widths[axis])) for image in images)

    mass = along(0).T @ along(1)
    return mass / mass.sum() / float(grid.volume)


@given(seed=st.integers(0, 10**6), widths=st.tuples(*[st.floats(1e-3, 10.0)] * 2))
def test_kernel_density_is_the_sum_over_the_samples(seed, widths):
    samples = np.random.default_rng(seed).uniform([-2, -1], [3, 2.5], (300, 2))
    exact = plain_sum(samples, GRID, widths)
    np.testing.assert_allclose(
        kn.Density.from_samples(samples, GRID, widths).values, exact, rtol=0, atol=1e-13 * exact.max()
    )


def test_kernel_density_in_chunks_by_number_and_by_default(monkeypatch):
    samples = np.random.default_rng(1).uniform([-2, -1], [3, 2.5], (301, 2)) * [0.5, 0.4]
    monkeypatch.setattr(product_kernels, "_NUMBERS", 100 * 24)
    density = kn.Ensemble(samples).to_density(GRID, 0.3)
    np.testing.assert_allclose(density.values, plain_sum(samples, GRID, (0.3, 0.3)), rtol=0, atol=1e-13)
    spread = [min(x.std(), np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.34) for x in samples.T]
    default = plain_sum(samples, GRID, np.array(spread) * 301 ** (-1 / 6))
    np.testing.assert_allclose(kn.Density.from_samples(samples, GRID).values, default, rtol=0, atol=1e-13)


def test_histograms_count_every_sample_once():
    samples = np.random.default_rng(1).uniform([-2, -1], [3, 2.5], (300, 2))
    samples[0], samples[1], samples[2] = [3.0, 2.5], [-2.0, 2.5], [float(GRID.faces[0][5]), float(GRID.faces[1][7])]
    counts = np.histogram2d(*samples.T, bins=[np.asarray(faces) for faces in GRID.faces])[0]
    density = kn.Density.from_samples(samples, GRID, bandwidth=0)
    assert np.array_equal(np.round(density.values * GRID.volume * 300), counts)


def test_derivatives_of_a_kernel_density():
    samples = jnp.asarray(np.random.default_rng(5).uniform([-2, -1], [3, 2.5], (300, 2)))
    weights = np.cos(np.arange(144.0)).reshape(12, 12)
    paired = jax.jit(
        jax.value_and_grad(lambda x, h: jnp.sum(weights * kn.Density.from_samples(x, GRID, h).values), argnums=(0, 1))
    )
    widths = jnp.array([0.2, 0.3])
    slopes = paired(samples, widths)[1]
    for axis in (0, 1):
        step = 1e-5 * jnp.eye(2)[axis]
        difference = (paired(samples, widths + step)[0] - paired(samples, widths - step)[0]) / 2e-5
        np.testing.assert_allclose(slopes[1][axis], difference, rtol=1e-6)
        moved = samples.at[7].add(step), samples.at[7].add(-step)
        difference = (paired(moved[0], widths)[0] - paired(moved[1], widths)[0]) / 2e-5
        np.testing.assert_allclose(slopes[0][7, axis], difference, rtol=1e-5, atol=1e-9)
    outside = samples.at[7].add(10.0)
    assert jnp.isnan(paired(outside, widths)[0])


# Distances


def test_gauss_points_have_the_mass_and_the_mean():
    density = kn.Density(GRID, np.random.default_rng(0).uniform(0.1, 1.0, (12, 12)))
    points = points_of_plane(density)
    assert points.x.shape == (4 * 144, 2)
    np.testing.assert_allclose(points.mass, density.mass, rtol=1e-13)
    np.testing.assert_allclose(points.weight @ points.x / points.mass, density.mean, rtol=1e-12)


def test_sliced_distances_of_gaussians():
    """Between Gaussians a direction sees (difference of means)^2 + (difference of standard deviations)^2."""
    key, shift, other = jax.random.key(1), np.array([-0.9, 0.7]), np.array([[0.4, -0.1], [-0.1, 0.7]])
    seen = np.asarray(directions(key, 20, 2, np.dtype(np.float64)))
    std = lambda covariance: np.sqrt(np.einsum("pi,ij,pj->p", seen, covariance, seen))
    errors = []
    for n in (16, 32):
        grid = kn.Grid(*BOX, n)
        p = kn.Density.gaussian(MEAN, COVARIANCE, grid)
        rows = []
        for covariance in (COVARIANCE, other):
            q = kn.Density.gaussian(MEAN + shift, covariance, grid)
            exact = np.sqrt(np.mean((seen @ shift) ** 2 + (std(COVARIANCE) - std(covariance)) ** 2))
            rows.append(abs(float(kn.wasserstein(p, q, 2, projections=20, key=key)) / exact - 1))
        errors.append(rows)
        assert float(kn.wasserstein(p, p, 2, projections=20, key=key)) == 0
    assert max(errors[1]) < 1e-3 and errors[1][0] < 0.3 * errors[0][0]
    samples = kn.Ensemble(p.sample(key, 4000))
    there, back = (kn.wasserstein(*pair, order=2, projections=20, key=key) for pair in ((p, samples), (samples, p)))
    np.testing.assert_allclose(there, back, rtol=1e-12)
    assert float(there) < 0.04
    moved = lambda by: kn.wasserstein(
        kn.Density(grid, p.values), kn.Ensemble(samples.samples + by[None]), 2, projections=20, key=key
    )
    size = jnp.array([3.0, -2.0])
    unit = (seen @ size) @ seen / 20 / float(np.sqrt(np.mean((seen @ size) ** 2)))
    np.testing.assert_allclose(jax.grad(moved)(size), unit, rtol=0.02)
