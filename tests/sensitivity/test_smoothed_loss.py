"""The smoothed loss: exact on the polynomials, its limit without smoothing, points from a distance, its bandwidth."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss, _difference
from tests.sensitivity import plane_loss_cases as plane
from tests.sensitivity.loss_cases import compute, every_loss, gaussians, normalized, value

# On a line


def profile(g, h) -> Any:
    """The parabolas of g - h; in the plane `_difference` gives other polynomials."""
    return _difference(g, h)


@pytest.mark.parametrize("bandwidth", [0.03, 0.11, 0.4, 3.0])
def test_smoothing_is_exact_on_the_parabolas(bandwidth):
    """Against the masses in much finer cells, over which the kernel is integrated in closed form."""
    rng = np.random.default_rng(3)
    g, h = (normalized(rng.uniform(0.1, 1.0, size=40)) for _ in range(2))
    x = np.linspace(-2.0, 3.0, 1601)
    masses: Any = np.diff(np.asarray(profile(g, h).below(x)))
    lag: Any = x - x[0]
    width = bandwidth * np.sqrt(2)
    # The second primitive of the kernel, less max(x, 0), which would cost digits.
    primitive = width * norm.pdf(lag / width) - lag * ndtr(-lag / width)
    first = 2 * (primitive[1] - primitive[0]) + lag[1]
    kernel = np.concatenate([[first], np.diff(primitive, 2)]) / lag[1] ** 2
    matrix = kernel[np.abs(np.subtract.outer(np.arange(1600), np.arange(1600)))]
    np.testing.assert_allclose(
        compute(every_loss(h, bandwidth), g)[0]["smoothed"], 0.5 * masses @ matrix @ masses, rtol=2e-3
    )


@pytest.mark.slow
def test_without_much_smoothing_it_is_l2_on_the_optimal_parabolas():
    g, h = gaussians(40)
    value, gradient, _ = compute(every_loss(h, 1e-6), g)

    def half_square(averages):
        error = profile(kn.Density(g.grid, averages), h)
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


# In the plane


@pytest.mark.parametrize("bandwidths", [(0.3, 0.2), (0.05, 2.0)])
def test_smoothing_is_exact_on_the_polynomials(bandwidths):
    """Against the masses in much finer cells, over which the kernel is integrated in closed form."""
    rng, grid = np.random.default_rng(3), kn.Grid(plane.GRID.lower, plane.GRID.upper, (12, 9))
    g, h = (plane.normalized(rng.uniform(0.2, 1.0, 108), grid) for _ in range(2))
    fine = kn.Grid(plane.GRID.lower, plane.GRID.upper, (600, 450))
    # Two Gauss points along each axis of 50 x 50 parts of a cell: exact for the polynomials.
    nodes = (np.arange(50)[:, None] + 0.5 + np.array([-1, 1]) / np.sqrt(12)).ravel() / 50 - 0.5
    error: Any = _difference(g, h)
    heights = jax.jit(jax.vmap(jax.vmap(error.at, (None, 0)), (0, None)))(nodes, nodes)
    heights = np.asarray(heights).reshape(50, 2, 50, 2, 12, 9).mean(axis=(1, 3))
    masses = heights.transpose(2, 0, 3, 1).reshape(fine.shape) * float(fine.volume)
    matrices = []
    for axis, count in enumerate(fine.shape):
        width = bandwidths[axis] * np.sqrt(2)
        lag = np.arange(count + 1) * float(fine.width[axis])
        # The second primitive of the kernel, less max(x, 0), which would cost digits.
        primitive = width * norm.pdf(lag / width) - lag * ndtr(-lag / width)
        first = 2 * (primitive[1] - primitive[0]) + lag[1]
        kernel = np.concatenate([[first], np.diff(primitive, 2)]) / lag[1] ** 2
        matrices.append(kernel[np.abs(np.subtract.outer(np.arange(count), np.arange(count)))])
    exact = 0.5 * np.sum((matrices[0] @ masses @ matrices[1]) * masses)
    np.testing.assert_allclose(value(kn.SmoothedL2Loss(h, np.array(bandwidths)), g), exact, rtol=5e-3)


def test_without_much_smoothing_it_is_l2_on_the_optimal_polynomials():
    _, g, h = plane.random_densities(4)
    error: Any = _difference(g, h)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    squares = [
        0.25 * v * w * np.sum(np.asarray(error.at(0.5 * s, 0.5 * t)) ** 2)
        for s, v in zip(nodes, weights, strict=True)
        for t, w in zip(nodes, weights, strict=True)
    ]
    exact = 0.5 * sum(squares) * float(plane.GRID.volume)
    np.testing.assert_allclose(compute(plane.every_loss(h, np.full(2, 1e-6)), g)[0]["smoothed"], exact, rtol=1e-4)


def test_smoothing_attracts_points_in_the_plane():
    """Two points at distance d: (1 - exp(-d^2 / 4 b^2)) / (4 pi b^2)."""
    empty = np.zeros((20, 20))
    g, h = empty.copy(), empty.copy()
    g[6, 13], h[14, 7] = 1.0, 1.0
    value, _, variation = compute(plane.every_loss(plane.normalized(h), np.full(2, 1.5)), plane.normalized(g))
    square = 4.0 + 1.05**2
    np.testing.assert_allclose(value["smoothed"], (1 - np.exp(-square / 9)) / (9 * np.pi), rtol=2e-2)
    # The mass at the first goes down this slope, towards larger x and smaller y.
    down = variation["smoothed"]
    assert float(down[7, 13]) < float(down[5, 13]) and float(down[6, 12]) < float(down[6, 14])


@pytest.mark.slow
def test_smoothing_has_a_gradient_by_its_bandwidths():
    g, h = plane.gaussians(20)
    slope = jax.jit(jax.value_and_grad(lambda widths: kn.SmoothedL2Loss(h, widths)(g)))
    for axis in (0, 1):
        step = 1e-4 * np.eye(2)[axis]
        difference = (slope(plane.BANDWIDTHS + step)[0] - slope(plane.BANDWIDTHS - step)[0]) / 2e-4
        np.testing.assert_allclose(slope(plane.BANDWIDTHS)[1][axis], difference, rtol=1e-5)
