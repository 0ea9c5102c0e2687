"""Partial moments of Remark 2, and the rates that they give: against quadrature and the solver."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kinetic_nde as kn
from tests.analysis.identity_networks import SAMPLES, moments_of
from tests.closed_forms import course

# On as many cells as what is solved for below, and moments of the same order: the same programs.
DENSITY = kn.Density.gaussian(0.3, 0.6, kn.Grid(-4.0, 4.0, 800))
PROFILE = DENSITY.profile
numbers = st.floats(-2.0, 2.0)


def by_quadrature(k, lower, upper):
    """int x^k on the parabolas of DENSITY, cell by cell."""
    average, slope, curvature = (np.asarray(each)[:, None] for each in PROFILE[1:])
    faces, width = np.asarray(DENSITY.grid.faces), float(DENSITY.grid.width)
    ends = np.clip(faces, lower, upper)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = 0.5 * np.diff(ends)[:, None]
    x = 0.5 * (ends[1:] + ends[:-1])[:, None] + half * nodes
    s = (x - 0.5 * (faces[1:] + faces[:-1])[:, None]) / width
    return np.sum(half * weights * x**k * (average + s * slope + (s**2 - 1 / 12) * curvature))


@given(w=numbers | st.just(0.0), b=numbers)
@settings(max_examples=10)
def test_partial_moments_are_integrals_up_to_the_kink(w, b):
    net = kn.SimResNet(course(w), course(b), kn.ReLU())
    kink = np.clip(-b / w, -4, 4) if w != 0 else (-4.0 if b > 0 else 4.0)
    ends = (-4.0, kink) if w < 0 else (kink, 4.0)
    expected = [by_quadrature(k, *ends) if ends[0] < ends[1] else 0.0 for k in range(5)]
    np.testing.assert_allclose(kn.partial_moments(net, DENSITY, 0.0, 4), expected, rtol=1e-12, atol=1e-14)
    active = w * SAMPLES + b > 0
    parts = kn.partial_moments(net, kn.Ensemble(SAMPLES), 0.0, 3)
    np.testing.assert_allclose(parts, [np.mean(SAMPLES**k * active) for k in range(4)], rtol=1e-13, atol=1e-15)
    # With the rate, k int x^(k-1) max(0, w x + b) dg, which has no boundary terms.
    rate = [np.mean(k * SAMPLES ** max(k - 1, 0) * np.maximum(w * SAMPLES + b, 0)) for k in range(4)]
    np.testing.assert_allclose(kn.moment_rate(net, kn.Ensemble(SAMPLES), 0.0, 3), rate, rtol=1e-12, atol=1e-13)


# The kink of the last one moves to the right, at a speed that the data do not have.
NETS = {
    "w > 0": (course(0.6), course(0.3)),
    "w < 0": (course(-0.8), course(0.3)),
    "moving kink": (course(-0.7, 0.3), course(0.2, 0.9)),
}
T, STEP = 0.6, 0.02


@pytest.fixture(scope="module")
def around():
    """The three networks solved on 800 cells: densities at five times around T, by name."""
    start, ts = kn.Density.gaussian(0.3, 0.5, kn.Grid(-6.0, 6.0, 800)), T + STEP * np.arange(-2, 3)
    nets = {name: kn.SimResNet(*pair, kn.ReLU()) for name, pair in NETS.items()}
    return {name: kn.solve(kn.MeanField(net), start, t1=ts[-1], saveat=ts) for name, net in nets.items()}


to_fourth = jax.jit(lambda density: moments_of(density, 4))


def difference(values):
    """The derivative at the middle one of five times, of fourth order."""
    return np.array([1.0, -8.0, 0.0, 8.0, -1.0]) @ np.stack(values) / (12 * STEP)


@pytest.mark.parametrize("name", NETS)
def test_the_rate_is_how_fast_the_moments_of_the_solver_change(around, name):
    net, solution = kn.SimResNet(*NETS[name], kn.ReLU()), around[name]
    rate = kn.moment_rate(net, solution[2], T, 4)
    assert rate[0] == 0
    changes = difference([to_fourth(solution[k]) for k in range(5)])
    np.testing.assert_array_less(np.abs(changes - rate), 1e-5 * (1 + np.abs(rate)))
    assert np.abs(changes[1:]).min() > 1e-3
    # What moves is on the side where w x + b > 0: for w < 0 not the printed one, x > -b/w.
    rest = np.asarray(to_fourth(solution[2]) - kn.partial_moments(net, solution[2], T, 4))
    other = np.arange(5) * (float(net.weight(T)) * rest + float(net.bias(T)) * np.append(0.0, rest[:-1]))
    assert np.abs(changes - other)[1:].min() > 1e-3


def test_a_moving_kink_carries_mass_from_one_partial_moment_to_the_other(around):
    """d m_k^+ / dt has the boundary term a^k g(a) a' of Eqs. (13) and (14), which cancels in m_k."""
    name = "moving kink"
    net, solution = kn.SimResNet(*NETS[name], kn.ReLU()), around[name]

    @jax.jit
    def crossing(density):
        kink, speed = jax.jvp(lambda t: -net.bias(t) / net.weight(t), (T,), (1.0,))
        return kink, speed, density.profile.height(kink)

    kink, speed, height = map(float, crossing(solution[2]))
    crossed = kink ** np.arange(5) * height * speed
    assert speed > 2 and crossed[0] > 0.1
    changes = difference([kn.partial_moments(net, solution[k], T + (k - 2) * STEP, 4) for k in range(5)])
    np.testing.assert_allclose(changes, kn.moment_rate(net, solution[2], T, 4) + crossed, rtol=1e-3)


def test_the_identity_moves_everything():
    """Then the rate is that of Eq. (10)."""
    net = kn.SimResNet(-0.7, 0.9, kn.Identity())
    whole = np.asarray(to_fourth(DENSITY))
    expected = np.arange(5) * (-0.7 * whole + 0.9 * np.append(0.0, whole[:-1]))
    np.testing.assert_allclose(kn.moment_rate(net, DENSITY, 0.0, 4), expected, rtol=1e-12)


def test_wrong_input_is_refused():
    relu, data = kn.SimResNet(1.0, 0.0, kn.ReLU()), kn.Ensemble(SAMPLES)
    with pytest.raises(ValueError, match=r"moment_rate is for kn.ReLU\(\) and kn.Identity\(\).*not Tanh"):
        kn.moment_rate(kn.SimResNet(1.0, 0.0, kn.Tanh()), data, 0.0, 2)
    for order, message in ((-1, "at least 0"), (21, "0 to 20")):
        with pytest.raises(ValueError, match=message):
            kn.partial_moments(relu, data, 0.0, order)
    with pytest.raises(ValueError, match="one dimension"):
        kn.partial_moments(kn.SimResNet(np.eye(2), 0.0, kn.ReLU()), data, 0.0, 1)
    with pytest.raises(ValueError, match="t must be finite"):
        kn.moment_rate(relu, data, np.inf, 1)
    with pytest.raises(ValueError, match="t must be a number"):
        kn.moment_rate(relu, data, np.zeros(2), 1)
