"""Collisions as a program: batches, precision, no time, limits, a bar."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.affine_diffusion import Affine, X
from tests.methods.collisions import cases, path_cases
from tests.methods.collisions.cases import CLOCKS, COMPROMISE, STEPS, binary, linear, solved
from tests.methods.collisions.path_cases import KEY, PAIRS, tanh_law


@pytest.mark.slow
def test_a_batch_is_its_members():
    """Members end after different numbers of rounds: rates from 0.5 to 20."""
    rates = np.array([0.5, 20.0, 3.0])
    solve = lambda rate: solved(linear(-0.7, 0.3, 0.3, 0.8, rate, X))
    batch = jax.vmap(solve)(rates)
    for i, rate in enumerate(rates):
        alone = solve(rate)
        np.testing.assert_allclose(batch.distributions.samples[i], alone.distributions.samples, rtol=1e-12, atol=1e-12)
        assert int(batch.stats["steps"][i]) == int(alone.stats["steps"])
        assert float(batch.stats["collisions"][i]) == pytest.approx(float(alone.stats["collisions"]), rel=1e-12)


@pytest.mark.slow
def test_a_batch_of_binary_interactions_is_its_members():
    rates, start = jnp.array([0.5, 20.0, 3.0]), path_cases.START
    solve = lambda rate: kn.solve(kn.BinaryBoltzmann(PAIRS, rate=rate), start, t1=1.0, key=KEY).final
    batch, alone = jax.vmap(solve)(rates), solve(0.5)
    assert jnp.allclose(batch.samples[0], alone.samples, rtol=1e-12, atol=1e-12)


def test_new_numbers_compile_nothing():
    traces, few = [], kn.Ensemble(np.linspace(-1.0, 1.0, 10))

    class Field(eqx.Module):
        weight: jax.Array

        def __call__(self, t, x):
            traces.append(x)
            return self.weight * x

    seen = None
    for w, epsilon, nu, rate, t1 in [(-1.0, 0.5, 0.1, 1.0, 1.0), (0.5, 0.1, 0.0, 4.0, 2.0)]:
        kn.solve(kn.Boltzmann(Field(jnp.array(w)), epsilon, nu, rate=rate), few, t1=t1, key=jax.random.key(3))
        seen = len(traces)
        traces.clear()
    assert seen == 0


def single():
    """Both laws by both methods."""
    start = kn.Ensemble(path_cases.START.samples.astype(jnp.float32))
    equation = kn.Boltzmann(kn.SimResNet(jnp.float32(-0.5), jnp.float32(0.1), kn.Tanh()), 0.1, 0.3, rate=10.0)
    for method in (kn.Collisions(), kn.Collisions(steps=100)):
        for law in (equation, kn.BinaryBoltzmann(PAIRS, rate=10.0)):
            law = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), law)
            yield lambda law=law, method=method: kn.solve(law, start, t1=5.0, key=KEY, method=method).final.samples


def test_float32_stays_float32():
    for solve in single():
        assert jax.eval_shape(solve).dtype == jnp.float32


@pytest.mark.slow
def test_float32_stays_finite():
    for solve in single():
        samples = solve()
        assert samples.dtype == jnp.float32 and jnp.isfinite(samples).all()


def test_without_noise_nothing_is_drawn_for_it():
    """nu = 0 and K = 0 are the same paths."""
    law = lambda nu, diffusion: linear(-0.7, 0.3, 0.3, nu, 1.0, diffusion)
    still, flat = solved(law(0.0, X)).final.samples, solved(law(0.8, Affine([0.0, 0.0]))).final.samples
    assert jnp.array_equal(still, flat)
    assert not jnp.array_equal(still, solved(law(0.8, X)).final.samples)


def test_no_time_is_no_collision():
    """Up to the first of two save times, at which the solve begins, and in all if they are the same."""
    for law in (linear(-0.7, 0.3, 0.3, 0.8), binary(COMPROMISE, np.zeros(2))):
        for method in (CLOCKS, STEPS):
            solution = solved(law, method=method, t0=1.0, saveat=(1.0, 1.25))
            assert jnp.array_equal(solution[0].samples, cases.START.samples)
            assert not jnp.array_equal(solution[1].samples, cases.START.samples)


@pytest.mark.slow
def test_a_solve_that_ends_where_it_begins_does_nothing():
    for equation in (tanh_law(), kn.BinaryBoltzmann(PAIRS)):
        for method in (kn.Collisions(), kn.Collisions(steps=3)):
            solution = kn.solve(equation, path_cases.START, t0=1.0, t1=1.0, key=KEY, method=method)
            assert jnp.array_equal(solution.final.samples, path_cases.START.samples)
            assert int(solution.stats["steps"]) == 0


def test_a_limit_on_rounds_and_the_bar(capsys):
    solve = lambda rate: kn.solve(
        tanh_law(rate=rate), path_cases.START, t1=1.0, key=KEY, max_steps=100, progress=True, throw=False
    )
    solution = solve(300.0)
    assert solution.result == kn.Result.max_steps_reached and int(solution.stats["steps"]) == 100
    assert "100%" not in capsys.readouterr().err
    enough = solve(50.0)
    assert enough.result == kn.Result.successful and 50 < int(enough.stats["steps"]) < 100
    assert "100%" in capsys.readouterr().err


@pytest.mark.slow
def test_a_limit_on_rounds():
    solution = kn.solve(tanh_law(rate=50.0), path_cases.START, t1=1.0, key=KEY, max_steps=10, throw=False)
    assert solution.result == kn.Result.max_steps_reached and int(solution.stats["steps"]) == 10
    enough = kn.solve(tanh_law(rate=50.0), path_cases.START, t1=1.0, key=KEY, max_steps=200)
    assert 50 < int(enough.stats["steps"]) < 200


@pytest.mark.slow
def test_progress_is_shown(capsys):
    kn.solve(tanh_law(rate=500.0), path_cases.START, t1=1.0, key=KEY, progress=True)
    assert "100%" in capsys.readouterr().err
