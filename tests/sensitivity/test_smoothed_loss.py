"""The smoothed loss on a line: exact on the parabolas, its limit without smoothing, points from a distance, its bandwidth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss, _difference
from tests.sensitivity.loss_cases import compute, every_loss, gaussians, normalized


@pytest.mark.parametrize("bandwidth", [0.03, 0.11, 0.4, 3.0])
def test_smoothing_is_exact_on_the_parabolas(bandwidth):
    """Against the masses in much finer cells, over which the kernel is integrated in closed form."""
    rng = np.random.default_rng(3)
    g, h = (normalized(rng.uniform(0.1, 1.0, size=40)) for _ in range(2))
    x = np.linspace(-2.0, 3.0, 1601)
    masses = np.diff(np.asarray(_difference(g, h).below(x)))
    lag, width = x - x[0], bandwidth * np.sqrt(2)
    # The second primitive of the kernel, less max(x, 0), which would cost digits.
    primitive = width * norm.pdf(lag / width) - lag * ndtr(-lag / width)
    first = 2 * (primitive[1] - primitive[0]) + lag[1]
    kernel = np.concatenate([[first], np.diff(primitive, 2)]) / lag[1] ** 2
    matrix = kernel[np.abs(np.subtract.outer(np.arange(1600), np.arange(1600)))]
    np.testing.assert_allclose(
        compute(every_loss(h, bandwidth), g)[0]["smoothed"], 0.5 * masses @ matrix @ masses, rtol=2e-3
    )


def test_without_much_smoothing_it_is_l2_on_the_optimal_parabolas():
    g, h = gaussians(40)
    value, gradient, _ = compute(every_loss(h, 1e-6), g)

    def half_square(averages):
        error = _difference(kn.Density(g.grid, averages), h)
        squares = error.average**2 + error.slope**2 / 12 + error.curvature**2 / 180
        return 0.5 * g.grid.width * jnp.sum(squares)

    expected = jax.jit(jax.value_and_grad(half_square))(g.values)
    np.testing.assert_allclose(value["smoothed"], expected[0], rtol=1e-4)
    np.testing.assert_allclose(gradient["smoothed"], expected[1] / g.grid.width, rtol=1e-4, atol=1e-5)


def test_smoothing_attracts_points_and_counts_what_leaves_the_grid():
    """Two points at distance d: (1 - exp(-d^2 / 4 b^2)) / (2 b sqrt(pi)), wherever the ends of the grid are."""
    grid = kn.Grid(-1.05, 1.05, 40)
    g, h = kn.Density.dirac(-1.0, grid), kn.Density.dirac(1.0, grid)
    value, _, variation = compute(every_loss(h, 0.8), g)
    np.testing.assert_allclose(value["smoothed"], (1 - np.exp(-1 / 0.64)) / (1.6 * np.sqrt(np.pi)), rtol=5e-3)
    # The mass at -1 goes down this slope.
    assert float(variation["smoothed"][3]) < float(variation["smoothed"][1])


def test_smoothing_has_a_gradient_by_its_bandwidth():
    g, h = gaussians(40)
    slope = jax.jit(jax.value_and_grad(lambda bandwidth: SmoothedL2Loss(h, bandwidth)(g)))
    for bandwidth in (0.02, 1.0):
        difference = (slope(bandwidth * 1.0001)[0] - slope(bandwidth * 0.9999)[0]) / (2e-4 * bandwidth)
        np.testing.assert_allclose(slope(bandwidth)[1], difference, rtol=1e-5)
