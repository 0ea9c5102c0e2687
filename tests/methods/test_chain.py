"""The elimination behind an implicit step: against dense solves, exact fractions, huge steps, and its derivatives."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kinetic_nde.methods.chain import Elimination
from kinetic_nde.methods.rates import Rates, step_implicitly

CELLS = 11


def matrix(rightwards, leftwards):
    """I + the rates, whose columns sum to 1."""
    given = np.zeros((CELLS, CELLS))
    for k in range(CELLS - 1):
        given[k + 1, k], given[k, k + 1] = -rightwards[k], -leftwards[k]
    return given + np.diag(1 - given.sum(axis=0))


@jax.jit
def solve(rightwards, leftwards, vector):
    return step_implicitly(Rates(rightwards, leftwards), jnp.ones(()), vector)


def exactly(rightwards, leftwards, vector):
    """In rational numbers, by elimination without a thought to rounding."""
    right, left, x = ([Fraction(float(each)) for each in row] for row in (rightwards, leftwards, vector))
    diagonal = [1 + (right[k] if k < CELLS - 1 else 0) + (left[k - 1] if k > 0 else 0) for k in range(CELLS)]
    for k in range(1, CELLS):
        share = right[k - 1] / diagonal[k - 1]
        diagonal[k] -= share * left[k - 1]
        x[k] += share * x[k - 1]
    x[-1] /= diagonal[-1]
    for k in range(CELLS - 2, -1, -1):
        x[k] = (x[k] + left[k] * x[k + 1]) / diagonal[k]
    return np.array([float(each) for each in x])


numbers = st.lists(st.sampled_from([0.0, 1e-30, 1e-6, 0.3, 1.0, 7.0, 1e5, 1e12, 1e30]), min_size=10, max_size=10)


@given(
    rightwards=numbers,
    leftwards=numbers,
    vector=st.lists(st.sampled_from([0.0, 1e-12, 1.0, 3.0]), min_size=11, max_size=11),
)
@settings(max_examples=60)
def test_each_component_has_its_digits_whatever_the_rates(rightwards, leftwards, vector):
    solution = np.asarray(solve(jnp.array(rightwards), jnp.array(leftwards), jnp.array(vector)))
    np.testing.assert_allclose(solution, exactly(rightwards, leftwards, vector), rtol=1e-13)
    assert abs(solution.sum() - sum(vector)) <= 1e-14 * sum(vector)


@jax.jit
def both_ways(rightwards, leftwards, vector):
    """By LAPACK, and by elimination."""
    diagonal = 1 + jnp.pad(rightwards, (0, 1)) + jnp.pad(leftwards, (1, 0))
    operator = lx.TridiagonalLinearOperator(diagonal, -rightwards, -leftwards)
    return tuple(
        lx.linear_solve(operator, vector, solver, throw=False).value for solver in (lx.Tridiagonal(), Elimination())
    )


def test_lapack_loses_the_mass_of_a_long_step_and_this_does_not():
    """What the subtraction in its pivots costs, and why there is another solver."""
    cells = 400
    x = np.linspace(-8.0, 8.0, cells)
    right, left = (1e9 * np.exp(sign * 0.02 * (x[1:] + x[:-1])) for sign in (-1, 1))
    start = np.exp(-((x - 1) ** 2)) / np.exp(-((x - 1) ** 2)).sum()
    for dtype, lost in ((np.float64, 1e-9), (np.float32, 0.1)):
        theirs, ours = (np.asarray(each) for each in both_ways(*(each.astype(dtype) for each in (right, left, start))))
        eps = float(np.finfo(dtype).eps)
        assert abs(float(np.sum(ours)) - 1) < 20 * eps
        assert not abs(float(np.sum(theirs)) - 1) < lost


def test_the_transpose_and_derivatives_against_dense_algebra():
    rng = np.random.default_rng(0)
    rightwards, leftwards = rng.uniform(0, 30, (2, CELLS - 1))
    vector, weight = rng.normal(size=(2, CELLS))
    dense = matrix(rightwards, leftwards)
    value = lambda *numbers: jnp.asarray(weight) @ solve(*numbers)
    slopes = jax.jit(jax.grad(value, argnums=(0, 1, 2)))(rightwards, leftwards, vector)
    dual = np.linalg.solve(dense.T, weight)
    solution = np.linalg.solve(dense, vector)
    np.testing.assert_allclose(slopes[2], dual, rtol=1e-12)
    np.testing.assert_allclose(slopes[0], solution[:-1] * (dual[1:] - dual[:-1]), rtol=1e-10)
    np.testing.assert_allclose(slopes[1], -solution[1:] * (dual[1:] - dual[:-1]), rtol=1e-10)
    operator = lx.TridiagonalLinearOperator(*map(jnp.asarray, (np.diag(dense), np.diag(dense, -1), np.diag(dense, 1))))
    pulled = jax.linear_transpose(lambda b: lx.linear_solve(operator, b, Elimination(), throw=False).value, vector)
    np.testing.assert_allclose(pulled(jnp.asarray(weight))[0], dual, rtol=1e-12)


def test_only_tridiagonal_matrices():
    with pytest.raises(ValueError, match="tridiagonal"):
        lx.linear_solve(lx.MatrixLinearOperator(jnp.eye(3)), jnp.ones(3), Elimination())
