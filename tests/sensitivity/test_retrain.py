"""Retraining: Algorithm 1 by hand, optimisers with and without line search, what is trained, other adjoints, densities."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.retraining import Outcome
from tests.sensitivity.adjoint_cases import around, central
from tests.sensitivity.retrain_cases import BY_PARTICLES, EQUATION, METHOD, NET, START, loss, run


def test_algorithm_1_by_hand():
    end = 2.0
    done = run(t1=end, max_updates=3)
    solved = lambda net: kn.solve(kn.MeanField(net), START, t1=end, method=METHOD).final
    slopes = jax.jit(jax.value_and_grad(lambda net: loss(solved(net))))
    net = NET
    for k in range(4):
        value, slope = slopes(net)
        np.testing.assert_allclose(done.history.loss[k], value, rtol=1e-12)
        np.testing.assert_allclose(done.history.vectors[k], jax.tree.leaves(net), rtol=1e-12)
        norm = np.linalg.norm(jax.tree.leaves(slope)) / np.sqrt(end)
        np.testing.assert_allclose(done.history.gradient_norm[k], norm, rtol=1e-12)
        net = jax.tree.map(lambda theta, d: theta - 0.5 * d / end, net, slope)
    changes = np.sqrt(end) * np.abs(np.diff(done.history.vectors, axis=0)).sum(1)
    np.testing.assert_allclose(done.history.change[1:], changes)
    assert np.isnan(done.history.change[0]) and len(done.history) == 4
    assert done.history.names == ["weight", "bias"]
    assert done.result == Outcome.max_updates_reached and "resume=" in done.message
    assert float(done.equation.field.bias.value) == done.history.vectors[-1, 1]
    assert float(done.at(1).field.weight.value) == done.history.vectors[1, 0]
    means = np.asarray(jax.jit(jax.vmap(lambda net: solved(net).mean))(done.history.parameters))
    np.testing.assert_allclose(0.5 * (means - 2) ** 2, done.history.loss, rtol=1e-10)
    with pytest.raises(IndexError, match="4 rows"):
        done.at(4)


@pytest.mark.slow
def test_figure_8_for_a_point_mass():
    """w = -1, b = 1, T = 5 makes a point mass at m, of which the smoothed L2 loss with bandwidth s = 0.7 and a target at 2 is
    (1 - e^{-(m - 2)^2 / 4 s^2}) / (2 s sqrt(pi)); gamma = 2."""
    done = run(**BY_PARTICLES, t1=5.0, optimizer=optax.sgd(2.0))
    # The place of the mass from the loss: it comes from below.
    means = 2 - np.sqrt(-1.96 * np.log(1 - 1.4 * np.sqrt(np.pi) * done.history.loss))
    np.testing.assert_allclose(means, [1.0, 1.215, 1.535, 1.950], atol=0.002)


@pytest.mark.slow
def test_figure_8_by_the_equation_of_each_row():
    done = run(**BY_PARTICLES, t1=5.0, optimizer=optax.sgd(2.0))
    means = [float(kn.solve(done.at(row), START, t1=5.0).final.mean) for row in range(4)]
    np.testing.assert_allclose(means, [1.0, 1.215, 1.535, 1.950], atol=0.002)


def test_it_stops_when_the_change_is_below_the_tolerance():
    done = run(max_updates=50, tolerance=0.02)
    assert done.result == Outcome.successful and done.message == ""
    assert np.all(done.history.change[1:-1] >= 0.02) and done.history.change[-1] < 0.02
    assert done.best == len(done.history) - 1


# Fifty steps, of which the first layer is one.
FINE = kn.Layers(50)
LAYERS = kn.MeanField(kn.SimResNet(-1.0, kn.PiecewiseConstant([0.0, 0.02, 0.5], [1.0, 1.0, 1.0]), kn.Identity()))


@pytest.mark.parametrize("equation", [EQUATION, LAYERS], ids=["constant", "layers"])
def test_a_line_search_sees_the_true_slope(equation):
    """In the metric the layers' slopes are up to 50 times larger: a search that took those for the slope of the loss would
    ask for a decrease that no step can give."""
    search = optax.chain(optax.sgd(20.0), optax.scale_by_backtracking_linesearch(15, slope_rtol=0.3))
    done = run(equation, optimizer=search, max_updates=8, method=FINE)
    assert np.all(np.diff(done.history.loss) < 0) and done.history.loss[-1] < 0.01 * done.history.loss[0]


def test_without_the_metric_the_gradient_is_euclidean():
    """Of a layer the gradient is then its length times as large."""
    steps = [
        np.diff(run(LAYERS, max_updates=1, l2_metric=metric, method=FINE).history.vectors, axis=0)[0, 1:]
        for metric in (True, False)
    ]
    np.testing.assert_allclose(steps[1], steps[0] * [0.02, 0.48, 0.5], rtol=1e-10)


@pytest.mark.slow
def test_quasi_newton():
    """Layers of different lengths, and a weight that is constant: the curvature needs one metric."""
    mixed, euclidean = (
        run(LAYERS, optimizer=optax.lbfgs(), max_updates=25, loss=both, l2_metric=metric, method=FINE)
        for metric in (True, False)
    )
    assert euclidean.history.loss[-1] < 1e-12 < 1e-6 < mixed.history.loss[-1] < 1e-4


@pytest.mark.slow
def test_quasi_newton_for_constant_parameters():
    assert run(optimizer=optax.lbfgs(), max_updates=25, loss=both).history.loss[-1] < 1e-8


def both(final):
    return 0.5 * (final.mean - 2) ** 2 + 0.5 * (final.energy - 4.2) ** 2


def test_a_second_call_compiles_nothing():
    calls = []

    def counted(final):
        calls.append(1)
        return loss(final)

    optimizer = optax.adam(0.1)
    run(loss=counted, optimizer=optimizer)
    # Once with known values, once where the loss and its gradient are compiled.
    assert len(calls) == 2
    run(kn.MeanField(kn.SimResNet(2, 0.1, kn.Identity())), loss=counted, optimizer=optimizer, t1=2, t0=0.5)
    assert len(calls) == 3
    # A line search evaluates the loss where an update is compiled; in further updates nothing is.
    search = optax.chain(optax.adam(0.1), optax.scale_by_backtracking_linesearch(5))
    calls.clear()
    run(loss=counted, optimizer=search, max_updates=1)
    first = len(calls)
    run(loss=counted, optimizer=search, max_updates=4)
    assert len(calls) == first + 1


class Wind(eqx.Module):
    strength: jax.Array
    power: float

    def __call__(self, t, x):
        return self.strength * (1 - x) - self.power * x


@pytest.mark.parametrize(
    ("initial", "method"),
    [
        (START, METHOD),
        pytest.param(kn.Density.gaussian(0.3, 0.4, kn.Grid(-3.0, 3.0, 60)), None, marks=pytest.mark.slow),
    ],
    ids=["ensemble", "density"],
)
def test_only_arrays_of_the_field_are_trained(initial, method):
    walls = (-3.0, 3.0)
    done = run(kn.MeanField(Wind(jnp.array(0.2), 0.1), walls), initial, method=method, optimizer=optax.adam(0.1))
    assert done.equation.field.power == 0.1 and done.equation.walls == kn.MeanField(NET, walls).walls
    assert done.history.names == ["strength"] and done.history.vectors[-1, 0] > 0.2
    assert np.all(np.diff(done.history.loss) < 0)
    time = kn.SimResNet(lambda t: -1.0 + 0 * t, 0.3, kn.Identity())
    assert run(kn.MeanField(time), max_updates=1).history.names == ["bias"]


@pytest.mark.parametrize(
    "optimizer",
    [optax.sgd(0.5), pytest.param(optax.lbfgs(), marks=pytest.mark.slow)],
    ids=["plain", "a line search that asks for gradients"],
)
def test_forward_mode_gives_the_same(optimizer):
    forward, reverse = (
        run(adjoint=adjoint, optimizer=optimizer, max_updates=2)
        for adjoint in (kn.ForwardMode(), kn.CheckpointAdjoint())
    )
    np.testing.assert_allclose(forward.history.vectors, reverse.history.vectors, rtol=1e-8)


GRID = kn.Grid(-6.0, 6.0, 60)
DENSITY = kn.Density.gaussian(0.5, 1.0, GRID)
CRAMER = kn.CramerLoss(kn.Density.gaussian(1.0, 0.7, GRID))


def by_default(net, max_updates):
    sgd = optax.sgd(0.5)
    return kn.retrain(kn.MeanField(net), DENSITY, CRAMER, t1=1.0, optimizer=sgd, max_updates=max_updates, tolerance=0.0)


def test_the_adjoint_equation_is_the_default():
    assert inspect.signature(kn.retrain).parameters["adjoint"].default == kn.TransportAdjoint()


@pytest.mark.slow
def test_the_defaults_on_a_density():
    """Down the slope by differences of the loss, which come from the same program."""
    done, h = by_default(NET, 2), 1e-3
    vectors = done.history.vectors
    nets = [kn.SimResNet(p[0], p[1], kn.Identity()) for p in around(vectors[0], h)]
    slope = central([by_default(net, 1).history.loss[0] for net in nets], h)
    np.testing.assert_allclose(vectors[1] - vectors[0], -0.5 * slope, rtol=1e-2)
    np.testing.assert_allclose(done.history.gradient_norm[0], np.linalg.norm(slope), rtol=1e-2)
    assert np.all(np.diff(done.history.loss) < 0)


@pytest.mark.slow
def test_the_defaults_on_a_density_by_hand():
    done = by_default(NET, 2)

    @jax.jit
    def slopes(net):
        solved = lambda net: kn.solve(kn.MeanField(net), DENSITY, t1=1.0, adjoint=kn.TransportAdjoint()).final
        return jax.value_and_grad(lambda net: CRAMER(solved(net)))(net)

    net = NET
    for k in range(3):
        value, slope = slopes(net)
        np.testing.assert_allclose(done.history.loss[k], value, rtol=1e-12)
        np.testing.assert_allclose(done.history.vectors[k], jax.tree.leaves(net), rtol=1e-12)
        net = jax.tree.map(lambda theta, d: theta - 0.5 * d, net, slope)


@pytest.mark.slow
def test_the_adjoint_equation_and_a_target_in_the_tails():
    """A warning with the distance of the two gradients, and none where they agree or where autodiff was asked for."""
    grid = kn.Grid(-6.0, 6.0, 60)
    narrow, wide = kn.Density.gaussian(0.1, 0.4, grid), kn.Density.gaussian(0.6, 1.1, grid)
    law = kn.MeanField(kn.SimResNet(-0.7, 0.2, kn.Tanh()))
    settings = {"t1": 1.0, "optimizer": optax.sgd(1e-3), "max_updates": 1, "tolerance": 0.0}
    with pytest.warns(UserWarning, match=r"by TransportAdjoint is \d+% from that .* adjoint=kn.CheckpointAdjoint\(\)"):
        kn.retrain(law, narrow, kn.KullbackLeiblerLoss(wide), **settings)
    kn.retrain(law, narrow, kn.KullbackLeiblerLoss(wide), **settings, adjoint=kn.CheckpointAdjoint())
    kn.retrain(law, wide, kn.KullbackLeiblerLoss(narrow), **settings)
    # At its own target there is no gradient to be off.
    reached = kn.solve(law, narrow, t1=1.0).final
    kn.retrain(law, narrow, kn.KullbackLeiblerLoss(reached), **settings)
