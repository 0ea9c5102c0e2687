"""Walls along each axis: what they are made of, and whether they are where the grid ends."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde._values import cast
from kinetic_nde.equations.balance_law import check_walls, walls_by_axis, walls_off_grid

PLANE = kn.SimResNet(1.0, np.zeros(2), kn.Identity())
GRID = kn.Grid((-4.0, 2.0), (4.0, 8.0), (12, 10))


def law(walls):
    return kn.MeanField(PLANE, walls)


def walls_of(walls) -> Any:
    """As the equation keeps them."""
    return law(walls).walls


def test_one_pair_for_each_axis():
    walls = walls_of(((-4, 4), (None, 8.0)))
    assert walls[1][0] is None and [float(wall) for wall in (*walls[0], walls[1][1])] == [-4.0, 4.0, 8.0]
    assert walls[0][0].dtype == np.float64 and not walls[0][0].weak_type
    assert walls_of((None, (2.0, 8.0)))[0] == (None, None)
    by_array = walls_of(np.array([[-4.0, 4.0], [2.0, 8.0]]))
    assert [float(wall) for pair in by_array for wall in pair] == [-4.0, 4.0, 2.0, 8.0]
    assert float(walls_of(((-4.0, 4.0), jnp.array([2.0, 8.0])))[1][1]) == 8.0
    with_noise: Any = kn.FokkerPlanck(PLANE, nu=1.0, walls=((None, None), (2.0, None))).walls
    assert float(with_noise[1][0]) == 2.0


def test_walls_by_axis():
    assert walls_by_axis(law(None), 2) == ((None, None), (None, None)) == walls_by_axis(law((None, None)), 2)
    line = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Identity()), (None, 1.0))
    assert walls_by_axis(line, 1) == (line.walls,)
    with pytest.raises(ValueError, match=r"walls in 2D are one pair for each axis, .* got \(None, 1\.0\)"):
        walls_by_axis(line, 2)
    with pytest.raises(
        ValueError, match=r"walls in 1D are one pair \(lo, hi\), got \(\(None, None\), \(2\.0, None\)\)"
    ):
        walls_by_axis(law((None, (2.0, None))), 1)


@pytest.mark.parametrize(
    ("walls", "message"),
    [
        (((0.0, 1.0), 2.0), "along axis 1; in one dimension a wall is a number"),
        (((0.0, 1.0, 2.0), None), "along axis 0"),
        (((0.0, 1.0), (1.0, 1.0)), r"lo < hi along axis 1, got \(1\.0, 1\.0\)"),
        (((0.0, np.nan), None), "a wall along axis 0 must be finite"),
        (((0.0, np.ones(2)), None), r"a wall along axis 0 is a number, got shape \(2,\)"),
        (((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)), "one pair for each axis"),
        (np.ones((3, 2)), "one pair for each axis"),
    ],
)
def test_walls_refuse(walls, message):
    with pytest.raises(ValueError, match=message):
        law(walls)


@pytest.mark.parametrize(
    ("walls", "axis"),
    [
        (((-4.0, 4.0), (2.0, 8.0)), None),
        ((None, (None, 8.0)), None),
        (((-4.0, 4.1), (2.0, 8.0)), 0),
        ((None, (2.0, 7.9)), 1),
    ],
)
def test_walls_stand_at_the_ends_of_the_grid(walls, axis):
    if axis is None:
        check_walls(law(walls), GRID)
    else:
        ends = r"\[-4\.0, 4\.0\]", r"\[2\.0, 8\.0\]"
        with pytest.raises(ValueError, match=f"not at the ends of the grid {ends[axis]} along axis {axis}"):
            check_walls(law(walls), GRID)
    assert bool(walls_off_grid(law(walls), GRID)) == (axis is not None)
    shifted = jax.jit(lambda upper: walls_off_grid(law(walls), kn.Grid(GRID.lower, upper, GRID.shape)))
    assert bool(shifted(GRID.upper)) == (axis is not None) and bool(shifted(GRID.upper + 1e-3))


def test_rounding_is_no_other_place():
    grid = kn.Grid(np.array([-4.0, 0.1], np.float32), np.array([4.0, 0.7], np.float32), (12, 10))
    check_walls(cast(law(((-4.0 + 1e-9, 4.0), (0.1, 0.7))), np.dtype(np.float32)), grid)
    check_walls(law(((-4.0 + 1e-9, 4.0), (2.0, 8.0))), GRID)
    with pytest.raises(ValueError, match="axis 0"):
        check_walls(law(((-4.0 + 1e-7, 4.0), (2.0, 8.0))), GRID)


def test_particles_have_walls_on_a_line_only():
    with pytest.raises(ValueError, match="walls"):
        kn.solve(law(((-4.0, 4.0), None)), kn.Ensemble(np.zeros((3, 2))), t1=1.0)
    with pytest.raises(ValueError, match="walls"):
        line = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Identity()), ((-4.0, 4.0), None))
        kn.solve(line, kn.Ensemble(np.zeros(3)), t1=1.0)
