"""Fluxes of diffusion on polynomials: one face of lower order hardly shows in the error of a solve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import Polynomial

import kinetic_nde as kn
from kinetic_nde.methods.finite_volume.boundary import extend, with_ghosts
from kinetic_nde.methods.finite_volume.diffusion import diffused, diffusion

STILL = kn.SimResNet(0.0, 0.0, kn.Identity())


@jax.jit
def fluxes_between_walls(averages):
    """Diffusion alone on 8 cells of length 1 with D = 1."""
    law = kn.FokkerPlanck(STILL, np.sqrt(2.0), walls=(0.0, 8.0))
    spread = diffusion(law, kn.Grid(0.0, 8.0, 8))
    return diffused(spread, with_ghosts(extend(averages)), jnp.asarray(1.0))[1:-1]


@pytest.mark.parametrize(("degree", "near_walls"), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2)])
def test_fluxes_are_exact_on_cubics_next_to_a_wall_and_on_fourth_powers_inside(degree, near_walls):
    polynomial, faces = Polynomial([0.0] * degree + [1.0]), np.arange(9.0)
    through = np.asarray(fluxes_between_walls(np.diff(polynomial.integ()(faces))))
    np.testing.assert_array_equal(through[[0, -1]], 0.0)
    inside = slice(near_walls, -near_walls)
    np.testing.assert_allclose(through[inside], -polynomial.deriv()(faces)[inside], rtol=1e-11, atol=1e-11)
