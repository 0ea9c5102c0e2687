"""The linear Boltzmann equation on a density: closed forms, moments, what is kept, orders, derivatives, the entry."""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import gammaln
from scipy.stats import norm, poisson

import kinetic_nde as kn
from kinetic_nde.methods.transfer import collide, shapes, transfer
from tests.closed_forms import order
from tests.steady_laws import COSINE, IDENTITY, RELU, TANH, AnyField, PowerOfX

CELLS = 60
FINE = 400
NORMAL, UNIFORM = kn.NormalNoise(), kn.UniformNoise()


def equation(which, w, b, eps=1.0, nu=0.0, rate=1.0, exponent=0, noise=NORMAL, dtype=float):
    """Every field and every K in one compiled program."""
    w, b, delta, c, scale, power, other, eps, nu, rate = (
        jnp.asarray(each, dtype) for each in (w, b, 0.5, 1.0, 1.0, exponent, 0.0, eps, nu, rate)
    )
    return kn.Boltzmann(
        AnyField(jnp.asarray(which), w, b, delta, c), eps, nu, PowerOfX(scale, power, other), rate, noise
    )


def run(law, start, t1, steps=None, adjoint=None, **options):
    method = kn.PushForward(steps)
    return kn.solve(law, start, t1=t1, method=method, adjoint=adjoint or kn.CheckpointAdjoint(), **options)


def distance(one, other):
    return float(jnp.sum(jnp.abs(one.values - other.values)) * one.grid.width)


# Closed forms


def linear_moments(w, b, eps, nu, rate, t, m1, m2, exponent=0):
    """m1' = eps rate (w m1 + b), m2' = rate E[eps^2 v^2 + 2 eps x v + eps nu^2 K^2], v = w x + b, with K^2 = x^2 or 1."""
    constant, quadratic = (eps * nu**2, 0.0) if exponent == 0 else (0.0, eps * nu**2)
    generator = rate * np.array(
        [
            [0.0, 0.0, 0.0],
            [eps * b, eps * w, 0.0],
            [eps**2 * b**2 + constant, 2 * eps**2 * w * b + 2 * eps * b, eps**2 * w**2 + 2 * eps * w + quadratic],
        ]
    )
    return expm(generator * t)[1:] @ [1.0, m1, m2]


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_two_moments_to_1e_6(eps, noise):
    """Identity, random numbers; on the clock of the grazing limit and on another. T = x + eps v contracts to no less than
    0.3: where all are carried to one point uniform noise leaves a density that jumps."""
    random = np.random.default_rng(round(100 * eps))
    for rate in (1 / eps, 1 / eps, 1 / eps, 0.7 / eps**0.5):
        w, b, nu = random.uniform(-0.7, 0.1), random.uniform(-0.4, 0.4), random.uniform(0.4, 0.6)
        start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-8.0, 8.0, FINE))
        solution = run(equation(IDENTITY, w, b, eps, nu, rate, noise=noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, rate, 1.0, 0.5, 0.5)
        np.testing.assert_allclose([solution.final.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)
        assert float(solution.stats["mass_drift"]) < 1e-12


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_two_moments_with_noise_in_proportion_to_x(eps, noise):
    for w, b, nu in ((-0.5, 0.8, 0.18), (-0.2, 0.3, 0.15)):
        start = kn.Density.gaussian(2.0, 0.25, kn.Grid(-0.5, 6.5, FINE))
        solution = run(equation(IDENTITY, w, b, eps, nu, 1 / eps, 1, noise), start, 1.0)
        exact = linear_moments(w, b, eps, nu, 1 / eps, 1.0, 2.0, 4.0625, 1)
        np.testing.assert_allclose([solution.final.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)


def mixture(grid, z, law_after):
    """Averages of sum_k e^-z z^k / k! (the law after k collisions)."""
    faces = np.asarray(grid.faces)
    parts = [poisson.pmf(k, z) * np.diff(law_after(k).cdf(faces)) for k in range(60)]
    return kn.Density(grid, np.sum(parts, axis=0) / float(grid.width))


def test_without_drift_it_is_a_compound_poisson_process():
    grid, z, eps, nu = kn.Grid(-6.0, 6.0, FINE), 3.0, 0.1, 0.7
    after = lambda k: norm(0.3, np.sqrt(0.25 + k * eps * nu**2))
    final = run(equation(IDENTITY, 0.0, 0.0, eps, nu, rate=2.0), mixture(grid, 0.0, after), 1.5).final
    assert distance(final, mixture(grid, z, after)) < 2e-6


@pytest.mark.parametrize(("w", "b", "tolerance"), [(-0.2, 0.4, 3e-5), (-1.8, 0.5, 3e-5), (0.15, -0.2, 3e-5)])
def test_without_noise_gaussians_stay_gaussian(w, b, tolerance):
    """Rule (18) for the identity, also with T = x + v decreasing."""
    grid, slope = kn.Grid(-6.0, 6.0, FINE), 1 + w
    after = lambda k: norm(0.8 * slope**k + b * (slope**k - 1) / w, 0.6 * abs(slope) ** k)
    final = run(equation(IDENTITY, w, b), mixture(grid, 0.0, after), 1.0).final
    assert distance(final, mixture(grid, 1.0, after)) < tolerance


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize(("w", "nu"), [(0.7, 0.3), (-0.4, 1e-3), (-2.6, 0.05), (-1.0, 0.4)])
def test_columns_are_integrals(w, nu, noise):
    """Constant and linear data in a cell, against 100 Gauss points in each eighth of it."""
    grid = kn.Grid(-1.5, 1.5, CELLS)
    law = equation(IDENTITY, w, 0.31, nu=nu, noise=noise)
    found = np.asarray(jax.jit(transfer)(law, grid, jnp.zeros(()))).reshape(CELLS, 3, CELLS + 2)
    nodes, weights = np.polynomial.legendre.leggauss(100)
    s = (((nodes + 1) / 2)[None, :] + np.arange(8)[:, None]).ravel() / 8 - 0.5
    weights = np.tile(weights, 8) / 16
    cell, faces = 23, np.concatenate([[-np.inf], np.asarray(grid.faces), [np.inf]])
    x = float(grid.centers[cell]) + s * float(grid.width)
    z = (faces[:, None] - (x + w * x + 0.31)) / nu
    below = norm.cdf(z) if noise is NORMAL else np.clip(0.5 + z / 12**0.5, 0, 1)
    exact = np.stack([np.diff(below @ weights), np.diff(below @ (weights * s))])
    np.testing.assert_allclose(found[cell, :2], exact, atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=2), np.tile([1.0, 0.0, 0.0], (CELLS, 1)), atol=1e-14)


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
def test_ramps_are_moments_of_the_noise(noise):
    """E[(z - xi)_+^k] / k! by the trapezoidal rule, below, inside and above an interval."""
    ends = 10.0 if noise is NORMAL else 3**0.5
    xi = np.linspace(-ends, ends, 400_001)
    density = norm.pdf(xi) if noise is NORMAL else np.full(xi.size, 1 / (2 * ends))
    for z in (-2.5, -1.0, 0.3, 1.6, 4.0):
        exact = [np.trapezoid(np.where(xi < z, (z - xi) ** k, 0.0) * density, xi) / math.factorial(k) for k in range(3)]
        np.testing.assert_allclose([noise.ramp(jnp.array(z), k) for k in range(3)], exact, atol=2e-5)


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
def test_one_collision_with_noise_in_proportion_to_x(noise):
    """m1 and m2 on coarse cells: with the average of K^2 over each part m2 would be 7e-5 off."""
    grid = kn.Grid(-3.0, 13.0, CELLS)
    law = equation(IDENTITY, -0.3, 0.5, nu=0.3, exponent=1, noise=noise)
    start = kn.Density.gaussian(4.0, 0.7, grid)
    matrix = jax.jit(transfer)(law, grid, jnp.zeros(()))
    after = kn.Density(grid, collide(matrix, grid, jnp.pad(start.values, 1))[1:-1])
    exact = [0.7 * 4.0 + 0.5, 0.09 * 16.49 + 0.49 * 16.49 + 0.7 * 4.0 + 0.25]
    np.testing.assert_allclose(read(after), exact, rtol=0, atol=2e-5)


# Fields that are not linear


def nystrom(which, w, b, eps, nu, z, start):
    """The masses below given places by another way: G^k g at 1501 points, integrated by the trapezoidal rule."""
    x = np.linspace(-7.0, 7.0, 1501)
    target = x + eps * np.asarray(jax.vmap(lambda x: equation(which, w, b).field(0.0, x))(jnp.asarray(x)))
    spread, dx = eps**0.5 * nu, x[1] - x[0]
    kernel = norm.pdf((x[:, None] - target) / spread) / spread * dx
    g, mixed = start.pdf(x), 0.0
    for k in range(1, 40):
        mixed = mixed + np.exp(k * np.log(z) - z - gammaln(k + 1)) * g
        g = kernel @ g

    def below(faces):
        return np.exp(-z) * start.cdf(faces) + norm.cdf((faces[:, None] - target) / spread) @ mixed * dx

    return below


@pytest.mark.parametrize(
    ("which", "w", "b", "eps"), [(TANH, 2.0, 0.3, 0.3), (TANH, -3.0, 0.5, 1.0), (COSINE, 1.0, 0.2, 1.0)]
)
def test_order_of_nonlinear_fields(which, w, b, eps):
    """Fourth order, also where T is not monotone. Finer grids are smaller ones: one compiled program."""
    errors, reaches, start = [], (20.0, 12.0, 7.0), norm(0.3, 0.7)
    law, below = equation(which, w, b, eps, 0.6), nystrom(which, w, b, eps, 0.6, 2.0, start)
    for reach in reaches:
        grid = kn.Grid(-reach, reach, 200)
        g0 = kn.Density(grid, np.diff(start.cdf(np.asarray(grid.faces))) / float(grid.width))
        exact = np.diff(below(np.asarray(grid.faces))) / float(grid.width)
        errors.append(float(jnp.sum(jnp.abs(run(law, g0, 2.0).final.values - exact)) * grid.width))
    assert 3.8 < order(1 / np.array(reaches), errors) < 4.2, errors
    assert errors[-1] < 5e-6


# What is kept


@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=CELLS, max_size=CELLS).filter(any),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-5, 5), st.floats(-3, 3), st.sampled_from([1.0, 0.1, 1e-3])),
    nu=st.sampled_from([0.0, 1e-200, 1e-9, 1e-3, 0.3, 10.0]),
    exponent=st.sampled_from([0.0, 0.5, 1.0]),
    t1=st.sampled_from([0.0, 1e-6, 1.0, 30.0]),
)
@settings(max_examples=40)
def test_averages_stay_positive_and_what_leaves_is_counted(heights, which, numbers, nu, exponent, t1):
    law = equation(which, *numbers, nu=nu, exponent=exponent)
    solution = run(law, kn.Density(kn.Grid(-1.0, 2.0, CELLS), heights), t1)
    assert float(solution.stats["smallest_average"]) >= 0 and float(solution.stats["mass_lost"]) >= 0
    assert float(solution.stats["mass_drift"]) < 1e-12


@pytest.mark.parametrize("w", [-1.0, -2.0, 0.5])
def test_rule_18_with_a_kink(w):
    """ReLU from a uniform density and from a point. With w = -1, b = 0.5 what is below 0.5 is carried to 0.5, and stays."""
    grid = kn.Grid(-3.0, 6.0, CELLS)
    for start in (kn.Density.uniform(-1.0, 0.35, grid), kn.Density.dirac(-0.3, grid)):
        solution = run(equation(RELU, w, 0.5), start, 3.0)
        values = np.asarray(solution.final.values) * float(grid.width)
        assert values.min() >= 0 and float(solution.stats["mass_drift"]) < 1e-12
        if w == -1.0:
            cell = int((0.5 + 3.0) / float(grid.width))
            # The mean at 0.5 - (0.5 - m) e^-3, and the mass of what has been hit where it should be.
            assert abs(values[cell - 1 : cell + 2].sum() - (1 - np.exp(-3.0))) < 0.02
            assert values[cell + 2 :].sum() < 1e-12


def test_open_ends_lose_what_goes_there():
    """A collision moves everything by 12 of 60 cells: k of them leave a share of (1 - k / 5)_+ of a uniform density."""
    start = kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, CELLS))
    for sign in (1.0, -1.0):
        solution = run(equation(IDENTITY, 0.0, 0.2 * sign), start, 1.7, saveat=[0.4, 1.7])
        k = np.arange(6)
        inside = [poisson.pmf(k, t) @ (1 - k / 5) for t in (0.4, 1.7)]
        np.testing.assert_allclose(jax.vmap(lambda each: each.mass)(solution.distributions), inside, atol=1e-12)
        assert abs(float(solution.stats["mass_lost"]) - (1 - inside[1])) < 1e-12
    noisy = run(equation(IDENTITY, -1.0, 0.2, nu=0.5), start, 1.7)
    # T = 0.2 for all: the first collision leaves inside what is inside of N(0.2, 0.5^2), and each further one as much of it.
    share = norm.cdf(0.8 / 0.5) - norm.cdf(-0.2 / 0.5)
    assert abs(float(noisy.final.mass) - np.exp(-1.7 * (1 - share))) < 1e-10


@given(
    pairs=st.lists(st.tuples(*2 * [st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0])]), min_size=CELLS, max_size=CELLS),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-2, 2), st.floats(-1, 1)),
    nu=st.sampled_from([0.0, 0.05, 1.0]),
)
@settings(max_examples=25)
def test_solutions_do_not_move_apart(pairs, which, numbers, nu):
    """In L1 G brings parabolas no further apart. Averages may be, by what a reconstruction adds where they differ in
    single cells."""
    one, other = np.array(pairs).T + 0.01
    grid = kn.Grid(-1.0, 2.0, CELLS)
    one, other = kn.Density(grid, one), kn.Density(grid, other)
    law = equation(which, *numbers, nu=nu)
    after = distance(run(law, one, 1.0).final, run(law, other, 1.0).final)
    assert after <= 1.2 * distance(one, other) + 1e-12
    # Nothing to speak of where they are smooth.
    one, other = kn.Density.gaussian(0.3, 0.3, grid), kn.Density.gaussian(0.7, 0.35, grid)
    after = distance(run(law, one, 1.0).final, run(law, other, 1.0).final)
    assert after <= 1.0001 * distance(one, other)


def test_shapes_are_positive_and_exact_on_parabolas():
    grid = kn.Grid(0.0, 3.0, CELLS)
    s = np.linspace(0, 3, CELLS + 1)
    cubic = np.diff(s**3 - s**2 + 4 * s) / np.diff(s)
    found = np.asarray(shapes(grid, jnp.asarray(cubic)))
    dx, x = 3.0 / CELLS, np.asarray(grid.centers)
    np.testing.assert_allclose(found, np.stack([cubic, dx * (6 * x - 2), 0 * x + 3 * dx**2], 1), atol=1e-12)
    rough = np.where(np.random.default_rng(0).uniform(size=CELLS) < 0.5, 0.0, 1.0)
    found = np.asarray(shapes(grid, jnp.asarray(rough)))
    u = np.linspace(-0.5, 0.5, 9)[:, None]
    # At least where the ends of the parts are; in between a parabola is below its chords by at most 1/64 of its curvature.
    assert np.min(found[:, 0] + u * found[:, 1] + (u**2 - 1 / 12) * found[:, 2]) > -1 / 64
    assert np.all(found[rough == 0] == 0)


# Time


class Wave(eqx.Module):
    """The bias size cos(frequency t)."""

    size: jax.Array
    frequency: jax.Array

    def __call__(self, t):
        return self.size * jnp.cos(self.frequency * t)


KNOTS, WEIGHTS = [0.0, 0.4, 1.0], [-1.0, 0.0, -0.5]


def turning(rate, eps, dtype=float):
    """A weight with kinks and a bias that turns."""
    bias = Wave(jnp.asarray(0.5, dtype), jnp.asarray(6.0, dtype))
    return kn.Boltzmann(kn.SimResNet(kn.Interpolated(KNOTS, WEIGHTS), bias, kn.Identity()), eps, 0.7, rate=rate)


def turned(rate, eps, t, m1, m2):
    """Its m1 and m2 by SciPy."""

    def right(t, m):
        w, b = np.interp(t, KNOTS, WEIGHTS), 0.5 * np.cos(6 * t)
        square, cross = w**2 * m[1] + 2 * w * b * m[0] + b**2, w * m[1] + b * m[0]
        return [eps * rate * (w * m[0] + b), rate * (eps**2 * square + 2 * eps * cross + eps * 0.7**2)]

    return solve_ivp(right, (0, t), [m1, m2], rtol=1e-11, atol=1e-12, max_step=0.02).y[:, -1]


def read(density):
    """m1 and m2 of smooth data from the averages alone, without the error of a reconstruction: sum x^2 g dx is that of g
    seen through a window of width dx, of variance dx^2 / 12."""
    masses, x, dx = (
        np.asarray(density.values * density.grid.width),
        np.asarray(density.grid.centers),
        density.grid.width,
    )
    return [masses @ x, masses @ x**2 - float(dx) ** 2 / 12 * masses.sum()]


@pytest.mark.parametrize("eps", [1.0, 0.2])
def test_fields_that_turn_to_1e_6_by_default(eps):
    solution = run(turning(1 / eps, eps), kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, CELLS)), 1.0)
    np.testing.assert_allclose(read(solution.final), turned(1 / eps, eps, 1.0, 0.5, 0.89), rtol=0, atol=1e-6)
    # In each of two spans between knots.
    assert int(solution.stats["steps"]) == 64 + 10 * round(1 / eps)


def test_fourth_order_in_time():
    """By the same program for any number of steps: 4 in each part of the time."""
    start = kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, 30))

    def often(parts):
        density = start
        for t0, t1 in zip(np.arange(parts) / parts, np.arange(1, parts + 1) / parts, strict=True):
            density = run(turning(2.0, 1.0), density, 2 * t1, 4, t0=2 * t0).final
        return density

    precise = often(32)
    errors = [distance(often(parts), precise) for parts in (4, 8, 16)]
    assert 3.8 < order((4, 8, 16), errors) < 4.3, errors


def test_layers_are_exact_in_time():
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-6.0, 6.0, FINE))
    layers = kn.PiecewiseConstant([0.0, 0.3], [-0.8, 0.2])
    law = kn.Boltzmann(kn.SimResNet(layers, 0.4, kn.Identity()), 0.1, 0.5, rate=10.0)
    solution = run(law, start, 1.0, saveat=[0.3, 1.0])
    middle = linear_moments(-0.8, 0.4, 0.1, 0.5, 10.0, 0.3, 0.5, 0.5)
    final = linear_moments(0.2, 0.4, 0.1, 0.5, 10.0, 0.7, *middle)
    for density, exact in zip((solution[0], solution[1]), (middle, final), strict=True):
        np.testing.assert_allclose([density.moment(k) for k in (1, 2)], exact, rtol=0, atol=1e-6)


def test_many_collisions_reach_the_steady_state():
    """rate t = 2000, where e^-z is 0: mean -b/w, and the variance for which what is lost is what the noise adds."""
    start = kn.Density.gaussian(-1.0, 0.7, kn.Grid(-8.0, 8.0, CELLS))
    w, b, eps, nu = -0.5, 0.2, 0.5, 0.9
    solution = run(equation(IDENTITY, w, b, eps, nu, 100.0), start, 20.0)
    assert float(solution.stats["mass_drift"]) < 1e-11
    exact = linear_moments(w, b, eps, nu, 100.0, 20.0, -1.0, 1.49)
    np.testing.assert_allclose(read(solution.final), exact, rtol=0, atol=1e-8)


def test_a_limit_of_steps_ends_it_where_the_solution_is_whole():
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-4.0, 4.0, CELLS))
    law = equation(TANH, -1.0, 0.3, 0.2, 0.6, 5.0)
    early = run(law, start, 10.0, max_steps=60, throw=False)
    assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) <= 60
    # z + 8 z^(1/2) + 14 = 60 for z = (62^(1/2) - 4)^2
    same = run(law, start, (math.sqrt(62) - 4) ** 2 / 5)
    np.testing.assert_allclose(early.final.values, same.final.values, atol=1e-13)
    none = run(law, start, 10.0, max_steps=5, throw=False)
    np.testing.assert_allclose(none.final.values, start.values, rtol=1e-14)
    half = run(turning(2.0, 1.0), start, 0.4, 4, max_steps=3, throw=False)
    assert half.result == kn.Result.max_steps_reached and int(half.stats["steps"]) == 3
    np.testing.assert_allclose(read(half.final), turned(2.0, 1.0, 0.3, 0.5, 0.5), atol=1e-3)


# Derivatives, batches, types, units


def test_reverse_forward_and_differences_agree():
    """In w, b, eps, the root of nu, rate, K and the initial averages."""
    grid, weight = kn.Grid(-4.0, 4.0, CELLS), jnp.linspace(0.0, 1.0, CELLS)

    def loss(p, adjoint):
        law = kn.Boltzmann(kn.SimResNet(p[0], p[1], kn.Identity()), p[2], p[3] ** 2, kn.ConstantDiffusion(p[5]), p[4])
        return weight @ run(law, kn.Density.gaussian(p[6], 0.5, grid), 1.0, None, adjoint).final.values ** 2

    point = jnp.array([-1.0, 0.29, 0.5, 0.8, 1.8, 1.1, 0.2])
    reverse = jax.jit(jax.value_and_grad(lambda p: loss(p, kn.CheckpointAdjoint())))
    forward = jax.jit(lambda p, direction: jax.jvp(lambda p: loss(p, kn.ForwardMode()), (p,), (direction,))[1])
    h = 1e-5
    # All to one place, where T' = 0; and without noise.
    for change, tolerance in ((point, 1e-6), (point.at[0].set(-2.0), 1e-5), (point.at[3].set(0.0), 1e-5)):
        slope = reverse(change)[1]
        np.testing.assert_allclose(slope, [forward(change, each) for each in jnp.eye(7)], rtol=1e-9, atol=1e-12)
        central = [(reverse(change + h * e)[0] - reverse(change - h * e)[0]) / (2 * h) for e in jnp.eye(7)]
        np.testing.assert_allclose(slope, central, rtol=tolerance, atol=tolerance)


def test_the_slope_of_the_mean_with_a_field_that_may_turn():
    """d m1 / d(w, b, eps, rate) against the closed form."""
    grid = kn.Grid(-4.0, 4.0, 30)
    numbers = jnp.array([-1.4, 0.6, 0.5, 1.3])

    def mean(p):
        net = kn.SimResNet(p[0], Wave(p[1], jnp.zeros(())), kn.Identity())
        law = kn.Boltzmann(net, p[2], 0.9, rate=p[3], noise=UNIFORM)
        return run(law, kn.Density.gaussian(0.5, 0.6, grid), 0.2, 3).final.mean

    def exact(p):
        return jnp.exp(0.2 * p[3] * p[2] * p[0]) * (0.5 + p[1] / p[0]) - p[1] / p[0]

    value, slope = jax.jit(jax.value_and_grad(mean))(numbers)
    np.testing.assert_allclose(value, exact(numbers), atol=2e-5)
    np.testing.assert_allclose(slope, jax.grad(exact)(numbers), atol=2e-4)


def test_batches_are_their_members_and_numbers_do_not_retrace():
    counted = []

    class Counted(eqx.Module):
        w: jax.Array
        b: jax.Array
        autonomous: bool = eqx.field(static=True, default=True)

        def __call__(self, t, x):
            counted.append(1)
            return jnp.tanh(self.w * x + self.b)

    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    final = lambda w, b, nu, rate: (
        run(kn.Boltzmann(Counted(w, b), 0.5, nu, rate=rate, noise=UNIFORM), start, 1.0).final.values
    )
    cases = jnp.array([[-1.0, 0.3, 0.5, 1.0], [2.0, -0.4, 0.0, 7.0], [0.0, 0.1, 1.5, 0.2]])
    alone = [final(*case) for case in cases[:1]]
    traces = len(counted)
    alone += [final(*case) for case in cases[1:]]
    run(
        kn.Boltzmann(Counted(cases[0, 0], cases[0, 1]), 0.1, 0.2, noise=UNIFORM),
        kn.Density(kn.Grid(-2.0, 3.0, CELLS), start.values),
        2.0,
    )
    assert len(counted) == traces
    np.testing.assert_allclose(jax.vmap(final)(*cases.T), alone, atol=1e-13)


def test_float32_has_its_digits():
    grid = kn.Grid(np.float32(-4), np.float32(4), CELLS)
    start = kn.Density.gaussian(np.float32(0.5), np.float32(0.6), grid)
    wide = kn.Density.gaussian(0.5, 0.6, kn.Grid(-4.0, 4.0, CELLS))

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def square(w, b, nu, rate):
        law = kn.Boltzmann(kn.SimResNet(w, b, kn.Tanh()), np.float32(0.5), nu, rate=rate)
        solution = run(law, start, np.float32(1.0))
        return jnp.sum(solution.final.values**2), (solution.final.values, solution.stats["mass_drift"])

    for numbers in ((-1.0, 0.2, 0.5, 2.0), (-1.0, 0.2, 0.0, 2.0), (-0.5, 0.2, 0.6, 200.0), (-1.0, 0.2, 1e-30, 1.0)):
        w, b, nu, rate = numbers
        (_, (values, drift)), slope = square(*map(np.float32, numbers))
        assert values.dtype == np.float32 and np.all(np.isfinite(values)) and np.isfinite(slope) and drift < 1e-6
        exact = run(equation(TANH, w, b, 0.5, nu, rate), wide, 1.0).final.values
        np.testing.assert_allclose(values, exact, atol=2e-4 * float(jnp.max(exact)))


def test_mirror_images_and_units():
    grid, start = kn.Grid(-3.0, 3.0, CELLS), np.exp(-(np.linspace(-2, 2.5, CELLS) ** 2))
    one = run(equation(TANH, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, start), 1.0).final.values
    other = run(equation(TANH, -1.0, -0.4, 0.5, 0.8), kn.Density(grid, start[::-1]), 1.0).final.values
    np.testing.assert_allclose(other[::-1], one, atol=1e-13)
    metres = run(equation(IDENTITY, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, start), 1.0).final.values
    for factor in (1e-3, 1e12):
        other = kn.Density(kn.Grid(-3.0 * factor, 3.0 * factor, CELLS), start / factor)
        scaled = run(equation(IDENTITY, -1.0, 0.4 * factor, 0.5, 0.8 * factor), other, 1.0).final.values
        np.testing.assert_allclose(factor * scaled, metres, atol=1e-12)
    twice = run(equation(IDENTITY, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, 2e-30 * start), 1.0).final.values
    np.testing.assert_allclose(twice, 2e-30 * metres, atol=1e-42)


def test_against_particles():
    """Shares of 200 000 particles below 11 places, within four standard errors."""
    grid, count = kn.Grid(-12.0, 12.0, 200), 200_000
    law = equation(COSINE, 1.5, 0.2, 0.5, 0.6, 3.0)
    start = kn.Density.gaussian(0.3, 0.8, grid)
    samples = start.sample(jax.random.key(1), count)
    particles = kn.solve(law, kn.Ensemble(samples), t1=1.0, key=jax.random.key(0)).final.samples
    solution = run(law, start, 1.0)
    places = jnp.linspace(-2.5, 2.5, 11)
    exact = np.asarray(solution.final.cdf(places) * solution.final.mass)
    found = np.mean(np.asarray(particles)[None, :] <= np.asarray(places)[:, None], axis=1)
    error = np.abs(found - exact) / np.sqrt(exact * (1 - exact) / count)
    assert float(solution.stats["mass_lost"]) < 1e-4 and error.max() < 4, error


# The entry


def test_bad_input():
    grid = kn.Grid(-4.0, 4.0, CELLS)
    start, net = kn.Density.gaussian(0.5, 0.4, grid), kn.SimResNet(-1.0, 0.3, kn.Identity())
    assert kn.solve(equation(TANH, -1.0, 0.3), start, t1=1.0).result == kn.Result.successful
    for bad in ({"steps": 0}, {"steps": 1.5}, {"steps": True}):
        with pytest.raises((ValueError, TypeError), match="steps must be"):
            kn.PushForward(**bad)
    with pytest.raises(ValueError, match="the field has dimension 2 and the grid 1"):
        run(kn.Boltzmann(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh())), start, 1.0)
    with pytest.raises(TypeError, match=r"CheckpointAdjoint\(\) or kn.ForwardMode\(\)"):
        run(equation(TANH, -1.0, 0.3), start, 1.0, adjoint=kn.TransportAdjoint())
    with pytest.raises(TypeError, match="does not solve MeanField"):
        run(kn.MeanField(net), start, 1.0)
    with pytest.raises(TypeError, match="PushForward does not solve Boltzmann for a Ensemble; possible: kn.Collisions"):
        run(kn.Boltzmann(net), kn.Ensemble([0.0, 1.0]), 1.0, key=jax.random.key(0))
    with pytest.raises(TypeError, match="no method solves BinaryBoltzmann for a Density"):
        kn.solve(kn.BinaryBoltzmann(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh())), start, t1=1.0)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(\)"):
        run(kn.Boltzmann(net, diffusion=lambda x: jnp.stack([x, x])), start, 1.0)
    with pytest.raises(RuntimeError, match="no longer finite"):
        run(eqx.tree_at(lambda law: law.field.w, equation(TANH, -1.0, 0.3), jnp.array(np.nan)), start, 1.0)


@pytest.mark.parametrize("name", ["rate", "epsilon", "nu"])
def test_traced_numbers_out_of_bounds_are_results(name):
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    law = equation(TANH, -1.0, 0.3, 0.5, 0.4)
    for bad in (-1.0, np.inf, np.nan):
        wrong = eqx.tree_at(lambda law: getattr(law, name), law, jnp.array(bad))
        assert run(wrong, start, 1.0, throw=False).result == kn.Result.bad_equation
