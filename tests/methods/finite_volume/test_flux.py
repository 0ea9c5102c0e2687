"""Numerical flux, its clip, and the steps in time: pointwise, with their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.methods.finite_volume import boundary
from kinetic_nde.methods.finite_volume.boundary import Wind
from kinetic_nde.methods.finite_volume.flux import carried, flux_local_lax_friedrichs, upwind_flux
from kinetic_nde.methods.finite_volume.limiter import between, no_more_than_there_is
from kinetic_nde.methods.finite_volume.line_transpose import _to_flux
from kinetic_nde.methods.finite_volume.plane_transpose import limiting
from kinetic_nde.methods.finite_volume.ssprk3 import pull_ssprk3, step_ssprk3

numbers = st.floats(-10, 10)


@given(u=numbers, v=numbers)
def test_the_flux_is_consistent(u, v):
    assert float(flux_local_lax_friedrichs(jnp.asarray(u), jnp.asarray(u), jnp.asarray(v))) == pytest.approx(
        u * v, abs=1e-12
    )


@given(left=numbers, right=numbers, v=numbers, more=st.floats(0, 5))
def test_the_flux_is_monotone(left, right, v, more):
    def flux(left, right):
        return float(flux_local_lax_friedrichs(jnp.asarray(left), jnp.asarray(right), jnp.asarray(v)))

    assert flux(left + more, right) >= flux(left, right) - 1e-9
    assert flux(left, right + more) <= flux(left, right) + 1e-9


@jax.jit
def upwind_and_both_states(u, w, b):
    grid = kn.Grid(-1.0, 1.0, 24)
    net = kn.SimResNet(w, b, kn.GrowingCosine())
    wind = boundary.wind(kn.MeanField(net, walls=(-1.0, 1.0)), grid, jnp.zeros(()))
    padded = boundary.with_ghosts(boundary.extend(u))
    epsilon, dt = (20 / 24) ** 2, jnp.asarray(1e-3)
    flux = upwind_flux(kn.CWENO3(), epsilon, False, padded, wind, dt)
    # On the parabola through the last three.
    before, after = 3 * u[0] - 3 * u[1] + u[2], 3 * u[-1] - 3 * u[-2] + u[-3]
    difference = jnp.diff(jnp.concatenate([before[None], u, after[None]]))
    slope, curvature = kn.CWENO3()(difference[:-1], difference[1:], epsilon)
    left, right = u + slope / 2 + curvature / 6, u - slope / 2 + curvature / 6
    v = net(0.0, grid.faces)[1:-1]
    return flux, flux_local_lax_friedrichs(left[:-1], right[1:], v) * dt / grid.width


@given(seed=st.integers(0, 10**6))
def test_the_upwind_flux_is_local_lax_friedrichs_of_the_two_states(seed):
    rng = np.random.default_rng(seed)
    flux, expected = upwind_and_both_states(rng.uniform(size=24) ** 3, *rng.normal(size=2) * 3)
    np.testing.assert_allclose(flux[2:-2], expected, rtol=1e-11, atol=1e-16)
    assert float(flux[1]) == float(flux[-2]) == 0.0


def test_the_limiters_derivative_does_not_halve_at_a_tie():
    def slope(amount, limit):
        return [
            float(g) for g in jax.grad(no_more_than_there_is, argnums=(0, 1))(jnp.asarray(amount), jnp.asarray(limit))
        ]

    assert slope(0.5, 1.0) == [1.0, 0.0] and slope(2.0, 1.0) == [0.0, 1.0] and slope(-1.0, 1.0) == [0.0, 0.0]
    assert slope(0.0, 1.0) == [1.0, 0.0]


def test_the_derivative_of_the_clip():
    """Also where the limits have changed places: rounding may leave less than nothing in a cell."""
    rng = np.random.default_rng(4)
    amount, low, high, rise = jnp.asarray(rng.normal(size=(4, 500)))
    number = limiting(amount, low, high)
    by_each = jax.vjp(between, amount, low, high)[1](rise)
    for one, which in zip(by_each, (0, -1, 1), strict=True):
        np.testing.assert_array_equal(jnp.where(number == which, rise, 0), one)


def test_the_derivative_of_the_clipped_flux():
    """Of the flux of one face, also from less than nothing: rounding may leave that in a cell."""
    rng = np.random.default_rng(4)
    average, state, rise = jnp.asarray(rng.normal(size=(3, 500)))
    courant, share = jnp.asarray(rng.uniform(0.1, [[3.0], [1.0]], (2, 500)))
    wind = Wind(jnp.ones(500), courant, share, jnp.max(courant))
    flux = lambda average, state: carried(True, average, state, wind, jnp.array(0.4))
    by_average, by_state = jax.vjp(flux, average, state)[1](rise)
    cotangent = jnp.concatenate([jnp.zeros(1), jnp.cumsum(rise)])
    inside, top = _to_flux(True, average, state, cotangent, wind, jnp.array(0.4))
    np.testing.assert_allclose(inside * wind.courant, by_state, atol=1e-12)
    np.testing.assert_allclose(top * wind.share, by_average, atol=1e-12)


def test_a_step_is_the_transpose_of_its_transpose():
    rng = np.random.default_rng(1)
    matrices = jnp.asarray(0.3 * rng.normal(size=(3, 5, 5)))
    u, c = jnp.asarray(rng.normal(size=(2, 5)))
    forward = step_ssprk3(lambda stage, u: matrices[stage] @ u, u)
    back = pull_ssprk3(lambda stage, c: matrices[stage].T @ c, c)
    np.testing.assert_allclose(c @ forward, back @ u, rtol=1e-13)
