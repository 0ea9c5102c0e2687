"""Losses in two dimensions: closed forms between Gaussians, first variations, gradients, symmetry, rough data."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import multivariate_normal

import kinetic_nde as kn
from tests.closed_forms import order
from tests.sensitivity.loss_cases import check_distances, check_float32, compute, values_of, variations_of
from tests.sensitivity.plane_loss_cases import (
    BANDWIDTHS,
    CELLS,
    COVARIANCES,
    FINEST,
    GRID,
    MEANS,
    NAMES,
    every_loss,
    gaussians,
    normalized,
    random_densities,
    rough,
)


def closed_forms():
    (m, n), (a, b) = MEANS, COVARIANCES

    def square(widths):
        blur = 2 * np.diag(np.asarray(widths) ** 2)
        shared = lambda x, y, sum: multivariate_normal(np.zeros(2), sum + blur).pdf(x - y)
        return 0.5 * (shared(m, m, 2 * a) + shared(n, n, 2 * b)) - shared(m, n, a + b)

    inverse = np.linalg.inv(a)
    seconds = (m**2 + np.diag(a)) - (n**2 + np.diag(b))
    ratio = np.log(np.linalg.det(a) / np.linalg.det(b))
    return {
        "l2": square([0.0, 0.0]),
        "smoothed": square(BANDWIDTHS),
        "kullback leibler": 0.5 * (np.trace(inverse @ b) + (m - n) @ inverse @ (m - n) - 2 + ratio),
        "moments": 0.5 * (np.sum((m - n) ** 2) + np.sum(seconds**2)),
    }


# Between Gaussians


@functools.cache
def values_between_gaussians(n):
    g, h = gaussians(n)
    return compute_between_gaussians(n)[0] if n == 20 else values_of(every_loss(h), g)


@functools.cache
def compute_between_gaussians(n):
    g, h = gaussians(n)
    return jax.tree.map(np.asarray, compute(every_loss(h), g))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "largest"),
    [(CELLS, 8e-3), ([*CELLS, FINEST], 2e-3)],
    ids=["two", "three"],
)
@pytest.mark.parametrize("name", NAMES)
def test_values_converge_at_third_order_or_better(name, cells, largest):
    exact = closed_forms()[name]
    errors = [abs(float(values_between_gaussians(n)[name]) / exact - 1) for n in cells]
    assert errors[-1] < largest and order(cells, errors) > 2.7


@pytest.mark.parametrize(("cells", "share"), [(20, 0.2), pytest.param(50, 3e-2, marks=pytest.mark.slow)])
def test_first_variations_in_closed_form(cells, share):
    g, h = gaussians(cells)
    found = compute_between_gaussians(20)[2] if cells == 20 else variations_of(every_loss(h), g)
    x, (m, n) = np.asarray(g.grid.centers), MEANS
    covariances: Any = COVARIANCES
    a, b = covariances
    p, q = multivariate_normal(m, a), multivariate_normal(n, b)
    blur = 2 * np.diag(BANDWIDTHS**2)
    seen = multivariate_normal(m, a + blur).pdf(x) - multivariate_normal(n, b + blur).pdf(x)
    seconds = (m**2 + np.diag(a)) - (n**2 + np.diag(b))
    exact = {
        "l2": p.pdf(x) - q.pdf(x),
        "smoothed": seen,
        "kullback leibler": -q.pdf(x) / p.pdf(x),
        "moments": (m - n) @ np.moveaxis(x, -1, 1) + seconds @ np.moveaxis(x**2, -1, 1),
    }
    bulk = p.pdf(x) > 0.02 * p.pdf(m)
    for name in NAMES:
        got = np.asarray(found[name])[bulk]
        np.testing.assert_allclose(got, exact[name][bulk], atol=share * np.max(np.abs(exact[name][bulk])), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_first_variation_is_the_gradient(name):
    """To second order as it stands, to a higher one with what an average does to its neighbours."""
    plain, shaped = [], []
    for n in (20, 50):
        _, gradient, variation = (each[name] for each in compute_between_gaussians(n))
        weights = np.asarray(gaussians(n)[0].values)[1:-1, 1:-1]
        spread = lambda a, w=weights / weights.sum(): np.sqrt(np.sum(w * (a - np.sum(w * a)) ** 2))
        inner = variation[1:-1, 1:-1]
        second = np.diff(variation, 2, axis=0)[:, 1:-1] + np.diff(variation, 2, axis=1)[1:-1]
        plain.append(spread(gradient[1:-1, 1:-1] - inner) / spread(inner))
        shaped.append(spread(gradient[1:-1, 1:-1] - inner + second / 12) / spread(inner))
    assert plain[-1] < 7e-2 and plain[-1] < 0.35 * plain[0]
    assert shaped[-1] < 1e-2 and shaped[-1] < 0.2 * shaped[0]


# Gradients


@given(seed=st.integers(0, 10**6))
@settings(max_examples=5)
def test_gradients_are_the_slopes_of_values(seed):
    check_slopes(seed)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_gradients_are_the_slopes_of_values_of_many(seed):
    check_slopes(seed)


def check_slopes(seed):
    """Along random directions, on rough data without empty cells."""
    rng, g, h = random_densities(seed)
    direction = rng.normal(size=(20, 20)) * np.asarray(g.values)
    direction -= direction.mean()
    losses, size = every_loss(h), 1e-5
    up, down = (compute(losses, kn.Density(GRID, g.values + sign * size * direction))[0] for sign in (1, -1))
    slopes = compute(losses, g)[1]
    for name in NAMES:
        parts = np.asarray(slopes[name]) * direction * float(GRID.volume)
        assert abs(parts.sum() - float(up[name] - down[name]) / (2 * size)) < 1e-7 * np.abs(parts).sum(), name


# What each promises


def test_l2_is_the_integral_over_the_polynomials():
    _, g, h = random_densities(5)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    first, second = g.plane, h.plane
    squares = [
        0.25 * v * w * np.sum(np.asarray(first.at(0.5 * s, 0.5 * t) - second.at(0.5 * s, 0.5 * t)) ** 2)
        for s, v in zip(nodes, weights, strict=True)
        for t, w in zip(nodes, weights, strict=True)
    ]
    np.testing.assert_allclose(compute(every_loss(h), g)[0]["l2"], 0.5 * sum(squares) * float(GRID.volume), rtol=1e-12)


def test_kullback_leibler_is_finite_without_overlap():
    g, h = kn.Density.uniform((-2.0, -1.0), (-1.0, 0.0), GRID), kn.Density.uniform((1.0, 1.0), (2.0, 2.0), GRID)
    value, gradient, variation = compute(every_loss(h), g)
    # ln(h / floor), the floor being 1e-16 / 17.5.
    np.testing.assert_allclose(value["kullback leibler"], np.log(17.5e16), rtol=0.02)
    assert jnp.all(jnp.isfinite(gradient["kullback leibler"]))
    assert float(jnp.min(variation["kullback leibler"])) < -1e16


def test_moments_between_densities_and_samples():
    g, _ = gaussians(20)
    samples = kn.Ensemble(np.random.default_rng(0).normal(size=(50, 2)))
    loss = kn.MomentLoss(samples, (1, 3))
    exact = 0.5 * sum(np.sum((np.asarray(g.moment(k)) - np.asarray(samples.moment(k))) ** 2) for k in (1, 3))
    np.testing.assert_allclose(loss(g), exact, rtol=1e-12)
    np.testing.assert_allclose(kn.MomentLoss(g, (1, 3))(samples), exact, rtol=1e-12)
    # lambda holds the averages of the powers, exactly.
    powers = [
        np.diff(np.asarray(f) ** (k + 1)) / (k + 1) / float(w)
        for k in (1, 3)
        for f, w in zip(g.grid.faces, g.grid.width, strict=True)
    ]
    d = [np.asarray(g.moment(k)) - np.asarray(samples.moment(k)) for k in (1, 3)]
    along = d[0][0] * powers[0] + d[1][0] * powers[2], d[0][1] * powers[1] + d[1][1] * powers[3]
    np.testing.assert_allclose(loss.first_variation(g), np.add.outer(*along), rtol=1e-10)


# All of them


@given(first=rough, second=rough)
@settings(max_examples=5)
def test_on_rough_data_they_are_distances(first, second):
    check_distances(every_loss, normalized(first), normalized(second))


@pytest.mark.slow
@given(first=rough, second=rough)
def test_on_much_rough_data_they_are_distances(first, second):
    check_distances(every_loss, normalized(first), normalized(second))


@pytest.mark.slow
@given(first=rough, second=rough)
def test_float32_gives_finite_numbers(first, second):
    check_float32(every_loss, normalized(first), normalized(second), BANDWIDTHS.astype(np.float32))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=5)
def test_axes_exchanged_mirrored_and_in_other_units(seed):
    check_symmetries(seed)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_axes_exchanged_mirrored_and_in_other_units_of_many(seed):
    check_symmetries(seed)


def check_symmetries(seed):
    _, g, h = random_densities(seed)
    lower, upper = np.asarray(GRID.lower), np.asarray(GRID.upper)
    value = compute(every_loss(h), g)[0]

    turned = kn.Grid(lower[::-1], upper[::-1], (20, 20))
    turn = lambda density: kn.Density(turned, density.values.T)
    got = compute(every_loss(turn(h), BANDWIDTHS[::-1].copy()), turn(g))[0]
    for name in NAMES:
        np.testing.assert_allclose(got[name], value[name], rtol=1e-8, err_msg=name)

    mirrored = kn.Grid([lower[0], -upper[1]], [upper[0], -lower[1]], (20, 20))
    mirror = lambda density: kn.Density(mirrored, density.values[:, ::-1])
    got = compute(every_loss(mirror(h)), mirror(g))[0]
    for name in NAMES:
        np.testing.assert_allclose(got[name], value[name], rtol=1e-8, err_msg=name)

    scale = np.array([1e3, 1e-5])
    change = lambda density: kn.Density(
        kn.Grid(scale * lower, scale * upper, (20, 20)), density.values / np.prod(scale)
    )
    got = compute(every_loss(change(h), BANDWIDTHS * scale), change(g))[0]
    for name, power in {"l2": -1, "smoothed": -1, "kullback leibler": 0}.items():
        np.testing.assert_allclose(got[name], value[name] * np.prod(scale) ** power, rtol=1e-8, err_msg=name)


@pytest.mark.slow
def test_they_map_over_stacks():
    _, g, h = random_densities(8)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), g, h)
    targets = jax.tree.map(lambda *leaves: jnp.stack(leaves), h, g)
    smoothed = lambda h, g: kn.SmoothedL2Loss(h, BANDWIDTHS)(g)
    got = jax.jit(jax.vmap(smoothed))(targets, stack)
    np.testing.assert_allclose(got, compute(every_loss(h), g)[0]["smoothed"], rtol=1e-10)
