"""Steady states in several dimensions: where samples go, against each component alone and what is known of linear networks."""

import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.analysis import settling, space
from tests.analysis.steady_state_cases import IN_THE_PLANE, ROTATION, SPIRAL, steady_states, total


@pytest.fixture(scope="module")
def cosine():
    """Two growing cosines, which do not know of each other."""
    net = kn.SimResNet([[1.0, 0.0], [0.0, -0.8]], [0.2, 0.0], kn.GrowingCosine())
    return net, steady_states(net, kn.Ensemble(IN_THE_PLANE))


@pytest.mark.slow
def test_masses_of_independent_components_are_those_of_each(cosine):
    _, states = cosine
    sides = [
        steady_states(kn.SimResNet(w, b, kn.GrowingCosine()), kn.Ensemble(IN_THE_PLANE[:, i]))
        for i, (w, b) in enumerate(((1.0, 0.2), (-0.8, 0.0)))
    ]
    for point, mass, word in zip(states.points, states.masses, states.stability, strict=True):
        held = np.ones(len(IN_THE_PLANE), bool)
        for i, side in enumerate(sides):
            k = np.argmin(np.abs(side.points - point[i]))
            low, high = side.basins[k]
            held &= (IN_THE_PLANE[:, i] > low) & (IN_THE_PLANE[:, i] < high)
        assert mass == held.mean() and (word == "stable" or mass == 0.0)
    assert states.masses.sum() == 1.0 and states.resting == 0.0 and states.unsettled == 0.0
    np.testing.assert_allclose(states.standard_errors, np.sqrt(states.masses * (1 - states.masses) / 40))


def test_units_change_the_places_and_the_clock_only(cosine):
    net, states = cosine
    other, time = kn.rescale(net, 1e-3)
    scaled = steady_states(other, kn.Ensemble(1e-3 * IN_THE_PLANE))
    np.testing.assert_allclose(scaled.points * 1e3, states.points, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaled.eigenvalues * time, states.eigenvalues, rtol=1e-9)
    np.testing.assert_array_equal(scaled.masses, states.masses)


def test_what_comes_to_rest_outside_a_box_that_is_given_has_left_it(cosine):
    net, _ = cosine
    small = steady_states(net, kn.Ensemble(IN_THE_PLANE), lower=[-2.5, -2.5], upper=[0.0, 2.5])
    everywhere = steady_states(net, kn.Ensemble(IN_THE_PLANE), lower=-2.5, upper=2.5)
    inside = everywhere.points[:, 0] < 0
    np.testing.assert_allclose(small.points, everywhere.points[inside])
    np.testing.assert_array_equal(small.masses, everywhere.masses[inside])
    np.testing.assert_allclose(everywhere.masses.sum(), 1.0)
    assert 0 < small.escaping[0] < 1 and total(small) == pytest.approx(1.0)


def test_a_box_that_is_not_given_is_widened_to_where_mass_goes(cosine):
    net, _ = cosine
    there = steady_states(net, kn.Ensemble(np.full((40, 2), 0.7)))
    np.testing.assert_allclose(there.points[there.masses > 0], [[np.pi / 2 - 0.2, 0.0]], atol=1e-12)
    assert there.masses.sum() == 1.0 and total(there) == 1.0


def test_a_sample_at_an_unstable_point_stays_although_rounding_moves_it(cosine):
    net, _ = cosine
    start, point = IN_THE_PLANE.copy(), np.array([1.5 * np.pi - 0.2, -1.5 * np.pi / 0.8])
    start[0] = point
    assert float(np.abs(net(0.0, jnp.asarray(point))).max()) > 0
    states = steady_states(net, kn.Ensemble(start))
    k = np.argmin(np.linalg.norm(states.points - point, axis=1))
    assert states.stability[k] == "unstable" and states.masses[k] == 1 / 40


def test_more_samples_than_are_followed_are_drawn_from(cosine, monkeypatch):
    net, _ = cosine
    monkeypatch.setattr(space, "_FOLLOWED", 40)
    many = kn.Ensemble(np.concatenate([IN_THE_PLANE, -IN_THE_PLANE]))
    states = steady_states(net, many)
    assert states.notes == ("the masses are those of 40 of the 80 samples",)
    assert states.masses.sum() == 1.0 and np.all(steady_states(net, many).masses == states.masses)


@pytest.mark.slow
def test_the_marginal_spiral_attracts_and_its_negative_repels():
    """C17: the eigenvalues are the same, +-1.41i."""
    attracts = steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), kn.Ensemble(IN_THE_PLANE))
    repels = steady_states(kn.SimResNet(-SPIRAL, 0.0, kn.Tanh()), kn.Ensemble(IN_THE_PLANE))
    for states, mass in ((attracts, 1.0), (repels, 0.0)):
        assert states.stability.tolist() == ["undecided"] and not states.stable[0]
        np.testing.assert_allclose(states.eigenvalues, [[np.sqrt(2) * 1j, -np.sqrt(2) * 1j]], atol=1e-12)
        assert states.masses.tolist() == [mass] and total(states) == 1.0


@pytest.mark.slow
def test_a_slow_saddle_repels():
    slow = steady_states(kn.SimResNet(np.diag([-1.0, 1e-3]), 0.0, kn.Tanh()), kn.Ensemble(IN_THE_PLANE * [1.0, 0.02]))
    assert slow.stability.tolist() == ["unstable"] and slow.masses.tolist() == [0.0]


# The identity, for which one program follows all samples

START = np.concatenate([[[0.0, 0.0]], IN_THE_PLANE[1:]])


def linear(weight, bias, start=START):
    return steady_states(kn.SimResNet(weight, bias, kn.Identity()), kn.Ensemble(start))


@pytest.mark.slow
def test_a_rotation_settles_nowhere(monkeypatch):
    """C18: no sum of Diracs."""
    monkeypatch.setattr(settling, "_CROSSINGS", (64,))
    rotation = linear(ROTATION, 0.0)
    assert rotation.stability.tolist() == ["undecided"]
    np.testing.assert_allclose([rotation.masses[0], rotation.unsettled], [1 / 40, 39 / 40])


@pytest.fixture(params=[3, pytest.param(40, marks=pytest.mark.slow)])
def doublings(request, monkeypatch):
    """How often the box is doubled in search of what attracts: where nothing does, each time in vain."""
    monkeypatch.setattr(space, "_DOUBLINGS", request.param)


@pytest.mark.slow
def test_a_source_lets_all_go_but_what_is_at_it(doublings):
    source = linear(1.0, [0.0, 0.0])
    np.testing.assert_allclose([source.masses[0], source.escaping[0]], [1 / 40, 39 / 40])


def test_a_sink_takes_all():
    sink = linear(-1.0, [8.0, -3.0])
    np.testing.assert_allclose(sink.points, [[8.0, -3.0]])
    assert sink.masses.tolist() == [1.0]


def test_a_line_takes_all_and_has_no_point():
    line = linear(np.diag([-1.0, 0.0]), 0.0)
    assert line.resting == 1.0 and len(line) == 0


def test_a_saddle_takes_what_is_on_the_way_into_it(doublings):
    """For so long that the others would have overflowed."""
    start = START.copy()
    start[:10, 0] = 0.0
    saddle = linear(np.diag([1.0, -0.01]), 0.0, start)
    np.testing.assert_allclose([saddle.masses[0], saddle.escaping[0]], [0.25, 0.75])


def test_what_seems_to_have_come_to_a_saddle_leaves_it(doublings):
    """After 64 crossings all are next to it, and still on the way out."""
    saddle = linear(np.diag([-1.0, 0.01]), 0.0, IN_THE_PLANE * [1.0, 0.02])
    assert saddle.stability.tolist() == ["unstable"] and saddle.masses.tolist() == [0.0]
    assert saddle.escaping.tolist() == [1.0]


def test_what_drifts_along_a_line_escapes():
    drift = linear(np.diag([-1.0, 0.0]), [0.0, 1.0])
    assert drift.escaping.tolist() == [1.0] and not drift.continua


@pytest.mark.parametrize(
    ("weight", "bias", "std"),
    [
        (-1.0, [1e6, 2e6], 1.0),
        pytest.param(-1.0, [5.0, 5.0], 1e-3, marks=pytest.mark.slow),
        pytest.param(-1e-3, [1.0, 0.0], 1.0, marks=pytest.mark.slow),
    ],
)
def test_what_attracts_far_from_packed_data_is_found(weight, bias, std):
    samples = kn.Ensemble(std * np.random.default_rng(0).normal(size=(40, 2)))
    found = steady_states(kn.SimResNet(weight, bias, kn.Identity()), samples)
    np.testing.assert_allclose(found.points, [-np.array(bias) / weight], rtol=1e-12)
    assert found.stable.all() and found.masses.tolist() == [1.0]


def test_nothing_attracts_and_the_box_is_that_of_the_data(doublings):
    samples = kn.Ensemble(np.random.default_rng(0).normal(size=(40, 2)))
    found = steady_states(kn.SimResNet(np.eye(2), [1.0, 0.0], kn.Identity()), samples)
    assert found.stability.tolist() == ["unstable"] and found.escaping.tolist() == [1.0]
    assert found.upper.max() < 10


# Other activations, and the table


@pytest.mark.slow
def test_relu_rests_on_a_region_and_takes_a_quadrant_to_its_corner():
    states = steady_states(kn.SimResNet(-1.0, [0.5, 0.5], kn.ReLU()), kn.Ensemble(IN_THE_PLANE))
    quadrant = np.mean(np.all(IN_THE_PLANE < 0.5, axis=1))
    np.testing.assert_allclose([states.masses[0], states.resting], [quadrant, 1 - quadrant])


def test_the_table(cosine):
    _, states = cosine
    lines = str(states).splitlines()
    assert lines[0].startswith(f"{len(states)} steady states in [") and "] x [" in lines[0]
    assert lines[1].split() == ["point", "stability", "eigenvalues", "mass", "+-"]
    assert len(lines) == 2 + len(states)
    spiral = str(steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), lower=-1.0, upper=1.0))
    assert spiral.splitlines()[2].split() == ["(0,", "0)", "undecided", "0+1.414i,", "0-1.414i"]
