"""Theorem 1: how far apart two distributions can come."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import wasserstein_distance

import kinetic_nde as kn
from tests.closed_forms import ACTIVATIONS, flow

IDENTITY = kn.Identity()
seeds = st.integers(0, 10**6)
weights = st.floats(-3.0, 3.0).filter(lambda w: abs(w) > 1e-3)


def bound(weight, t, distance=1.0, activation: Any = IDENTITY, bias: Any = 0.0):
    return kn.dobrushin_bound(kn.SimResNet(weight, bias, activation), t, distance)


def exponent(weight, t):
    """int_0^t ||w||."""
    return np.log(np.asarray(bound(weight, t)))


class Wave(eqx.Module):
    """w(t) = size cos(rate t - shift)."""

    size: jax.Array
    rate: jax.Array
    shift: jax.Array

    def __call__(self, t):
        return self.size * jnp.cos(self.rate * t - self.shift)


def wave(size, rate, shift=0.0):
    return Wave(*(jnp.asarray(each, float) for each in (size, rate, shift)))


# Each kind of parameter


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_of_a_constant_weight(activation):
    ts = np.array([[0.0, 0.5], [1.0, 2.0]])
    exact = 0.3 * np.exp(activation.lipschitz * 1.5 * ts)
    np.testing.assert_allclose(bound(-1.5, ts, 0.3, activation, bias=7.0), exact, rtol=1e-13)


def test_of_layers_it_is_exact():
    layers = kn.PiecewiseConstant([0.0, 1.0, 1.5], [-1.0, 4.0, -0.5])
    ts = np.array([0.5, 1.0, 1.25, 1.5, 3.5])
    np.testing.assert_allclose(exponent(layers, ts), [0.5, 1.0, 2.0, 3.0, 4.0], rtol=1e-13)
    # The first layer also before its time, and times in any order.
    later = kn.PiecewiseConstant([2.0, 3.0], [-1.0, 4.0])
    np.testing.assert_allclose(exponent(later, [4.0, 1.0]), [7.0, 1.0], rtol=1e-13)


def test_a_layer_is_found_however_short_it_is():
    """A millionth long with w = 1e6, which no quadrature over [0, 3] would hit."""
    flash = kn.PiecewiseConstant([0.0, 1.3, 1.3 + 1e-6], [0.5, 1e6, -0.5])
    np.testing.assert_allclose(exponent(flash, 3.0), 0.65 + 1.0 + 0.85, rtol=1e-6)


def test_of_an_interpolated_weight_that_changes_sign():
    """w = -1 + 3 t up to t = 1, zero at 1/3 which is no knot: triangles, then 2 held."""
    knots = kn.Interpolated([0.0, 1.0], [-1.0, 2.0])
    ts = np.array([0.2, 1 / 3, 1.0, 3.0])
    np.testing.assert_allclose(exponent(knots, ts), [0.2 - 0.06, 1 / 6, 5 / 6, 5 / 6 + 4], rtol=1e-10)


@pytest.mark.parametrize("weight", [wave(2, 5), lambda t: 2 * jnp.cos(5 * t)], ids=["module", "function"])
def test_of_a_function_of_time(weight):
    """int |2 cos 5 s| = 0.8 for each half period, 2/5 sin 5 t in the first quarter."""
    ts = np.array([0.1, np.pi / 10, np.pi / 5, 3 * np.pi / 5])
    np.testing.assert_allclose(exponent(weight, ts), [0.4 * np.sin(0.5), 0.4, 0.8, 2.4], rtol=1e-10)


class Jump(eqx.Module):
    """A weight of one's own that jumps, and says so or not."""

    breakpoints: tuple = eqx.field(static=True)

    def __call__(self, t):
        return jnp.where(t < 1 / 3, -1.0, 2.0)


@pytest.mark.parametrize("breakpoints", [(1 / 3,), ()])
def test_of_a_weight_that_jumps(breakpoints):
    np.testing.assert_allclose(exponent(Jump(breakpoints), [0.2, 1.0]), [0.2, 5 / 3], rtol=1e-10)


# Two dimensions and more


def test_the_norm_is_the_spectral_one():
    shear = jnp.array([[1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_allclose(exponent(shear, 2.0), 2 * np.linalg.norm(np.asarray(shear), 2), rtol=1e-13)
    rotation = jnp.array([[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(exponent(rotation, 3.0), 3.0, rtol=1e-13)
    both = kn.PiecewiseConstant([0.0, 1.0], jnp.stack([shear, rotation]))
    np.testing.assert_allclose(exponent(both, 2.0), np.linalg.norm(np.asarray(shear), 2) + 1, rtol=1e-13)


def test_a_number_is_a_multiple_of_the_identity():
    ts = [0.0, 0.5]
    np.testing.assert_array_equal(bound(-2.0, ts, bias=jnp.zeros(3)), bound(-2.0, ts))
    np.testing.assert_array_equal(bound(jnp.array([[-2.0]]), ts, bias=jnp.zeros(1)), bound(-2.0, ts))
    np.testing.assert_allclose(bound(-2.0 * jnp.eye(3), ts), bound(-2.0, ts), rtol=1e-13)


# The theorem


@given(seed=seeds, w=weights, b=st.floats(-2.0, 2.0), t=st.floats(0.0, 1.5), which=st.integers(0, 3))
@settings(max_examples=10)
def test_no_two_ensembles_are_farther_apart(seed, w, b, t, which):
    """Along the closed-form flow maps."""
    rng, activation = np.random.default_rng(seed), ACTIVATIONS[which]
    x, y = rng.normal(size=40), rng.normal(0.3, 1.5, size=25)
    moved = wasserstein_distance(flow(activation, w, b, t, x), flow(activation, w, b, t, y))
    limit = float(bound(w, t, wasserstein_distance(x, y), activation))
    assert moved <= limit * (1 + 1e-12)


@given(w=st.floats(0.1, 3.0), t=st.floats(0.0, 2.0))
@settings(max_examples=8)
def test_for_the_identity_nothing_smaller_holds(w, t):
    x, y = np.array([0.0, 1.0, 5.0]), np.array([0.5, 1.0, 7.0])
    moved = wasserstein_distance(flow(IDENTITY, w, 0.4, t, x), flow(IDENTITY, w, 0.4, t, y))
    np.testing.assert_allclose(bound(w, t, wasserstein_distance(x, y)), moved, rtol=1e-12)


def test_the_constant_as_printed_is_too_small():
    """Points at 0 and 0.01 under tanh(3 x), t = 0.5, come 4.47 times as far apart: below e^1.5, far above e^0.5."""
    apart = flow(kn.Tanh(), 3.0, 0.0, 0.5, np.array([0.01]))[0]
    assert round(apart / 0.01, 2) == 4.47
    assert apart <= bound(3.0, 0.5, 0.01, kn.Tanh())
    assert apart > 2.7 * 0.01 * np.exp(kn.Tanh().lipschitz * 0.5)
    np.testing.assert_allclose(bound(3.0, 0.5, 0.01, kn.Tanh()), 0.01 * np.exp(1.5), rtol=1e-13)


@pytest.mark.parametrize("activation", [kn.Identity(), kn.Tanh()])
def test_a_change_of_units_scales_the_bound(activation):
    for weight in (1.5, kn.Interpolated([0.0, 1.0], [-1.0, 2.0])):
        net = kn.SimResNet(weight, 0.3, activation)
        scaled, time = kn.rescale(net, 1000.0)
        expected = 1000.0 * kn.dobrushin_bound(net, 0.8, 0.2)
        np.testing.assert_allclose(kn.dobrushin_bound(scaled, 0.8 * time, 200.0), expected, rtol=1e-11)


# Ends of the range


def test_without_a_lipschitz_constant_it_is_infinite_unless_nothing_can_part():
    cosine = kn.GrowingCosine()
    np.testing.assert_array_equal(bound(1.0, [0.0, 0.5], 2.0, cosine), [2.0, np.inf])
    np.testing.assert_array_equal(bound(1.0, [0.0, 0.5], 0.0, cosine), [0.0, 0.0])
    np.testing.assert_array_equal(bound(0.0, [0.0, 0.5], 2.0, cosine, bias=1.0), [2.0, 2.0])
    np.testing.assert_array_equal(bound(1000.0, [0.0, 10.0], 2.0), [2.0, np.inf])
    np.testing.assert_array_equal(bound(1000.0, 10.0, 0.0), 0.0)


def test_float32():
    net = jax.tree.map(lambda leaf: leaf.astype(np.float32), kn.SimResNet(3.0, 0.0, kn.Tanh()))
    narrow = kn.dobrushin_bound(net, np.float32(0.5), np.float32(2.0))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, 2 * np.exp(1.5), rtol=1e-6)


def test_bad_input():
    net = kn.SimResNet(1.0, 0.0, IDENTITY)
    for t in (-1.0, [0.0, -0.5], np.nan, np.inf):
        with pytest.raises(ValueError, match="times must be finite and >= 0"):
            kn.dobrushin_bound(net, t, 1.0)
    for distance in (-1.0, np.nan, np.inf, np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match="one number, finite and >= 0"):
            kn.dobrushin_bound(net, 1.0, distance)
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda t: kn.dobrushin_bound(net, t, 1.0))(1.0)
    with pytest.raises(TypeError, match="SimResNet"):
        kn.dobrushin_bound(kn.MeanField(net), 1.0, 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="weight is not finite"):
        bound(lambda t: jnp.log(t - 1), 2.0)


@pytest.mark.parametrize("k", [5, 50, 200])
def test_a_weight_that_changes_its_sign_often(k):
    net = kn.SimResNet(wave(1, k, np.pi / 2), 0.0, kn.Identity())
    full, rest = divmod(k * 10.0, np.pi)
    exponent = (2 * full + 1 - np.cos(rest)) / k
    np.testing.assert_allclose(kn.dobrushin_bound(net, 10.0, 1.0), np.exp(exponent), rtol=1e-10)
