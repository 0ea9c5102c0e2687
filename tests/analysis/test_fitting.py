"""The fit of samples to a family, against SciPy's maximum likelihood and against what the samples were drawn from."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.optimize import minimize

import kinetic_nde as kn
from kinetic_nde.analysis import fitting, likelihood
from kinetic_nde.analysis.families.family import AbstractFamily
from tests.analysis.families.laws import as_arrays

GAUSSIAN, INVERSE, PARETO, GENERAL = fitting.FAMILIES
TRUTHS: list[tuple[AbstractFamily, dict[str, float]]] = [
    (GAUSSIAN, {"mean": 10.0, "std": 2.0}),
    (INVERSE, {"mu": 3.0, "beta": 4.0}),
    (PARETO, {"a": 2.0, "mu": 3.0}),
    (GENERAL, {"p": 0.5, "A": 1.0, "q": 3.0}),
]
each_truth = pytest.mark.parametrize(("family", "truth"), TRUTHS, ids=[family.name for family, _ in TRUTHS])
COUNT = 2000  # one number of samples, one compiled program for each family


def drawn(family, truth, seed: int = 0, count: int = COUNT) -> np.ndarray:
    return np.asarray(family.sample(truth, jax.random.key(seed), count))


# Compiled once for a family and a number of samples.
log_likelihood = eqx.filter_jit(lambda family, parameters, x: family.log_prob(parameters, x).sum())


@each_truth
@pytest.mark.parametrize("count", [COUNT, pytest.param(100_000, marks=pytest.mark.slow)])
def test_known_parameters_are_found(family, truth, count):
    """Within 3 standard errors; weight and bias of the network too."""
    found = kn.fit(drawn(family, truth, seed=0, count=count), family, nu=0.7)
    exact = {**truth, **{name: float(each) for name, each in family.coefficients(truth, 0.7).items()}}
    for name, value in {**found.parameters, **found.coefficients}.items():
        error = found.standard_errors[name]
        assert abs(value - exact[name]) <= 3 * error + 1e-12, name
        assert error < 0.2 * math.sqrt(100_000 / count) * max(abs(exact[name]), 1e-12) or error == 0, name
    assert found.standard_errors["nu"] == 0 and float(found.equation.nu) == 0.7
    assert found.ks < 1.36 / np.sqrt(count)  # the 5 % level of a known distribution, beyond all estimated ones


@each_truth
def test_the_likelihood_is_scipys_maximum(family, truth):
    x = drawn(family, truth)
    if family == GAUSSIAN:
        best = stats.norm.logpdf(x, *stats.norm.fit(x)).sum()
    elif family == INVERSE:
        best = stats.invgamma.logpdf(x, *stats.invgamma.fit(x, floc=0)).sum()
    elif family == GENERAL:
        best = stats.gengamma.logpdf(x, *stats.gengamma.fit(x, 5.0, 0.6, floc=0)).sum()
    else:
        loss = lambda u: -float(log_likelihood(family, as_arrays({"a": np.e ** u[0], "mu": 1 + np.e ** u[1]}), x))
        best = -minimize(loss, [0.5, 0.5], method="Nelder-Mead", tol=1e-10).fun
    found = kn.fit(x, family)
    assert abs(found.log_likelihood - best) < 1e-4 * x.size
    assert found.log_likelihood > best - 1e-6 * x.size  # ours is never the worse
    exact = log_likelihood(family, as_arrays(found.parameters), x)
    np.testing.assert_allclose(found.log_likelihood, exact, rtol=1e-10)
    test: Any = stats.ks_1samp(x, lambda at: family.cdf(found.parameters, at))
    np.testing.assert_allclose([found.ks, found.ks_pvalue], [test.statistic, test.pvalue], rtol=1e-12)


def compiled() -> list[int]:
    functions: list[Any] = [likelihood._derivatives, likelihood._with_jacobian]
    return [each._cached._cache_size() for each in functions]


@each_truth
@pytest.mark.parametrize("trials", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_the_right_family_is_found(family, truth, trials):
    """Some of the 100 trials of `experiments/fitting.py`, and nothing compiles after the first."""
    names = [kn.fit(drawn(family, truth, seed=100)).family.name]
    programs = compiled()
    names += [kn.fit(drawn(family, truth, seed)).family.name for seed in range(101, 100 + trials)]
    assert names.count(family.name) == trials
    assert compiled() == programs


@each_truth
@pytest.mark.parametrize(
    "factor", [1e-100, 1e6, *(pytest.param(each, marks=pytest.mark.slow) for each in (1e-9, 1e100))]
)
def test_units_do_not_matter(family, truth, factor):
    x = drawn(family, truth)
    one, other = kn.fit(x, family, nu=1.0), kn.fit(factor * x, family, nu=1.0)
    scaled = {"mean", "std", "beta", "a", "A", "c"}
    for name, value in one.parameters.items():
        unit = factor if name in scaled else 1.0
        np.testing.assert_allclose(other.parameters[name], unit * value, rtol=1e-5)
        np.testing.assert_allclose(other.standard_errors[name], unit * one.standard_errors[name], rtol=1e-4)
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood - x.size * np.log(factor), rtol=1e-9)
    np.testing.assert_allclose(other.ks, one.ks, rtol=1e-5)
    # In the new unit the noise is in it too where K = 1, and w / nu^2 carries 1 / unit^2.
    unit = factor**-2 if family == GAUSSIAN else 1.0
    np.testing.assert_allclose(other.coefficients["weight"], unit * one.coefficients["weight"], rtol=1e-5)
    error = unit * one.standard_errors["weight"]
    np.testing.assert_allclose(other.standard_errors["weight"], error, rtol=1e-4)


def test_an_inverse_gamma_is_fitted_on_either_side_of_0():
    x = drawn(INVERSE, TRUTHS[1][1])
    above, below = kn.fit(x), kn.fit(-x)
    assert below.family == INVERSE and INVERSE.support(below.parameters) == (-np.inf, 0)
    assert below.parameters == {"mu": above.parameters["mu"], "beta": -above.parameters["beta"]}
    assert below.coefficients["bias"] == -above.coefficients["bias"] < 0
    assert below.log_likelihood == above.log_likelihood


def test_the_gaussian_has_a_closed_form():
    x = drawn(*TRUTHS[0]) + 1e7
    found = kn.fit(x, GAUSSIAN, nu=2.0)
    n, mean, std = x.size, np.mean(x), np.std(x)
    np.testing.assert_allclose(list(found.parameters.values()), [mean, std], rtol=1e-14)
    errors = [found.standard_errors[name] for name in ("mean", "std", "weight")]
    np.testing.assert_allclose(errors, [std / np.sqrt(n), std / np.sqrt(2 * n), 4 / std**2 / np.sqrt(2 * n)], rtol=1e-8)
    np.testing.assert_allclose([found.aic, found.bic], np.array([2 * 2, 2 * np.log(n)]) - 2 * found.log_likelihood)


def test_only_the_ratios_to_the_noise_are_determined():
    """C21: whatever nu, the same likelihood, the same steady state, and w / nu^2, b / nu^2; c / w of the generalised Gamma."""
    for family, truth in TRUTHS:
        x = drawn(family, truth)
        one, other = kn.fit(x, family, nu=1.0), kn.fit(x, family, nu=3.0)
        assert one.log_likelihood == other.log_likelihood and one.parameters == other.parameters
        for name in ("weight", "bias") if family != GENERAL else ("weight", "bias", "c"):
            np.testing.assert_allclose(other.coefficients[name], 9 * one.coefficients[name], rtol=1e-12)
        free = kn.fit(x, family)
        if family == GENERAL:  # the nu that belongs to w = 1
            p, _, q = free.parameters.values()
            assert free.coefficients["weight"] == 1 and free.standard_errors["nu"] > 0
            np.testing.assert_allclose(float(free.equation.nu) ** 2, 2 / (p * (q + 1)), rtol=1e-12)
        else:
            assert free.coefficients == one.coefficients


@pytest.mark.slow
def test_the_errors_of_the_pareto_tail_are_those_of_repeated_fits():
    """Its log-likelihood is not twice differentiable where a passes a sample."""
    truth = TRUTHS[2][1]
    fits = [kn.fit(drawn(PARETO, truth, seed), PARETO) for seed in range(200, 300)]
    for name in truth:
        pulls = np.array([(each.parameters[name] - truth[name]) / each.standard_errors[name] for each in fits])
        # 100 pulls: their standard deviation is known to 7 %, their mean to 10 %.
        assert abs(np.std(pulls) - 1) < 0.2 and abs(np.mean(pulls)) < 0.3


def test_at_an_end_of_the_family_a_parameter_is_held():
    random = np.random.default_rng(0)
    half_normal = kn.fit(np.abs(random.normal(size=COUNT)), GENERAL)
    assert half_normal.parameters["p"] == pytest.approx(0.999, abs=1e-5) and half_normal.parameters["p"] < 1
    assert np.isnan(half_normal.standard_errors["p"]) and 0 < half_normal.standard_errors["q"] < 0.2
    assert "p is held at 0.999" in half_normal.notes[0] and "held" in str(half_normal)
    wide = kn.fit(1 / drawn(INVERSE, {"mu": 3.0, "beta": 4.0}) ** 3, GENERAL)
    assert wide.notes == ()
    cauchy = kn.fit(np.tan(np.pi * (np.arange(300) + 0.5) / 300 - np.pi / 2))
    assert "not from this family" in cauchy.notes[-1] and "not from this family" in str(cauchy)
    log_normal = kn.fit(1 / drawn(GENERAL, {"p": 0.5, "A": 1.0, "q": 3.0}), GENERAL)
    assert "log-normal" in log_normal.notes[0]
    pure = kn.fit(1 + random.pareto(1.0, COUNT), PARETO)
    assert "towards a Pareto distribution that begins at a" in pure.notes[0] and pure.parameters["a"] == pytest.approx(
        1, abs=0.02
    )
    for found in (half_normal, log_normal, pure):
        assert kn.fit(drawn(found.family, found.parameters), found.family).log_likelihood > -np.inf


@settings(max_examples=12)
@given(
    st.lists(st.floats(-3.0, 3.0), min_size=8, max_size=8, unique=True).filter(lambda logs: np.ptp(logs) > 0.05),
    st.sampled_from(fitting.FAMILIES),
)
def test_no_other_parameters_are_more_likely(logs, family):
    """Eight samples of any kind: a step to either side of each parameter is downhill, as far as it is not held."""
    x = np.tile(np.exp(logs), COUNT // 8)
    found = kn.fit(x, family)
    for name, value in found.parameters.items():
        for factor in (0.99, 1.01):
            moved = {**found.parameters, name: value * factor}
            held = found.notes and np.isnan(found.standard_errors[name])
            if held or (name == "p" and moved["p"] >= 1) or (name == "mu" and family == PARETO and moved["mu"] <= 1):
                continue
            likely = float(log_likelihood(family, as_arrays(moved), x))
            assert likely <= found.log_likelihood + 1e-7 * (1 + abs(found.log_likelihood))


def test_the_table_and_the_choice():
    x = drawn(*TRUTHS[1])
    found = kn.fit(x)
    assert found.candidates[0].family.name == found.family.name == "inverse Gamma"
    assert sorted(each.bic for each in found.candidates) == [each.bic for each in found.candidates]
    assert found.bic == found.candidates[0].bic and "lowest BIC first" in str(found)
    signed = kn.fit(drawn(*TRUTHS[0]) - 10)
    assert signed.family == GAUSSIAN and sum(bool(each.left_out) for each in signed.candidates) == 3
    assert str(signed).count("left out: ") == 3 and "its support is x > 0" in str(signed)
    assert kn.fit(kn.Ensemble(x)).parameters == found.parameters
    assert "families" not in str(kn.fit(x, INVERSE)) and "fixed" in str(found)


@pytest.mark.parametrize(
    ("samples", "family", "message"),
    [
        ([1.0, np.nan, 2.0], None, "samples must be finite, got nan at index 1"),
        ([[1.0, 2.0]], None, "shape \\(M,\\), got shape \\(1, 2\\)"),
        ([], None, "shape \\(M,\\)"),
        ([2.0, 2.0, 2.0, 2.0], None, "all 4 samples are 2"),
        ([1.0, 2.0], None, "no family can be fitted"),
        ([1.0, 2.0], GAUSSIAN, "has 2 parameters and needs 3 samples, got 2"),
        ([1.0, 2.0, 4.0], GENERAL, "has 3 parameters and needs 4 samples, got 3"),
        ([1.0, -2.0, 0.0, 4.0], INVERSE, "x > 0, or all on x < 0; 2 of 4 samples are not inside, the first of them -2"),
        ([1.0, 2.0, 0.0, 4.0], PARETO, "its support is x > 0; 1 of 4 samples is not inside, it is 0"),
        ([-1.0, -2.0, -3.0, -4.0], GENERAL, "its support is x > 0; 4 of 4"),
        ([1.0, 1.0, 1.0, 1.0 + 1e-9], INVERSE, "more than a millionth of their size, got 1 to 1.000000001"),
    ],
)
def test_samples_that_cannot_be_fitted(samples, family, message):
    with pytest.raises(ValueError, match=message):
        kn.fit(np.array(samples), family)


def test_where_no_maximum_is_found_it_says_so(monkeypatch):
    """SciPy refuses an infinite Hessian, which float32 has for the generalised Gamma with a tiny A."""
    x = drawn(*TRUTHS[3])
    real, calls = likelihood._evaluate, []

    def broken(family, u, z):
        calls.append(u)
        value, gradient, hessian = real(family, u, z)
        return value, gradient + 0.1, hessian if len(calls) < 3 else np.full_like(hessian, np.nan)

    monkeypatch.setattr(likelihood, "_evaluate", broken)
    with pytest.raises(RuntimeError, match="no maximum of the likelihood of the generalised Gamma family was found"):
        kn.fit(x, GENERAL)


def test_wrong_options_are_refused():
    for nu in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="nu must be finite and > 0"):
            kn.fit([1.0, 2.0, 3.0], nu=nu)
    with pytest.raises(TypeError, match="did you mean kn.GaussianFamily\\(\\)"):
        fitting._families(kn.GaussianFamily)
    with pytest.raises(TypeError, match="not 'gaussian'; there are: kn.GaussianFamily\\(\\), kn.InverseGammaFamily"):
        fitting._families("gaussian")
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda x: kn.fit(x).log_likelihood)(np.array([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda nu: kn.fit([1.0, 2.0, 3.0], nu=nu).log_likelihood)(1.0)


@pytest.mark.parametrize("seed", [22, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20))])
def test_the_pareto_tail_of_samples_that_are_not_its_own_is_the_most_likely_of_all(seed):
    """Uniform or bimodal samples have several maxima far apart; the best of a table of 100 x 100 is not better."""
    random = np.random.default_rng(seed)
    x = random.uniform(2, 5, COUNT) if seed % 2 else np.exp(random.normal(random.choice([0.0, 1.5], COUNT), 0.2))
    found = kn.fit(x, PARETO)
    a, mu = np.exp(np.linspace(np.log(0.8 * x.min()), np.log(x.max()), 100)), 1 + np.exp(np.linspace(-4, 8, 100))
    each = lambda a, mu: jnp.sum(PARETO.log_prob({"a": a, "mu": mu}, x))
    table = jax.jit(jax.vmap(jax.vmap(each, (None, 0)), (0, None)))(a, mu)
    assert found.log_likelihood >= float(jnp.max(table)) - 1e-9 * COUNT
