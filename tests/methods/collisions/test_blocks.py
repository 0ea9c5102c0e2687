"""Blocks of particles, devices, and kinds of keys."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import kinetic_nde as kn
from kinetic_nde.methods import blocks
from tests.methods.collisions.cases import BOTH_UP, counting, p_value, solved


@pytest.fixture
def small_blocks(monkeypatch):
    """Three of 1367, 1367 and 1365 particles."""
    monkeypatch.setattr(blocks, "_LARGEST", 1500)
    return kn.Ensemble(jnp.arange(4099.0))


def test_blocks_change_the_draws_and_nothing_else(small_blocks):
    """What stays in its place stays there, and a law does not notice."""
    solution = solved(counting(2.0), small_blocks, 5, saveat=(1.0, 2.0))
    added = np.asarray(solution.distributions.samples) - np.arange(4099.0)
    assert added.shape == (2, 4099) and np.array_equal(added, np.round(added)) and (np.diff(added, axis=0) >= 0).all()
    assert jnp.array_equal(solution.final.samples, solution[1].samples)
    assert p_value(added[1].astype(int), scipy.stats.poisson(4.0)) > 1e-3
    # No block repeats another.
    assert abs(np.corrcoef(added[1][:1366], added[1][1367:2733])[0, 1]) < 4 / 1366**0.5
    assert float(solution.stats["collisions"]) == pytest.approx(added[1].mean(), rel=1e-3)


@pytest.mark.slow
def test_a_gradient_through_blocks(small_blocks):
    @jax.grad
    def gradient(net):
        return kn.solve(kn.Boltzmann(net, 0.5), small_blocks, t1=1.0, key=jax.random.key(5)).final.mean

    found = gradient(kn.SimResNet(-0.1, 0.2, kn.Identity()))
    assert float(found.bias.value) == pytest.approx(0.5 * (1 - np.exp(-0.05)) / 0.05, rel=0.05)


SCRIPT = """
import sys
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import kinetic_nde as kn
from kinetic_nde.methods import blocks
assert len(jax.devices()) == int(sys.argv[1])
blocks._LARGEST = 700
start = kn.Ensemble(np.random.default_rng(0).normal(size=2003))
net = kn.SimResNet(-0.7, 0.3, kn.Tanh())
pairs = kn.SimResNet(jnp.array([[-0.5, 0.3], [0.2, -0.4]]), jnp.zeros(2), kn.Tanh())
out = []
for method in (kn.Collisions(), kn.Collisions(steps=8)):
    for equation in (kn.Boltzmann(net, 0.3, 0.8), kn.BinaryBoltzmann(pairs, 0.3)):
        solution = kn.solve(equation, start, t1=2.0, saveat=[1.0, 2.0], key=jax.random.key(3), method=method)
        out += [solution.distributions.samples, solution.final.samples, *solution.stats.values()]
even = kn.solve(kn.Boltzmann(net, 0.3, 0.8), kn.Ensemble(start.samples[:640]), t1=1.0, key=jax.random.key(3)).final.samples
assert len(even.sharding.device_set) == len(jax.devices()) and even.addressable_shards[0].data.shape == (640 // len(jax.devices()),)
np.savez(sys.argv[2], *[np.asarray(each) for each in [*out, even]])
"""


@pytest.mark.slow
def test_the_same_on_one_and_on_eight_devices(tmp_path):
    found = []
    for devices in (1, 8):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        file = tmp_path / f"{devices}.npz"
        command = [sys.executable, "-c", SCRIPT, str(devices), str(file)]
        environment = os.environ | {"XLA_FLAGS": flags}
        run = subprocess.run(command, env=environment, cwd=Path(kn.__file__).parents[1], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        with np.load(file) as arrays:
            found.append([arrays[name] for name in arrays.files])
    assert len(found[0]) == 17
    assert all(np.array_equal(one, eight) for one, eight in zip(*found, strict=True))


def test_keys_of_another_kind_are_made_into_the_usual_one():
    usual, old, other, next_one = (
        jax.random.key(0),
        jax.random.PRNGKey(0),
        *(jax.random.key(seed, impl="rbg") for seed in (0, 1)),
    )
    assert blocks.as_threefry(usual) is usual and blocks.as_threefry(old) is old
    made = [blocks.as_threefry(key) for key in (other, other, next_one)]
    assert all(str(jax.random.key_impl(key)) == "threefry2x32" for key in made)
    data = [np.asarray(jax.random.key_data(key)) for key in made]
    assert np.array_equal(data[0], data[1]) and not np.array_equal(data[0], data[2])


@pytest.mark.slow
def test_keys_of_another_kind_are_as_good():
    """Under vmap rbg draws by the place in a batch: who meets twice would do so less often than by chance."""
    equation = kn.BinaryBoltzmann(BOTH_UP, rate=1.5)
    start = kn.Ensemble(jnp.zeros(100))
    found = [
        kn.solve(equation, start, t1=2.0, key=jax.random.key(seed, impl="rbg")).final.samples for seed in range(200)
    ]
    assert p_value(np.concatenate(found).astype(int), scipy.stats.poisson(3.0)) > 1e-3
