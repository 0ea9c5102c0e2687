"""Kernel density estimates on a line: by bins what they are by samples, histograms, derivatives, bad input."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from tests.distributions.kernel_sums import on_line, silverman

GRID = kn.Grid(-2.0, 3.0, 40)
seeds = st.integers(0, 10**6)
slow = pytest.mark.slow


def estimate(samples, bandwidth=None):
    return np.asarray(kn.Density.from_samples(samples, GRID, bandwidth).values)


@pytest.mark.parametrize("size", [300, *(pytest.param(size, marks=slow) for size in (3, 50, 5000))])
@given(seed=seeds, bandwidth=st.sampled_from([None, 0.05, 0.5, 0]))
def test_it_has_mass_one_and_no_negative_average(size, seed, bandwidth):
    values = estimate(np.random.default_rng(seed).uniform(-2, 3, size), bandwidth)
    assert abs(values.sum() * 0.125 - 1) < 1e-13 and values.min() >= 0


def test_it_is_the_plain_sum_of_normal_distributions():
    samples = np.random.default_rng(0).normal(0.5, 0.3, 300)
    below = norm.cdf((np.asarray(GRID.faces)[:, None] - samples) / 0.1).mean(axis=1)
    np.testing.assert_allclose(estimate(samples, 0.1) * 0.125, np.diff(below), atol=1e-12)


def check_bins(size, seed, cells_wide, at_the_end):
    rng, bandwidth = np.random.default_rng(seed), cells_wide * 0.125
    samples = rng.uniform(-2, 3, size)
    if at_the_end:
        samples = 3 - 0.3 * (samples + 2) ** 2 / 5
    computed, exact = estimate(samples, bandwidth), on_line(samples, GRID, bandwidth)
    np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-8 * exact.max())
    # Bins of a sixteenth of the bandwidth make no error that rounding would not make.
    if cells_wide > 1:
        np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-12 * exact.max())


@pytest.mark.parametrize("size", [1, 300, pytest.param(2, marks=slow), pytest.param(20_001, marks=slow)])
@given(
    seed=seeds,
    # From a thousandth of a cell to far beyond the grid, and on both sides of where kernels become too narrow for bins and of
    # where they reach across the grid.
    cells_wide=st.one_of(st.floats(1e-3, 80.0), st.floats(0.12, 0.13), st.floats(4.9, 5.1)),
    at_the_end=st.booleans(),
)
def test_by_bins_it_is_the_sum_over_the_samples(size, seed, cells_wide, at_the_end):
    check_bins(size, seed, cells_wide, at_the_end)


@pytest.mark.parametrize(
    ("cells_wide", "at_the_end"), [(0.01, False), (0.124, True), (0.126, True), (3.0, False), (11.0, True)]
)
def test_more_samples_than_are_taken_at_once_are_all_in_the_sum(cells_wide, at_the_end):
    check_bins(20_001, 1, cells_wide, at_the_end)


def test_the_default_bandwidth_is_silvermans():
    samples = np.random.default_rng(6).normal(0.5, 0.3, 300)
    width = 0.9 * silverman(samples) * 300**-0.2
    np.testing.assert_allclose(estimate(samples), on_line(samples, GRID, width), rtol=0, atol=1e-8)
    # Where half of the samples are equal, the standard deviation alone.
    samples[:200] = 0.5
    width = 0.9 * samples.std() * 300**-0.2
    np.testing.assert_allclose(estimate(samples), on_line(samples, GRID, width), rtol=0, atol=1e-8)


def test_in_other_units():
    samples = np.random.default_rng(3).normal(size=300)
    one = kn.Density.from_samples(samples, kn.Grid(-5.0, 5.0, 40))
    other = kn.Density.from_samples(1000 * samples, kn.Grid(-5000.0, 5000.0, 40))
    np.testing.assert_allclose(np.asarray(other.values) * 1000, one.values, rtol=1e-10, atol=1e-15)


def test_a_uniform_sample_does_not_sink_at_the_ends():
    samples = 2 + 6 * (np.arange(300) + 0.5) / 300
    density = kn.Density.from_samples(samples, kn.Grid(2.0, 8.0, 40))
    np.testing.assert_allclose(density.values, 1 / 6, rtol=2e-3)


@slow
def test_many_samples_with_both_ends_do_not_sink_there():
    density = kn.Density.from_samples(np.linspace(2, 8, 4001), kn.Grid(2.0, 8.0, 60))
    np.testing.assert_allclose(density.values, 1 / 6, rtol=2e-3)


@slow
def test_many_samples_are_no_matter():
    """By a sum over samples and cells each of the two would take half a minute."""
    samples = np.random.default_rng(4).normal(0.5, 0.3, 1_000_000).clip(-2, 3)
    grid, start = kn.Grid(-2.0, 3.0, 400), time.perf_counter()
    smooth, counted = (kn.Density.from_samples(samples, grid, bandwidth) for bandwidth in (None, 0))
    assert time.perf_counter() - start < 10
    assert np.array_equal(np.round(counted.values * 1e6 * grid.width), np.histogram(samples, grid.faces)[0])
    np.testing.assert_allclose([smooth.mean, counted.mean], samples.mean(), atol=1e-4)


# Histograms


def test_histograms_count_every_sample_once():
    values = estimate([-2.0, -1.99, 0.0, 3.0], 0)
    assert np.flatnonzero(values).tolist() == [0, 16, 39]
    np.testing.assert_allclose(values[[0, 16, 39]] * 0.125, [0.5, 0.25, 0.25])
    many = np.random.default_rng(4).normal(0.5, 0.3, 20_001).clip(-2, 3)
    counts = np.histogram(many, np.asarray(GRID.faces))[0]
    assert np.array_equal(np.round(estimate(many, 0) * 20_001 * 0.125), counts)


def test_samples_at_faces_are_counted_on_their_right():
    for lower, upper, cells in ((-2.0, 3.0, 40), (0.1, 0.7, 7), (-1 / 3, 1e3, 999)):
        grid = kn.Grid(lower, upper, cells)
        values = np.asarray(kn.Density.from_samples(grid.faces, grid, bandwidth=0).values)
        mass = values * float(grid.width) * (cells + 1)
        np.testing.assert_allclose(mass, [1.0] * (cells - 1) + [2.0], rtol=1e-12)


# Derivatives and traced values

WEIGHTS = np.sin(np.arange(40.0))


@jax.jit
def slopes_of(samples, bandwidth):
    """Of averages that are paired with weights: one program for narrow kernels and for wide ones."""
    paired = lambda samples, h: jnp.sum(WEIGHTS * kn.Density.from_samples(samples, GRID, h).values)
    return jax.grad(paired, argnums=(0, 1))(samples, bandwidth)


@pytest.mark.parametrize("bandwidth", [0.01, 0.02, 0.3])
def test_derivatives(bandwidth):
    samples = np.random.default_rng(5).uniform(-2, 3, 50)
    slopes = slopes_of(samples, np.float64(bandwidth))
    faces = np.asarray(GRID.faces)[:, None]
    images = [(samples, 1.0), (-4 - samples, -1.0), (6 - samples, -1.0)]
    # The kernels lose less than rounding beyond the images, so that dividing by the mass does not matter.
    by_place = sum(-sign * norm.pdf(faces - x, scale=bandwidth) for x, sign in images)
    by_width = sum(-norm.pdf(faces - x, scale=bandwidth) * (faces - x) / bandwidth for x, _ in images)
    scale = WEIGHTS / (50 * 0.125)
    np.testing.assert_allclose(slopes[0], scale @ np.diff(by_place, axis=0), rtol=0, atol=1e-6 / bandwidth)
    np.testing.assert_allclose(slopes[1], (scale @ np.diff(by_width, axis=0)).sum(), rtol=1e-5, atol=1e-6 / bandwidth)


BATCH = np.random.default_rng(2).normal(0.5, 0.4, (3, 300))


def with_one_outside(samples):
    """The batch, and its first samples once more with one of them at the end of the grid, and with one beyond it."""
    ends = np.repeat(samples[:1], 2, axis=0)
    ends[:, -1] = 3.0, 4.0
    return np.concatenate([samples, ends])


def test_a_batch_with_bandwidths_is_that_of_each_alone():
    """Traced samples outside the grid are not squeezed onto it."""
    batch, widths = with_one_outside(BATCH), np.array([0.0, 0.1, 0.004, 0.3, 0.3])
    together = jax.jit(jax.vmap(lambda x, h: kn.Density.from_samples(x, GRID, h).values))(batch, widths)
    for k in range(3):
        np.testing.assert_allclose(together[k], estimate(batch[k], widths[k]), rtol=0, atol=1e-12)
    assert np.all(np.isfinite(together[3])) and np.all(np.isnan(together[4]))


def test_a_batch_with_default_bandwidths_is_that_of_each_alone():
    batch = with_one_outside(BATCH)
    together = jax.jit(jax.vmap(lambda x: kn.Density.from_samples(x, GRID).values))(batch)
    for k in range(3):
        np.testing.assert_allclose(together[k], estimate(batch[k]), rtol=0, atol=1e-12)
    assert np.all(np.isfinite(together[3])) and np.all(np.isnan(together[4]))


@pytest.mark.parametrize("bandwidth", [0, pytest.param(None, marks=slow), pytest.param(0.3, marks=slow)])
def test_traced_samples_outside_the_grid_are_not_squeezed_onto_it(bandwidth):
    traced = jax.jit(lambda x: kn.Density.from_samples(jnp.array([0.0, 0.1, -0.2, x]), GRID, bandwidth).values)
    inside, outside = traced(GRID.upper), traced(GRID.upper + 1.0)
    assert bool(jnp.all(jnp.isfinite(inside))) and bool(jnp.all(jnp.isnan(outside)))


@pytest.mark.parametrize(
    ("samples", "bandwidth", "message"),
    [
        ([], None, "M >= 1"),
        ([[1.0]], None, "M >= 1"),
        ([0.0, np.nan], None, "finite"),
        ([0.0, np.inf], None, "finite"),
        ([0.5, 0.5, 0.5], None, "all samples equal 0.5"),
        ([0.0, 4.0], None, "do not fit on the grid .* 0.5 of the mass is outside"),
        ([0.0, 1.0], -0.1, "not negative"),
        ([0.0, 1.0], np.nan, "not negative"),
    ],
)
def test_bad_input(samples, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        kn.Density.from_samples(samples, GRID, bandwidth)
