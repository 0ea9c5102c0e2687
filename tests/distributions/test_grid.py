"""Grids of one dimension and of two: their cells, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn


@jax.jit
def measures(grid):
    """All that a grid says of its cells, as one program."""
    return {
        "faces": grid.faces,
        "centers": grid.centers,
        "width": grid.width,
        "widths": grid.widths,
        "length": grid.length,
        "volume": grid.volume,
    }


def test_a_line():
    grid = kn.Grid(-1, 2, 6)
    assert grid.shape == (6,) and grid.dimension == 1
    got = measures(grid)
    np.testing.assert_allclose(got["faces"], np.linspace(-1, 2, 7), atol=1e-15)
    np.testing.assert_allclose(got["centers"], np.linspace(-0.75, 1.75, 6), atol=1e-15)
    np.testing.assert_allclose(got["widths"], np.full(6, 0.5), rtol=1e-15)
    assert float(got["volume"]) == float(got["width"])
    assert float(kn.Grid(0.1, 0.7, 7).faces[-1]) == 0.7
    assert grid.axes == (grid,)


def test_a_plane():
    grid = kn.Grid((-1, 0), (2, 1), (6, 4))
    assert (grid.dimension, grid.shape, grid.cells) == (2, (6, 4), (6, 4))
    assert [axis.shape for axis in grid.axes] == [(6,), (4,)]
    got = measures(grid)
    np.testing.assert_allclose(got["width"], [0.5, 0.25], rtol=1e-15)
    np.testing.assert_allclose([got["volume"], *got["length"]], [0.125, 3.0, 1.0], rtol=1e-15)
    np.testing.assert_allclose(got["faces"][0], np.linspace(-1, 2, 7), atol=1e-15)
    np.testing.assert_allclose(got["faces"][1], np.linspace(0, 1, 5), atol=1e-15)
    np.testing.assert_allclose(got["widths"][1], np.full(4, 0.25), rtol=1e-15)
    np.testing.assert_allclose(got["centers"][4, 1], [1.25, 0.375], rtol=1e-15)
    assert kn.Grid((0.0, 0.0), (1.0, 2.0), 5).shape == (5, 5)
    volume = jax.jit(lambda upper: kn.Grid((0.0, 0.0), upper, 5).volume)(np.array([1.0, 2.0]))
    np.testing.assert_allclose(volume, 2 / 25, rtol=1e-15)


@pytest.mark.parametrize("cells", [0, -3, 2])
def test_too_few_cells_are_refused(cells):
    with pytest.raises(ValueError, match=f"at least 3 cells, got {cells}"):
        kn.Grid(0.0, 1.0, cells)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_bounds_that_do_not_increase_are_refused(lower, upper):
    with pytest.raises(ValueError, match="lower < upper"):
        kn.Grid(lower, upper, 10)


def test_other_types_are_refused():
    with pytest.raises(TypeError):
        kn.Grid(0.0, 1.0, 10.5)
    with pytest.raises(ValueError, match="two numbers"):
        kn.Grid([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 10)
    with pytest.raises(TypeError, match="lower"):
        kn.Grid("a", 1.0, 10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (((0, 0), (1, 1), (2, 5)), "at least 3 cells along axis 0, got 2"),
        (((0, 0), (1, 0), (5, 5)), "lower < upper along axis 1, got lower=0.0, upper=0.0"),
        (((0, np.nan), (1, 1), 5), "lower < upper along axis 1"),
        (((0, 0, 0), (1, 1, 1), 5), r"the most there is; got shapes \(3,\)"),
        (((0, 0), 1, 5), r"got shapes \(2,\) and \(\)"),
        ((0, 1, (5, 5)), r"1D takes one number of cells, got \(5, 5\)"),
        (((0, 0), (1, 1), (5, 5, 5)), "2D takes one number or two"),
    ],
)
def test_planes_are_refused_with_the_axis(given, message):
    with pytest.raises(ValueError, match=message):
        kn.Grid(*given)


def test_cells_are_integers_along_each_axis():
    with pytest.raises(TypeError, match=r"integer along axis 1, got 5\.0"):
        kn.Grid((0, 0), (1, 1), (5, 5.0))
    with pytest.raises(ValueError, match="covering is for one dimension"):
        equation = kn.MeanField(kn.SimResNet(1.0, np.zeros(2), kn.Identity()))
        kn.Grid.covering(equation, kn.Ensemble(np.zeros((3, 2))), t1=1.0, cells=10)


def test_bounds_may_be_traced():
    width = jax.jit(jax.grad(lambda upper: kn.Grid(jnp.zeros(()), upper, 4).width))(np.float64(3.0))
    assert float(width) == 0.25
