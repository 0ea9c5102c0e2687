"""Particles with noise: the discrete law in closed form and the exact one, units."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from tests.methods.affine_diffusion import ONE, X
from tests.methods.stochastic.cases import KEY, discrete_law, equation, in_standard_errors, moved


def test_mean_and_variance_in_closed_form():
    """Three steps between two events, whose discrete law is known: nothing is left but the sampling error."""
    for diffusion in (ONE, X):
        solution = moved(equation(-1.0, 0.4, 0.7, diffusion), np.full(10_000, 1.5), 3)
        assert int(solution.stats["steps"]) == 3
        exact = discrete_law(lambda t: -1.0, lambda t: 0.4, 0.7, 1 / 3, 3, 1.5, 1.5**2, diffusion is X)
        assert np.max(in_standard_errors(solution.final.samples, *exact)) < 4


def test_mean_and_variance_with_layers_and_a_bias_that_changes():
    law = lambda diffusion: equation(
        kn.PiecewiseConstant([0.0, 0.5], [-2.0, 1.0]),
        kn.Interpolated([0.0, 0.5, 1.0], [0.4, 1.4, -0.6]),
        0.7,
        diffusion,
    )
    w, b = lambda t: -2.0 if t < 0.5 - 1e-9 else 1.0, lambda t: np.interp(t, [0, 0.5, 1], [0.4, 1.4, -0.6])
    for diffusion in (ONE, X):
        solution = moved(law(diffusion), np.full(10_000, 1.5), 3)
        assert int(solution.stats["steps"]) == 6
        exact = discrete_law(w, b, 0.7, 1 / 6, 6, 1.5, 1.5**2, diffusion is X)
        assert np.max(in_standard_errors(solution.final.samples, *exact)) < 4


CASES = {
    "constant": (-1.0, lambda t: -1.0),
    "layers": (
        kn.PiecewiseConstant([0.0, 0.5], [-2.0, 1.0]),
        lambda t: -2.0 if t < 0.5 - 1e-9 else 1.0,
    ),
    "interpolated": (
        kn.Interpolated([0.0, 0.5, 1.0], [-2.0, 1.0, -3.0]),
        lambda t: np.interp(t, [0, 0.5, 1], [-2, 1, -3]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_mean_and_variance_of_a_million_particles_in_closed_form(name):
    """Three steps between two events, whose discrete law is known: nothing is left but the sampling error."""
    weight, w = CASES[name]
    steps = 3 if name == "constant" else 6
    for diffusion in {"constant": (ONE, X), "layers": (X,), "interpolated": (ONE,)}[name]:
        solution = moved(equation(weight, 0.4, 0.7, diffusion), np.full(10**6, 1.5), 3)
        assert int(solution.stats["steps"]) == steps
        exact = discrete_law(w, lambda t: 0.4, 0.7, 1 / steps, steps, 1.5, 1.5**2, diffusion is X)
        assert np.max(in_standard_errors(solution.final.samples, *exact)) < 4


def test_the_discrete_law_tends_to_the_exact_one_at_first_order():
    """The recursions of the test above against V' = 2 w V + nu^2, and m2' = (2 w + nu^2) m2 + 2 b m1 for K = x: the
    scheme is of weak order 1."""
    w, b, nu, m1 = -1.0, 0.4, 0.7, 1.5
    mean = (m1 + b / w) * np.exp(w) - b / w
    # m2' = a m2 + 2 b m1(t): variation of constants.
    a = 2 * w + nu**2
    second = np.exp(a) * (m1**2 + 2 * b * ((m1 + b / w) * np.expm1(w - a) / (w - a) + b / w * np.expm1(-a) / a))
    for linear, variance in ((False, nu**2 * np.expm1(2 * w) / (2 * w)), (True, second - mean**2)):
        laws = [discrete_law(lambda t: w, lambda t: b, nu, 1 / n, n, m1, m1**2, linear) for n in (50, 100, 200, 400)]
        errors = np.abs(np.array(laws) - [mean, variance])
        slopes = -np.polyfit(np.log([50, 100, 200, 400]), np.log(errors), 1)[0]
        assert np.all((slopes > 0.97) & (slopes < 1.03)), slopes


@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.slow)])
def test_the_default_number_of_steps_gives_the_exact_law(count):
    """w(t) = -2 + 3 t, b(t) = t: mean and variance by quadrature."""
    net = kn.SimResNet(kn.Interpolated([0.0, 1.0], [-2.0, 1.0]), kn.Interpolated([0.0, 1.0], [0.0, 1.0]), kn.Identity())
    solution = kn.solve(kn.FokkerPlanck(net, 0.8), kn.Ensemble(np.full(count, 1.2)), t1=1.0, key=KEY)
    s, weights = np.polynomial.legendre.leggauss(30)
    s, weights = 0.5 * (s + 1), 0.5 * weights
    to_end = np.exp(-2 * (1 - s) + 1.5 * (1 - s**2))
    mean = 1.2 * np.exp(-0.5) + weights @ (to_end * s)
    variance = 0.8**2 * (weights @ to_end**2)
    assert int(solution.stats["steps"]) == 1000
    assert np.max(in_standard_errors(solution.final.samples, mean, variance)) < 4


@pytest.mark.parametrize("count", [5_000, pytest.param(30_000, marks=pytest.mark.slow)])
def test_a_rotation_in_three_dimensions(count):
    """Each component has noise of its own, K_i = x_i or 1: mean and covariance of the discrete law."""
    w = np.array([[-0.5, -1.0, 0.2], [1.0, -0.5, 0.0], [0.0, 0.3, -1.0]])
    b, start, dt, steps = np.array([0.3, 0.0, -0.2]), np.array([1.0, -0.5, 0.3]), 0.1, 10
    for diffusion in (ONE, X):
        samples = np.asarray(moved(equation(w, b, 0.6, diffusion), np.tile(start, (count, 1)), steps).final.samples)
        mean, second, step = start, np.outer(start, start), np.eye(3) + dt * w
        for _ in range(steps):
            strength = np.eye(3) if diffusion is ONE else np.diag(np.diag(second))
            moving = np.outer(step @ mean, dt * b)
            second = step @ second @ step.T + moving + moving.T + dt**2 * np.outer(b, b) + dt * 0.6**2 * strength
            mean = step @ mean + dt * b
        products = np.einsum("mi,mj->mij", samples, samples)
        errors = products.std(axis=0) / np.sqrt(len(samples))
        assert np.max(np.abs(products.mean(axis=0) - second) / errors) < 4
        assert np.max(np.abs(samples.mean(axis=0) - mean) / samples.std(axis=0)) * np.sqrt(len(samples)) < 4


@pytest.mark.parametrize("walls", [None, (-0.5, 2.0)])
def test_without_noise_it_is_the_residual_network(walls):
    """To the last digits, with a kink and at walls."""
    start, net = np.linspace(-0.5, 2.0, 30), kn.SimResNet(1.3, -0.4, kn.ReLU())
    noisy = moved(kn.FokkerPlanck(net, 0.0, walls=walls), start, 7).final.samples
    layers = kn.solve(kn.MeanField(net, walls), kn.Ensemble(start), t1=1.0, method=kn.Layers(7)).final.samples
    np.testing.assert_allclose(noisy, layers, rtol=1e-14, atol=1e-15)
    if walls:
        assert np.sum(np.asarray(noisy) == 2.0) > 3


@pytest.mark.parametrize(("walls", "side"), [((1.5, None), 1), ((None, 1.5), -1)], ids=["below", "above"])
def test_what_comes_to_one_wall_is_reflected(walls, side):
    """A step from the wall, against the same one without it."""
    start = np.full(30, 1.5)
    free, back = (moved(equation(0.0, 0.0, 0.7, walls=each), start, 1).final.samples for each in (None, walls))
    np.testing.assert_allclose(back, 1.5 + side * np.abs(free - 1.5), rtol=1e-14)


@given(st.floats(1e-6, 1e6), st.floats(-2, 2), st.floats(0, 2))
def test_units_and_mirror_images(factor, w, nu):
    """x in other units; x mirrored, where the noise is in proportion to x."""
    start = np.linspace(0.5, 1.0, 7)
    one = path(w, 0.3, nu, 1.0, start, ONE)
    scaled = path(w, 0.3 * factor, factor * nu, 1.0, factor * start, ONE)
    np.testing.assert_allclose(scaled, factor * one, rtol=1e-10, atol=1e-12 * factor)
    # Time in other units: dX = v dt + nu K dW at a rate that is 1 / factor of what it was.
    slow = path(w / factor, 0.3 / factor, nu / np.sqrt(factor), factor, start, ONE)
    np.testing.assert_allclose(slow, one, rtol=1e-10, atol=1e-12)
    right, left = path(w, 0.3, nu, 1.0, start, X), path(w, -0.3, nu, 1.0, -start, X)
    np.testing.assert_allclose(left, -right, rtol=1e-12, atol=1e-14)


@jax.jit
def path(w, b, nu, t1, start, diffusion):
    return moved(equation(w, b, nu, diffusion), start, 6, t1=t1).final.samples
