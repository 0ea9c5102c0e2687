"""Reconstruction and numerical flux, pointwise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.distributions import profile
from kinetic_nde.distributions.reconstruction import ghosts, threshold
from kinetic_nde.methods.finite_volume import boundary
from kinetic_nde.methods.finite_volume.flux import flux_local_lax_friedrichs, upwind_flux
from kinetic_nde.methods.finite_volume.limiter import no_more_than_there_is

numbers = st.floats(-10, 10)
slopes = st.sampled_from([0.0, 1e-12, 1e-3, 0.1, 1.0, 30.0, 1e4]).flatmap(lambda s: st.sampled_from([s, -s]))
C0 = st.sampled_from([0.5, 0.75, 0.9])


def face(backward, forward, epsilon, c0=0.75):
    slope, curvature = kn.CWENO3(c0)(jnp.asarray(backward), jnp.asarray(forward), epsilon)
    return float(0.5 * slope + curvature / 6)


@given(backward=numbers, forward=numbers, c0=C0)
def test_where_all_is_smooth_it_is_the_parabola(backward, forward, c0):
    slope, curvature = kn.CWENO3(c0)(jnp.asarray(backward), jnp.asarray(forward), 1e30)
    np.testing.assert_allclose(slope, (backward + forward) / 2, atol=1e-12)
    np.testing.assert_allclose(curvature, (forward - backward) / 2, atol=1e-12)


@given(slope=slopes, epsilon=st.sampled_from([1e-8, 1e-4, 1.0]), c0=C0)
def test_straight_lines_are_exact_whatever_their_slope(slope, epsilon, c0):
    np.testing.assert_allclose(face(slope, slope, epsilon, c0), slope / 2, rtol=1e-13)


@given(steep=st.sampled_from([0.3, 1.0, 40.0]))
def test_next_to_a_jump_it_is_the_flat_side(steep):
    assert abs(face(0.0, steep, 1e-6)) < 1e-4 * steep
    assert abs(face(steep, 0.0, 1e-6)) < 1e-4 * steep


@given(backward=slopes, forward=slopes)
def test_mirror_images(backward, forward):
    slope, curvature = kn.CWENO3()(jnp.asarray(backward), jnp.asarray(forward), 1e-4)
    other = kn.CWENO3()(jnp.asarray(-forward), jnp.asarray(-backward), 1e-4)
    np.testing.assert_allclose(other, (-slope, curvature), rtol=1e-12, atol=1e-15)


@given(backward=slopes, forward=slopes, dtype=st.sampled_from([np.float32, np.float64]))
def test_the_written_derivative_is_the_derivative(backward, forward, dtype):
    point = jnp.array([backward, forward], dtype)

    def both(point):
        return jnp.stack(kn.CWENO3()(point[0], point[1], 1e-3))

    slope = jax.jacfwd(both)(point)
    assert jnp.all(jnp.isfinite(slope))
    if dtype == np.float64:
        # The derivative of the same formula by a complex step, which has no cancellation.
        columns = []
        for i in range(2):
            step = np.array(point, complex)
            step[i] += 1e-30j
            columns.append(np.imag(_by_hand(step[0], step[1], 1e-3)) / 1e-30)
        np.testing.assert_allclose(slope, np.array(columns).T, rtol=1e-9, atol=1e-11)


def _by_hand(backward, forward, epsilon, c0=0.75):
    half, second = (backward + forward) / 2, forward - backward
    indicators = np.array([backward**2, forward**2, half**2 + 13 / 3 * (second / (2 * c0)) ** 2])
    weights = np.array([(1 - c0) / 2, (1 - c0) / 2, c0]) / (epsilon + indicators) ** 2
    weights = weights / weights.sum()
    return np.array([weights @ np.array([backward, forward, half]), weights[2] * second / (2 * c0)])


@given(backward=slopes, forward=slopes, epsilon=st.sampled_from([1e-6, 1e-2]))
def test_against_the_textbook_formula(backward, forward, epsilon):
    value = kn.CWENO3()(jnp.asarray(backward), jnp.asarray(forward), epsilon)
    np.testing.assert_allclose(value, _by_hand(backward, forward, epsilon), rtol=1e-10, atol=1e-14)


def test_third_order_of_the_face_values_on_smooth_data():
    cells, errors = [50, 100, 200, 400, 800], []
    for n in cells:
        grid = kn.Grid(-8.0, 8.0, n)
        parts = profile.reconstruct(grid, kn.Density.gaussian(0.0, 1.0, grid).values)
        errors.append(float(jnp.mean(jnp.abs(parts.at(0.5) - jax.scipy.stats.norm.pdf(grid.faces[1:])))))
    assert -np.polyfit(np.log(cells), np.log(errors), 1)[0] > 2.7


def test_ghosts_continue_a_parabola():
    grid = kn.Grid(0.0, 1.0, 8)
    x = np.linspace(-1 / 8, 1 + 1 / 8, 11)
    averages = np.diff(x + x**2 + 0.7 * x**3 / 3) / (1 / 8)
    np.testing.assert_allclose(ghosts(jnp.asarray(averages[1:-1])), averages[[0, -1]], rtol=1e-12)
    assert threshold(grid.cells) == (20 / 8) ** 2


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


@given(seed=st.integers(0, 10**6))
def test_the_upwind_flux_is_local_lax_friedrichs_of_the_two_states(seed):
    rng = np.random.default_rng(seed)
    grid = kn.Grid(-1.0, 1.0, 24)
    u = jnp.asarray(rng.uniform(size=24) ** 3)
    net = kn.SimResNet(*rng.normal(size=2) * 3, kn.GrowingCosine())
    equation = kn.MeanField(net, walls=(-1.0, 1.0))
    wind = boundary.wind(equation, grid, jnp.zeros(()))
    padded = boundary.with_ghosts(boundary.extend(u))
    epsilon, dt = threshold(24), jnp.asarray(1e-3)
    flux = upwind_flux(kn.CWENO3(), epsilon, False, padded, wind, dt)
    before, after = ghosts(u)
    difference = jnp.diff(jnp.concatenate([before[None], u, after[None]]))
    slope, curvature = kn.CWENO3()(difference[:-1], difference[1:], epsilon)
    left, right = u + slope / 2 + curvature / 6, u - slope / 2 + curvature / 6
    v = net(0.0, grid.faces)[1:-1]
    expected = flux_local_lax_friedrichs(left[:-1], right[1:], v) * dt / grid.width
    np.testing.assert_allclose(flux[2:-2], expected, rtol=1e-11, atol=1e-16)
    assert float(flux[1]) == float(flux[-2]) == 0.0


def test_the_limiters_derivative_does_not_halve_at_a_tie():
    def slope(amount, limit):
        return [
            float(g) for g in jax.grad(no_more_than_there_is, argnums=(0, 1))(jnp.asarray(amount), jnp.asarray(limit))
        ]

    assert slope(0.5, 1.0) == [1.0, 0.0] and slope(2.0, 1.0) == [0.0, 1.0] and slope(-1.0, 1.0) == [0.0, 0.0]
    assert slope(0.0, 1.0) == [1.0, 0.0]


def test_total_variation_of_a_step():
    """Not total-variation diminishing, which no scheme of third order is: an overshoot of a few per cent that falls
    with dx."""

    class Drift(eqx.Module):
        autonomous = True

        def __call__(self, t, x):
            return jnp.ones_like(x)

    growth, overshoot = [], []
    for cells in (200, 400, 800, 1600):
        start = kn.Density.uniform(-1.0, 0.0, kn.Grid(-2.0, 2.0, cells))
        final = kn.solve(kn.MeanField(Drift()), start, t1=1.0).final
        growth.append(float(jnp.sum(jnp.abs(jnp.diff(final.values)))) / 2 - 1)
        overshoot.append(float(jnp.max(final.values)) - 1)
    assert growth[0] < 0.11 and growth[-1] < 0.055 and growth == sorted(growth, reverse=True)
    assert overshoot[0] < 0.055 and overshoot[-1] < 0.025
