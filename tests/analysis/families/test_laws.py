"""The laws of the four families: densities, distribution functions and samples, against SciPy and quadrature."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaincc, gammaln

from kinetic_nde.analysis.families.gamma import log_prob_of_log
from kinetic_nde.analysis.families.pareto_tail import body
from tests.analysis.families.laws import GAUSSIAN, INVERSE, PARETO, SHARES, as_arrays, each_law, scipys

# Each compiled once for a family and a shape, whatever the parameters.
log_prob = eqx.filter_jit(lambda family, parameters, x: family.log_prob(parameters, x))
log_gamma_prob, mass_below = jax.jit(log_prob_of_log), jax.jit(body)


@each_law
def test_density_and_distribution_function_are_scipys(family, parameters):
    law = scipys(family, parameters)
    x = family.quantile(parameters, SHARES)
    np.testing.assert_allclose(family.cdf(parameters, x), SHARES, rtol=1e-9)
    if law is None:
        return
    mirrored = parameters.get("beta", 1.0) < 0
    values = log_prob(family, as_arrays(parameters), x)
    np.testing.assert_allclose(values, law.logpdf(-x if mirrored else x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(SHARES, law.sf(-x) if mirrored else law.cdf(x), rtol=1e-9)


@each_law
def test_the_density_has_mass_1_and_the_distribution_function_is_its_integral(family, parameters):
    sign = np.sign(family.quantile(parameters, 0.5))
    # In ln|x| where the support is a half line: the density may be infinite at its end.
    places = family.quantile(parameters, np.array([1e-9, 0.1, 0.3, 0.6, 0.95]))
    ends = places if family == GAUSSIAN else np.log(sign * places)
    arrays = as_arrays(parameters)

    def density(u):
        if family == GAUSSIAN:
            return np.exp(float(log_prob(family, arrays, np.asarray(u))))
        return np.exp(float(log_prob(family, arrays, np.asarray(sign * np.exp(u)))) + u)

    expected = np.diff(family.cdf(parameters, places))
    for left, right, share in zip(ends[:-1], ends[1:], expected, strict=True):
        kink = [np.log(parameters["a"])] if "a" in parameters and left < np.log(parameters["a"]) < right else None
        np.testing.assert_allclose(abs(quad(density, left, right, points=kink, epsabs=1e-11)[0]), share, atol=1e-9)


@pytest.mark.parametrize("k", [1e-3, 0.05, 1.0, 2.0, 40.0, 500.0])
def test_the_normalisation_of_the_pareto_tail(k):
    """1 / C = 1/a + a^(mu-1) e^(mu-1) beta^-mu Gamma(mu, mu - 1), with SciPy's incomplete Gamma function."""
    a, mu, beta = 2.0, 1 + k, 2.0 * k
    log = (mu - 1) * np.log(a) + (mu - 1) - mu * np.log(beta) + gammaln(mu) + np.log(gammaincc(mu, mu - 1))
    np.testing.assert_allclose((1 + float(mass_below(np.asarray(k)))) / a, 1 / a + np.exp(log), rtol=1e-11)


def test_the_tail_is_that_of_pareto_and_its_density_has_a_kink_in_the_second_derivative_only():
    parameters = {"a": 2.0, "mu": 3.0}
    x = np.array([2.0, 20.0, 2e8])
    np.testing.assert_allclose(x * (1 - PARETO.cdf(parameters, x)), 2 * (1 - PARETO.cdf(parameters, 2.0)), rtol=1e-6)
    density = lambda a: PARETO.log_prob({"a": a, "mu": 3.0}, 2.0)
    derivatives = jax.jit(jax.vmap(lambda a: (jax.grad(density)(a), jax.grad(jax.grad(density))(a))))
    first, second = derivatives(np.array([2.0 - 1e-6, 2.0 + 1e-6]))
    assert abs(first[0] - first[1]) < 1e-5 and abs(second[0] - second[1]) > 0.4


@given(st.floats(0.05, 60.0), st.floats(-3.0, 3.0))
def test_the_gamma_density_of_the_logarithm(shape, place):
    theta = place / np.sqrt(shape)
    expected = stats.loggamma.logpdf(theta + np.log(shape), shape)
    found = log_gamma_prob(np.asarray(theta), np.asarray(shape))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_a_large_shape_loses_no_digits():
    """A Gamma distribution of shape 1e12 is normal to a millionth, where the textbook's terms are 3e13."""
    shape = 1e12
    found = log_gamma_prob(np.asarray(2.0 / np.sqrt(shape)), np.asarray(shape))
    np.testing.assert_allclose(found, stats.norm.logpdf(2.0) + 0.5 * np.log(shape), atol=3e-6)


@each_law
def test_samples_have_the_distribution_and_follow_their_key(family, parameters):
    samples = family.sample(parameters, jax.random.key(3), 2000)
    assert samples.shape == (2000,) and np.all(np.isfinite(samples))
    test: Any = stats.ks_1samp(np.asarray(samples), lambda x: family.cdf(parameters, x))
    assert test.pvalue > 1e-3
    np.testing.assert_array_equal(samples, family.sample(parameters, jax.random.key(3), 2000))


@eqx.filter_jit
def values_and_slopes(family, parameters, x):
    return family.log_prob(parameters, x), jax.grad(lambda each: jnp.max(family.log_prob(each, x[:2])))(parameters)


@each_law
def test_outside_the_support_there_is_nothing_and_no_derivative_is_nan(family, parameters):
    low, high = family.support(parameters)
    beyond = np.array([-1.0, 0.0] if low == 0 else [1.0, 0.0] if high == 0 else [-np.inf, np.inf])
    assert np.all(np.asarray(log_prob(family, as_arrays(parameters), beyond)) == -np.inf)
    inside = family.quantile(parameters, 0.3)
    for dtype in (np.float64, np.float32):
        typed = {name: np.asarray(value, dtype) for name, value in parameters.items()}
        values, found = values_and_slopes(family, typed, np.asarray([-inside, inside, 0.0, 1e-9, -1e9, 1e9], dtype))
        assert values.dtype == dtype and not np.any(np.isnan(values))
        assert all(np.isfinite(slope) for slope in found.values())


def test_log_prob_works_under_jit_and_vmap():
    grid = {"mu": jnp.array([2.0, 3.0]), "beta": jnp.array([1.0, 4.0])}
    batched = jax.jit(jax.vmap(INVERSE.log_prob, in_axes=(0, None)))(grid, jnp.array([1.0, 2.0]))
    one = INVERSE.log_prob({"mu": 3.0, "beta": 4.0}, [1.0, 2.0])
    np.testing.assert_allclose(batched[1], one, rtol=1e-12)
