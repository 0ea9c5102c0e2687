"""Fitting flows: standardisation, the likelihood of training, what comes out, how it ends, and bad input."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

import kinetic_nde as kn
from kinetic_nde.sensitivity import trainable
from kinetic_nde.sensitivity.epoch import Likelihood

KEY = jax.random.key(0)
T1, BATCH = 3.0, 80
ADAM = optax.adam(0.05)


def bent(count, seed=0):
    """A parabola with noise along it, in units of its own: log-densities and samples are known."""
    u, v = np.random.default_rng(seed).normal(size=(2, count))
    x = np.stack([1e3 * u, 5 + 0.01 * (0.4 * v + u**2)], axis=1)
    return x, norm.logpdf(u) + norm.logpdf(v) - np.log(1e3 * 0.01 * 0.4)


def layers(seed=0, size=0.3, d=2, layers=4):
    rng, times = np.random.default_rng(seed), np.linspace(0, T1, layers, endpoint=False)
    values = (size * rng.normal(size=shape) for shape in ((layers, d, d), (layers, d)))
    return kn.SimResNet(*(kn.PiecewiseConstant(times, each) for each in values), kn.Tanh())


NET = layers()
SAMPLES, _ = bent(500)


def fitted(field=NET, samples=SAMPLES, **options):
    """A fit with the shapes that all fits in the plane share."""
    default = {"t1": T1, "optimizer": ADAM, "batch": BATCH, "max_epochs": 3, "key": KEY, "steps": 2}
    return kn.fit_flow(field, samples, **{**default, **options})


@pytest.fixture(scope="module")
def long():
    return fitted(max_epochs=150, patience=40)


# Standardisation


@given(st.integers(0, 2**32 - 1))
def test_standardised_samples_have_mean_0_and_covariance_1(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 3)) * 10.0 ** rng.uniform(-6, 6, 3) + rng.normal(size=3)
    units = kn.Standardisation.of(x)
    z = np.asarray(units.standard(jnp.asarray(x)))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(z.T @ z / 20, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(units.original(jnp.asarray(z)), x, rtol=1e-9, atol=1e-9 * np.abs(x).max())
    np.testing.assert_allclose(units.original(jnp.asarray(z[0])), x[0], rtol=1e-9, atol=1e-9 * np.abs(x).max())
    np.testing.assert_allclose(units.log_determinant, np.linalg.slogdet(np.cov(x.T, ddof=0))[1] / 2, atol=1e-6)
    # Other units change nothing, and the mirror image of a column its signs.
    other = kn.Standardisation.of(x * [1e3, -1e-3, 1.0] + [1.0, 0.0, -3.0])
    np.testing.assert_allclose(
        other.standard(jnp.asarray(x * [1e3, -1e-3, 1.0] + [1.0, 0.0, -3.0])), z * [1, -1, 1], atol=1e-5
    )


def test_a_standardisation_in_one_dimension():
    x = np.array([1.0, 2.0, 6.0])
    units = kn.Standardisation.of(x)
    np.testing.assert_allclose([units.shift, units.scale, units.log_determinant], [3, x.std(), np.log(x.std())])
    z = units.standard(jnp.asarray(x))
    np.testing.assert_allclose(units.original(z), x)
    # A column alone is numbers too: those that a flow in one dimension moves.
    flow = kn.Flow(
        kn.MeanField(kn.SimResNet(0.0, 0.0, kn.Tanh())),
        kn.StandardNormal(),
        1.0,
        units=kn.Standardisation.of(x[:, None]),
    )
    assert flow.log_prob(x).shape == flow.sample(jax.random.key(0), 3).shape == (3,)
    assert units.dimension == 1 and kn.Standardisation.of(x.astype(np.float32)).scale.dtype == np.float32


def test_a_singular_covariance_is_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    cases = {
        "column 1 of the samples is constant, 7": x * [1, 0, 1] + [0, 7, 0],
        "column 2 is a linear combination": np.c_[x[:, :2], 3 * x[:, 0] - x[:, 1] + 5],
        "singular covariance: more than 3 are needed": x[:3],
        "column 0 of the samples is constant, 2": np.full(4, 2.0),
    }
    for message, samples in cases.items():
        with pytest.raises(ValueError, match=message):
            kn.Standardisation.of(samples)
        with pytest.raises(ValueError, match=message if "more than" not in message else "too few in 3 dim"):
            kn.fit_flow(lambda_field(), samples, t1=1.0, key=KEY, batch=1)
    # In single precision a sum is one to rounding only.
    rounded = np.c_[x[:, :2], x[:, 0] + x[:, 1]].astype(np.float32)
    with pytest.raises(ValueError, match="column 2 is a linear combination"):
        kn.Standardisation.of(rounded)
    # All but determined is not determined.
    nearly = np.c_[x[:, :2], x[:, 0] + x[:, 1] + 1e-5 * x[:, 2]]
    z = kn.Standardisation.of(nearly).standard(jnp.asarray(nearly))
    np.testing.assert_allclose(z.T @ z / 50, np.eye(3), atol=1e-6)


def test_wrong_standardisations():
    for shift, scale in ((0.0, [1.0]), ([0.0, 0.0], 1.0), ([0.0, 0.0], np.eye(3)), (np.eye(2), np.eye(2))):
        with pytest.raises(ValueError, match="lower triangular matrix"):
            kn.Standardisation(shift, scale)
    for shift, scale in ((0.0, 0.0), (np.nan, 1.0), ([0.0, 0.0], [[1.0, 1.0], [0.0, 1.0]]), ([0.0, 0.0], -np.eye(2))):
        with pytest.raises(ValueError, match="positive diagonal"):
            kn.Standardisation(shift, scale)
    normal, equation = kn.StandardNormal(2), kn.MeanField(layers())
    with pytest.raises(ValueError, match="base has dimension 2 and the units 1"):
        kn.Flow(equation, normal, t1=1.0, units=kn.Standardisation(0.0, 1.0))
    with pytest.raises(TypeError, match="must be a kn.Standardisation"):
        kn.Flow(equation, normal, t1=1.0, units=2.0)


# Flows in the units of data


@pytest.mark.parametrize("d", [1, 32])
def test_a_linear_flow_in_units_is_a_gaussian(d):
    rng = np.random.default_rng(d)
    w, b, shift = 0.4 * rng.normal(size=(d, d)) / np.sqrt(d), rng.normal(size=d), 10 * rng.normal(size=d)
    scale = np.tril(rng.normal(size=(d, d)), -1) / d + np.diag(10.0 ** rng.uniform(-1, 1, d))
    moved = expm(w)
    mean = shift + scale @ (moved - np.eye(d)) @ np.linalg.solve(w, b)
    exact = multivariate_normal(mean, scale @ moved @ moved.T @ scale.T)
    x = exact.rvs(20, random_state=0)
    numbers = (w[0, 0], b[0], shift[0], scale[0, 0]) if d == 1 else (w, b, shift, scale)
    units = kn.Standardisation(*numbers[2:])
    flow = kn.Flow(kn.MeanField(kn.SimResNet(*numbers[:2], kn.Identity())), kn.StandardNormal(d), t1=1.0, units=units)
    np.testing.assert_allclose(flow.log_prob(x), exact.logpdf(x), atol=1e-8)
    bad = np.concatenate([x[:-1], np.full_like(x[:1], np.nan)])
    np.testing.assert_allclose(flow.log_prob(bad), [*exact.logpdf(x[:-1]), np.nan], atol=1e-8)
    z = np.linalg.solve(scale @ moved, np.asarray(flow.sample(KEY, 2000)).reshape(-1, d).T - mean[:, None])
    # Six standard errors of what is standard normal.
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=6 / np.sqrt(2000))
    np.testing.assert_allclose(np.cov(z), np.eye(d) if d > 1 else 1.0, atol=6 * np.sqrt(2 / 2000))


def test_a_fitted_flow_integrates_to_1(long):
    # In units in which the data spread by 1, but not along the axes of the standardisation.
    side = np.linspace(-5.0, 9.0, 81)
    x = np.stack(np.meshgrid(1e3 * side, 5 + 0.01 * side, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(long.flow.log_prob(x)).reshape(81, 81)
    mass = np.trapezoid(np.trapezoid(density, dx=1e3 * (side[1] - side[0])), dx=0.01 * (side[1] - side[0]))
    assert abs(mass - 1) < 1e-4


# The likelihood of training


def likelihood(net, steps, d=2):
    parameters, rest = trainable.split(net)
    law = eqx.tree_at(lambda law: law.field, kn.MeanField(net), rest)
    of = Likelihood(law, kn.StandardNormal(d), jnp.asarray(T1), steps)
    return parameters, eqx.filter_jit(of)


def test_the_likelihood_by_steps_converges_to_that_of_the_flow():
    net = layers(size=0.7)
    z = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    exact = np.asarray(kn.Flow(kn.MeanField(net), kn.StandardNormal(2), t1=T1).log_prob(z))
    errors = []
    for steps in (1, 2, 4):
        parameters, of = likelihood(net, steps)
        errors.append(np.max(np.abs(of(parameters, z) - exact)))
    orders = np.diff(-np.log2(errors))
    assert errors[-1] < 1e-6 and np.all(orders > 4) and np.all(orders < 7), (errors, orders)


def test_the_gradient_of_training_is_that_of_the_flow():
    net = layers()
    z = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    parameters, of = likelihood(net, 2)
    slope = jax.grad(lambda arrays: jnp.mean(of(arrays, z)))(parameters)
    rng = np.random.default_rng(1)
    along = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), parameters)

    def mean(h):
        moved = eqx.apply_updates(net, jax.tree.map(lambda leaf: h * leaf, along))
        return float(jnp.mean(kn.Flow(kn.MeanField(moved), kn.StandardNormal(2), t1=T1).log_prob(z)))

    difference = (mean(1e-3) - mean(-1e-3)) / 2e-3
    products = jax.tree.map(lambda one, other: jnp.sum(one * other), slope, along)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), difference, rtol=1e-4)


class Plain(eqx.Module):
    """A field without a method for its divergence, and without a dimension."""

    net: kn.SimResNet

    def __call__(self, t, x):
        return self.net(t, x)


def lambda_field():
    return Plain(layers(d=3))


def test_the_trace_of_autodiff_is_the_divergence_of_the_field():
    z = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    (parameters, of), (wrapped, by_autodiff) = likelihood(NET, 2), likelihood(Plain(NET), 2)
    np.testing.assert_allclose(by_autodiff(wrapped, z), of(parameters, z), atol=1e-13)


# What comes out


def test_a_fit_comes_near_the_true_density(long):
    x, truth = bent(2000, seed=9)
    apart = np.mean(truth - np.asarray(long.flow.log_prob(x)))
    gaussian = np.mean(truth - multivariate_normal(SAMPLES.mean(0), np.cov(SAMPLES.T)).logpdf(x))
    # Kullback and Leibler's divergence; 24 numbers fitted to 400 samples cost 24 / 2 / 400 = 0.03 or more.
    assert 0 < apart < 0.35 * gaussian and gaussian > 0.5
    assert abs(long.gaussian - multivariate_normal_of_training(long)) < 1e-9


def multivariate_normal_of_training(fit):
    rest = np.delete(SAMPLES, fit.held_out, axis=0)
    return np.mean(multivariate_normal(rest.mean(0), np.cov(rest.T, ddof=0)).logpdf(SAMPLES[fit.held_out]))


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


def test_each_sample_is_drawn_once_in_an_epoch():
    # A rate of 0: the mean of the batches of an epoch is that of all samples of the part that is trained on.
    fit = fitted(optimizer=optax.sgd(0.0), max_epochs=2)
    rest = np.delete(SAMPLES, fit.held_out, axis=0)
    assert bool(fit.result == kn.FlowOutcome.not_better) and fit.best == 0
    # In parts of one size, for which there is a program already.
    every = [np.mean(fit.flow.log_prob(part)) for part in np.split(rest, 4)]
    np.testing.assert_allclose(fit.history.training[1:], np.mean(every), atol=1e-5)
    assert np.ptp(fit.history.held_out) == 0
    np.testing.assert_array_equal(fit.field.weight.values, NET.weight.values)


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
    samples = (np.asarray(fit.flow.sample(KEY, 50)) for fit in (one, other))
    np.testing.assert_allclose(next(samples) * factors + shift, next(samples), rtol=1e-6)


def test_one_dimension_in_three_shapes_and_single_precision():
    x = np.random.default_rng(0).gamma(4.0, size=500)
    net = kn.SimResNet(0.1, -0.1, kn.Tanh())
    one, two, three = (fitted(net, each) for each in (x, x[:, None], kn.Ensemble(x)))
    for fit in (two, three):
        np.testing.assert_array_equal(fit.history.held_out, one.history.held_out)
    assert one.log_likelihood > one.history.held_out[0] - 0.01
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32), net)
    low = fitted(single, x.astype(np.float32))
    assert low.field.weight.value.dtype == low.flow.log_prob(x.astype(np.float32)[:100]).dtype == np.float32
    np.testing.assert_allclose(low.history.held_out, one.history.held_out, atol=1e-4)


def test_steps_are_doubled_until_they_are_short_enough(monkeypatch):
    broken(monkeypatch, lambda parameters: parameters)
    # Half of the mass of a steep field gathers at each end: one step of length 2 jumps over what happens.
    x = np.random.default_rng(0).gamma(4.0, size=500)
    net = kn.SimResNet(8.0, -0.1, kn.Tanh())
    chosen, fixed = (fitted(net, x, max_epochs=1, steps=steps) for steps in (None, 1))
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
    np.testing.assert_array_equal(fit.field.weight.values, NET.weight.values)


def test_new_numbers_compile_nothing():
    count = []

    class Counting(eqx.Module):
        weight: jax.Array

        def __call__(self, t, x):
            count.append(1)
            return jnp.tanh(self.weight * x)

    x = np.random.default_rng(0).normal(size=500)
    fitted(Counting(jnp.array(0.1)), x)
    before = len(count)
    fitted(Counting(jnp.array(0.2)), 2 * x + 1, t1=1.5, key=jax.random.key(3))
    # The shape of its velocity is looked at in each call, without compiling.
    assert len(count) <= before + 2


# Bad input


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
