"""How often particles collide, and with whom: Poisson processes by clocks, binomial numbers in steps, all pairs alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import kinetic_nde as kn
from tests.methods.collisions.cases import (
    BOTH_UP,
    CLOCKS,
    MILLION,
    STEPS,
    ZEROS,
    binary,
    counting,
    p_value,
    repeated,
    solved,
)


def test_collisions_of_a_particle_are_a_poisson_process():
    first, both = repeated(counting(2.5), ZEROS, saveat=(0.7, 2.0)).astype(int)
    assert p_value(first, scipy.stats.poisson(1.75)) > 1e-3
    assert p_value(both, scipy.stats.poisson(5.0)) > 1e-3
    # What happens before a save time says nothing about what happens after it.
    assert abs(np.corrcoef(first, both - first)[0, 1]) < 4 / first.size**0.5
    # Nor does one particle about its neighbour.
    assert abs(np.corrcoef(both[1:], both[:-1])[0, 1]) < 4 / first.size**0.5
    solution = solved(counting(2.5), ZEROS, saveat=(0.7, 2.0))
    both = np.asarray(solution.final.samples)
    assert float(solution.stats["collisions"]) == pytest.approx(both.mean(), rel=1e-12)
    assert int(solution.stats["steps"]) >= both.max()


@pytest.mark.slow
def test_collisions_of_a_million_particles_are_a_poisson_process():
    start, law = kn.Ensemble(jnp.zeros(MILLION)), kn.Boltzmann(kn.SimResNet(0.0, 1.0, kn.Identity()), rate=2.5)
    solution = kn.solve(law, start, t1=2.0, saveat=[0.7, 2.0], key=jax.random.key(2))
    first, both = (np.asarray(solution[i].samples).astype(int) for i in range(2))
    assert p_value(first, scipy.stats.poisson(1.75)) > 1e-3
    assert p_value(both, scipy.stats.poisson(5.0)) > 1e-3
    # What happens before a save time says nothing about what happens after it.
    assert abs(np.corrcoef(first, both - first)[0, 1]) < 4 / MILLION**0.5
    # Nor does one particle about its neighbour.
    assert abs(np.corrcoef(both[1:], both[:-1])[0, 1]) < 4 / MILLION**0.5
    assert float(solution.stats["collisions"]) == pytest.approx(both.mean(), rel=1e-12)
    assert int(solution.stats["steps"]) >= both.max()


def test_collisions_in_steps_are_binomial():
    """Ten steps in each of two layers that are the same."""
    first, both = repeated(counting(10.0), ZEROS, method=STEPS).astype(int)
    assert p_value(first, scipy.stats.binom(10, 0.5)) > 1e-3
    assert p_value(both, scipy.stats.binom(20, 0.5)) > 1e-3
    solution = solved(counting(10.0), ZEROS, method=STEPS)
    assert int(solution.stats["steps"]) == 20
    assert float(solution.stats["collisions"]) == pytest.approx(float(solution.final.mean), rel=1e-12)


@pytest.mark.slow
def test_collisions_of_a_million_particles_in_steps_are_binomial():
    start, law = kn.Ensemble(jnp.zeros(MILLION)), kn.Boltzmann(kn.SimResNet(0.0, 1.0, kn.Identity()), rate=2.5)
    final = kn.solve(law, start, t1=2.0, method=kn.Collisions(steps=8), key=jax.random.key(2)).final
    assert p_value(np.asarray(final.samples).astype(int), scipy.stats.binom(8, 5 / 8)) > 1e-3


def test_particles_collide_at_the_rate_and_always_two_at_a_time():
    """Collisions that add 1 to both: their number is Poisson's with pairs at random, in steps binomial."""
    law = binary(np.zeros((2, 2)), np.ones(2), rate=1.5)
    first, both = repeated(law, ZEROS, saveat=(0.5, 2.0)).astype(int)
    assert p_value(first, scipy.stats.poisson(0.75)) > 1e-3
    assert p_value(both, scipy.stats.poisson(3.0)) > 1e-3
    solution = solved(law, ZEROS, saveat=(0.5, 2.0))
    counts = np.asarray(solution.final.samples)
    assert counts.sum() % 2 == 0
    assert float(solution.stats["collisions"]) == pytest.approx(counts.mean(), rel=1e-10)
    law = binary(np.zeros((2, 2)), np.ones(2), rate=10.0)
    first, both = repeated(law, ZEROS, method=STEPS).astype(int)
    assert p_value(first, scipy.stats.binom(10, 0.5)) > 1e-3
    assert p_value(both, scipy.stats.binom(20, 0.5)) > 1e-3
    assert first.sum() % 2 == both.sum() % 2 == 0


@pytest.mark.slow
def test_many_particles_collide_at_the_rate_and_always_two_at_a_time():
    """Collisions that add 1 to both: their number is Poisson's with pairs at random, in steps binomial, odd or even."""
    equation = kn.BinaryBoltzmann(BOTH_UP, rate=1.5)
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


@jax.jit
def by_clocks(law, start, keys):
    solve = lambda key: kn.solve(law, start, t1=2.0, saveat=[0.5, 2.0], method=CLOCKS, key=key)
    return jax.vmap(lambda key: solve(key).distributions.samples)(keys)


@jax.jit
def in_six_steps(law, start, keys):
    """The particles as a column, which is a population too."""
    column, method = kn.Ensemble(start.samples[:, None]), kn.Collisions(steps=6)
    return jax.vmap(lambda key: kn.solve(law, column, t1=2.0, method=method, key=key).final.samples[:, 0])(keys)


KEYS = jax.random.split(jax.random.key(3), 4000)


@pytest.mark.slow
def test_of_seven_particles_each_collides_at_the_rate():
    """In steps one is left over, a seventh of the time: pairs must collide more often by a sixth. All collisions together
    are a Poisson process: none is lost in the last round of a span, and none done twice."""
    law, start = kn.BinaryBoltzmann(BOTH_UP, rate=1.5), jnp.zeros(7)
    counts = np.asarray(by_clocks(law, kn.Ensemble(start), KEYS)).astype(int)
    assert all(p_value(each, scipy.stats.poisson(3.0)) > 1e-3 for each in counts[:, 1].T)
    total = counts.sum(axis=-1) // 2
    assert p_value(total[:, 0], scipy.stats.poisson(2.625)) > 1e-3
    assert p_value(total[:, 1] - total[:, 0], scipy.stats.poisson(7.875)) > 1e-3
    counts = np.asarray(in_six_steps(law, kn.Ensemble(start), KEYS)).astype(int)
    assert counts.shape == (4000, 7)
    assert all(p_value(each, scipy.stats.binom(6, 0.5)) > 1e-3 for each in counts.T)


def who_met(gained, start):
    """How often each pair has met where there was one collision in all: two have gained, each the other's place."""
    once = gained[(gained > 0).sum(axis=1) == 2]
    met = [
        tuple(np.flatnonzero(each).tolist())
        for each in once
        if np.isclose(each.sum(), start[each > 0].sum(), rtol=1e-3)
    ]
    pairs = [(i, j) for j in range(len(start)) for i in range(j)]
    return np.array([met.count(pair) for pair in pairs])


@pytest.mark.slow
def test_all_pairs_are_equally_likely():
    """Seven particles, one collision on average: who has met whom, over many solves. The first of a pair adds the place
    of the second to what it has, and the second that of the first."""
    start = 10.0 ** np.arange(7.0)
    exchange = kn.SimResNet(jnp.array([[0.0, 2e-6], [2e-6, 0.0]]), jnp.zeros(2), kn.Identity())
    law = kn.BinaryBoltzmann(exchange, rate=1 / 7)
    for final in (
        by_clocks(law, kn.Ensemble(start), KEYS)[:, 1],
        in_six_steps(law, kn.Ensemble(start), KEYS),
    ):
        counts = who_met((np.asarray(final) - start) * 1e6, start)
        assert counts.sum() > 1000
        assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.slow
def test_of_three_particles_each_collides_at_the_rate():
    """In steps one is left over, a third of the time: the pair must collide half as often again."""
    equation = kn.BinaryBoltzmann(BOTH_UP, rate=1.5)
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


@pytest.mark.slow
def test_all_collisions_together_are_a_poisson_process():
    """With 25 particles in two short spans, of which the last round is most: none is lost there, and none done twice."""
    equation = kn.BinaryBoltzmann(BOTH_UP, rate=0.5)
    start = kn.Ensemble(jnp.zeros(25))
    solve = jax.jit(jax.vmap(lambda key: kn.solve(equation, start, t1=1.0, saveat=[0.4, 1.0], key=key)))
    samples = np.asarray(solve(jax.random.split(jax.random.key(6), 20_000)).distributions.samples)
    total = samples.sum(axis=-1).astype(int) // 2
    assert p_value(total[:, 0], scipy.stats.poisson(2.5)) > 1e-3
    assert p_value(total[:, 1] - total[:, 0], scipy.stats.poisson(3.75)) > 1e-3


@pytest.mark.slow
def test_all_pairs_of_four_are_equally_likely():
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
        met = [tuple(np.flatnonzero(each).tolist()) for each in once if np.isclose(each.sum(), each[each > 0].sum())]
        counts = np.array([met.count(pair) for pair in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]])
        assert counts.sum() > 5000
        assert scipy.stats.chisquare(counts).pvalue > 1e-3
