"""The linear Boltzmann equation on a density against closed forms: moments, compound Poisson processes, Gaussians."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, poisson

import kinetic_nde as kn
from tests.methods.moments_of_collisions import linear_moments
from tests.methods.push_forward.cases import (
    CELLS,
    FINE,
    NORMAL,
    UNIFORM,
    distance,
    equation,
    read,
    run,
)
from tests.steady_laws import COSINE, IDENTITY

# The noise enters through the matrix alone.
NOISES = pytest.mark.parametrize("noise", [NORMAL, pytest.param(UNIFORM, marks=pytest.mark.slow)])


def laws_on_both_clocks(eps):
    """w, b, nu at random, each with its rate: on the clock of the grazing limit and on another. T = x + eps v contracts to
    no less than 0.3: where all are carried to one point uniform noise leaves a density that jumps."""
    random = np.random.default_rng(round(100 * eps))
    for rate in (1 / eps, 1 / eps, 1 / eps, 0.7 / eps**0.5):
        yield random.uniform(-0.7, 0.1), random.uniform(-0.4, 0.4), random.uniform(0.4, 0.6), rate


@NOISES
@pytest.mark.parametrize(("eps", "reach", "tolerance"), [(1.0, 6.0, 1e-4), (0.1, 6.0, 1e-4), (0.01, 4.0, 2e-5)])
def test_two_moments_by_the_averages_of_few_cells(eps, reach, tolerance, noise):
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-reach, reach, CELLS))
    for w, b, nu, rate in laws_on_both_clocks(eps):
        solution = run(equation(IDENTITY, w, b, eps, nu, rate, noise=noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, rate, 1.0, 0.5, 0.5)
        np.testing.assert_allclose(read(solution.final), exact, rtol=0, atol=tolerance)
        assert float(solution.stats["mass_drift"]) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_two_moments_to_1e_6(eps, noise):
    """As a density gives them, on a fine grid."""
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-8.0, 8.0, FINE))
    for w, b, nu, rate in laws_on_both_clocks(eps):
        solution = run(equation(IDENTITY, w, b, eps, nu, rate, noise=noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, rate, 1.0, 0.5, 0.5)
        np.testing.assert_allclose([solution.final.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)
        assert float(solution.stats["mass_drift"]) < 1e-12


@NOISES
@pytest.mark.parametrize("eps", [1.0, 0.1])
def test_two_moments_with_noise_in_proportion_to_x_on_few_cells(eps, noise):
    start = kn.Density.gaussian(2.0, 0.25, kn.Grid(-0.5, 6.5, CELLS))
    for w, b, nu in ((-0.5, 0.8, 0.18), (-0.2, 0.3, 0.15)):
        solution = run(equation(IDENTITY, w, b, eps, nu, 1 / eps, 1, noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, 1 / eps, 1.0, 2.0, 4.0625, 1)
        np.testing.assert_allclose(read(solution.final), exact, rtol=0, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_two_moments_with_noise_in_proportion_to_x(eps, noise):
    for w, b, nu in ((-0.5, 0.8, 0.18), (-0.2, 0.3, 0.15)):
        start = kn.Density.gaussian(2.0, 0.25, kn.Grid(-0.5, 6.5, FINE))
        solution = run(equation(IDENTITY, w, b, eps, nu, 1 / eps, 1, noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, 1 / eps, 1.0, 2.0, 4.0625, 1)
        np.testing.assert_allclose([solution.final.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)


LIMIT = 94


def layered(start, t1=1.0, rate=10.0):
    """A layer until 0.3 and another one, with a limit of terms."""
    layers = kn.PiecewiseConstant([0.0, 0.3], [-0.8, 0.2])
    law = kn.Boltzmann(kn.SimResNet(layers, 0.4, kn.Identity()), 0.1, 0.5, rate=rate)
    return run(law, start, t1, saveat=[0.3, t1], max_steps=LIMIT, throw=False)


def mixture(grid, z, law_after):
    """Averages of sum_k e^-z z^k / k! (the law after k collisions)."""
    faces = np.asarray(grid.faces)
    parts = [poisson.pmf(k, z) * np.diff(law_after(k).cdf(faces)) for k in range(60)]
    return kn.Density(grid, np.sum(parts, axis=0) / float(grid.width))


@pytest.mark.parametrize(("cells", "tolerance"), [(CELLS, 2e-3), pytest.param(FINE, 2e-6, marks=pytest.mark.slow)])
def test_without_drift_it_is_a_compound_poisson_process(cells, tolerance):
    grid, z, eps, nu = kn.Grid(-6.0, 6.0, cells), 3.0, 0.1, 0.7
    after = lambda k: norm(0.3, np.sqrt(0.25 + k * eps * nu**2))
    final = run(equation(IDENTITY, 0.0, 0.0, eps, nu, rate=2.0), mixture(grid, 0.0, after), 1.5).final
    assert distance(final, mixture(grid, z, after)) < tolerance


@pytest.mark.parametrize(("cells", "tolerance"), [(CELLS, 2e-2), pytest.param(FINE, 3e-5, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("w", "b"), [(-0.2, 0.4), (-1.8, 0.5), (0.15, -0.2)])
def test_without_noise_gaussians_stay_gaussian(w, b, cells, tolerance):
    """Rule (18) for the identity, also with T = x + v decreasing."""
    grid, slope = kn.Grid(-6.0, 6.0, cells), 1 + w
    after = lambda k: norm(0.8 * slope**k + b * (slope**k - 1) / w, 0.6 * abs(slope) ** k)
    final = run(equation(IDENTITY, w, b), mixture(grid, 0.0, after), 1.0).final
    assert distance(final, mixture(grid, 1.0, after)) < tolerance


@pytest.mark.parametrize("cells", [CELLS, pytest.param(FINE, marks=pytest.mark.slow)])
def test_layers_are_exact_in_time(cells):
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-6.0, 6.0, cells))
    solution = layered(start)
    middle = linear_moments(-0.8, 0.4, 0.1, 0.5, 10.0, 0.3, 0.5, 0.5)
    final = linear_moments(0.2, 0.4, 0.1, 0.5, 10.0, 0.7, *middle)
    # 3 + 8 3^(1/2) + 14 terms and 7 + 8 7^(1/2) + 14, rounded down.
    assert int(solution.stats["steps"]) == 30 + 42
    for density, exact in zip((solution[0], solution[1]), (middle, final), strict=True):
        np.testing.assert_allclose(read(density), exact, rtol=0, atol=1e-5)
        if cells == FINE:
            np.testing.assert_allclose([density.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)


def test_a_limit_of_terms_ends_it_where_the_solution_is_whole():
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-6.0, 6.0, CELLS))
    # The first layer takes 30 terms. Of z = (66^(1/2) - 4)^2 collisions in the second there are the 64 that are left,
    # z + 8 z^(1/2) + 14, and the solution is that of this time, also where it should have been that of the end.
    early = layered(start, 10.0)
    assert early.result == kn.Result.max_steps_reached and 93 <= int(early.stats["steps"]) <= LIMIT
    same = layered(start, 0.3 + (math.sqrt(66) - 4) ** 2 / 10)
    assert same.result == kn.Result.successful
    np.testing.assert_allclose(early.final.values, same.final.values, atol=1e-13)
    np.testing.assert_allclose(early[0].values, same[0].values, atol=1e-13)
    # Where the first layer takes them all, nothing is left for the second.
    none = layered(start, 1.0, rate=170.0)
    assert none.result == kn.Result.max_steps_reached
    np.testing.assert_allclose(none[1].values, none[0].values, rtol=1e-13)


def test_many_collisions_reach_the_steady_state():
    """rate t = 2000, where e^-z is 0: mean -b/w, and the variance for which what is lost is what the noise adds."""
    start = kn.Density.gaussian(-1.0, 0.7, kn.Grid(-8.0, 8.0, CELLS))
    w, b, eps, nu = -0.5, 0.2, 0.5, 0.9
    solution = run(equation(IDENTITY, w, b, eps, nu, 100.0), start, 20.0)
    assert float(solution.stats["mass_drift"]) < 1e-11
    exact = linear_moments(w, b, eps, nu, 100.0, 20.0, -1.0, 1.49)
    np.testing.assert_allclose(read(solution.final), exact, rtol=0, atol=1e-8)


@pytest.mark.slow
def test_against_particles():
    """Shares of 200 000 particles below 11 places, within four standard errors."""
    grid, count = kn.Grid(-12.0, 12.0, 200), 200_000
    law = equation(COSINE, 1.5, 0.2, 0.5, 0.6, 3.0)
    start = kn.Density.gaussian(0.3, 0.8, grid)
    samples = start.sample(jax.random.key(1), count)
    particles = kn.solve(law, kn.Ensemble(samples), t1=1.0, key=jax.random.key(0)).final.samples
    solution = run(law, start, 1.0)
    places = jnp.linspace(-2.5, 2.5, 11)
    exact = np.asarray(solution.final.cdf(places) * solution.final.mass)
    found = np.mean(np.asarray(particles)[None, :] <= np.asarray(places)[:, None], axis=1)
    error = np.abs(found - exact) / np.sqrt(exact * (1 - exact) / count)
    assert float(solution.stats["mass_lost"]) < 1e-4 and error.max() < 4, error
