"""The adjoint equation where mass meets the ends of the grid: at walls it piles up in the last cells; through open ends it
takes a jump of lambda with it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.closed_forms import order
from tests.sensitivity.adjoint_cases import ADJOINTS, apart, around, central

WALLS, H = (-3.0, 3.0), 1e-3
INSIDE, LOST = np.eye(2)


@functools.cache
def ends(cells, adjoint, walls):
    """What a network has pushed towards the ends of [-3, 3], by a smooth functional and by the mass that is lost, times the
    two shares; with the gradient for w, b."""
    grid = kn.Grid(*WALLS, cells)
    weights = kn.Density.from_function(lambda x: 10 + jnp.sin(x) + 0.3 * x**2, grid).values

    def functional(p, shares):
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()), walls)
        solution = kn.solve(equation, kn.Density.gaussian(0.2, 0.8, grid), t1=1.5, adjoint=ADJOINTS[adjoint])
        inside = jnp.sum(weights * solution.final.values) * grid.width
        return shares[0] * inside + shares[1] * solution.stats["mass_lost"]

    return jax.jit(jax.value_and_grad(functional))


@pytest.mark.parametrize(
    ("w", "shares", "largest"),
    [(1.0, INSIDE, 2e-2), (1.0, LOST, 2e-2), (-1.0, INSIDE, 1e-3)],
    ids=["against the wall and out", "what has left", "away from the wall and in"],
)
def test_the_gradient_is_near_the_differences(w, shares, largest):
    """With a wall at the lower end only."""
    both, p = ends(100, "transport", (WALLS[0], None)), np.array([w, 0.3])
    slope, differences = both(p, shares)[1], central([both(each, shares)[0] for each in around(p, H)], H)
    assert apart(slope, differences) < largest


def test_a_loss_that_does_not_move_has_no_gradient():
    np.testing.assert_array_equal(ends(100, "transport", (WALLS[0], None))(np.array([1.0, 0.3]), np.zeros(2))[1], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("walls", "w", "least", "largest"),
    [(WALLS, 1.0, 2.0, 2e-5), (WALLS, -1.0, 2.0, 2e-5), (None, 1.0, 0.6, 4e-3)],
    ids=["against walls", "away from walls", "through open ends"],
)
def test_both_adjoints_come_together(walls, w, least, largest):
    differences = []
    for cells in (100, 300):
        first, second = (ends(cells, name, walls)(np.array([w, 0.3]), INSIDE)[1] for name in ADJOINTS)
        differences.append(apart(first, second))
    assert order((100, 300), differences) > least and differences[-1] < largest, differences


@pytest.mark.slow
def test_what_leaves_may_be_all_that_counts():
    first, second = (ends(100, name, None)(np.array([1.0, 0.3]), LOST)[1] for name in ADJOINTS)
    # First order, as documented.
    np.testing.assert_allclose(first, second, rtol=2e-2)
