"""Characteristics, discrete layers and flows: three exact ways through the same network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import ACTIVATIONS, averages, l1, order
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

import kinetic_nde as kn

CELLS = [50, 100, 200, 400]


@pytest.mark.parametrize("act", ACTIVATIONS, ids=lambda act: type(act).__name__)
def test_characteristics_are_of_third_order_or_better(act):
    @jax.jit
    def final(density):
        net = kn.SimResNet(-0.8, 0.3, act)
        return kn.solve(kn.MeanField(net), density, t1=1.0, method=kn.Characteristics()).final

    errors = []
    for n in CELLS:
        grid = kn.Grid(-8.0, 8.0, n)
        errors.append(l1(final(kn.Density.gaussian(0.0, 1.0, grid)), averages(act, -0.8, 0.3, 1.0, grid)))
    assert order(CELLS, errors) > 3, errors


def test_characteristics_and_finite_volumes_agree_on_layers_walls_and_turning_fields():
    net = kn.SimResNet(
        kn.PiecewiseConstant([0.0, 0.6, 1.1], [1.5, -2.0, 0.7]), kn.Interpolated([0.2, 1.0], [0.0, 1.0]), kn.Tanh()
    )
    for walls in (None, (-3.0, 3.0), (None, 3.0)):
        distance = []
        for n in (100, 200, 400):
            start = kn.Density.gaussian(0.2, 0.7, kn.Grid(-3.0, 3.0, n))
            runs = [
                kn.solve(kn.MeanField(net, walls), start, t1=1.5, saveat=[0.5, 1.5], method=method)
                for method in (kn.FiniteVolume(), kn.Characteristics())
            ]
            for run in runs:
                assert float(run.stats["mass_drift"]) < 1e-12
                assert float(run.stats["smallest_average"]) >= 0
            np.testing.assert_allclose(runs[0].stats["mass_lost"], runs[1].stats["mass_lost"], atol=1e-4)
            distance.append(max(float(kn.wasserstein(runs[0][i], runs[1][i])) for i in range(2)))
        assert distance[0] > 2 * distance[1] > 4 * distance[2] and distance[-1] < 1e-4


def test_characteristics_resolve_a_point_mass_that_finite_volumes_smear():
    grid = kn.Grid(-7.0, 9.0, 400)
    equation = kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity()))
    solution = kn.solve(equation, kn.Density.gaussian(1.0, 1.0, grid), t1=5.0, method=kn.Characteristics())
    assert l1(solution.final, kn.Density.gaussian(1.0, np.exp(-5), grid).values) < 1e-4


def test_characteristics_are_differentiated():
    def variance(w, method):
        start = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 400))
        return kn.solve(kn.MeanField(kn.SimResNet(w, 0.3, kn.Tanh())), start, t1=1.0, method=method).final.variance

    slopes = [jax.grad(variance)(-1.0, method) for method in (kn.Characteristics(), kn.FiniteVolume())]
    np.testing.assert_allclose(*slopes, rtol=3e-3)


def test_layers_are_forward_euler_to_round_off():
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(7, 3, 3)), rng.normal(size=(7, 3)), rng.normal(size=(20, 3))
    times = np.arange(7) / 7
    net = kn.SimResNet(kn.PiecewiseConstant(times, w), kn.PiecewiseConstant(times, b), kn.Tanh())
    solution = kn.solve(kn.MeanField(net), kn.Ensemble(x), t1=1.0, method=kn.Layers(7), saveat=[0.5 / 7, 3 / 7, 1.0])
    states = [x]
    for layer in range(7):
        states.append(states[-1] + np.tanh(states[-1] @ w[layer].T + b[layer]) / 7)
    np.testing.assert_allclose(solution.final.samples, states[-1], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(solution[0].samples, (states[0] + states[1]) / 2, rtol=1e-12)
    np.testing.assert_allclose(solution[1].samples, states[3], rtol=1e-12, atol=1e-13)


def test_layers_converge_at_first_order_to_the_neural_ode():
    class Wave(eqx.Module):
        def __call__(self, t):
            return jnp.cos(3 * t)

    equation, start = kn.MeanField(kn.SimResNet(Wave(), 0.3, kn.Tanh())), kn.Ensemble(np.linspace(-1, 1, 11))
    exact = kn.solve(equation, start, t1=1.0).final.samples
    counts = [20, 40, 80, 160]
    errors = [
        float(jnp.max(jnp.abs(kn.solve(equation, start, t1=1.0, method=kn.Layers(n)).final.samples - exact)))
        for n in counts
    ]
    assert 0.9 < order(counts, errors) < 1.1
    walled = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh()), (-1.0, 1.0))
    ends = kn.solve(walled, start, t1=5.0, method=kn.Layers(20)).final.samples
    np.testing.assert_array_equal(ends, np.sign(np.linspace(-1, 1, 11)))


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
    samples = flow.sample(jax.random.key(0), 20_000)
    np.testing.assert_allclose(samples.mean(0), exact.mean, atol=0.1)


def test_a_flow_in_one_dimension_is_the_density_of_the_solver():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, -1.5]), 0.3, kn.Tanh())
    grid = kn.Grid(-8.0, 8.0, 800)
    start = kn.Density.gaussian(0.0, 1.0, grid)
    solved = kn.solve(kn.MeanField(net), start, t1=1.0).final
    x = grid.centers[200:600:40]
    for base in (kn.StandardNormal(1), start):
        flow = kn.Flow(kn.MeanField(net), base, t1=1.0)
        np.testing.assert_allclose(jnp.exp(flow.log_prob(x)), solved.values[200:600:40], atol=2e-4)
    everywhere = jnp.linspace(-9.0, 9.0, 20_001)
    total = jnp.trapezoid(
        jnp.exp(kn.Flow(kn.MeanField(net), kn.StandardNormal(1), t1=1.0).log_prob(everywhere)), everywhere
    )
    assert abs(float(total) - 1) < 1e-6
    outside = kn.Flow(kn.MeanField(net), kn.Density.uniform(0.0, 1.0, grid), t1=0.0).log_prob([0.5, 5.0])
    np.testing.assert_allclose(outside, [0.0, -np.inf], atol=1e-6)


def test_a_flow_is_trained_by_its_likelihood():
    def loss(w):
        flow = kn.Flow(kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity())), kn.StandardNormal(1), t1=1.0)
        return -jnp.mean(flow.log_prob(jnp.array([-1.0, 0.5, 2.0])))

    exact = [-np.mean(norm(0, np.exp(w)).logpdf([-1.0, 0.5, 2.0])) for w in (0.3 - 1e-6, 0.3 + 1e-6)]
    np.testing.assert_allclose(jax.grad(loss)(0.3), (exact[1] - exact[0]) / 2e-6, rtol=1e-6)


def test_bad_input():
    net = kn.SimResNet(np.eye(2), 0.0, kn.Tanh())
    with pytest.raises(ValueError, match="cannot have walls"):
        kn.Flow(kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh()), (0.0, None)), kn.StandardNormal(1), t1=1.0)
    with pytest.raises(TypeError, match="log_prob and sample"):
        kn.Flow(kn.MeanField(net), 3.0, t1=1.0)
    with pytest.raises(ValueError, match="dimension 2"):
        kn.Flow(kn.MeanField(net), kn.StandardNormal(2), t1=1.0).log_prob(jnp.zeros(3))
    with pytest.raises(ValueError, match="t1 must be"):
        kn.Flow(kn.MeanField(net), kn.StandardNormal(2), t1=-1.0)
    with pytest.raises(ValueError, match="at least 1"):
        kn.StandardNormal(0)
    for count in (0, -1):
        with pytest.raises(ValueError, match="count"):
            kn.Layers(count)
    with pytest.raises(ValueError, match="rtol must be positive"):
        kn.Characteristics(rtol=-1.0)
