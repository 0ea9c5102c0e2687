"""Fokker-Planck by finite volumes against exact laws: in all regimes, between walls and out of open ends."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from tests.closed_forms import l1, order

CELLS = (50, 100, 200, 400)


def exact(m0, s0, w, b, nu, t):
    """Mean and standard deviation of dX = (w X + b) dt + nu dW from N(m0, s0^2)."""
    growth = np.exp(w * t)
    return m0 * growth + b * (growth - 1) / w, np.sqrt(s0**2 * growth**2 + nu**2 * (growth**2 - 1) / (2 * w))


def averages(cdf, ends, cells):
    faces = np.linspace(ends[0], ends[1], cells + 1)
    return np.diff(cdf(faces)) / np.diff(faces)


def from_uniform(low, high, w, b, nu, t):
    """The distribution function at time t from the uniform distribution on [low, high]: a uniform and a normal one
    convolved."""
    (first, std), (last, _) = exact(low, 0.0, w, b, nu, t), exact(high, 0.0, w, b, nu, t)

    def integral(z):
        return z * ndtr(z) + norm.pdf(z)

    return lambda x: std / (last - first) * (integral((x - first) / std) - integral((x - last) / std))


class Straight(eqx.Module):
    """K(x) = k_0 + k_1 x."""

    k: np.ndarray

    def __call__(self, x):
        return self.k[0] + self.k[1] * x


CONSTANT, LINEAR = np.array([1.0, 0.0]), np.array([0.0, 1.0])


@jax.jit
def moved(start, walls, w, b, nu, t1, k):
    equation = kn.FokkerPlanck(kn.SimResNet(w, b, kn.Identity()), nu, Straight(k), walls)
    return kn.solve(equation, start, t1=t1)


def run(cells, ends, cdf, w, b, nu, t1, k=CONSTANT, walls=None):
    """A solve from a distribution function; one program for all numbers."""
    start = kn.Density(kn.Grid(ends[0], ends[1], cells), averages(cdf, ends, cells))
    walls = None if walls is None else tuple(None if wall is None else np.float64(wall) for wall in walls)
    return moved(start, walls, *(np.float64(number) for number in (w, b, nu, t1)), k)


@pytest.mark.parametrize(
    "ratio", [0.01, pytest.param(0.1, marks=pytest.mark.slow), 1.0, pytest.param(10.0, marks=pytest.mark.slow), 100.0]
)
def test_the_law_of_ornstein_and_uhlenbeck_from_a_normal_start(ratio):
    """At all ratios of diffusion to drift: a step at the smaller of the two limits would not be stable in between."""
    w, b, m0, s0, t, nu = -1.0, 0.3, 1.0, 0.7, 1.0, np.sqrt(2 * ratio)
    mean, std = exact(m0, s0, w, b, nu, t)
    ends = -8 * max(std, s0), 8 * max(std, s0)
    errors = []
    for cells in CELLS:
        solution = run(cells, ends, norm(m0, s0).cdf, w, b, nu, t)
        errors.append(l1(solution.final, averages(norm(mean, std).cdf, ends, cells)))
        assert solution.stats["mass_drift"] < 1e-12
    fine = slice(1, None) if ratio in (0.01, 100.0) else slice(None)
    # 50 cells hold a start of width 0.7 in one or two of them where the noise makes the domain wide.
    assert 2.7 < order(CELLS[fine], errors[fine]) < 4.2
    assert errors[-1] < 4e-4


@pytest.mark.parametrize("nu", [0.7, 1.0])
def test_the_law_of_ornstein_and_uhlenbeck_from_a_uniform_start(nu):
    """With a face at either end of it: averages do not tell where in a cell a jump is, which costs h^2 by itself."""
    w, b, t, ends = -0.8, 0.4, 1.0, (-7.25, 5.25)
    errors = []
    for cells in CELLS:
        final = run(cells, ends, lambda x: np.clip((x + 1.0) / 1.5, 0.0, 1.0), w, b, nu, t).final
        errors.append(l1(final, averages(from_uniform(-1.0, 0.5, w, b, nu, t), ends, cells)))
    assert 2.7 < order(CELLS, errors) < 4.2
    assert errors[-1] < 1e-4


@pytest.mark.parametrize(
    ("walls", "cells"),
    [
        ((0.0, 6.0), CELLS[:3]),
        pytest.param((0.0, 6.0), CELLS, marks=pytest.mark.slow),
        pytest.param((0.0, None), CELLS, marks=pytest.mark.slow),
    ],
)
def test_next_to_a_wall(walls, cells):
    """A wall at the centre of the drift folds the law: what would have passed comes back from the other side. At the other
    end there is nothing, a wall or none."""
    w, nu, t, m0, s0 = -1.0, 0.9, 0.8, 0.6, 0.4
    mean, std = exact(m0, s0, w, 0.0, nu, t)
    fold = lambda law: lambda x: law.cdf(x) - law.cdf(-x)
    errors = []
    for count in cells:
        solution = run(count, (0.0, 6.0), fold(norm(m0, s0)), w, 0.0, nu, t, walls=walls)
        errors.append(l1(solution.final, averages(fold(norm(mean, std)), (0.0, 6.0), count)))
        assert solution.stats["mass_drift"] < 1e-12
    assert 2.7 < order(cells, errors) < 4.2
    assert errors[-1] < 1e-5 * (400 / cells[-1]) ** 3


def test_one_wall_and_one_open_end():
    """Heat that starts in the middle: the wall sends back what would have passed, and the end absorbs it, both by images."""
    m0, s0, nu, t, ends = 0.5, 0.15, 0.5, 0.3, (0.0, 1.0)
    images = lambda std: (
        lambda x: sum(
            sign * (norm.cdf(x, place, std) - norm.cdf(0.0, place, std))
            for k in range(-4, 5)
            for sign, place in (((-1) ** k, 2 * k + m0), ((-1) ** k, 2 * k - m0))
        )
    )
    solution = run(50, ends, images(s0), 0.0, 0.0, nu, t, walls=(0.0, None))
    final = averages(images(np.hypot(s0, nu * np.sqrt(t))), ends, 50)
    assert l1(solution.final, final) < 1e-3
    lost = (np.sum(averages(images(s0), ends, 50)) - np.sum(final)) / 50
    assert lost > 0.1
    np.testing.assert_allclose(solution.stats["mass_lost"], lost, rtol=1e-3)


@pytest.mark.parametrize("cells", [(50, 100, 200), pytest.param((24, 48, 96, 192), marks=pytest.mark.slow)])
def test_between_two_walls_and_out_of_open_ends(cells):
    """Heat: cosines between walls keep their shape, and sines between ends that absorb."""
    nu, t, ends = 0.7, 0.5, (0.0, 1.0)
    decay = np.exp(-(np.pi**2) * nu**2 / 2 * t)
    cosine = lambda share: lambda x: x + share * np.sin(np.pi * x) / np.pi
    sine = lambda x: -np.cos(np.pi * x) / 2
    errors = []
    for count in cells:
        walled = run(count, ends, cosine(1.0), 0.0, 0.0, nu, t, walls=ends)
        absorbed = run(count, ends, sine, 0.0, 0.0, nu, t)
        laws = averages(cosine(decay), ends, count), decay * averages(sine, ends, count)
        errors.append([l1(each.final, law) for each, law in zip((walled, absorbed), laws, strict=True)])
        assert walled.stats["mass_lost"] == 0
        np.testing.assert_allclose(absorbed.stats["mass_lost"], 1 - absorbed.final.mass, atol=1e-13)
    walled, absorbed = (order(cells, each) for each in np.transpose(errors))
    # Without drift the cosine sees the inner stencil, of order 4, and the smaller errors of the ends, of order 5.
    assert 3.8 < walled < 4.6
    assert 2.7 < absorbed < 4.2


@pytest.mark.parametrize(
    ("cells", "upper"), [((100, 200, 400), 20.0), pytest.param((100, 200, 400, 800), 20.0, marks=pytest.mark.slow)]
)
def test_noise_in_proportion_to_x(cells, upper):
    """Geometric Brownian motion is log-normal; diffusion by products of averages would be second order."""
    w, nu, t, s0, ends = 0.3, 0.5, 0.6, 0.3, (0.0, upper)
    law = norm((w - nu**2 / 2) * t, np.hypot(s0, nu * np.sqrt(t)))
    logarithm = lambda x: np.log(np.maximum(x, 1e-300))
    start, end = (lambda x: norm(0.0, s0).cdf(logarithm(x))), (lambda x: law.cdf(logarithm(x)))
    finals = [run(count, ends, start, w, 0.0, nu, t, LINEAR).final for count in cells]
    errors = [l1(final, averages(end, ends, count)) for final, count in zip(finals, cells, strict=True)]
    assert 2.7 < order(cells, errors) < 4.2
    np.testing.assert_allclose(
        finals[-1].mean, np.exp(law.mean() + law.var() / 2), rtol=1e-5 * (800 * upper / 20.0 / cells[-1]) ** 3
    )


def test_the_diffusions_of_the_package_are_such_straight_lines():
    x = jnp.linspace(0.0, 3.0, 4)
    for diffusion, k in ((kn.ConstantDiffusion(), CONSTANT), (kn.LinearDiffusion(), LINEAR)):
        np.testing.assert_array_equal(jax.vmap(diffusion)(x), k[0] + k[1] * np.asarray(x))


def test_no_noise_is_the_mean_field():
    net, ends = kn.SimResNet(-1.0, 0.4, kn.Identity()), (-4.0, 4.0)
    noisy = run(100, ends, norm(0.5, 0.6).cdf, -1.0, 0.4, 0.0, 1.0)
    start = kn.Density(kn.Grid(*ends, 100), averages(norm(0.5, 0.6).cdf, ends, 100))
    quiet = kn.solve(kn.MeanField(net), start, t1=1.0, method=kn.FiniteVolume(positivity=False))
    np.testing.assert_allclose(noisy.final.values, quiet.final.values, atol=1e-13)


def test_numbers_do_not_recompile():
    program: Any = moved
    before = program._cache_size()
    run(100, (-6.0, 6.0), norm(0.0, 1.0).cdf, -1.0, 0.2, 0.7, 0.3)
    after = program._cache_size()
    run(100, (-7.0, 6.0), norm(0.0, 0.8).cdf, 1.0, -0.2, 0.0, 0.5)
    assert program._cache_size() == after <= before + 1
