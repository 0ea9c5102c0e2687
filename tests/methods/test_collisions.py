"""Monte Carlo for the linear Boltzmann equation: its law, its moments, its clocks."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import kinetic_nde as kn
from kinetic_nde.methods import blocks

MILLION = 10**6
RANDOM = np.random.default_rng(8)
STARTS = kn.Ensemble(1.0 + RANDOM.normal(size=MILLION))
FEW = kn.Ensemble(RANDOM.normal(size=4096))


def exact(equation, start, ts, linear):
    """m_1 and m_2 of an identity network at times ts, for K = 1 or K = x: mathematics of section 5 in the first case,
    in the second with eps nu^2 m_2 in place of eps nu^2."""
    eps, nu, rate = (float(each) for each in (equation.epsilon, equation.nu, equation.rate))

    def slope(t, m):
        w, b = float(equation.field.weight(t)), float(equation.field.bias(t))
        squares = w * w * m[1] + 2 * w * b * m[0] + b * b
        noise = nu**2 * (m[1] if linear else 1.0)
        return rate * np.array([eps * (w * m[0] + b), eps**2 * squares + 2 * eps * (w * m[1] + b * m[0]) + eps * noise])

    first = [float(start.mean), float(start.moment(2))]
    return solve_ivp(slope, (0, ts[-1]), first, t_eval=ts, rtol=1e-10, atol=1e-12, max_step=0.05).y


def standard_errors(ensemble, m1, m2):
    """How many standard errors the first two moments are from m1 and m2."""
    x = np.asarray(ensemble.samples)
    return (x.mean() - m1) / (x.std() / len(x) ** 0.5), (np.mean(x**2) - m2) / (np.std(x**2) / len(x) ** 0.5)


@pytest.mark.parametrize(("epsilon", "linear"), [(1.0, False), (0.1, False), (0.01, False), (0.1, True)])
def test_moments_of_the_linear_rule(epsilon, linear):
    """Within four standard errors at a million particles, in five random cases each."""
    largest = 0.0
    for case in range(5):
        random = np.random.default_rng(100 * case + int(100 * epsilon) + linear)
        w, b, nu, rate = random.uniform([-1.0, -1.0, 0.1, 0.5], [0.3, 1.0, 0.5, 2.0])
        equation = kn.Boltzmann(
            kn.SimResNet(w, b, kn.Identity()),
            epsilon,
            nu,
            kn.LinearDiffusion() if linear else kn.ConstantDiffusion(),
            rate,
            kn.UniformNoise() if linear else kn.NormalNoise(),
        )
        final = kn.solve(equation, STARTS, t1=1.0, key=jax.random.key(case)).final
        (m1,), (m2,) = exact(equation, STARTS, [1.0], linear)
        largest = max(largest, *np.abs(standard_errors(final, m1, m2)))
    print(f"eps = {epsilon}: largest error {largest:.2f} standard errors (target 4)")
    assert largest < 4


@pytest.mark.parametrize(
    "weight",
    [
        kn.PiecewiseConstant([0.0, 0.3, 0.7], [-2.0, 1.0, -0.5]),
        kn.Interpolated([0.0, 0.5, 1.0], [-2.0, 1.0, -1.0]),
    ],
)
def test_layers_and_functions_of_time(weight):
    equation = kn.Boltzmann(kn.SimResNet(weight, 0.5, kn.Identity()), 0.2, 0.4, rate=5.0)
    start = kn.Ensemble(STARTS.samples[:100_000])
    solution = kn.solve(equation, start, t1=1.0, saveat=[0.2, 0.6, 1.0], key=jax.random.key(1))
    m1, m2 = exact(equation, start, [0.2, 0.6, 1.0], False)
    for i in range(3):
        assert np.max(np.abs(standard_errors(solution[i], m1[i], m2[i]))) < 4
    assert jnp.array_equal(solution[2].samples, solution.final.samples)


def counting(rate):
    """Collisions that add 1 to x."""
    return kn.Boltzmann(kn.SimResNet(0.0, 1.0, kn.Identity()), rate=rate)


def p_value(counts, law):
    """Of a chi-square test of integers, with those that are rare put together."""
    numbers = np.arange(30)
    both = np.array([np.bincount(counts, minlength=30)[:30], law.pmf(numbers) * len(counts)])
    kept = both[:, both[1] > 10]
    rest = len(counts) - kept.sum(axis=1)
    return scipy.stats.chisquare(*(np.c_[kept, rest] if rest[1] > 1e-6 else kept)).pvalue


def test_collisions_of_a_particle_are_a_poisson_process():
    start = kn.Ensemble(jnp.zeros(MILLION))
    solution = kn.solve(counting(2.5), start, t1=2.0, saveat=[0.7, 2.0], key=jax.random.key(2))
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
    start = kn.Ensemble(jnp.zeros(MILLION))
    final = kn.solve(counting(2.5), start, t1=2.0, method=kn.Collisions(steps=8), key=jax.random.key(2)).final
    assert p_value(np.asarray(final.samples).astype(int), scipy.stats.binom(8, 5 / 8)) > 1e-3


def test_nanbu_is_of_first_order():
    """Errors of the mean under eps rate w = -1.5 to t = 1, where chance is 100 times smaller."""
    equation = kn.Boltzmann(kn.SimResNet(-1.5, 0.5, kn.Identity()), nu=0.5)
    (m1,), _ = exact(equation, STARTS, [1.0], False)
    counts, errors = [3, 6, 12], []
    for steps in counts:
        final = kn.solve(equation, STARTS, t1=1.0, method=kn.Collisions(steps=steps), key=jax.random.key(steps)).final
        # The scheme's own moments, exactly.
        n1, n2 = float(STARTS.mean), float(STARTS.moment(2))
        for _ in range(steps):
            jump = -1.5 * n1 + 0.5, 2.25 * n2 - 1.5 * n1 + 0.25 + 2 * (-1.5 * n2 + 0.5 * n1) + 0.25
            n1, n2 = n1 + jump[0] / steps, n2 + jump[1] / steps
        assert np.max(np.abs(standard_errors(final, n1, n2))) < 4
        errors.append(abs(float(final.mean) - m1))
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    print(f"order of Nanbu's scheme in its step: {order:.2f} (target 1)")
    assert 0.85 < order < 1.25


def test_where_all_collide_it_is_a_residual_network():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, -2.0]), 0.3, kn.Tanh())
    equation = kn.Boltzmann(net, epsilon=0.05, rate=20.0)
    final = kn.solve(equation, FEW, t1=1.0, method=kn.Collisions(steps=10), key=jax.random.key(0)).final
    layers = kn.solve(kn.MeanField(net), FEW, t1=1.0, method=kn.Layers(20)).final
    assert jnp.max(jnp.abs(final.samples - layers.samples)) < 1e-13


def test_in_three_dimensions():
    """Mean and covariance against the matrix exponential: with x* = A x + c + noise they are linear."""
    weight = jnp.array([[-0.5, 0.8, 0.0], [-0.3, -0.2, 0.1], [0.0, 0.4, -0.6]])
    bias, eps, nu, rate = jnp.array([0.2, -0.1, 0.4]), 0.5, 0.6, 1.5
    start = kn.Ensemble(RANDOM.normal(size=(200_000, 3)) @ np.diag([1.0, 0.5, 2.0]) + 1.0)
    equation = kn.Boltzmann(kn.SimResNet(weight, bias, kn.Identity()), eps, nu, rate=rate)
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
    net = kn.SimResNet(-0.8, 0.3, kn.Tanh())

    def solve(field, samples, **numbers):
        return kn.solve(kn.Boltzmann(field, 0.5, **numbers), kn.Ensemble(samples), t1=2.0, key=jax.random.key(3)).final

    scaled = lambda t, x: 10.0 * net(t, x / 10.0)
    paths = solve(net, FEW.samples, nu=0.4).samples
    assert jnp.allclose(solve(scaled, 10.0 * FEW.samples, nu=4.0).samples, 10.0 * paths, rtol=1e-12, atol=1e-12)
    mirrored = kn.SimResNet(-0.8, -0.3, kn.Tanh())
    still = solve(net, FEW.samples, nu=0.0).samples
    assert jnp.array_equal(solve(mirrored, -FEW.samples, nu=0.0).samples, -still)


def test_blocks_change_the_draws_and_nothing_else(monkeypatch):
    """What stays in its place stays there, and a law does not notice."""
    monkeypatch.setattr(blocks, "_LARGEST", 1500)
    start = kn.Ensemble(jnp.arange(4099.0))
    times = {"t1": 2.0, "saveat": [1.0, 1.5, 2.0], "key": jax.random.key(5)}
    solution = kn.solve(counting(2.0), start, **times)
    added = np.asarray(solution.distributions.samples) - np.arange(4099.0)
    assert added.shape == (3, 4099) and np.array_equal(added, np.round(added)) and (np.diff(added, axis=0) >= 0).all()
    assert jnp.array_equal(solution.final.samples, solution[2].samples)
    assert p_value(added[2].astype(int), scipy.stats.poisson(4.0)) > 1e-3
    # No block repeats another.
    assert abs(np.corrcoef(added[2][:1366], added[2][1367:2733])[0, 1]) < 4 / 1366**0.5
    gradient = jax.grad(lambda net: kn.solve(kn.Boltzmann(net, 0.5), start, t1=1.0, key=jax.random.key(5)).final.mean)
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
