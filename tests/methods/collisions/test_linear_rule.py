"""Monte Carlo for the linear Boltzmann equation: its moments, layers, Nanbu's scheme, units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import kinetic_nde as kn
from tests.closed_forms import order
from tests.methods.affine_diffusion import ONE, X
from tests.methods.collisions.cases import (
    MANY,
    START,
    STEPS,
    linear,
    millions,
    repeated,
    solved,
    standard_errors,
)
from tests.methods.moments_of_collisions import linear_moments, moments_in_time

KINDS = pytest.mark.parametrize(("epsilon", "proportional"), [(1.0, False), (0.1, False), (0.01, False), (0.1, True)])


def at_random(case, epsilon, proportional):
    """w, b, nu, rate."""
    random = np.random.default_rng(100 * case + int(100 * epsilon) + proportional)
    return random.uniform([-1.0, -1.0, 0.1, 0.5], [0.3, 1.0, 0.5, 2.0])


@KINDS
def test_moments_of_a_few_thousand_particles(epsilon, proportional):
    """Within four standard errors."""
    for case in range(2):
        w, b, nu, rate = at_random(case, epsilon, proportional)
        final = repeated(linear(w, b, epsilon, nu, rate, X if proportional else ONE))[1]
        m1, m2 = float(START.mean), float(START.moment(2))
        exact = linear_moments(w, b, epsilon, nu, rate, 1.0, m1, m2, int(proportional))
        assert np.max(np.abs(standard_errors(final, *exact))) < 4


@pytest.mark.slow
@KINDS
def test_moments_of_a_million_particles(epsilon, proportional):
    """Within four standard errors, in five random cases each."""
    largest, start = 0.0, millions()
    m1, m2 = float(start.mean), float(start.moment(2))
    for case in range(5):
        w, b, nu, rate = at_random(case, epsilon, proportional)
        equation = kn.Boltzmann(
            kn.SimResNet(w, b, kn.Identity()),
            epsilon,
            nu,
            kn.LinearDiffusion() if proportional else kn.ConstantDiffusion(),
            rate,
            kn.UniformNoise() if proportional else kn.NormalNoise(),
        )
        final = kn.solve(equation, start, t1=1.0, key=jax.random.key(case)).final
        exact = linear_moments(w, b, epsilon, nu, rate, 1.0, m1, m2, int(proportional))
        largest = max(largest, *np.abs(standard_errors(final.samples, *exact)))
    print(f"eps = {epsilon}: largest error {largest:.2f} standard errors (target 4)")
    assert largest < 4


def test_layers_and_a_bias_that_changes():
    samples = repeated(linear((-2.0, 1.0), (0.5, -0.7), 0.2, 0.4, 5.0), saveat=(0.4, 1.0))
    w, b = lambda t: -2.0 if t < 0.5 else 1.0, lambda t: 0.5 - 1.2 * t
    start = float(START.mean), float(START.moment(2))
    for found, exact in zip(samples, moments_in_time(w, b, 0.2, 0.4, 5.0, [0.4, 1.0], *start), strict=True):
        assert np.max(np.abs(standard_errors(found, *exact))) < 4
    solution = solved(linear((-2.0, 1.0), (0.5, -0.7), 0.2, 0.4, 5.0))
    assert np.array_equal(solution[1].samples, solution.final.samples)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weight", "w"),
    [
        (
            kn.PiecewiseConstant([0.0, 0.3, 0.7], [-2.0, 1.0, -0.5]),
            lambda t: -2.0 if t < 0.3 else (1.0 if t < 0.7 else -0.5),
        ),
        (
            kn.Interpolated([0.0, 0.5, 1.0], [-2.0, 1.0, -1.0]),
            lambda t: np.interp(t, [0.0, 0.5, 1.0], [-2.0, 1.0, -1.0]),
        ),
    ],
)
def test_layers_and_functions_of_time(weight, w):
    equation = kn.Boltzmann(kn.SimResNet(weight, 0.5, kn.Identity()), 0.2, 0.4, rate=5.0)
    start = kn.Ensemble(millions().samples[:100_000])
    ts = [0.2, 0.6, 1.0]
    solution = kn.solve(equation, start, t1=1.0, saveat=ts, key=jax.random.key(1))
    moments = moments_in_time(w, lambda t: 0.5, 0.2, 0.4, 5.0, ts, float(start.mean), float(start.moment(2)))
    for i, exact in enumerate(moments):
        assert np.max(np.abs(standard_errors(solution[i].samples, *exact))) < 4
    assert jnp.array_equal(solution[2].samples, solution.final.samples)


def nanbu(steps, dt, m1, m2):
    """The moments of Nanbu's scheme, exactly: w = -1.5, b = 0.5, nu = 0.5, rate 1."""
    for _ in range(steps):
        jump = -1.5 * m1 + 0.5, 2.25 * m2 - 1.5 * m1 + 0.25 + 2 * (-1.5 * m2 + 0.5 * m1) + 0.25
        m1, m2 = m1 + jump[0] * dt, m2 + jump[1] * dt
    return m1, m2


def test_nanbu_has_its_moments_which_are_of_first_order():
    """Ten steps in each of two layers that are the same; what a step changes does not depend on chance."""
    start = float(START.mean), float(START.moment(2))
    samples = repeated(linear(-1.5, 0.5, nu=0.5), method=STEPS)
    for found, steps in zip(samples, (10, 20), strict=True):
        assert np.max(np.abs(standard_errors(found, *nanbu(steps, 0.05, *start)))) < 4
    exact = linear_moments(-1.5, 0.5, 1.0, 0.5, 1.0, 1.0, *start)
    for k in range(2):
        errors = [abs(nanbu(steps, 1 / steps, *start)[k] - exact[k]) for steps in (50, 100, 200)]
        assert 0.9 < order((50, 100, 200), errors) < 1.1


@pytest.mark.slow
def test_nanbu_is_of_first_order():
    """Errors of the mean under eps rate w = -1.5 to t = 1, where chance is 100 times smaller."""
    equation, start = kn.Boltzmann(kn.SimResNet(-1.5, 0.5, kn.Identity()), nu=0.5), millions()
    first = float(start.mean), float(start.moment(2))
    m1, _ = linear_moments(-1.5, 0.5, 1.0, 0.5, 1.0, 1.0, *first)
    counts, errors = [3, 6, 12], []
    for steps in counts:
        final = kn.solve(equation, start, t1=1.0, method=kn.Collisions(steps=steps), key=jax.random.key(steps)).final
        assert np.max(np.abs(standard_errors(final.samples, *nanbu(steps, 1 / steps, *first)))) < 4
        errors.append(abs(float(final.mean) - m1))
    found = order(counts, errors)
    print(f"order of Nanbu's scheme in its step: {found:.2f} (target 1)")
    assert 0.85 < found < 1.25


def test_where_all_collide_it_is_a_residual_network():
    equation = linear((1.0, -2.0), 0.3, 0.05, rate=20.0)
    final = solved(equation, method=STEPS).final
    layers = kn.solve(kn.MeanField(equation.field), START, t1=1.0, method=kn.Layers(20)).final
    assert jnp.max(jnp.abs(final.samples - layers.samples)) < 1e-13


@pytest.mark.slow
def test_where_all_collide_it_is_a_residual_network_with_tanh():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, -2.0]), 0.3, kn.Tanh())
    equation, few = kn.Boltzmann(net, epsilon=0.05, rate=20.0), kn.Ensemble(START.samples - 1.0)
    final = kn.solve(equation, few, t1=1.0, method=kn.Collisions(steps=10), key=jax.random.key(0)).final
    layers = kn.solve(kn.MeanField(net), few, t1=1.0, method=kn.Layers(20)).final
    assert jnp.max(jnp.abs(final.samples - layers.samples)) < 1e-13


@pytest.mark.parametrize(
    ("count", "noise"),
    [(MANY, kn.UniformNoise()), pytest.param(200_000, kn.NormalNoise(), marks=pytest.mark.slow)],
    ids=["uniform", "normal"],
)
def test_in_three_dimensions(count, noise):
    """Mean and covariance against the matrix exponential: with x* = A x + c + noise they are linear."""
    weight = jnp.array([[-0.5, 0.8, 0.0], [-0.3, -0.2, 0.1], [0.0, 0.4, -0.6]])
    bias, eps, nu, rate = jnp.array([0.2, -0.1, 0.4]), 0.5, 0.6, 1.5
    start = kn.Ensemble(np.random.default_rng(8).normal(size=(count, 3)) @ np.diag([1.0, 0.5, 2.0]) + 1.0)
    equation = kn.Boltzmann(kn.SimResNet(weight, bias, kn.Identity()), eps, nu, rate=rate, noise=noise)
    final = kn.solve(equation, start, t1=1.0, key=jax.random.key(4)).final
    # y = (1, x): E[y y^T] solves a linear equation with the collision y* = B y + noise.
    b = np.eye(4)
    b[1:, 1:] += eps * np.asarray(weight)
    b[1:, 0] = eps * np.asarray(bias)
    generator = rate * (np.kron(b, b) - np.eye(16))
    source = rate * eps * nu**2 * np.diag([0.0, 1.0, 1.0, 1.0]).reshape(-1)
    first = np.c_[np.ones(len(start.samples)), start.samples]
    whole = np.block([[generator, source[:, None]], [np.zeros((1, 17))]])
    seconds = (expm(whole) @ np.append((first.T @ first / len(first)).reshape(-1), 1.0))[:16].reshape(4, 4)
    y = np.c_[np.ones(len(first)), final.samples]
    products = y[:, :, None] * y[:, None, :]
    errors = (products.mean(0) - seconds)[1:] / (products.std(0)[1:] / len(y) ** 0.5)
    assert np.max(np.abs(errors)) < 4.5


def test_units_and_mirror_images():
    """The same key: a change of units scales each path; without noise a mirror image mirrors it."""
    paths = solved(linear(-0.8, 0.3, 0.5, 0.4), seed=3).final.samples
    scaled = solved(linear(-0.8, 3.0, 0.5, 4.0), kn.Ensemble(10.0 * START.samples), seed=3).final.samples
    np.testing.assert_allclose(scaled, 10.0 * paths, rtol=1e-12, atol=1e-12)
    still = solved(linear(-0.8, 0.3, 0.5), seed=3).final.samples
    mirrored = solved(linear(-0.8, -0.3, 0.5), kn.Ensemble(-START.samples), seed=3).final.samples
    assert np.array_equal(mirrored, -still)


@pytest.mark.slow
def test_units_and_mirror_images_with_tanh():
    """The same key: a change of units scales each path; without noise a mirror image mirrors it."""
    net, few = kn.SimResNet(-0.8, 0.3, kn.Tanh()), kn.Ensemble(START.samples - 1.0)

    def solve(field, samples, **numbers):
        return kn.solve(kn.Boltzmann(field, 0.5, **numbers), kn.Ensemble(samples), t1=2.0, key=jax.random.key(3)).final

    scaled = lambda t, x: 10.0 * net(t, x / 10.0)
    paths = solve(net, few.samples, nu=0.4).samples
    assert jnp.allclose(solve(scaled, 10.0 * few.samples, nu=4.0).samples, 10.0 * paths, rtol=1e-12, atol=1e-12)
    mirrored = kn.SimResNet(-0.8, -0.3, kn.Tanh())
    still = solve(net, few.samples, nu=0.0).samples
    assert jnp.array_equal(solve(mirrored, -few.samples, nu=0.0).samples, -still)
