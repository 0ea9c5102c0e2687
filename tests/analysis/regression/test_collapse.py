"""The collapse of an ensemble of lines at one of them, and the networks that lead to it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import kinetic_nde as kn
from tests.analysis.regression.measurements import data


@pytest.mark.slow
@pytest.mark.parametrize(
    ("robust", "replicates"),
    [(True, False), (False, True), (False, False), (True, True)],
)
def test_the_density_collapses_at_the_line(robust, replicates):
    """Whatever the units: slopes of 1e-3 and intercepts of 1e5 in one of the two cases."""
    random = np.random.default_rng(9)
    if replicates:  # 45 lines, as many as 10 points have pairs
        x, y = np.linspace(0, 1e3, 6), 1e5 + random.normal(size=(45, 6))
    else:
        x = random.uniform(-1, 1, 10)
        y = 3 * x + 0.1 * random.standard_t(3, 10)
    found = kn.regress(x, y, robust=robust)
    initial = found.density(cells=31)
    samples, (lower, upper) = np.asarray(found.ensemble.samples), np.asarray([initial.grid.lower, initial.grid.upper])
    inside = np.all((samples >= lower) & (samples <= upper), axis=1)
    np.testing.assert_allclose(initial.mass, found.weights[inside].sum(), rtol=1e-12)
    assert 0.93 < float(initial.mass) < (1.0 + 1e-12 if replicates else 0.9999)
    final = kn.solve(found.equation, initial, t1=12.0).final
    spread = np.sqrt(np.diag(np.asarray(initial.variance)))
    assert np.all(np.abs(np.asarray(final.mean) - found.line) < 1e-3 * spread)
    assert np.all(np.sqrt(np.diag(np.asarray(final.variance))) < 0.5 * np.asarray(final.grid.width))


@pytest.mark.slow
def test_the_identity_conserves_the_mean():
    """Proposition 3, along replicates, which weigh the same."""
    random = np.random.default_rng(10)
    found = kn.regress(np.arange(4.0), random.normal(size=(45, 4)))
    moved = kn.solve(found.equation, found.ensemble, t1=0.7).final
    np.testing.assert_allclose(moved.mean, found.line, rtol=1e-6)
    np.testing.assert_allclose(moved.variance, np.asarray(found.ensemble.variance) * math.exp(-1.4), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("robust", [False, True])
def test_another_target_attracts_instead(robust):
    x, y = data(11, 10)
    target = np.array([9.0, -15.0])  # far beyond the ensemble
    found = kn.regress(x, y, robust=robust, target=target)
    np.testing.assert_array_equal(found.line, kn.regress(x, y, robust=robust).line)
    initial = found.density(cells=41)
    solution = kn.solve(found.equation, initial, t1=30.0)
    np.testing.assert_allclose(solution.final.mean, target, rtol=1e-6)
    assert abs(float(solution.stats["mass_lost"])) < 1e-9


def test_the_field_is_that_of_the_network_in_other_coordinates():
    x, y = data(12, 10)
    field = kn.regress(x, y, robust=True, origin=30.0).equation.field
    at = jax.jit(lambda z: (field(0.0, z), jax.jacfwd(lambda z: field(0.0, z))(z), field.divergence(0.0, z)))
    _, jacobian, divergence = at(np.asarray(field.centre) + np.array([0.3, -0.2]))
    np.testing.assert_allclose(divergence, np.trace(jacobian), rtol=1e-10)
    velocity, at_rest, _ = at(np.asarray(field.centre))
    np.testing.assert_allclose(np.linalg.eigvals(np.asarray(at_rest)), -10.0, rtol=1e-6)
    assert np.max(np.abs(velocity)) == 0.0


def test_the_field_of_the_mean_leads_straight_to_it():
    found = kn.regress(*data(12, 10), weight=-2.0)
    away = np.array([0.3, -0.2])
    np.testing.assert_allclose(found.equation.field(0.0, jnp.asarray(found.line + away)), -2.0 * away, rtol=1e-9)


def balance(x, w) -> Any:
    """Where int tanh(w (x - c)) dg = 0 for samples x: the bias -w c holds their mean at first."""
    return brentq(lambda c: np.mean(np.tanh(w * (x - c))), x.min(), x.max(), xtol=1e-13)


def test_a_tanh_network_balances_between_mean_and_median():
    """Of the exponential distribution: c - ln 2 = pi^2 / 24 w^-2 + O(w^-4), and the mean 1 as w -> 0."""
    x = -np.log1p(-(np.arange(200_000) + 0.5) / 200_000)
    errors = np.array([balance(x, w) - math.log(2) for w in (-8.0, -16.0, -32.0)])
    np.testing.assert_allclose(errors, math.pi**2 / 24 / np.array([8.0, 16.0, 32.0]) ** 2, rtol=0.03)
    assert abs(balance(x, -1e-3) - x.mean()) < 1e-5
    # And it is where one layer of the network, forward Euler, leaves the mean.
    few = kn.Ensemble(x[::1000])
    net = kn.SimResNet(-4.0, 4.0 * balance(x[::1000], -4.0), kn.Tanh())
    moved = kn.solve(kn.MeanField(net), few, t1=0.5, method=kn.Layers(1)).final
    np.testing.assert_allclose(moved.mean, few.mean, rtol=1e-12)
    assert float(moved.variance) < 0.5 * float(few.variance)


def test_the_limit_is_a_weighted_median_of_the_ensemble():
    """As the robust regression says: of points by the slope, with the weights |dx|; of replicates by slope and height."""
    x, y = data(13)
    points = kn.regress(x, y, robust=True, origin=float(np.median(x)))
    replicates = kn.regress(np.arange(4.0), np.random.default_rng(3).normal(size=(7, 4)), robust=True, origin=1.5)
    for found, components in ((points, 1), (replicates, 2)):
        lines = np.asarray(found.ensemble.samples)
        for column, value in zip(lines.T[:components], found.line, strict=False):
            at: Any = brentq(
                lambda c, v=column, w=found.weights: w @ np.tanh(1e4 * (v - c)), column.min(), column.max()
            )
            np.testing.assert_allclose(at, value, atol=3e-3)
