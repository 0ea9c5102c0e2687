"""The matrix of a collision: its columns, the ramps of the noise, the shapes in the cells."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods.transfer import collide, shapes, transfer
from tests.methods.push_forward.cases import CELLS, NORMAL, UNIFORM, equation, read
from tests.steady_laws import IDENTITY


@jax.jit
def matrix(law, grid):
    return transfer(law, grid, jnp.zeros(()))


after_one = jax.jit(collide)


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
@pytest.mark.parametrize(("w", "nu"), [(0.7, 0.3), (-0.4, 1e-3), (-2.6, 0.05), (-1.0, 0.4)])
def test_columns_are_integrals(w, nu, noise):
    """Constant and linear data in a cell, against 100 Gauss points in each eighth of it."""
    grid = kn.Grid(-1.5, 1.5, CELLS)
    law = equation(IDENTITY, w, 0.31, nu=nu, noise=noise)
    found = np.asarray(matrix(law, grid)).reshape(CELLS, 3, CELLS + 2)
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
    places = np.array([-2.5, -1.0, 0.3, 1.6, 4.0])
    found = jax.jit(lambda z: [noise.ramp(z, k) for k in range(3)])(places)
    for i, z in enumerate(places):
        exact = [np.trapezoid(np.where(xi < z, (z - xi) ** k, 0.0) * density, xi) / math.factorial(k) for k in range(3)]
        np.testing.assert_allclose([ramp[i] for ramp in found], exact, atol=2e-5)


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM])
def test_one_collision_with_noise_in_proportion_to_x(noise):
    """m1 and m2 on coarse cells: with the average of K^2 over each part m2 would be 7e-5 off."""
    law = equation(IDENTITY, -0.3, 0.5, nu=0.3, exponent=1, noise=noise)
    start = kn.Density.gaussian(4.0, 0.7, kn.Grid(-3.0, 13.0, CELLS))
    extended = after_one(matrix(law, start.grid), start.grid, np.pad(start.values, 1))
    after = kn.Density(start.grid, extended[1:-1])
    exact = [0.7 * 4.0 + 0.5, 0.09 * 16.49 + 0.49 * 16.49 + 0.7 * 4.0 + 0.25]
    np.testing.assert_allclose(read(after), exact, rtol=0, atol=2e-5)


def test_shapes_are_positive_and_exact_on_parabolas():
    grid = kn.Grid(0.0, 3.0, CELLS)
    s = np.linspace(0, 3, CELLS + 1)
    cubic = np.diff(s**3 - s**2 + 4 * s) / np.diff(s)
    in_cells = jax.jit(shapes)
    found = np.asarray(in_cells(grid, cubic))
    dx, x = 3.0 / CELLS, np.asarray(grid.centers)
    np.testing.assert_allclose(found, np.stack([cubic, dx * (6 * x - 2), 0 * x + 3 * dx**2], 1), atol=1e-12)
    rough = np.where(np.random.default_rng(0).uniform(size=CELLS) < 0.5, 0.0, 1.0)
    found = np.asarray(in_cells(grid, rough))
    u = np.linspace(-0.5, 0.5, 9)[:, None]
    # At least where the ends of the parts are; in between a parabola is below its chords by at most 1/64 of its curvature.
    assert np.min(found[:, 0] + u * found[:, 1] + (u**2 - 1 / 12) * found[:, 2]) > -1 / 64
    assert np.all(found[rough == 0] == 0)
