"""Monte Carlo for binary interactions: the weak form, the scheme of Nanbu and Babovsky, layers, columns of samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from tests.closed_forms import order
from tests.methods.collisions.cases import (
    COMPROMISE,
    MANY,
    MILLION,
    START,
    STEPS,
    binary,
    millions,
    repeated,
    solved,
    standard_errors,
)


def weak_form(w, b, eps, rate):
    """m -> m', of m_1 and m_2 of an identity network: the weak form with phi = x and phi = x^2, in which x and y are
    independent. With A = I + eps W / 2 and c the pair goes to A z + eps c, and
    m_2' = (rate / 2) (E|A z + eps c|^2 - 2 m_2)."""
    a, c = np.eye(2) + 0.5 * eps * np.asarray(w), eps * np.asarray(b)

    def slope(m):
        second = np.array([[m[1], m[0] ** 2], [m[0] ** 2, m[1]]])
        first = a @ np.full(2, m[0])
        after = np.trace(a @ second @ a.T) + 2 * first @ c + c @ c
        return 0.5 * rate * np.array([np.sum(first + c) - 2 * m[0], after - 2 * m[1]])

    return slope


def exact(w, b, eps, rate, start, t1):
    """m_1 and m_2 at t1."""
    slope, first = weak_form(w, b, eps, rate), [float(start.mean), float(start.moment(2))]
    return solve_ivp(lambda t, m: slope(m), (0, t1), first, rtol=1e-10, atol=1e-12).y[:, -1]


def at_random(case):
    """w, b, eps, rate."""
    random = np.random.default_rng(case)
    return random.uniform(-1.0, 0.5, (2, 2)), random.uniform(-1.0, 1.0, 2), *random.uniform([0.2, 0.5], [1.0, 1.5])


def test_moments_of_a_few_thousand_particles():
    """Within four standard errors, in two random cases."""
    for case in range(2):
        w, b, eps, rate = at_random(case)
        m1, m2 = exact(w, b, eps, rate, START, 1.0)
        # The mean that section 5 of the mathematics has, for which E[x + y] is enough.
        growth, push = rate * eps * np.sum(w) / 4, rate * eps * np.sum(b) / 2
        assert m1 == pytest.approx((float(START.mean) + push / growth) * np.exp(growth) - push / growth, abs=1e-8)
        assert np.max(np.abs(standard_errors(repeated(binary(w, b, eps, rate))[1], m1, m2))) < 4


@pytest.mark.slow
def test_moments_of_a_million_particles():
    """Within four standard errors, in five random cases."""
    largest, start = 0.0, millions()
    for case in range(5):
        w, b, eps, rate = at_random(case)
        equation = kn.BinaryBoltzmann(kn.SimResNet(jnp.array(w), jnp.array(b), kn.Identity()), eps, rate)
        final = kn.solve(equation, start, t1=1.0, key=jax.random.key(case)).final
        m1, m2 = exact(w, b, eps, rate, start, 1.0)
        # The mean that section 5 of the mathematics has, for which E[x + y] is enough.
        growth, push = rate * eps * np.sum(w) / 4, rate * eps * np.sum(b) / 2
        mean = (float(start.mean) + push / growth) * np.exp(growth) - push / growth
        assert m1 == pytest.approx(mean, abs=1e-8)
        largest = max(largest, *np.abs(standard_errors(final.samples, m1, m2)))
    print(f"binary rule: largest error {largest:.2f} standard errors (target 4)")
    assert largest < 4


def test_in_steps_it_has_the_moments_of_the_scheme_which_are_of_first_order():
    """Ten steps in each of two layers that are the same, each of which changes the moments by dt times the weak form."""

    def scheme(slope, steps, dt):
        m = np.array([float(START.mean), float(START.moment(2))])
        for _ in range(steps):
            m = m + dt * slope(m)
        return m

    for w, b in ((COMPROMISE, np.zeros(2)), at_random(0)[:2]):
        slope = weak_form(w, b, 0.9, 1.5)
        samples = repeated(binary(w, b, 0.9, 1.5), method=STEPS)
        for found, steps in zip(samples, (10, 20), strict=True):
            assert np.max(np.abs(standard_errors(found, *scheme(slope, steps, 0.05)))) < 4
        errors = [abs(scheme(slope, n, 1 / n)[1] - exact(w, b, 0.9, 1.5, START, 1.0)[1]) for n in (50, 100, 200)]
        assert 0.9 < order((50, 100, 200), errors) < 1.1
    # A compromise conserves the mean, whoever meets whom.
    final = solved(binary(COMPROMISE, np.zeros(2), 0.9), method=STEPS).final
    assert float(final.mean) == pytest.approx(float(START.mean), abs=1e-13)


@pytest.mark.slow
def test_in_steps_it_is_of_first_order():
    equation = kn.BinaryBoltzmann(kn.SimResNet(COMPROMISE, np.zeros(2), kn.Identity()), epsilon=0.9, rate=1.0)
    few = kn.Ensemble(millions().samples[:200_001])
    _, m2 = exact(COMPROMISE, np.zeros(2), 0.9, 1.0, few, 1.0)
    counts, errors = [2, 4, 8], []
    for steps in counts:
        final = kn.solve(equation, few, t1=1.0, method=kn.Collisions(steps=steps), key=jax.random.key(steps)).final
        # A compromise conserves the mean, whoever meets whom.
        assert float(final.mean) == pytest.approx(float(few.mean), abs=1e-13)
        errors.append(abs(float(final.moment(2)) - m2))
    found = order(counts, errors)
    print(f"order of the scheme of Nanbu and Babovsky in its step: {found:.2f} (target 1)")
    assert 0.85 < found < 1.3


def test_layers_in_time():
    """A field that compromises from t = 0.5 on."""
    law = binary((0 * COMPROMISE, COMPROMISE), np.zeros(2), rate=2.0)
    for early in (0.4, 0.5):
        assert np.array_equal(solved(law, saveat=(early, 1.0))[0].samples, START.samples)
    final = repeated(law)[1]
    assert np.max(np.abs(standard_errors(final, *exact(COMPROMISE, np.zeros(2), 1.0, 2.0, START, 0.5)))) < 4


@pytest.mark.slow
def test_layers_in_time_with_many_particles():
    strength = kn.PiecewiseConstant([0.0, 0.5], [0 * COMPROMISE, COMPROMISE])
    equation = kn.BinaryBoltzmann(kn.SimResNet(strength, jnp.zeros(2), kn.Identity()), rate=2.0)
    few = kn.Ensemble(millions().samples[: MILLION // 10])
    solution = kn.solve(equation, few, t1=1.0, saveat=[0.4, 0.5, 1.0], key=jax.random.key(0))
    assert jnp.array_equal(solution[0].samples, few.samples) and jnp.array_equal(solution[1].samples, few.samples)
    moments = exact(COMPROMISE, np.zeros(2), 1.0, 2.0, few, 0.5)
    assert np.max(np.abs(standard_errors(solution.final.samples, *moments))) < 4


@pytest.mark.slow
def test_a_column_of_samples_is_a_population_too():
    law = binary(*at_random(0))
    flat, column = (solved(law, kn.Ensemble(samples)) for samples in (START.samples, START.samples[:, None]))
    assert jnp.array_equal(column.final.samples[:, 0], flat.final.samples)
    assert column.distributions.samples.shape == (2, MANY, 1)
