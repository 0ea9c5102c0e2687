"""The Fokker-Planck equations of the four families: that the laws are their steady states, and the way there and back."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn
from tests.analysis.families.laws import GAUSSIAN, GENERAL, INVERSE, PARETO, SHARES, as_arrays, each_law


@eqx.filter_jit
def slopes(family, parameters, equation, x):
    """d_x ln(D g) and v / D at x."""
    flux = jax.vmap(jax.grad(lambda x: jnp.log(equation.diffusivity(x)) + family.log_prob(parameters, x)))
    return flux(x), jax.vmap(lambda x: equation.velocity(0.0, x) / equation.diffusivity(x))(x)


@each_law
def test_the_density_is_the_steady_state_of_its_equation(family, parameters):
    """Eq. (22), pointwise: v g = (nu^2 / 2) d_x (K^2 g), that is v / D = d_x ln(D g) with D = nu^2 K^2 / 2."""
    x = jnp.asarray(family.quantile(parameters, SHARES))
    for nu in (None, 0.3):
        flux, drift = slopes(family, as_arrays(parameters), family.equation(parameters, nu), x)
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
    back = family.parameters(kn.FokkerPlanck(equation.net, nu=0.3, diffusion=diffusion))
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


def test_inverse_gamma_with_positive_weight_is_not_refused():
    equation = kn.FokkerPlanck(kn.SimResNet(0.3, 1.0, kn.Identity()), nu=1.0, diffusion=kn.LinearDiffusion())
    found = INVERSE.parameters(equation)
    np.testing.assert_allclose([found["mu"], found["beta"]], [0.4, 2.0], rtol=1e-12)


def test_coefficients_and_parameters_have_derivatives():
    slope = jax.grad(lambda std: GAUSSIAN.equation({"mean": 3.0, "std": std}, 1.0).net.weight(0.0))(0.5)
    np.testing.assert_allclose(slope, 1 / 0.5**3)
    net = kn.SimResNet(-1.0, 2.0, kn.Identity())
    slopes = jax.grad(lambda nu: GAUSSIAN.parameters(kn.FokkerPlanck(net, nu=nu))["std"])(1.0)
    np.testing.assert_allclose(slopes, np.sqrt(0.5))
