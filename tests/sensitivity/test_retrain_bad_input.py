"""What retraining refuses, before any update."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.retrain import retrain
from tests.sensitivity.retrain_cases import BY_PARTICLES, EQUATION, NET, START, run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"equation": NET}, "first argument is an equation"),
        ({"initial": START.samples}, "initial distribution"),
        ({"loss": 1.0}, "loss is called with"),
        ({"loss": kn.Ensemble}, "loss is called with"),
        ({"loss": lambda final: np.asarray(final.samples).sum()}, "jax.numpy"),
        ({"optimizer": optax.adam}, r"did you mean adam\(\.\.\.\)"),
        ({"optimizer": 0.1}, r"such as optax\.adam\(0\.1\)"),
        ({"adjoint": "transport"}, "adjoint must be an object"),
        ({"resume": EQUATION}, "earlier call"),
        ({"max_updates": 2.5}, "must be an integer"),
        ({"tolerance": "small"}, "tolerance must be a number"),
        ({"divergence": None}, "divergence must be a number"),
    ],
)
def test_wrong_kinds(options, message):
    # Without the tests' own check of annotations, which would be first.
    with pytest.raises(TypeError, match=message):
        run(function=inspect.unwrap(retrain), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_updates": 0}, "at least 1"),
        ({"max_steps": 0}, "at least 1"),
        ({"tolerance": -1.0}, "tolerance >= 0"),
        ({"tolerance": float("nan")}, "tolerance >= 0"),
        ({"divergence": 0.0}, "divergence > 0"),
        ({"t1": 0.0}, "t0 < t1"),
        ({"t1": np.inf}, "finite times"),
        ({"t1": np.array([1.0, 2.0])}, "are numbers"),
        ({"equation": kn.MeanField(lambda t, x: -x)}, "can be trained"),
        ({"loss": lambda final: jnp.log(final.mean - 5)}, "loss is nan at the start"),
        ({"loss": lambda final: jnp.sqrt(final.variance * 0)}, "gradient of the loss is not finite"),
        ({"loss": lambda final: final.samples}, "one number, got shape"),
        (
            BY_PARTICLES | {"equation": kn.MeanField(kn.SimResNet(-1e5, 1.0, kn.Identity()))},
            "solve fails at the start: The limit max_steps",
        ),
        pytest.param(
            {"max_steps": 2, "method": kn.Particles()},
            "solve fails at the start: The limit max_steps",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_wrong_values(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_traced_values_are_refused():
    for traced in (
        lambda w: run(kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity()))).history.loss,
        lambda w: run(t1=w).history.loss,
        lambda w: run(loss=lambda final: final.mean * w).history.loss,
    ):
        with pytest.raises(ValueError, match=r"jax\.lax\.scan"):
            jax.jit(traced)(1.0)


def test_what_cannot_be_gone_on_with():
    done = run(optimizer=optax.adam(0.1), max_updates=1)
    with pytest.raises(ValueError, match="optimiser of another kind"):
        run(resume=done, optimizer=optax.lbfgs())
    layers = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, 1.0]), 0.0, kn.Identity())
    with pytest.raises(ValueError, match="parameters of another kind"):
        run(kn.MeanField(layers), resume=done, optimizer=optax.adam(0.1))


def test_a_target_elsewhere_or_of_another_mass_is_refused_before_any_update():
    grid = kn.Grid(-6.0, 6.0, 60)
    elsewhere, start = kn.Grid(-6.0, 6.0, 61), kn.Density.gaussian(0.5, 1.0, grid)
    for target, message in (
        (kn.Density(elsewhere, np.full(61, 1 / 12)), "60 cells and the target 61"),
        (kn.Density(grid, 2 * start.values), "mass"),
    ):
        with pytest.raises(ValueError, match=message):
            run(initial=start, loss=kn.L2Loss(target), method=None)
