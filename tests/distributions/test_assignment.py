"""Wasserstein distances in two dimensions and more: by the best matching, and sliced."""

import itertools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import wasserstein_distance, wasserstein_distance_nd

import kinetic_nde as kn
from kinetic_nde.distributions.sliced import directions

# POT would import every array library there is.
os.environ.update({f"POT_BACKEND_DISABLE_{name}": "1" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")})
import ot

seeds = st.integers(0, 10**6)
orders = st.sampled_from([1, 2, 3.5])  # one small program each


def cloud(seed, size=30, d=2):
    return np.random.default_rng(seed).normal(size=(size, d)) * np.arange(1, d + 1)


def distance(x, y, p=1, **sliced):
    return float(kn.wasserstein(kn.Ensemble(x), kn.Ensemble(y), order=p, **sliced))


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


# One number of samples and of directions for all tests: one compiled program for each order.
def sliced(x, y, p=1, seed=0):
    return distance(x, y, p, projections=25, key=jax.random.key(seed))


def drawn(seed=0):
    return np.asarray(directions(jax.random.key(seed), 25, 2, np.dtype(float)))


@given(seed=seeds, p=st.sampled_from([1, 2]))
def test_sliced_it_is_pots(seed, p):
    x, y = cloud(seed), cloud(seed + 1)
    np.testing.assert_allclose(
        sliced(x, y, p, seed), ot.sliced_wasserstein_distance(x, y, projections=drawn(seed).T, p=p), rtol=1e-10
    )


@pytest.mark.parametrize("p", [1, 2])
def test_sliced_a_shift_is_as_long_as_it_is_seen(p):
    x, shift = cloud(7), np.array([3.0, -4.0])
    exact = np.mean(np.abs(drawn() @ shift) ** p) ** (1 / p)
    np.testing.assert_allclose(sliced(x, x + shift, p), exact, rtol=1e-12)


def test_directions_are_uniform_on_the_sphere():
    """So that a shift by h has, over all of them, SW_2 = |h| / sqrt(d), and in the plane SW_1 = 2 |h| / pi."""
    shift = np.array([3.0, -4.0])
    seen = np.asarray(directions(jax.random.key(0), 10**5, 2, np.dtype(float))) @ shift
    np.testing.assert_allclose([np.sqrt(np.mean(seen**2)), np.mean(np.abs(seen))], [5 / 2**0.5, 10 / np.pi], rtol=0.01)
    space = np.asarray(directions(jax.random.key(0), 10**5, 3, np.dtype(float)))
    np.testing.assert_allclose(np.linalg.norm(space, axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(space.T @ space / 1e5, np.eye(3) / 3, atol=0.01)


@given(seed=seeds)
def test_sliced_is_a_distance_below_the_exact_one(seed):
    x, y, z = (cloud(seed + k) for k in range(3))
    xy = sliced(x, y, 2)
    np.testing.assert_allclose(sliced(y, x, 2), xy, rtol=1e-12)
    assert sliced(x, z, 2) <= xy + sliced(y, z, 2) + 1e-12
    assert sliced(x, x, 2) < 1e-12 < xy <= distance(x, y, 2)
    assert sliced(x, y, 2, seed=1) != xy


def test_sliced_of_samples_on_an_axis_is_their_distance_as_it_is_seen():
    x, y = cloud(8), cloud(9)
    x[:, 1] = y[:, 1] = 0.0
    exact = np.mean(np.abs(drawn()[:, 0])) * wasserstein_distance(x[:, 0], y[:, 0])
    np.testing.assert_allclose(sliced(x, y), exact, rtol=1e-12)


def test_the_gradient_of_a_sliced_distance():
    x, shift = jnp.asarray(cloud(7)), jnp.array([3.0, -4.0])
    value = lambda h: kn.wasserstein(kn.Ensemble(x), kn.Ensemble(x + h[None]), projections=25, key=jax.random.key(0))
    exact = np.mean(np.sign(drawn() @ shift)[:, None] * drawn(), axis=0)
    np.testing.assert_allclose(jax.grad(value)(shift), exact, rtol=1e-12)


def test_bad_input():
    x, key = kn.Ensemble(cloud(0)), jax.random.key(0)
    with pytest.raises(ValueError, match="d = 2 and d = 3"):
        kn.wasserstein(x, kn.Ensemble(cloud(0, d=3)))
    with pytest.raises(ValueError, match="projections= and key= together"):
        kn.wasserstein(x, x, projections=10)
    with pytest.raises(ValueError, match="projections= and key= together"):
        kn.wasserstein(x, x, key=key)
    for wrong in (0, jax.random.split(key, 3)):
        with pytest.raises(TypeError, match="key"):
            kn.wasserstein(x, x, projections=10, key=wrong)
    with pytest.raises(ValueError, match="projections must be at least 1"):
        kn.wasserstein(x, x, projections=0, key=key)
    large, odd = kn.Ensemble(np.zeros((2001, 2))), kn.Ensemble(np.zeros((101, 2)))
    for pair, pairs in (((large, large), 2001), ((x, odd), 3030)):
        with pytest.raises(ValueError, match=f"matches {pairs} pairs, of which 2000 is the limit.*sliced"):
            kn.wasserstein(*pair)
