"""Particles with noise: keys, batches, save times, and how many steps there are."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.methods import stochastic
from kinetic_nde.methods.method import Times
from tests.methods.stochastic.cases import KEY, equation, moved


def test_keys():
    law, start = equation(-1.0, 0.3, 0.8), np.linspace(-1, 1, 50)
    one, again = (moved(law, start, 10).final.samples for _ in range(2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, moved(law, start, 10, jax.random.PRNGKey(0)).final.samples)
    keys = jax.random.split(KEY, 3)
    batch = jax.vmap(lambda key: moved(law, start, 10, key).final.samples)(keys)
    each = np.stack([moved(law, start, 10, key).final.samples for key in keys])
    np.testing.assert_allclose(batch, each, rtol=1e-14)
    noise = np.concatenate([[one], each]) - np.asarray(moved(equation(-1.0, 0.3, 0.0), start, 10).final.samples)
    assert np.max(np.abs(np.corrcoef(noise) - np.eye(4))) < 0.5
    with pytest.raises(ValueError, match=r"on an Ensemble is random: give key=jax.random.key\(0\)"):
        kn.solve(law, kn.Ensemble(start), t1=1.0)
    for wrong in (0, keys, "key"):
        for either in (law, kn.MeanField(law.net)):
            with pytest.raises(TypeError, match="key"):
                kn.solve(either, kn.Ensemble(start), t1=1.0, key=wrong)  # pyright: ignore[reportArgumentType]
    # What is not random leaves a key alone.
    still = functools.partial(kn.solve, kn.MeanField(law.net), kn.Ensemble(start), t1=1.0, method=kn.Layers(10))
    np.testing.assert_array_equal(still(key=KEY).final.samples, still().final.samples)


def test_members_of_a_batch_take_their_own_number_of_steps():
    """Steep and calm fields in one vmap."""

    def run(w):
        solution = kn.solve(equation(w, 0.3, 0.5), kn.Ensemble([0.5, 1.0, 2.0]), t1=1.0, key=KEY)
        return solution.final.samples, solution.stats["steps"]

    w = np.array([-1.0, -13.7, -22.0])
    samples, steps = jax.vmap(run)(w)
    np.testing.assert_array_equal(steps, [1000, 1370, 2200])
    np.testing.assert_allclose(samples, np.stack([run(each)[0] for each in w]), rtol=1e-12)


def test_save_times_are_on_the_path():
    """Steps have the noise of their number in the whole solve: five and five of them are ten, to the last digits."""
    law, start = equation(-1.0, 0.3, 0.8), np.linspace(-1, 1, 50)
    once, twice = moved(law, start, 10), moved(law, start, 5, saveat=[0.5, 1.0])
    np.testing.assert_allclose(twice.final.samples, once.final.samples, rtol=1e-13)
    np.testing.assert_array_equal(twice[1].samples, twice.final.samples)
    by_default = kn.solve(law, kn.Ensemble(start), t1=1.0, saveat=[0.0, 0.25, 0.4, 1.0], key=KEY)
    assert int(by_default.stats["steps"]) == 1000
    np.testing.assert_array_equal(by_default[0].samples, start)


def test_how_many_steps_there_are_by_default():
    def steps(w, t1=1.0):
        return int(kn.solve(equation(w, 0.0, 1.0), kn.Ensemble([0.0, 1.0, 2.0]), t1=t1, key=KEY).stats["steps"])

    assert steps(-1.0) == 1000
    assert steps(-1e3, t1=1e-3) == 1000
    # Never longer than 0.01 / |w|, however the whole is cut.
    assert steps(-20.0) == 2000
    assert steps(kn.PiecewiseConstant([0.0, 0.5], [-20.0, -60.0])) == 4000
    # Never shorter than a 100,000th of the whole.
    zero, quarter, one = (jnp.asarray(t) for t in (0.0, 0.25, 1.0))
    law = kn.FokkerPlanck(kn.SimResNet(-1e9, 0.0, kn.Identity()), 1.0)
    enough = eqx.filter_jit(stochastic.enough_steps)
    assert enough(law, jnp.zeros(3), zero, quarter, Times(zero, one, None)) == 25_000


def test_the_largest_slope():
    start = jnp.linspace(-1.0, 2.0, 3500)
    compiled = eqx.filter_jit(stochastic.largest_slope)
    slope = lambda field, x=start: float(compiled(kn.FokkerPlanck(field, 1.0), jnp.asarray(0.0), x))
    assert abs(slope(kn.SimResNet(3.0, 0.0, kn.Tanh())) - 3) < 1e-4
    # At 0 the slope of a root is infinite, and does not count.
    assert abs(slope(lambda t, x: jnp.sqrt(x), jnp.array([0.0, 0.25, 1.0])) - 1) < 1e-12
    assert slope(kn.SimResNet([[1.0, -2.0], [0.5, 0.0]], 0.0, kn.Identity()), jnp.ones((5, 2))) == 3.0
    many = jnp.ones((3, 1200))
    assert slope(lambda t, x: 2 * x, many) == 2.0


def test_a_new_number_never_retraces():
    traced = []

    class Counting(eqx.Module):
        slope: jax.Array = eqx.field(converter=jnp.asarray)

        def __call__(self, x):
            traced.append(1)
            return self.slope * x

    def run(w, nu, slope, t1, seed):
        moved(equation(w, 0.0, nu, Counting(slope)), [0.5, 1.0], 6, jax.random.key(seed), t1=t1)
        return len(traced)

    first = run(-1.0, 0.5, 1.0, 1.0, 0)
    assert first > 0
    assert run(2.0, 0.0, 0.3, 2.0, 7) == first


def test_the_progress_bar(capfd):
    kn.solve(equation(-1.0, 0.0, 0.5), kn.Ensemble([0.5, 1.0]), t1=1.0, key=KEY, progress=True)
    assert "100%" in capfd.readouterr().err
