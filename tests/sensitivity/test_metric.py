"""The gradient in the metric of L2(t0, t1)."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.metric import l2_change, l2_gradient, l2_norm


def loss(final):
    return 0.5 * (final.mean - 2) ** 2


# The times are numbers: one program for each kind and number of values.
in_metric = jax.jit(l2_gradient)


def hats(knots, t):
    """Values (times, knots) of the functions that `Interpolated` adds up."""
    return np.stack([np.interp(t, knots, column) for column in np.eye(len(knots))], axis=1)


def test_the_hats_are_those_that_interpolated_adds_up():
    knots, values, t = (0.0, 0.5, 1.2, 2.0), np.array([0.3, -1.0, 2.0, 0.7]), np.linspace(-1.0, 3.0, 33)
    found = jax.jit(jax.vmap(kn.Interpolated(knots, values)))(t)
    np.testing.assert_allclose(hats(knots, t) @ values, found, rtol=1e-12)


def derivatives(functions, phi, t0, t1, cuts=()):
    """int f_i phi dt, by Gauss quadrature between all kinks."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.unique(np.clip([t0, *cuts, t1], t0, t1))
    total = 0.0
    for a, b in itertools.pairwise(edges):
        t = 0.5 * (a + b) + 0.5 * (b - a) * nodes
        total = total + 0.5 * (b - a) * (weights * phi(t)) @ functions(t)
    return np.asarray(total)


@pytest.mark.parametrize(("t0", "t1"), [(0.0, 2.0), (-1.0, 0.7), (0.6, 0.9), (1.5, 4.0), (-2.0, -1.0)])
def test_the_gradient_of_a_piecewise_functional_is_the_mean_over_each_piece(t0, t1):
    """D = int w(t) phi(t) dt."""
    times = [0.0, 0.5, 1.0]
    ends = np.clip([-np.inf, *times[1:], np.inf], t0, t1)
    masks = lambda t: np.stack([(a <= t) & (t < b) for a, b in itertools.pairwise(ends)], axis=1) * 1.0
    slope = derivatives(masks, np.exp, t0, t1, times)
    found = in_metric(kn.PiecewiseConstant(times, slope), np.float64(t0), np.float64(t1)).values
    lengths = np.diff(ends)
    mean = np.where(lengths > 0, np.diff(np.exp(ends)) / np.where(lengths > 0, lengths, 1), 0)
    np.testing.assert_allclose(found, mean, rtol=1e-12)


@pytest.mark.parametrize(
    ("t0", "t1"), [(0.0, 2.0), (0.2, 1.7), (-1.0, 3.0), (0.6, 0.9), (0.5, 1.0), (1.5, 5.0), (3.0, 4.0), (-2.0, -1.0)]
)
@pytest.mark.parametrize("knots", [(0.0, 0.5, 1.2, 2.0), (0.0, 2.0)])
def test_the_gradient_of_an_interpolated_functional_is_the_projection(knots, t0, t1):
    functions = lambda t: hats(knots, t)
    slope = derivatives(functions, np.exp, t0, t1, knots)
    found = in_metric(kn.Interpolated(knots, slope), np.float64(t0), np.float64(t1)).values
    # Where it can be seen, the function found leaves a remainder that is orthogonal to all hats.
    fitted = lambda t: functions(t) @ np.asarray(found)
    np.testing.assert_allclose(derivatives(functions, fitted, t0, t1, knots), slope, rtol=1e-9, atol=1e-13)
    unseen = np.array([not np.any(functions(np.linspace(t0, t1, 101)[1:-1])[:, k]) for k in range(len(knots))])
    np.testing.assert_array_equal(np.asarray(found)[unseen], 0)


@pytest.mark.parametrize(("t0", "t1"), [(0.0, 2.0), (0.2, 1.7), (-1.0, 3.0), (0.6, 0.9)])
@pytest.mark.parametrize("kind", [kn.PiecewiseConstant, kn.Interpolated])
def test_a_change_is_the_norm_of_what_is_added_to_the_function(kind, t0, t1):
    """Two parameters, a matrix that depends on time and a constant vector: the two norms add."""
    times, rng = (0.0, 0.5, 1.2, 2.0), np.random.default_rng(3)
    first, second = (kn.SimResNet(kind(times, rng.normal(size=(4, 2, 2))), rng.normal(size=2), kn.Tanh()) for _ in "ab")
    found = jax.jit(l2_change)(first, second, np.float64(t0), np.float64(t1))
    square = lambda t: np.array([np.sum((first.weight(jnp.array(s)) - second.weight(jnp.array(s))) ** 2) for s in t])[
        :, None
    ]
    weight = derivatives(square, np.ones_like, t0, t1, times)[0] ** 0.5
    bias = (t1 - t0) ** 0.5 * np.linalg.norm(first.bias(jnp.array(0.0)) - second.bias(jnp.array(0.0)))
    np.testing.assert_allclose(found, weight + bias, rtol=1e-12)


def test_other_arrays_are_divided_by_the_time():
    class Slope(eqx.Module):
        slope: jax.Array
        offset: kn.PiecewiseConstant

        def __call__(self, t):
            return self.slope * t + self.offset(t)

    net = kn.SimResNet(Slope(jnp.array(3.0), kn.PiecewiseConstant([0.0, 0.5], [3.0, 3.0])), [3.0, 6.0], kn.Tanh())
    found = in_metric(eqx.filter(net, eqx.is_array), np.float64(0.0), np.float64(2.0))
    assert float(found.weight.module.slope) == 1.5
    np.testing.assert_allclose(found.weight.module.offset.values, [6.0, 2.0])
    np.testing.assert_allclose(found.bias.value, [1.5, 3.0])
    alone = in_metric(kn.Interpolated([1.0], [3.0]), np.float64(0.0), np.float64(2.0))
    np.testing.assert_allclose(alone.values, [1.5])


def test_matrices_and_single_precision():
    values = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    for kind in (kn.Interpolated, kn.PiecewiseConstant):
        times = np.float32(0.0), np.float32(1.5)
        found = in_metric(kind([0.0, 1.0, 2.0], values), *times).values
        assert found.dtype == jnp.float32 and np.all(np.isfinite(found))
        entry = in_metric(kind([0.0, 1.0, 2.0], values[:, 0, 1]), *times).values
        np.testing.assert_allclose(found[:, 0, 1], entry, rtol=1e-6)


def test_the_norm_is_that_of_the_function():
    """D = int w(t) (1 + t) dt: the gradient is 1 + t, which hats can be."""
    slope = kn.Interpolated([0.0, 1.0], derivatives(lambda t: hats([0.0, 1.0], t), lambda t: 1 + t, 0.0, 1.0))
    found = in_metric(slope, np.float64(0.0), np.float64(1.0))
    np.testing.assert_allclose(found.values, [1.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(jax.jit(l2_norm)(slope, found), np.sqrt(7 / 3), rtol=1e-12)


@pytest.mark.slow
def test_the_gradient_of_a_solve_in_this_metric():
    """Identity, w = -1: dD/db(t) = (m1(T) - 2) e^{t - T}, whose means over the pieces are known."""
    net = kn.SimResNet(-1.0, kn.PiecewiseConstant([0.0, 0.25, 1.0, 2.0], [1.0, 1.0, 1.0, 1.0]), kn.Identity())
    solved = lambda net: loss(kn.solve(kn.MeanField(net), kn.Ensemble([0.5, 1.0]), t1=1.5).final)
    found = in_metric(jax.jit(jax.grad(solved))(net), np.float64(0.0), np.float64(1.5)).bias.values
    mean = 1 - 0.25 * np.exp(-1.5)
    edges = np.array([0.0, 0.25, 1.0, 1.5])
    np.testing.assert_allclose(found[:3], (mean - 2) * np.diff(np.exp(edges - 1.5)) / np.diff(edges), rtol=1e-6)
    assert float(found[3]) == 0.0
