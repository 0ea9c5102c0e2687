"""Times of Corollary 2: against closed forms, the moments, and searches in NumPy."""

import math

import jax
import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from kinetic_nde.analysis import times
from tests.analysis.identity_networks import DATA, ENERGY, MEAN, VARIANCE, identity
from tests.closed_forms import course

shares = st.floats(1e-30, 0.99)

# Corollary 2


@given(w=st.floats(-10.0, -1e-6), share=shares)
@settings(max_examples=8)
def test_the_two_cases_of_the_corollary(w, share):
    time = math.log(share) / (2 * w)
    for bias in (0.0, -w * MEAN):
        assert kn.time_to_variance(identity(w, bias), DATA, share * VARIANCE) == pytest.approx(time, rel=1e-10)
    assert kn.time_to_energy(identity(w), DATA, share * ENERGY) == pytest.approx(time, rel=1e-10)
    # The digits of the level that are beyond those of m_1^2.
    level = share * VARIANCE + MEAN**2
    assume(level > MEAN**2 * (1 + 1e-6))
    held = kn.time_to_energy(identity(w, -w * MEAN), DATA, level)
    assert held == pytest.approx(time, rel=1e-8)


def test_never_is_an_answer():
    for w in (0.0, 0.5):
        assert kn.time_to_variance(identity(w), DATA, 0.5 * VARIANCE) == math.inf
    assert kn.time_to_variance(identity(-1.0), DATA, 0.0) == math.inf
    # Where the mean is held, its square stays.
    for level in (0.5 * MEAN**2, MEAN**2):
        assert kn.time_to_energy(identity(-1.0, MEAN), DATA, level) == math.inf


def test_what_is_there_already_takes_no_time():
    for w in (-1.0, 0.0, 1.0):
        assert kn.time_to_variance(identity(w), DATA, VARIANCE) == 0.0
        assert kn.time_to_energy(identity(w, 3.0), DATA, 2 * ENERGY) == 0.0
        assert kn.time_to_variance(identity(w), DATA, math.inf) == 0.0
    assert kn.time_to_variance(identity(-1.0), kn.Ensemble([2.0]), 0.0) == 0.0


def test_the_level_of_an_energy_is_of_the_mass_that_there_is():
    normal = kn.Density.gaussian(2.0, 0.3, kn.Grid(0.0, 4.0, 50))
    heavy = kn.Density(normal.grid, 3 * normal.values)
    once, thrice = (kn.time_to_energy(identity(-1.0), each, 0.5 * float(each.mass)) for each in (normal, heavy))
    assert once == pytest.approx(thrice, rel=1e-12)


# Constants and layers

numbers = st.floats(-3.0, 3.0)
TIMES = [0.0, 0.4, 1.0]


def energies(w, b, ts):
    """V + M^2 at times ts through layers, in closed form."""
    v, m, found = VARIANCE, MEAN, np.full(ts.shape, np.nan)
    for k, (start, end) in enumerate(zip(TIMES, [*TIMES[1:], np.inf], strict=True)):
        # The last of them is the end of the layer. What comes later would overflow.
        h = np.append(np.clip(ts - start, 0.0, end - start), min(end - start, 1.0))
        shift = np.expm1(w[k] * h) / w[k] * b[k] if abs(w[k]) > 1e-12 else b[k] * h
        variances, means = np.exp(2 * w[k] * h) * v, np.exp(w[k] * h) * m + shift
        found = np.where(ts >= start, (variances + means**2)[:-1], found)
        v, m = variances[-1], means[-1]
    return found


@given(values=st.lists(numbers, min_size=6, max_size=6), share=st.floats(1e-3, 0.99))
@example(values=[0.0] * 3 + [-1.0] * 3, share=0.7)  # M = 1 - t: the least energy is V
@example(values=[1e-9, -1e-9, 0.0, -1.0, -1.0, -1.0], share=0.7)
@example(values=[2.0, -1.0, -3.0, 0.0, 0.0, 0.0], share=0.5)
@example(values=[0.0, 1.0, -0.001953125, 0.0, 0.0, 0.0], share=0.125)  # after more than 800
@settings(max_examples=60)
def test_the_first_time_through_layers(values, share):
    w, b = values[:3], values[3:]
    net = identity(kn.PiecewiseConstant(TIMES, w), kn.PiecewiseConstant(TIMES, b))
    level = share * ENERGY
    time = kn.time_to_energy(net, DATA, level)
    ts = np.linspace(0.0, min(time, 30.0), 3001)
    below = energies(w, b, ts[:-1]) <= level * (1 - 1e-9)
    assert not below.any()
    if time < math.inf:
        assert energies(w, b, np.array([time]))[0] == pytest.approx(level, rel=1e-8)


def test_a_held_layer_is_followed_for_ever():
    layers = kn.PiecewiseConstant([0.0, 1.0, 2.0], [-1.0, 2.0, -0.5])
    # Phi_1 = -1 at t = 1, 1 at t = 2, then falls for ever.
    for depth, time in ((-0.95, 0.95), (-1.0, 1.0), (-1.05, 6.1), (-50.0, 104.0)):
        level = math.exp(2 * depth) * VARIANCE
        assert kn.time_to_variance(identity(layers), DATA, level) == pytest.approx(time, rel=1e-12)
    assert kn.time_to_variance(identity(layers), DATA, math.exp(-2.1) * VARIANCE, until=6.0) == math.inf


# Any function of time


@pytest.fixture(params=[256, pytest.param(4096, marks=pytest.mark.slow)])
def places(request, monkeypatch):
    """Into how many spans the time is divided, 4096 or fewer in more rounds, which come to the same digits sooner."""
    monkeypatch.setattr(times, "_SPANS", request.param)
    monkeypatch.setattr(times, "_TOGETHER", request.param // 16)


def test_the_first_time_between_knots_and_after_them(places):
    w = kn.Interpolated([0.0, 1.0, 2.0], [-1.0, 1.0, -0.2])
    # Phi_1 = t^2 - t on [0, 1], then 1/2 u - ... above 0 up to t = 2, where it is 0.4, then -0.2 u.
    level = lambda depth: math.exp(2 * depth) * VARIANCE
    for depth, time in ((-0.24, 0.4), (-0.25 + 1e-13, 0.5), (-0.26, 2 + 0.66 / 0.2)):
        assert kn.time_to_variance(identity(w), DATA, level(depth)) == pytest.approx(time, abs=1e-6)
    stopped = kn.Interpolated([0.0, 1.0, 2.0], [-1.0, 1.0, 0.0])
    assert kn.time_to_variance(identity(stopped), DATA, level(-0.26)) == math.inf
    assert kn.time_to_variance(identity(w), DATA, level(-0.24), until=0.3) == math.inf


CASES = {
    "C19: decays though w(1) = 0": (course(-1.0, 2.0, -1.0), lambda t: ((1 - t) ** 3 - 1) / 3, 0.9, 1.6),
    "C20: w < 0 for ever": (course(0, 0, 0, 0, -1.0), lambda t: math.exp(-t) - 1, 0.3, 0.999),
    "turns round": (course(0, 0, 0, -1.0), lambda t: (math.cos(3 * t) - 1) / 3, 0.1, math.pi / 3 - 0.01),
    "rises first": (course(1.0, -1.0), lambda t: t - t**2 / 2, 3.0, 700.0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_time_of_functions(name, places):
    w, phi, *moments = CASES[name]
    for time in moments:
        level = math.exp(2 * phi(time)) * VARIANCE
        if level > 0:
            assert kn.time_to_variance(identity(w), DATA, level) == pytest.approx(time, rel=1e-9)


def test_functions_that_never_get_there(places):
    share = math.exp(-2)
    decaying = identity(course(0, 0, 0, 0, -1.0))
    # C20: w = -e^-t < 0 leaves e^-2 = 0.135 of the variance.
    assert kn.time_to_variance(decaying, DATA, 0.99 * share * VARIANCE) == math.inf
    assert 2 < kn.time_to_variance(decaying, DATA, 1.01 * share * VARIANCE) < 10
    turning = identity(course(0, 0, 0, -1.0))
    assert kn.time_to_variance(turning, DATA, math.exp(-4 / 3 - 1e-6) * VARIANCE) == math.inf
    assert kn.time_to_variance(turning, DATA, math.exp(-1.0) * VARIANCE, until=0.5) == math.inf


def test_the_energy_of_functions(places):
    weight = lambda t: -0.5 + 0.8 * np.sin(3 * t)
    phi = lambda t: -0.5 * t + 0.8 * (1 - np.cos(3 * t)) / 3
    path = solve_ivp(lambda t, m: weight(t) * m - 0.4, (0, 6), [MEAN], rtol=1e-12, atol=1e-12, dense_output=True)
    energy = lambda t: VARIANCE * np.exp(2 * phi(t)) + path.sol(t)[0] ** 2
    level = 0.6 * ENERGY
    time = kn.time_to_energy(identity(course(-0.5, 0.0, 0.0, 0.8), -0.4), DATA, level)
    assert 0 < time < 6 and energy(time) == pytest.approx(level, rel=1e-7)
    assert energy(np.linspace(0.0, time, 500)[:-1]).min() > level


def test_a_dip_between_two_places_is_seen(places):
    """M = 1 - t, so that the energy V + M^2 is down to V (1 + 1e-12) for 1e-6 around t = 1."""
    time = kn.time_to_energy(identity(course(0.0), -1.0), DATA, VARIANCE * (1 + 1e-12))
    assert time == pytest.approx(1 - math.sqrt(1e-12 * VARIANCE), abs=1e-9)


# Units and wrong input


@given(factor=st.sampled_from([1e-3, 1e4]), b=numbers)
@settings(max_examples=6)
def test_times_are_the_same_in_other_units_and_in_the_mirror(factor, b):
    net, level = identity(-0.8, b), 0.9 * ENERGY
    time = kn.time_to_energy(net, DATA, level)
    scaled, clock = kn.rescale(net, factor)
    other = kn.time_to_energy(scaled, kn.Ensemble(factor * DATA.samples), factor**2 * level)
    mirrored = kn.time_to_energy(identity(-0.8, -b), kn.Ensemble(-DATA.samples), level)
    assert other == pytest.approx(clock * time, rel=1e-9) and mirrored == pytest.approx(time, rel=1e-12)


@pytest.mark.parametrize("find", [kn.time_to_variance, kn.time_to_energy])
def test_wrong_input_is_refused(find):
    net = identity(-1.0)
    for level in (-0.1, math.nan):
        with pytest.raises(ValueError, match="not negative"):
            find(net, DATA, level)
    with pytest.raises(ValueError, match="not negative, got"):
        find(net, DATA, np.ones(2))
    with pytest.raises(ValueError, match="the identity as activation.*not ReLU"):
        find(kn.SimResNet(-1.0, 0.0, kn.ReLU()), DATA, 0.1)
    with pytest.raises(ValueError, match="one dimension"):
        find(net, kn.Ensemble(np.eye(2)), 0.1)
    with pytest.raises(ValueError, match="mean .* and the variance inf"):
        find(net, kn.Ensemble([0.0, 1e200, 3.0, 4.0]), 0.1)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda w: find(identity(w), DATA, 0.1))(-1.0)
    for until in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="until must be positive"):
            find(net, DATA, 0.1, until=until)
    with pytest.raises(ValueError, match="finite where w or b is a function of t"):
        find(identity(course(-1.0)), DATA, 0.1, until=math.inf)
    with pytest.raises(TypeError):
        find(net, [1.0, 2.0], 0.1)


def test_a_function_that_cannot_be_followed_is_said_to_be_so(places):
    with pytest.raises(RuntimeError, match="too fast to be followed from t = 0 to .*`until`"):
        kn.time_to_variance(identity(course(math.inf)), DATA, 0.1)
