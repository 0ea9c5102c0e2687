"""Samples of a density in two dimensions: they follow it, avoid empty cells, and move with the averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

import kinetic_nde as kn
from tests.distributions.plane_cases import BOX, COVARIANCE, GRID, MEAN, gaussian


@pytest.mark.slow
def test_samples_follow_the_density():
    density = gaussian()
    samples = np.asarray(density.sample(jax.random.key(2), 4000))
    assert samples.shape == (4000, 2)
    for direction in ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.8, -0.6)):
        along = norm(MEAN @ direction, np.sqrt(direction @ COVARIANCE @ np.asarray(direction)))
        assert kstest(samples @ direction, along.cdf).pvalue > 0.02, direction


@pytest.mark.slow
def test_evenly_spread_shares_give_the_moments():
    """Within cells too: on so few of them the mixed term is a sixteenth of the covariance. They move with the averages, so
    that this is true of derivatives."""
    shares = (np.arange(200) + 0.5) / 200
    pairs = np.stack(np.meshgrid(shares, shares), axis=-1).reshape(-1, 2)

    def moments(a):
        density = kn.Density.from_function(
            lambda p: 1 + a * p[0] * p[1] + 0.3 * p[1], kn.Grid((-1.0, -1.0), (1.0, 1.0), 4)
        )
        points = density.plane.quantile(pairs)
        return points, density.mean, density.variance, jnp.cov(points.T)

    (points, mean, variance, spread), tangents = jax.jit(lambda a: jax.jvp(moments, (a,), (jnp.ones_like(a),)))(
        np.float64(0.9)
    )
    np.testing.assert_allclose(np.asarray(points).mean(axis=0), mean, atol=2e-5)
    np.testing.assert_allclose(spread, variance, atol=1e-4)
    np.testing.assert_allclose(tangents[3], tangents[2], atol=1e-4)
    assert abs(tangents[2][0, 1]) > 0.05


def test_samples_avoid_empty_cells():
    corners = np.zeros((12, 12))
    corners[2, 3], corners[7, 9], corners[11, 0] = 1.0, 2.0, 0.5
    samples = kn.Density(GRID, corners).sample(jax.random.key(0), 1000)
    cells = np.floor((np.asarray(samples) - np.asarray(GRID.lower)) / np.asarray(GRID.width)).astype(int)
    found, counts = np.unique(cells, axis=0, return_counts=True)
    assert found.tolist() == [[2, 3], [7, 9], [11, 0]]
    np.testing.assert_allclose(counts / 1000, [2 / 7, 4 / 7, 1 / 7], atol=0.04)


@pytest.mark.slow
def test_samples_move_with_the_averages():
    moved = lambda shift: jnp.mean(
        kn.Density.gaussian(MEAN + shift, COVARIANCE, kn.Grid(*BOX, (64, 72))).sample(jax.random.key(2), 4000), axis=0
    )
    np.testing.assert_allclose(jax.jit(jax.jacfwd(moved))(jnp.zeros(2)), np.eye(2), atol=0.01)
