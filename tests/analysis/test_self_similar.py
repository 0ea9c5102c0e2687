"""The self-similar scaling: closed forms, what it does not depend on, and what stands still under it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from tests.closed_forms import flow

seeds = st.integers(0, 10**6)
GRID = kn.Grid(-2.0, 10.0, 240)


def samples(seed, shape=(40,)):
    """Of positive mean, and partly negative."""
    x = np.random.default_rng(seed).normal(0.5, 1.0, shape)
    return x + np.maximum(0.1 - x.mean(axis=0), 0.0)


def density(seed, mass=1.0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(size=240) ** 4 * (rng.uniform(size=240) < 0.5)
    values[150] += 0.1
    return kn.Density(GRID, values * (mass / (values.sum() * 0.05)))


@pytest.mark.slow
@given(seed=seeds, mass=st.sampled_from([1.0, 0.3, 20.0]))
def test_moments_of_a_density_are_those_in_units_of_the_mean(seed, mass):
    g = density(seed, mass)
    shape = kn.self_similar(g)
    mean = float(g.moment(1) / g.moment(0))
    np.testing.assert_allclose(shape.grid.faces, np.asarray(GRID.faces) / mean, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(
        [shape.moment(k) for k in range(5)], [g.moment(k) / mean**k for k in range(5)], rtol=1e-11
    )
    np.testing.assert_allclose([shape.mass, shape.mean], [mass, 1.0], rtol=1e-12)
    q = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(shape.quantile(q), g.quantile(q) / mean, rtol=1e-9, atol=1e-12)


def test_of_a_normal_distribution_the_relative_deviation_is_left():
    shape = kn.self_similar(kn.Density.gaussian(4.0, 0.8, GRID))
    exact = kn.Density.gaussian(1.0, 0.2, kn.Grid(-0.5, 2.5, 240))
    np.testing.assert_allclose(shape.grid.lower, -0.5, rtol=1e-9)
    np.testing.assert_allclose(shape.values, exact.values, atol=1e-8)


@given(seed=seeds)
def test_of_samples_it_is_the_law_of_x_over_its_mean(seed):
    x = samples(seed)
    shape = kn.self_similar(kn.Ensemble(x))
    np.testing.assert_allclose(shape.samples, x / x.mean(), rtol=1e-12)
    np.testing.assert_allclose(kn.self_similar(shape).samples, shape.samples, rtol=1e-12)


@given(seed=seeds, power=st.floats(-12.0, 12.0))
def test_it_is_the_same_in_all_units(seed, power):
    unit = 10.0**power
    x, g = samples(seed), density(seed)
    np.testing.assert_allclose(
        kn.self_similar(kn.Ensemble(unit * x)).samples, kn.self_similar(kn.Ensemble(x)).samples, rtol=1e-11
    )
    other = kn.Density(kn.Grid(unit * GRID.lower, unit * GRID.upper, 240), g.values / unit)
    first, second = kn.self_similar(g), kn.self_similar(other)
    np.testing.assert_allclose(second.values, first.values, rtol=1e-9)
    np.testing.assert_allclose(second.grid.upper, first.grid.upper, rtol=1e-9)


@given(seed=seeds)
def test_each_component_has_its_own_unit(seed):
    x = samples(seed, (40, 3))
    whole = kn.self_similar(kn.Ensemble(x)).samples
    alone = np.stack([kn.self_similar(kn.Ensemble(each)).samples for each in x.T], axis=1)
    np.testing.assert_allclose(whole, alone, rtol=1e-12)
    in_others = kn.self_similar(kn.Ensemble(x * [1e-3, 7.0, 1e5])).samples
    np.testing.assert_allclose(in_others, whole, rtol=1e-11)
    np.testing.assert_allclose(kn.self_similar(kn.Ensemble(x[:, :1])).samples, whole[:, :1], rtol=1e-12)


def test_the_flow_of_the_identity_without_bias_keeps_it_and_others_do_not():
    start = samples(0)
    still = kn.self_similar(kn.Ensemble(start))
    shape = lambda activation, w, b: kn.self_similar(kn.Ensemble(flow(activation, w, b, 1.0, start)))
    np.testing.assert_allclose(shape(kn.Identity(), -1.0, 0.0).samples, still.samples, rtol=1e-12)
    for activation, bias in ((kn.Identity(), 0.5), (kn.Tanh(), 0.0)):
        assert kn.wasserstein(shape(activation, -1.0, bias), still) > 0.02


@pytest.mark.slow
@given(seed=seeds)
def test_the_mean_field_of_the_identity_without_bias_keeps_it(seed):
    rng = np.random.default_rng(seed)
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.4], rng.uniform(-2, 2, 2)), 0.0, kn.Identity())
    start = kn.Ensemble(samples(seed))
    moved = kn.solve(kn.MeanField(net), start, t1=1.0, saveat=[0.3, 1.0], method=kn.Particles())
    shapes = jax.vmap(kn.self_similar)(moved.distributions)
    assert abs(float(moved.final.mean / start.mean) - 1) > 1e-3  # it is not that nothing happens
    still = kn.self_similar(start).samples
    np.testing.assert_allclose(shapes.samples, np.broadcast_to(still, (2, 40)), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_the_mean_field_with_a_bias_or_another_activation_does_not():
    start = kn.Ensemble(samples(0))
    for net in (kn.SimResNet(-1.0, 0.5, kn.Identity()), kn.SimResNet(-1.0, 0.0, kn.Tanh())):
        moved = kn.solve(kn.MeanField(net), start, t1=1.0).final
        assert kn.wasserstein(kn.self_similar(moved), kn.self_similar(start)) > 0.02


@pytest.mark.slow
def test_derivatives_go_through_the_mean():
    x = samples(3)
    variance, mean = (
        (lambda x: kn.self_similar(kn.Ensemble(x)).variance),
        (lambda x: kn.self_similar(kn.Ensemble(x)).mean),
    )
    relative, of_mean = jax.jit(lambda x: (jax.grad(variance)(x), jax.grad(mean)(x)))(x)
    m, v = float(x.mean()), float(x.var())
    # V / m^2: dV/dx_i = 2 (x_i - m) / M, dm/dx_i = 1 / M.
    np.testing.assert_allclose(relative, (2 * (x - m) / m**2 - 2 * v / m**3) / x.size, rtol=1e-10)
    np.testing.assert_allclose(of_mean, 0.0, atol=1e-15)

    def relative_variance(mean):
        return kn.self_similar(kn.Density.gaussian(mean, 0.5, GRID)).variance

    slope = jax.jit(jax.vmap(jax.grad(relative_variance)))(jnp.array([2.0, 4.0]))
    np.testing.assert_allclose(slope, -2 * 0.25 / np.array([2.0, 4.0]) ** 3, rtol=1e-4)


def test_in_float32():
    x = np.array([1e30, 3e30], np.float32)  # the squares are beyond float32
    assert kn.self_similar(kn.Ensemble(x)).samples.dtype == np.float32
    np.testing.assert_allclose(kn.self_similar(kn.Ensemble(x)).samples, [0.5, 1.5], rtol=1e-6)
    grid = kn.Grid(np.float32(0.0), np.float32(1e-6), 50)
    shape = kn.self_similar(kn.Density.uniform(np.float32(2e-7), np.float32(6e-7), grid))
    assert shape.values.dtype == shape.grid.upper.dtype == np.float32
    np.testing.assert_allclose([shape.mean, shape.grid.upper, shape.cdf(np.float32(0.75))], [1.0, 2.5, 0.25], rtol=1e-4)
    mixed = kn.self_similar(kn.Density(grid, np.ones(50)))
    assert mixed.values.dtype == np.float64


def test_what_has_no_positive_mean_is_refused_where_that_is_known():
    mirrored = kn.Density.gaussian(-0.5, 0.2, kn.Grid(-4.0, 4.0, 240))
    for bad in (kn.Ensemble([-1.0, 1.0]), kn.Ensemble([-3.0, 1.0]), mirrored):
        with pytest.raises(ValueError, match="must be positive, got .*mirror image"):
            kn.self_similar(bad)
    with pytest.raises(ValueError, match="must be positive"):
        kn.self_similar(kn.Ensemble([[1.0, -1.0], [2.0, 0.0]]))
    with pytest.raises(TypeError):
        kn.self_similar([1.0, 2.0])  # pyright: ignore[reportArgumentType]
    traced = jax.jit(lambda x: kn.self_similar(kn.Ensemble(x)).samples)
    assert np.isnan(traced(jnp.array([-3.0, 1.0]))).all()
    half = jax.jit(lambda x: kn.self_similar(kn.Ensemble(x)).samples)(jnp.array([[1.0, -1.0], [3.0, -1.0]]))
    np.testing.assert_array_equal(half, [[0.5, np.nan], [1.5, np.nan]])
