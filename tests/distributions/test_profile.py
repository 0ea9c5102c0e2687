"""A density in one dimension between its averages: never negative, its quantiles, samples, another grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn

GRID = kn.Grid(-2.0, 3.0, 40)
averages = st.lists(st.sampled_from([0.0, 0.0, 1e-3, 0.5, 1.0, 7.0, 1e3]), min_size=40, max_size=40).filter(any)
Q = np.linspace(0.0, 1.0, 41)


@jax.jit
def facts(density):
    """What is asked of any density, as one program."""
    dtype = density.values.dtype
    quantiles = density.quantile(jnp.asarray(Q, dtype))
    return {
        "heights": jax.vmap(density.profile.at, in_axes=0, out_axes=0)(jnp.linspace(-0.5, 0.5, 21, dtype=dtype)),
        "cdf": density.cdf(jnp.linspace(-2.0, 3.0, 1001, dtype=dtype)),
        "cdf of quantiles": density.cdf(quantiles),
        "quantiles": quantiles,
        "variance": density.variance,
        "slopes": jax.grad(lambda values: kn.Density(density.grid, values).variance)(density.values),
    }


@given(values=averages)
def test_it_is_a_density(values):
    """Whatever the averages: no negative value, the distribution function increases, quantiles invert it, the variance
    is not negative."""
    got = jax.tree.map(np.asarray, facts(kn.Density(GRID, values)))
    assert np.min(got["heights"]) >= -1e-12 * max(values)
    assert np.min(np.diff(got["cdf"])) >= -1e-14
    np.testing.assert_allclose(got["cdf"][[0, -1]], [0.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(got["cdf of quantiles"], Q, atol=1e-12)
    assert got["variance"] >= 0
    assert np.all(np.isfinite(got["slopes"]))


@given(values=averages)
def test_in_single_precision_too(values):
    grid = kn.Grid(np.float32(-2.0), np.float32(3.0), 40)
    got = facts(kn.Density(grid, np.asarray(values, np.float32)))
    for name, each in got.items():
        assert each.dtype == np.float32 and np.all(np.isfinite(each)), name
    assert np.min(got["heights"]) >= -1e-5 * max(values)


def test_quantiles_where_there_is_no_mass_are_the_first_there():
    """And those of the mass of whole cells are at their faces."""
    values = np.zeros(40)
    values[[4, 9]] = 1.0
    density = kn.Density(GRID, values)
    quantiles = np.asarray(facts(density)["quantiles"])
    # Of the shares 0, 1/2, and 1: the end of the grid, the right ends of the two cells.
    np.testing.assert_allclose(quantiles[[0, 20, 40]], [-2.0, -1.375, -0.75], atol=1e-12)
    # A quarter on either side is left out: half of each cell.
    np.testing.assert_allclose(density.support(0.5), [-1.4375, -0.8125], atol=1e-12)


def test_quantiles_of_a_gaussian_and_their_derivative():
    grid, q = kn.Grid(-8.0, 8.0, 400), np.array([0.01, 0.3, 0.5, 0.9])

    def one_and_all(mean):
        quantiles = kn.Density.gaussian(mean, 0.5, grid).quantile(q)
        return quantiles[1], quantiles

    (_, quantiles), shift = jax.jit(jax.value_and_grad(one_and_all, has_aux=True))(np.float64(1.0))
    np.testing.assert_allclose(quantiles, norm(1, 0.5).ppf(q), atol=2e-6)
    np.testing.assert_allclose(shift, 1.0, atol=1e-4)
    for wrong in (1.1, -0.1, np.nan):
        with pytest.raises(ValueError, match="numbers in"):
            kn.Density.uniform(-1.0, 1.0, GRID).quantile(wrong)


def test_derivatives_at_a_face_are_whole():
    """Of the distribution function there the density, of the quantile its inverse: from one side or the other."""
    density = kn.Density(kn.Grid(0.0, 4.0, 4), [0.1, 0.3, 0.4, 0.2])
    heights = sorted(float(density.profile.at(s)[cell]) for cell, s in ((1, 0.5), (2, -0.5)))
    slope, inverse = float(jax.grad(density.cdf)(2.0)), 1 / float(jax.grad(density.quantile)(0.4))
    for found in (slope, inverse):
        assert heights[0] * (1 - 1e-6) <= found <= heights[1] * (1 + 1e-6), (found, heights)


def test_samples_are_the_quantiles_of_uniform_numbers():
    density, key = kn.Density.gaussian(0.4, 0.5, GRID), jax.random.key(1)
    samples = density.sample(key, 41)
    assert samples.shape == (41,)
    np.testing.assert_allclose(samples, density.quantile(jax.random.uniform(key, (41,))), rtol=1e-12)


@pytest.mark.slow
def test_samples_follow_the_density():
    density = kn.Density.gaussian(1.0, 0.5, kn.Grid(-4.0, 6.0, 200))
    samples = density.sample(jax.random.key(1), 20_000)
    assert samples.shape == (20_000,)
    np.testing.assert_allclose([samples.mean(), samples.std()], [1.0, 0.5], atol=0.02)


def test_moving_to_another_grid_keeps_mass_and_is_accurate():
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 300))
    moved = density.on(kn.Grid(-9.0, 8.5, 271))
    assert abs(float(moved.mass - density.mass)) < 1e-14
    np.testing.assert_allclose(moved.values, kn.Density.gaussian(0.0, 1.0, moved.grid).values, atol=1e-5)
    # As many cells, for which all is compiled.
    with pytest.raises(ValueError, match="of the mass is outside"):
        density.on(kn.Grid(-1.0, 1.0, 271))


def test_heights_are_those_of_the_parabola_around_and_nothing_outside():
    profile = kn.Density(GRID, np.random.default_rng(3).uniform(0.1, 1.0, 40)).profile
    at, cell = jnp.array([-2.1, -1.5 + 0.125 * 0.8, 2.99, 3.01]), 4
    s, inside = 0.3, jax.jit(profile.height)(at)
    exact = [
        float(each[k] + place * slope[k] + (place**2 - 1 / 12) * bend[k])
        for each, slope, bend in [[profile.average, profile.slope, profile.curvature]]
        for k, place in ((cell, s), (39, 0.42))
    ]
    np.testing.assert_allclose(inside, [0.0, *exact, 0.0], rtol=1e-10)
