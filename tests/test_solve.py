"""The entry: save times, transformations, recompilation, results, progress."""

import subprocess
import sys
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn

GRID = kn.Grid(-4.0, 4.0, 80)
START = kn.Density.gaussian(0.3, 0.7, GRID)
NET = kn.SimResNet(-1.0, 0.3, kn.Tanh())
EQUATION = kn.MeanField(NET)


def energy(w, b):
    return kn.solve(kn.MeanField(kn.SimResNet(w, b, kn.Tanh())), START, t1=1.0).final.energy


def test_save_times():
    solution = kn.solve(EQUATION, START, t0=0.5, t1=2.0, saveat=[0.5, 1.0, 1.7])
    assert len(solution) == 3 and solution.distributions.values.shape == (3, 80)
    assert solution.distributions.grid.lower.shape == (3,)
    np.testing.assert_allclose(solution[0].values, START.values, rtol=1e-14)
    np.testing.assert_allclose(
        jax.vmap(lambda density: density.mean)(solution.distributions), [solution[i].mean for i in range(3)]
    )
    assert float(solution.final.variance) < 0.9 * float(solution[-1].variance)
    with pytest.raises(IndexError):
        solution[3]
    alone = kn.solve(EQUATION, START, t1=1.5)
    np.testing.assert_array_equal(alone[0].values, alone.final.values)
    # Autonomous: shifted times change rounding only.
    np.testing.assert_allclose(alone.final.values, solution.final.values, atol=1e-4)


def test_no_time_at_all_changes_nothing():
    solution = kn.solve(EQUATION, START, t0=1.0, t1=1.0)
    np.testing.assert_allclose(solution.final.values, START.values, rtol=1e-14)
    assert int(solution.stats["steps"]) == 0


W, B = np.array([-1.0, 0.5, 2.0, 0.0]), np.array([0.3, -0.7, 0.1, 1.0])


def test_a_compiled_batch_of_gradients_gives_the_numbers_of_one_by_one_and_of_differences():
    h, one = 1e-5, np.ones(4)
    w, b = (
        np.concatenate([each + h * one * shift for shift in shifts])
        for each, shifts in ((W, (0, 1, -1, 0, 0)), (B, (0, 0, 0, 1, -1)))
    )
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(energy, argnums=(0, 1))))(w, b)
    np.testing.assert_allclose(values[:4], [energy(*pair) for pair in zip(W, B, strict=True)], rtol=1e-13)
    around = np.asarray(values).reshape(5, 4)
    central = np.stack([around[1] - around[2], around[3] - around[4]]) / (2 * h)
    np.testing.assert_allclose(np.stack(slopes)[:, :4], central, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_jit_vmap_and_grad_give_the_numbers_of_one_by_one():
    w, b = jnp.asarray(W), jnp.asarray(B)
    each = [jax.value_and_grad(energy, argnums=(0, 1))(*pair) for pair in zip(w, b, strict=True)]
    value = [one[0] for one in each]
    slope = np.array([one[1] for one in each])
    np.testing.assert_allclose([energy(*pair) for pair in zip(w, b, strict=True)], value, rtol=1e-13)
    np.testing.assert_allclose([jax.jit(energy)(*pair) for pair in zip(w, b, strict=True)], value, rtol=1e-13)
    np.testing.assert_allclose(jax.vmap(energy)(w, b), value, rtol=1e-13)
    np.testing.assert_allclose(jax.jit(jax.vmap(energy))(w, b), value, rtol=1e-13)
    together = jax.jit(jax.vmap(jax.value_and_grad(energy, argnums=(0, 1))))(w, b)
    np.testing.assert_allclose(together[0], value, rtol=1e-13)
    np.testing.assert_allclose(np.stack(together[1], axis=1), slope, rtol=1e-10, atol=1e-13)


def between_walls(w, throw=True):
    equation = kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity()), (-4.0, 4.0))
    return kn.solve(equation, START, t1=1.0, throw=throw)


def test_members_of_a_batch_take_their_own_number_of_steps():
    w = np.array([0.01, 1.0, 20.0])
    batch = jax.jit(jax.vmap(lambda w: between_walls(w)))(w)
    alone = [between_walls(x) for x in w]
    np.testing.assert_array_equal(batch.stats["steps"], [one.stats["steps"] for one in alone])
    np.testing.assert_allclose(
        batch.final.values, np.stack([one.final.values for one in alone]), rtol=1e-11, atol=1e-13
    )
    with pytest.raises(ValueError, match="batch of solutions"):
        batch[0]


def test_a_new_number_never_retraces():
    counted = []

    class Counting(eqx.Module):
        net: kn.SimResNet
        autonomous: bool = eqx.field(static=True, default=True)

        def __call__(self, t, x):
            counted.append(1)
            return self.net(t, x)

    def run(w, b, t1, bounds, cfl, wall):
        grid = kn.Grid(bounds[0], bounds[1], 60)
        equation = kn.MeanField(Counting(kn.SimResNet(w, b, kn.Tanh())), walls=(None, wall))
        kn.solve(equation, kn.Density.gaussian(0.0, 0.5, grid), t1=t1, method=kn.FiniteVolume(cfl=cfl))
        return len(counted)

    run(1.0, 0.0, 1.0, (-2.0, 2.0), 0.45, 2.0)
    calls = len(counted)
    assert calls > 0
    for arguments in ((2, 1, 2, (-3, 3), 0.3, 3), (jnp.array(0.5), np.float64(1), 0.5, (-2.0, 2.5), 0.45, 2.5)):
        assert run(*arguments) == calls


@pytest.mark.slow
def test_an_optimiser_step_never_retraces():
    traces = []

    @eqx.filter_jit
    def step(net, state):
        traces.append(1)
        value, slope = jax.value_and_grad(lambda net: kn.solve(kn.MeanField(net), START, t1=1.0).final.energy)(net)
        # Adam itself mixes integers and floats.
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimiser.update(slope, state)
        return eqx.apply_updates(net, updates), state, value

    optimiser = optax.adam(0.1)
    net: Any = NET
    state = optimiser.init(net)
    values = []
    for _ in range(5):
        net, state, value = step(net, state)
        values.append(float(value))
    assert len(traces) == 1
    assert values[-1] < values[0]


def test_mixed_float_types_take_jaxs_result_type():
    single = kn.Density.gaussian(np.float32(0.3), np.float32(0.7), kn.Grid(np.float32(-4), np.float32(4), 80))
    net = kn.SimResNet(np.float32(-1.0), np.float32(0.3), kn.Tanh())
    assert kn.solve(kn.MeanField(net, walls=(-4.0, 4.0)), single, t1=1.0).final.values.dtype == jnp.float32
    assert kn.solve(EQUATION, single, t1=1.0).final.values.dtype == jnp.float64
    assert kn.solve(kn.MeanField(net), START, t1=1.0).final.values.dtype == jnp.float64
    few = kn.Ensemble(np.array([1.0, 2.0], np.float32))
    moved = jax.eval_shape(lambda few: kn.solve(kn.MeanField(net), few, t1=1.0), few)
    assert moved.final.samples.dtype == jnp.float32


class Pendulum(eqx.Module):
    strength: float

    def __call__(self, t, x):
        return -self.strength * jnp.sin(x)


def energy_of_pendulum(strength, adjoint: Any = kn.CheckpointAdjoint()):
    method = kn.FiniteVolume(steps=30)
    return kn.solve(kn.MeanField(Pendulum(strength)), START, t1=1.0, method=method, adjoint=adjoint).final.energy


def test_any_module_is_a_field():
    both = jax.jit(lambda s: jax.jvp(lambda s: energy_of_pendulum(s, kn.ForwardMode()), (s,), (1.0,)))
    central = (both(0.8 + 1e-5)[0] - both(0.8 - 1e-5)[0]) / 2e-5
    np.testing.assert_allclose(both(0.8)[1], central, rtol=1e-6)
    particles = kn.solve(kn.MeanField(Pendulum(0.8)), kn.Ensemble([1.0]), t1=1.0).final.samples[0]
    np.testing.assert_allclose(np.tan(particles / 2), np.tan(0.5) * np.exp(-0.8), rtol=1e-7)


@pytest.mark.slow
def test_any_module_has_a_gradient_outside_of_jit():
    slope, mean = jax.grad(energy_of_pendulum)(0.8), energy_of_pendulum
    np.testing.assert_allclose(slope, (mean(0.8 + 1e-5) - mean(0.8 - 1e-5)) / 2e-5, rtol=1e-6)


def test_results_that_are_not_success():
    with pytest.raises(RuntimeError, match="max_steps was reached"):
        kn.solve(EQUATION, START, t1=10.0, max_steps=5)
    stopped = kn.solve(EQUATION, START, t1=10.0, max_steps=5, throw=False)
    assert stopped.result == kn.Result.max_steps_reached and int(stopped.stats["steps"]) == 5
    assert abs(float(stopped.final.mass) - 1) < 1e-6
    assert kn.solve(EQUATION, START, t1=0.01, max_steps=5).result == kn.Result.successful

    def broken(t, x):
        return x / (x - x)

    nan = kn.solve(kn.MeanField(broken), START, t1=1.0, throw=False)
    assert nan.result == kn.Result.not_finite
    with pytest.raises(RuntimeError, match="no longer finite"):
        kn.solve(kn.MeanField(broken), START, t1=1.0)
    assert between_walls(1e18, throw=False).result == kn.Result.stalled
    particles = kn.solve(EQUATION, kn.Ensemble([0.0, 1.0]), t1=10.0, max_steps=2, throw=False)
    assert particles.result == kn.Result.max_steps_reached


@pytest.mark.slow
def test_more_results():
    assert kn.solve(EQUATION, START, t1=1.0, max_steps=10_000).result == kn.Result.successful
    stalled = kn.solve(kn.MeanField(kn.SimResNet(1e18, 0.0, kn.Identity())), START, t1=1.0, throw=False)
    assert stalled.result == kn.Result.stalled


def test_values_that_are_wrong_but_traced_become_results():
    def result(t1, t0, wall, lowest):
        density = kn.Density(GRID, START.values.at[3].set(lowest))
        equation = kn.MeanField(NET, walls=(None, wall))
        return kn.solve(equation, density, t0=t0, t1=t1, saveat=jnp.array([0.2, 0.4]), throw=False).result

    right = {"t1": 1.0, "t0": 0.0, "wall": 4.0, "lowest": 0.0}
    wrong = [
        ({}, kn.Result.successful),
        ({"t1": -1.0}, kn.Result.bad_times),
        ({"t0": 0.3}, kn.Result.bad_times),
        ({"wall": 3.9}, kn.Result.bad_walls),
        ({"lowest": -1.0}, kn.Result.bad_initial),
    ]
    rows = np.array([list((right | change).values()) for change, _ in wrong])
    results = jax.jit(jax.vmap(result))(*rows.T)
    for number, (_, expected) in enumerate(wrong):
        assert bool((results == expected)[number])
    with pytest.raises(Exception, match="not at the ends of the grid"):
        jax.jit(lambda wall: kn.solve(kn.MeanField(NET, (None, wall)), START, t1=1.0).final.mean)(
            3.0
        ).block_until_ready()


@pytest.mark.slow
def test_float32_warns_once():
    code = """
import kinetic_nde as kn
start = kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 10))
for _ in range(2):
    kn.solve(kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Tanh())), start, t1=1.0)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.count("float64 is off") == 1


@pytest.fixture
def without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("without_warnings")
def test_progress_bar(capsys):
    kn.solve(EQUATION, START, t1=30.0, progress=True)
    assert "100%" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("without_warnings")
def test_progress_bar_of_batches_and_of_particles(capsys):
    jax.vmap(lambda w: kn.solve(kn.MeanField(kn.SimResNet(w, 0.0, kn.Tanh())), START, t1=30.0, progress=True))(
        jnp.array([1.0, 2.0])
    )
    kn.solve(EQUATION, kn.Ensemble([0.0, 1.0]), t1=1.0, progress=True)
    assert "100%" in capsys.readouterr().err
