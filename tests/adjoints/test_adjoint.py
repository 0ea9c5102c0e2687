"""Derivatives through the finite-volume solve: three ways against each other, checkpoints, layers, float32, awkward
densities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.adjoints.loop import TimeLoop, run, run_checkpointed

GRID = kn.Grid(-4.0, 4.0, 60)
START = kn.Density.gaussian(0.3, 0.7, GRID)
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
POINTS = {
    "constant": [-1.0, 0.3],
    "identity": [0.6, 0.3],
    "layers": [-1.0, 2.0, 0.7, 0.3],
    "interpolated": [-1.0, 1.5, 0.7, 0.3],
}


@functools.cache
def reverse(kind, walls=None):
    """Value and gradient, compiled once for all tests."""
    return jax.jit(jax.value_and_grad(lambda p: mismatch(NETS[kind](p), kn.CheckpointAdjoint(), walls=walls)))


@pytest.mark.parametrize("walls", [None, (-4.0, 4.0)], ids=["open", "walled"])
@pytest.mark.parametrize("kind", NETS)
def test_reverse_forward_and_differences_agree(kind, walls):
    point = np.array(POINTS[kind])
    loss = lambda p: mismatch(NETS[kind](p), kn.ForwardMode(), walls=walls)
    # The value comes with the tangents: one program for them and for the differences.
    forward = jax.jit(jax.jacfwd(lambda p: (loss(p),) * 2, has_aux=True))
    slope = reverse(kind, walls)(point)[1]
    np.testing.assert_allclose(slope, forward(point)[0], rtol=1e-10, atol=1e-14)
    h = 1e-5
    central = [(forward(point + h * e)[1] - forward(point - h * e)[1]) / (2 * h) for e in np.eye(point.size)]
    np.testing.assert_allclose(slope, central, rtol=2e-4, atol=1e-7)


def test_the_remainder_of_taylor_is_of_second_order():
    point, direction = np.array([-1.0, 0.3]), np.array([0.8, 0.6])
    value, slope = map(np.asarray, reverse("constant")(point))
    sizes = np.array([2e-2, 1e-2, 5e-3, 2.5e-3])
    remainders = [abs(reverse("constant")(point + h * direction)[0] - value - h * slope @ direction) for h in sizes]
    assert abs(np.polyfit(np.log(sizes), np.log(remainders), 1)[0] - 2) < 0.05


def test_the_gradient_with_respect_to_the_initial_averages():
    net, start = NETS["constant"]([-1.0, 0.3]), np.asarray(START.values)

    @jax.jit
    @jax.value_and_grad
    def loss(values):
        return mismatch(net, kn.CheckpointAdjoint(), start=kn.Density(GRID, values))

    # A direction without mass: the unit of the reconstruction is a constant for differentiation.
    direction = np.sin(GRID.centers) * start
    direction = direction - start * np.sum(direction) / np.sum(start)
    h = 1e-4
    central = (loss(start + h * direction)[0] - loss(start - h * direction)[0]) / (2 * h)
    np.testing.assert_allclose(np.vdot(loss(start)[1], direction), central, rtol=1e-6)


MOST_ROUNDS = 2200
POINT = (jnp.array(1.3), jnp.array(0.2), jnp.array([0.4, -0.9, 1.1]))


def sines(args, k, clock, x):
    """x <- sin(a x) + b / (k + 1)."""
    a, b, _ = args
    return clock + 1, jnp.sin(a * x) + b / (1 + k.astype(x.dtype))


@jax.jit
def unrolled(rounds):
    """Autodiff of the same loop with all states stored."""

    def last(a, b, x):
        def body(x, k):
            return jnp.where(k < rounds, sines((a, b, 0), k, 0, x)[1], x), None

        return jax.lax.scan(body, x, jnp.arange(MOST_ROUNDS))[0].sum()

    return jax.value_and_grad(last, argnums=(0, 1, 2))(*POINT)


@pytest.mark.parametrize("checkpoints", [2, 3, 5, 40, 64])
def test_the_loop_is_differentiated_exactly_however_few_checkpoints(checkpoints):
    loop = TimeLoop(sines, lambda args, k, clock: clock < args[2])

    @jax.jit
    def checkpointed(rounds):
        def last(a, b, x):
            return run_checkpointed(loop, checkpoints, jnp.zeros((), int), x, (a, b, rounds))[1].sum()

        return jax.value_and_grad(last, argnums=(0, 1, 2))(*POINT)

    for rounds in (0, 1, 2, 7, 8, 9, 31, 32, 33, 40, 41, 63, 64, 65, 200, MOST_ROUNDS):
        value, slope = checkpointed(rounds)
        exact, expected = unrolled(rounds)
        np.testing.assert_allclose(value, exact, rtol=1e-14)
        np.testing.assert_allclose(np.hstack(slope), np.hstack(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("checkpoints", "most"), [(2, 4.0), (8, 4.0), (64, 3.0), (2000, 2.0)])
def test_no_step_is_computed_more_often_than_promised(checkpoints, most):
    """Forward, again from stored states, and once where it is reversed."""
    count, rounds = [0], 2000

    def step(args, k, clock, x):
        jax.debug.callback(lambda: count.__setitem__(0, count[0] + 1))
        return sines(args, k, clock, x)

    loop = TimeLoop(step, lambda args, k, clock: clock < args[2])
    last = lambda a: run_checkpointed(loop, checkpoints, jnp.zeros((), int), POINT[2], (a, POINT[1], rounds))[1].sum()
    jax.block_until_ready(jax.jit(jax.grad(last))(POINT[0]))
    jax.effects_barrier()
    assert (most - 1) * rounds < count[0] <= most * rounds


def test_members_of_a_batch_with_different_numbers_of_rounds():
    def step(args, k, clock, x):
        going = clock < args[1]
        return clock + going.astype(int), jnp.where(going, jnp.sin(args[0] * x), x)

    loop = TimeLoop(step, lambda args, k, clock: clock < args[1])

    def last(a, rounds):
        return run_checkpointed(loop, 4, jnp.zeros((), int), jnp.array(0.7), (a, rounds))[1]

    a, rounds = jnp.array([1.3, 0.8, 2.0]), jnp.array([3, 50, 17])
    batch, one = jax.jit(jax.vmap(jax.grad(last)))(a, rounds), jax.jit(jax.grad(last))
    np.testing.assert_allclose(batch, [one(*pair) for pair in zip(a, rounds, strict=True)], rtol=1e-13)
    assert run(loop, jnp.zeros((), int), jnp.array(0.7), (a[0], rounds[0]))[0] == 3


def test_memory_does_not_grow_with_the_steps():
    def bytes_for(steps):
        gradient = jax.jit(jax.grad(lambda p: mismatch(NETS["constant"](p), kn.CheckpointAdjoint(), steps=steps)))
        return gradient.lower(jnp.array([-1.0, 0.3])).compile().memory_analysis().temp_size_in_bytes

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
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
    (before, _), (value, slope), (after, _) = (reverse("constant")(np.array([-1.0, b])) for b in (-h, 0.0, h))
    left, right = (value - before) / h, (after - value) / h
    # The discrete loss has a kink there: its slope from one side is as good as that from the other.
    assert min(left, right) - 1e-5 < slope[1] < max(left, right) + 1e-5
    np.testing.assert_allclose(left, right, rtol=0.02)


def test_bad_input():
    with pytest.raises(ValueError, match="at least 2"):
        kn.CheckpointAdjoint(checkpoints=1)
    with pytest.raises(TypeError):
        kn.solve(kn.MeanField(NETS["constant"]([1.0, 0.0])), START, t1=1.0, adjoint="checkpoint")
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.grad(lambda p: mismatch(NETS["constant"](p), kn.ForwardMode()))(jnp.array([-1.0, 0.3]))
