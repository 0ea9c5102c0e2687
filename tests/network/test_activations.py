"""Activations: values, derivatives, zeros, Lipschitz constants; parameters over time."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn

ALL = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine(), kn.GeneralizedGamma(0.5, 2.0)]
INDICES = pytest.mark.parametrize("index", range(len(ALL)), ids=[type(act).__name__ for act in ALL])
Z = np.linspace(-9.7, 9.9, 301)
FAR = np.array([-1e4, -50.0, 0.0, 50.0, 1e4])


@jax.jit
def everywhere(points):
    """Values, derivatives and those by autodiff of each activation, at each array of points: one program for all."""
    return [[(act(z), act.derivative(z), jax.vmap(jax.grad(act))(z)) for z in points] for act in ALL]


@functools.cache
def found():
    return jax.tree.map(np.asarray, everywhere([Z, FAR.astype(np.float32), FAR]))


@functools.cache
def at_zeros_and_between():
    """Each activation at its zeros, and at many places."""
    zeros = [np.asarray(act.zeros(-9.7, 9.9)) for act in ALL]
    fine = np.linspace(-9.7, 9.9, 200_001)
    values = jax.jit(lambda zeros, fine: [(act(z), act(fine)) for act, z in zip(ALL, zeros, strict=True)])(zeros, fine)
    return zeros, fine, jax.tree.map(np.asarray, values)


@INDICES
def test_derivative_is_the_derivative(index):
    _, derivative, by_autodiff = found()[index][0]
    np.testing.assert_allclose(derivative, by_autodiff, rtol=1e-12, atol=1e-14)


@INDICES
def test_derivatives_stay_finite_at_the_ends_of_the_line(index):
    for dtype, (value, derivative, by_autodiff) in zip((np.float32, np.float64), found()[index][1:], strict=True):
        assert np.all(np.isfinite(derivative))
        assert np.all(np.isfinite(by_autodiff))
        assert value.dtype == derivative.dtype == dtype


@INDICES
def test_zeros_are_zeros_and_all_changes_of_sign_are_found(index):
    (zeros, fine, values), act = at_zeros_and_between(), ALL[index]
    np.testing.assert_allclose(values[index][0], 0.0, atol=1e-14)
    assert np.all(np.diff(zeros[index]) > 0)
    signs = np.sign(values[index][1])
    for place in fine[:-1][signs[:-1] * signs[1:] < 0]:
        assert np.min(np.abs(zeros[index] - place)) < 2e-4, act


@given(a=st.floats(-20, 20), b=st.floats(-20, 20), index=st.integers(0, 3))
def test_lipschitz_constant_bounds_every_slope(a, b, index):
    act = ALL[index]
    rise = abs(float(act(jnp.array(a)) - act(jnp.array(b))))
    assert rise <= act.lipschitz * abs(a - b) + 1e-14


def test_lipschitz_constants_are_the_smallest():
    assert [act.lipschitz for act in ALL] == [1.0, 1.0, 0.25, 1.0, np.inf, np.inf]
    slopes = jax.jit(lambda z: [jnp.max(act.derivative(z)) for act in ALL[:4]])(np.linspace(-1, 1, 201))
    for act, largest in zip(ALL[:4], slopes, strict=True):
        assert float(largest) == pytest.approx(act.lipschitz, rel=1e-12)


def test_zeros_of_the_growing_cosine_at_the_ends_of_the_interval():
    half = np.pi / 2
    np.testing.assert_allclose(kn.GrowingCosine().zeros(-half, 3 * half), [-half, 0, half, 3 * half])
    assert kn.Sigmoid().zeros(-5.0, 5.0).shape == (0,)
    with pytest.raises(ValueError, match="lower <= upper"):
        kn.Tanh().zeros(1.0, -1.0)


@pytest.mark.parametrize(
    ("delta", "c"), [(0.0, 1.0), (1.0, 1.0), (-0.5, 1.0), (0.5, 0.0), (0.5, np.inf), (0.5, np.nan)]
)
def test_generalised_gamma_refuses_other_parameters(delta, c):
    with pytest.raises(ValueError, match="GeneralizedGamma needs"):
        kn.GeneralizedGamma(delta, c)


def test_piecewise_constant_holds_its_values_on_half_open_layers():
    w = kn.PiecewiseConstant([0.0, 1.0, 3.0], [1.0, 2.0, 3.0])
    times = np.array([-1.0, 0.0, 0.999, 1.0, 2.9, 3.0, 99.0])
    np.testing.assert_array_equal(jax.jit(jax.vmap(w))(times), [1, 1, 1, 2, 2, 3, 3])
    assert w.breakpoints == (1.0, 3.0)
    assert float(w.frozen(2.0)(0.0)) == 2.0


def test_interpolated_is_numpys_interp_and_its_gradient():
    knots, values = [0.5, 1.0, 3.0], np.array([1.0, -2.0, 3.0])
    times = np.linspace(-1.0, 4.0, 41)

    @jax.jit
    def both(values):
        at_all_times = jax.vmap(kn.Interpolated(knots, values))(times)
        return at_all_times, jax.grad(lambda values: kn.Interpolated(knots, values)(2.0))(values)

    interpolated, gradient = both(values)
    np.testing.assert_allclose(interpolated, np.interp(times, knots, values), atol=1e-15)
    np.testing.assert_allclose(gradient, [0.0, 0.5, 0.5], atol=1e-15)
    assert float(kn.Interpolated([1.0], [7.0])(-3.0)) == 7.0


def test_the_trainable_leaves_are_the_values_of_weight_and_bias_only():
    net = kn.SimResNet(
        kn.PiecewiseConstant([0, 1], [1.0, 2.0]), kn.Interpolated([0, 1], [0.0, 1.0]), kn.GeneralizedGamma(0.5, 2.0)
    )
    leaves = jax.tree.leaves(net)
    assert [leaf.shape for leaf in leaves] == [(2,), (2,)]
    assert all(eqx.is_inexact_array(leaf) and not leaf.weak_type for leaf in leaves)


@pytest.mark.parametrize("kind", [kn.PiecewiseConstant, kn.Interpolated])
@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([], [], "list of times"),
        ([[0.0]], [1.0], "list of times"),
        ([0.0, 0.0], [1.0, 2.0], "strictly increasing"),
        ([1.0, 0.0], [1.0, 2.0], "strictly increasing"),
        ([0.0, np.inf], [1.0, 2.0], "finite"),
        ([0.0, 1.0], [1.0], "one value per time"),
        ([0.0, 1.0], 1.0, "one value per time"),
        ([0.0, 1.0], [1.0, np.nan], "finite"),
    ],
)
def test_tables_of_parameters_refuse_what_is_no_table(kind, times, values, message):
    with pytest.raises(ValueError, match=message):
        kind(times, values)


def test_times_of_layers_must_be_known():
    def build(times):
        return kn.PiecewiseConstant(times, [1.0, 2.0])(0.5)

    with pytest.raises(ValueError, match="must be known"):
        jax.jit(build)(jnp.array([0.0, 1.0]))


def test_a_function_of_time_that_hides_traced_values_is_refused():
    def loss(scale):
        return kn.SimResNet(lambda t: scale * t, 0.0, kn.Tanh())(1.0, jnp.array(1.0))

    with pytest.raises(ValueError, match=r"eqx\.Module"):
        jax.grad(loss)(2.0)
    assert float(loss(2.0)) == pytest.approx(np.tanh(2.0))


def test_a_module_of_time_is_trained():
    class Ramp(eqx.Module):
        slope: jax.Array

        def __call__(self, t):
            return self.slope * t

    net = kn.SimResNet(Ramp(jnp.array(2.0)), 0.0, kn.Identity())
    gradient = eqx.filter_grad(lambda net: net(3.0, jnp.array(5.0)))(net)
    assert [float(leaf) for leaf in jax.tree.leaves(gradient)] == [15.0, 1.0]


@pytest.mark.parametrize("kind", [kn.PiecewiseConstant, kn.Interpolated])
def test_times_may_be_integers(kind):
    parameter = kind([0, 0.5, 1.5], [1.0, 2.0, 3.0])
    assert float(parameter(1)) == float(parameter(1.0))
