"""Paths of particles."""

import equinox as eqx
import numpy as np
import pytest

import kinetic_nde.plotting as plotting
from tests.plotting.solutions import (
    batch_of,
    paths_of,
)


def test_trajectories_are_the_paths_coloured_by_cluster(paths):
    ax = plotting.plot_trajectories(paths)
    assert (ax.get_xlabel(), ax.get_ylabel(), len(ax.lines)) == ("time t", "x", 100)
    np.testing.assert_array_equal(ax.lines[7].get_ydata(), paths.distributions.samples[:, 7])
    assert {line.get_color() for line in ax.lines[:50]} != {line.get_color() for line in ax.lines[50:]}
    assert len({line.get_color() for line in ax.lines}) == 2


def test_trajectories_of_many_particles_are_thinned_the_same_way_each_time(paths):
    shuffled = np.random.default_rng(0).permutation(100)
    samples = paths.distributions.samples[:, shuffled]
    other = eqx.tree_at(lambda solution: solution.distributions.samples, paths, samples)
    starts = [
        [np.asarray(line.get_ydata())[0] for line in plotting.plot_trajectories(each, most=12).lines]
        for each in (paths, other)
    ]
    assert len(starts[0]) == 12
    assert starts[0] == starts[1]
    assert (starts[0][0], starts[0][-1]) == (2.5, 7.5)


def test_trajectories_of_one_component():
    solution = paths_of([0.0, 1.0], [[[0.0, 5.0], [1.0, 7.0]], [[0.0, 6.0], [1.0, 8.0]]])
    ax = plotting.plot_trajectories(solution, component=1)
    np.testing.assert_allclose([np.asarray(line.get_ydata()) for line in ax.lines], [[5.0, 6.0], [7.0, 8.0]])
    with pytest.raises(ValueError, match="component 2"):
        plotting.plot_trajectories(solution, component=2)
    with pytest.raises(ValueError, match="'mean' has the shape"):
        plotting.plot_moments(solution, "mean")


def test_trajectories_refuse_what_they_cannot_draw(gaussian, paths):
    with pytest.raises(TypeError, match="plot_evolution"):
        plotting.plot_trajectories(gaussian)
    with pytest.raises(ValueError, match="most"):
        plotting.plot_trajectories(paths, most=0)
    with pytest.raises(ValueError, match="two save times"):
        plotting.plot_trajectories(paths_of([0.0], [[3.0]]))
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_trajectories(batch_of(paths))
