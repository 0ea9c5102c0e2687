"""Flows: closed forms, the solver's own density, training, and points that came from nowhere."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

import kinetic_nde as kn
from tests.closed_forms import flow as flow_map

TANH = kn.MeanField(kn.SimResNet(1.0, 0.3, kn.Tanh()))
LAYERS = kn.MeanField(kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, -1.5]), 0.3, kn.Tanh()))
GRID = kn.Grid(-8.0, 8.0, 800)
NORMAL = kn.Density.gaussian(0.0, 1.0, GRID)


def linear_flow(d):
    """A linear flow, the normal distribution that it leads to, and 20 points of that."""
    rng = np.random.default_rng(d)
    w, b = 0.4 * rng.normal(size=(d, d)), rng.normal(size=d)
    flow = kn.Flow(kn.MeanField(kn.SimResNet(w, b, kn.Identity())), kn.StandardNormal(d), t1=1.0)
    moved: Any = expm(w)
    exact = multivariate_normal((moved - np.eye(d)) @ np.linalg.solve(w, b), moved @ moved.T)
    return flow, exact, exact.rvs(20, random_state=0)


def check_samples(flow, exact):
    samples = np.asarray(flow.sample(jax.random.key(0), 20_000))
    # Six standard errors: of the mean, and at most of an entry of the covariance.
    scale = np.sqrt(np.max(np.diag(exact.cov)))
    np.testing.assert_allclose(samples.mean(0), exact.mean, atol=6 * scale / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(samples.T), exact.cov, atol=6 * np.sqrt(2 / 20_000) * scale**2)


@pytest.mark.slow
def test_a_linear_flow_is_a_gaussian_at_each_point():
    flow, exact, x = linear_flow(2)
    np.testing.assert_allclose([flow.log_prob(each) for each in x], exact.logpdf(x), atol=1e-8)
    np.testing.assert_allclose(flow.log_prob(x[:1]), [exact.logpdf(x[0])], atol=1e-8)
    check_samples(flow, exact)


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 8])
def test_a_linear_flow_is_a_gaussian_at_many_points_and_dimensions(d):
    flow, exact, x = linear_flow(d)
    np.testing.assert_allclose(flow.log_prob(x), exact.logpdf(x), atol=1e-8)
    np.testing.assert_allclose(flow.log_prob(x[0]), exact.logpdf(x[0]), atol=1e-8)
    check_samples(flow, exact)


X = np.asarray(GRID.centers)[200:600:40]
EVERYWHERE = np.linspace(-9.0, 9.0, 2001)
# As many points each time: another number of them is another program.
POINTS = np.concatenate([X, EVERYWHERE])


@pytest.fixture(scope="module")
def from_averages():
    return np.exp(kn.Flow(LAYERS, NORMAL, t1=1.0).log_prob(POINTS))


@pytest.fixture(scope="module")
def from_normal():
    return np.exp(kn.Flow(LAYERS, kn.StandardNormal(1), t1=1.0).log_prob(POINTS))


def of_the_flow_map():
    """At X, back through both layers: dx(0)/dx(t) is v(x(0)) / v(x(t)) of each."""
    middle = flow_map(kn.Tanh(), -1.5, 0.3, -0.5, X)
    start = flow_map(kn.Tanh(), 1.0, 0.3, -0.5, middle)
    velocity = lambda w, x: np.tanh(w * x + 0.3)
    slope = velocity(-1.5, middle) / velocity(-1.5, X) * velocity(1.0, start) / velocity(1.0, middle)
    return norm.pdf(start) * slope


def test_a_flow_in_one_dimension_has_the_density_of_the_flow_map(from_averages):
    np.testing.assert_allclose(from_averages[: X.size], of_the_flow_map(), atol=2e-4)
    assert abs(np.trapezoid(from_averages[X.size :], EVERYWHERE) - 1) < 1e-5
    uniform = kn.Flow(LAYERS, kn.Density.uniform(0.0, 1.0, GRID), t1=0.0)
    np.testing.assert_allclose(uniform.log_prob(np.resize([0.5, 5.0], POINTS.size))[:2], [0.0, -np.inf], atol=1e-6)


@pytest.mark.slow
def test_a_normal_distribution_is_carried_to_many_digits(from_normal):
    np.testing.assert_allclose(from_normal[: X.size], of_the_flow_map(), rtol=1e-7)
    assert abs(np.trapezoid(from_normal[X.size :], EVERYWHERE) - 1) < 1e-6


@pytest.mark.slow
def test_a_flow_in_one_dimension_is_the_density_of_the_solver(from_normal, from_averages):
    solved = kn.solve(LAYERS, NORMAL, t1=1.0).final
    for found in (from_normal, from_averages):
        np.testing.assert_allclose(found[: X.size], np.asarray(solved.values)[200:600:40], atol=2e-4)


def test_values_have_the_shape_of_the_points():
    assert kn.Flow(LAYERS, NORMAL, t1=1.0).log_prob(POINTS[:, None]).shape == (POINTS.size, 1)


def test_the_mass_of_a_density_counts_as_one():
    double = kn.Density(GRID, 2 * NORMAL.values)
    x = np.linspace(-2, 2, POINTS.size)
    one, two = (kn.Flow(LAYERS, base, t1=0.5).log_prob(x) for base in (NORMAL, double))
    np.testing.assert_allclose(two, one, atol=1e-10)
    np.testing.assert_allclose(kn.Flow(LAYERS, double, t1=0.0).log_prob(x), norm.logpdf(x), atol=1e-4)


def loss(w, adjoint: Any = kn.CheckpointAdjoint()):
    """That of three points: -log N(x; 0, e^2w) = w + x^2 e^(-2w) / 2 + ..."""
    flow = kn.Flow(kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity())), kn.StandardNormal(1), t1=1.0, adjoint=adjoint)
    return -jnp.mean(flow.log_prob(jnp.array([-1.0, 0.5, 2.0])))


SQUARE = np.exp(-0.6) * np.mean(np.square([-1.0, 0.5, 2.0]))


@pytest.mark.slow
def test_a_likelihood_has_a_derivative_forwards():
    slope = jax.jit(jax.jacfwd(lambda w: loss(w, kn.ForwardMode())))
    np.testing.assert_allclose(slope(0.3), 1 - SQUARE, rtol=1e-8)


@pytest.mark.slow
def test_a_flow_is_trained_by_its_likelihood():
    slopes = jax.jit(jax.vmap(jax.grad(loss)))(jnp.array([0.1, 0.3]))
    np.testing.assert_allclose(slopes[1], 1 - SQUARE, rtol=1e-8)


@pytest.mark.slow
def test_second_derivatives_are_taken_forwards():
    second = jax.jit(jax.jacfwd(jax.jacfwd(lambda w: loss(w, kn.ForwardMode()))))
    np.testing.assert_allclose(second(0.3), 2 * SQUARE, rtol=1e-6)


THREE = jnp.array([-0.5, 0.2, 1.3])
HALFWAY = kn.Flow(TANH, kn.StandardNormal(), t1=0.5)


@pytest.mark.slow
def test_under_jit_and_vmap_it_is_the_same():
    expected = HALFWAY.log_prob(THREE)
    np.testing.assert_allclose(eqx.filter_jit(kn.Flow.log_prob)(HALFWAY, THREE), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(HALFWAY.log_prob)(THREE), expected, rtol=1e-9)


@pytest.mark.slow
def test_no_points_have_no_values():
    assert HALFWAY.log_prob([]).shape == (0,)


def float32_mean(w):
    net = kn.SimResNet(w, np.float32(0.3), kn.Tanh())
    return kn.Flow(kn.MeanField(net), kn.StandardNormal(), t1=0.5).log_prob(THREE.astype(np.float32)).mean()


def test_float32_stays():
    assert jax.eval_shape(float32_mean, np.float32(1.0)).dtype == np.float32


@pytest.mark.slow
def test_float32_has_the_values_and_a_slope():
    expected = HALFWAY.log_prob(THREE)

    value, slope = jax.jit(jax.value_and_grad(float32_mean))(np.float32(1.0))
    assert value.dtype == slope.dtype == np.float32 and bool(jnp.isfinite(slope))
    np.testing.assert_allclose(value, expected.mean(), atol=1e-5)


class Singular(eqx.Module):
    """One of four fields that lead to infinity, or come from where there is nothing."""

    which: jax.Array

    def __call__(self, t, x):
        fields = [lambda x: x * x, lambda x: jnp.sqrt(x), lambda x: 1 / x, lambda x: x / (x - x)]
        return jax.lax.switch(self.which, fields, x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "which, exact",
    [
        # 1 / x falls by t: x comes from y = x / (1 + 1.5 x), and dy / dx = (1 + 1.5 x)^-2.
        (0, [np.nan, norm.logpdf(0.4) - 2 * np.log(2.5), norm.logpdf(0), np.nan]),
        (1, [np.nan, norm.logpdf(0.0625) + np.log(0.25), np.nan, np.nan]),
        # x^2 grows by 2 t: none of the points was anywhere.
        (2, [np.nan] * 4),
        (3, [np.nan] * 4),
    ],
    ids=["blow-up", "root", "pole", "nan"],
)
def test_a_point_that_came_from_nowhere_is_nan_and_harms_no_other(which, exact):
    flow = kn.Flow(kn.MeanField(Singular(jnp.asarray(which))), kn.StandardNormal(), t1=1.5)
    np.testing.assert_allclose(flow.log_prob([-1.0, 1.0, 0.0, np.nan]), exact, atol=1e-7)


def test_wrong_values_that_are_traced_give_nan():
    @jax.jit
    def traced(w, t1, rtol):
        net = kn.SimResNet(w, 0.3, kn.Tanh())
        return kn.Flow(kn.MeanField(net), kn.StandardNormal(), t1=t1, rtol=rtol).log_prob([0.0, 1.0])

    # All three each time: what is left out would be a constant, and another program.
    log_prob = lambda w=1.0, t1=1.0, rtol=1e-8: np.asarray(traced(w, t1, rtol))
    expected = log_prob()
    assert np.all(np.isfinite(expected))
    for bad in ({"t1": -1.0}, {"t1": np.nan}, {"t1": np.inf}, {"w": np.nan}, {"rtol": np.nan}):
        assert np.all(np.isnan(log_prob(**bad))), bad
    np.testing.assert_allclose(log_prob(rtol=0.0), expected, atol=1e-7)
