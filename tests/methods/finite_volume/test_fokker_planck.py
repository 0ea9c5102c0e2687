"""Fokker-Planck by finite volumes: against exact laws, in all regimes, between walls, and its derivatives in every way."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods.finite_volume.boundary import extend, with_ghosts
from kinetic_nde.methods.finite_volume.diffusion import diffused, diffusion as diffusion_of
from kinetic_nde.sensitivity.kolmogorov import spread, spread_change
from tests.closed_forms import l1, order

CELLS = (50, 100, 200, 400)


def exact(m0, s0, w, b, nu, t):
    """Mean and standard deviation of dX = (w X + b) dt + nu dW from N(m0, s0^2)."""
    growth = np.exp(w * t)
    return m0 * growth + b * (growth - 1) / w, np.sqrt(s0**2 * growth**2 + nu**2 * (growth**2 - 1) / (2 * w))


def averages(cdf, grid):
    return np.diff(cdf(np.asarray(grid.faces))) / np.asarray(grid.widths)


def from_uniform(low, high, w, b, nu, t):
    """The distribution function at time t from the uniform distribution on [low, high]: a uniform and a normal one
    convolved."""
    (first, std), (last, _) = exact(low, 0.0, w, b, nu, t), exact(high, 0.0, w, b, nu, t)

    def integral(z):
        return z * ndtr(z) + norm.pdf(z)

    return lambda x: std / (last - first) * (integral((x - first) / std) - integral((x - last) / std))


@functools.cache
def solver(cells, method=None):
    """One program for all numbers."""

    @jax.jit
    def run(lower, upper, values, w, b, nu, t1, k=1.0):
        start = kn.Density(kn.Grid(lower, upper, cells), values)
        equation = kn.FokkerPlanck(kn.SimResNet(w, b, kn.Identity()), nu, kn.ConstantDiffusion(k))
        return kn.solve(equation, start, t1=t1, method=method)

    return run


def run(cells, lower, upper, cdf, *numbers):
    grid = kn.Grid(lower, upper, cells)
    return solver(cells)(*(jnp.asarray(each) for each in (lower, upper, averages(cdf, grid), *numbers)))


# Polynomials


def between_walls(coefficients):
    """Diffusion alone on 8 cells of length 1 with D = 1, and the averages of a polynomial, the slopes of which are asked
    for at the faces."""
    grid = kn.Grid(0.0, 8.0, 8)
    law = kn.FokkerPlanck(kn.SimResNet(0.0, 0.0, kn.Identity()), np.sqrt(2.0), walls=(0.0, 8.0))
    faces, whole = np.asarray(grid.faces), np.polynomial.Polynomial(coefficients)
    return grid, law, jnp.asarray(np.diff(whole.integ()(faces))), whole.deriv()(faces)


@pytest.mark.parametrize(("degree", "near_walls"), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2)])
def test_fluxes_are_exact_on_cubics_next_to_a_wall_and_on_fourth_powers_inside(degree, near_walls):
    """One face of lower order hardly shows in the error of a solve."""
    grid, law, given, slopes = between_walls([0.0] * degree + [1.0])
    through = diffused(diffusion_of(law, grid), with_ghosts(extend(given)), jnp.asarray(1.0))[1:-1]
    np.testing.assert_array_equal(through[jnp.array([0, -1])], 0.0)
    inside = slice(near_walls, -near_walls)
    np.testing.assert_allclose(through[inside], -slopes[inside], rtol=1e-11, atol=1e-11)


def test_the_backward_equation_is_exact_on_cubics_without_slope_at_the_walls():
    grid, law, given, slopes = between_walls([1.0, 0.0, 4.0, -1 / 3])
    always, nothing = jnp.ones((), bool), jnp.zeros(())
    change = spread_change(law, always, given, spread(law, grid), (nothing, nothing), jnp.asarray(1.0))
    np.testing.assert_allclose(change, np.diff(slopes), rtol=1e-11, atol=1e-11)


# Against exact laws


@pytest.mark.parametrize("ratio", [0.01, 0.1, 1.0, 10.0, 100.0])
def test_the_law_of_ornstein_and_uhlenbeck_from_a_normal_start(ratio):
    """At all ratios of diffusion to drift: a step at the smaller of the two limits would not be stable in between."""
    w, b, m0, s0, t, nu = -1.0, 0.3, 1.0, 0.7, 1.0, np.sqrt(2 * ratio)
    mean, std = exact(m0, s0, w, b, nu, t)
    reach = 8 * max(std, s0)
    errors = []
    for cells in CELLS:
        solution = run(cells, -reach, reach, norm(m0, s0).cdf, w, b, nu, t)
        errors.append(l1(solution.final, averages(norm(mean, std).cdf, solution.final.grid)))
        assert solution.stats["mass_drift"] < 1e-12
    fine = slice(1, None) if ratio in (0.01, 100.0) else slice(None)
    # 50 cells hold a start of width 0.7 in one or two of them where the noise makes the domain wide.
    assert 2.7 < order(CELLS[fine], errors[fine]) < 4.2
    assert errors[-1] < 4e-4


@pytest.mark.parametrize("nu", [0.7, 1.0])
def test_the_law_of_ornstein_and_uhlenbeck_from_a_uniform_start(nu):
    """With a face at either end of it: averages do not tell where in a cell a jump is, which costs h^2 by itself."""
    w, b, t = -0.8, 0.4, 1.0
    errors = []
    for cells in CELLS:
        cdf = lambda x: np.clip((x + 1.0) / 1.5, 0.0, 1.0)
        final = run(cells, -7.25, 5.25, cdf, w, b, nu, t).final
        errors.append(l1(final, averages(from_uniform(-1.0, 0.5, w, b, nu, t), final.grid)))
    assert 2.7 < order(CELLS, errors) < 4.2
    assert errors[-1] < 1e-4


def between(field, nu, walls, start, t1, adjoint=kn.CheckpointAdjoint(), diffusion=None, method=None):
    equation = kn.FokkerPlanck(field, nu, diffusion or kn.ConstantDiffusion(), walls)
    return kn.solve(equation, start, t1=t1, adjoint=adjoint, method=method)


def test_next_to_a_wall():
    """A wall at the centre of the drift folds the law: what would have passed comes back from the other side."""
    w, nu, t, m0, s0 = -1.0, 0.9, 0.8, 0.6, 0.4
    mean, std = exact(m0, s0, w, 0.0, nu, t)
    fold = lambda law: lambda x: law.cdf(x) - law.cdf(-x)
    net = kn.SimResNet(w, 0.0, kn.Identity())
    errors = []
    for cells in CELLS:
        grid = kn.Grid(0.0, 6.0, cells)
        start = kn.Density(grid, averages(fold(norm(m0, s0)), grid))
        solution = between(net, nu, (0.0, None), start, t)
        errors.append(l1(solution.final, averages(fold(norm(mean, std)), grid)))
        assert solution.stats["mass_drift"] < 1e-12
    assert 2.7 < order(CELLS, errors) < 4.2
    assert errors[-1] < 1e-5


def test_between_two_walls_and_out_of_open_ends():
    """Heat: cosines between walls keep their shape, and sines between ends that absorb."""
    nu, t, cells = 0.7, 0.5, (24, 48, 96, 192)
    decay = np.exp(-(np.pi**2) * nu**2 / 2 * t)
    cosine = lambda share: lambda x: x + share * np.sin(np.pi * x) / np.pi
    sine = lambda x: -np.cos(np.pi * x) / 2
    net, errors = kn.SimResNet(0.0, 0.0, kn.Identity()), []
    for count in cells:
        grid = kn.Grid(0.0, 1.0, count)
        walled = between(net, nu, (0.0, 1.0), kn.Density(grid, averages(cosine(1.0), grid)), t)
        absorbed = between(net, nu, None, kn.Density(grid, averages(sine, grid)), t)
        laws = averages(cosine(decay), grid), decay * averages(sine, grid)
        errors.append([l1(each.final, law) for each, law in zip((walled, absorbed), laws, strict=True)])
        assert walled.stats["mass_lost"] == 0
        np.testing.assert_allclose(absorbed.stats["mass_lost"], 1 - absorbed.final.mass, atol=1e-13)
    walled, absorbed = (order(cells, each) for each in np.transpose(errors))
    # Without drift the cosine sees the inner stencil, of order 4, and the smaller errors of the ends, of order 5.
    assert 3.8 < walled < 4.6
    assert 2.7 < absorbed < 4.2


def test_noise_in_proportion_to_x():
    """Geometric Brownian motion is log-normal; diffusion by products of averages would be second order."""
    w, nu, t, s0 = 0.3, 0.5, 0.6, 0.3
    law = norm((w - nu**2 / 2) * t, np.hypot(s0, nu * np.sqrt(t)))
    logarithm = lambda x: np.log(np.maximum(x, 1e-300))
    net = kn.SimResNet(w, 0.0, kn.Identity())
    errors = []
    for cells in CELLS:
        grid = kn.Grid(0.0, 20.0, 2 * cells)
        start = kn.Density(grid, averages(lambda x: norm(0.0, s0).cdf(logarithm(x)), grid))
        solution = between(net, nu, None, start, t, diffusion=kn.LinearDiffusion())
        errors.append(l1(solution.final, averages(lambda x: law.cdf(logarithm(x)), grid)))
    assert 2.7 < order(CELLS, errors) < 4.2
    np.testing.assert_allclose(solution.final.mean, np.exp(law.mean() + law.var() / 2), rtol=1e-5)


def test_no_noise_is_the_mean_field():
    net, start = kn.SimResNet(-1.0, 0.4, kn.Tanh()), kn.Density.gaussian(0.5, 0.6, kn.Grid(-4.0, 4.0, 100))
    method = kn.FiniteVolume(positivity=False)
    noisy = kn.solve(kn.FokkerPlanck(net, 0.0), start, t1=1.0)
    np.testing.assert_allclose(
        noisy.final.values, kn.solve(kn.MeanField(net), start, t1=1.0, method=method).final.values, atol=1e-13
    )


# Derivatives


class Bowl(eqx.Module):
    """K(x) = k sqrt(1 + x^2 / 4)."""

    k: jax.Array

    def __call__(self, x):
        return self.k * jnp.sqrt(1 + 0.25 * x**2)


def problem(cells, method=None):
    """A loss of (w, b, nu, k) and an adjoint: layers of w, a wall and an open end."""
    grid = kn.Grid(-6.0, 6.0, cells)
    start, target = kn.Density.gaussian(1.0, 0.6, grid), kn.Density.gaussian(0.5, 0.8, grid)

    def loss(p, adjoint):
        w = kn.PiecewiseConstant([0.0, 0.3], jnp.stack([p[0], 1.5 * p[0]]))
        net = kn.SimResNet(w, p[1], kn.Tanh())
        return kn.L2Loss(target)(between(net, p[2], (-6.0, None), start, 0.7, adjoint, Bowl(p[3]), method).final)

    return loss


POINT = jnp.array([-1.0, 0.37, 0.8, 0.9])


def test_the_derivatives_agree():
    """Autodiff with the adjoint equation to third order, with forward mode to round-off, with differences to their error."""
    cells, errors = (60, 120, 240), []
    for count in cells:
        slope = jax.jit(jax.grad(problem(count)), static_argnums=1)
        both = slope(POINT, kn.CheckpointAdjoint()), slope(POINT, kn.TransportAdjoint())
        errors.append(np.max(np.abs(both[0] - both[1])) / np.max(np.abs(both[0])))
    assert order(cells, errors) > 2.6
    assert errors[-1] < 2e-4
    loss = problem(60, kn.FiniteVolume(steps=100))
    exact = jax.jit(jax.grad(loss), static_argnums=1)(POINT, kn.CheckpointAdjoint())
    forward = jax.jit(jax.jacfwd(loss), static_argnums=1)(POINT, kn.ForwardMode())
    np.testing.assert_allclose(exact, forward, rtol=1e-10)
    value, h = jax.jit(jax.vmap(loss, (0, None)), static_argnums=1), 1e-5
    around = value(jnp.concatenate([POINT[None] + h * jnp.eye(4), POINT[None] - h * jnp.eye(4)]), kn.ForwardMode())
    np.testing.assert_allclose((around[:4] - around[4:]) / (2 * h), exact, rtol=1e-6, atol=1e-8)


def test_the_adjoint_equation_against_the_closed_form():
    """The mean and the variance of Ornstein and Uhlenbeck, differentiated by hand."""
    w, b, nu, t, m0, s0 = -0.7, 0.4, 0.9, 1.2, 0.8, 0.5

    def moments(p):
        w, b, nu = p
        growth = jnp.exp(w * t)
        variance = s0**2 * growth**2 + nu**2 * (growth**2 - 1) / (2 * w)
        return jnp.stack([m0 * growth + b * (growth - 1) / w, variance])

    def solved(p, row):
        start = kn.Density.gaussian(m0, s0, kn.Grid(-5.0, 6.0, 400))
        final = between(kn.SimResNet(p[0], p[1], kn.Identity()), p[2], None, start, t, kn.TransportAdjoint()).final
        return jnp.where(row == 0, final.mean, final.variance)

    point = jnp.array([w, b, nu])
    slope = jax.jit(jax.grad(solved))
    found = jnp.stack([slope(point, jnp.asarray(row)) for row in (0, 1)])
    np.testing.assert_allclose(found, jax.jacfwd(moments)(point), atol=2e-5)


# In single precision, in batches, and what is refused


def test_single_precision_and_batches():
    def energy(p):
        start = kn.Density.gaussian(jnp.asarray(0.5, p.dtype), jnp.asarray(0.4, p.dtype), grid(p.dtype))
        equation = kn.FokkerPlanck(kn.SimResNet(p[0], p[1], kn.Tanh()), p[2])
        return kn.solve(equation, start, t1=jnp.asarray(1.0, p.dtype)).final.energy

    grid = lambda dtype: kn.Grid(jnp.asarray(-5.0, dtype), jnp.asarray(5.0, dtype), 80)
    points = jnp.array([[-1.0, 0.3, 0.5], [-0.5, 0.2, 1.5], [0.4, -0.3, 0.0]])
    slope = jax.value_and_grad(energy)
    values, slopes = jax.jit(jax.vmap(slope))(points)
    alone = jax.jit(slope)
    for p, value, gradient in zip(points, values, slopes, strict=True):
        single = alone(p.astype(jnp.float32))
        np.testing.assert_allclose(single[0], value, rtol=1e-5)
        np.testing.assert_allclose(single[1], gradient, rtol=2e-3, atol=2e-3)


def test_numbers_do_not_recompile():
    before = solver(100)._cache_size()
    run(100, -6.0, 6.0, norm(0.0, 1.0).cdf, -1.0, 0.2, 0.7, 0.3)
    after = solver(100)._cache_size()
    run(100, -7.0, 6.0, norm(0.0, 0.8).cdf, 1.0, -0.2, 0.0, 0.5)
    assert solver(100)._cache_size() == after <= before + 1


def test_bad_input():
    net, start = kn.SimResNet(-1.0, 0.3, kn.Identity()), kn.Density.gaussian(1.0, 0.5, kn.Grid(-4.0, 4.0, 50))
    for nu in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="nu is the strength of the noise, finite and not negative"):
            kn.FokkerPlanck(net, nu)
    with pytest.raises(ValueError, match="nu is a number, got shape"):
        kn.FokkerPlanck(net, jnp.ones(2))
    with pytest.raises(TypeError, match="nu"):
        kn.FokkerPlanck(net, "strong")
    for diffusion in (2.0, kn.LinearDiffusion):
        with pytest.raises(TypeError, match=r"a diffusion is an object called as K\(x\)"):
            kn.FokkerPlanck(net, 1.0, diffusion)
    with pytest.raises(ValueError, match="finite value >= 0, got -1"):
        kn.ConstantDiffusion(-1.0)
    with pytest.raises(ValueError, match="finite slope, got nan"):
        kn.LinearDiffusion(np.nan)
    with pytest.raises(ValueError, match=r"not negative on the grid, got K\(-4\) = -4"):
        kn.solve(kn.FokkerPlanck(net, 1.0, kn.LinearDiffusion()), start, t1=1.0)
    with pytest.raises(ValueError, match=r"finite and not negative on the grid, got K\(0\) = inf"):
        pole = kn.FokkerPlanck(net, 1.0, lambda x: 1 / x)
        kn.solve(pole, kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 8)), t1=1.0)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(\)"):
        kn.solve(kn.FokkerPlanck(net, 1.0, lambda x: jnp.stack([x, x])), start, t1=1.0)
    with pytest.raises(ValueError, match="diffusion needs at least 4 cells, the grid has 3"):
        kn.solve(kn.FokkerPlanck(net, 1.0), kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 3)), t1=1.0)
    with pytest.raises(TypeError, match="Characteristics does not solve FokkerPlanck"):
        kn.solve(kn.FokkerPlanck(net, 1.0), start, t1=1.0, method=kn.Characteristics())
    with pytest.raises(TypeError, match="noise carries mass beyond"):
        kn.Grid.covering(kn.FokkerPlanck(net, 1.0), start, 1.0, 50)
