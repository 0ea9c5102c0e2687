"""Moments of identity networks whose parameters are functions of time: against the equations (10), and derivatives."""

import itertools

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from tests.analysis.identity_networks import SAMPLES, identity, power_means
from tests.closed_forms import Course, course

TS = np.array([0.0, 0.7, 2.0, 1.1])
numbers = st.floats(-2.0, 2.0)


# The moment equations


def by_ode(w, b, start, ts, order, knots=()):
    """Eq. (10) as a system, from knot to knot."""
    k = np.arange(order + 1)

    def rate(t, m):
        return k * (w(t) * m + b(t) * np.append(0.0, m[:-1]))

    at, found = start, {0.0: start}
    edges = np.unique([0.0, *knots, *ts])
    for t0, t1 in itertools.pairwise(edges):
        # Strictly inside: layers jump at the ends.
        inside = lambda t, m, a=t0, z=t1: rate(min(max(t, a + 1e-13), z - 1e-13), m)
        at = solve_ivp(inside, (t0, t1), at, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
        found[t1] = at
    return np.stack([found[t] for t in ts])


def against_the_ode(weight, bias, w, b, knots=(), rtol=1e-10):
    computed = kn.moments(identity(weight, bias), kn.Ensemble(SAMPLES), TS, 6)
    np.testing.assert_allclose(computed, by_ode(w, b, power_means(SAMPLES, 6), TS, 6, knots), rtol=rtol, atol=rtol)


@given(values=st.lists(numbers, min_size=6, max_size=6))
@settings(max_examples=5)
def test_layers_solve_the_moment_equations(values):
    times = [0.0, 0.5, 1.5]
    layer = lambda values: lambda t: values[np.searchsorted(times[1:], t, side="right")]
    weight, bias = kn.PiecewiseConstant(times, values[:3]), kn.PiecewiseConstant(times, values[3:])
    against_the_ode(weight, bias, layer(values[:3]), layer(values[3:]), times[1:])


class Jump(eqx.Module):
    """Nobody asks what it is at the jump itself."""

    low: jax.Array

    @property
    def breakpoints(self):
        return (0.9,)

    def __call__(self, t):
        return jnp.where(t == 0.9, jnp.nan, jnp.where(t < 0.9, self.low, t))


def test_knots_and_a_module_that_jumps_solve_the_moment_equations():
    times, values = [0.2, 1.0, 1.7], [-1.0, 2.0, -0.5]
    w = lambda t: np.interp(t, times, values)
    b = lambda t: -2.0 if t < 0.9 else t
    against_the_ode(kn.Interpolated(times, values), Jump(jnp.array(-2.0)), w, b, [*times, 0.9])


@given(c=st.lists(numbers, min_size=10, max_size=10))
@example(c=[-2.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0])  # constants
@settings(max_examples=5)
def test_functions_of_time_solve_the_moment_equations(c):
    curve = lambda c: lambda t: c @ np.array([1.0, t, 0.2 * t**2, np.sin(3 * t), np.exp(-t)])
    c = np.array(c)
    weight, bias = (Course(jnp.asarray(part * [1, 1, 0.2, 1, 1])) for part in (c[:5], c[5:]))
    against_the_ode(weight, bias, curve(c[:5]), curve(c[5:]))


def test_a_parameter_that_cannot_be_followed_gives_nan():
    net = identity(course(1.0), Course(jnp.array([0.0, 0.0, 0.0, jnp.inf, 0.0])))
    computed = np.asarray(kn.moments(net, kn.Ensemble(SAMPLES), TS, 6))
    assert np.all(computed[:, 0] == 1) and np.all(np.isnan(computed[1:, 1:]))


# Derivatives


def sixth_moment(weight, bias):
    """m_6 at the last of four times as a function of all numbers in one array, these, and the right-hand side of (10)."""
    arguments = (identity(weight, bias), kn.Ensemble(SAMPLES), jnp.asarray(TS[[0, 1, 3, 3]]))
    flat, rebuild = jax.flatten_util.ravel_pytree(arguments)

    def sixth(flat):
        net, ensemble, ts = rebuild(flat)
        return kn.moments(net, ensemble, ts, 6)[3, 6]

    net, ensemble, ts = arguments
    m = kn.moments(net, ensemble, ts, 6)[3]
    return sixth, flat, float(6 * (net.weight(ts[3]) * m[6] + net.bias(ts[3]) * m[5]))


def differences(function, place, direction):
    """Of fourth order, by calls outside jit, which are compiled already."""
    steps = np.array([-2, -1, 1, 2]) * 1e-3
    return np.array([1, -8, 8, -1]) @ np.array([function(place + step * direction) for step in steps]) / 12e-3


def check_both_modes(weight, bias):
    """The gradient in reverse mode, and one derivative in forward mode against it."""
    sixth, flat, rate = sixth_moment(weight, bias)
    direction = jnp.asarray(np.random.default_rng(0).normal(size=flat.size))
    both = jax.jit(lambda flat: (jax.grad(sixth)(flat), jax.jvp(sixth, (flat,), (direction,))[1]))
    slopes, forward = both(flat)
    np.testing.assert_allclose(forward, slopes @ direction, rtol=1e-9)
    numbers = flat.size - 4
    expected = [differences(sixth, flat, unit) for unit in np.eye(flat.size)[:numbers]]
    np.testing.assert_allclose(slopes[:numbers], expected, rtol=1e-6, atol=1e-6)
    # By t, also where two times are equal: the right-hand side of (10).
    np.testing.assert_allclose(slopes[numbers:], [0, 0, 0, rate], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_forward_derivatives_where_parameters_are_functions_of_time():
    """By all numbers at once, by the time itself, and by another that is equal to it."""
    sixth, flat, rate = sixth_moment(course(-0.5, 0.8), course(0.3, 0.0, 0.0, 1.0))
    numbers = np.append(np.random.default_rng(0).normal(size=flat.size - 4), np.zeros(4))
    directions = np.stack([numbers, *np.eye(flat.size)[-2:]])
    slopes = jax.jit(jax.vmap(lambda direction: jax.jvp(sixth, (flat,), (direction,))[1]))(directions)
    np.testing.assert_allclose(slopes[0], differences(sixth, flat, numbers), rtol=1e-6)
    np.testing.assert_allclose(slopes[1:], [0, rate], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_derivatives_where_parameters_are_functions_of_time():
    check_both_modes(course(-0.5, 0.8), course(0.3, 0.0, 0.0, 1.0))


def test_derivatives_where_the_weight_is_zero():
    check_both_modes(0.0, 0.4)


def test_the_derivative_by_the_averages_of_a_density():
    """Also where there is no mass, which may come to be there."""
    grid = kn.Grid(-2.0, 2.0, 8)

    @jax.jit
    @jax.grad
    def slopes(values, own):
        density = kn.Density(grid, values)
        mean = kn.moments(identity(0.0, 0.0), density, jnp.ones(1), 1)[0, 1]
        return jnp.where(own, density.moment(1), mean)

    values = jnp.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]) / 2
    np.testing.assert_allclose(slopes(values, False), slopes(values, True), rtol=1e-12, atol=1e-12)
    assert abs(float(slopes(values, False)[0])) > 0.5
