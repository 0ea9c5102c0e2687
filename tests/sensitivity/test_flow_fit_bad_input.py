"""What fitting a flow refuses, before any work."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from tests.sensitivity.flow_cases import KEY, SAMPLES, Plain, fitted, layers


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"key": None}, ValueError, "give key=jax.random.key"),
        ({"key": 3}, TypeError, "one random key"),
        ({"optimizer": optax.adam}, TypeError, r"did you mean adam\(...\)"),
        ({"optimizer": 0.1}, TypeError, "one of optax's"),
        ({"batch": 401}, ValueError, "batch=401 is more than the 400 samples that are trained on: 100 of 500"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"max_epochs": 1.5}, TypeError, "max_epochs must be an integer"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"held_out": 0.0}, ValueError, "share between 0 and 1"),
        ({"held_out": 20}, ValueError, "share between 0 and 1, got 20"),
        ({"held_out": "x"}, TypeError, "held_out must be a number"),
        ({"t1": 0.0}, ValueError, "finite number > 0"),
        ({"t1": np.inf}, ValueError, "finite number > 0"),
        ({"samples": SAMPLES[:, 0]}, ValueError, r"dimension 2 and the samples 1, with the shape \(500,\)"),
        ({"samples": np.where(np.arange(500)[:, None] == 7, np.nan, SAMPLES)}, ValueError, r"\[nan nan\] in row 7"),
        ({"samples": SAMPLES[None]}, ValueError, r"shape \(M,\) or \(M, d\)"),
        (
            {"samples": SAMPLES[:3], "batch": None},
            ValueError,
            "3 samples, 1 of them held out, are too few in 2 dimensions",
        ),
        ({"samples": np.array(["a", "b"])}, TypeError, "array of numbers"),
        ({"field": lambda t, x: x}, ValueError, "nothing in function can be trained"),
        ({"field": kn.SimResNet}, TypeError, "a field is a kn.SimResNet"),
        ({"field": kn.SimResNet(np.full((2, 2), 1e300), 0.0, kn.Identity())}, ValueError, "at the start"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        fitted(**options)


def test_traced_values_are_refused():
    with pytest.raises(ValueError, match="outside jit, vmap and grad"):
        jax.jit(lambda t1: fitted(t1=t1).log_likelihood)(1.0)
    with pytest.raises(ValueError, match="must be known"):
        jax.vmap(lambda x: fitted(samples=x).log_likelihood)(jnp.asarray(SAMPLES)[None])


def test_a_field_that_cannot_be_called_is_told_how():
    """What a newcomer gives: a network without the time."""
    with pytest.raises(TypeError) as caught:
        fitted(eqx.nn.MLP(2, 2, 4, 1, key=jax.random.key(0)), SAMPLES)
    assert "called as field(t, x), with a number t and here with points x of shape (2,)" in caught.value.__notes__[-1]


THREE = np.random.default_rng(0).normal(size=(50, 3))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (THREE * [1, 0, 1] + [0, 7, 0], "column 1 of the samples is constant, 7"),
        pytest.param(
            np.c_[THREE[:, :2], 3 * THREE[:, 0] - THREE[:, 1] + 5],
            "column 2 is a linear combination",
            marks=pytest.mark.slow,
        ),
        pytest.param(THREE[:3], "too few in 3 dim", marks=pytest.mark.slow),
        pytest.param(np.full(4, 2.0), "column 0 of the samples is constant, 2", marks=pytest.mark.slow),
    ],
)
def test_a_singular_covariance_is_named(samples, message):
    with pytest.raises(ValueError, match=message):
        kn.fit_flow(Plain(layers(d=3)), samples, t1=1.0, key=KEY, batch=1)
