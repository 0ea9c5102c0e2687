"""The backward equation of diffusion on polynomials."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import Polynomial

import kinetic_nde as kn
from kinetic_nde.sensitivity.kolmogorov import spread, spread_change


def test_the_backward_equation_is_exact_on_cubics_without_slope_at_the_walls():
    """Diffusion alone on 8 cells of length 1 with D = 1."""
    polynomial, faces = Polynomial([1.0, 0.0, 4.0, -1 / 3]), np.arange(9.0)

    @jax.jit
    def change(averages):
        law = kn.FokkerPlanck(kn.SimResNet(0.0, 0.0, kn.Identity()), nu=np.sqrt(2.0), walls=(0.0, 8.0))
        nothing, always = jnp.zeros(()), jnp.ones((), bool)
        spreading = spread(law, kn.Grid(0.0, 8.0, 8))
        assert spreading is not None
        return spread_change(law, always, averages, spreading, (nothing, nothing), jnp.asarray(1.0))

    expected = np.diff(polynomial.deriv()(faces))
    np.testing.assert_allclose(change(np.diff(polynomial.integ()(faces))), expected, rtol=1e-11, atol=1e-11)
