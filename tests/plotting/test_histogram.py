"""Histograms beside densities."""

import numpy as np
import pytest

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from tests.plotting.solutions import bars_of, legend, stairs_of


def test_histogram_has_area_one_under_the_density():
    samples = np.random.default_rng(0).normal(10.0, 2.0, 500)
    density = kn.Density(kn.Grid(0.0, 20.0, 100), np.full(100, 0.05))
    ax = plotting.plot_histogram(
        kn.Ensemble(samples), density, xlabel="depth", unit="km", labels=("500 shocks", "start")
    )
    bars = bars_of(ax)
    assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1.0)
    assert 10 < len(bars) < 40
    assert legend(ax) == ["500 shocks", "start"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth (km)", "density (1/km)")
    outline = next(patch for patch in stairs_of(ax) if patch not in bars)
    np.testing.assert_array_equal(outline.get_data().values, density.values)


def test_histogram_alone_has_no_legend():
    ax = plotting.plot_histogram([[1.0], [2.0], [2.5]], bins=3)
    assert ax.get_legend() is None
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "density")
    assert len(bars_of(ax)) == 3


def test_histogram_with_edges_of_its_own():
    bars = bars_of(plotting.plot_histogram([0.5, 1.0, 4.0, 4.0], bins=[0.0, 1.0, 3.0, 4.0]))
    assert [bar.get_x() for bar in bars] == [0.0, 1.0, 3.0]
    # A measurement on an edge counts above it, on the last edge below.
    assert [bar.get_height() for bar in bars] == [0.25, 0.125, 0.5]


@pytest.mark.parametrize("samples", [[3.0], [2.0] * 10, [0.0] * 99 + [1e6]], ids=["one", "equal", "outlier"])
def test_histogram_of_odd_data_has_a_sane_number_of_bins(samples):
    assert 5 <= len(bars_of(plotting.plot_histogram(samples))) <= 60


def test_histogram_refuses_what_it_cannot_draw():
    for bad in ([], [1.0, np.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="finite samples of shape"):
            plotting.plot_histogram(bad)
    with pytest.raises(ValueError, match="at least one bin"):
        plotting.plot_histogram([1.0, 2.0], bins=0)
    for edges in ([1.0], [1.0, 1.0, 2.0], [2.0, 1.0], [1.0, np.inf], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="that increase"):
            plotting.plot_histogram([1.0, 2.0], bins=edges)
    for edges in ([1.1, 3.0], [0.0, 1.9]):
        with pytest.raises(ValueError, match="leave out measurements, which go from 1 to 2"):
            plotting.plot_histogram([1.0, 2.0], bins=edges)
