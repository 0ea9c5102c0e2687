"""Monte Carlo for binary interactions: the weak form, pairs, and the clocks of particles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from tests.methods.test_collisions import MILLION, STARTS, p_value, standard_errors

COMPROMISE = kn.SimResNet(jnp.array([[-1.0, 1.0], [1.0, -1.0]]), jnp.zeros(2), kn.Identity())


def exact(equation, start, t1):
    """m_1 and m_2 at t1 of an identity network: the weak form with phi = x and phi = x^2, in which x and y are
    independent. With A = I + eps W / 2 and c the pair goes to A z + eps c, and
    m_2' = (rate / 2) (E|A z + eps c|^2 - 2 m_2)."""
    eps, rate = float(equation.epsilon), float(equation.rate)
    a = np.eye(2) + 0.5 * eps * np.asarray(equation.field.weight(0.0))
    c = eps * np.asarray(equation.field.bias(0.0))

    def slope(t, m):
        second = np.array([[m[1], m[0] ** 2], [m[0] ** 2, m[1]]])
        first = a @ np.full(2, m[0])
        after = np.trace(a @ second @ a.T) + 2 * first @ c + c @ c
        return 0.5 * rate * np.array([np.sum(first + c) - 2 * m[0], after - 2 * m[1]])

    return solve_ivp(slope, (0, t1), [float(start.mean), float(start.moment(2))], rtol=1e-10, atol=1e-12).y[:, -1]


def random_equation(case):
    random = np.random.default_rng(case)
    weight, bias = random.uniform(-1.0, 0.5, (2, 2)), random.uniform(-1.0, 1.0, 2)
    epsilon, rate = random.uniform([0.2, 0.5], [1.0, 1.5])
    return kn.BinaryBoltzmann(kn.SimResNet(jnp.array(weight), jnp.array(bias), kn.Identity()), epsilon, rate)


def test_moments_of_the_binary_rule():
    """Within four standard errors at a million particles, in five random cases."""
    largest = 0.0
    for case in range(5):
        equation = random_equation(case)
        final = kn.solve(equation, STARTS, t1=1.0, key=jax.random.key(case)).final
        m1, m2 = exact(equation, STARTS, 1.0)
        # The mean that section 5 of the mathematics has, for which E[x + y] is enough.
        net, eps, rate = equation.field, float(equation.epsilon), float(equation.rate)
        growth, push = rate * eps * float(jnp.sum(net.weight(0.0))) / 4, rate * eps * float(jnp.sum(net.bias(0.0))) / 2
        mean = (float(STARTS.mean) + push / growth) * np.exp(growth) - push / growth
        assert m1 == pytest.approx(mean, abs=1e-8)
        largest = max(largest, *np.abs(standard_errors(final, m1, m2)))
    print(f"binary rule: largest error {largest:.2f} standard errors (target 4)")
    assert largest < 4


def test_in_steps_it_is_of_first_order():
    equation = kn.BinaryBoltzmann(COMPROMISE, epsilon=0.9, rate=1.0)
    few = kn.Ensemble(STARTS.samples[:200_001])
    _, m2 = exact(equation, few, 1.0)
    counts, errors = [2, 4, 8], []
    for steps in counts:
        final = kn.solve(equation, few, t1=1.0, method=kn.Collisions(steps=steps), key=jax.random.key(steps)).final
        # A compromise conserves the mean, whoever meets whom.
        assert float(final.mean) == pytest.approx(float(few.mean), abs=1e-13)
        errors.append(abs(float(final.moment(2)) - m2))
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    print(f"order of the scheme of Nanbu and Babovsky in its step: {order:.2f} (target 1)")
    assert 0.85 < order < 1.3


def test_each_particle_collides_at_the_rate_and_always_two_at_a_time():
    """Collisions that add 1 to both: their number is Poisson's with pairs at random, in steps binomial, odd or even."""
    both = kn.SimResNet(jnp.zeros((2, 2)), jnp.ones(2), kn.Identity())
    equation = kn.BinaryBoltzmann(both, rate=1.5)
    for m in (100_000, 100_001):
        start = kn.Ensemble(jnp.zeros(m))
        solution = kn.solve(equation, start, t1=2.0, saveat=[0.5, 2.0], key=jax.random.key(m))
        counts = np.asarray(solution.distributions.samples).astype(int)
        assert p_value(counts[0], scipy.stats.poisson(0.75)) > 1e-3
        assert p_value(counts[1], scipy.stats.poisson(3.0)) > 1e-3
        assert counts[1].sum() % 2 == 0
        assert float(solution.stats["collisions"]) == pytest.approx(counts[1].mean(), rel=1e-10)
        steps = kn.solve(equation, start, t1=2.0, method=kn.Collisions(steps=6), key=jax.random.key(m)).final
        counts = np.asarray(steps.samples).astype(int)
        assert p_value(counts, scipy.stats.binom(6, 0.5)) > 1e-3
        assert counts.sum() % 2 == 0


def test_of_three_particles_each_collides_at_the_rate():
    """In steps one is left over, a third of the time: the pair must collide half as often again."""
    equation = kn.BinaryBoltzmann(kn.SimResNet(jnp.zeros((2, 2)), jnp.ones(2), kn.Identity()), rate=1.5)
    start = kn.Ensemble(jnp.zeros(3))
    keys = jax.random.split(jax.random.key(3), 20_000)
    for method, law in (
        (kn.Collisions(), scipy.stats.poisson(3.0)),
        (kn.Collisions(steps=6), scipy.stats.binom(6, 0.5)),
    ):
        solve = jax.jit(
            jax.vmap(lambda key, method=method: kn.solve(equation, start, t1=2.0, method=method, key=key).final)
        )
        counts = np.asarray(solve(keys).samples).astype(int)
        assert all(p_value(each, law) > 1e-3 for each in counts.T)


def test_all_collisions_together_are_a_poisson_process():
    """With 25 particles in two short spans, of which the last round is most: none is lost there, and none done twice."""
    equation = kn.BinaryBoltzmann(kn.SimResNet(jnp.zeros((2, 2)), jnp.ones(2), kn.Identity()), rate=0.5)
    start = kn.Ensemble(jnp.zeros(25))
    solve = jax.jit(jax.vmap(lambda key: kn.solve(equation, start, t1=1.0, saveat=[0.4, 1.0], key=key)))
    samples = np.asarray(solve(jax.random.split(jax.random.key(6), 20_000)).distributions.samples)
    total = samples.sum(axis=-1).astype(int) // 2
    assert p_value(total[:, 0], scipy.stats.poisson(2.5)) > 1e-3
    assert p_value(total[:, 1] - total[:, 0], scipy.stats.poisson(3.75)) > 1e-3


def test_keys_of_another_kind_are_as_good():
    """Under vmap rbg draws by the place in a batch: who meets twice would do so less often than by chance."""
    equation = kn.BinaryBoltzmann(kn.SimResNet(jnp.zeros((2, 2)), jnp.ones(2), kn.Identity()), rate=1.5)
    start = kn.Ensemble(jnp.zeros(100))
    found = [
        kn.solve(equation, start, t1=2.0, key=jax.random.key(seed, impl="rbg")).final.samples for seed in range(200)
    ]
    assert p_value(np.concatenate(found).astype(int), scipy.stats.poisson(3.0)) > 1e-3


def test_all_pairs_are_equally_likely():
    """Four particles, one collision each on average: who has met whom, over many solves. The first of a pair adds the
    place of the second to what it has, and the second that of the first."""

    start = kn.Ensemble(10.0 ** jnp.arange(4.0))
    exchange = kn.SimResNet(jnp.array([[0.0, 2e-6], [2e-6, 0.0]]), jnp.zeros(2), kn.Identity())
    equation = kn.BinaryBoltzmann(exchange, rate=0.5)
    keys = jax.random.split(jax.random.key(0), 20_000)
    for method in (kn.Collisions(), kn.Collisions(steps=2)):
        solve = jax.jit(
            jax.vmap(lambda key, method=method: kn.solve(equation, start, t1=1.0, method=method, key=key).final)
        )
        gained = (np.asarray(solve(keys).samples) - np.asarray(start.samples)) * 1e6
        # One collision in all: two have gained, each the other's place.
        once = gained[(gained > 0).sum(1) == 2]
        met = [tuple(np.flatnonzero(each)) for each in once if np.isclose(each.sum(), each[each > 0].sum())]
        counts = np.array([met.count(pair) for pair in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]])
        assert counts.sum() > 5000
        assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_layers_in_time():
    """A field that compromises from t = 0.5 on."""
    strength = kn.PiecewiseConstant([0.0, 0.5], [jnp.zeros((2, 2)), COMPROMISE.weight(0.0)])
    equation = kn.BinaryBoltzmann(kn.SimResNet(strength, jnp.zeros(2), kn.Identity()), rate=2.0)
    few = kn.Ensemble(STARTS.samples[: MILLION // 10])
    solution = kn.solve(equation, few, t1=1.0, saveat=[0.4, 0.5, 1.0], key=jax.random.key(0))
    assert jnp.array_equal(solution[0].samples, few.samples) and jnp.array_equal(solution[1].samples, few.samples)
    constant = kn.BinaryBoltzmann(COMPROMISE, rate=2.0)
    assert np.max(np.abs(standard_errors(solution.final, *exact(constant, few, 0.5)))) < 4


def test_a_column_of_samples_is_a_population_too():
    few = STARTS.samples[:1001]
    equation = random_equation(0)
    flat = kn.solve(equation, kn.Ensemble(few), t1=1.0, saveat=[1.0], key=jax.random.key(0))
    column = kn.solve(equation, kn.Ensemble(few[:, None]), t1=1.0, saveat=[1.0], key=jax.random.key(0))
    assert jnp.array_equal(column.final.samples[:, 0], flat.final.samples)
    assert column.distributions.samples.shape == (1, 1001, 1)
