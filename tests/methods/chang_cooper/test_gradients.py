"""Derivatives of the implicit Fokker-Planck solver."""

import jax
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.chang_cooper.cases import CELLS, run
from tests.steady_laws import TANH, equation

GRID, WEIGHT = kn.Grid(-4.0, 4.0, CELLS), np.linspace(0.0, 1.0, CELLS)
# w, b, nu, K and the mean of the initial averages.
POINT = np.array([-1.0, 0.3, 0.7, 1.1, 0.2])


def loss(p, adjoint):
    """By adaptive steps that refuse nothing: they grow alike for all."""
    w, b, nu, scale, mean = p
    law = kn.FokkerPlanck(kn.SimResNet(w, b, kn.Tanh()), nu, kn.ConstantDiffusion(scale))
    return WEIGHT @ run(law, kn.Density.gaussian(mean, 0.5, GRID), 1.0, None, 1e6, adjoint).final.values ** 2


def value(p):
    """The same by the program of the other tests."""
    w, b, nu, scale, mean = p
    start = kn.Density.gaussian(mean, 0.5, GRID)
    return WEIGHT @ np.asarray(run(equation(TANH, w, b, scale * nu), start, 1.0, None, 1e6).final.values) ** 2


reverse = jax.jit(jax.value_and_grad(lambda p: loss(p, kn.CheckpointAdjoint())))


def test_reverse_mode_and_differences_agree():
    here, slope = reverse(POINT)
    np.testing.assert_allclose(here, value(POINT), rtol=1e-10)
    h = 1e-5
    central = [(value(POINT + h * e) - value(POINT - h * e)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(slope, central, rtol=1e-6)


@pytest.mark.slow
def test_forward_mode_gives_the_digits_of_reverse_mode():
    forward = jax.jit(lambda p, direction: jax.jvp(lambda p: loss(p, kn.ForwardMode()), (p,), (direction,))[1])
    np.testing.assert_allclose(reverse(POINT)[1], [forward(POINT, each) for each in np.eye(5)], rtol=1e-10)
