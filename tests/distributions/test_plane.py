"""Whatever the averages in two dimensions: positivity, symmetry and units, float32, traced values."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.distributions import plane
from tests.distributions.plane_cases import BOX, COVARIANCE, GRID, computed, wider

PLACES = np.linspace(-0.5, 0.5, 5)
rough = st.lists(st.sampled_from([0.0, 0.0, 1e-9, 0.5, 1.0, 7.0, 1e4]), min_size=144, max_size=144).filter(any)


@jax.jit
def slopes_of(values):
    weights = jnp.cos(jnp.arange(144.0)).reshape(12, 12)
    paired = lambda values: (
        jnp.sum(kn.Density(GRID, values).variance) + jnp.sum(weights * kn.Density(GRID, values).plane.at(0.3, -0.4))
    )
    return jax.grad(paired)(values)


@jax.jit
def heights(density):
    at = jnp.asarray(PLACES, density.values.dtype)
    return jax.vmap(lambda xi: jax.vmap(lambda eta: density.plane.at(xi, eta))(at))(at)


@given(values=rough)
def test_the_plane_is_a_density(values):
    density = kn.Density(GRID, np.reshape(values, (12, 12)))
    assert float(jnp.min(heights(density))) >= -1e-12 * float(jnp.max(density.values))
    got = computed(density, density.mean)
    assert np.linalg.eigvalsh(got["variance"])[0] >= -1e-13
    assert got["moved"].min() >= 0
    np.testing.assert_allclose(got["moved"].sum() * float(wider(GRID).volume), density.mass, rtol=1e-13)
    assert jnp.all(jnp.isfinite(slopes_of(density.values)))


def test_next_to_a_jump_it_is_flat():
    """Also where only cells at the corners see one: the mixed term alone would overshoot by a sixteenth."""
    values = np.full((160, 168), 1e-3)
    values[70:75, 80:85] = 1.0
    density = kn.Density(kn.Grid(*BOX, (160, 168)), values)
    assert float(jnp.max(heights(density))) < 1.01


@pytest.mark.slow
@given(values=rough)
def test_float32_is_finite(values):
    grid = kn.Grid(np.array([-2.0, -1.0], np.float32), np.array([3.0, 2.5], np.float32), (12, 12))
    density = kn.Density(grid, np.reshape(values, (12, 12)).astype(np.float32))
    for name, each in computed(density, density.mean).items():
        for leaf in jax.tree.leaves(each):
            assert leaf.dtype == np.float32 and np.all(np.isfinite(leaf)), name
    assert float(jnp.min(heights(density))) >= -1e-5 * float(jnp.max(density.values))


@given(values=rough, scale=st.sampled_from([(1.0, 1.0), (1e3, 1e-4), (1e-6, 1e6)]), factor=st.sampled_from([1.0, 1e5]))
def test_axes_exchanged_mirrored_and_in_other_units(values, scale, factor):
    values, scale = np.reshape(values, (12, 12)), np.asarray(scale)
    at = np.array([0.61, 0.93])
    one = computed(kn.Density(GRID, values), at)
    lower, upper = np.asarray(GRID.lower), np.asarray(GRID.upper)

    turned = computed(kn.Density(kn.Grid(lower[::-1], upper[::-1], (12, 12)), values.T), at[::-1])
    np.testing.assert_allclose(turned["mean"], one["mean"][::-1], rtol=1e-9)
    np.testing.assert_allclose(turned["variance"], one["variance"][::-1, ::-1], rtol=1e-9)
    np.testing.assert_allclose(turned["moved"], one["moved"].T, rtol=1e-9, atol=1e-9)
    for axis in (0, 1):
        np.testing.assert_allclose(turned["conditionals"][axis], one["conditionals"][1 - axis], rtol=1e-8, atol=1e-8)

    mirrored = kn.Grid([-upper[0], lower[1]], [-lower[0], upper[1]], (12, 12))
    turned = computed(kn.Density(mirrored, values[::-1]), at * [-1, 1])
    np.testing.assert_allclose(turned["mean"], one["mean"] * [-1, 1], rtol=1e-9)
    np.testing.assert_allclose(turned["variance"], one["variance"] * [[1, -1], [-1, 1]], rtol=1e-9, atol=1e-12)

    units = computed(kn.Density(kn.Grid(scale * lower, scale * upper, (12, 12)), factor * values), scale * at)
    np.testing.assert_allclose(units["mean"], one["mean"] * scale, rtol=1e-9)
    np.testing.assert_allclose(units["variance"], one["variance"] * np.outer(scale, scale), rtol=1e-9)
    np.testing.assert_allclose(units["inside"], factor * one["inside"], rtol=1e-7, atol=1e-9 * factor * values.max())
    np.testing.assert_allclose(
        units["conditionals"][0], one["conditionals"][0] / scale[1], rtol=1e-7, atol=1e-9 / scale[1]
    )


@pytest.mark.slow
def test_batches_and_traced_values():
    """Variances of a batch are those of each, and where the mean goes the mean of the polynomials goes."""

    make = lambda mean: kn.Density.gaussian(mean, COVARIANCE, kn.Grid(*BOX, (12, 12)))
    means = np.array([[0.3, -0.2], [0.1, 0.4]])
    together = jax.jit(jax.vmap(lambda mean: make(mean).variance))(means)
    np.testing.assert_allclose(together[1], computed(make(means[1]))["variance"], rtol=1e-12)
    back = jax.jit(lambda mean, weights: jax.vjp(lambda mean: make(mean).mean, mean)[1](weights)[0])
    for weights in np.eye(2):
        np.testing.assert_allclose(back(means[0], weights), weights, atol=2e-2)


def test_changing_numbers_compiles_nothing():
    reconstruct: Any = plane.reconstruct
    before = reconstruct._cache_size()
    for shift in (0.0, 0.1, 0.25):
        assert float(kn.Density(kn.Grid((-2.0 + shift, -1.0), (3.0, 2.5), (12, 12)), np.ones((12, 12))).energy) > 0
    assert reconstruct._cache_size() <= before + 1
