"""Fitting flows: the likelihood of training, what comes out, and how it ends."""

import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import multivariate_normal

import kinetic_nde as kn
from kinetic_nde.sensitivity import trainable
from kinetic_nde.sensitivity.epoch import Likelihood
from tests.sensitivity.flow_cases import (
    CALLS,
    KEY,
    NET,
    NUMBERS,
    SAMPLES,
    T1,
    Plain,
    bent,
    counted,
    fitted,
    layers,
    log_prob,
)


@pytest.fixture(scope="module")
def long():
    return fitted(max_epochs=150, patience=40)


# The likelihood of training

POINTS = jnp.asarray(np.random.default_rng(0).normal(size=(100, 2)))
of_training = eqx.filter_jit(lambda likelihood, parameters, points: likelihood(parameters, points))


def likelihood(net, steps):
    parameters, rest = trainable.split(net)
    law = eqx.tree_at(lambda law: law.field, kn.MeanField(net), rest)
    return parameters, Likelihood(law, kn.StandardNormal(2), jnp.asarray(T1), steps)


def of_flow(net):
    """log g(T1) at the same points, by the program of fits: the units are 1."""
    units = kn.Standardisation(np.zeros(2), np.eye(2))
    return np.asarray(kn.Flow(kn.MeanField(net), kn.StandardNormal(2), t1=T1, units=units).log_prob(POINTS))


@pytest.mark.parametrize("numbers", [(1, 2), pytest.param((1, 2, 4), marks=pytest.mark.slow)], ids=["two", "three"])
def test_the_likelihood_by_steps_converges_to_that_of_the_flow(numbers):
    net = layers(size=0.7)
    exact, errors = of_flow(net), []
    for steps in numbers:
        parameters, of = likelihood(net, steps)
        errors.append(np.max(np.abs(of_training(of, parameters, POINTS) - exact)))
    orders = np.diff(-np.log2(errors))
    assert errors[-1] < 1e-6 * 32 ** (3 - len(numbers)) and np.all(orders > 4) and np.all(orders < 7), (errors, orders)


@pytest.mark.slow
def test_the_gradient_of_training_is_that_of_the_flow():
    parameters, of = likelihood(NET, 2)
    slope = eqx.filter_jit(jax.grad(lambda arrays: jnp.mean(of(arrays, POINTS))))(parameters)
    rng = np.random.default_rng(1)
    along = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), parameters)

    def mean(h):
        return np.mean(of_flow(eqx.apply_updates(NET, jax.tree.map(lambda leaf: h * leaf, along))))

    difference = (mean(1e-3) - mean(-1e-3)) / 2e-3
    products = jax.tree.map(np.vdot, slope, along)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), difference, rtol=1e-4)


def test_the_trace_of_autodiff_is_the_divergence_of_the_field():
    (parameters, of), (wrapped, by_autodiff) = likelihood(NET, 2), likelihood(Plain(NET), 2)
    found = of_training(by_autodiff, wrapped, POINTS)
    np.testing.assert_allclose(found, of_training(of, parameters, POINTS), atol=1e-13)


def test_the_likelihood_of_training_stays_in_single_precision():
    parameters, of = jax.tree.map(lambda leaf: leaf.astype(np.float32), likelihood(NET, 2))
    assert jax.eval_shape(of, parameters, POINTS.astype(np.float32)).dtype == np.float32


# What comes out


@pytest.mark.slow
def test_a_fitted_flow_integrates_to_1(long):
    # In units in which the data spread by 1, but not along the axes of the standardisation.
    side = np.linspace(-5.0, 9.0, 81)
    x = np.stack(np.meshgrid(1e3 * side, 5 + 0.01 * side, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(log_prob(long.flow, x)).reshape(81, 81)
    mass = np.trapezoid(np.trapezoid(density, dx=1e3 * (side[1] - side[0])), dx=0.01 * (side[1] - side[0]))
    assert abs(mass - 1) < 1e-4


@pytest.mark.slow
def test_a_fit_comes_near_the_true_density(long):
    x, truth = bent(2000, seed=9)
    apart = np.mean(truth - log_prob(long.flow, x))
    gaussian = np.mean(truth - normal_log_prob(SAMPLES, x, ddof=1))
    # Kullback and Leibler's divergence; 24 numbers fitted to 400 samples cost 24 / 2 / 400 = 0.03 or more.
    assert 0 < apart < 0.35 * gaussian and gaussian > 0.5
    assert abs(long.gaussian - multivariate_normal_of_training(long)) < 1e-9


def normal_log_prob(samples, x, ddof):
    """By the normal distribution with the mean and covariance of the samples."""
    covariance: Any = np.cov(samples.T, ddof=ddof)
    return multivariate_normal(samples.mean(0), covariance).logpdf(x)


def multivariate_normal_of_training(fit):
    rest = np.delete(SAMPLES, fit.held_out, axis=0)
    return np.mean(normal_log_prob(rest, SAMPLES[fit.held_out], ddof=0))


def test_the_best_epoch_is_returned(long):
    held_out, training = long.history.held_out, long.history.training
    assert bool(long.result == kn.FlowOutcome.successful) and long.message == ""
    assert long.best == np.argmax(held_out) and len(held_out) == len(training) == long.best + 40 + 1
    values = np.asarray(long.flow.log_prob(SAMPLES[long.held_out]))
    assert len(values) == 100 and long.count == 400
    np.testing.assert_allclose([long.log_likelihood, long.standard_error], [values.mean(), values.std(ddof=1) / 10])
    np.testing.assert_allclose(long.log_likelihood, held_out[long.best], atol=1e-4)
    assert np.isnan(training[0]) and np.all(np.isfinite(training[1:]))
    assert "stopped rising" in str(long) and f"after epoch {long.best}," in str(long)


@pytest.mark.slow
def test_each_sample_is_drawn_once_in_an_epoch():
    # A rate of 0: the mean of the batches of an epoch is that of all samples of the part that is trained on.
    fit = fitted(optimizer=optax.sgd(0.0), max_epochs=2)
    rest = np.delete(SAMPLES, fit.held_out, axis=0)
    assert bool(fit.result == kn.FlowOutcome.not_better) and fit.best == 0
    np.testing.assert_allclose(fit.history.training[1:], np.mean(log_prob(fit.flow, rest)), atol=1e-5)
    assert np.ptp(fit.history.held_out) == 0
    np.testing.assert_array_equal(jax.tree.leaves(fit.field.weight)[0], jax.tree.leaves(NET.weight)[0])


def test_the_same_key_gives_the_same_fit():
    one, two, other = fitted(), fitted(), fitted(key=jax.random.key(1))
    np.testing.assert_array_equal(one.history.held_out, two.history.held_out)
    np.testing.assert_array_equal(one.held_out, two.held_out)
    assert not np.array_equal(one.held_out, other.held_out)
    # The parameters that came out are where another call goes on, on the same part of the samples.
    on = fitted(one.field)
    np.testing.assert_array_equal(on.held_out, one.held_out)
    np.testing.assert_allclose(on.history.held_out[0], one.history.held_out[one.best], atol=1e-12)


def test_other_units_give_the_same_flow():
    factors, shift = np.array([1e-6, 4e3]), np.array([3.0, -1.0])
    one, other = fitted(), fitted(samples=SAMPLES * factors + shift)
    offset = np.sum(np.log(factors))
    np.testing.assert_allclose(other.history.held_out, one.history.held_out - offset, atol=1e-7)
    x = SAMPLES[:100]
    np.testing.assert_allclose(other.flow.log_prob(x * factors + shift), one.flow.log_prob(x) - offset, atol=1e-7)


@pytest.mark.slow
def test_other_units_give_the_same_samples():
    factors, shift = np.array([1e-6, 4e3]), np.array([3.0, -1.0])
    fits = fitted(), fitted(samples=SAMPLES * factors + shift)
    samples = (np.asarray(fit.flow.sample(KEY, 50)) for fit in fits)
    np.testing.assert_allclose(next(samples) * factors + shift, next(samples), rtol=1e-6)


def check_three_shapes():
    net = counted(0.1)
    one, two, three = (fitted(net, each) for each in (NUMBERS, NUMBERS[:, None], kn.Ensemble(NUMBERS)))
    for fit in (two, three):
        np.testing.assert_array_equal(fit.history.held_out, one.history.held_out)
    assert one.log_likelihood > one.history.held_out[0] - 0.01


@pytest.mark.slow
def test_one_dimension_in_three_shapes(monkeypatch):
    """Judged and returned; epochs in one dimension are another program."""
    broken(monkeypatch, lambda parameters: parameters)
    check_three_shapes()


@pytest.mark.slow
def test_fits_in_one_dimension_in_three_shapes():
    check_three_shapes()


@pytest.mark.slow
def test_single_precision():
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32), counted(0.1))
    low = fitted(single, NUMBERS.astype(np.float32))
    held_out = NUMBERS.astype(np.float32)[low.held_out]
    assert low.field.net.weight.value.dtype == low.flow.log_prob(held_out).dtype == np.float32
    np.testing.assert_allclose(low.history.held_out, fitted(counted(0.1), NUMBERS).history.held_out, atol=1e-4)


@pytest.mark.slow
def test_steps_are_doubled_until_they_are_short_enough(monkeypatch):
    broken(monkeypatch, lambda parameters: parameters)
    # Half of the mass of a steep field gathers at each end: one step of length 2 jumps over what happens.
    chosen, fixed = (fitted(counted(8.0), NUMBERS, max_epochs=1, steps=steps) for steps in (None, 1))
    assert chosen.steps > 8 and "too long" not in chosen.message
    assert fixed.steps == 1 and "The steps of training were too long" in fixed.message
    np.testing.assert_allclose(chosen.history.held_out[0], chosen.log_likelihood, atol=0.01)


# How it ends


def broken(monkeypatch, change):
    """Epochs that do only this to the parameters."""
    epoch = lambda likelihood, optimizer, parameters, state, *_: (change(parameters), state, jnp.array(0.0))
    monkeypatch.setattr(sys.modules["kinetic_nde.sensitivity.fit_flow"], "epoch", epoch)


def interrupted(monkeypatch, after):
    """Ctrl-C in the epoch of that number."""
    module = sys.modules["kinetic_nde.sensitivity.fit_flow"]
    real, calls = module.epoch, []

    def epoch(*arguments):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "epoch", epoch)


def test_ctrl_c_keeps_the_best_so_far(monkeypatch, capsys):
    whole = fitted(max_epochs=3)
    interrupted(monkeypatch, 3)
    fit = fitted(progress=True)
    assert bool(fit.result == kn.FlowOutcome.interrupted) and "Interrupted" in str(fit)
    np.testing.assert_array_equal(fit.history.held_out, whole.history.held_out[:3])
    np.testing.assert_allclose(fit.log_likelihood, fit.history.held_out[fit.best], atol=1e-4)
    assert "fit_flow" in capsys.readouterr().err


def test_what_is_not_finite_ends_it_with_the_best_parameters(monkeypatch):
    broken(monkeypatch, lambda parameters: jax.tree.map(lambda leaf: leaf * np.nan, parameters))
    fit = fitted()
    assert bool(fit.result == kn.FlowOutcome.not_finite) and "no longer finite" in fit.message
    assert np.isfinite(fit.log_likelihood) and np.isnan(fit.history.held_out[-1]) and len(fit.history.held_out) == 2
    np.testing.assert_array_equal(jax.tree.leaves(fit.field.weight)[0], jax.tree.leaves(NET.weight)[0])


def check_that_new_numbers_compile_nothing():
    fitted(counted(0.1), NUMBERS)
    before = len(CALLS)
    fitted(counted(0.2), 2 * NUMBERS + 1, t1=1.5, key=jax.random.key(3))
    # The shape of its velocity is looked at in each call, without compiling.
    assert len(CALLS) <= before + 2


@pytest.mark.slow
def test_new_numbers_compile_nothing_but_epochs(monkeypatch):
    broken(monkeypatch, lambda parameters: parameters)
    check_that_new_numbers_compile_nothing()


@pytest.mark.slow
def test_new_numbers_compile_nothing():
    check_that_new_numbers_compile_nothing()
