"""Steady states in several dimensions: points, eigenvalues, lines and regions, and where samples go."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kinetic_nde as kn
from kinetic_nde.analysis import settling, space

RNG = np.random.default_rng(5)
# All ensembles that are followed have this shape, so that an activation compiles once.
SAMPLES = RNG.normal(0.3, 1.0, (40, 2))
SPIRAL = np.array([[1.0, -3.0], [1.0, -1.0]])
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])
TURNED = np.linalg.qr(RNG.normal(size=(4, 4)))[0]


def total(states):
    return states.masses.sum() + states.resting + states.escaping.sum() + states.unsettled


# Points and their stability


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), d=st.sampled_from([2, 3]))
def test_every_vector_of_zeros_has_its_point(seed, d):
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=(d, d)), rng.normal(size=d)
    net = kn.SimResNet(w, b, kn.GrowingCosine())
    states = kn.steady_states(net, lower=-2.0, upper=2.0 + np.arange(d))
    z = np.append((np.arange(-8, 8) + 0.5) * np.pi, 0.0)
    points = np.array([np.linalg.solve(w, np.array(each) - b) for each in itertools.product(z, repeat=d)])
    points = points[np.all((points >= -2.0) & (points <= 2.0 + np.arange(d)), axis=1)]
    assert len(states) == len(points) and not states.continua and states.basins is None
    for point in points:
        assert np.linalg.norm(states.points - point, axis=1).min() < 1e-9
    for point, values, word in zip(states.points, states.eigenvalues, states.stability, strict=True):
        z = w @ point + b
        exact = np.linalg.eigvals((np.cos(z) - z * np.sin(z))[:, None] * w)
        np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(exact), rtol=1e-6, atol=1e-9)
        assert word == ("stable" if exact.real.max() < 0 else "unstable")
    np.testing.assert_array_equal(states.stable, states.stability == "stable")


@pytest.mark.parametrize(
    ("weight", "word"),
    [
        (SPIRAL, "undecided"),
        (ROTATION, "undecided"),
        ([[0.0, 1e3], [0.0, 0.0]], None),
        ([[-1.0, 1e5], [0.0, -1.0]], "stable"),
        ([[-1.0, 0.0], [0.0, -1e-11]], "stable"),
        ([[-1.0, 0.0], [0.0, 1e-11]], "unstable"),
        ([[-1.0, -1.0], [1.0, -1.0]], "stable"),
        # Twice +-i without as many eigenvectors, which rounding tears apart by 1e-8.
        (TURNED @ np.kron([[1.0, 0.0], [0.0, 1.0]], ROTATION) @ TURNED.T, "undecided"),
        (TURNED @ (np.kron([[1.0, 0.0], [0.0, 1.0]], ROTATION) + np.eye(4, k=2)) @ TURNED.T, "undecided"),
    ],
)
def test_the_marginal_case_is_named_undecided(weight, word):
    states = kn.steady_states(kn.SimResNet(weight, 0.0, kn.Tanh()), lower=-1.0, upper=1.5)
    if word is None:
        assert len(states) == 0 and states.continua == ("the line through (0, 0) along (1, 0)",)
    else:
        np.testing.assert_allclose(states.points, np.zeros((1, len(weight))), atol=1e-12)
        assert states.stability.tolist() == [word] and bool(states.stable[0]) == (word == "stable")


def test_a_kink_is_undecided():
    states = kn.steady_states(kn.SimResNet(-1.0, [0.0, 0.5], kn.ReLU()), lower=-2.0, upper=2.0)
    np.testing.assert_allclose(states.points, [[0.0, 0.5]])
    assert states.stability.tolist() == ["undecided"] and np.all(np.isnan(states.eigenvalues))
    assert states.continua == ("every x with z_1 <= 0 and z_2 <= 0, where z = w x + b",)


# Lines and regions


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), shift=st.sampled_from([0.0, 1.0]))
def test_a_singular_weight_has_lines_or_nothing(seed, shift):
    rng = np.random.default_rng(seed)
    along, across = rng.normal(size=2), rng.normal(size=2)
    # w x + b = along (across . x), moved off its range by the shift.
    b = shift * np.array([-along[1], along[0]]) / np.linalg.norm(along)
    states = kn.steady_states(kn.SimResNet(np.outer(along, across), b, kn.Identity()), lower=-1.0, upper=1.0)
    assert len(states) == 0 and "w is singular, of rank 1 in dimension 2" in states.notes[0]
    assert len(states.continua) == (shift == 0.0)


def test_only_lines_and_regions_that_meet_the_box_are_told():
    singular = kn.SimResNet([[1.0, 0.0], [0.0, 0.0]], [0.0, np.pi / 2], kn.GrowingCosine())
    lines = kn.steady_states(singular, lower=[-2.0, 5.0], upper=[1.0, 6.0]).continua
    assert lines == ("the line through (-1.5708, 0) along (0, 1)", "the line through (0, 0) along (0, 1)")
    zero = kn.SimResNet(np.zeros((3, 3)), [0.0, 0.0, 0.0], kn.Tanh())
    assert kn.steady_states(zero, lower=-1.0, upper=1.0).continua == ("every x",)
    plane = kn.steady_states(kn.SimResNet(np.diag([1.0, 0.0, 0.0]), 0.0, kn.Tanh()), lower=-1.0, upper=1.0)
    assert plane.continua == ("the 2-dimensional plane through (0, 0, 0) on which w x stays the same",)
    # Each component has its zero in the box, on planes that meet outside it.
    crossing = kn.SimResNet([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 0.0, kn.Tanh())
    assert kn.steady_states(crossing, lower=[0.5, -1.0, 0.0], upper=[2.0, 1.0, 1.0]).continua == ()
    assert len(kn.steady_states(crossing, lower=[-0.5, -1.0, 0.0], upper=[2.0, 1.0, 1.0]).continua) == 1
    gamma = kn.SimResNet(np.eye(2), 0.0, kn.GeneralizedGamma(0.5, 2.0))
    found = kn.steady_states(gamma, lower=[1.0, -1.0], upper=[3.0, 3.0])
    assert found.continua == ("every x with z_1 = 2 and z_2 <= 0, where z = w x + b",)
    np.testing.assert_allclose(found.points, [[2.0, 0.0], [2.0, 2.0]])
    assert found.stability.tolist() == ["undecided", "stable"]


# Where samples go


@pytest.fixture(scope="module")
def cosine():
    """Two growing cosines, which do not know of each other."""
    net = kn.SimResNet([[1.0, 0.0], [0.0, -0.8]], [0.2, 0.0], kn.GrowingCosine())
    return net, kn.steady_states(net, kn.Ensemble(SAMPLES))


def test_masses_of_independent_components_are_those_of_each(cosine):
    _, states = cosine
    sides = [
        kn.steady_states(kn.SimResNet(w, b, kn.GrowingCosine()), kn.Ensemble(SAMPLES[:, i]))
        for i, (w, b) in enumerate(((1.0, 0.2), (-0.8, 0.0)))
    ]
    for point, mass, word in zip(states.points, states.masses, states.stability, strict=True):
        held = np.ones(len(SAMPLES), bool)
        for i, side in enumerate(sides):
            k = np.argmin(np.abs(side.points - point[i]))
            low, high = side.basins[k]
            held &= (SAMPLES[:, i] > low) & (SAMPLES[:, i] < high)
        assert mass == held.mean() and (word == "stable" or mass == 0.0)
    assert states.masses.sum() == 1.0 and states.resting == 0.0 and states.unsettled == 0.0
    np.testing.assert_allclose(states.standard_errors, np.sqrt(states.masses * (1 - states.masses) / 40))


def test_units_change_the_places_and_the_clock_only(cosine):
    net, states = cosine
    other, time = kn.rescale(net, 1e-3)
    scaled = kn.steady_states(other, kn.Ensemble(1e-3 * SAMPLES))
    np.testing.assert_allclose(scaled.points * 1e3, states.points, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaled.eigenvalues * time, states.eigenvalues, rtol=1e-9)
    np.testing.assert_array_equal(scaled.masses, states.masses)


def test_what_comes_to_rest_outside_a_box_that_is_given_has_left_it(cosine):
    net, _ = cosine
    small = kn.steady_states(net, kn.Ensemble(SAMPLES), lower=[-2.5, -2.5], upper=[0.0, 2.5])
    everywhere = kn.steady_states(net, kn.Ensemble(SAMPLES), lower=-2.5, upper=2.5)
    inside = everywhere.points[:, 0] < 0
    np.testing.assert_allclose(small.points, everywhere.points[inside])
    np.testing.assert_array_equal(small.masses, everywhere.masses[inside])
    np.testing.assert_allclose(everywhere.masses.sum(), 1.0)
    assert 0 < small.escaping[0] < 1 and total(small) == pytest.approx(1.0)


def test_a_box_that_is_not_given_is_widened_to_where_mass_goes(cosine):
    net, _ = cosine
    there = kn.steady_states(net, kn.Ensemble(np.full((40, 2), 0.7)))
    np.testing.assert_allclose(there.points[there.masses > 0], [[np.pi / 2 - 0.2, 0.0]], atol=1e-12)
    assert there.masses.sum() == 1.0 and total(there) == 1.0


def test_a_sample_at_an_unstable_point_stays_although_rounding_moves_it(cosine):
    net, _ = cosine
    start, point = SAMPLES.copy(), np.array([1.5 * np.pi - 0.2, -1.5 * np.pi / 0.8])
    start[0] = point
    assert float(np.abs(net(0.0, jnp.asarray(point))).max()) > 0
    states = kn.steady_states(net, kn.Ensemble(start))
    k = np.argmin(np.linalg.norm(states.points - point, axis=1))
    assert states.stability[k] == "unstable" and states.masses[k] == 1 / 40


def test_more_samples_than_are_followed_are_drawn_from(cosine, monkeypatch):
    net, _ = cosine
    monkeypatch.setattr(space, "_FOLLOWED", 40)
    many = kn.Ensemble(np.concatenate([SAMPLES, -SAMPLES]))
    states = kn.steady_states(net, many)
    assert states.notes == ("the masses are those of 40 of the 80 samples",)
    assert states.masses.sum() == 1.0 and np.all(kn.steady_states(net, many).masses == states.masses)


def test_the_marginal_spiral_attracts_and_its_negative_repels_as_does_a_slow_saddle():
    """C17: the eigenvalues are the same, +-1.41i."""
    attracts = kn.steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), kn.Ensemble(SAMPLES))
    repels = kn.steady_states(kn.SimResNet(-SPIRAL, 0.0, kn.Tanh()), kn.Ensemble(SAMPLES))
    slow = kn.steady_states(kn.SimResNet(np.diag([-1.0, 1e-3]), 0.0, kn.Tanh()), kn.Ensemble(SAMPLES * [1.0, 0.02]))
    assert slow.stability.tolist() == ["unstable"] and slow.masses.tolist() == [0.0]
    for states, mass in ((attracts, 1.0), (repels, 0.0)):
        assert states.stability.tolist() == ["undecided"] and not states.stable[0]
        np.testing.assert_allclose(states.eigenvalues, [[np.sqrt(2) * 1j, -np.sqrt(2) * 1j]], atol=1e-12)
        assert states.masses.tolist() == [mass] and total(states) == 1.0


def test_a_rotation_settles_nowhere_and_a_source_lets_all_go_but_what_is_at_it(monkeypatch):
    """C18: no sum of Diracs."""
    start = SAMPLES.copy()
    start[0] = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(settling, "_CROSSINGS", (64,))
        rotation = kn.steady_states(kn.SimResNet(ROTATION, 0.0, kn.Identity()), kn.Ensemble(start))
    assert rotation.stability.tolist() == ["undecided"]
    np.testing.assert_allclose([rotation.masses[0], rotation.unsettled], [1 / 40, 39 / 40])
    source = kn.steady_states(kn.SimResNet(1.0, [0.0, 0.0], kn.Identity()), kn.Ensemble(start))
    np.testing.assert_allclose([source.masses[0], source.escaping[0]], [1 / 40, 39 / 40])
    sink = kn.steady_states(kn.SimResNet(-1.0, [8.0, -3.0], kn.Identity()), kn.Ensemble(start))
    np.testing.assert_allclose(sink.points, [[8.0, -3.0]])
    assert sink.masses.tolist() == [1.0]
    line = kn.steady_states(kn.SimResNet(np.diag([-1.0, 0.0]), 0.0, kn.Identity()), kn.Ensemble(start))
    assert line.resting == 1.0 and len(line) == 0
    # On the way into the saddle for so long that the others would have overflowed.
    start[:10, 0] = 0.0
    saddle = kn.steady_states(kn.SimResNet(np.diag([1.0, -0.01]), 0.0, kn.Identity()), kn.Ensemble(start))
    np.testing.assert_allclose([saddle.masses[0], saddle.escaping[0]], [0.25, 0.75])
    drift = kn.steady_states(kn.SimResNet(np.diag([-1.0, 0.0]), [0.0, 1.0], kn.Identity()), kn.Ensemble(start))
    assert drift.escaping.tolist() == [1.0] and not drift.continua


def test_relu_rests_on_a_region_and_takes_a_quadrant_to_its_corner():
    states = kn.steady_states(kn.SimResNet(-1.0, [0.5, 0.5], kn.ReLU()), kn.Ensemble(SAMPLES))
    quadrant = np.mean(np.all(SAMPLES < 0.5, axis=1))
    np.testing.assert_allclose([states.masses[0], states.resting], [quadrant, 1 - quadrant])


# What is refused, what is shown


@pytest.mark.parametrize(
    ("net", "arguments", "error", "message"),
    [
        (
            lambda t, x: -x,
            {"initial": kn.Ensemble(SAMPLES)},
            TypeError,
            "in more than one dimension .* kn.SimResNet, not function",
        ),
        (
            kn.SimResNet(1.0, 0.0, kn.Tanh()),
            {"initial": kn.Ensemble(SAMPLES)},
            ValueError,
            "dimension 1 and the initial distribution 2",
        ),
        (
            kn.SimResNet(np.eye(2), 0.0, kn.Tanh()),
            {"lower": [0, 0, 0], "upper": 1.0},
            ValueError,
            r"in dimension 2 lower .* \(2,\), got shape \(3,\)",
        ),
        (kn.SimResNet(np.eye(2), 0.0, kn.Tanh()), {"lower": [0, 2.0], "upper": 1.0}, ValueError, "the box is empty"),
        (
            kn.SimResNet(np.eye(3), 0.0, kn.GrowingCosine()),
            {"lower": -400.0, "upper": 400.0},
            ValueError,
            "up to .* steady states: take a smaller one",
        ),
    ],
)
def test_what_is_refused(net, arguments, error, message):
    with pytest.raises(error, match=message):
        kn.steady_states(net, **arguments)


def test_the_table(cosine):
    _, states = cosine
    lines = str(states).splitlines()
    assert lines[0].startswith(f"{len(states)} steady states in [") and "] x [" in lines[0]
    assert lines[1].split() == ["point", "stability", "eigenvalues", "mass", "+-"]
    assert len(lines) == 2 + len(states)
    spiral = str(kn.steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), lower=-1.0, upper=1.0))
    assert spiral.splitlines()[2].split() == ["(0,", "0)", "undecided", "0+1.414i,", "0-1.414i"]


@pytest.mark.parametrize(
    ("weight", "bias", "std"), [(-1.0, [5.0, 5.0], 1e-3), (-1.0, [1e6, 2e6], 1.0), (-1e-3, [1.0, 0.0], 1.0)]
)
def test_what_attracts_far_from_packed_data_is_found(weight, bias, std):
    samples = kn.Ensemble(std * np.random.default_rng(0).normal(size=(50, 2)))
    found = kn.steady_states(kn.SimResNet(weight, bias, kn.Identity()), samples)
    np.testing.assert_allclose(found.points, [-np.array(bias) / weight], rtol=1e-12)
    assert found.stable.all() and found.masses.tolist() == [1.0]


def test_nothing_attracts_and_the_box_is_that_of_the_data():
    samples = kn.Ensemble(np.random.default_rng(0).normal(size=(50, 2)))
    found = kn.steady_states(kn.SimResNet(np.eye(2), [1.0, 0.0], kn.Identity()), samples)
    assert found.stability.tolist() == ["unstable"] and found.escaping.tolist() == [1.0]
    assert found.upper.max() < 10


def test_a_density_says_what_is_followed():
    density = kn.Density.uniform((-1.0, -1.0), (1.0, 1.0), kn.Grid((-1.0, -1.0), (1.0, 1.0), 4))
    with pytest.raises(TypeError, match="samples are followed.*density.sample"):
        kn.steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), density)
