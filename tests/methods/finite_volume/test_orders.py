"""The solver on densities in one dimension, against closed forms: third order, and what the options of the method do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

import kinetic_nde as kn
from tests.closed_forms import averages, l1, order
from tests.methods.finite_volume.any_activation import ACTIVATIONS, IDENTITY, SIGMOID, TANH, AnyActivation

GRIDS = pytest.mark.parametrize(
    "cells",
    [
        pytest.param((100, 200, 400), id="three grids"),
        pytest.param((100, 200, 400, 800), id="four grids", marks=pytest.mark.slow),
    ],
)


@jax.jit
def moved(field, density, t1, method):
    return kn.solve(kn.MeanField(field), density, t1=t1, method=method)


def run(field, cells, ends=(-8.0, 8.0), mean=0.0, std=1.0, t1=1.0, method=None):
    """A solve from a normal distribution; one program for all numbers."""
    faces = np.linspace(ends[0], ends[1], cells + 1)
    values = np.diff(norm.cdf(faces, mean, std)) / np.diff(faces)
    return moved(
        field, kn.Density(kn.Grid(ends[0], ends[1], cells), values), np.float64(t1), method or kn.FiniteVolume()
    )


class Wave(eqx.Module):
    """mean + amplitude cos(frequency t)."""

    mean: np.ndarray
    amplitude: np.ndarray
    frequency: np.ndarray

    def __call__(self, t):
        return self.mean + self.amplitude * jnp.cos(self.frequency * t)


def wave(mean, amplitude, frequency):
    return Wave(*np.array([mean, amplitude, frequency]))


class Waving(eqx.Module):
    """A field of w(t) x + b(t), the identity or tanh."""

    bent: np.ndarray
    w: Wave
    b: Wave

    def __call__(self, t, x):
        z = self.w(t) * x + self.b(t)
        return jnp.where(self.bent, jnp.tanh(z), z)


def steady(number, w, b):
    return AnyActivation(np.array(number), np.array(w), np.array(b))


@GRIDS
@pytest.mark.parametrize("number", [IDENTITY, TANH, SIGMOID], ids=lambda number: type(ACTIVATIONS[number]).__name__)
def test_third_order_against_the_closed_forms(number, cells):
    rng, act = np.random.default_rng(7), ACTIVATIONS[number]
    for _ in range(8):
        w, b = rng.uniform(0.2, 1.2) * rng.choice([-1, 1]), rng.uniform(-0.5, 0.5)
        # Wide enough for what grows: exp(1.2) standard deviations are inside.
        reach = 16.0 if w > 0 and number == IDENTITY else 8.0
        finals = [run(steady(number, w, b), n, (-reach, reach)).final for n in cells]
        errors = [l1(final, averages(act, w, b, 1.0, final.grid)) for final in finals]
        assert 2.7 <= order(cells, errors) <= 3.5, (w, b, errors)


@GRIDS
def test_layers_and_knots_in_time_keep_third_order(cells):
    """Five layers; the flow map of the whole is that of its layers one after the other."""
    times, weights = [0.0, 0.2, 0.5, 0.6, 0.8], [1.0, -0.7, 2.0, -1.5, 0.4]
    net = kn.SimResNet(kn.PiecewiseConstant(times, weights), 0.3, kn.Tanh())
    errors = []
    for n in cells:
        final = run(net, n).final
        x = np.asarray(final.grid.faces)
        for w, duration in reversed(list(zip(weights, np.diff([*times, 1.0]), strict=True))):
            x = (np.arcsinh(np.exp(-w * duration) * np.sinh(w * x + 0.3)) - 0.3) / w
        errors.append(l1(final, np.diff(norm.cdf(x)) / (16.0 / n)))
    assert 2.7 <= order(cells, errors) <= 3.5, errors


@GRIDS
def test_smooth_parameters_in_time_keep_third_order(cells):
    """Against faces carried back by SciPy at a tolerance of 1e-12."""
    field, errors = Waving(np.array(True), wave(0.0, 1.2, 3.0), wave(0.0, 0.5, 3.0)), []
    for n in cells:
        final = run(field, n).final
        back = solve_ivp(
            lambda t, x: np.tanh(np.cos(3 * t) * (1.2 * x + 0.5)),
            (1.0, 0.0),
            np.asarray(final.grid.faces),
            rtol=1e-12,
            atol=1e-12,
        ).y[:, -1]
        errors.append(l1(final, np.diff(norm.cdf(back)) / (16.0 / n)))
    assert 2.7 <= order(cells, errors) <= 3.5, errors


@GRIDS
def test_what_leaves_through_an_open_end_is_the_exact_mass_at_third_order(cells):
    inside, left = (
        norm.cdf(np.exp(-0.8) * (end + 0.25) - 0.25, -1.0, 1.0) - norm.cdf(-8.0, -1.0, 1.0) for end in (1.0, -8.0)
    )
    finals = [run(steady(IDENTITY, 0.8, 0.2), n, (-8.0, 1.0), mean=-1.0).final for n in cells]
    errors = [abs(float(final.mass) - (inside - left)) for final in finals]
    assert order(cells, errors) > 2.7, errors


def test_figure_7():
    final = run(steady(IDENTITY, -1.0, 1.0), 400, mean=1.0).final
    assert l1(final, np.diff(norm.cdf(np.asarray(final.grid.faces), 1.0, np.exp(-1))) / (16.0 / 400)) < 2e-3


@pytest.mark.parametrize(
    "method",
    [kn.FiniteVolume(kn.CWENO3(c0=0.5)), kn.FiniteVolume(positivity=False), kn.FiniteVolume(cfl=0.2)],
    ids=["weight of the reconstruction", "no limiter", "short steps"],
)
def test_a_larger_reconstruction_weight_or_no_limiter_or_shorter_steps_solve_the_same_problem(method):
    final = run(steady(TANH, -1.0, 0.3), 400, method=method).final
    assert l1(final, averages(kn.Tanh(), -1.0, 0.3, 1.0, final.grid)) < 2e-4


def test_fixed_steps_are_the_adaptive_ones_where_those_are_equal():
    adaptive = run(steady(TANH, -1.0, 0.3), 100)
    fixed = run(steady(TANH, -1.0, 0.3), 100, method=kn.FiniteVolume(steps=int(adaptive.stats["steps"])))
    np.testing.assert_allclose(fixed.final.values, adaptive.final.values, atol=1e-14)


def test_a_courant_number_of_0_2_takes_more_steps_than_0_45():
    """1 / dt = max |v| / (cfl dx)."""
    field, dx = steady(TANH, -1.0, 0.3), 0.16
    fastest = np.tanh(8.3)
    for cfl in (0.45, 0.2):
        solution = run(field, 100, method=kn.FiniteVolume(cfl=cfl))
        assert int(solution.stats["steps"]) == np.ceil(fastest / (cfl * dx))


TOTAL_VARIATION = [(200, 400), pytest.param((200, 400, 800, 1600), marks=pytest.mark.slow)]


@pytest.mark.parametrize("cells", TOTAL_VARIATION)
def test_total_variation_of_a_step(cells):
    """Not total-variation diminishing, which no scheme of third order is: an overshoot of a few per cent that falls
    with dx."""
    growth, overshoot = [], []
    for count in cells:
        faces = np.linspace(-2.0, 2.0, count + 1)
        start = kn.Density(kn.Grid(-2.0, 2.0, count), np.diff(np.clip(faces + 1.0, 0.0, 1.0)) / np.diff(faces))
        final = np.asarray(moved(steady(IDENTITY, 0.0, 1.0), start, np.float64(1.0), kn.FiniteVolume()).final.values)
        growth.append(np.sum(np.abs(np.diff(final))) / 2 - 1)
        overshoot.append(np.max(final) - 1)
    assert growth[0] < 0.11 and growth == sorted(growth, reverse=True)
    assert overshoot[0] < 0.055
    if cells[-1] == 1600:
        assert growth[-1] < 0.055 and overshoot[-1] < 0.025


def test_without_wind_nothing_moves():
    still = steady(IDENTITY, 0.0, 0.0)
    start, end = (run(still, 100, (0.0, 1.0), 0.3, 0.1, t1) for t1 in (0.0, 1e6))
    np.testing.assert_allclose(end.final.values, start.final.values, rtol=1e-14)
    assert int(end.stats["steps"]) == 1


@pytest.mark.parametrize(
    ("bias", "t1", "mean"),
    [
        # sin^2(2 pi t)
        (wave(0.5, -0.5, 4 * np.pi), 1.0, 0.5),
        (wave(0.05, 0.05, 40.0), 2.0, 0.05 * (2 + np.sin(80) / 40)),
    ],
    ids=["calm at the ends", "fast and weak"],
)
def test_a_wind_that_the_courant_number_does_not_see(bias, t1, mean):
    moved = run(Waving(np.array(False), wave(0.0, 0.0, 0.0), bias), 200, (-4.0, 4.0), std=0.5, t1=t1).final
    np.testing.assert_allclose(moved.mean, mean, atol=1e-5)
