"""Where the properties of Definition 2 begin and end: tolerances, units, points, float32, and what `diagnose` refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.analysis.made_solutions import EIGHT, breathing, made, stacked

TS = np.linspace(0.0, 4.0, 41)
GRID = kn.Grid(-9.0, 9.0, 300)
START = kn.Density.gaussian(0.5, 1.0, GRID)


def test_energy_and_variance_are_told_apart():
    drifting = kn.diagnose(made(0.5 ** np.arange(4.0)[:, None] * EIGHT + np.arange(4.0)[:, None]))
    assert drifting.aggregation and drifting.local_aggregation[1:].all()
    np.testing.assert_array_equal(drifting.energy_trend, [1, 1, 1])
    spreading = kn.diagnose(made(np.array([9.0, 6.0, 3.0])[:, None] + np.arange(1.0, 4.0)[:, None] * EIGHT / 9))
    assert spreading.energy_decay and not spreading.local_aggregation.any()
    np.testing.assert_array_equal(spreading.variance_trend, [1, 1])


def test_decreasing_is_strict():
    halting = kn.diagnose(breathing([1.0, 0.5, 0.5, 0.4]))
    np.testing.assert_array_equal(halting.variance_trend, [-1, 0, -1])
    assert not halting.aggregation and not halting.energy_decay
    assert halting.local_aggregation[1:].all() and not halting.local_aggregation[0]
    assert "in part  decreases from 0 to 1, 2 to 3; unchanged from 1 to 2" in str(halting)


def test_what_gathers_and_parts_again_does_not_cluster():
    back = kn.diagnose(breathing([1.0, 1e-3, 1e-4, 1e-3, 0.5]))
    assert back.point.tolist() == [False, True, True, True, False]
    assert not back.clustering and back.clustered_from == np.inf and not back.aggregation
    twice = kn.diagnose(breathing([1.0, 1e-3, 0.1, 1e-3, 1e-4]))
    assert twice.clustered_from == 3 and not twice.aggregation
    # Inside a point it still shows, if trajectories do.
    np.testing.assert_array_equal(back.variance_trend, [-1, -1, 1, 1])


def test_the_tolerances_decide():
    slow = breathing([1.0, 1 - 1e-7, 1 - 2e-7])
    assert not kn.diagnose(slow).aggregation and kn.diagnose(slow, tolerance=1e-8).aggregation
    assert not kn.diagnose(breathing([1.0, 0.9]), tolerance=0.2).local_aggregation.any()
    tenth = breathing([1.0, 0.1])
    assert not kn.diagnose(tenth).clustering and kn.diagnose(tenth, level=0.011).clustering
    assert not kn.diagnose(tenth, level=0.009).clustering


@pytest.mark.parametrize("factor", [1e-6, -1.0, 1e6])
def test_units_and_mirror_images_change_nothing(factor):
    paths = np.array([1.0, 0.3, 0.02, 0.005, 0.0001, 0.2])[:, None] * EIGHT + np.array([0, 0, 1, 0, 0, 2.0])[:, None]
    here, there = kn.diagnose(made(paths)), kn.diagnose(made(factor * paths))
    for name in ("local_energy_bound", "energy_trend", "local_aggregation", "variance_trend", "point"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    np.testing.assert_allclose(there.variance, factor**2 * here.variance, rtol=1e-9)


def test_what_a_point_does_within_a_cell_is_no_trend():
    """The averages of a Dirac have a variance that depends on where in the cell it is."""
    places = [3.0, 3.01, 3.03, 3.02, *(3.005 * np.ones(16)), 2.5]
    found = kn.diagnose(stacked(GRID, jnp.stack([kn.Density.dirac(x, GRID).values for x in places])))
    assert np.ptp(found.variance) > 1e-4
    np.testing.assert_array_equal(found.variance_trend, np.zeros(20))
    np.testing.assert_array_equal(found.energy_trend, np.append(np.zeros(19), -1))
    assert found.clustered_from == 0 and not found.aggregation


def test_the_mass_of_a_density_does_not_matter():
    values = jnp.stack([kn.Density.gaussian(0.5, std, GRID).values for std in np.linspace(1.0, 0.5, 21)])
    one, other = kn.diagnose(stacked(GRID, values)), kn.diagnose(stacked(GRID, 1e-14 * values))
    np.testing.assert_allclose(other.energy, 1e-14 * one.energy, rtol=1e-12)
    np.testing.assert_allclose(other.variance, one.variance, rtol=1e-12)
    for found in (one, other):
        assert found.energy_decay and found.aggregation and not found.clustering


def test_one_sample_is_a_point_from_the_start():
    found = kn.diagnose(made(np.array([[4.0], [2.0], [1.0]])))
    assert found.clustered_from == 0 and found.energy_decay
    assert not found.local_aggregation.any() and not found.aggregation
    column = kn.diagnose(made(np.array([[[4.0], [0.0]], [[2.0], [0.0]]])))
    assert column.aggregation and column.variance.shape == (2,)


def test_float32():
    rng = np.random.default_rng(3)
    noise = 1e-7 * rng.normal(size=(20, 1)) * np.ones((1, 8))
    still = kn.diagnose(made((100.0 + EIGHT[None] + 100 * noise).astype(np.float32)))
    assert not np.any(still.variance_trend) and not np.any(still.energy_trend)
    falling = kn.diagnose(made((np.exp(-TS)[:, None] * EIGHT).astype(np.float32), TS))
    assert falling.aggregation and falling.energy_decay and falling.ts.dtype == np.float32


def test_a_long_row_is_cut():
    text = str(kn.diagnose(breathing([1.0, 0.5] * 8)))
    assert text.splitlines()[4].endswith(
        "no        decreases from 0 to 1, 2 to 3, 4 to 5, 5 more; increases from 1 to 2, 3 to 4, 5 to 6, 4 more"
    )
    assert text.splitlines()[3].endswith("at times  at 1, 3, 5, 5 more")


def test_bad_input():
    good = breathing([1.0, 0.5])
    with pytest.raises(TypeError):
        kn.diagnose(kn.Ensemble([1.0]))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="has 1: solve with saveat="):
        kn.diagnose(breathing([1.0]))
    with pytest.raises(ValueError, match="batch of solutions"):
        kn.diagnose(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), good))
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda solution: kn.diagnose(solution).energy)(good)
    with pytest.raises(ValueError, match="the solve failed.*no longer finite"):
        kn.diagnose(made(np.ones((2, 8)), result=kn.Result.not_finite))
    for tolerance in (-1e-9, 1.0, np.nan):
        with pytest.raises(ValueError, match="0 <= tolerance < 1"):
            kn.diagnose(good, tolerance=tolerance)
    for level in (0.0, -1.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="0 < level < 1"):
            kn.diagnose(good, level=level)
    with pytest.raises(TypeError, match="tolerance"):
        kn.diagnose(good, tolerance="a")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="not finite at t = 1.*places too far out"):
        kn.diagnose(breathing([1.0, 1e200]))
    emptied = stacked(GRID, jnp.stack([START.values] + 20 * [jnp.zeros(300)]))
    with pytest.raises(ValueError, match="not finite at t = 1: no mass remains"):
        kn.diagnose(emptied)


def test_a_density_on_cells_that_are_not_as_many_along_each_axis():
    grid = kn.Grid((-2.0, -3.0), (2.0, 3.0), (3, 4))
    values = jnp.full((3, 4), 1.0 / 24)
    still = jax.vmap(lambda factor: kn.Density(grid, factor * values))(jnp.ones(3))
    found = kn.diagnose(kn.Solution(jnp.arange(3.0), still, kn.Density(grid, values), {}, kn.Result.successful))
    assert not found.local_aggregation.any() and not found.variance_trend.any()
