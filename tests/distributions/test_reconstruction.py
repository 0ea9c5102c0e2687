"""From averages to polynomials, pointwise: the reconstruction, its derivatives and the ghosts beyond the ends."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.distributions import profile
from kinetic_nde.distributions.reconstruction import CWENO3, ghosts, threshold

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
    @jax.jit
    def error(start):
        parts = profile.reconstruct(start.grid, start.values)
        return jnp.mean(jnp.abs(parts.at(0.5) - jax.scipy.stats.norm.pdf(start.grid.faces[1:])))

    cells = [50, 100, 200, 400, 800]
    errors = [float(error(kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, n)))) for n in cells]
    assert -np.polyfit(np.log(cells), np.log(errors), 1)[0] > 2.7


def test_ghosts_continue_a_parabola():
    grid = kn.Grid(0.0, 1.0, 8)
    x = np.linspace(-1 / 8, 1 + 1 / 8, 11)
    averages = np.diff(x + x**2 + 0.7 * x**3 / 3) / (1 / 8)
    np.testing.assert_allclose(ghosts(jnp.asarray(averages[1:-1])), averages[[0, -1]], rtol=1e-12)
    assert threshold(grid.cells) == (20 / 8) ** 2


@functools.partial(jax.jit, static_argnums=0)
def edge_along(epsilon, backward, forward, along):
    """The derivative of the edge along a direction by JAX, and both by hand."""

    def edge(backward, forward):
        slope, curvature = CWENO3()(backward, forward, epsilon)
        return 0.5 * slope + curvature / 6

    value, expected = jax.jvp(edge, (backward, forward), (along, 0.3 * along))
    return expected, *CWENO3().derivatives(backward, forward, epsilon, value)


@given(seed=st.integers(0, 10**6), cells=st.sampled_from([10, 400, 6400]), scale=st.sampled_from([1e-6, 1.0, 1e3]))
def test_the_derivatives_of_the_edge(seed, cells, scale):
    rng = np.random.default_rng(seed)
    backward, forward, along = (jnp.asarray(size * rng.normal(size=20)) for size in (scale, scale, 1.0))
    expected, by_backward, by_forward = edge_along(threshold(cells), backward, forward, along)
    terms = np.abs(by_backward * along) + np.abs(0.3 * by_forward * along)
    np.testing.assert_array_less(np.abs(by_backward * along + 0.3 * by_forward * along - expected), 1e-11 * (terms + 1))


def test_the_derivatives_of_the_edge_by_differences():
    """The rule that JAX has for the reconstruction is written by hand, too: a step into the complex plane knows neither."""
    rng, c0, epsilon = np.random.default_rng(0), 0.6, threshold(40)
    backward, forward = rng.normal(size=(2, 50))

    def edge(backward, forward):
        half, second = 0.5 * (backward + forward), forward - backward
        indicators = backward**2, forward**2, half**2 + 13 / 3 * (second / (2 * c0)) ** 2
        left, right, centre = (c / (epsilon + i) ** 2 for c, i in zip((0.2, 0.2, 0.6), indicators, strict=True))
        slope, curvature = left * backward + right * forward + centre * half, centre * second / (2 * c0)
        return (0.5 * slope + curvature / 6) / (left + right + centre)

    h = 1e-30
    value = edge(backward, forward)
    slope, curvature = CWENO3(c0)(jnp.asarray(backward), jnp.asarray(forward), epsilon)
    np.testing.assert_allclose(0.5 * slope + curvature / 6, value, rtol=1e-12)
    expected = edge(backward + 1j * h, forward).imag / h, edge(backward, forward + 1j * h).imag / h
    found = CWENO3(c0).derivatives(jnp.asarray(backward), jnp.asarray(forward), epsilon, jnp.asarray(value))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@functools.partial(jax.jit, static_argnums=0)
def transposes(epsilon, differences, cotangents):
    """The value whose derivatives are asked for, and these by hand and by JAX."""
    shapes, pull = jax.vjp(lambda left, right: CWENO3(0.6)(left, right, epsilon), *differences)
    value = shapes[0] * cotangents[0] + shapes[1] * cotangents[1]
    written = CWENO3(0.6).derivatives(differences[0], differences[1], epsilon, value, *cotangents)
    return value, written, pull(cotangents)


@given(seed=st.integers(0, 10**6), cells=st.sampled_from([10, 400]), scale=st.sampled_from([1e-6, 1.0, 1e3]))
def test_the_transpose_of_the_reconstruction(seed, cells, scale):
    rng, epsilon = np.random.default_rng(seed), threshold(cells)
    differences = tuple(jnp.asarray(each) for each in scale * rng.normal(size=(2, 20)))
    cotangents = tuple(jnp.asarray(each) for each in rng.normal(size=(2, 20)))
    value, found, expected = transposes(epsilon, differences, cotangents)
    size = np.abs(cotangents).max() + np.abs(value)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_less(np.abs(one - other), 1e-11 * (size + np.abs(other)))
