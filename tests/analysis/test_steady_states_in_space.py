"""Steady states in several dimensions: points, eigenvalues, lines and regions, and what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kinetic_nde as kn
from tests.analysis.steady_state_cases import IN_THE_PLANE, ROTATION, SPIRAL, steady_states

TURNED = np.linalg.qr(np.random.default_rng(6).normal(size=(4, 4)))[0]


# Points and their stability


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), d=st.sampled_from([2, 3]))
def test_every_vector_of_zeros_has_its_point(seed, d):
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=(d, d)), rng.normal(size=d)
    net = kn.SimResNet(w, b, kn.GrowingCosine())
    states = steady_states(net, lower=-2.0, upper=2.0 + np.arange(d))
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
    states = steady_states(kn.SimResNet(weight, 0.0, kn.Tanh()), lower=-1.0, upper=1.5)
    if word is None:
        assert len(states) == 0 and states.continua == ("the line through (0, 0) along (1, 0)",)
    else:
        np.testing.assert_allclose(states.points, np.zeros((1, len(weight))), atol=1e-12)
        assert states.stability.tolist() == [word] and bool(states.stable[0]) == (word == "stable")


def test_a_kink_is_undecided():
    states = steady_states(kn.SimResNet(-1.0, [0.0, 0.5], kn.ReLU()), lower=-2.0, upper=2.0)
    np.testing.assert_allclose(states.points, [[0.0, 0.5]])
    assert states.stability.tolist() == ["undecided"] and np.all(np.isnan(states.eigenvalues))
    assert states.continua == ("every x with z_1 <= 0 and z_2 <= 0, where z = w x + b",)


# Lines and regions


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), shift=st.sampled_from([0.0, 1.0]))
def test_a_singular_weight_has_lines_or_nothing(seed, shift):
    rng = np.random.default_rng(seed)
    along, across = rng.normal(size=2), rng.normal(size=2)
    # w x + b = along (across . x), moved off its range by the shift.
    b = shift * np.array([-along[1], along[0]]) / np.linalg.norm(along)
    states = steady_states(kn.SimResNet(np.outer(along, across), b, kn.Identity()), lower=-1.0, upper=1.0)
    assert len(states) == 0 and "w is singular, of rank 1 in dimension 2" in states.notes[0]
    assert len(states.continua) == (shift == 0.0)


def test_only_lines_and_regions_that_meet_the_box_are_told():
    singular = kn.SimResNet([[1.0, 0.0], [0.0, 0.0]], [0.0, np.pi / 2], kn.GrowingCosine())
    lines = steady_states(singular, lower=[-2.0, 5.0], upper=[1.0, 6.0]).continua
    assert lines == ("the line through (-1.5708, 0) along (0, 1)", "the line through (0, 0) along (0, 1)")
    zero = kn.SimResNet(np.zeros((3, 3)), [0.0, 0.0, 0.0], kn.Tanh())
    assert steady_states(zero, lower=-1.0, upper=1.0).continua == ("every x",)
    plane = steady_states(kn.SimResNet(np.diag([1.0, 0.0, 0.0]), 0.0, kn.Tanh()), lower=-1.0, upper=1.0)
    assert plane.continua == ("the 2-dimensional plane through (0, 0, 0) on which w x stays the same",)
    # Each component has its zero in the box, on planes that meet outside it.
    crossing = kn.SimResNet([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 0.0, kn.Tanh())
    assert steady_states(crossing, lower=[0.5, -1.0, 0.0], upper=[2.0, 1.0, 1.0]).continua == ()
    assert len(steady_states(crossing, lower=[-0.5, -1.0, 0.0], upper=[2.0, 1.0, 1.0]).continua) == 1
    gamma = kn.SimResNet(np.eye(2), 0.0, kn.GeneralizedGamma(0.5, 2.0))
    found = steady_states(gamma, lower=[1.0, -1.0], upper=[3.0, 3.0])
    assert found.continua == ("every x with z_1 = 2 and z_2 <= 0, where z = w x + b",)
    np.testing.assert_allclose(found.points, [[2.0, 0.0], [2.0, 2.0]])
    assert found.stability.tolist() == ["undecided", "stable"]


# What is refused


@pytest.mark.parametrize(
    ("net", "arguments", "error", "message"),
    [
        (
            lambda t, x: -x,
            {"initial": kn.Ensemble(IN_THE_PLANE)},
            TypeError,
            "in more than one dimension .* kn.SimResNet, not function",
        ),
        (
            kn.SimResNet(1.0, 0.0, kn.Tanh()),
            {"initial": kn.Ensemble(IN_THE_PLANE)},
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
        steady_states(net, **arguments)


def test_a_density_says_what_is_followed():
    density = kn.Density.uniform((-1.0, -1.0), (1.0, 1.0), kn.Grid((-1.0, -1.0), (1.0, 1.0), 4))
    with pytest.raises(TypeError, match="samples are followed.*density.sample"):
        steady_states(kn.SimResNet(SPIRAL, 0.0, kn.Tanh()), density)
