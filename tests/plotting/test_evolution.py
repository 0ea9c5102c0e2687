"""The evolution of a density on a line."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from tests.plotting.solutions import (
    batch_of,
    legend,
    put_together,
    stairs_of,
    texts,
)


def lightness(colour) -> float:
    return float(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]))


def test_evolution_draws_the_averages_from_light_to_dark(gaussian):
    given = plotting.figure()[1][0]
    ax = plotting.plot_evolution(gaussian, given, times=[0.0, 0.5, 1.0], xlabel="depth", ylabel="share")
    assert ax is given
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth", "share")
    assert legend(ax) == ["t = 0", "t = 0.5", "t = 1"]
    np.testing.assert_array_equal(stairs_of(ax)[1].get_data().values, gaussian[5].values)
    shades = [lightness(patch.get_edgecolor()) for patch in ax.patches]
    assert shades == sorted(shades, reverse=True)
    assert max(shades) < 0.7  # to be seen on white


def test_evolution_names_up_to_six_of_many_times(gaussian):
    ax = plotting.plot_evolution(gaussian)
    assert len(ax.patches) == 11
    assert legend(ax) == ["t = 0", "t = 0.2", "t = 0.4", "t = 0.6", "t = 0.8", "t = 1"]


def test_evolution_clips_point_masses_and_writes_their_mass(spikes):
    ax = plotting.plot_evolution(spikes)
    assert texts(ax) == ["mass 0.50", "mass 0.50"]
    assert 1 / 6 < ax.get_ylim()[1] < 0.3
    assert float(spikes.final.values[-1]) > 10
    unclipped = plotting.plot_evolution(spikes, clip=False)
    assert texts(unclipped) == []
    assert unclipped.get_ylim()[1] > float(spikes.final.values[-1])


def test_evolution_clips_nothing_that_is_resolved_or_alone(gaussian, spikes):
    for ax, solution in (
        (plotting.plot_evolution(gaussian), gaussian),
        (plotting.plot_evolution(spikes, times=12.0), spikes),
    ):
        assert texts(ax) == []
        assert ax.get_ylim()[1] > float(jnp.max(solution.distributions.values))


def test_evolution_clips_no_rough_data():
    counts = np.random.default_rng(0).poisson(1.0, 300)
    rough = kn.Density(kn.Grid(0.0, 1.0, 300), counts.astype(float))
    ax = plotting.plot_evolution(put_together([rough]))
    assert ax.get_ylim()[1] > float(jnp.max(rough.values))


def test_evolution_on_a_logarithmic_axis(spikes, gaussian):
    low, high = plotting.plot_evolution(spikes, log=True).get_ylim()
    assert high > float(spikes.final.values[-1])
    assert low < float(jnp.min(spikes.final.values))
    low, high = plotting.plot_evolution(gaussian, log=True).get_ylim()
    assert high / low == pytest.approx(1e8)


def test_evolution_draws_two_solutions_in_one_axes(spikes, gaussian):
    ax = plotting.plot_evolution(gaussian, times=1.0)
    higher = ax.get_ylim()[1]
    plotting.plot_evolution(spikes, ax, times=0.0)
    assert ax.get_ylim()[1] == higher
    assert legend(ax) == ["t = 1", "t = 0"]


def test_evolution_draws_a_failed_solve_as_far_as_it_is_finite(gaussian):
    values = gaussian.distributions.values.at[-1].set(jnp.nan)
    failed = eqx.tree_at(lambda solution: solution.distributions.values, gaussian, values)
    assert np.isfinite(plotting.plot_evolution(failed).get_ylim()).all()


def test_evolution_refuses_what_it_cannot_draw(gaussian, paths):
    with pytest.raises(TypeError, match="plot_trajectories"):
        plotting.plot_evolution(paths)
    with pytest.raises(ValueError, match="save times"):
        plotting.plot_evolution(gaussian, times=[0.0, 0.25])
    with pytest.raises(ValueError, match="save times"):
        plotting.plot_evolution(gaussian, times=[])
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_evolution(batch_of(gaussian))
