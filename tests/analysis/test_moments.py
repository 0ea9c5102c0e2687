"""Moments of the identity network: against the flow map, the ordinary differential equations (10) and the solver."""

import itertools

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.distributions.points import points
from tests.closed_forms import Course, course, order as fitted_order

SAMPLES = np.array([-1.3, -0.2, 0.4, 1.0, 2.9])
TS = np.array([0.0, 0.7, 2.0, 1.1])
NORMAL = kn.Density.gaussian(1.0, 0.5, kn.Grid(-5.0, 7.0, 600))
numbers = st.floats(-2.0, 2.0)


def identity(weight, bias):
    return kn.SimResNet(weight, bias, kn.Identity())


def power_means(x, order, weights=None):
    return np.array([np.average(x**k, weights=weights) for k in range(order + 1)])


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


# Closed forms


@given(w=numbers | st.sampled_from([0.0, 1e-300, 1e-17, -1e-9, 1e-5]), b=numbers)
@example(w=0.0, b=0.0)
def test_constants_give_the_moments_of_the_flow_map(w, b):
    """In long doubles, where (e^{wt} - 1) / w has digits to lose."""
    t, x = TS.astype(np.longdouble)[:, None], SAMPLES.astype(np.longdouble)
    shift = np.expm1(w * t) * b / w if abs(w) > 1e-290 else b * t
    moved = np.exp(w * t) * x + shift
    expected = np.stack([power_means(row, 20) for row in moved]).astype(float)
    scale = np.stack([power_means(abs(row), 20) for row in moved]).astype(float)
    computed = kn.moments(identity(w, b), kn.Ensemble(SAMPLES), TS, 20)
    assert computed.shape == (4, 21)
    np.testing.assert_array_less(np.abs(computed - expected), 1e-12 * scale + 1e-300)


def test_a_normal_distribution_stays_one():
    w, b = -0.8, 0.3
    computed = kn.moments(identity(w, b), NORMAL, TS, 6)
    for t, row in zip(TS, computed, strict=True):
        exact = norm(-b / w + (1 + b / w) * np.exp(w * t), 0.5 * np.exp(w * t))
        np.testing.assert_allclose(row, [exact.moment(k) for k in range(7)], rtol=2e-6, atol=2e-6)


def test_no_digits_are_lost_far_from_the_origin():
    """The mean stays where it is (Proposition 3) while distances grow: raw moments would cancel."""
    centred = SAMPLES - SAMPLES.mean()
    computed = kn.moments(identity(3.0, -3e6), kn.Ensemble(1e6 + centred), TS, 20)
    np.testing.assert_allclose(computed[:, 1], 1e6, rtol=1e-14)
    np.testing.assert_allclose(computed[:, 2] - 1e12, np.exp(6 * TS) * centred.var(), rtol=1e-3, atol=1e-3)
    moved = (1e6 + np.exp(3 * TS[:, None].astype(np.longdouble)) * centred) / 1e6
    np.testing.assert_allclose(computed[:, 20] / 1e120, np.mean(moved**20, axis=1).astype(float), rtol=1e-12)


def test_no_digits_are_lost_after_a_long_time():
    computed = kn.moments(identity(-1.0, 0.0), kn.Ensemble(SAMPLES), 10 * TS, 20)
    expected = np.exp(-10 * TS[:, None] * np.arange(21)) * power_means(SAMPLES, 20)
    np.testing.assert_allclose(computed, expected, rtol=1e-12)


# Any function of time


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


# The solver


def test_the_solver_converges_to_the_moments_at_third_order():
    """m_0 .. m_6 for random parameters: constants, layers, and layers of w beside knots of b, on grids that hold the mass."""
    rng = np.random.default_rng(6)
    values, times = rng.uniform(-0.7, 0.7, (5, 2, 3)), [0.0, 0.2, 0.5]
    values[:2] = values[:2, :, :1]
    kinds = [kn.PiecewiseConstant] * 3 + [kn.Interpolated] * 2
    nets = [identity(kn.PiecewiseConstant(times, w), of(times, b)) for of, (w, b) in zip(kinds, values, strict=True)]
    solved = eqx.filter_jit(
        lambda net, start: points(kn.solve(kn.MeanField(net), start, t1=0.8).final, 6).power_sums(6)
    )
    wide = kn.Density.gaussian(0.5, 0.6, kn.Grid(-9.0, 9.0, 400))
    bounds = [kn.Grid.covering(kn.MeanField(net), wide, 0.8, 400) for net in nets]
    starts = lambda cells: [kn.Density.gaussian(0.5, 0.6, kn.Grid(b.lower, b.upper, cells)) for b in bounds]
    exact = np.concatenate([kn.moments(*pair, [0.8], 6) for pair in zip(nets, starts(3200), strict=True)])
    cells, errors = (200, 400, 800), []
    for count in cells:
        computed = np.stack([solved(*pair) for pair in zip(nets, starts(count), strict=True)])
        errors.append(np.abs(computed - exact) / (1 + np.abs(exact)))
    errors = np.array(errors)
    assert errors[-1].max() < 1e-4
    np.testing.assert_allclose(errors[..., 0], 0, atol=1e-12)
    by_net = [fitted_order(cells, errors[:, n].max(axis=1)) for n in range(len(nets))]
    by_moment = [fitted_order(cells, errors[..., k].max(axis=1)) for k in range(1, 7)]
    np.testing.assert_allclose(by_net, 3, atol=0.15)
    np.testing.assert_allclose(by_moment, 3, atol=0.15)


# Derivatives, batches, units


def derivatives(weight, bias):
    """m_6 at the last of four times, its gradient in reverse mode, and one derivative in forward mode against it."""
    arguments = (identity(weight, bias), kn.Ensemble(SAMPLES), jnp.asarray(TS[[0, 1, 3, 3]]))
    flat, rebuild = jax.flatten_util.ravel_pytree(arguments)
    sixth = lambda flat: kn.moments(*rebuild(flat), 6)[3, 6]
    direction = jnp.asarray(np.random.default_rng(0).normal(size=flat.size))
    both = jax.jit(lambda flat: (jax.grad(sixth)(flat), jax.jvp(sixth, (flat,), (direction,))[1]))
    slopes, forward = both(flat)
    np.testing.assert_allclose(forward, slopes @ direction, rtol=1e-9)
    # Fourth order, by calls outside jit, which are compiled already.
    steps = np.array([-2, -1, 1, 2]) * 1e-3
    numbers = flat.size - 4
    values = [[sixth(flat.at[k].add(step)) for k in range(numbers)] for step in steps]
    np.testing.assert_allclose(
        slopes[:numbers], np.array([1, -8, 8, -1]) @ np.array(values) / 12e-3, rtol=1e-6, atol=1e-6
    )
    # By t, also where two times are equal: the right-hand side of (10).
    net, ensemble, ts = arguments
    m = kn.moments(net, ensemble, ts, 6)[3]
    rate = 6 * (net.weight(ts[3]) * m[6] + net.bias(ts[3]) * m[5])
    np.testing.assert_allclose(slopes[numbers:], [0, 0, 0, rate], rtol=1e-9, atol=1e-9)


def test_derivatives_where_parameters_are_functions_of_time():
    derivatives(course(-0.5, 0.8), course(0.3, 0.0, 0.0, 1.0))


def test_derivatives_where_the_weight_is_zero():
    derivatives(0.0, 0.4)


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


def test_new_numbers_do_not_compile_again_and_batches_agree():
    traces = []

    @jax.jit
    @jax.vmap
    def curve(w, b):
        traces.append(1)
        return kn.moments(identity(w, b), kn.Ensemble(SAMPLES), TS, 20)

    w, b = jnp.array([0.0, 1e-9, -1.5]), jnp.array([1.0, 0.0, 0.3])
    batch = curve(w, b)
    curve(2 * w, 3 * b)
    assert len(traces) == 1
    for k in range(3):
        np.testing.assert_allclose(batch[k], kn.moments(identity(w[k], b[k]), kn.Ensemble(SAMPLES), TS, 20), rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_units_and_mirror_images(factor):
    k = np.arange(21)
    plain = kn.moments(identity(-0.7, 0.9), kn.Ensemble(SAMPLES), TS, 20)
    scaled, time = kn.rescale(identity(-0.7, 0.9), factor)
    np.testing.assert_allclose(
        kn.moments(scaled, kn.Ensemble(factor * SAMPLES), time * TS, 20), factor**k * np.asarray(plain), rtol=1e-11
    )
    mirrored = kn.moments(identity(-0.7, -0.9), kn.Ensemble(-SAMPLES), TS, 20)
    np.testing.assert_allclose(mirrored, (-1.0) ** k * np.asarray(plain), rtol=1e-12)


def test_mass_that_is_not_1():
    net, three = identity(-0.7, 0.9), kn.Density(NORMAL.grid, 3 * NORMAL.values)
    computed = kn.moments(net, three, TS, 6)
    np.testing.assert_allclose(computed, 3 * kn.moments(net, NORMAL, TS, 6), rtol=1e-13)
    np.testing.assert_allclose(computed[0, [0, 2]], [three.mass, three.energy], rtol=1e-13)


def test_float32():
    net = identity(jnp.float32(4.6), jnp.float32(0.0))
    computed = kn.moments(net, kn.Ensemble(jnp.array([-0.01, 0.01], jnp.float32)), [1.0], 20)
    assert computed.dtype == jnp.float32
    # 0.01^20 has no float32.
    np.testing.assert_allclose(computed[0, ::2], (0.01 * np.exp(4.6)) ** np.arange(0, 21, 2), rtol=1e-4)


# Wrong input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": kn.SimResNet(1.0, 0.0, kn.Tanh())}, "the identity as activation.*not Tanh.*kn.linearised"),
        ({"net": kn.SimResNet(jnp.eye(2), 0.0, kn.Identity())}, "one dimension, got a network of dimension 2"),
        ({"initial": kn.Ensemble(np.ones((3, 2)))}, "one dimension, got a distribution of dimension 2"),
        ({"order": -1}, "order of a moment must be at least 0, got -1"),
        ({"order": 21}, "order 0 to 20, got 21"),
        ({"ts": [-1.0, 2.0]}, "count from t = 0"),
        ({"ts": [np.nan]}, "must be finite"),
        ({"ts": []}, "at least one"),
        ({"ts": 1.0}, "list of times"),
    ],
)
def test_wrong_input_is_refused(change, message):
    arguments = {"net": identity(1.0, 0.0), "initial": kn.Ensemble(SAMPLES), "ts": [1.0], "order": 2, **change}
    with pytest.raises(ValueError, match=message):
        kn.moments(**arguments)


def test_what_is_no_network_or_distribution_is_refused():
    for arguments in ((lambda t, x: x, kn.Ensemble(SAMPLES)), (identity(1.0, 0.0), SAMPLES)):
        with pytest.raises(TypeError):
            kn.moments(*arguments, [1.0], 2)


def test_traced_times_that_are_no_times_give_nan():
    curve = jax.jit(lambda ts: kn.moments(identity(1.0, 0.0), kn.Ensemble(SAMPLES), ts, 2))
    computed = curve(jnp.array([1.0, -1.0, jnp.nan]))
    np.testing.assert_array_equal(np.isnan(computed[:, 1:]), [[False] * 2, [True] * 2, [True] * 2])
