"""The transpose of a solve that is written out, against JAX's own derivative of the same scheme in forward mode."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.finite_volume.any_activation import ACTIVATIONS, TANH, AnyActivation

CELLS = 30
DATA = {
    "rough": lambda rng: rng.uniform(0.0, 1.0, CELLS),
    "constant": lambda rng: np.ones(CELLS),
    "spikes and voids": lambda rng: np.where(rng.uniform(size=CELLS) < 0.3, rng.uniform(size=CELLS), 0.0),
    "smooth": lambda rng: 1.0 + np.sin(np.linspace(0, 6, CELLS) + rng.uniform()),
}


class Bent(eqx.Module):
    """A diffusion that is neither constant nor a polynomial."""

    p: jax.Array

    def __call__(self, x):
        return 0.3 + 0.1 * jnp.sin(self.p * x)


def layers(p):
    return kn.SimResNet(kn.PiecewiseConstant([0.0, 0.2], p[:2]), p[2], kn.Tanh())


def interpolated(p, activation):
    return kn.SimResNet(kn.Interpolated([0.0, 0.5], p[:2]), p[2], activation)


# Of three parameters and of the number of an activation, which most leave alone.
LAWS = {
    "any activation": lambda p, which: kn.MeanField(AnyActivation(which, p[0], p[1])),
    "layers": lambda p, which: kn.MeanField(layers(p), (-2.0, 2.0)),
    "interpolated": lambda p, which: kn.MeanField(interpolated(p, kn.GrowingCosine())),
    "noise": lambda p, which: kn.FokkerPlanck(
        kn.SimResNet(p[0], p[2], kn.Tanh()), 0.5 + 0.1 * p[0] ** 2, Bent(p[1]), (-2.0, None)
    ),
    "noise in time": lambda p, which: kn.FokkerPlanck(
        interpolated(p, kn.Tanh()), 0.5 + 0.1 * p[0] ** 2, Bent(p[1]), (-2.0, None)
    ),
}


def final(name, adjoint, method, p, averages, weights, t1, which):
    """What is random in all of the final averages, as a function of the parameters and the averages at the start."""
    # The bounds of the grid, too, move the wind.
    dtype = averages.dtype
    grid = kn.Grid(jnp.asarray(-2.0, dtype), jnp.asarray(2.0, dtype), CELLS)
    solution = kn.solve(LAWS[name](p, which), kn.Density(grid, averages), t1=t1, adjoint=adjoint, method=method)
    return jnp.sum(weights * solution.final.values) + solution.stats["mass_lost"]


@functools.cache
def slopes(name, steps=None, positivity=True, checkpoints=3):
    """Its gradients by the transpose and in forward mode."""
    method = kn.FiniteVolume(positivity=positivity, steps=steps)
    written = functools.partial(final, name, kn.CheckpointAdjoint(checkpoints), method)
    expected = functools.partial(final, name, kn.ForwardMode(), method)
    return jax.jit(jax.grad(written, argnums=(0, 1))), jax.jit(jax.jacfwd(expected, argnums=(0, 1)))


def inputs(seed, values, t1=0.4, number=TANH, dtype: type = np.float64):
    """A random point, w from -4 to 4."""
    rng = np.random.default_rng(seed)
    floats = 1.5 * rng.normal(size=3), values(rng), rng.normal(size=CELLS), np.array(t1)
    return *(each.astype(dtype) for each in floats), np.array(number)


def compare(both, given, tolerance=1e-12):
    written, expected = (each(*given) for each in both)
    for one, other in zip(written, expected, strict=True):
        assert np.all(np.isfinite(one))
        # Of the size of averages and weights at least: a gradient that is zero but for rounding is not compared with itself.
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(np.max(np.abs(other)), 0.1))


# Few: at Courant numbers above 1/2 cells are emptied through both faces, and what they share between them counts.
FEW = 5


@pytest.mark.parametrize(("number", "t1"), [*((number, 0.1) for number in range(len(ACTIVATIONS))), (TANH, 1.5)])
def test_it_is_what_forward_mode_computes_with_fixed_steps(number, t1):
    for values in DATA.values():
        for seed in range(6):
            compare(slopes("any activation", FEW), inputs(seed, values, t1, number))


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_it_is_what_forward_mode_computes(name):
    steps, t1 = (4, 0.1) if name == "noise in time" else (None, 0.4)
    for number in range(len(ACTIVATIONS)) if name == "any activation" else [TANH]:
        for values in DATA.values():
            for seed in range(6):
                compare(slopes(name, steps), inputs(seed, values, t1, number))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["any activation", "layers"])
def test_in_single_precision(name):
    for values in DATA.values():
        compare(slopes(name), inputs(0, values, dtype=np.float32), 2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("positivity", [True, False], ids=["clipped at every step", "not clipped"])
def test_long_steps_with_the_default_number_of_checkpoints(positivity):
    both = slopes("any activation", 3, positivity, None)
    for values in DATA.values():
        for seed in range(6):
            compare(both, inputs(seed, values, 1.5))


@pytest.mark.slow
def test_where_the_wind_turns_at_a_face_with_noise():
    """With w = -0.375, b = 0.3 it does at x = 0.8, the face of a cell but for rounding, at the second step."""
    for values in DATA.values():
        _, *others = inputs(0, values, 0.5)
        compare(slopes("noise in time", 4), (np.array([-1.0, 1.5, 0.3]), *others))


@pytest.mark.slow
def test_where_the_wind_turns_at_a_face():
    grid = kn.Grid(-4.0, 4.0, 60)

    def loss(p, adjoint):
        equation = kn.MeanField(kn.SimResNet(kn.Interpolated([0.0, 1.0], p[:2]), p[2], kn.Tanh()))
        start = kn.Density.gaussian(0.3, 0.7, grid)
        return kn.solve(equation, start, t1=1.0, adjoint=adjoint, method=kn.FiniteVolume(steps=4)).final.energy

    point = np.array([-1.0, 1.5, 0.3])
    found = jax.jit(jax.grad(lambda p: loss(p, kn.CheckpointAdjoint())))(point)
    expected = jax.jit(jax.jacfwd(lambda p: loss(p, kn.ForwardMode())))(point)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.slow
def test_batches_and_second_derivatives():
    """Forward mode through the sweep back, against differences, and a batch against one at a time."""
    slope = slopes("any activation", FEW)[0]
    averages, weights = DATA["smooth"](np.random.default_rng(0)), np.random.default_rng(1).normal(size=CELLS)
    of_p = lambda p: slope(p, averages, weights, np.array(0.3), np.array(TANH))[0]
    points = np.random.default_rng(2).normal(size=(4, 3))
    batch, hessians = jax.jit(jax.vmap(lambda p: (of_p(p), jax.jacfwd(of_p)(p))))(points)
    np.testing.assert_allclose(batch, [of_p(p) for p in points], rtol=1e-11)
    h = 1e-5
    for p, hessian in zip(points, hessians, strict=True):
        central = [(of_p(p + h * along) - of_p(p - h * along)) / (2 * h) for along in np.eye(3)]
        np.testing.assert_allclose(hessian, central, rtol=1e-5, atol=1e-7)
