"""Fluxes of diffusion on polynomials: one face of lower order hardly shows in the error of a solve."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import Polynomial, polynomial
from scipy.signal import convolve2d

import kinetic_nde as kn
from kinetic_nde.methods.finite_volume.boundary import extend, with_ghosts
from kinetic_nde.methods.finite_volume.diffusion import diffused, diffusion
from kinetic_nde.methods.finite_volume.plane_diffusion import plane_diffusion, spread_through

STILL = kn.SimResNet(0.0, 0.0, kn.Identity())


@jax.jit
def fluxes_between_walls(averages):
    """Diffusion alone on 8 cells of length 1 with D = 1."""
    law = kn.FokkerPlanck(STILL, nu=np.sqrt(2.0), walls=(0.0, 8.0))
    spread = diffusion(law, kn.Grid(0.0, 8.0, 8))
    assert spread is not None
    return diffused(spread, with_ghosts(extend(averages)), jnp.asarray(1.0))[1:-1]


@pytest.mark.parametrize(("degree", "near_walls"), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2)])
def test_fluxes_are_exact_on_cubics_next_to_a_wall_and_on_fourth_powers_inside(degree, near_walls):
    polynomial, faces = Polynomial([0.0] * degree + [1.0]), np.arange(9.0)
    through = np.asarray(fluxes_between_walls(np.diff(polynomial.integ()(faces))))
    np.testing.assert_array_equal(through[[0, -1]], 0.0)
    inside = slice(near_walls, -near_walls)
    np.testing.assert_allclose(through[inside], -polynomial.deriv()(faces)[inside], rtol=1e-11, atol=1e-11)


# Coefficients of x^i y^j: the diffusion along each axis and averages of second degree.
ALONG_X = np.array([[2.0, 0.2, 0.0], [0.3, 0.1, 0.0], [0.0, 0.0, 0.0]])
ALONG_Y = np.array([[3.0, 0.1, 0.0], [-0.2, 0.0, 0.0], [0.05, 0.0, 0.0]])
DENSITY = np.array([[1.0, -0.5, -0.4], [1.0, 0.2, 0.0], [0.3, 0.0, 0.0]])


class Uneven(eqx.Module):
    """K with K^2 these polynomials."""

    def __call__(self, x):
        squares = (sum(c[i, j] * x[0] ** i * x[1] ** j for i in range(3) for j in range(3)) for c in (ALONG_X, ALONG_Y))
        return jnp.sqrt(jnp.stack(list(squares)))


def test_fluxes_in_two_dimensions_are_exact_where_diffusion_and_density_are_polynomials():
    """A product of the averages of both would be of second order."""
    cells, widths, dt = (6, 7), np.array([0.25, 0.15]), 0.1
    grid = kn.Grid((0.0, 0.0), tuple(widths * cells), cells)
    law = kn.FokkerPlanck(kn.SimResNet(np.zeros((2, 2)), 0.0, kn.Identity()), np.sqrt(2.0), Uneven())
    # With two cells more on all sides.
    faces = [width * np.arange(-2, count + 3) for width, count in zip(widths, cells, strict=True)]
    whole = polynomial.polygrid2d(faces[0], faces[1], polynomial.polyint(polynomial.polyint(DENSITY, axis=0), axis=1))
    framed = np.diff(np.diff(whole, axis=0), axis=1) / np.prod(widths)

    @jax.jit
    def fluxes(framed):
        spread = plane_diffusion(law, grid)
        assert spread is not None
        return [spread_through(spread.axes[axis], framed, axis, jnp.asarray(dt)) for axis in (0, 1)]

    for axis, (found, along) in enumerate(zip(fluxes(framed), (ALONG_X, ALONG_Y), strict=True)):
        product = convolve2d(along, DENSITY)
        slope = polynomial.polyint(polynomial.polyder(product, axis=axis), axis=1 - axis)
        inner = [each[2:-2] for each in faces]
        of_edges = np.diff(polynomial.polygrid2d(inner[0], inner[1], slope), axis=1 - axis) / widths[1 - axis]
        expected = np.moveaxis(-dt * of_edges / widths[axis], axis, 0)[1:-1]
        np.testing.assert_allclose(np.moveaxis(np.asarray(found), axis, 0)[1:-1], expected, rtol=1e-11, atol=1e-12)
