"""Derivatives through collisions on a density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.push_forward.cases import CELLS, UNIFORM, Wave, equation, run
from tests.steady_laws import IDENTITY

GRID, WEIGHT = kn.Grid(-4.0, 4.0, CELLS), np.linspace(0.0, 1.0, CELLS)
# w, b, eps, the root of nu, rate, K and the mean of the initial averages.
POINT = np.array([-1.0, 0.29, 0.5, 0.8, 1.8, 1.1, 0.2])
# All to one place, where T' = 0; and without noise.
ONE_PLACE, STILL = (np.where(np.arange(7) == place, value, POINT) for place, value in ((0, -2.0), (3, 0.0)))


def loss(p, adjoint):
    w, b, eps, root, rate, scale, mean = p
    law = kn.Boltzmann(kn.SimResNet(w, b, kn.Identity()), eps, root**2, kn.ConstantDiffusion(scale), rate)
    return WEIGHT @ run(law, kn.Density.gaussian(mean, 0.5, GRID), 1.0, None, adjoint).final.values ** 2


def value(p):
    """The same by the program of the other tests."""
    w, b, eps, root, rate, scale, mean = p
    law = equation(IDENTITY, w, b, eps, scale * root**2, rate)
    return WEIGHT @ np.asarray(run(law, kn.Density.gaussian(mean, 0.5, GRID), 1.0).final.values) ** 2


reverse = jax.jit(jax.value_and_grad(lambda p: loss(p, kn.CheckpointAdjoint())))
CASES = pytest.mark.parametrize(
    ("point", "tolerance"),
    [(POINT, 1e-6), (ONE_PLACE, 1e-5), (STILL, 1e-5)],
    ids=["anywhere", "all to one place", "no noise"],
)


@CASES
def test_reverse_mode_and_differences_agree(point, tolerance):
    here, slope = reverse(point)
    np.testing.assert_allclose(here, value(point), rtol=1e-12)
    h = 1e-5
    central = [(value(point + h * e) - value(point - h * e)) / (2 * h) for e in np.eye(7)]
    np.testing.assert_allclose(slope, central, rtol=tolerance, atol=tolerance)


forward = jax.jit(lambda p, direction: jax.jvp(lambda p: loss(p, kn.ForwardMode()), (p,), (direction,))[1])


@pytest.mark.slow
@CASES
def test_forward_mode_gives_the_digits_of_reverse_mode(point, tolerance):
    slope = reverse(point)[1]
    np.testing.assert_allclose(slope, [forward(point, each) for each in np.eye(7)], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_slope_of_the_mean_with_a_field_that_may_turn():
    """d m1 / d(w, b, eps, rate) against the closed form."""
    grid = kn.Grid(-4.0, 4.0, 30)
    numbers = jnp.array([-1.4, 0.6, 0.5, 1.3])

    def mean(p):
        net = kn.SimResNet(p[0], Wave(p[1], jnp.zeros(())), kn.Identity())
        law = kn.Boltzmann(net, p[2], 0.9, rate=p[3], noise=UNIFORM)
        return run(law, kn.Density.gaussian(0.5, 0.6, grid), 0.2, 3).final.mean

    def exact(p):
        return jnp.exp(0.2 * p[3] * p[2] * p[0]) * (0.5 + p[1] / p[0]) - p[1] / p[0]

    value, slope = jax.jit(jax.value_and_grad(mean))(numbers)
    np.testing.assert_allclose(value, exact(numbers), atol=2e-5)
    np.testing.assert_allclose(slope, jax.grad(exact)(numbers), atol=2e-4)
