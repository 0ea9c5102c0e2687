"""Maps at several times."""

import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde.plotting as plotting
from tests.plotting.solutions import batch_of


def test_snapshots_have_a_scale_each_or_share_one(falling):
    axes = plotting.plot_snapshots(falling)
    assert [ax.get_title() for ax in axes] == ["t = 0", "t = 1", "t = 2"]
    tops = [float(jnp.max(each)) for each in falling.distributions.values]
    assert [ax.collections[0].get_clim()[1] for ax in axes] == tops
    assert [len(ax.child_axes) for ax in axes] == [1, 1, 1]
    axes = plotting.plot_snapshots(falling, shared=True, clip=False)
    assert {ax.collections[0].get_clim() for ax in axes} == {(0.0, max(tops))}
    assert [len(ax.child_axes) for ax in axes] == [0, 0, 1]


def test_snapshots_at_chosen_times_in_given_axes(falling):
    given = plotting.figure(columns=2, panels=2)[1]
    axes = plotting.plot_snapshots(falling, given, times=[1.0, 2.0])
    assert axes == given
    np.testing.assert_array_equal(axes[1].collections[0].get_array(), falling[2].values.T)
    with pytest.raises(ValueError, match="2 times to draw, and 1 axes"):
        plotting.plot_snapshots(falling, given[:1], times=[1.0, 2.0])
    with pytest.raises(ValueError, match="save times"):
        plotting.plot_snapshots(falling, times=[0.5])


def test_snapshots_refuse_what_they_cannot_draw(falling, line, plane_paths):
    with pytest.raises(ValueError, match="plot_evolution"):
        plotting.plot_snapshots(line)
    with pytest.raises(TypeError, match="animate"):
        plotting.plot_snapshots(plane_paths)
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_snapshots(batch_of(falling))
    with pytest.raises(ValueError, match="plot_snapshots"):
        plotting.plot_evolution(falling)
