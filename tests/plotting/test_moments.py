"""Moments over time."""

import numpy as np
import pytest

import kinetic_nde.plotting as plotting
from tests.plotting.solutions import batch_of, legend


def test_moments_of_a_density_are_those_of_the_closed_form(gaussian):
    ax = plotting.plot_moments(gaussian)
    assert legend(ax) == ["mean", "variance", "energy"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time t", "moment")
    ts = np.asarray(gaussian.ts)
    mean, variance, energy = (np.asarray(line.get_ydata()) for line in ax.lines)
    np.testing.assert_allclose(mean, 1.0, rtol=1e-12)
    np.testing.assert_allclose(variance, np.exp(-2 * ts), rtol=1e-3)
    np.testing.assert_allclose(energy, 1 + np.exp(-2 * ts), rtol=1e-3)
    assert len({line.get_linestyle() for line in ax.lines}) == 3  # told apart without colour


def test_moments_by_order_and_in_axes_that_are_there(gaussian, paths):
    ax = plotting.plot_moments(paths, ("mass", 3), log=True)
    np.testing.assert_allclose(np.asarray(ax.lines[1].get_ydata())[-1], (2.0**3 + 8.0**3) / 2)
    plotting.plot_moments(gaussian, "mean", ax)
    assert legend(ax) == ["mass", "$m_{3}$", "mean"]
    assert ax.get_yscale() == "log"
    assert len({line.get_color() for line in ax.lines}) == 3


def test_moments_refuse_what_they_cannot_draw(gaussian):
    with pytest.raises(ValueError, match="unknown moment 'median'.*variance"):
        plotting.plot_moments(gaussian, ["mean", "median"])
    with pytest.raises(ValueError, match="empty"):
        plotting.plot_moments(gaussian, [])
    with pytest.raises(ValueError, match="negative"):
        plotting.plot_moments(gaussian, -1)
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_moments(batch_of(gaussian))
