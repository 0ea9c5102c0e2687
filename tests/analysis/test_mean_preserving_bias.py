"""The bias of Proposition 3, which holds the mean: against closed forms and the moments."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.analysis.identity_networks import DATA, ENERGY, MEAN, VARIANCE, identity
from tests.closed_forms import course


@eqx.filter_jit
def velocities(net, ts, x):
    """At the times ts: the velocity at x and at x + 1, and the weight."""
    return jax.vmap(lambda t: (net(t, x), net(t, x + 1), net.weight(t)))(ts)


@pytest.mark.parametrize(
    "weight",
    [-1.0, kn.PiecewiseConstant([0.0, 0.5], [-2.0, 1.0]), kn.Interpolated([0.0, 1.0], [1.0, -2.0]), course(-1.0, 0.5)],
    ids=["constant", "layers", "knots", "function"],
)
def test_the_bias_holds_the_mean(weight):
    net = identity(weight, 7.0)
    bias = kn.mean_preserving_bias(net, DATA)
    assert type(bias) is type(net.weight)
    held = kn.SimResNet(net.weight, bias, net.activation)
    at_mean, beside, weights = velocities(held, np.array([0.0, 0.3, 0.5, 2.0]), DATA.mean)
    np.testing.assert_allclose(at_mean, 0.0, atol=1e-15)
    np.testing.assert_allclose(beside, weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("weight", "phi"),
    [
        (kn.PiecewiseConstant([0.0, 0.5], [-2.0, 1.0]), [-0.6, -0.7, 0.5]),
        pytest.param(course(-1.0, 0.5), [-0.2775, -0.64, -1.0], marks=pytest.mark.slow),
    ],
    ids=["layers", "function"],
)
def test_the_mean_is_held_and_the_energy_follows_the_variance(weight, phi):
    """C4: m_2 = e^Phi_2 V(0) + m_1^2."""
    net, ts = identity(weight), np.array([0.3, 0.8, 2.0])
    held = kn.SimResNet(net.weight, kn.mean_preserving_bias(net, DATA), net.activation)
    m = np.asarray(kn.moments(held, DATA, ts, 2))
    np.testing.assert_allclose(m[:, 1], MEAN, rtol=1e-13)
    np.testing.assert_allclose(m[:, 2], np.exp(2 * np.array(phi)) * VARIANCE + MEAN**2, rtol=1e-12)


def test_c4_the_printed_variance_is_another_number():
    m = np.asarray(kn.moments(identity(-1.0, MEAN), DATA, [0.5], 2))[0]
    assert m[2] == pytest.approx(math.exp(-1) * VARIANCE + MEAN**2, rel=1e-13)
    assert abs(m[2] - (math.exp(-1) * (ENERGY - MEAN) ** 2 + MEAN**2)) > 0.1


def test_c13_the_sign_that_is_printed_does_not_hold_the_mean():
    """b = -m_1 / m_0 with w = -1."""
    assert kn.mean_preserving_bias(identity(-1.0), DATA)(0.0) == MEAN
    printed = kn.moments(identity(-1.0, -MEAN), DATA, [1.0], 1)[0, 1]
    assert printed == pytest.approx(2 * math.exp(-1) - 1, rel=1e-12)


def test_the_bias_of_a_mass_that_is_not_1_and_of_several_dimensions():
    normal = kn.Density.gaussian(2.0, 0.3, kn.Grid(0.0, 4.0, 50))
    heavy = kn.Density(normal.grid, 3 * normal.values)
    assert kn.mean_preserving_bias(identity(-1.5), heavy)(0.0) == pytest.approx(3.0, rel=1e-12)
    plane = kn.Ensemble([[1.0, 2.0], [3.0, 4.0]])
    for weight in (-1.0, [[0.0, -1.0], [1.0, 0.5]], kn.PiecewiseConstant([0.0, 1.0], [np.eye(2), -np.eye(2)])):
        net = identity(weight)
        held = kn.SimResNet(net.weight, kn.mean_preserving_bias(net, plane), net.activation)
        np.testing.assert_allclose(held(0.5, plane.mean), 0, atol=1e-15)


def test_the_bias_is_traced_and_has_the_type_of_the_data():
    slope = jax.grad(lambda w: kn.mean_preserving_bias(identity(w), DATA)(0.0))(2.0)
    assert slope == pytest.approx(-MEAN)
    single = kn.mean_preserving_bias(
        identity(jnp.float32(2.0), jnp.float32(0.0)), kn.Ensemble(jnp.ones(3, jnp.float32))
    )
    assert single(0.0).dtype == jnp.float32


def test_a_bias_needs_the_identity_and_one_dimension():
    with pytest.raises(ValueError, match="mean_preserving_bias needs the identity.*not Tanh.*kn.linearised"):
        kn.mean_preserving_bias(kn.SimResNet(-1.0, 0.0, kn.Tanh()), DATA)
    with pytest.raises(ValueError, match=r"shape \(2, 2\) and the initial distribution the dimension 1"):
        kn.mean_preserving_bias(identity(np.eye(2)), DATA)
    wrong: list[Any] = [(course(-1.0), DATA), (identity(-1.0), [1.0, 2.0])]
    for arguments in wrong:
        with pytest.raises(TypeError):
            kn.mean_preserving_bias(*arguments)
