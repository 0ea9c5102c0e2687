"""The implicit Fokker-Planck solver: what it keeps for any step, orders, limits, derivatives, the entry."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods.rates import rates
from tests import steady_laws
from tests.closed_forms import l1, order
from tests.steady_laws import CUBIC, GENERALISED_GAMMA, IDENTITY, RELU, TANH, equation

CELLS = 60
FAMILIES = {
    "Gaussian": {"which": IDENTITY, "w": -1.0, "b": 0.3, "nu": 1.0},
    "inverse Gamma": {"which": IDENTITY, "w": -1.0, "b": 1.0, "nu": 1.0, "exponent": 1},
    "inverse Gamma, w > 0": {"which": IDENTITY, "w": 0.3, "b": 1.0, "nu": 1.0, "exponent": 1},
    "Pareto tail": {"which": RELU, "w": -1.0, "b": 1.03, "nu": 1.0, "exponent": 1},
    "generalised Gamma": {"which": GENERALISED_GAMMA, "w": 1.0, "b": 0.0, "nu": 1.9, "exponent": 1},
}
WALLED = dict.fromkeys(FAMILIES, (0.0, 8.0)) | {"Gaussian": (-3.0, 5.0)}


def run(law, start, t1, steps=None, tolerance=1e-4, adjoint=None, **options):
    method = kn.ChangCooper(tolerance, steps)
    return kn.solve(law, start, t1=t1, method=method, adjoint=adjoint or kn.CheckpointAdjoint(), **options)


def often(law, start, t1, times):
    """12 * times equal steps, by one compiled program whatever the number."""
    for _ in range(times):
        start = run(law, start, t1 / times, steps=12).final
    return start


@pytest.mark.parametrize("t1", [1.0, 1e6])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_steady_state_stays_for_1000_steps(name, t1):
    law = equation(**FAMILIES[name], walls=WALLED[name])
    start = law.steady_state(kn.Grid(*WALLED[name], CELLS))
    final = often(law, start, t1, 84)
    np.testing.assert_allclose(final.values, start.values, rtol=1e-12, atol=1e-12 * float(jnp.max(start.values)))


def entropies(states, steady):
    """sum of u ln(u / M)."""
    states, steady = np.asarray(states), np.asarray(steady)
    ratios = np.where(states > 0, states, 1.0) / np.where(steady > 0, steady, 1e-300)
    return np.sum(np.where(states > 0, states * np.log(ratios), 0.0), axis=1)


@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=CELLS, max_size=CELLS).filter(any),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-5, 5), st.floats(-3, 3), st.floats(0.2, 3)),
    exponent=st.sampled_from([0.0, 1.0]),
    t1=st.sampled_from([1e-6, 1e-2, 1.0, 1e2, 1e6]),
)
@settings(max_examples=30)
def test_any_step_keeps_signs_and_mass_and_lowers_the_entropy(heights, which, numbers, exponent, t1):
    law = equation(which, *numbers, exponent=exponent, walls=(0.5, 3.0))
    grid = kn.Grid(0.5, 3.0, CELLS)
    start = kn.Density(grid, heights)
    states = [start.values]
    for share in (0.01, 0.1, 1.0):
        solution = run(law, kn.Density(grid, states[-1]), share * t1, steps=12)
        states.append(solution.final.values)
        assert float(solution.stats["smallest_average"]) >= 0
    states = jnp.stack(states)
    np.testing.assert_allclose(jnp.sum(states, axis=1), jnp.sum(start.values), rtol=1e-12)
    fall = np.diff(entropies(states / jnp.sum(start.values), law.steady_state(grid).values * grid.width))
    assert np.all(fall <= 1e-11), fall


@given(
    heights=st.lists(st.sampled_from([0.0, 1e-8, 0.3, 50.0]), min_size=CELLS, max_size=CELLS).filter(any),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-5, 5), st.floats(-3, 3), st.sampled_from([0.0, 1e-200, 1e-6, 0.3, 10.0])),
    exponent=st.sampled_from([0.0, 0.5, 1.0]),
    t1=st.sampled_from([1e-6, 1.0, 1e6]),
)
@settings(max_examples=30)
def test_with_open_ends_what_leaves_is_counted(heights, which, numbers, exponent, t1):
    """Also without noise, with next to none, and from a zero of K at the end of the grid."""
    solution = run(
        equation(which, *numbers, exponent=exponent), kn.Density(kn.Grid(0.0, 2.0, CELLS), heights), t1, steps=12
    )
    assert float(solution.stats["smallest_average"]) >= 0 and float(solution.stats["mass_lost"]) >= 0
    assert float(solution.stats["mass_drift"]) < 1e-12


def test_figure_9():
    """Identity, w = -1, b = 0, nu^2 = 2 from the uniform density on [-1, -1/2]: N(0, 1), and the mean -3/4 e^-t."""
    law, grid = equation(IDENTITY, -1.0, 0.0, 2**0.5), kn.Grid(-8.0, 8.0, 400)
    start = kn.Density.uniform(-1.0, -0.5, grid)
    final = run(law, start, 12.0).final
    assert l1(final, np.diff(ndtr(np.asarray(grid.faces))) / float(grid.width)) < 1e-4
    after = run(law, start, 1.0, tolerance=1e-6)
    assert abs(float(after.final.mean) + 0.27591) < 1e-4
    assert float(after.stats["mass_drift"]) < 1e-12


@given(peclet=st.floats(-9, 1.3).map(lambda power: 10**power), sign=st.sampled_from([1.0, -1.0]), nu=st.floats(0.1, 10))
def test_constant_coefficients_give_bernoulli_functions(peclet, sign, nu):
    """D / dx^2 B(-+p) with B(p) = p / (e^p - 1), and half a cell's worth of them at open ends."""
    width, diffusion = 0.1, nu**2 / 2
    p = sign * peclet
    law, grid = equation(IDENTITY, 0.0, p * diffusion / width, nu), kn.Grid(0.0, CELLS * width, CELLS)
    found = jax.jit(rates)(law, grid, jnp.zeros(()))
    with np.errstate(over="ignore"):
        bernoulli = lambda p: p / np.expm1(p)
        inner = diffusion / width**2 * np.array([bernoulli(-p), bernoulli(p)])
        ends = 2 * diffusion / width**2 * np.array([bernoulli(-p / 2), bernoulli(p / 2)])
    tiny = 1e-14 * inner.max()
    np.testing.assert_allclose(found.rightwards[1:-1], inner[0], rtol=1e-6, atol=tiny)
    np.testing.assert_allclose(found.leftwards[1:-1], inner[1], rtol=1e-6, atol=tiny)
    np.testing.assert_allclose([found.rightwards[-1], found.leftwards[0]], ends, rtol=1e-6, atol=tiny)
    assert float(found.rightwards[0]) == float(found.leftwards[-1]) == 0


def transition(faces, mean, std, w, nu, t):
    """Cell masses of an Ornstein-Uhlenbeck process that starts as a Gaussian."""
    variance = std**2 * np.exp(2 * w * t) + nu**2 * (np.exp(2 * w * t) - 1) / (2 * w)
    return np.diff(ndtr((faces - mean * np.exp(w * t)) / np.sqrt(variance)))


def test_second_order_in_space_and_first_in_time():
    """Finer grids are smaller ones, all with room for the density: one compiled program."""
    law = equation(IDENTITY, -1.0, 0.0, 1.0)
    errors, reaches = [], (10.0, 7.0, 5.0)
    for reach in reaches:
        grid = kn.Grid(-reach, reach, CELLS)
        start, exact = (
            transition(np.asarray(grid.faces), 0.6, 0.6, -1.0, 1.0, t) / float(grid.width) for t in (0.0, 0.5)
        )
        # Two numbers of steps, and what is left of the error in time when that of first order is gone.
        coarse, fine = (often(law, kn.Density(grid, start), 0.5, times).values for times in (32, 64))
        errors.append(float(jnp.sum(jnp.abs(2 * fine - coarse - exact)) * grid.width))
    assert 1.85 < order(1 / np.array(reaches), errors) < 2.15, errors
    start = kn.Density.gaussian(1.0, 0.6, kn.Grid(-5.0, 5.0, CELLS))
    many = often(law, start, 0.5, 256).values
    in_time = [float(jnp.sum(jnp.abs(often(law, start, 0.5, times).values - many))) for times in (2, 4, 8)]
    assert 0.95 < order((2, 4, 8), in_time) < 1.1, in_time


def test_adaptive_steps_are_as_good_as_their_tolerance_and_grow():
    grid = kn.Grid(-5.0, 5.0, CELLS)
    start = kn.Density.uniform(1.0, 2.0, grid)
    law = equation(IDENTITY, -1.0, 0.0, 1.0)
    precise = often(law, start, 1.0, 256).values
    errors, counts = [], []
    for tolerance in (1e-2, 1e-3, 1e-4):
        solution = run(law, start, 1.0, tolerance=tolerance)
        errors.append(float(jnp.sum(jnp.abs(solution.final.values - precise)) * grid.width))
        counts.append(int(solution.stats["steps"]))
        assert errors[-1] < tolerance * counts[-1]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    # Errors of second order in a step: ten times as precise takes three times as many.
    assert 2 < counts[1] / counts[0] < 4.5 and 2.5 < counts[2] / counts[1] < 4
    # Of the whole time's first steps, which jump to the end, none is taken before those that resolve the way there.
    assert counts[2] < int(run(law, start, 1e6).stats["steps"]) < counts[2] + 100


def test_without_noise_it_is_the_implicit_upwind_scheme():
    law, grid = equation(CUBIC, 1.3, 0.2, 0.0), kn.Grid(-2.0, 2.0, CELLS)
    start = kn.Density.uniform(-1.5, 1.0, grid)
    v = np.asarray(jax.vmap(lambda x: law.velocity(0.0, x))(grid.faces))
    dt, dx = 0.05, float(grid.width)
    matrix = np.eye(CELLS)
    for k in range(CELLS + 1):
        for cell, speed in ((k - 1, max(v[k], 0)), (k, min(v[k], 0))):
            if 0 <= cell < CELLS:
                for other, sign in ((k - 1, 1), (k, -1)):
                    if 0 <= other < CELLS:
                        matrix[other, cell] += sign * dt / dx * speed
    exact = np.linalg.matrix_power(np.linalg.inv(matrix), 12) @ np.asarray(start.values)
    for nu in (0.0, 1e-30, 1e-9):
        quiet = eqx.tree_at(lambda law: law.nu, law, jnp.array(nu))
        # With some noise a cell's own steady state decides where the wind turns within it.
        np.testing.assert_allclose(run(quiet, start, 12 * dt, steps=12).final.values, exact, atol=1e-12)


def absorbed(faces, b, nu, t):
    """Cell masses of dX = b dt + nu dW on [-1, 2] from 0.4 that ends at -1 and 2: images, and Girsanov's factor."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    x = 0.5 * (faces[1:] + faces[:-1])[:, None] + 0.5 * np.diff(faces)[:, None] * nodes
    images = [(sign, place + 6 * k) for k in range(-3, 4) for sign, place in ((1, 0.4), (-1, -2.4))]
    driftless = sum(sign * norm.pdf(x, place, nu * np.sqrt(t)) for sign, place in images)
    return driftless * np.exp((b * (x - 0.4) - 0.5 * b**2 * t) / nu**2) @ weights * 0.5 * np.diff(faces)


@pytest.mark.parametrize("b", [-2.0, 0.0, 1.5])
def test_what_gets_to_an_open_end_is_gone(b):
    nu, early, t, grid = 1.1, 0.01, 0.8, kn.Grid(-1.0, 2.0, CELLS)
    faces = np.asarray(grid.faces)
    start = kn.Density(grid, absorbed(faces, b, nu, early) / float(grid.width))
    coarse, fine = (often(equation(IDENTITY, 0.0, b, nu), start, t - early, times).values for times in (32, 64))
    # An end half a cell further out, or one that takes half a cell's drift too much, is 1 % off.
    exact = absorbed(faces, b, nu, t)
    assert 0.2 < exact.sum() < 0.8
    np.testing.assert_allclose((2 * fine - coarse) * grid.width, exact, atol=2e-3 * exact.max())


def test_nothing_but_the_wind_crosses_a_zero_of_the_noise():
    grid = kn.Grid(-3.0, 3.0, CELLS)
    start = kn.Density.uniform(-1.0, -0.5, grid)
    still = run(equation(CUBIC, 1.0, 0.0, 1.0, exponent=1), start, 5.0, steps=12).final
    assert float(jnp.sum(still.values[CELLS // 2 :])) == 0
    blown = run(equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1), start, 5.0, steps=12).final
    assert float(jnp.sum(blown.values[: CELLS // 2]) * grid.width) < 0.01


def test_layers_and_smooth_parameters_in_time():
    """The mean of an Ornstein-Uhlenbeck process with w in layers and b(t): m' = w m + b. Other numbers do not retrace."""
    counted = []

    class Wave(eqx.Module):
        size: jax.Array

        def __call__(self, t):
            counted.append(1)
            return self.size * jnp.cos(3 * t)

    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3], [-1.0, -3.0]), Wave(jnp.array(1.2)), kn.Identity())
    law, start = kn.FokkerPlanck(net, 0.7), kn.Density.gaussian(1.0, 0.4, kn.Grid(-3.0, 3.0, CELLS))
    part = lambda w, low, high: quad(lambda s: np.exp(w * (high - s)) * 1.2 * np.cos(3 * s), low, high)[0]
    exact = (np.exp(-0.3) + part(-1, 0, 0.3)) * np.exp(-2.1) + part(-3, 0.3, 1)
    means, calls = [], []
    for tolerance in (1e-3, 1e-4, 1e-6):
        means.append(float(run(law, start, 1.0, tolerance=tolerance).final.mean))
        calls.append(len(counted))
    run(eqx.tree_at(lambda law: law.nu, law, jnp.array(1.0)), kn.Density(kn.Grid(-2.0, 2.0, CELLS), start.values), 2.0)
    # Each call looks at the shape of b, no more.
    assert [*np.diff(calls), len(counted) - calls[-1]] == [1, 1, 1]
    # What is left is the error of the grid, whose cells have a drift of up to five times the diffusion.
    assert abs(means[2] - exact) < 2e-2
    assert 2 < (means[0] - means[2]) / (means[1] - means[2]) < 5, means


def test_reverse_forward_and_differences_agree():
    """In all of w, b, nu, K and the initial averages, by adaptive steps that refuse nothing: they grow alike for all."""
    grid, weight = kn.Grid(-4.0, 4.0, CELLS), jnp.linspace(0.0, 1.0, CELLS)

    def loss(p, adjoint):
        law = kn.FokkerPlanck(kn.SimResNet(p[0], p[1], kn.Tanh()), p[2], kn.ConstantDiffusion(p[3]))
        start = kn.Density.gaussian(p[4], 0.5, grid)
        return weight @ run(law, start, 1.0, None, 1e6, adjoint).final.values ** 2

    point = jnp.array([-1.0, 0.3, 0.7, 1.1, 0.2])
    reverse = jax.jit(jax.value_and_grad(lambda p: loss(p, kn.CheckpointAdjoint())))
    forward = jax.jit(lambda p, direction: jax.jvp(lambda p: loss(p, kn.ForwardMode()), (p,), (direction,))[1])
    slope = reverse(point)[1]
    np.testing.assert_allclose(slope, [forward(point, each) for each in jnp.eye(5)], rtol=1e-10)
    h = 1e-5
    central = [(reverse(point + h * e)[0] - reverse(point - h * e)[0]) / (2 * h) for e in jnp.eye(5)]
    np.testing.assert_allclose(slope, central, rtol=1e-6)


def test_batches_are_their_members():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    final = lambda w, nu: run(equation(TANH, w, 0.3, nu), start, 1.0).final.values
    ws, nus = jnp.array([-1.0, 2.0, 0.0]), jnp.array([0.5, 1.5, 0.0])
    alone = [final(w, nu) for w, nu in zip(ws, nus, strict=True)]
    np.testing.assert_allclose(jax.vmap(final)(ws, nus), alone, atol=1e-13)


def test_float32_has_its_digits_after_enormous_steps():
    law = equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1, walls=(np.float32(0), np.float32(20)), dtype=np.float32)
    start = kn.Density.uniform(np.float32(1), np.float32(2), kn.Grid(np.float32(0), np.float32(20), CELLS))
    solution = run(law, start, 1e10, steps=12)
    assert solution.final.values.dtype == np.float32
    assert float(solution.stats["mass_drift"]) < 2e-6 and float(solution.stats["smallest_average"]) > 0
    exact = (
        steady_laws.between(steady_laws.inverse_gamma(-1.0, 1.0, 1.0), np.linspace(0.0, 20.0, CELLS + 1)) * CELLS / 20
    )
    difference = np.asarray(solution.final.values) - exact / (exact.sum() * 20 / CELLS)
    assert np.abs(difference).sum() * 20 / CELLS < 1e-5


def test_mirror_images_and_units():
    grid, start = kn.Grid(-3.0, 3.0, CELLS), np.exp(-(np.linspace(-2, 2.5, CELLS) ** 2))
    one = run(equation(TANH, -1.0, 0.4, 0.8), kn.Density(grid, start), 1.0, steps=12).final.values
    other = run(equation(TANH, -1.0, -0.4, 0.8), kn.Density(grid, start[::-1]), 1.0, steps=12).final.values
    np.testing.assert_allclose(other[::-1], one, rtol=1e-11)
    law, metres = equation(IDENTITY, -1.0, 0.4, 0.8), kn.Density(grid, start)
    kilometres = kn.Density(kn.Grid(-3e-3, 3e-3, CELLS), start * 1e3)
    scaled = run(equation(IDENTITY, -1.0, 0.4e-3, 0.8e-3), kilometres, 1.0)
    same = run(law, metres, 1.0)
    assert int(scaled.stats["steps"]) == int(same.stats["steps"])
    np.testing.assert_allclose(scaled.final.values, 1e3 * same.final.values, rtol=1e-9)


def test_failures_are_results():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    early = run(equation(TANH, -1.0, 0.3, 0.5), start, 1.0, max_steps=5, throw=False)
    assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) == 5
    broken = eqx.tree_at(lambda law: law.field.w, equation(TANH, -1.0, 0.3, 0.5), jnp.array(np.nan))
    for steps in (None, 12):
        assert run(broken, start, 1.0, steps, throw=False).result == kn.Result.not_finite
    # Far from t = 0 the steps that a jump needs are not resolved.
    jump = kn.Density.uniform(0.0, 0.1, kn.Grid(-4.0, 4.0, CELLS))
    late = run(equation(TANH, -1.0, 0.3, 0.5), jump, 1e16 + 10.0, tolerance=1e-8, t0=1e16, throw=False)
    assert late.result == kn.Result.stalled


def test_bad_input():
    grid = kn.Grid(-4.0, 4.0, CELLS)
    start, net = kn.Density.gaussian(0.5, 0.4, grid), kn.SimResNet(-1.0, 0.3, kn.Identity())
    for bad in ({"tolerance": 0.0}, {"tolerance": [1e-3, 1e-4]}, {"steps": 0}, {"steps": 1.5}, {"tolerance": "fine"}):
        with pytest.raises((ValueError, TypeError)):
            kn.ChangCooper(**bad)
    with pytest.raises(ValueError, match="K must be finite and not negative"):
        run(kn.FokkerPlanck(net, 1.0, kn.LinearDiffusion()), start, 1.0)
    with pytest.raises(ValueError, match="not at the ends of the grid"):
        run(kn.FokkerPlanck(net, 1.0, walls=(-1.0, 1.0)), start, 1.0)
    with pytest.raises(ValueError, match="dimension 2"):
        run(kn.FokkerPlanck(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh()), 1.0), start, 1.0)
    with pytest.raises(TypeError, match=r"CheckpointAdjoint\(\) or kn.ForwardMode\(\)"):
        run(equation(TANH, -1.0, 0.3, 0.5), start, 1.0, adjoint=kn.TransportAdjoint())
    with pytest.raises(TypeError, match="does not solve MeanField"):
        run(kn.MeanField(net), start, 1.0)
