"""What `steady_states` refuses, and what it prints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import kinetic_nde as kn
from tests.analysis.steady_state_cases import GCU, ON_A_LINE, steady_states


def test_a_network_that_changes_with_t_has_no_steady_states():
    box = {"lower": -2.0, "upper": 2.0}
    still = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [-1.0, -1.0]), lambda t: 0.5, kn.Tanh())
    np.testing.assert_allclose(steady_states(still, **box).points, [0.5])
    decaying = kn.SimResNet(lambda t: -jnp.exp(-t), 0.5, kn.Tanh())
    layers = kn.SimResNet(-1.0, kn.PiecewiseConstant([0.0, 5e4], [0.0, 1.0]), kn.Tanh())
    ramp = kn.SimResNet(-1.0, kn.Interpolated([2e4, 5e4], [0.0, 1.0]), kn.Tanh())
    for net, name in ((decaying, "weight"), (layers, "bias"), (ramp, "bias"), (lambda t, x: t * x, "field")):
        with pytest.raises(ValueError, match=f"the {name} changes with t.* take "):
            steady_states(net, **box)
    last = kn.SimResNet(layers.weight(9e4), layers.bias(9e4), layers.activation)
    np.testing.assert_allclose(steady_states(last, **box).points, [1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give lower and upper, or an initial distribution"),
        ({"lower": 0.0}, "give upper, or"),
        ({"lower": 1.0, "upper": 1.0}, "the box is empty: need lower < upper"),
        ({"lower": 20.0, "initial": ON_A_LINE}, "the box is empty"),
        ({"lower": np.nan, "upper": 1.0}, "lower must be finite, got nan"),
        ({"lower": 0.0, "upper": np.inf}, "upper must be finite, got inf"),
        (
            {"lower": [0.0, 0.0], "upper": 1.0},
            r"in dimension 1 lower is a number or has the shape \(1,\), got shape \(2,\)",
        ),
        ({"initial": kn.Ensemble(np.zeros((3, 2)))}, "the network has dimension 1 and the initial distribution 2"),
        ({"lower": -2e5, "upper": 2e5}, "take a smaller box"),
    ],
)
def test_boxes_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        steady_states(GCU, **arguments)


def test_what_is_no_network_or_not_known():
    with pytest.raises(TypeError, match="a field is a kn.SimResNet"):
        steady_states(kn.MeanField(GCU), ON_A_LINE)
    with pytest.raises((TypeError, TypeCheckError)):
        steady_states(GCU, [0.0, 1.0])
    with pytest.raises(ValueError, match="steady states need a finite velocity, at -"):
        steady_states(lambda t, x: jnp.log(x), lower=-1.0, upper=1.0)
    with pytest.raises(ValueError, match="outside jit, vmap and grad"):
        jax.jit(lambda w: steady_states(kn.SimResNet(w, 0.0, kn.Tanh()), lower=-1.0, upper=1.0).points)(1.0)


@pytest.mark.slow
def test_the_table():
    text = str(steady_states(kn.SimResNet(-1.0, 1.0, kn.ReLU()), kn.Ensemble([0.0, 0.5, 3.0])))
    assert text.splitlines() == [
        "1 steady state in [0, 3]",
        "point    stability  eigenvalue      mass   +-  of those between",
        "    1  semi-stable        kink  0.666667  0.3         -inf to 1",
        "also: every x in [1, 3]",
        "rests there: 0.333333",
    ]
