"""The four families: their laws against SciPy and quadrature, and the equations that they are the steady states of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaincc, gammaln

import kinetic_nde as kn
from kinetic_nde.analysis.families.gamma import log_prob_of_log
from kinetic_nde.analysis.families.pareto_tail import body

GAUSSIAN, INVERSE, PARETO, GENERAL = (
    kn.GaussianFamily(),
    kn.InverseGammaFamily(),
    kn.ParetoTailFamily(),
    kn.GeneralizedGammaFamily(),
)
LAWS = [
    (GAUSSIAN, {"mean": 3.0, "std": 0.5}),
    (INVERSE, {"mu": 3.0, "beta": 4.0}),
    (INVERSE, {"mu": 0.4, "beta": 4.0}),  # 0 < w < nu^2 / 2: neither mean nor refusal
    (INVERSE, {"mu": 3.0, "beta": -4.0}),
    (PARETO, {"a": 2.0, "mu": 3.0}),
    (PARETO, {"a": 0.5, "mu": 1.05}),
    (PARETO, {"a": 0.5, "mu": 500.0}),
    (GENERAL, {"p": 0.5, "A": 1.0, "q": 3.0}),
    (GENERAL, {"p": 0.9, "A": 4.0, "q": 0.3}),  # infinite at 0
]
NAMES = [f"{family.name} {index}" for index, (family, _) in enumerate(LAWS)]
each_law = pytest.mark.parametrize(("family", "parameters"), LAWS, ids=NAMES)
SHARES = np.array([1e-6, 0.01, 0.2, 0.4, 0.5, 0.7, 0.9, 0.999])


def scipys(family, parameters):
    """The same law from SciPy, which has no Pareto tail."""
    if family == GAUSSIAN:
        return stats.norm(parameters["mean"], parameters["std"])
    if family == INVERSE:
        return stats.invgamma(parameters["mu"], scale=abs(parameters["beta"]))
    if family == GENERAL:
        return stats.gengamma(parameters["q"] / parameters["p"], parameters["p"], scale=parameters["A"])
    return None


@each_law
def test_density_and_distribution_function_are_scipys(family, parameters):
    law = scipys(family, parameters)
    x = family.quantile(parameters, SHARES)
    np.testing.assert_allclose(family.cdf(parameters, x), SHARES, rtol=1e-9)
    if law is None:
        return
    mirrored = parameters.get("beta", 1.0) < 0
    np.testing.assert_allclose(
        family.log_prob(parameters, x), law.logpdf(-x if mirrored else x), rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(SHARES, law.sf(-x) if mirrored else law.cdf(x), rtol=1e-9)


@each_law
def test_the_density_has_mass_1_and_the_distribution_function_is_its_integral(family, parameters):
    sign = np.sign(family.quantile(parameters, 0.5))
    # In ln|x| where the support is a half line: the density may be infinite at its end.
    log_prob = jax.jit(family.log_prob)
    places = family.quantile(parameters, np.array([1e-9, 0.1, 0.3, 0.6, 0.95]))
    ends = places if family == GAUSSIAN else np.log(sign * places)

    def density(u):
        if family == GAUSSIAN:
            return np.exp(float(log_prob(parameters, u)))
        return np.exp(float(log_prob(parameters, sign * np.exp(u))) + u)

    expected = np.diff(family.cdf(parameters, places))
    for left, right, share in zip(ends[:-1], ends[1:], expected, strict=True):
        kink = [np.log(parameters["a"])] if "a" in parameters and left < np.log(parameters["a"]) < right else None
        np.testing.assert_allclose(abs(quad(density, left, right, points=kink, epsabs=1e-11)[0]), share, atol=1e-9)


def slopes(family, parameters, equation, x):
    """d_x ln(D g) and v / D at x."""
    flux = jax.vmap(jax.grad(lambda x: jnp.log(equation.diffusivity(x)) + family.log_prob(parameters, x)))
    return flux(x), jax.vmap(lambda x: equation.velocity(0.0, x) / equation.diffusivity(x))(x)


@each_law
def test_the_density_is_the_steady_state_of_its_equation(family, parameters):
    """Eq. (22), pointwise: v g = (nu^2 / 2) d_x (K^2 g), that is v / D = d_x ln(D g) with D = nu^2 K^2 / 2."""
    x = jnp.asarray(family.quantile(parameters, SHARES))
    for nu in (None, 0.3):
        flux, drift = slopes(family, parameters, family.equation(parameters, nu), x)
        np.testing.assert_allclose(flux, drift, atol=1e-9 * (np.max(np.abs(drift)) + 1 / np.ptp(x)))


@each_law
def test_parameters_go_to_the_equation_and_back(family, parameters):
    for nu in (None, 0.3, 2.0):
        back = family.parameters(family.equation(parameters, nu))
        assert list(back) == list(parameters)
        np.testing.assert_allclose(list(map(float, back.values())), list(parameters.values()), rtol=1e-9)


@each_law
def test_the_slope_of_the_diffusion_counts_to_nu(family, parameters):
    equation = family.equation(parameters, 0.6)
    constant = family == GAUSSIAN
    diffusion = kn.ConstantDiffusion(2.0) if constant else kn.LinearDiffusion(-2.0)
    back = family.parameters(kn.FokkerPlanck(equation.net, 0.3, diffusion))
    np.testing.assert_allclose(list(map(float, back.values())), list(parameters.values()), rtol=1e-9)


@each_law
def test_the_diffusion_is_not_negative_on_the_support(family, parameters):
    x = jnp.asarray(family.quantile(parameters, SHARES))
    assert np.all(np.asarray(family.equation(parameters).diffusion(x)) > 0)


def test_the_table_of_the_mathematics_line_by_line():
    def numbers(equation):
        return [float(each) for each in (equation.net.weight(0.0), equation.net.bias(0.0), equation.nu)]

    assert numbers(GAUSSIAN.equation({"mean": 3.0, "std": 0.5}, 1.0)) == [-2.0, 6.0, 1.0]
    assert numbers(INVERSE.equation({"mu": 3.0, "beta": 4.0}, 2.0)) == [-4.0, 8.0, 2.0]
    assert numbers(PARETO.equation({"a": 2.0, "mu": 3.0}, 1.0)) == [-1.0, 2.0, 1.0]
    equation = GENERAL.equation({"p": 0.5, "A": 1.5, "q": 3.0})
    np.testing.assert_allclose(numbers(equation), [1.0, 0.0, np.sqrt(2 / (0.5 * 4.0))])
    np.testing.assert_allclose(equation.net.activation.c, 1.5 * 8.0**2)


@pytest.mark.parametrize("k", [1e-3, 0.05, 1.0, 2.0, 40.0, 500.0])
def test_the_normalisation_of_the_pareto_tail(k):
    """1 / C = 1/a + a^(mu-1) e^(mu-1) beta^-mu Gamma(mu, mu - 1), with SciPy's incomplete Gamma function."""
    a, mu, beta = 2.0, 1 + k, 2.0 * k
    log = (mu - 1) * np.log(a) + (mu - 1) - mu * np.log(beta) + gammaln(mu) + np.log(gammaincc(mu, mu - 1))
    np.testing.assert_allclose((1 + float(body(jnp.array(k)))) / a, 1 / a + np.exp(log), rtol=1e-11)


def test_the_tail_is_that_of_pareto_and_its_density_has_a_kink_in_the_second_derivative_only():
    parameters = {"a": 2.0, "mu": 3.0}
    x = np.array([2.0, 20.0, 2e8])
    np.testing.assert_allclose(x * (1 - PARETO.cdf(parameters, x)), 2 * (1 - PARETO.cdf(parameters, 2.0)), rtol=1e-6)
    density = lambda a: PARETO.log_prob({"a": a, "mu": 3.0}, 2.0)
    first, second = jax.grad(density), jax.grad(jax.grad(density))
    below, above = jnp.array(2.0 - 1e-6), jnp.array(2.0 + 1e-6)
    assert abs(first(below) - first(above)) < 1e-5 and abs(second(below) - second(above)) > 0.4


@given(st.floats(0.05, 60.0), st.floats(-3.0, 3.0))
def test_the_gamma_density_of_the_logarithm(shape, place):
    theta = place / np.sqrt(shape)
    expected = stats.loggamma.logpdf(theta + np.log(shape), shape)
    np.testing.assert_allclose(log_prob_of_log(jnp.array(theta), jnp.array(shape)), expected, rtol=1e-11, atol=1e-11)


def test_a_large_shape_loses_no_digits():
    """A Gamma distribution of shape 1e12 is normal to a millionth, where the textbook's terms are 3e13."""
    shape = 1e12
    found = log_prob_of_log(jnp.array(2.0 / np.sqrt(shape)), jnp.array(shape))
    np.testing.assert_allclose(found, stats.norm.logpdf(2.0) + 0.5 * np.log(shape), atol=3e-6)


@each_law
def test_samples_have_the_distribution_and_follow_their_key(family, parameters):
    samples = family.sample(parameters, jax.random.key(3), 2000)
    assert samples.shape == (2000,) and np.all(np.isfinite(samples))
    assert stats.ks_1samp(np.asarray(samples), lambda x: family.cdf(parameters, x)).pvalue > 1e-3
    np.testing.assert_array_equal(samples, family.sample(parameters, jax.random.key(3), 2000))


@each_law
def test_outside_the_support_there_is_nothing_and_no_derivative_is_nan(family, parameters):
    low, high = family.support(parameters)
    beyond = jnp.array([-1.0, 0.0] if low == 0 else [1.0, 0.0] if high == 0 else [-jnp.inf, jnp.inf])
    assert np.all(np.asarray(family.log_prob(parameters, beyond)) == -np.inf)
    inside = family.quantile(parameters, 0.3)

    @jax.jit
    def values_and_slopes(each, x):
        return family.log_prob(each, x), jax.grad(lambda each: jnp.max(family.log_prob(each, x[:2])))(each)

    for dtype in (np.float64, np.float32):
        typed = {name: jnp.asarray(value, dtype) for name, value in parameters.items()}
        values, found = values_and_slopes(typed, jnp.asarray([-inside, inside, 0.0, 1e-9, -1e9, 1e9], dtype))
        assert values.dtype == dtype and not np.any(np.isnan(values))
        assert all(np.isfinite(slope) for slope in found.values())


def test_log_prob_and_coefficients_work_under_jit_vmap_and_grad():
    grid = {"mu": jnp.array([2.0, 3.0]), "beta": jnp.array([1.0, 4.0])}
    batched = jax.jit(jax.vmap(INVERSE.log_prob, in_axes=(0, None)))(grid, jnp.array([1.0, 2.0]))
    one = INVERSE.log_prob({"mu": 3.0, "beta": 4.0}, [1.0, 2.0])
    np.testing.assert_allclose(batched[1], one, rtol=1e-12)
    slope = jax.grad(lambda std: GAUSSIAN.equation({"mean": 3.0, "std": std}, 1.0).net.weight(0.0))(0.5)
    np.testing.assert_allclose(slope, 1 / 0.5**3)
    net = kn.SimResNet(-1.0, 2.0, kn.Identity())
    slopes = jax.grad(lambda nu: GAUSSIAN.parameters(kn.FokkerPlanck(net, nu))["std"])(1.0)
    np.testing.assert_allclose(slopes, np.sqrt(0.5))


@pytest.mark.parametrize(
    ("family", "equation", "message"),
    [
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(0.5, 1.0, kn.Identity()), 1.0), "needs w < 0 and nu > 0; got w = 0.5"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-0.5, 1.0, kn.Identity()), 0.0), "nu = 0"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-0.5, 1.0, kn.Tanh()), 1.0), "kn.Identity with kn.ConstantDiffusion"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-1.0, 1.0, kn.Identity()), 1.0, walls=(0, 2)), "between walls"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(lambda t: -t, 1.0, kn.Identity()), 1.0), "do not change with time"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-np.eye(2), 1.0, kn.Identity()), 1.0), "in one dimension"),
        (
            INVERSE,
            kn.FokkerPlanck(kn.SimResNet(0.5, 1.0, kn.Identity()), 1.0, kn.LinearDiffusion()),
            "w < nu\\^2 / 2, b not 0",
        ),
        (
            INVERSE,
            kn.FokkerPlanck(kn.SimResNet(-0.5, 0.0, kn.Identity()), 1.0, kn.LinearDiffusion()),
            "b = 0",
        ),
        (PARETO, kn.FokkerPlanck(kn.SimResNet(-1.0, -1.0, kn.ReLU()), 1.0, kn.LinearDiffusion()), "w < 0 < b"),
        (
            GENERAL,
            kn.FokkerPlanck(kn.SimResNet(1.0, 0.0, kn.GeneralizedGamma(0.5, 1.0)), 2.0, kn.LinearDiffusion()),
            "nu\\^2 delta < 2 w",
        ),
        (
            GENERAL,
            kn.FokkerPlanck(kn.SimResNet(1.0, 0.1, kn.GeneralizedGamma(0.5, 1.0)), 1.0, kn.LinearDiffusion()),
            "b = 0",
        ),
    ],
)
def test_where_there_is_no_such_steady_state(family, equation, message):
    with pytest.raises(ValueError, match=message):
        family.parameters(equation)


def test_inverse_gamma_with_positive_weight_is_not_refused():
    equation = kn.FokkerPlanck(kn.SimResNet(0.3, 1.0, kn.Identity()), 1.0, kn.LinearDiffusion())
    found = INVERSE.parameters(equation)
    np.testing.assert_allclose([found["mu"], found["beta"]], [0.4, 2.0], rtol=1e-12)


def test_wrong_input_is_refused():
    with pytest.raises(TypeError, match="FokkerPlanck"):
        GAUSSIAN.parameters(kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity())))
    with pytest.raises(ValueError, match="has the parameters mean, std, got mean, scale"):
        GAUSSIAN.log_prob({"mean": 0.0, "scale": 1.0}, 0.0)
    with pytest.raises(ValueError, match="needs a finite std > 0, got std=-1.0"):
        GAUSSIAN.log_prob({"mean": 0.0, "std": -1.0}, 0.0)
    with pytest.raises(ValueError, match="std is a number, got shape"):
        GAUSSIAN.log_prob({"mean": 0.0, "std": [1.0, 2.0]}, 0.0)
    with pytest.raises(ValueError, match="needs 0 < p < 1, got p=1.0"):
        GENERAL.cdf({"p": 1.0, "A": 1.0, "q": 1.0}, 1.0)
    with pytest.raises(ValueError, match="beta that is not 0"):
        INVERSE.equation({"mu": 1.0, "beta": 0.0})
    with pytest.raises(ValueError, match="needs a finite mu > 1"):
        PARETO.equation({"a": 1.0, "mu": np.nan})
    for nu in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="nu must be finite and > 0"):
            GAUSSIAN.equation({"mean": 0.0, "std": 1.0}, nu)
    with pytest.raises(ValueError, match="q must lie in \\[0, 1\\], got 1.5"):
        GAUSSIAN.quantile({"mean": 0.0, "std": 1.0}, 1.5)
    with pytest.raises(TypeError, match="key"):
        GAUSSIAN.sample({"mean": 0.0, "std": 1.0}, 0, 3)
    with pytest.raises(ValueError, match="n must be at least 1"):
        GAUSSIAN.sample({"mean": 0.0, "std": 1.0}, jax.random.key(0), 0)
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda x: GAUSSIAN.cdf({"mean": 0.0, "std": 1.0}, x))(0.0)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda p: GENERAL.equation({"p": p, "A": 1.0, "q": 1.0}))(0.5)
