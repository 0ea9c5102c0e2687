"""Moments of the identity network: against the flow map and the solver, in batches and in other units."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from tests.analysis.identity_networks import SAMPLES, identity, moments_of, power_means
from tests.closed_forms import order as fitted_order

TS = np.array([0.0, 0.7, 2.0, 1.1])
NORMAL = kn.Density.gaussian(1.0, 0.5, kn.Grid(-5.0, 7.0, 600))
numbers = st.floats(-2.0, 2.0)


# Closed forms


@given(w=numbers | st.sampled_from([0.0, 1e-300, 1e-17, -1e-9, 1e-5]), b=numbers)
@example(w=0.0, b=0.0)
@settings(max_examples=8)
def test_constants_give_the_moments_of_the_flow_map(w, b):
    """In long doubles, where (e^{wt} - 1) / w has digits to lose."""
    t, x = TS.astype(np.longdouble)[:, None], SAMPLES.astype(np.longdouble)
    shift = np.expm1(w * t) * b / w if abs(w) > 1e-290 else b * t
    moved = np.exp(w * t) * x + shift
    expected = power_means(moved, 20).astype(float)
    scale = power_means(abs(moved), 20).astype(float)
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


# The solver


TIMES = [0.0, 0.2, 0.5]


def errors_of_the_solver(nets, cells):
    """Of m_0 .. m_6 at t = 0.8, on grids that hold the mass: (grids, networks, orders)."""
    solved = eqx.filter_jit(lambda net, start: moments_of(kn.solve(kn.MeanField(net), start, t1=0.8).final, 6))
    wide = kn.Density.gaussian(0.5, 0.6, kn.Grid(-9.0, 9.0, 400))
    bounds = [kn.Grid.covering(kn.MeanField(net), wide, 0.8, 400) for net in nets]
    starts = lambda cells: [kn.Density.gaussian(0.5, 0.6, kn.Grid(b.lower, b.upper, cells)) for b in bounds]
    exact = np.stack([kn.moments(*pair, [0.8], 6)[0] for pair in zip(nets, starts(4 * cells[-1]), strict=True)])
    errors = []
    for count in cells:
        computed = np.stack([solved(*pair) for pair in zip(nets, starts(count), strict=True)])
        errors.append(np.abs(computed - exact) / (1 + np.abs(exact)))
    errors = np.array(errors)
    np.testing.assert_allclose(errors[..., 0], 0, atol=1e-12)
    return errors


def check_third_order(cells, errors):
    by_net = [fitted_order(cells, errors[:, n].max(axis=1)) for n in range(errors.shape[1])]
    by_moment = [fitted_order(cells, errors[..., k].max(axis=1)) for k in range(1, 7)]
    np.testing.assert_allclose(by_net, 3, atol=0.15)
    np.testing.assert_allclose(by_moment, 3, atol=0.15)


def layers():
    return identity(*(kn.PiecewiseConstant(TIMES, values) for values in ([0.5, -0.6, 0.2], [0.3, 0.6, -0.5])))


@pytest.mark.slow
def test_the_solver_comes_near_the_moments():
    assert errors_of_the_solver([layers()], (200,)).max() < 1e-2


@pytest.mark.slow
def test_the_solver_converges_to_the_moments_at_third_order():
    cells = (50, 100, 200)
    errors = errors_of_the_solver([layers()], cells)
    assert errors[-1].max() < 1e-2
    check_third_order(cells, errors)


@pytest.mark.slow
def test_the_solver_converges_to_the_moments_of_random_networks():
    """Constants, layers, and layers of w beside knots of b."""
    rng = np.random.default_rng(6)
    values = rng.uniform(-0.7, 0.7, (5, 2, 3))
    values[:2] = values[:2, :, :1]
    kinds = [kn.PiecewiseConstant] * 3 + [kn.Interpolated] * 2
    nets = [identity(kn.PiecewiseConstant(TIMES, w), of(TIMES, b)) for of, (w, b) in zip(kinds, values, strict=True)]
    cells = (200, 400, 800)
    errors = errors_of_the_solver(nets, cells)
    assert errors[-1].max() < 1e-4
    check_third_order(cells, errors)


# Batches, units


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
    wrong: list[tuple[Any, Any]] = [(lambda t, x: x, kn.Ensemble(SAMPLES)), (identity(1.0, 0.0), SAMPLES)]
    for arguments in wrong:
        with pytest.raises(TypeError):
            kn.moments(*arguments, [1.0], 2)


def test_traced_times_that_are_no_times_give_nan():
    curve = jax.jit(lambda ts: kn.moments(identity(1.0, 0.0), kn.Ensemble(SAMPLES), ts, 2))
    computed = curve(jnp.array([1.0, -1.0, jnp.nan]))
    np.testing.assert_array_equal(np.isnan(computed[:, 1:]), [[False] * 2, [True] * 2, [True] * 2])
