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

H = 1e-3
LOWER, UPPER = -3.0, 3.0
INSIDE, LOST = np.eye(2)
BOTH, LOW, NONE = (True, True), (True, False), (False, False)


@functools.cache
def ends(cells, adjoint, walled):
    """What a network has pushed towards the ends of [-3, 3], by a smooth functional and by the mass that is lost, times the
    two shares; with the gradient for w, b and both ends."""

    def functional(p, shares):
        grid = kn.Grid(p[2], p[3], cells)
        walls = tuple(end if there else None for end, there in zip((p[2], p[3]), walled, strict=True))
        weights = kn.Density.from_function(lambda x: 10 + jnp.sin(x) + 0.3 * x**2, grid).values
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()), walls if any(walled) else None)
        solution = kn.solve(equation, kn.Density.gaussian(0.2, 0.8, grid), t1=1.5, adjoint=ADJOINTS[adjoint])
        inside = jnp.sum(weights * solution.final.values) * grid.width
        return shares[0] * inside + shares[1] * solution.stats["mass_lost"]

    return jax.jit(jax.value_and_grad(functional))


def at(w):
    return np.array([w, 0.3, LOWER, UPPER])


@pytest.mark.parametrize(
    ("w", "shares", "largest"),
    [(1.0, INSIDE, 2e-2), (1.0, LOST, 2e-2), (-1.0, INSIDE, 1e-3)],
    ids=["against the wall and out", "what has left", "away from the wall and in"],
)
def test_the_gradient_is_near_the_differences(w, shares, largest):
    """With a wall at the lower end only; also by where the ends are."""
    both = ends(100, "transport", LOW)
    slope, differences = both(at(w), shares)[1], central([both(each, shares)[0] for each in around(at(w), H)], H)
    assert apart(slope[:2], differences[:2]) < largest
    assert apart(slope[2:], differences[2:]) < 2e-2


def test_a_loss_that_does_not_move_has_no_gradient():
    np.testing.assert_array_equal(ends(100, "transport", LOW)(at(1.0), np.zeros(2))[1], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("walled", "w", "least", "largest"),
    [(BOTH, 1.0, 2.0, 2e-5), (BOTH, -1.0, 2.0, 2e-5), (NONE, 1.0, 0.6, 4e-3)],
    ids=["against walls", "away from walls", "through open ends"],
)
def test_both_adjoints_come_together(walled, w, least, largest):
    slopes = {n: [np.asarray(ends(n, name, walled)(at(w), INSIDE)[1]) for name in ADJOINTS] for n in (100, 300)}
    # By the ends most of what the start and the solve contribute cancels.
    for part, name, limit in ((slice(2), "w, b", largest), (slice(2, 4), "ends", max(largest, 5e-4))):
        differences = [apart(first[part], second[part]) for first, second in slopes.values()]
        print(f"{name}: {differences}, order {order((100, 300), differences):.2f}")
        assert order((100, 300), differences) > least and differences[-1] < limit, (name, differences)


@pytest.mark.slow
def test_what_leaves_may_be_all_that_counts():
    first, second = (ends(100, name, NONE)(at(1.0), LOST)[1] for name in ADJOINTS)
    # First order, as documented.
    np.testing.assert_allclose(first, second, rtol=2e-2)
