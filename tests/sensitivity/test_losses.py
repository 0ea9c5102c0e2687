"""Losses: closed forms between Gaussians, orders, first variations, gradients, units, rough data."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.sensitivity.losses import L2Loss, MomentLoss
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss
from kinetic_nde.sensitivity.transport_losses import WassersteinLoss
from tests.closed_forms import order
from tests.sensitivity.loss_cases import (
    BOUNDS,
    CELLS,
    GRID,
    MEANS,
    NAMES,
    STDS,
    between_gaussians,
    check_distances,
    check_float32,
    compute,
    every_loss,
    gaussians,
    normalized,
    rough,
    value,
    values_of,
    variations_of,
)

# Between Gaussians


def closed_forms() -> dict[str, Any]:
    (m, n), (s, t) = MEANS, STDS

    def square(bandwidth):
        blur = 2 * bandwidth**2
        own = sum(norm.pdf(0, 0, np.sqrt(2 * std**2 + blur)) for std in STDS)
        return 0.5 * own - norm.pdf(m - n, 0, np.sqrt(s**2 + t**2 + blur))

    def mean_absolute(mean, std):
        return std * np.sqrt(2 / np.pi) * np.exp(-0.5 * (mean / std) ** 2) + mean * (1 - 2 * ndtr(-mean / std))

    own = mean_absolute(0, s * np.sqrt(2)) + mean_absolute(0, t * np.sqrt(2))
    return {
        "l2": square(0),
        "smoothed": square(1.0),
        "wasserstein": 0.5 * ((m - n) ** 2 + (s - t) ** 2),
        "cramer": 0.5 * (mean_absolute(m - n, np.hypot(s, t)) - 0.5 * own),
        "kullback leibler": np.log(s / t) + (t**2 + (m - n) ** 2) / (2 * s**2) - 0.5,
        "moments": 0.5 * ((m - n) ** 2 + (m**2 + s**2 - n**2 - t**2) ** 2),
    }


@functools.cache
def values_between_gaussians(cells):
    g, h = gaussians(cells)
    return between_gaussians(cells)[0] if cells == CELLS[0] else values_of(every_loss(h), g)


@pytest.mark.parametrize(
    ("cells", "largest", "least"),
    [(CELLS[:2], 1e-3, 3.2), pytest.param(CELLS, 1e-4, 3.5, marks=pytest.mark.slow)],
    ids=["two grids", "three grids"],
)
@pytest.mark.parametrize("name", NAMES)
def test_values_converge_at_fourth_order(name, cells, largest, least):
    exact = closed_forms()[name]
    errors = [abs(float(values_between_gaussians(n)[name]) / exact - 1) for n in cells]
    assert errors[-1] < largest and least < order(cells, errors) < 4.5, errors


def test_the_checked_value_of_the_mathematics():
    """g = N(1, 1) after t = 1 under x' = 0.3 - x."""
    grid = kn.Grid(-8.0, 8.0, 800)
    g = kn.Density.gaussian(0.3 + 0.7 / np.e, 1 / np.e, grid)
    h = kn.Density.gaussian(2.0, 0.5, grid)
    np.testing.assert_allclose(value(L2Loss(h), g), 0.622307371, atol=2e-7)


def apart_from_the_first_variation(cells, name):
    """The gradient, as it stands and without what an average does to its neighbours, in units of the first variation."""
    _, gradient, variation = (np.asarray(each[name]) for each in between_gaussians(cells))
    weights = np.asarray(gaussians(cells)[0].values)[1:-1]
    spread = lambda a, w=weights / weights.sum(): np.sqrt(w @ (a - w @ a) ** 2)
    inner = variation[1:-1]
    plain = spread(gradient[1:-1] - inner) / spread(inner)
    return plain, spread(gradient[1:-1] - inner + np.diff(variation, 2) / 12) / spread(inner)


@pytest.mark.parametrize("name", NAMES)
def test_first_variation_is_nearly_the_gradient(name):
    """The start of the orders below, without two further programs."""
    plain, shaped = apart_from_the_first_variation(CELLS[0], name)
    assert plain < 0.1 and shaped < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_first_variation_is_the_gradient_to_second_order(name):
    """Up to a constant and where there is mass; to a higher order with what an average does to its neighbours."""
    plain, shaped = zip(*(apart_from_the_first_variation(n, name) for n in CELLS), strict=True)
    assert plain[-1] < 1e-2 and order(CELLS, plain) > 1.8
    assert shaped[-1] < 1e-3 and order(CELLS, shaped) > {"moments": 2.2, "wasserstein": 2.6}.get(name, 2.7)


@pytest.mark.parametrize(("cells", "share"), [(40, 0.05), pytest.param(160, 3e-3, marks=pytest.mark.slow)])
def test_first_variations_in_closed_form(cells, share):
    g, h = gaussians(cells)
    found = between_gaussians(40)[2] if cells == 40 else variations_of(every_loss(h), g)
    x, (m, n), (s, t) = np.asarray(g.grid.centers), MEANS, STDS
    # int_x^inf of the distribution function of a standard normal variable less 1.
    ramp = lambda z: z * ndtr(-z) - norm.pdf(z)
    z, y = (x - m) / s, (x - n) / t
    exact = {
        "l2": norm.pdf(z) / s - norm.pdf(y) / t,
        "smoothed": norm.pdf(x, m, np.sqrt(s**2 + 2)) - norm.pdf(x, n, np.sqrt(t**2 + 2)),
        # lambda' = x - T(x), T(x) = n + t z, with the mean 0 under g.
        "wasserstein": (m - n) * s * z + 0.5 * s * (s - t) * (z**2 - 1),
        "cramer": s * ramp(z) - t * ramp(y),
        "kullback leibler": -norm.pdf(x, n, t) / norm.pdf(x, m, s),
        "moments": (m - n) * x + (m**2 + s**2 - n**2 - t**2) * x**2,
    }
    bulk = np.abs(z) < 3
    for name in NAMES:
        tolerance = share * np.max(np.abs(exact[name][bulk]))
        np.testing.assert_allclose(np.asarray(found[name])[bulk], exact[name][bulk], atol=tolerance, err_msg=name)


# Gradients


@given(seed=st.integers(0, 10**6))
def test_gradients_are_the_slopes_of_values(seed):
    """Along random directions, on rough data without empty cells."""
    rng = np.random.default_rng(seed)
    g, h = (normalized(rng.uniform(0.2, 1.0, size=40)) for _ in range(2))
    direction = rng.normal(size=40) * np.asarray(g.values)
    direction -= direction.mean()
    losses, size = every_loss(h), 1e-5
    up, down = (compute(losses, kn.Density(GRID, g.values + sign * size * direction))[0] for sign in (1, -1))
    slopes = compute(losses, g)[1]
    for name in NAMES:
        parts = np.asarray(slopes[name]) * direction * float(GRID.width)
        # Wasserstein's gradient is not that of its quadrature.
        tolerance = (1e-2 if name == "wasserstein" else 1e-7) * np.sum(np.abs(parts))
        assert abs(parts.sum() - float(up[name] - down[name]) / (2 * size)) < tolerance, name


# What some of them promise


def test_kullback_leibler_is_finite_without_overlap():
    value, gradient, variation = compute(
        every_loss(kn.Density.uniform(1.0, 2.0, GRID)), kn.Density.uniform(-2.0, -1.0, GRID)
    )
    # ln(h / floor), the floor being 1e-16 / 5.
    np.testing.assert_allclose(value["kullback leibler"], np.log(5e16), rtol=0.02)
    assert jnp.all(jnp.isfinite(gradient["kullback leibler"]))
    assert float(jnp.min(variation["kullback leibler"])) < -1e16


def test_moments_of_samples():
    x, y = kn.Ensemble([0.0, 2.0, 4.0]), kn.Ensemble([1.0, 3.0])
    assert float(value(MomentLoss(y, (0, 1)), x)) == 0
    plane = MomentLoss(kn.Ensemble(np.eye(2)), [1])
    np.testing.assert_allclose(value(plane, kn.Ensemble(np.zeros((4, 2)))), 0.25)
    line = MomentLoss(kn.Ensemble(y.samples[:, None]), (2,))
    cost, slope = jax.jit(jax.value_and_grad(line))(x)
    np.testing.assert_allclose(cost, 0.5 * (20 / 3 - 5) ** 2)
    np.testing.assert_allclose(slope.samples, (20 / 3 - 5) * 2 * np.asarray(x.samples) / 3)
    # On a density lambda holds the averages of the powers, exactly.
    g = gaussians(40)[0]
    faces = np.asarray(g.grid.faces)
    apart, variation = jax.jit(lambda g, y: (g.moment(3) - y.moment(3), MomentLoss(y, (3,)).first_variation(g)))(g, y)
    np.testing.assert_allclose(variation, float(apart) * np.diff(faces**4) / (4 * float(g.grid.width)), rtol=1e-12)


# All of them


@given(first=rough, second=rough)
def test_on_rough_data_they_are_distances(first, second):
    check_distances(every_loss, normalized(first), normalized(second))


@pytest.mark.slow
@given(first=rough, second=rough)
def test_float32_gives_finite_numbers(first, second):
    check_float32(every_loss, normalized(first), normalized(second), np.float32(0.1))


def test_float32_stays_and_mixed_precision_gives_the_wider_type():
    """By their types alone, which need no program."""
    g, h = gaussians(40)
    single = jax.tree.map(jnp.float32, g)
    losses = every_loss(jax.tree.map(jnp.float32, h), np.float32(1.0))
    for results in (jax.eval_shape(values_of, losses, single), jax.eval_shape(variations_of, losses, single)):
        assert all(result.dtype == np.float32 for result in results.values())
    for name, loss in every_loss(jax.tree.map(jnp.float32, h)).items():
        for call in (loss, loss.first_variation):
            assert jax.eval_shape(call, g).dtype == np.float64, name


def test_units_and_mirror():
    """In other units of x and of mass, and from right to left."""
    g, h = gaussians(40)
    value, _, variation = compute(every_loss(h), g)
    by_length = {"l2": -1, "smoothed": -1, "wasserstein": 2, "cramer": 1, "kullback leibler": 0}
    by_mass = {"l2": 2, "smoothed": 2, "wasserstein": 0, "cramer": 2, "kullback leibler": 1, "moments": 2}

    def changed(density, scale=1.0, mass=1.0):
        return kn.Density(kn.Grid(scale * BOUNDS[0], scale * BOUNDS[1], 40), density.values * mass / scale)

    for scale in (1e-6, 1e6):
        got = compute(every_loss(changed(h, scale), scale), changed(g, scale))[0]
        for name, power in by_length.items():
            np.testing.assert_allclose(got[name], value[name] * scale**power, rtol=1e-9, err_msg=name)
    got = compute(every_loss(changed(h, mass=1e5)), changed(g, mass=1e5))[0]
    for name, power in by_mass.items():
        np.testing.assert_allclose(got[name], value[name] * 1e5**power, rtol=1e-9, err_msg=name)

    mirror = lambda density: kn.Density(kn.Grid(-BOUNDS[1], -BOUNDS[0], 40), density.values[::-1])
    mirrored, _, turned = compute(every_loss(mirror(h)), mirror(g))
    bulk = np.asarray(g.values) > 1e-6
    for name in NAMES:
        np.testing.assert_allclose(mirrored[name], value[name], rtol=1e-8, err_msg=name)
        difference = (np.asarray(turned[name])[::-1] - np.asarray(variation[name]))[bulk]
        # Cramer's constant is 0 on the right, on either side of the mirror.
        assert np.ptp(difference) < 1e-8 and (name == "cramer" or abs(difference[0]) < 1e-8), name


def test_they_map_over_stacks_of_densities_and_of_targets():
    g, h = gaussians(40)
    stack = jax.tree.map(lambda *leaves: np.stack(leaves), g, h)
    targets = jax.tree.map(lambda *leaves: np.stack(leaves), h, g)
    # The two that are more than sums over the cells.
    both = lambda h, g: {"smoothed": SmoothedL2Loss(h, 1.0)(g), "wasserstein": WassersteinLoss(h)(g)}
    got = jax.jit(jax.vmap(both))(targets, stack)
    for i, (a, b) in enumerate(((g, h), (h, g))):
        values = compute(every_loss(b), a)[0]
        for name, each in got.items():
            np.testing.assert_allclose(each[i], values[name], rtol=1e-9, err_msg=name)


@pytest.mark.slow
def test_the_gradient_of_wasserstein_maps_over_stacks_of_densities_and_of_targets():
    g, h = gaussians(40)
    stack = jax.tree.map(lambda *leaves: np.stack(leaves), g, h)
    targets = jax.tree.map(lambda *leaves: np.stack(leaves), h, g)
    pull = lambda h, g: jax.grad(WassersteinLoss(h))(g).values / g.grid.width
    slopes = jax.jit(jax.vmap(pull))(targets, stack)
    for i, (a, b) in enumerate(((g, h), (h, g))):
        np.testing.assert_allclose(slopes[i], compute(every_loss(b), a)[1]["wasserstein"], atol=1e-7)


def test_masses_may_differ_where_they_are_traced():
    """As they do after a solve that loses mass through open ends."""
    g, h = gaussians(40)
    whole, less = (compute(every_loss(h), kn.Density(g.grid, share * g.values))[0] for share in (1.0, 0.9))
    assert all(np.isfinite(cost) for cost in less.values())
    np.testing.assert_allclose(less["wasserstein"], whole["wasserstein"], rtol=1e-12)
