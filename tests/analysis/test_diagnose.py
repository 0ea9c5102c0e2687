"""Definition 2 on solutions, against what section 3 of the mathematics predicts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.analysis.made_solutions import EIGHT, made

IDENTITY = kn.Identity()
TS = np.linspace(0.0, 4.0, 41)
LEVEL = 1e-4


def solved(net, initial, ts):
    return kn.solve(kn.MeanField(net), initial, t1=ts[-1], saveat=ts)


def members(batch, count):
    return [jax.tree.map(lambda leaf, i=i: leaf[i], batch) for i in range(count)]


# Section 3 on 100 random networks: b = 0 (Proposition 2, Corollary 1) and b = -w m1 (Proposition 3)

LEFT, KNOTS = np.linspace(0.0, 3.2, 5), np.linspace(0.0, 4.0, 6)
FINE = np.linspace(0.0, 4.0, 4001)  # among them all knots, all left ends and all save times


def random_weights(kind, count=50):
    """Values of w: the first ten constant, ten of one sign, and the others as they come."""
    rng = np.random.default_rng(len(kind))
    values = rng.uniform(-2.0, 1.0, (count, 5 if kind == "layers" else 6))
    values[:10] = values[:10, :1]
    values[10:20] = -np.abs(values[10:20])
    return values


def integral(kind, values):
    """Phi_1 at the times FINE."""
    if kind == "layers":
        rates = values[np.searchsorted(LEFT, 0.5 * (FINE[1:] + FINE[:-1])) - 1]
    else:
        w = np.interp(FINE, KNOTS, values)
        rates = 0.5 * (w[1:] + w[:-1])
    return np.concatenate([[0.0], np.cumsum(rates * np.diff(FINE))])


@pytest.fixture(scope="module", params=["layers", pytest.param("knots", marks=pytest.mark.slow)])
def networks(request):
    """The kind of w, its values, whether b = -w m1, and the diagnosis of each of 50 networks, solved in one program."""
    kind, values = request.param, random_weights(request.param)
    kept = np.arange(len(values)) % 2 == 1
    biases = np.where(kept[:, None], -values * EIGHT.mean(), 0.0)

    @jax.jit
    @jax.vmap
    def solutions(w, b):
        make = kn.PiecewiseConstant if kind == "layers" else kn.Interpolated
        times = LEFT if kind == "layers" else KNOTS
        net = kn.SimResNet(make(times, w), make(times, b), IDENTITY)
        return solved(net, kn.Ensemble(EIGHT), jnp.asarray(TS))

    batch = solutions(jnp.asarray(values), jnp.asarray(biases))
    return kind, values, kept, [kn.diagnose(each) for each in members(batch, len(values))]


def test_it_agrees_with_section_3(networks):
    """(i) and (iii) iff Phi_1(t) < 0, the trends by the change of Phi_1, (ii) and (iv) iff Phi_1 is strictly decreasing,
    (v) by Phi_2 below the logarithm of the level; in both cases of the bias alike."""
    kind, values, kept, diagnoses = networks
    verdicts = []
    for w, keeps, found in zip(values, kept, diagnoses, strict=True):
        phi = integral(kind, w)
        saved = phi[:: (len(FINE) - 1) // (len(TS) - 1)]
        below = np.append(False, saved[1:] < 0)
        np.testing.assert_array_equal(found.local_energy_bound, below)
        np.testing.assert_array_equal(found.local_aggregation, below)
        np.testing.assert_array_equal(found.variance_trend, np.sign(np.diff(saved)))
        # Of a point that stays where it is the energy, m1^2 + V, tells V apart no longer.
        told = ~(found.point[:-1] & found.point[1:]) if keeps else np.ones(len(TS) - 1, bool)
        np.testing.assert_array_equal(found.energy_trend[told], np.sign(np.diff(saved))[told])
        decreasing = bool(np.all(np.diff(phi) < 0))
        assert found.aggregation == found.energy_decay == decreasing
        point = 2 * saved <= np.log(LEVEL)
        np.testing.assert_array_equal(found.point, point)
        since = TS[np.flatnonzero(~point)[-1] + 1] if point[-1] else np.inf
        assert found.clustering == point[-1] and found.clustered_from == since
        variance = EIGHT.var() * np.exp(2 * saved)
        np.testing.assert_allclose(found.variance, variance, rtol=1e-4)
        energy = EIGHT.mean() ** 2 + variance if keeps else np.mean(EIGHT**2) * np.exp(2 * saved)
        np.testing.assert_allclose(found.energy, energy, rtol=1e-4)
        verdicts.append((decreasing, below[-1], point[-1]))
    # What a test that sees one kind of network only would miss.
    assert {(True, True, True), (True, True, False), (False, True, False), (False, False, False)} <= set(verdicts)


# Counter-examples: reported as what they are


class Weight(eqx.Module):
    """w(t) = a + b (t - 1)^2 + c e^-t."""

    a: jax.Array
    b: jax.Array
    c: jax.Array

    def __call__(self, t):
        return self.a + self.b * (t - 1) ** 2 + self.c * jnp.exp(-t)


# As densities, all on one grid and at as many times: one program solves them.
GRID = kn.Grid(-9.0, 9.0, 300)
START = kn.Density.gaussian(0.5, 1.0, GRID)
run = jax.jit(lambda net, start, ts: kn.solve(kn.MeanField(net), start, t1=ts[-1], saveat=ts))


def counter_example(a, b, c, t1):
    weight = Weight(*(jnp.asarray(float(each)) for each in (a, b, c)))
    return kn.diagnose(run(kn.SimResNet(weight, 0.0, IDENTITY), START, jnp.linspace(0.0, t1, 21)))


@pytest.mark.slow
def test_energy_decays_under_a_weight_that_is_not_always_negative():
    """C19: w = -(t - 1)^2 is zero at t = 1, yet Phi_1 is strictly decreasing."""
    found = counter_example(0, -1, 0, 2.0)
    assert found.energy_decay and found.aggregation
    np.testing.assert_allclose(found.variance[-1] / found.variance[0], np.exp(-4 / 3), rtol=1e-3)


def test_a_negative_weight_need_not_cluster():
    """C20: w = -e^-t has Phi_2 -> -2, so that V stops at 0.135 V(0)."""
    found = counter_example(0, 0, -1, 10.0)
    assert found.energy_decay and found.aggregation
    assert not found.clustering and found.clustered_from == np.inf
    np.testing.assert_allclose(found.variance[-1] / found.variance[0], np.exp(-2), rtol=1e-3)
    assert "V(10) = 0.135 V(0), above 0.0001" in str(found)


def test_a_weight_that_changes_sign_aggregates_for_a_while():
    """w = 1 - 3 e^-t: Phi_1(t) = t - 3 (1 - e^-t) falls up to t = ln 3 and is negative up to t = 2.82."""
    found = counter_example(1, 0, -3, 4.0)
    assert not (found.energy_decay or found.aggregation or found.clustering)
    expected = np.where(TS[::2][1:] < np.log(3), -1, 1)
    crossing = np.searchsorted(TS[::2], np.log(3)) - 1
    for trend in (found.energy_trend, found.variance_trend):
        np.testing.assert_array_equal(np.delete(trend, crossing), np.delete(expected, crossing))
    negative = (TS[::2] > 0) & (TS[::2] < 2.82)
    np.testing.assert_array_equal(found.local_energy_bound, negative)
    np.testing.assert_array_equal(found.local_aggregation, negative)


# Densities at the resolution of their grid


def test_a_density_that_is_narrower_than_a_cell_is_a_point():
    """w = -3: at t = 4 the exact width is 6e-6, which no cell of 0.06 holds."""
    found = counter_example(-3, 0, 0, 4.0)
    assert found.clustering and found.aggregation and found.energy_decay
    width = float(GRID.width)
    assert 0 < found.clustered_from < 2 and found.variance[-1] < width**2
    # Before, while there is something to see, it decreases; after, what the spike does between two cells is no trend.
    told = found.variance_trend[~found.point[1:]]
    assert told.size > 3 and np.all(told == -1)
    assert set(found.variance_trend[found.point[:-1]]) <= {0}
    assert "a point from" in str(found)


# Two dimensions


def test_in_the_plane_the_variance_is_the_trace():
    samples = np.random.default_rng(1).normal([1.0, -2.0], [1.0, 3.0], (9, 2))
    angles = np.linspace(0.0, 3.0, 7)
    turns = np.array([[[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in angles])
    still = kn.diagnose(made(samples @ turns))
    np.testing.assert_allclose(still.variance, np.sum(samples.var(axis=0)), rtol=1e-12)
    np.testing.assert_allclose(still.energy, np.mean(np.sum(samples**2, axis=1)), rtol=1e-12)
    assert not np.any(still.energy_trend) and not np.any(still.variance_trend)
    assert not (still.local_energy_bound.any() or still.aggregation or still.clustering)
    spiral = kn.diagnose(made(samples @ turns * np.exp(-2 * angles)[:, None, None]))
    assert spiral.aggregation and spiral.energy_decay and spiral.clustered_from == 5
    # Along one axis it spreads by less than it shrinks along the other.
    axes = np.stack([samples * [1 + 0.1 * k, 1 - 0.1 * k] for k in range(5)])
    assert kn.diagnose(made(axes)).aggregation


@pytest.mark.slow
def test_a_rotation_that_is_solved_for_changes_nothing():
    """What errors of the solver would look like."""
    net = kn.SimResNet([[0.0, -1.0], [1.0, 0.0]], 0.0, IDENTITY)
    far = kn.Ensemble(np.random.default_rng(2).normal(1e4, 1.0, (9, 2)))
    found = kn.diagnose(solved(net, far, jnp.asarray(TS)))
    assert not np.any(found.energy_trend) and not np.any(found.variance_trend)
