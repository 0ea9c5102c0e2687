"""The network as a velocity field: shapes, divergence, units."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.network import field

ACTIVATIONS = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine()]
DIMENSIONS = [1, 2, 3, 7]


@functools.cache
def divergences():
    """By the network, by the room of fields without its help, and as the trace of the Jacobian: one program for all
    activations and dimensions."""

    def each(act, weight, bias, x):
        net = kn.SimResNet(weight, bias, act)
        trace = jnp.trace(jax.jacfwd(lambda x: net(0.0, x))(x))
        by_field = field.divergence(lambda t, x: net(t, x), 0.0, x)
        return jnp.squeeze(net.divergence(0.0, x)), jnp.squeeze(by_field), trace

    random = np.random.default_rng(0)
    numbers = {d: (random.normal(size=(d, d)), random.normal(size=d), random.normal(size=d)) for d in DIMENSIONS}
    return jax.jit(lambda numbers: {d: [each(act, *numbers[d]) for act in ACTIVATIONS] for d in DIMENSIONS})(numbers)


@pytest.mark.parametrize("index", range(len(ACTIVATIONS)), ids=[type(act).__name__ for act in ACTIVATIONS])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_divergence_is_the_trace_of_the_jacobian(index, d):
    by_network, by_field, trace = divergences()[d][index]
    np.testing.assert_allclose(by_network, trace, rtol=1e-12)
    np.testing.assert_allclose(by_field, trace, rtol=1e-12)


def test_numbers_stand_for_multiples_of_the_identity_and_equal_components():
    x = jnp.array([1.0, -2.0, 0.5])
    short = kn.SimResNet(-0.7, [0.1, 0.1, 0.1], kn.Tanh())
    long = kn.SimResNet(-0.7 * jnp.eye(3), 0.1, kn.Tanh())
    assert short.dimension == long.dimension == 3
    np.testing.assert_allclose(short(0.0, x), long(0.0, x), rtol=1e-15)
    np.testing.assert_allclose(short.divergence(0.0, x), long.divergence(0.0, x), rtol=1e-15)


def test_one_dimension_may_drop_its_axis():
    net = kn.SimResNet([[2.0]], [1.0], kn.Tanh())
    assert net.dimension == 1
    x = jnp.linspace(-1.0, 1.0, 6)
    np.testing.assert_allclose(net(0.0, x), jnp.tanh(2 * x + 1), rtol=1e-15)
    assert net(0.0, x[0]).shape == () and net(0.0, x[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (np.ones((2, 3)), 0.0),
        (np.ones(2), 0.0),
        (np.ones((2, 2, 2)), 0.0),
        (1.0, np.ones((2, 2))),
        (np.eye(2), np.ones(3)),
        (np.eye(2), np.ones(1)),
        (kn.PiecewiseConstant([0.0, 1.0], np.ones((2, 3))), 0.0),
        (lambda t: jnp.ones((2, 3)), 0.0),
        (np.nan, 0.0),
        (1.0, np.inf),
    ],
)
def test_wrong_shapes_and_values_are_refused(weight, bias):
    with pytest.raises(ValueError, match=r"weight|bias|parameter"):
        kn.SimResNet(weight, bias, kn.Tanh())


def test_what_is_no_activation_or_number_is_a_type_error():
    with pytest.raises(TypeError, match="activation"):
        kn.SimResNet(1.0, 0.0, jnp.tanh)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="number"):
        kn.SimResNet("w", 0.0, kn.Tanh())
    with pytest.raises(ValueError, match="dimension 2"):
        kn.SimResNet(np.eye(2), 0.0, kn.Tanh())(0.0, jnp.ones(3))


@pytest.mark.parametrize("act", [*ACTIVATIONS, kn.GeneralizedGamma(0.5, 2.0)], ids=lambda act: type(act).__name__)
@pytest.mark.parametrize("factor", [1000.0, 1e-3])
def test_rescaled_networks_move_rescaled_data(act, factor):
    """c v(t, x) = time v'(time t, c x): dx/dt in the new units of x and t."""
    parameters = [
        (-0.8, 0.4),
        (kn.PiecewiseConstant([0.0, 1.0], [-0.8, 0.3]), kn.Interpolated([0.0, 2.0], [0.1, 0.9])),
        (lambda t: -0.8 + 0.1 * t, 0.4),
    ]
    x = jnp.linspace(0.1, 3.0, 11)
    for weight, bias in parameters:
        net = kn.SimResNet(weight, bias, act)
        scaled, time = kn.rescale(net, factor)
        for t in (0.0, 0.7, 1.3):
            np.testing.assert_allclose(factor * net(t, x), time * scaled(time * t, factor * x), rtol=1e-12, atol=1e-15)


def test_rescale_refuses_a_factor_that_is_none():
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="factor"):
            kn.rescale(kn.SimResNet(1.0, 0.0, kn.Tanh()), factor)


def test_breakpoints_are_collected_from_all_parameters():
    net = kn.SimResNet(
        kn.PiecewiseConstant([0, 1, 2], [1.0, 2.0, 3.0]), kn.Interpolated([0.5, 1], [0.0, 1.0]), kn.Tanh()
    )
    assert field.breakpoints(net) == (0.5, 1.0, 2.0)
    frozen = field.frozen(net, 1.5)
    assert float(frozen.weight(0.0)) == 2.0 and field.breakpoints(frozen) == (0.5, 1.0)
    assert field.autonomous(kn.SimResNet(1.0, 0.0, kn.Tanh())) and not field.autonomous(net)
