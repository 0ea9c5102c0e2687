"""Wasserstein's loss: translations, ensembles, forward mode, any pair of distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.sensitivity.transport_losses import WassersteinLoss
from tests.sensitivity.loss_cases import BOUNDS, GRID, MEANS, STDS, gaussians, normalized, value

transport = jax.jit(lambda loss, g: (loss(g), loss.first_variation(g)))


@given(seed=st.integers(0, 10**6), cells=st.integers(1, 12), p=st.sampled_from([1, 2]))
def test_a_translation_costs_its_length(seed, cells, p):
    rng = np.random.default_rng(seed)
    # Far enough from the ends, where the ghosts of the reconstruction are not periodic.
    averages = np.concatenate([np.zeros(15), rng.uniform(0.1, 1.0, size=10), np.zeros(15)])
    g, h = normalized(averages), normalized(np.roll(averages, -cells))
    s = cells * float(GRID.width)
    cost, variation = transport(WassersteinLoss(h, order=p), g)
    np.testing.assert_allclose(cost, s**p / p, rtol=1e-11)
    slope = s ** (p - 1)
    exact = slope * (GRID.centers - g.mean)
    np.testing.assert_allclose(variation[15:25], exact[15:25], atol=1e-9)
    # Beyond the mass T goes on as a constant.
    steps = np.diff(variation[24:]) / float(GRID.width)
    np.testing.assert_allclose(steps, np.ones(15) if p == 1 else s + (np.arange(15)) * float(GRID.width), atol=0.07)


@pytest.mark.slow
def test_the_gradient_of_a_density_narrower_than_a_cell():
    """D = W_2^2 / 2 from N(1.5, 0.5^2) to N(m, (dx / 2)^2) has the slope m - 1.5, wherever in its cell m is."""
    grid = kn.Grid(-8.0, 8.0, 400)
    loss = WassersteinLoss(kn.Density.gaussian(1.5, 0.5, grid))
    slope = jax.jit(jax.vmap(jax.grad(lambda m: loss(kn.Density.gaussian(m, 0.5 * grid.width, grid)))))
    means = 0.5 + grid.width * np.linspace(0.0, 1.0, 9)
    np.testing.assert_allclose(slope(means), means - 1.5, rtol=0.06)


@pytest.mark.slow
def test_wasserstein_has_gradients_by_everything_that_is_traced():
    g, h = gaussians(80)
    direction = kn.Density.gaussian(1.0, 0.8, g.grid).values - kn.Density.gaussian(-0.5, 0.6, g.grid).values

    def moved(by):
        shape, target, shift = by
        grid = kn.Grid(BOUNDS[0] + shift, BOUNDS[1] + shift, 80)
        change = lambda density, size: jnp.maximum(density.values + size * direction, 0)
        return WassersteinLoss(kn.Density(h.grid, change(h, target)))(kn.Density(grid, change(g, shape)))

    slope = jax.jit(jax.value_and_grad(moved))
    gradient = slope(jnp.zeros(3))[1]
    differences = [float(slope(1e-4 * unit)[0] - slope(-1e-4 * unit)[0]) / 2e-4 for unit in jnp.eye(3)]
    np.testing.assert_allclose(gradient, differences, rtol=1e-4)
    np.testing.assert_allclose(gradient[2], MEANS[0] - MEANS[1], rtol=1e-3)


@pytest.mark.parametrize("cells", [40, pytest.param(160, marks=pytest.mark.slow)])
def test_order_1_pays_for_the_places_where_quantiles_cross(cells):
    """Second order there, by a small factor."""
    (m, n), (s, t) = MEANS, STDS
    z = (m - n) / (s - t)
    exact = abs(s - t) * (2 * norm.pdf(z) + z * (2 * ndtr(z) - 1))
    g, h = gaussians(cells)
    assert abs(float(transport(WassersteinLoss(h, order=1), g)[0]) / exact - 1) < 0.2 * cells**-2.0


@given(seed=st.integers(0, 10**6), p=st.sampled_from([1, 1.5, 2]))
def test_ensembles_are_matched_in_order(seed, p):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=12), rng.normal(size=12)
    value, gradient, by_target = slope_by_samples(WassersteinLoss(kn.Ensemble(y), order=p), x)
    z = x - np.sort(y)[np.argsort(np.argsort(x))]
    np.testing.assert_allclose(value, np.mean(np.abs(z) ** p) / p, rtol=1e-12)
    np.testing.assert_allclose(gradient, np.sign(z) * np.abs(z) ** (p - 1) / 12, rtol=1e-9, atol=1e-12)
    # What is matched is pulled as much the other way.
    other = y - np.sort(x)[np.argsort(np.argsort(y))]
    np.testing.assert_allclose(by_target, np.sign(other) * np.abs(other) ** (p - 1) / 12, rtol=1e-9, atol=1e-12)
    # At the minimum nothing pulls.
    value, gradient, _ = slope_by_samples(WassersteinLoss(kn.Ensemble(x), order=p), x)
    assert float(value) == 0 and not np.any(gradient)


@jax.jit
def slope_by_samples(loss, x):
    """The value, and its gradients with respect to the samples and to those of the target, if it has any."""
    value, (gradient, of_loss) = jax.value_and_grad(lambda x, loss: loss(kn.Ensemble(x)), argnums=(0, 1))(x, loss)
    target = of_loss.target
    return value, gradient, target.samples if isinstance(target, kn.Ensemble) else target.values


def test_forward_mode_runs_the_rule_of_backward_mode():
    x, y, direction = np.random.default_rng(0).normal(size=(3, 12))
    loss = WassersteinLoss(kn.Ensemble(y))
    forward = jax.jit(lambda x, direction: jax.jvp(lambda x: loss(kn.Ensemble(x)), (x,), (direction,))[1])
    np.testing.assert_allclose(forward(x, direction), slope_by_samples(loss, x)[1] @ direction, rtol=1e-12)


def test_any_pair_is_near_the_distance():
    g, _ = gaussians(40)
    few = kn.Ensemble(np.random.default_rng(0).normal(size=(7, 1)))
    for pair in ((g, few), (few, kn.Ensemble([0.3, -1.0, 4.0]))):
        distance = kn.wasserstein(*pair, order=2)
        np.testing.assert_allclose(value(WassersteinLoss(pair[1]), pair[0]), distance**2 / 2, rtol=3e-3)


def test_between_samples_and_a_density():
    density = gaussians(40)[0]
    rng = np.random.default_rng(1)
    x, direction, loss = rng.normal(size=9), rng.normal(size=9), WassersteinLoss(density)
    up, down = (slope_by_samples(loss, x + sign * 1e-5 * direction)[0] for sign in (1, -1))
    np.testing.assert_allclose(slope_by_samples(loss, x)[1] @ direction, (up - down) / 2e-5, rtol=1e-8)
    # A density goes to one point by the map that is constant.
    cost, variation = transport(WassersteinLoss(kn.Ensemble([2.0])), density)
    np.testing.assert_allclose(cost, 0.5 * ((2 - density.mean) ** 2 + density.variance), rtol=1e-4)
    exact = 0.5 * ((density.grid.centers - 2) ** 2 + density.grid.width**2 / 12) - cost
    np.testing.assert_allclose(variation, exact, atol=1e-4)
