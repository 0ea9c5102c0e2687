"""Flows: closed forms, the solver's own density, training, and bad input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

import kinetic_nde as kn

TANH = kn.MeanField(kn.SimResNet(1.0, 0.3, kn.Tanh()))
PLANE = kn.MeanField(kn.SimResNet(np.eye(2), 0.0, kn.Tanh()))
GRID = kn.Grid(-8.0, 8.0, 800)
NORMAL = kn.Density.gaussian(0.0, 1.0, GRID)


@pytest.mark.parametrize("d", [2, 8])
def test_a_linear_flow_is_a_gaussian(d):
    rng = np.random.default_rng(d)
    w, b = 0.4 * rng.normal(size=(d, d)), rng.normal(size=d)
    flow = kn.Flow(kn.MeanField(kn.SimResNet(w, b, kn.Identity())), kn.StandardNormal(d), t1=1.0)
    moved = expm(w)
    exact = multivariate_normal((moved - np.eye(d)) @ np.linalg.solve(w, b), moved @ moved.T)
    x = exact.rvs(20, random_state=0)
    np.testing.assert_allclose(flow.log_prob(x), exact.logpdf(x), atol=1e-8)
    np.testing.assert_allclose(flow.log_prob(x[0]), exact.logpdf(x[0]), atol=1e-8)
    samples = np.asarray(flow.sample(jax.random.key(0), 20_000))
    # Six standard errors: of the mean, and at most of an entry of the covariance.
    scale = np.sqrt(np.max(np.diag(exact.cov)))
    np.testing.assert_allclose(samples.mean(0), exact.mean, atol=6 * scale / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(samples.T), exact.cov, atol=6 * np.sqrt(2 / 20_000) * scale**2)


def test_a_flow_in_one_dimension_is_the_density_of_the_solver():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, -1.5]), 0.3, kn.Tanh())
    solved = kn.solve(kn.MeanField(net), NORMAL, t1=1.0).final
    x, everywhere = np.asarray(GRID.centers)[200:600:40], np.linspace(-9.0, 9.0, 2001)
    # As many points at once as there are for a base: another number of them is another program.
    flow = kn.Flow(kn.MeanField(net), kn.StandardNormal(1), t1=1.0)
    density = np.exp(flow.log_prob(np.concatenate([x, everywhere])))
    from_averages = np.exp(kn.Flow(kn.MeanField(net), NORMAL, t1=1.0).log_prob(x))
    for found in (density[: x.size], from_averages):
        np.testing.assert_allclose(found, np.asarray(solved.values)[200:600:40], atol=2e-4)
    assert abs(np.trapezoid(density[x.size :], everywhere) - 1) < 1e-6
    uniform = kn.Flow(kn.MeanField(net), kn.Density.uniform(0.0, 1.0, GRID), t1=0.0)
    np.testing.assert_allclose(uniform.log_prob(np.resize([0.5, 5.0], x.size))[:2], [0.0, -np.inf], atol=1e-6)


def test_the_mass_of_a_density_counts_as_one():
    double = kn.Density(GRID, 2 * NORMAL.values)
    x = np.linspace(-2, 2, 9)
    one, two = (kn.Flow(TANH, base, t1=0.5).log_prob(x) for base in (NORMAL, double))
    np.testing.assert_allclose(two, one, atol=1e-10)
    np.testing.assert_allclose(kn.Flow(TANH, double, t1=0.0).log_prob(x), norm.logpdf(x), atol=1e-4)


def test_a_flow_is_trained_by_its_likelihood():
    def loss(w, adjoint=kn.CheckpointAdjoint()):
        net = kn.SimResNet(w, 0.0, kn.Identity())
        flow = kn.Flow(kn.MeanField(net), kn.StandardNormal(1), t1=1.0, adjoint=adjoint)
        return -jnp.mean(flow.log_prob(jnp.array([-1.0, 0.5, 2.0])))

    # -log N(x; 0, e^2w) = w + x^2 e^(-2w) / 2 + ...
    square = np.exp(-0.6) * np.mean(np.square([-1.0, 0.5, 2.0]))
    slopes = jax.jit(jax.vmap(jax.grad(loss)))(jnp.array([0.1, 0.3]))
    np.testing.assert_allclose(slopes[1], 1 - square, rtol=1e-8)
    second = jax.jit(jax.jacfwd(jax.jacfwd(lambda w: loss(w, kn.ForwardMode()))))
    np.testing.assert_allclose(second(0.3), 2 * square, rtol=1e-6)


def test_jit_vmap_and_float32():
    x = jnp.array([-0.5, 0.2, 1.3])
    flow = kn.Flow(TANH, kn.StandardNormal(), t1=0.5)
    expected = flow.log_prob(x)
    np.testing.assert_allclose(eqx.filter_jit(kn.Flow.log_prob)(flow, x), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(flow.log_prob)(x), expected, rtol=1e-9)
    assert flow.log_prob(jnp.zeros((3, 1))).shape == (3, 1) and flow.log_prob([]).shape == (0,)

    def mean(w):
        net = kn.SimResNet(w, np.float32(0.3), kn.Tanh())
        return kn.Flow(kn.MeanField(net), kn.StandardNormal(), t1=0.5).log_prob(x.astype(np.float32)).mean()

    value, slope = jax.jit(jax.value_and_grad(mean))(np.float32(1.0))
    assert value.dtype == slope.dtype == np.float32 and bool(jnp.isfinite(slope))
    np.testing.assert_allclose(value, expected.mean(), atol=1e-5)


@pytest.mark.parametrize(
    "field, exact",
    [
        # 1 / x falls by t: x comes from y = x / (1 + 1.5 x), and dy / dx = (1 + 1.5 x)^-2.
        (lambda t, x: x * x, [np.nan, norm.logpdf(0.4) - 2 * np.log(2.5), norm.logpdf(0), np.nan]),
        (lambda t, x: jnp.sqrt(x), [np.nan, norm.logpdf(0.0625) + np.log(0.25), np.nan, np.nan]),
        # x^2 grows by 2 t: none of the points was anywhere.
        (lambda t, x: 1 / x, [np.nan] * 4),
        (lambda t, x: x / (x - x), [np.nan] * 4),
    ],
    ids=["blow-up", "root", "pole", "nan"],
)
def test_a_point_that_came_from_nowhere_is_nan_and_harms_no_other(field, exact):
    flow = kn.Flow(kn.MeanField(field), kn.StandardNormal(), t1=1.5)
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


class Odd(eqx.Module):
    """A base whose shapes are wrong."""

    def log_prob(self, x):
        return jnp.stack([x, x])

    def sample(self, key, n):
        return jnp.zeros((n, 3))


@pytest.mark.parametrize(
    "equation, base, message",
    [
        (PLANE, kn.StandardNormal(3), "dimension 2 and the base 3"),
        (PLANE, kn.StandardNormal(), "dimension 2 and the base 1"),
        (PLANE, NORMAL, "dimension 2 and the base 1"),
        (TANH, kn.StandardNormal(2), "dimension 1 and the base 2"),
    ],
)
def test_dimensions_of_field_and_base_must_agree(equation, base, message):
    with pytest.raises(ValueError, match=message):
        kn.Flow(equation, base, t1=1.0)


def test_shapes_of_points_fields_and_bases():
    for points in (jnp.zeros(3), 0.0, jnp.zeros((2, 2, 2))):
        with pytest.raises(ValueError, match="dimension 2"):
            kn.Flow(PLANE, kn.StandardNormal(2), t1=1.0).log_prob(points)
    with pytest.raises(ValueError, match="velocities of that shape"):
        kn.Flow(kn.MeanField(lambda t, x: jnp.stack([x, x])), kn.StandardNormal(), t1=1.0).log_prob(0.0)
    with pytest.raises(ValueError, match="must give a number"):
        kn.Flow(TANH, Odd(), t1=1.0).log_prob(0.0)
    with pytest.raises(ValueError, match=r"samples of shape \(5,\)"):
        kn.Flow(TANH, Odd(), t1=1.0).sample(jax.random.key(0), 5)
    with pytest.raises(ValueError, match="has not the shape"):
        kn.StandardNormal(2).log_prob(jnp.zeros(3))


def test_bad_options():
    normal = kn.StandardNormal()
    with pytest.raises(ValueError, match="cannot have walls"):
        kn.Flow(kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh()), (0.0, None)), normal, t1=1.0)
    for base, message in ((3.0, "log_prob and sample"), (kn.StandardNormal, r"did you mean StandardNormal\(...\)")):
        with pytest.raises(TypeError, match=message):
            kn.Flow(TANH, base, t1=1.0)
    for t1 in (-1.0, np.nan):
        with pytest.raises(ValueError, match="t1 must be finite"):
            kn.Flow(TANH, normal, t1=t1)
    with pytest.raises(ValueError, match="t1 must be a number"):
        kn.Flow(TANH, normal, t1=np.ones(2))
    with pytest.raises(ValueError, match="rtol must be positive"):
        kn.Flow(TANH, normal, t1=1.0, rtol=-1.0)
    with pytest.raises(ValueError, match="atol must be a number"):
        kn.Flow(TANH, normal, t1=1.0, atol=np.ones(2))
    with pytest.raises(TypeError, match="adjoint must be"):
        kn.Flow(TANH, normal, t1=1.0, adjoint="x")
    for dimension, error in ((0, ValueError), (1.5, TypeError), ("2", TypeError)):
        with pytest.raises(error, match="dimension must be"):
            kn.StandardNormal(dimension)
    flow = kn.Flow(TANH, normal, t1=1.0)
    with pytest.raises(ValueError, match="needs a key"):
        flow.sample(None, 3)
    with pytest.raises(ValueError, match="n must be at least 1"):
        flow.sample(jax.random.key(0), -1)
