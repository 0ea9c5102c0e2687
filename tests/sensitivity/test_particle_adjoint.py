"""The adjoint equation of particles, along their trajectories, against differences and against autodiff."""

import functools

import jax
import numpy as np
import pytest

import kinetic_nde as kn
from tests.sensitivity.adjoint_cases import ADJOINTS, around, central, knots_and_layers, sines

ENSEMBLES = {
    "interpolated": (lambda p: kn.MeanField(knots_and_layers(p)), [-1.0, 1.5, 0.7, 0.3, -0.2]),
    "turning round at walls": (
        lambda p: kn.MeanField(
            kn.SimResNet(kn.PiecewiseConstant([0.0, 0.7], p[:2]), p[2], kn.Tanh()), walls=(-3.0, 3.0)
        ),
        [1.0, -1.0, 0.3],
    ),
    "three dimensions": (
        lambda p: kn.MeanField(kn.SimResNet(p.reshape(3, 4)[:, :3], p.reshape(3, 4)[:, 3], kn.Tanh())),
        np.random.default_rng(1).normal(size=12),
    ),
}


def samples_of(kind):
    shape = (30, 3) if kind == "three dimensions" else (50,)
    return np.clip(np.random.default_rng(0).normal(0.3, 1.0, shape), -2.9, 2.9)


@functools.cache
def gradients(kind, adjoint):
    """The value, and the gradients for the parameters and the initial samples."""

    def total(p, samples):
        method = kn.Particles(rtol=1e-11, atol=1e-12)
        equation, start = ENSEMBLES[kind][0](p), kn.Ensemble(samples)
        return sines(kn.solve(equation, start, t1=2.0, saveat=[0.45, 2.0], adjoint=ADJOINTS[adjoint], method=method))

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1)))


@pytest.mark.parametrize(
    "kind",
    [
        "turning round at walls",
        pytest.param("three dimensions", marks=pytest.mark.slow),
        pytest.param("interpolated", marks=pytest.mark.slow),
    ],
)
def test_the_gradient_is_that_of_differences(kind):
    both, p, samples, h = gradients(kind, "transport"), np.asarray(ENSEMBLES[kind][1]), samples_of(kind), 1e-5
    _, (slope, of_start) = both(p, samples)
    differences = central([both(each, samples)[0] for each in around(p, h)], h)
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-6 * np.max(np.abs(differences)))
    direction = np.random.default_rng(1).normal(size=samples.shape)
    difference = central([both(p, samples + sign * h * direction)[0] for sign in (1, -1)], h)[0]
    np.testing.assert_allclose(np.vdot(of_start, direction), difference, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENSEMBLES)
def test_by_hand_and_by_autodiff(kind):
    p, samples = np.asarray(ENSEMBLES[kind][1]), samples_of(kind)
    for hand, auto in zip(*(gradients(kind, name)(p, samples)[1] for name in ADJOINTS), strict=True):
        np.testing.assert_allclose(hand, auto, rtol=1e-8, atol=1e-8 * np.max(np.abs(auto)))
