"""Densities of samples with weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.distributions.bandwidth import silverman


@pytest.mark.parametrize("bandwidth", [0.0, 0.02, 0.4])
@pytest.mark.parametrize("dimension", [1, 2])
def test_a_weight_is_a_number_of_samples(bandwidth, dimension):
    random = np.random.default_rng(14)
    samples = random.uniform(-2, 2, (30, 2)) if dimension == 2 else random.uniform(-2, 2, 30)
    counts = random.integers(0, 4, 30)
    grid = kn.Grid((-3.0, -2.5), (2.5, 3.0), (20, 24)) if dimension == 2 else kn.Grid(-3.0, 2.5, 20)
    weighted = kn.Density.from_samples(samples, grid, bandwidth, weights=0.1 * counts)
    repeated = kn.Density.from_samples(np.repeat(samples, counts, axis=0), grid, bandwidth)
    np.testing.assert_allclose(weighted.values, repeated.values, atol=1e-14)


def test_the_default_bandwidth_counts_equal_weights_as_samples():
    samples = np.random.default_rng(14).uniform(-2, 2, (30, 2))
    shares = np.full(30, 1 / 30)
    plain = jax.jit(lambda column: silverman(column, 2))
    weighted = jax.jit(lambda column, weights: silverman(column, 2, weights=weights))
    for column in samples.T:
        # Quartiles of few samples are defined in many ways.
        np.testing.assert_allclose(weighted(column, shares), plain(column), rtol=0.05)
    on_a_line = jax.jit(lambda column, weights: silverman(column, weights=weights))
    doubled = np.concatenate([shares, np.zeros(30)])
    np.testing.assert_allclose(
        on_a_line(np.tile(samples[:, 0], 2), doubled), on_a_line(samples[:, 0], shares), rtol=1e-7
    )


@pytest.mark.slow
def test_weights_may_be_traced_and_batched():
    grid, samples = kn.Grid(-3.0, 3.0, 20), np.linspace(-2, 2, 30)
    mean_of = lambda weights: kn.Density.from_samples(samples, grid, 0.3, weights).mean
    weights = jnp.linspace(1.0, 2.0, 30)
    batch = jnp.stack([weights, weights[::-1]])
    means, slopes = jax.jit(jax.vmap(jax.value_and_grad(mean_of)))(batch)
    np.testing.assert_allclose(means, (batch @ samples) / weights.sum(), atol=1e-3)
    np.testing.assert_allclose(slopes[0], (samples - float(means[0])) / weights.sum(), atol=2e-3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "3 samples need weights of shape"), ([1.0, -1.0, 1.0], "not negative"), ([0.0] * 3, "positive")],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        kn.Density.from_samples([0.1, 0.2, 0.3], kn.Grid(0.0, 1.0, 4), 0.1, weights)
