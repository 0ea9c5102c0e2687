"""The adjoint equation under a smoothed loss, for densities that jump and that collapse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.steady_laws import IDENTITY, RELU, AnyField

pytestmark = pytest.mark.slow


@jax.jit
@jax.grad
def slope(p, which, start, target, bandwidth, t1):
    """One program for both: the field, the grid and the densities are numbers."""
    field = AnyField(which, p[0], p[1], jnp.asarray(0.5), jnp.asarray(1.0))
    final = kn.solve(kn.MeanField(field), start, t1=t1, adjoint=kn.TransportAdjoint()).final
    return kn.SmoothedL2Loss(target, bandwidth)(final)


def test_a_field_with_a_kink():
    """Through ReLU g(T) jumps at -b / w. Exactly, by quadrature over g0: dx(T) = (dT/dw, dT/db) along trajectories."""
    w, b, mean, std, target, bandwidth = -0.7, 0.9, 0.3, 0.8, 1.0, 0.5
    x = np.linspace(mean - 9 * std, mean + 9 * std, 4001)
    weights = np.exp(-0.5 * ((x - mean) / std) ** 2)
    weights /= weights.sum()

    def exact(p):
        w, b = p
        moved = jnp.where(w * x + b > 0, jnp.exp(w) * (x + b / w) - b / w, x)
        # 1/2 |kappa * (g - h)|^2 of the samples' measure and of N(target, std^2).
        pairs = jnp.exp(-((moved[:, None] - moved[None]) ** 2) / (4 * bandwidth**2)) / (2 * bandwidth * np.sqrt(np.pi))
        spread = 2 * bandwidth**2 + std**2
        cross = jnp.exp(-((moved - target) ** 2) / (2 * spread)) / jnp.sqrt(2 * jnp.pi * spread)
        return 0.5 * weights @ pairs @ weights - weights @ cross

    grid = kn.Grid(-8.0, 8.0, 400)
    start, goal = kn.Density.gaussian(mean, std, grid), kn.Density.gaussian(target, std, grid)
    p = np.array([w, b])
    expected = jax.jit(jax.grad(exact))(p)
    found = slope(p, np.asarray(RELU), start, goal, np.float64(bandwidth), np.float64(1.0))
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected), (found, expected)


def test_a_density_that_collapses_into_one_cell():
    """The exact gradient of the smoothed distance to a Dirac at 2 from g(T) = N(1, e^-10), wherever in its cell it is."""

    def exact(p):
        w, b = p
        growth = jnp.exp(5 * w)
        mean, variance = growth + b * (growth - 1) / w, growth**2
        both = 2 * 0.7**2

        def seen(distance, variance):
            return jnp.exp(-(distance**2) / (2 * variance)) / jnp.sqrt(2 * jnp.pi * variance)

        return 0.5 * seen(0.0, both + 2 * variance) - seen(mean - 2, both + variance)

    point = np.array([-1.0, 1.0])
    expected = jax.jit(jax.grad(exact))(point)
    for share in (0.0, 0.3, 0.5):
        shift = share * 10 / 400
        grid = kn.Grid(-4.0 + shift, 6.0 + shift, 400)
        start, goal = kn.Density.gaussian(1.0, 1.0, grid), kn.Density.dirac(2.0, grid)
        found = slope(point, np.asarray(IDENTITY), start, goal, np.float64(0.7), np.float64(5.0))
        # Its value asks for equal mass, which the tails beyond the grid lack by 1e-6.
        np.testing.assert_allclose(found, expected, rtol=1e-2)
