"""The loop over time steps and the sweep back over it: exact however few states are stored, at the promised cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kinetic_nde.adjoints.loop import TimeLoop, run, run_checkpointed

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


@pytest.mark.parametrize(
    "checkpoints", [2, 5, 40, *(pytest.param(number, marks=pytest.mark.slow) for number in (3, 64))]
)
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


@pytest.mark.parametrize(
    ("checkpoints", "most"), [(2, 4.0), pytest.param(8, 4.0, marks=pytest.mark.slow), (64, 3.0), (2000, 2.0)]
)
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


def test_memory_does_not_grow_with_the_rounds():
    """But for the states that are stored, each of 1000 numbers."""

    def bytes_for(checkpoints):
        loop = TimeLoop(sines, lambda args, k, clock: clock < args[2])

        def last(x, rounds):
            args = (*POINT[:2], rounds)
            return run_checkpointed(loop, checkpoints, jnp.zeros((), int), x, args)[1].sum()

        program = jax.jit(jax.grad(last)).lower(jnp.zeros(1000), jnp.array(0)).compile()
        memory = program.memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    # The number of rounds is not known to the program. Twice 32 states are stored on the way back.
    few, many = bytes_for(10), bytes_for(100)
    assert few < 8000 * (10 + 64 + 20)
    assert 0 < many - few < 8000 * 2 * 95
