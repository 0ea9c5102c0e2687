"""Closures of Remark 1 and their error: against fields, flow maps and the density of a normal distribution."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.analysis.identity_networks import SAMPLES, power_means
from tests.analysis.made_solutions import made
from tests.closed_forms import course, flow

GRID = kn.Grid(-4.0, 4.0, 400)


@pytest.mark.parametrize("act", [kn.Sigmoid(), kn.Tanh()])
def test_the_closure_is_the_tangent_where_the_activation_is_odd(act):
    """What is missing is of third order in z: sigma'' vanishes at 0."""
    sizes = np.array([0.2, 0.1, 0.05])
    net = kn.SimResNet(course(1.0, 0.5), course(0.3), act)
    closed = kn.linearised(net)
    t = jnp.array(0.4)
    x = (sizes - net.bias(t)) / net.weight(t)
    errors = np.abs(net(t, jnp.asarray(x)) - closed(t, jnp.asarray(x)))
    assert isinstance(closed.activation, kn.Identity)
    np.testing.assert_allclose(np.polyfit(np.log(sizes), np.log(errors), 1)[0], 3, atol=0.05)


def test_closures_are_of_the_same_kind():
    layers = kn.PiecewiseConstant([0.0, 1.0], [-4.0, 2.0])
    knots = kn.Interpolated([0.0, 1.0], [1.0, 3.0])
    closed: Any = kn.linearised(kn.SimResNet(layers, knots, kn.Sigmoid()))
    assert closed.weight.times == layers.times and closed.bias.times == knots.times
    np.testing.assert_array_equal(closed.weight.values, [-1.0, 0.5])
    np.testing.assert_array_equal(closed.bias.values, [0.75, 1.25])
    plane = kn.linearised(kn.SimResNet([[1.0, 2.0], [3.0, 4.0]], lambda t: jnp.stack([t, -t]), kn.Sigmoid()))
    np.testing.assert_allclose(plane(4.0, jnp.array([1.0, -1.0])), [0.25 * -1 + 1.5, 0.25 * -1 - 0.5])
    same = kn.SimResNet(-2.0, 0.5, kn.Identity())
    assert kn.linearised(same).weight(0.0) == -2 and kn.linearised(same).bias(0.0) == 0.5


def test_closures_work_traced():
    slope = jax.grad(lambda w: kn.linearised(kn.SimResNet(w, 0.3, kn.Sigmoid()))(0.0, jnp.array(2.0)))
    assert slope(0.7) == 0.5


@pytest.mark.parametrize("act", [kn.ReLU(), kn.GrowingCosine(), kn.GeneralizedGamma(0.5, 1.0)])
def test_other_activations_have_no_closure(act):
    with pytest.raises(ValueError, match=f"no linear closure for {type(act).__name__}.*kn.moment_rate"):
        kn.linearised(kn.SimResNet(1.0, 0.0, act))
    with pytest.raises(TypeError):
        kn.linearised(kn.MeanField(kn.SimResNet(1.0, 0.0, act)))  # pyright: ignore[reportArgumentType]


def test_the_error_of_the_closure_is_the_difference_to_the_flow_map():
    """And falls with the fourth power of the data's size for m_2, for data around the zero of tanh."""
    net, ts = kn.SimResNet(-1.0, 0.0, kn.Tanh()), np.array([0.0, 0.5, 1.5])
    sizes, errors = np.array([0.4, 0.2, 0.1]), []
    for size in sizes:
        x = size * SAMPLES / 2.9
        moved = np.stack([flow(kn.Tanh(), -1.0, 0.0, t, x) for t in ts])
        error = np.asarray(kn.closure_error(net, kn.Ensemble(x), made(moved, ts), 2))
        closed = np.exp(-ts)[:, None] * x
        np.testing.assert_allclose(error, power_means(closed, 2) - power_means(moved, 2), atol=1e-14)
        errors.append(error[-1, 2])
    assert np.all(np.array(errors) < 0)
    np.testing.assert_allclose(np.polyfit(np.log(sizes), np.log(np.abs(errors)), 1)[0], 4, atol=0.1)


def test_the_error_against_densities():
    """N(1, 0.5^2) stays normal under the identity, whose closure is exact: what is left is what 400 parabolas lack."""
    net, ts = kn.SimResNet(-0.8, 0.3, kn.Identity()), np.array([0.0, 0.5, 1.0])
    grown = np.exp(-0.8 * ts)
    means = 0.375 + 0.625 * grown
    densities = [kn.Density.gaussian(m, 0.5 * e, GRID) for m, e in zip(means, grown, strict=True)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *densities)
    solution = kn.Solution(jnp.asarray(ts), stacked, densities[-1], {}, kn.Result.successful)
    error = np.asarray(kn.closure_error(net, densities[0], solution, 3))
    assert error.shape == (3, 4)
    np.testing.assert_allclose(error, 0, atol=1e-5)
    np.testing.assert_allclose(error[0], 0, atol=1e-13)
    # Another network is seen.
    assert np.abs(kn.closure_error(kn.SimResNet(-0.8, 0.4, kn.Identity()), densities[0], solution, 3)[2, 1]) > 0.01


def test_wrong_input_is_refused():
    relu, data = kn.SimResNet(1.0, 0.0, kn.ReLU()), kn.Ensemble(SAMPLES)
    net, solution = kn.SimResNet(1.0, 0.0, kn.Tanh()), made(np.ones((2, 5)))
    batch = jax.tree.map(lambda leaf: leaf[None], solution)
    with pytest.raises(ValueError, match="batch of solutions"):
        kn.closure_error(net, data, batch, 2)
    with pytest.raises(TypeError):
        kn.closure_error(net, data, data, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no linear closure for ReLU"):
        kn.closure_error(relu, data, solution, 2)
