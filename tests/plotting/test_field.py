"""The arrows of a field in the plane, and its steady states."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from tests.plotting.solutions import (
    LOWER,
    UPPER,
    texts,
)


def arrows_of(ax) -> Any:
    return next(each for each in ax.collections if hasattr(each, "U"))


def test_arrows_are_the_field_in_the_middles_of_boxes():
    net = kn.SimResNet([[0.5, 2.0], [2.0, 0.5]], [0.0, -2.0], kn.Tanh())
    ax = plotting.plot_field(kn.MeanField(net), lower=LOWER, upper=UPPER, arrows=10)
    drawn = arrows_of(ax)
    points = np.asarray(drawn.get_offsets())
    assert points[0].tolist() == [-3.6, -2.5]
    exact = np.tanh(points @ np.array([[0.5, 2.0], [2.0, 0.5]]) + np.array([0.0, -2.0]))
    np.testing.assert_allclose(np.stack([drawn.U, drawn.V], axis=1), exact, atol=1e-12)
    # The time that the picture names, the largest round one in which no arrow reaches the next box.
    assert texts(ax) == ["arrows: way in a time of 0.5"]
    assert drawn.scale == pytest.approx(2.0)
    assert (drawn.angles, drawn.scale_units) == ("xy", "xy")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xlim()) == ("x", "y", (-4.0, 4.0))


def test_arrows_follow_the_time_and_the_units():
    turning = kn.SimResNet(kn.Interpolated([0.0, 1.0], [np.eye(2), -np.eye(2)]), [0.0, 0.0], kn.Identity())
    first, last = (
        arrows_of(plotting.plot_field(turning, lower=(-1, -1), upper=(1, 1), t=t, arrows=4)) for t in (0.0, 1.0)
    )
    np.testing.assert_allclose(first.U, -last.U)
    wide = plotting.plot_field(turning, lower=(-1000, -1000), upper=(1000, 1000), arrows=4)
    np.testing.assert_allclose(arrows_of(wide).U, 1000 * first.U)
    assert texts(wide) == ["arrows: way in a time of 0.5"]


def test_a_field_over_a_map_takes_its_part_of_the_plane(tilted):
    ax = plotting.plot_density(tilted, xlabel="slope")
    assert plotting.plot_field(lambda t, x: -x, ax, arrows=5) is ax
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_xlabel()) == ((-4.0, 4.0), (-3.0, 7.0), "slope")
    np.testing.assert_allclose(np.asarray(arrows_of(ax).get_offsets())[-1], [3.2, 6.0])


def test_no_velocity_and_what_is_no_number():
    ax = plotting.plot_field(lambda t, x: 0.0 * x, lower=(0, 0), upper=(1, 1), arrows=3)
    assert texts(ax) == ["no velocity"]
    ax = plotting.plot_field(lambda t, x: jnp.sqrt(x), lower=(-1, -1), upper=(1, 1), arrows=2)
    assert np.count_nonzero(arrows_of(ax).U) == 1
    ax.figure.canvas.draw()


def test_steady_states_are_filled_open_and_grey():
    net = kn.SimResNet(-1.0, [0.0, 0.0], kn.GrowingCosine())
    states = kn.steady_states(net, lower=(-2.0, -2.0), upper=(2.0, 2.0))
    ax = plotting.plot_field(net, lower=(-2, -2), upper=(2, 2), states=states)
    drawn = {each.get_label(): each for each in ax.lines}
    for name in set(states.stability):
        np.testing.assert_allclose(np.stack(drawn[name].get_data(), axis=1), states.points[states.stability == name])
    assert {name: each.get_markerfacecolor() for name, each in drawn.items()}.items() <= {
        "stable": "black",
        "unstable": "white",
        "undecided": "0.6",
    }.items()
    assert len(drawn) > 1
    inside = plotting.plot_field(net, lower=(-1, -1), upper=(1, 1), states=states)
    assert sum(np.size(each.get_xdata()) for each in inside.lines) == 1


def test_a_field_refuses_what_it_cannot_draw():
    plane: dict[str, Any] = {"lower": (0, 0), "upper": (1, 1)}
    net = kn.SimResNet(-1.0, [0.0, 0.0], kn.Identity())
    with pytest.raises(ValueError, match="this one has 1"):
        plotting.plot_field(kn.SimResNet(1.0, 0.0, kn.Tanh()), **plane)
    with pytest.raises(TypeError, match="field"):
        plotting.plot_field(3.0, **plane)
    with pytest.raises(TypeError):
        plotting.plot_field(net, kn.Grid((0.0, 0.0), (1.0, 1.0), 4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="needs lower and upper"):
        plotting.plot_field(net, lower=(0, 0))
    with pytest.raises(ValueError, match="lower < upper"):
        plotting.plot_field(net, lower=(1, 0), upper=(0, 1))
    with pytest.raises(ValueError, match="arrows must be at least 2"):
        plotting.plot_field(net, **plane, arrows=1)
    with pytest.raises(ValueError, match="must give velocities of that shape"):
        plotting.plot_field(lambda t, x: x[0], **plane)
    with pytest.raises(ValueError, match="steady states in the plane"):
        states = kn.steady_states(kn.SimResNet(1.0, 0.0, kn.Tanh()), lower=-1.0, upper=1.0)
        plotting.plot_field(net, **plane, states=states)
