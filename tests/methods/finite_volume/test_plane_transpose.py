"""The transpose of whole solves in two dimensions, against JAX's own derivative of the same scheme. Single stages:
test_stages.py."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

pytestmark = pytest.mark.slow

SHAPE = (7, 9)
DATA = {
    "rough": lambda rng: rng.uniform(0.0, 1.0, SHAPE),
    "constant": lambda rng: np.ones(SHAPE),
    "spikes and voids": lambda rng: np.where(rng.uniform(size=SHAPE) < 0.3, rng.uniform(size=SHAPE), 0.0),
}


class Bent(eqx.Module):
    """Noise that is no polynomial, another one along each axis."""

    p: jax.Array

    def __call__(self, x):
        return 0.3 + 0.1 * jnp.sin(self.p[:2] * x)


def law(noisy, p):
    """Open along x at the upper end, walls elsewhere. `p` are the six numbers of w and b; with noise, w depends on time."""
    walls = ((-2.0, None), (-1.0, 1.0))
    weight, bias = p[:4].reshape(2, 2), p[4:]
    if not noisy:
        return kn.MeanField(kn.SimResNet(weight, bias, kn.Tanh()), walls)
    net = kn.SimResNet(kn.Interpolated([0.0, 0.5], jnp.stack([weight, -weight.T])), bias, kn.Tanh())
    return kn.FokkerPlanck(net, 0.5 + 0.1 * p[0] ** 2, Bent(p), walls)


def loss(adjoint, noisy, steps, p, averages, weights, t1):
    """What is random in all of the final averages, as a function of the parameters and the averages at the start."""
    # The bounds of the grid, too, move the wind.
    low, high = jnp.array([-2.0, -1.0], averages.dtype), jnp.array([2.0, 1.0], averages.dtype)
    start = kn.Density(kn.Grid(low, high, SHAPE), averages)
    method = kn.FiniteVolume(steps=steps)
    solution = kn.solve(law(noisy, p), start, t1=t1, adjoint=adjoint, method=method)
    return jnp.sum(weights * solution.final.values) + solution.stats["mass_lost"]


@functools.cache
def slopes(noisy, steps):
    """Its gradient by the transpose, and its derivative along a direction by forward mode."""

    def along(p, averages, weights, t1, direction):
        value = lambda p, averages: loss(kn.ForwardMode(), noisy, steps, p, averages, weights, t1)
        return jax.jvp(value, (p, averages), direction)[1]

    written = functools.partial(loss, kn.CheckpointAdjoint(checkpoints=3), noisy, steps)
    return jax.jit(jax.grad(written, argnums=(0, 1))), jax.jit(along)


def compare(both, seed, values, t1):
    """At a random point, along three random directions for the parameters and as many for the averages."""
    rng = np.random.default_rng(seed)
    inputs = [np.asarray(each) for each in (1.5 * rng.normal(size=6), values(rng), rng.normal(size=SHAPE), t1)]
    written, expected = both
    found = written(*inputs)
    for number in range(6):
        direction = [(number % 2 == k) * rng.normal(size=each.shape) for k, each in enumerate(found)]
        slope = sum(np.sum(each * one) for each, one in zip(found, direction, strict=True))
        # Of the size of averages and weights at least: a gradient that is zero but for rounding is not compared with itself.
        size = max(sum(np.sum(np.abs(each * one)) for each, one in zip(found, direction, strict=True)), 0.1)
        assert abs(slope - expected(*inputs, tuple(direction))) < 1e-12 * size


@pytest.mark.parametrize("t1", [0.1, 1.5], ids=["short steps", "long steps"])
def test_it_is_what_forward_mode_computes(t1):
    """Three long steps have Courant numbers above 1/2: cells are emptied on all sides, and what they share counts."""
    for values in DATA.values():
        for seed in range(6):
            compare(slopes(False, 3), seed, values, t1)


def test_a_batch_in_single_precision():
    """Against one problem at a time in double precision, where no cell is empty; never NaN where some are."""
    slope = slopes(False, 3)[0]
    one: Any = slope
    batch = jax.jit(jax.vmap(one.__wrapped__, (0, None, None, None)))
    for name, values in DATA.items():
        rng = np.random.default_rng(5)
        averages, weights = values(rng) + (name == "rough"), rng.normal(size=SHAPE)
        points = 0.7 * rng.normal(size=(3, 6))
        found = batch(*(np.float32(each) for each in (points, averages, weights, 0.1)))
        assert all(np.all(np.isfinite(each)) for each in found)
        if name != "spikes and voids":
            expected = [slope(p, averages, weights, 0.1) for p in points]
            for one, other in zip(found, map(np.stack, zip(*expected, strict=True)), strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.max(np.abs(other)))


def test_it_is_what_forward_mode_computes_with_noise_and_a_field_that_depends_on_time():
    for values in DATA.values():
        for seed in range(4):
            compare(slopes(True, 4), seed, values, 0.1)
