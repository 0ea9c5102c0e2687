"""Wasserstein distances in one dimension."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import wasserstein_distance

import kinetic_nde as kn
from tests.closed_forms import order
from tests.distributions.optimal_transport import ot

GRID = kn.Grid(-8.0, 8.0, 200)
seeds = st.integers(0, 10**6)
slow = pytest.mark.slow
wasserstein = jax.jit(kn.wasserstein, static_argnames="order")


def samples(seed, size):
    return np.random.default_rng(seed).normal(size=size).round(1)


@pytest.mark.parametrize(
    "sizes", [(1, 1), (7, 3), pytest.param((40, 40), marks=slow), pytest.param((13, 200), marks=slow)]
)
@given(seed=seeds)
def test_between_ensembles_it_is_scipys(sizes, seed):
    x, y = samples(seed, sizes[0]), samples(seed + 1, sizes[1])
    distance = wasserstein(kn.Ensemble(x), kn.Ensemble(y))
    np.testing.assert_allclose(distance, wasserstein_distance(x, y), atol=1e-13)


# Sizes and orders that other tests here compile too.
@pytest.mark.parametrize(
    "case", [(7, 3, 1), (30, 30, 2), pytest.param((13, 200, 1), marks=slow), pytest.param((30, 30, 4), marks=slow)]
)
@given(seed=seeds)
def test_between_ensembles_it_is_pots(case, seed):
    x, y, p = samples(seed, case[0]), samples(seed + 1, case[1]), case[2]
    distance = wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p)
    np.testing.assert_allclose(distance, ot.wasserstein_1d(x, y, p=p) ** (1 / p), atol=1e-10)


@pytest.mark.parametrize("p", [1.5, 2, pytest.param(1, marks=slow), pytest.param(4, marks=slow)])
@given(seed=seeds)
def test_sorted_samples_of_equal_number_are_matched(p, seed):
    x, y = samples(seed, 30), samples(seed + 1, 30)
    exact = np.mean(np.abs(np.sort(x) - np.sort(y)) ** p) ** (1 / p)
    np.testing.assert_allclose(wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p), exact, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, pytest.param(3, marks=slow)])
@given(seed=seeds)
def test_a_shift_moves_a_density_by_itself(p, seed):
    values = np.random.default_rng(seed).uniform(size=200) * (np.random.default_rng(seed).uniform(size=200) < 0.4)
    # Nothing near the ends, where the ghosts of the reconstruction are not periodic.
    values[:5] = values[100:] = 0
    values[50] += 1e-3
    density = kn.Density(GRID, values)
    shifted = kn.Density(GRID, np.roll(values, 40))
    np.testing.assert_allclose(wasserstein(density, shifted, order=p), 40 * 0.08, rtol=1e-12)


@given(seed=seeds)
def test_axioms_of_a_distance(seed):
    rng = np.random.default_rng(seed)
    p, q = (kn.Density(GRID, rng.uniform(size=200) ** 4) for _ in range(2))
    r = kn.Ensemble(rng.normal(size=30))
    pq, qp, pr, rq = wasserstein(p, q), wasserstein(q, p), wasserstein(p, r), wasserstein(r, q)
    np.testing.assert_allclose(pq, qp, rtol=1e-12)
    assert float(pq) <= float(pr + rq) + 1e-12
    assert float(wasserstein(p, p)) < 1e-13 and float(wasserstein(r, r, order=2)) < 1e-13


@pytest.mark.parametrize("cells", [[50, 100, 200], pytest.param([50, 100, 200, 400], marks=slow)])
def test_between_gaussians(cells):
    errors = []
    for n in cells:
        grid = kn.Grid(-8.0, 8.0, n)
        p, q = kn.Density.gaussian(1.0, 0.5, grid), kn.Density.gaussian(0.0, 1.0, grid)
        errors.append(abs(float(wasserstein(p, q, order=2)) - np.sqrt(1.25)))
    assert errors[-1] < 2e-6 * (400 / cells[-1]) ** 2 and order(cells, errors) > 1.9


@pytest.mark.parametrize(("cells", "copies", "tolerance"), [(200, 30, 2e-4), pytest.param(800, 1, 1e-5, marks=slow)])
def test_between_a_point_and_a_density_it_is_a_moment(cells, copies, tolerance):
    density = kn.Density.gaussian(0.3, 1.0, kn.Grid(-8.0, 8.0, cells))
    point = kn.Ensemble([0.3] * copies)
    np.testing.assert_allclose(wasserstein(point, density, order=2), 1.0, atol=tolerance)
    np.testing.assert_allclose(wasserstein(density, point), np.sqrt(2 / np.pi), atol=tolerance)


def test_its_gradient_is_the_mean_sign():
    x, y = np.array([0.0, 1.0, 5.0]), np.array([0.5, 0.6, 9.0])

    @jax.jit
    def gradients(x):
        to_y = lambda x, p: kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p)
        return [jax.grad(to_y)(x, p) for p in (1, 2)]

    np.testing.assert_allclose(gradients(x)[0], [-1 / 3, 1 / 3, -1 / 3], rtol=1e-12)
    # dW_2 = sum of (x_i - y_i) dx_i / (M W_2).
    np.testing.assert_allclose(gradients(x)[1], (x - y) / 3 / np.sqrt(np.mean((x - y) ** 2)), rtol=1e-12)
    assert np.all(np.isfinite(gradients(y)))


def test_of_what_is_no_number_it_is_none():
    broken = jax.jit(lambda x: [kn.wasserstein(kn.Ensemble(x), kn.Ensemble([0.0, 1.0]), order=p) for p in (1, 2)])(
        np.full(2, np.nan)
    )
    assert np.all(np.isnan(broken))


def test_bad_input():
    with pytest.raises(ValueError, match="d = 2 and d = 1"):
        kn.wasserstein(kn.Ensemble(np.zeros((3, 2))), kn.Density.gaussian(0.0, 1.0, GRID))
    with pytest.raises(ValueError, match="exact at any size: leave out projections"):
        kn.wasserstein(kn.Ensemble([0.0]), kn.Ensemble([1.0]), projections=10, key=jax.random.key(0))
    with pytest.raises(ValueError, match="at least 1"):
        kn.wasserstein(kn.Ensemble([0.0]), kn.Ensemble([1.0]), order=0.5)
    with pytest.raises(ValueError, match="finite"):
        kn.wasserstein(kn.Ensemble([0.0]), kn.Ensemble([1.0]), order=np.inf)
    with pytest.raises(TypeError):
        kn.wasserstein([0.0], kn.Ensemble([1.0]))  # pyright: ignore[reportArgumentType]


@functools.partial(jax.jit, static_argnums=1)
def from_zero(x, p):
    """With its derivative."""
    return jax.value_and_grad(lambda x: kn.wasserstein(kn.Ensemble(jnp.zeros_like(x)), kn.Ensemble(x), p))(x)


@pytest.mark.parametrize(("p", "size"), [pytest.param(20, 100.0, marks=slow), (2, 1e-23), (2, 1e25)])
def test_powers_of_distances_neither_overflow_nor_vanish(p, size):
    value, slope = from_zero(np.full(2, size, np.float32), p)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, np.float32(size), rtol=1e-5)
    np.testing.assert_allclose(slope, 0.5, rtol=1e-5)
