"""Particles with noise that meet walls: reflected, and in the end with the law that they should have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

from kinetic_nde.methods import euler_maruyama
from tests.closed_forms import order
from tests.methods.stochastic.cases import distance_to, equation, follow, moved


def reflected_normal(x, start, spread, walls, images=20):
    """The distribution function of Brownian motion between walls, by images, and of its standard deviation without."""
    low, high = walls
    places = [start + 2 * n * (high - low) for n in range(-images, images + 1)]
    places += [2 * low - place for place in places]
    return sum(norm.cdf((x - place) / spread) - norm.cdf((low - place) / spread) for place in places)


@pytest.mark.parametrize("count", [10_000, pytest.param(30_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("nu", [0.4, 3.0])
def test_noise_alone_between_walls_has_the_exact_law_in_any_number_of_steps(nu, count):
    """Three steps from a point; the stronger noise passes several mirrors in one."""
    final = moved(equation(0.0, 0.0, nu, walls=(-1.0, 1.0)), np.full(count, 0.8), 3).final.samples
    assert float(jnp.min(final)) >= -1 and float(jnp.max(final)) <= 1
    assert distance_to(final, lambda x: reflected_normal(x, 0.8, nu, (-1.0, 1.0))) < 1.95


@pytest.mark.parametrize("count", [10_000, pytest.param(30_000, marks=pytest.mark.slow)])
def test_noise_alone_between_walls_keeps_a_uniform_distribution(count):
    start = -1 + 2 * (np.arange(count) + 0.5) / count
    final = moved(equation(0.0, 0.0, 0.4, walls=(-1.0, 1.0)), start, 3).final.samples
    assert distance_to(final, lambda x: 0.5 * (x + 1)) < 1.95


@pytest.mark.parametrize("count", [10_000, pytest.param(30_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("walls", [(0.0, None), (None, 0.0)])
def test_one_wall(walls, count):
    """|W| on one side, -|W| on the other."""
    sign = 1 if walls[1] is None else -1
    final = moved(equation(0.0, 0.0, 0.7, walls=walls), np.zeros(count), 3).final.samples
    assert distance_to(sign * np.asarray(final), lambda x: 2 * norm.cdf(x / 0.7) - 1) < 1.95


@pytest.mark.slow
def test_drift_against_a_wall_is_of_first_order():
    """v = 1, nu = 1 between 0 and 1 has the steady state exp(2 x) / C, of no flux: what a step changes in its mean falls
    like dt. Noise that is put back at a wall, not reflected, gives the order 0.2 here."""
    u = (np.arange(200_000) + 0.5) / 200_000
    start, count = np.log1p(u * np.expm1(2.0)) / 2, [4, 8, 16]
    law = equation(0.0, 1.0, 1.0, walls=(0.0, 1.0))
    errors = [abs(float(jnp.mean(follow(None)(law, start, 0.25, n))) - start.mean()) for n in count]
    assert 0.8 < order(count, errors) < 1.1, errors


@given(st.floats(-30, 30), st.floats(-5, 5), st.floats(0.1, 5))
def test_mirrored_until_it_is_between_the_walls(x, low, length):
    high, expected = low + length, x
    while not low <= expected <= high:
        expected = 2 * low - expected if expected < low else 2 * high - expected
    walls = (jnp.asarray(low), jnp.asarray(high))
    value, slope = mirrored(jnp.asarray(x), walls)
    assert low <= float(value) <= high
    np.testing.assert_allclose(value, expected, atol=1e-13 * (abs(x) + abs(low) + length))
    # What comes to lie on a wall to the last digit has one slope on either side.
    assert abs(float(slope)) == 1 or float(value) in (low, float(high))


@jax.jit
def mirrored(x, walls):
    return jax.value_and_grad(lambda x: euler_maruyama.reflected(x, walls))(x)
