"""Wasserstein distances in two dimensions and more by the best matching."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import wasserstein_distance_nd

import kinetic_nde as kn
from tests.distributions.clouds import cloud, distance
from tests.distributions.optimal_transport import ot

seeds = st.integers(0, 10**6)
orders = st.sampled_from([1, 2, 3.5])  # one small program each


def by_pot(x, y, p):
    cost = ot.dist(x, y, metric="euclidean") ** p
    return ot.emd2(np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y)), cost) ** (1 / p)


@given(seed=seeds, p=orders)
def test_between_as_many_samples_it_is_pots(seed, p):
    x, y = cloud(seed), cloud(seed + 1)
    np.testing.assert_allclose(distance(x, y, p), by_pot(x, y, p), atol=1e-8)


@given(seed=seeds, sizes=st.sampled_from([(12, 18), (1, 30), (15, 5)]), p=orders)
def test_between_unequal_numbers_it_is_pots(seed, sizes, p):
    x, y = cloud(seed, sizes[0]), cloud(seed + 1, sizes[1])
    np.testing.assert_allclose(distance(x, y, p), by_pot(x, y, p), atol=1e-8)


@pytest.mark.parametrize("sizes", [(10, 10), (8, 12)])
def test_it_is_scipys(sizes):
    x, y = cloud(3, sizes[0]), cloud(4, sizes[1])
    np.testing.assert_allclose(distance(x, y), wasserstein_distance_nd(x, y), atol=1e-8)


def test_no_other_matching_is_better():
    x, y = cloud(5, 6, d=3), cloud(6, 6, d=3)
    for p in (1, 2):
        costs = [np.mean(np.linalg.norm(x - y[list(pi)], axis=1) ** p) for pi in itertools.permutations(range(6))]
        np.testing.assert_allclose(distance(x, y, p), min(costs) ** (1 / p), rtol=1e-12)


@given(seed=seeds)
def test_on_a_line_it_is_the_distance_in_one_dimension(seed):
    x, y = cloud(seed, d=1), cloud(seed + 1, d=1)
    line = np.array([[0.6, 0.8]])
    np.testing.assert_allclose(distance(x @ line, y @ line, 2), distance(x, y, 2), rtol=1e-10)


@given(seed=seeds, p=orders, factor=st.sampled_from([1e-9, 0.3, 1e6]))
def test_axioms_shift_rotation_and_units(seed, p, factor):
    x, y, z = (cloud(seed + k) for k in range(3))
    xy = distance(x, y, p)
    np.testing.assert_allclose(distance(y, x, p), xy, rtol=1e-12)
    assert distance(x, z, p) <= xy + distance(y, z, p) + 1e-12
    assert distance(x, x[::-1], p) < 1e-12 < xy
    shift = np.array([3.0, -4.0])
    np.testing.assert_allclose(distance(x + shift, y + shift, p), xy, rtol=1e-12)
    # To a shift of itself the distance is the shift, of any order.
    np.testing.assert_allclose(distance(x, x + shift, p), 5.0, rtol=1e-12)
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(distance(x @ rotation.T, y @ rotation.T, p), xy, rtol=1e-12)
    np.testing.assert_allclose(distance(factor * x, factor * y, p), factor * xy, rtol=1e-12)
    assert xy <= distance(x, y, p + 1) + 1e-12


def test_between_gaussian_clouds_it_comes_near_the_closed_form():
    """W_2 between N(0, 1) and N(h, s^2), of covariances that are multiples of 1."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 2)), 0.5 * rng.normal(size=(600, 2)) + [3.0, 0.0]
    np.testing.assert_allclose(distance(x, y, 2), np.sqrt(9 + 2 * 0.25), rtol=0.02)


def test_its_gradient_is_along_the_matching():
    x, y = jnp.array([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]]), jnp.array([[6.0, 0.0], [0.0, 8.0], [3.0, 4.0]])
    towards = np.array([[-0.6, -0.8], [-1.0, 0.0], [0.0, 1.0]]) / 3

    def value(x, p=1):
        return kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p)

    np.testing.assert_allclose(jax.grad(value)(x), towards, atol=1e-14)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(x), towards, atol=1e-14)
    # dW_2 = sum of (x_i - y_i) . dx_i / (M W_2).
    matched = np.asarray(y)[[2, 0, 1]]
    exact = (np.asarray(x) - matched) / (3 * value(x, 2))
    np.testing.assert_allclose(jax.grad(value)(x, 2), exact, rtol=1e-12, atol=1e-14)
    for p in (1, 1.5, 2):
        np.testing.assert_array_equal(jax.grad(value)(y, p), np.zeros((3, 2)))


def test_a_batch_of_traced_samples():
    x, y = cloud(1), cloud(2)
    shifts = jnp.array([0.0, 1.0, 2.0])
    batch = jax.jit(jax.vmap(lambda shift: kn.wasserstein(kn.Ensemble(x + shift), kn.Ensemble(y))))(shifts)
    np.testing.assert_allclose(batch, [distance(x + float(shift), y) for shift in shifts], rtol=1e-12)
    broken = jax.jit(lambda x: kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=2))(jnp.full(x.shape, jnp.nan))
    assert jnp.isnan(broken)


def test_float32():
    x, y = cloud(1), cloud(2)
    narrow = kn.wasserstein(kn.Ensemble(x.astype(np.float32)), kn.Ensemble(y.astype(np.float32)), order=20)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, distance(x, y, 20), rtol=1e-5)
    # Powers of such sizes are beyond what the type holds.
    far = kn.wasserstein(kn.Ensemble(x.astype(np.float32) * 1e20), kn.Ensemble(y.astype(np.float32) * 1e20), order=2)
    np.testing.assert_allclose(far, 1e20 * distance(x, y, 2), rtol=1e-5)


def test_bad_input():
    x, odd = kn.Ensemble(cloud(0)), kn.Ensemble(np.zeros((101, 2)))
    with pytest.raises(ValueError, match="d = 2 and d = 3"):
        kn.wasserstein(x, kn.Ensemble(cloud(0, d=3)))
    large = kn.Ensemble(np.zeros((2001, 2)))
    for pair, pairs in (((large, large), 2001), ((x, odd), 3030)):
        with pytest.raises(ValueError, match=f"matches {pairs} pairs, of which 2000 is the limit.*sliced"):
            kn.wasserstein(*pair)
