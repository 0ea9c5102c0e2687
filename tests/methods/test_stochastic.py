"""Particles with noise: the discrete law in closed form and the exact one, walls, keys, units, the number of steps."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods import euler_maruyama, stochastic
from kinetic_nde.methods.method import Times
from tests.methods.particle_noise import (
    KEY,
    ONE,
    X,
    discrete_law,
    distance_to,
    equation,
    follow,
    in_standard_errors,
    moved,
)

# The law


CASES = {
    "constant": (-1.0, lambda t: -1.0),
    "layers": (
        kn.PiecewiseConstant([0.0, 0.5], [-2.0, 1.0]),
        lambda t: -2.0 if t < 0.5 - 1e-9 else 1.0,
    ),
    "interpolated": (
        kn.Interpolated([0.0, 0.5, 1.0], [-2.0, 1.0, -3.0]),
        lambda t: np.interp(t, [0, 0.5, 1], [-2, 1, -3]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mean_and_variance_of_a_million_particles_in_closed_form(name):
    """Three steps between two events, whose discrete law is known: nothing is left but the sampling error."""
    weight, w = CASES[name]
    steps = 3 if name == "constant" else 6
    for diffusion in {"constant": (ONE, X), "layers": (X,), "interpolated": (ONE,)}[name]:
        solution = moved(equation(weight, 0.4, 0.7, diffusion), np.full(10**6, 1.5), 3)
        assert int(solution.stats["steps"]) == steps
        exact = discrete_law(w, lambda t: 0.4, 0.7, 1 / steps, steps, 1.5, 1.5**2, diffusion is X)
        assert np.max(in_standard_errors(solution.final.samples, *exact)) < 4


def test_the_discrete_law_tends_to_the_exact_one_at_first_order():
    """The recursions of the test above against V' = 2 w V + nu^2, and m2' = (2 w + nu^2) m2 + 2 b m1 for K = x: the
    scheme is of weak order 1."""
    w, b, nu, m1 = -1.0, 0.4, 0.7, 1.5
    mean = (m1 + b / w) * np.exp(w) - b / w
    # m2' = a m2 + 2 b m1(t): variation of constants.
    a = 2 * w + nu**2
    second = np.exp(a) * (m1**2 + 2 * b * ((m1 + b / w) * np.expm1(w - a) / (w - a) + b / w * np.expm1(-a) / a))
    for linear, variance in ((False, nu**2 * np.expm1(2 * w) / (2 * w)), (True, second - mean**2)):
        laws = [discrete_law(lambda t: w, lambda t: b, nu, 1 / n, n, m1, m1**2, linear) for n in (50, 100, 200, 400)]
        errors = np.abs(np.array(laws) - [mean, variance])
        slopes = -np.polyfit(np.log([50, 100, 200, 400]), np.log(errors), 1)[0]
        assert np.all((slopes > 0.97) & (slopes < 1.03)), slopes


def test_the_default_number_of_steps_gives_the_exact_law():
    """w(t) = -2 + 3 t, b(t) = t: mean and variance by quadrature."""
    net = kn.SimResNet(kn.Interpolated([0.0, 1.0], [-2.0, 1.0]), kn.Interpolated([0.0, 1.0], [0.0, 1.0]), kn.Identity())
    solution = kn.solve(kn.FokkerPlanck(net, 0.8), kn.Ensemble(np.full(5_000, 1.2)), t1=1.0, key=KEY)
    s, weights = np.polynomial.legendre.leggauss(30)
    s, weights = 0.5 * (s + 1), 0.5 * weights
    to_end = np.exp(-2 * (1 - s) + 1.5 * (1 - s**2))
    mean = 1.2 * np.exp(-0.5) + weights @ (to_end * s)
    variance = 0.8**2 * (weights @ to_end**2)
    assert int(solution.stats["steps"]) == 1000
    assert np.max(in_standard_errors(solution.final.samples, mean, variance)) < 4


def test_a_rotation_in_three_dimensions():
    """Each component has noise of its own, K_i = x_i or 1: mean and covariance of the discrete law."""
    w = np.array([[-0.5, -1.0, 0.2], [1.0, -0.5, 0.0], [0.0, 0.3, -1.0]])
    b, start, dt, steps = np.array([0.3, 0.0, -0.2]), np.array([1.0, -0.5, 0.3]), 0.1, 10
    for diffusion in (kn.ConstantDiffusion(), kn.LinearDiffusion()):
        samples = np.asarray(moved(equation(w, b, 0.6, diffusion), np.tile(start, (30_000, 1)), steps).final.samples)
        mean, second, step = start, np.outer(start, start), np.eye(3) + dt * w
        for _ in range(steps):
            strength = np.eye(3) if isinstance(diffusion, kn.ConstantDiffusion) else np.diag(np.diag(second))
            moving = np.outer(step @ mean, dt * b)
            second = step @ second @ step.T + moving + moving.T + dt**2 * np.outer(b, b) + dt * 0.6**2 * strength
            mean = step @ mean + dt * b
        products = np.einsum("mi,mj->mij", samples, samples)
        errors = products.std(axis=0) / np.sqrt(len(samples))
        assert np.max(np.abs(products.mean(axis=0) - second) / errors) < 4
        assert np.max(np.abs(samples.mean(axis=0) - mean) / samples.std(axis=0)) * np.sqrt(len(samples)) < 4


@pytest.mark.parametrize("walls", [None, (-0.5, 2.0)])
def test_without_noise_it_is_the_residual_network(walls):
    """To the last digits, with a kink and at walls."""
    start, net = np.linspace(-0.5, 2.0, 30), kn.SimResNet(1.3, -0.4, kn.ReLU())
    noisy = moved(kn.FokkerPlanck(net, 0.0, walls=walls), start, 7).final.samples
    layers = kn.solve(kn.MeanField(net, walls), kn.Ensemble(start), t1=1.0, method=kn.Layers(7)).final.samples
    np.testing.assert_allclose(noisy, layers, rtol=1e-14, atol=1e-15)
    if walls:
        assert np.sum(np.asarray(noisy) == 2.0) > 3


# Walls


def reflected_normal(x, start, spread, walls, images=20):
    """The distribution function of Brownian motion between walls, by images, and of its standard deviation without."""
    low, high = walls
    places = [start + 2 * n * (high - low) for n in range(-images, images + 1)]
    places += [2 * low - place for place in places]
    return sum(norm.cdf((x - place) / spread) - norm.cdf((low - place) / spread) for place in places)


@pytest.mark.parametrize("nu", [0.4, 3.0])
def test_noise_alone_between_walls_has_the_exact_law_in_any_number_of_steps(nu):
    """Three steps from a point; the stronger noise passes several mirrors in one."""
    final = moved(equation(0.0, 0.0, nu, walls=(-1.0, 1.0)), np.full(30_000, 0.8), 3).final.samples
    assert float(jnp.min(final)) >= -1 and float(jnp.max(final)) <= 1
    assert distance_to(final, lambda x: reflected_normal(x, 0.8, nu, (-1.0, 1.0))) < 1.95


def test_noise_alone_between_walls_keeps_a_uniform_distribution():
    start = -1 + 2 * (np.arange(30_000) + 0.5) / 30_000
    final = moved(equation(0.0, 0.0, 0.4, walls=(-1.0, 1.0)), start, 3).final.samples
    assert distance_to(final, lambda x: 0.5 * (x + 1)) < 1.95


@pytest.mark.parametrize("walls", [(0.0, None), (None, 0.0)])
def test_one_wall(walls):
    """|W| on one side, -|W| on the other."""
    sign = 1 if walls[1] is None else -1
    final = moved(equation(0.0, 0.0, 0.7, walls=walls), np.zeros(30_000), 3).final.samples
    assert distance_to(sign * np.asarray(final), lambda x: 2 * norm.cdf(x / 0.7) - 1) < 1.95


def test_drift_against_a_wall_is_of_first_order():
    """v = 1, nu = 1 between 0 and 1 has the steady state exp(2 x) / C, of no flux: what a step changes in its mean falls
    like dt. Noise that is put back at a wall, not reflected, gives the order 0.2 here."""
    u = (np.arange(200_000) + 0.5) / 200_000
    start, count = np.log1p(u * np.expm1(2.0)) / 2, [4, 8, 16]
    law = equation(0.0, 1.0, 1.0, walls=(0.0, 1.0))
    errors = [abs(float(jnp.mean(follow(None)(law, start, 0.25, n))) - start.mean()) for n in count]
    assert 0.8 < -np.polyfit(np.log(count), np.log(errors), 1)[0] < 1.1, errors


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


# Keys


def test_keys():
    law, start = equation(-1.0, 0.3, 0.8), np.linspace(-1, 1, 50)
    one, again = (moved(law, start, 4).final.samples for _ in range(2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, moved(law, start, 4, jax.random.PRNGKey(0)).final.samples)
    keys = jax.random.split(KEY, 3)
    batch = jax.vmap(lambda key: moved(law, start, 4, key).final.samples)(keys)
    each = np.stack([moved(law, start, 4, key).final.samples for key in keys])
    np.testing.assert_allclose(batch, each, rtol=1e-14)
    noise = np.concatenate([[one], each]) - np.asarray(moved(equation(-1.0, 0.3, 0.0), start, 4).final.samples)
    assert np.max(np.abs(np.corrcoef(noise) - np.eye(4))) < 0.5
    with pytest.raises(ValueError, match=r"on an Ensemble is random: give key=jax.random.key\(0\)"):
        kn.solve(law, kn.Ensemble(start), t1=1.0)
    for wrong in (0, keys, "key"):
        for either in (law, kn.MeanField(law.net)):
            with pytest.raises(TypeError, match="key"):
                kn.solve(either, kn.Ensemble(start), t1=1.0, key=wrong)
    # What is not random leaves a key alone.
    still = functools.partial(kn.solve, kn.MeanField(law.net), kn.Ensemble(start), t1=1.0, method=kn.Layers(4))
    np.testing.assert_array_equal(still(key=KEY).final.samples, still().final.samples)


def test_members_of_a_batch_take_their_own_number_of_steps():
    """Steep and calm fields in one vmap."""

    def run(w):
        solution = kn.solve(equation(w, 0.3, 0.5), kn.Ensemble([0.5, 1.0, 2.0]), t1=1.0, key=KEY)
        return solution.final.samples, solution.stats["steps"]

    w = np.array([-1.0, -13.7, -22.0])
    samples, steps = jax.vmap(run)(w)
    np.testing.assert_array_equal(steps, [1000, 1370, 2200])
    np.testing.assert_allclose(samples, np.stack([run(each)[0] for each in w]), rtol=1e-12)


def test_save_times_are_on_the_path():
    """Steps have the noise of their number in the whole solve: five and five of them are ten, to the last digits."""
    law, start = equation(-1.0, 0.3, 0.8), np.linspace(-1, 1, 50)
    once, twice = moved(law, start, 10), moved(law, start, 5, saveat=[0.5, 1.0])
    np.testing.assert_allclose(twice.final.samples, once.final.samples, rtol=1e-13)
    np.testing.assert_array_equal(twice[1].samples, twice.final.samples)
    by_default = kn.solve(law, kn.Ensemble(start), t1=1.0, saveat=[0.0, 0.25, 0.4, 1.0], key=KEY)
    assert int(by_default.stats["steps"]) == 1000
    np.testing.assert_array_equal(by_default[0].samples, start)


# Units


@given(st.floats(1e-6, 1e6), st.floats(-2, 2), st.floats(0, 2))
def test_units_and_mirror_images(factor, w, nu):
    """x in other units; x mirrored, where the noise is in proportion to x."""
    start = np.linspace(0.5, 1.0, 7)
    one = path(w, 0.3, nu, 1.0, start, ONE)
    scaled = path(w, 0.3 * factor, factor * nu, 1.0, factor * start, ONE)
    np.testing.assert_allclose(scaled, factor * one, rtol=1e-10, atol=1e-12 * factor)
    # Time in other units: dX = v dt + nu K dW at a rate that is 1 / factor of what it was.
    slow = path(w / factor, 0.3 / factor, nu / np.sqrt(factor), factor, start, ONE)
    np.testing.assert_allclose(slow, one, rtol=1e-10, atol=1e-12)
    right, left = path(w, 0.3, nu, 1.0, start, X), path(w, -0.3, nu, 1.0, -start, X)
    np.testing.assert_allclose(left, -right, rtol=1e-12, atol=1e-14)


@jax.jit
def path(w, b, nu, t1, start, diffusion):
    return moved(equation(w, b, nu, diffusion), start, 6, t1=t1).final.samples


# The number of steps


def test_how_many_steps_there_are_by_default():
    def steps(field, t1=1.0):
        law = kn.FokkerPlanck(field, 1.0)
        return int(kn.solve(law, kn.Ensemble([0.0, 1.0, 2.0]), t1=t1, key=KEY).stats["steps"])

    assert steps(kn.SimResNet(-1.0, 0.0, kn.Identity())) == 1000
    assert steps(kn.SimResNet(-1e3, 0.0, kn.Identity()), t1=1e-3) == 1000
    # Never longer than 0.01 / |w|, however the whole is cut.
    assert steps(kn.SimResNet(-20.0, 0.0, kn.Identity())) == 2000
    assert steps(kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [-20.0, -60.0]), 0.0, kn.Identity())) == 4000
    # Never shorter than a 100,000th of the whole.
    zero, quarter, one = (jnp.asarray(t) for t in (0.0, 0.25, 1.0))
    law = kn.FokkerPlanck(kn.SimResNet(-1e9, 0.0, kn.Identity()), 1.0)
    assert stochastic.enough_steps(law, jnp.zeros(3), zero, quarter, Times(zero, one, None)) == 25_000


def test_the_largest_slope():
    start = jnp.linspace(-1.0, 2.0, 3500)
    compiled = eqx.filter_jit(stochastic.largest_slope)
    slope = lambda field, x=start: float(compiled(kn.FokkerPlanck(field, 1.0), jnp.asarray(0.0), x))
    assert abs(slope(kn.SimResNet(3.0, 0.0, kn.Tanh())) - 3) < 1e-4
    # At 0 the slope of a root is infinite, and does not count.
    assert abs(slope(lambda t, x: jnp.sqrt(x), jnp.array([0.0, 0.25, 1.0])) - 1) < 1e-12
    assert slope(kn.SimResNet([[1.0, -2.0], [0.5, 0.0]], 0.0, kn.Identity()), jnp.ones((5, 2))) == 3.0
    many = jnp.ones((3, 1200))
    assert slope(lambda t, x: 2 * x, many) == 2.0
