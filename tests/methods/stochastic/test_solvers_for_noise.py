"""diffrax's solvers along virtual Brownian trees."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods import brownian
from tests.closed_forms import order
from tests.methods.affine_diffusion import ONE, Affine, X
from tests.methods.stochastic.cases import KEY, distance_to, equation, follow


def test_what_is_added_for_stratonovichs_integral():
    """(nu^2 / 2) K K' for K = 0.3 + 2 x, on a line and by component."""
    law = equation(0.0, 0.0, 0.5, Affine([0.3, 2.0]))
    for x in (np.array(1.5), np.array([1.5, -0.7])):
        found = jax.jit(lambda x: brownian._correction(law, x))(x)
        np.testing.assert_allclose(found, 0.125 * 2.0 * (0.3 + 2.0 * x), rtol=1e-14)


def test_what_solvers_need_to_know():
    for solver, area in (
        (diffrax.ItoMilstein(), diffrax.BrownianIncrement),
        (diffrax.ShARK(), diffrax.SpaceTimeLevyArea),
        (diffrax.SPaRK(), diffrax.SpaceTimeLevyArea),
    ):
        assert brownian._levy_area(solver) is area
    additive = [brownian._for_additive_noise(each) for each in (diffrax.ShARK(), diffrax.SPaRK(), diffrax.Heun())]
    assert additive == [True, False, False]
    point = jnp.zeros(2)
    assert brownian._constant(kn.FokkerPlanck(kn.SimResNet(np.eye(2), 0.0, kn.Tanh()), 1.0), point)
    assert not brownian._constant(equation(np.eye(2), np.zeros(2), 1.0, X), point)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "shape"),
    [
        (diffrax.ItoMilstein(), (400,)),
        (diffrax.StratonovichMilstein(), (200, 2)),
    ],
)
def test_milstein_is_of_strong_order_one(solver, shape):
    """Along the same path for any number of steps: that of v = 0, K = 1 from 0 is Brownian motion itself, with which
    geometric Brownian motion is known. Without its correction the drift for Stratonovich's integral leads elsewhere."""
    w, nu, count, bias = 0.3, 0.8, [8, 16, 32], np.zeros(shape[1:])
    path = np.asarray(follow(solver)(equation(0.0, bias, 1.0, ONE), np.zeros(shape), 1.0, 5))
    assert distance_to(path.ravel(), norm.cdf) < 1.95
    exact = np.exp(w - nu**2 / 2 + nu * path)
    ends = [follow(solver)(equation(w, bias, nu, X), np.ones(shape), 1.0, n) for n in count]
    errors = [np.mean(np.abs(end - exact)) for end in ends]
    assert 0.8 < order(count, errors) < 1.2, errors


@pytest.mark.slow
def test_additive_noise_in_the_plane_by_few_large_steps():
    """ShARK's method, of order 1.5, in two spans: the exact covariance of an Ornstein-Uhlenbeck process."""
    w, nu, start = np.array([[-1.0, 0.5], [0.0, -0.6]]), 0.8, np.array([1.0, -0.5])
    law = kn.FokkerPlanck(kn.SimResNet(w, 0.0, kn.Identity()), nu)
    method = kn.Particles(solver=diffrax.ShARK(), steps=3)
    solution = kn.solve(
        law,
        kn.Ensemble(np.tile(start, (4000, 1))),
        t1=1.0,
        saveat=[0.4, 1.0],
        method=method,
        key=KEY,
        adjoint=kn.ForwardMode(),
    )
    assert int(solution.stats["steps"]) == 6
    for t, distribution in zip((0.4, 1.0), (solution[0], solution[1]), strict=True):
        s, weights = np.polynomial.legendre.leggauss(12)
        flows = np.stack([expm(w * each) for each in 0.5 * t * (s + 1)])
        covariance = nu**2 * 0.5 * t * np.einsum("k,kij,klj->il", weights, flows, flows)
        centred = np.asarray(distribution.samples) - expm(w * t) @ start
        assert np.max(np.abs(centred.mean(axis=0)) / centred.std(axis=0)) * np.sqrt(4000) < 4
        products = np.einsum("mi,mj->mij", centred, centred)
        assert np.max(np.abs(products.mean(axis=0) - covariance) / products.std(axis=0)) * np.sqrt(4000) < 4
