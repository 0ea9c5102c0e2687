"""Samples in two dimensions: kernel density estimates and histograms."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.distributions import product_kernels
from tests.distributions.kernel_sums import on_plane, silverman
from tests.distributions.plane_cases import GRID


@given(seed=st.integers(0, 10**6), widths=st.tuples(*[st.floats(1e-3, 10.0)] * 2))
def test_kernel_density_is_the_sum_over_the_samples(seed, widths):
    samples = np.random.default_rng(seed).uniform([-2, -1], [3, 2.5], (300, 2))
    exact = on_plane(samples, GRID, widths)
    np.testing.assert_allclose(
        kn.Density.from_samples(samples, GRID, widths).values, exact, rtol=0, atol=1e-13 * exact.max()
    )


def test_kernel_density_in_chunks_by_number_and_by_default(monkeypatch):
    samples = np.random.default_rng(1).uniform([-2, -1], [3, 2.5], (301, 2)) * [0.5, 0.4]
    monkeypatch.setattr(product_kernels, "_NUMBERS", 100 * 24)
    density = kn.Ensemble(samples).to_density(GRID, 0.3)
    np.testing.assert_allclose(density.values, on_plane(samples, GRID, (0.3, 0.3)), rtol=0, atol=1e-13)
    spread = [silverman(x) for x in samples.T]
    default = on_plane(samples, GRID, np.array(spread) * 301 ** (-1 / 6))
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
