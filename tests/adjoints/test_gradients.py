"""Derivatives through the finite-volume solve: three ways against each other, checkpoints, layers, float32, awkward
densities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.adjoints import loop

GRID = kn.Grid(-4.0, 4.0, 60)
START = kn.Density.gaussian(0.3, 0.7, GRID)
VALUES = np.asarray(START.values)
TARGET = kn.Density.gaussian(-0.2, 0.5, GRID).values


def mismatch(net, adjoint, start=START, walls=None, steps=40):
    solution = kn.solve(
        kn.MeanField(net, walls), start, t1=1.0, saveat=[0.4, 1.0], adjoint=adjoint, method=kn.FiniteVolume(steps=steps)
    )
    both = solution.distributions.values - TARGET[None, :]
    return 0.5 * jnp.sum(both**2) * GRID.width


NETS = {
    "constant": lambda p: kn.SimResNet(p[0], p[1], kn.Tanh()),
    "identity": lambda p: kn.SimResNet(p[0], p[1], kn.Identity()),
    "layers": lambda p: kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3, 0.55], p[:3]), p[3], kn.Sigmoid()),
    "interpolated": lambda p: kn.SimResNet(kn.Interpolated([0.0, 0.6, 1.0], p[:3]), p[3], kn.GrowingCosine()),
}
NETS["tanh in time"] = lambda p: kn.SimResNet(kn.Interpolated([0.0, 0.6, 1.0], p[:3]), p[3], kn.Tanh())
POINTS = {
    "tanh in time": [-1.0, 1.5, 0.7, 0.3],
    "constant": [-1.0, 0.3],
    "identity": [0.6, 0.3],
    "layers": [-1.0, 2.0, 0.7, 0.3],
    "interpolated": [-1.0, 1.5, 0.7, 0.3],
}


@functools.cache
def reverse(kind, walls):
    """Value and gradient for the parameters and the averages at the start, compiled once for all tests."""

    def loss(p, values):
        return mismatch(NETS[kind](p), kn.CheckpointAdjoint(), kn.Density(GRID, values), walls)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


# One case for the fast lane: weights that depend on time. For other fields see tests/methods/finite_volume.
SLOW = [
    pytest.param(kind, walls, marks=pytest.mark.slow)
    for kind in ("constant", "identity", "layers", "interpolated")
    for walls in (None, (-4.0, 4.0))
]


@pytest.mark.parametrize(("kind", "walls"), [("tanh in time", None), *SLOW])
def test_reverse_forward_and_differences_agree(kind, walls):
    point = np.array(POINTS[kind])
    loss = lambda p: mismatch(NETS[kind](p), kn.ForwardMode(), walls=walls)
    # The value comes with the tangents: one program for them and for the differences.
    forward = jax.jit(jax.jacfwd(lambda p: (loss(p),) * 2, has_aux=True))
    slope = reverse(kind, walls)(point, VALUES)[1][0]
    np.testing.assert_allclose(slope, forward(point)[0], rtol=1e-10, atol=1e-14)
    h = 1e-5
    central = [(forward(point + h * e)[1] - forward(point - h * e)[1]) / (2 * h) for e in np.eye(point.size)]
    np.testing.assert_allclose(slope, central, rtol=2e-4, atol=1e-7)


def test_the_remainder_of_taylor_is_of_second_order():
    loss = lambda p: reverse("tanh in time", None)(p, VALUES)
    # The same weight at all times, and a bias.
    point, direction = np.array([-1.0, -1.0, -1.0, 0.3]), np.array([0.8, 0.8, 0.8, 0.6])
    value, (slope, _) = jax.tree.map(np.asarray, loss(point))
    sizes = np.array([2e-2, 1e-2, 5e-3, 2.5e-3])
    remainders = [abs(loss(point + h * direction)[0] - value - h * slope @ direction) for h in sizes]
    assert abs(np.polyfit(np.log(sizes), np.log(remainders), 1)[0] - 2) < 0.05


def test_the_gradient_with_respect_to_the_initial_averages():
    loss = lambda values: reverse("tanh in time", None)(np.array([-1.0, -1.0, -1.0, 0.3]), values)
    # A direction without mass: the unit of the reconstruction is a constant for differentiation.
    direction = np.sin(np.linspace(-4.0 + 1 / 15, 4.0 - 1 / 15, 60)) * VALUES
    direction = direction - VALUES * np.sum(direction) / np.sum(VALUES)
    h = 1e-4
    central = (loss(VALUES + h * direction)[0] - loss(VALUES - h * direction)[0]) / (2 * h)
    np.testing.assert_allclose(np.vdot(loss(VALUES)[1][1], direction), central, rtol=1e-6)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_steps():
    def bytes_for(steps):
        gradient = jax.jit(jax.grad(lambda p: mismatch(NETS["constant"](p), kn.CheckpointAdjoint(), steps=steps)))
        memory = gradient.lower(jnp.array([-1.0, 0.3])).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    few, many = bytes_for(100), bytes_for(10_000)
    # 100 times the steps, 10 times the stored states.
    assert many < 12 * few
    assert bytes_for(2000) < 0.2e6 * GRID.cells / 100


AWKWARD = {
    "zero nearly everywhere": np.where(np.abs(np.arange(60) - 30) < 2, 1.0, 0.0),
    "one cell": np.where(np.arange(60) == 30, 1.0, 0.0),
    "first cell": np.where(np.arange(60) == 0, 1.0, 0.0),
    "flat": np.ones(60),
    "checkerboard": np.arange(60) % 2.0,
    "tiny next to huge": np.where(np.arange(60) == 30, 1.0, 1e-30),
}


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("density", AWKWARD)
def test_gradients_are_finite_on_awkward_densities(density, dtype):
    grid = kn.Grid(dtype(-4), dtype(4), 60)
    values = AWKWARD[density].astype(dtype)
    start = kn.Density(grid, values / dtype(values.sum() * 8 / 60))
    slope = _slope(start, dtype(-0.9), dtype(0.25))
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(slope))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(slope))


@jax.jit
def _slope(start, w, b):
    def loss(start, w, b):
        final = kn.solve(kn.MeanField(kn.SimResNet(w, b, kn.Tanh()), (-4.0, 4.0)), start, t1=1.0).final
        return jnp.sum(final.values**2) + final.variance + final.mean

    return jax.grad(loss, argnums=(0, 1, 2))(start, w, b)


def test_at_a_face_where_the_wind_turns_the_gradient_is_not_halved():
    """b = 0 puts the turning point exactly on a face."""
    h = 1e-6
    at = lambda b: reverse("tanh in time", None)(np.array([-1.0, -1.0, -1.0, b]), VALUES)
    (before, _), (value, (slope, _)), (after, _) = (at(b) for b in (-h, 0.0, h))
    left, right = (value - before) / h, (after - value) / h
    # The discrete loss has a kink there: its slope from one side is as good as that from the other.
    assert min(left, right) - 1e-5 < slope[3] < max(left, right) + 1e-5
    np.testing.assert_allclose(left, right, rtol=0.02)


@pytest.mark.parametrize("dimension", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_solve_is_reversed_by_its_transpose(monkeypatch, dimension):
    """And not by autodiff, with which a gradient takes many times as long."""
    monkeypatch.setattr(loop, "autodiff", None)
    if dimension == 1:
        start, of = START, lambda p: kn.SimResNet(p[0], p[1], kn.Tanh())
    else:
        start = kn.Density(kn.Grid((-2.0, -1.0), (2.0, 1.0), (7, 9)), np.ones((7, 9)))
        of = lambda p: kn.SimResNet(p[:4].reshape(2, 2), p[4:], kn.Tanh())
    mass = lambda p: kn.solve(kn.MeanField(of(p)), start, t1=0.1).final.mass
    assert jax.eval_shape(jax.grad(mass), jnp.ones(6)).shape == (6,)


def test_bad_input():
    with pytest.raises(ValueError, match="at least 2"):
        kn.CheckpointAdjoint(checkpoints=1)
    with pytest.raises(TypeError):
        kn.solve(kn.MeanField(NETS["constant"]([1.0, 0.0])), START, t1=1.0, adjoint="checkpoint")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.eval_shape(jax.grad(lambda p: mismatch(NETS["constant"](p), kn.ForwardMode())), jnp.array([-1.0, 0.3]))
