"""Steady states on a line: where they are, what they attract, and how much of it, against closed forms and the solver."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.analysis.portrait import portrait
from tests.analysis.steady_state_cases import GCU, ON_A_LINE, steady_states, total

GRID = kn.Grid(-8.0, 10.0, 400)
START = kn.Density.gaussian(1.0, 1.0, GRID)


class Cubic(eqx.Module):
    """dx/dt = x - x^3."""

    def __call__(self, t, x):
        return x - x**3


class Custom(kn.Tanh):
    """Any function of z in the place of tanh, with whatever zeros its author names."""

    function: Callable = eqx.field(static=True)
    named: tuple = eqx.field(static=True)

    def __call__(self, z):
        return self.function(z)

    def derivative(self, z):
        return jax.vmap(jax.grad(self.function))(z.reshape(-1)).reshape(z.shape)

    def zeros(self, lower, upper):
        return jnp.asarray([z for z in self.named if lower <= z <= upper], float)


# Against closed forms


@settings(max_examples=6)
@given(
    weight=st.floats(0.3, 3.0), sign=st.sampled_from([-1.0, 1.0]), bias=st.floats(-4.0, 4.0), scale=st.floats(0.2, 5.0)
)
def test_growing_cosine_against_its_closed_form(weight, sign, bias, scale):
    w = sign * weight
    density = kn.Density(GRID, scale * START.values)
    states = steady_states(kn.SimResNet(w, bias, kn.GrowingCosine()), density, lower=-4.0, upper=5.0)
    z = np.sort(np.append((np.arange(-40, 40) + 0.5) * np.pi, 0.0))
    x = (z - bias) / w
    slope = w * (np.cos(z) - z * np.sin(z))
    order = np.argsort(x)
    x, slope = x[order], slope[order]
    inside = (x >= -4.0) & (x <= 5.0)
    np.testing.assert_allclose(states.points, x[inside], atol=1e-12)
    np.testing.assert_allclose(states.eigenvalues, slope[inside], atol=1e-9)
    assert list(states.stability) == ["stable" if each < 0 else "unstable" for each in slope[inside]]
    np.testing.assert_array_equal(states.stable, slope[inside] < 0)
    # Zeros alternate, so that a basin reaches from the zero before to the zero after.
    before, after = x[np.flatnonzero(inside) - 1], x[np.flatnonzero(inside) + 1]
    exact = scale * np.where(slope[inside] < 0, norm.cdf(after, 1, 1) - norm.cdf(before, 1, 1), 0.0)
    np.testing.assert_allclose(states.masses, exact, atol=3e-6 * scale)
    np.testing.assert_allclose(total(states), scale, rtol=1e-12)
    np.testing.assert_allclose(states.basins[states.stable], np.stack([before, after], 1)[states.stable], atol=1e-12)
    assert states.resting == 0.0 and not states.continua


def test_both_ends_of_the_box_count():
    net = kn.SimResNet(np.pi / 6, -5 * np.pi / 6, kn.GrowingCosine())
    states = steady_states(net, lower=2.0, upper=8.0)
    np.testing.assert_allclose(states.points, [2.0, 5.0, 8.0], rtol=1e-12)
    assert list(states.stability) == ["stable", "unstable", "stable"]
    assert states.masses is None and states.escaping is None


def test_mass_that_walls_would_hold_leaves_on_the_side_of_each():
    """Figure 4: half of the mass at either wall."""
    net, grid = kn.SimResNet(1.0, -5.0, kn.Tanh()), kn.Grid(2.0, 8.0, 60)
    states = steady_states(net, kn.Density.uniform(2.0, 6.5, grid))
    np.testing.assert_allclose(states.escaping, [3 / 4.5, 1.5 / 4.5], rtol=1e-9)


@pytest.mark.parametrize("w", [-1.0, 1.0])
def test_relu_takes_the_mass_on_one_side_and_freezes_the_other(w):
    """C18: what is on {w x + b <= 0} stays; for w < 0 the end of it takes only the mass below."""
    states = steady_states(kn.SimResNet(w, -0.5 * w, kn.ReLU()), START)
    below = float(norm.cdf(0.5, 1, 1))
    np.testing.assert_allclose(states.points, [0.5])
    assert np.isnan(states.eigenvalues[0]) and not states.stable[0]
    if w < 0:
        assert states.stability[0] == "semi-stable" and states.continua == ("every x in [0.5, 10]",)
        np.testing.assert_allclose([states.masses[0], states.resting], [below, 1 - below], atol=1e-6)
    else:
        assert states.stability[0] == "unstable" and states.continua == ("every x in [-8, 0.5]",)
        np.testing.assert_allclose([states.resting, *states.escaping], [below, 0.0, 1 - below], atol=1e-6)


def test_all_of_a_box_may_be_at_rest_or_nothing():
    at_rest = [(kn.ReLU(), 0.0, -1.0), (kn.Identity(), 0.0, 0.0), (kn.GrowingCosine(), 0.0, 1.5 * np.pi)]
    for activation, w, b in [*at_rest, (kn.ReLU(), 1.0, -20.0)]:
        states = steady_states(kn.SimResNet(w, b, activation), START)
        assert len(states) == 0 and states.continua == ("every x in [-8, 10]",)
        assert states.resting == pytest.approx(1.0, rel=1e-12)
    for activation, w, b, expected in [(kn.Identity(), 0.0, -1.0, [1, 0]), (kn.Sigmoid(), -1.0, 0.0, [0, 1])]:
        states = steady_states(kn.SimResNet(w, b, activation), START)
        assert len(states) == 0 and not states.continua
        np.testing.assert_allclose(states.escaping, expected, rtol=1e-12)


def test_the_generalised_gamma_attracts_what_is_positive():
    ensemble = kn.Ensemble([-1.0, 0.0, 0.5, 1.9, 9.0])
    states = steady_states(kn.SimResNet(1.0, 0.0, kn.GeneralizedGamma(0.5, 2.0)), ensemble)
    np.testing.assert_allclose(states.points, [0.0, 2.0])
    assert list(states.stability) == ["unstable", "stable"]
    np.testing.assert_allclose([*states.masses, states.resting], [0.2, 0.6, 0.2])


# Against the solver


@pytest.mark.slow
def test_samples_go_where_they_are_predicted_to_go():
    states = steady_states(GCU, ON_A_LINE)
    final = np.asarray(kn.solve(kn.MeanField(GCU), ON_A_LINE, t1=40.0).final.samples)
    arrived = np.abs(final[:, None] - states.points) < 1e-6
    np.testing.assert_array_equal(arrived.mean(axis=0), states.masses)
    assert states.masses.sum() == pytest.approx(1.0) and np.all(states.masses[~states.stable] == 0)
    np.testing.assert_allclose(states.standard_errors, np.sqrt(states.masses * (1 - states.masses) / 40))


def test_a_sample_at_an_unstable_point_stays():
    net = kn.SimResNet(0.1, -0.3, kn.Tanh())  # 0.3 / 0.1 is 3 to rounding only
    states = steady_states(net, kn.Ensemble([1.0, 3.0, 4.0, 5.0]))
    np.testing.assert_allclose([*states.masses, *states.escaping], [0.25, 0.25, 0.5])


# Where to look


def test_the_box_of_the_data_is_widened_to_where_mass_goes():
    net = kn.SimResNet(-1.0, 0.0, kn.Identity())
    for samples in ([1000.0, 1000.5], [1000.0]):
        states = steady_states(net, kn.Ensemble(samples))
        assert states.lower == 0.0 and states.upper == max(samples)
        np.testing.assert_array_equal([states.points, states.masses], [[0.0], [1.0]])
    # The basin of what was found beyond the data ends at what is beyond that.
    cosine = steady_states(GCU, kn.Ensemble([2.0, 3.0]))
    np.testing.assert_allclose(cosine.points, [np.pi / 2])
    np.testing.assert_allclose(cosine.basins, [[0.0, 1.5 * np.pi]], atol=1e-12)
    # A box that is given stays, and what comes to rest beyond it has left it.
    states = steady_states(GCU, ON_A_LINE, lower=-0.5)
    assert states.lower == -0.5 and states.points[0] == 0.0
    assert states.escaping[0] == np.mean(np.asarray(ON_A_LINE.samples) < 0)
    assert total(states) == pytest.approx(1.0)
    cubic = steady_states(Cubic(), kn.Ensemble([2.0, 3.0]))
    np.testing.assert_allclose([cubic.points, cubic.masses], [[1.0], [1.0]])


def test_any_field_of_one_variable():
    states = steady_states(Cubic(), kn.Ensemble([-3.0, 0.5, 2.0]))
    np.testing.assert_allclose(states.points, [-1.0, 0.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(states.eigenvalues, [-2.0, 1.0, -2.0], rtol=1e-12)
    np.testing.assert_allclose(states.masses, [1 / 3, 0.0, 2 / 3])
    touching = steady_states(lambda t, x: -x * (x - 1) ** 2, kn.Ensemble([-2.0, 0.5, 3.0]))
    np.testing.assert_allclose(touching.points, [0.0, 1.0], atol=1e-7)
    assert list(touching.stability) == ["stable", "semi-stable"]
    np.testing.assert_allclose(touching.masses, [2 / 3, 1 / 3])
    np.testing.assert_allclose(touching.eigenvalues, [-1.0, 0.0], atol=1e-7)


def test_the_zeros_of_an_activation_are_checked_and_completed():
    def dead(z):
        return jnp.sign(z) * jnp.maximum(jnp.abs(z) - 1, 0)

    for named in ((), (0.0,), (-2.0, 0.0)):
        states = steady_states(kn.SimResNet(-1.0, 0.0, Custom(lambda z: jnp.sin(np.pi * z / 2), named)), ON_A_LINE)
        np.testing.assert_allclose(states.points, [0.0, 2.0, 4.0][: len(states)], atol=1e-12)
        assert total(states) == pytest.approx(1.0) and states.stable[0]
    for named in ((), (-1.0, 1.0), (-1.0, 0.0, 1.0)):
        states = steady_states(kn.SimResNet(-1.0, 0.0, Custom(dead, named)), lower=-3.0, upper=3.0)
        np.testing.assert_allclose(states.points, [-1.0, 1.0], rtol=1e-12)
        assert states.continua == ("every x in [-1, 1]",) and list(states.stability) == ["semi-stable"] * 2
    with pytest.raises(ValueError, match="names a place where it is not zero.* at 1.5 is"):
        steady_states(kn.SimResNet(1.0, 0.0, Custom(jnp.sin, (1.5,))), lower=-1.0, upper=2.0)
    with pytest.raises(ValueError, match="jumps over zero"):
        steady_states(kn.SimResNet(1.0, 0.0, Custom(lambda z: 1 / z, ())), lower=-1.0, upper=2.0)


def test_a_zero_that_is_looked_at_is_found_once():
    place = 7.5 / 4096
    found = portrait(lambda x: x - place, [0.0, 1.0])
    assert found.zeros.tolist() == [place] and found.signs.tolist() == [-1.0, 1.0]


# Units, mirror images, precision


def check_units(activation, w, b, c):
    net = kn.SimResNet(w, b, activation)
    other, time = kn.rescale(net, c)
    first, second = steady_states(net, ON_A_LINE), steady_states(other, kn.Ensemble(c * ON_A_LINE.samples))
    size = float(np.ptp(np.asarray(ON_A_LINE.samples)))
    np.testing.assert_allclose(second.points / c, first.points, rtol=1e-12, atol=1e-12 * size)
    np.testing.assert_allclose(second.eigenvalues * time, first.eigenvalues, rtol=1e-9)
    np.testing.assert_array_equal(second.stability, first.stability)
    np.testing.assert_array_equal([*second.masses, *second.escaping], [*first.masses, *first.escaping])
    assert second.resting == first.resting and len(second.continua) == len(first.continua)


@pytest.mark.parametrize(
    ("activation", "w", "b", "c"),
    [(kn.Identity(), -1.5, 0.3, 1e-6), (kn.GrowingCosine(), 0.7, -1.2, 1e6), (kn.ReLU(), -0.4, 0.5, 7.0)],
)
def test_units_change_the_places_and_the_clock_only(activation, w, b, c):
    check_units(activation, w, b, c)


@pytest.mark.slow
@settings(max_examples=10)
@given(
    activation=st.sampled_from([kn.Identity(), kn.Tanh(), kn.GrowingCosine(), kn.ReLU()]),
    w=st.sampled_from([-1.5, -0.4, 0.7, 2.0]),
    b=st.floats(-2.0, 2.0),
    c=st.sampled_from([1e-6, 1e-3, 7.0, 1e6]),
)
def test_units_change_nothing_else_whatever_the_network(activation, w, b, c):
    check_units(activation, w, b, c)


def check_mirror_image(activation, w, b):
    first = steady_states(kn.SimResNet(w, b, activation), ON_A_LINE)
    second = steady_states(kn.SimResNet(w, -b, activation), kn.Ensemble(-ON_A_LINE.samples))
    np.testing.assert_allclose(-second.points[::-1], first.points, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(second.masses[::-1], first.masses)
    np.testing.assert_array_equal(second.escaping[::-1], first.escaping)
    np.testing.assert_array_equal(second.stability[::-1], first.stability)


@pytest.mark.parametrize(("activation", "w", "b"), [(kn.Tanh(), -1.5, 0.4), (kn.GrowingCosine(), 0.6, -1.1)])
def test_the_mirror_image_of_an_odd_activation(activation, w, b):
    check_mirror_image(activation, w, b)


@pytest.mark.slow
@settings(max_examples=8)
@given(
    activation=st.sampled_from([kn.Identity(), kn.Tanh(), kn.GrowingCosine()]),
    w=st.floats(0.2, 2.0),
    b=st.floats(-2.0, 2.0),
)
def test_the_mirror_image_whatever_the_network(activation, w, b):
    for sign in (-1.0, 1.0):
        check_mirror_image(activation, sign * w, b)


def test_rounding_is_no_mass():
    """All of the density is below the threshold at 6: its sums of averages end at 1 up to rounding."""
    grid, net = kn.Grid(0.0, 9.0, 90), kn.SimResNet(1.0, -6.0, kn.Tanh())
    for seed in range(20):
        values = np.append(np.random.default_rng(seed).uniform(size=60), np.zeros(30))
        found = kn.steady_states(net, kn.Density(grid, values / values.sum() / 0.1))
        assert found.escaping is not None and found.escaping[1] == 0 and "leaves above" not in str(found)
        assert found.escaping[0] == pytest.approx(1.0, abs=1e-15)


def test_single_precision():
    narrow = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32), kn.SimResNet(np.pi / 6, -5 * np.pi / 6, kn.GrowingCosine())
    )
    states = steady_states(narrow, kn.Ensemble(np.array([2.5, 4.0, 7.0], np.float32)), lower=2.0, upper=8.0)
    np.testing.assert_allclose(states.points, [2.0, 5.0, 8.0], rtol=1e-6)
    np.testing.assert_allclose(states.masses, [2 / 3, 0.0, 1 / 3])


@pytest.mark.slow
def test_a_table_of_many_points_lists_those_that_take_most():
    found = steady_states(kn.SimResNet(10.0, 0.0, kn.GrowingCosine()), kn.Ensemble([0.1, 5.0, 5.01, 9.9]))
    lines = str(found).splitlines()
    assert len(found) > 24 and f"... and {len(found) - 24} more" in lines
    assert sum(" 0.5 " in f"{line} " for line in lines) == 1 and len(lines) < 32
