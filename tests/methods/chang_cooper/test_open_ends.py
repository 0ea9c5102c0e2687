"""The implicit Fokker-Planck solver: its rates, what leaves at open ends, and the upwind scheme without noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods.rates import rates
from tests.methods.chang_cooper.cases import CELLS, in_time, run
from tests.steady_laws import CUBIC, IDENTITY, equation

exchange = jax.jit(rates)


@given(peclet=st.floats(-9, 1.3).map(lambda power: 10**power), sign=st.sampled_from([1.0, -1.0]), nu=st.floats(0.1, 10))
def test_constant_coefficients_give_bernoulli_functions(peclet, sign, nu):
    """D / dx^2 B(-+p) with B(p) = p / (e^p - 1), and half a cell's worth of them at open ends."""
    width, diffusion = 0.1, nu**2 / 2
    p = sign * peclet
    law, grid = equation(IDENTITY, 0.0, p * diffusion / width, nu), kn.Grid(0.0, CELLS * width, CELLS)
    found = exchange(law, grid, np.zeros(()))
    with np.errstate(over="ignore"):
        bernoulli = lambda p: p / np.expm1(p)
        inner = diffusion / width**2 * np.array([bernoulli(-p), bernoulli(p)])
        ends = 2 * diffusion / width**2 * np.array([bernoulli(-p / 2), bernoulli(p / 2)])
    tiny = 1e-14 * inner.max()
    np.testing.assert_allclose(found.rightwards[1:-1], inner[0], rtol=1e-6, atol=tiny)
    np.testing.assert_allclose(found.leftwards[1:-1], inner[1], rtol=1e-6, atol=tiny)
    np.testing.assert_allclose([found.rightwards[-1], found.leftwards[0]], ends, rtol=1e-6, atol=tiny)
    assert float(found.rightwards[0]) == float(found.leftwards[-1]) == 0


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
    averages = in_time(equation(IDENTITY, 0.0, b, nu), start, t - early)
    # An end half a cell further out, or one that takes half a cell's drift too much, is 1 % off.
    exact = absorbed(faces, b, nu, t)
    assert 0.2 < exact.sum() < 0.8
    np.testing.assert_allclose(averages * grid.width, exact, atol=2e-3 * exact.max())


def test_without_noise_it_is_the_implicit_upwind_scheme():
    law, grid = equation(CUBIC, 1.3, 0.2, 0.0), kn.Grid(-2.0, 2.0, CELLS)
    start = kn.Density.uniform(-1.5, 1.0, grid)
    z = 1.3 * np.asarray(grid.faces) + 0.2
    v = z - z**3
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
