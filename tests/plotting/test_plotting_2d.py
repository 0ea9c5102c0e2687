"""Pictures in two dimensions and films: what is on them, and that what cannot be drawn is refused."""

import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import PillowWriter
from matplotlib.colors import LogNorm
from matplotlib.path import Path as Polygon
from PIL import Image

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.animation import time_names
from kinetic_nde.plotting.heat import colours

# One grid, so that what JAX compiles for it serves all tests; other units by other bounds.
LOWER, UPPER, CELLS = (-4.0, -3.0), (4.0, 7.0), (64, 60)
COVARIANCE = [[0.8, 0.6], [0.6, 1.2]]
CORNERS = [(-4.0, -3.0), (4.0, -3.0), (-4.0, 7.0), (4.0, 7.0)]


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def grid():
    return kn.Grid(LOWER, UPPER, CELLS)


@pytest.fixture(scope="module")
def tilted(grid):
    return kn.Density.gaussian((0.0, 1.0), COVARIANCE, grid)


@pytest.fixture(scope="module")
def corners(grid):
    """A tenth, two, three and four tenths of the mass at the corners of the grid."""
    masses = np.zeros(CELLS)
    masses[0, 0], masses[-1, 0], masses[0, -1], masses[-1, -1] = 0.1, 0.2, 0.3, 0.4
    return kn.Density(grid, masses / float(grid.volume))


def put_together(distributions: list, ts=None) -> kn.Solution:
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *distributions)
    ts = np.arange(len(distributions)) if ts is None else ts
    return kn.Solution(jnp.asarray(ts, float), stacked, distributions[-1], {}, kn.Result.successful)


@pytest.fixture(scope="module")
def falling(grid):
    """Onto (1, 2), by (0, 1 / 2, 4 / 5) of the way."""
    return put_together([kn.Density.gaussian((s, 1.0 + s), 1.0 - s, grid) for s in (0.0, 0.5, 0.8)])


@pytest.fixture(scope="module")
def paths():
    rng = np.random.default_rng(0)
    return put_together([kn.Ensemble(rng.normal(size=(40, 2)) * s) for s in (1.0, 0.5, 0.2)])


@pytest.fixture(scope="module")
def line():
    flat = kn.Grid(0.0, 1.0, 40)
    return put_together([kn.Density.gaussian(0.5, std, flat) for std in (0.2, 0.15, 0.1)])


def changed(tree, values):
    return eqx.tree_at(lambda each: each.values, tree, values)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def contour(ax):
    return next(each for each in ax.collections if hasattr(each, "levels"))


def enclosed(density: kn.Density, lines) -> list[float]:
    """The shares of the mass within each of the lines, by cells."""
    centres = np.asarray(density.grid.centers).reshape(-1, 2)
    masses = np.asarray(density.values).ravel() * float(density.grid.volume)
    shares = []
    for path in lines.get_paths():
        inside = [Polygon(polygon).contains_points(centres) for polygon in path.to_polygons()]
        shares.append(float(masses[np.any(inside, axis=0)].sum() / masses.sum()))
    return shares


# The map


def test_a_map_shows_the_averages_at_their_places(tilted):
    given = plotting.figure()[1][0]
    ax = plotting.plot_density(tilted, given, xlabel="slope", ylabel="intercept", label="share")
    mesh = ax.collections[0]
    assert ax is given
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("slope", "intercept")
    assert "share" in [each.get_ylabel() for each in ax.child_axes]
    places, faces = mesh.get_coordinates(), tilted.grid.faces
    np.testing.assert_array_equal(places[0, :, 0], faces[0])
    np.testing.assert_array_equal(places[:, 0, 1], faces[1])
    np.testing.assert_array_equal(mesh.get_array(), tilted.values.T)
    assert mesh.get_clim() == (0.0, float(jnp.max(tilted.values)))
    assert (ax.get_xlim(), ax.get_ylim()) == ((-4.0, 4.0), (-3.0, 7.0))
    assert texts(ax)[2:] == []  # but the two shares: nothing is a point mass


def test_colours_go_evenly_from_white_to_dark():
    rgb = colours()(np.arange(colours().N))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    assert lightness[0] == pytest.approx(100, abs=0.1)
    assert lightness[-1] < 15
    steps = -np.diff(lightness)
    assert np.all(steps > 0)
    assert steps.max() < 2 * steps.mean()


def test_marginals_are_those_of_the_density(tilted):
    ax = plotting.plot_density(tilted)
    above, right = ax.child_axes[:2]
    for axis, inset in enumerate((above, right)):
        (curve,) = inset.patches
        np.testing.assert_allclose(curve.get_data().values, tilted.marginal(axis).values, rtol=1e-12)
        np.testing.assert_array_equal(curve.get_data().edges, tilted.grid.faces[axis])
    assert right.patches[0].orientation == "horizontal"
    ax.set(xlim=(-1.0, 1.0), ylim=(0.0, 2.0))
    assert (above.get_xlim(), right.get_ylim()) == ((-1.0, 1.0), (0.0, 2.0))
    assert len(plotting.plot_density(tilted, marginals=False).child_axes) == 1


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_contours_enclose_their_shares_in_any_unit(unit, grid):
    two = 0.3 * kn.Density.gaussian((-2.0, 0.0), 0.7, grid).values
    two += 0.7 * kn.Density.gaussian((1.0, 3.5), [[0.8, -0.4], [-0.4, 0.9]], grid).values
    own = kn.Grid(np.multiply(LOWER, unit), np.multiply(UPPER, unit), CELLS)
    density = kn.Density(own, two / unit**2)
    ax = plotting.plot_density(density, contours=(0.3, 0.5, 0.9))
    np.testing.assert_allclose(enclosed(density, contour(ax)), [0.9, 0.5, 0.3], atol=0.02)
    assert set(texts(ax)) == {"90 %", "50 %", "30 %"}


def test_levels_of_a_gaussian_are_those_of_its_quadratic_form(tilted):
    """Outside the ellipse with (1 - share) of the largest density there is the mass 1 - share."""
    levels = contour(plotting.plot_density(tilted, contours=(0.5, 0.9))).levels
    top = 1 / (2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE)))
    np.testing.assert_allclose(levels, [0.1 * top, 0.5 * top], rtol=0.02)


def test_no_line_is_drawn_around_a_share_that_no_region_has(grid, corners):
    flat = kn.Density.uniform((-2.0, -1.0), (1.0, 3.0), grid)
    for density in (flat, corners):
        ax = plotting.plot_density(density, contours=(0.55, 0.6))
        assert len(ax.collections) == 1
        assert not any("%" in text for text in texts(ax))


def test_point_masses_are_marked_with_their_mass(corners):
    ax = plotting.plot_density(corners)
    assert sorted(texts(ax)) == ["mass 0.10", "mass 0.20", "mass 0.30", "mass 0.40"]
    found = sorted(tuple(np.round(np.ravel(ring.get_data()), 6)) for ring in ax.lines)
    np.testing.assert_allclose(found, sorted(CORNERS), atol=0.1)
    # Alone they are all there is to see: no colour is cut off.
    assert ax.collections[0].get_clim()[1] == float(jnp.max(corners.values))


def test_a_point_mass_does_not_blank_what_is_beside_it(tilted, corners):
    both = changed(tilted, 0.5 * tilted.values + 0.5 * corners.values)
    ax = plotting.plot_density(both)
    assert ax.collections[0].get_clim()[1] == pytest.approx(0.5 * float(jnp.max(tilted.values)), rel=1e-6)
    assert ax.child_axes[-1].get_ylim()[1] == pytest.approx(ax.collections[0].get_clim()[1])
    assert sorted(text for text in texts(ax) if "mass" in text) == ["mass 0.05", "mass 0.10", "mass 0.15", "mass 0.20"]
    unclipped = plotting.plot_density(both, clip=False)
    assert unclipped.collections[0].get_clim()[1] == float(jnp.max(both.values))


def test_masses_along_a_wall_are_no_point_masses_and_do_not_blank_the_rest(tilted):
    wall = np.zeros(CELLS)
    wall[0] = np.asarray(tilted.marginal(1).values) / float(tilted.grid.width[0])
    ax = plotting.plot_density(changed(tilted, 0.5 * tilted.values + 0.5 * wall))
    assert not any("mass" in text for text in texts(ax))
    assert ax.collections[0].get_clim()[1] == pytest.approx(0.5 * float(jnp.max(tilted.values)), rel=1e-6)


def test_a_slanted_line_of_mass_is_no_point_mass(grid):
    """Where every cell towers over those three further on along both axes."""
    line = kn.Density(grid, np.eye(*CELLS))
    assert texts(plotting.plot_density(line, contours=())) == []


def test_what_is_no_number_is_grey_and_the_rest_is_drawn(tilted):
    failed = changed(tilted, tilted.values.at[20:24, 30:33].set(jnp.nan))
    for log in (False, True):
        mesh = plotting.plot_density(failed, log=log).collections[0]
        assert int(np.ma.getmaskarray(mesh.get_array()).sum()) == 12
        assert np.isfinite(mesh.get_clim()).all()
    everything = plotting.plot_density(changed(tilted, jnp.full(CELLS, jnp.nan)))
    everything.figure.canvas.draw()


def test_negative_averages_have_a_colour_of_their_own(tilted):
    below = changed(tilted, tilted.values.at[0, 0].set(-0.1 * jnp.max(tilted.values)))
    mesh = plotting.plot_density(below, contours=()).collections[0]
    assert mesh.to_rgba([-0.01])[0].tolist() != mesh.to_rgba([0.0])[0].tolist()
    assert mesh.colorbar.extend == "min"
    assert plotting.plot_density(tilted).collections[0].colorbar.extend == "neither"


def test_logarithmic_colours_span_four_decades(tilted):
    mesh = plotting.plot_density(tilted, log=True).collections[0]
    assert isinstance(mesh.norm, LogNorm)
    low, high = mesh.get_clim()
    assert high == float(jnp.max(tilted.values))
    assert high / low == pytest.approx(1e4)
    # Zeros are white, and not grey as what is no number.
    corner = changed(tilted, tilted.values.at[0, 0].set(0.0))
    mesh = plotting.plot_density(corner, log=True, contours=()).collections[0]
    assert mesh.to_rgba(mesh.get_array())[0, 0].tolist() == [1.0] * 4


def test_a_part_of_the_plane(tilted):
    ax = plotting.plot_density(tilted, lower=(-1.0, 0.0), upper=(1.0, 3.0))
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1.0, 1.0), (0.0, 3.0))
    for bad in ((1.0, 0.0), (np.nan, 0.0), 3.0):
        with pytest.raises(ValueError, match="corners"):
            plotting.plot_density(tilted, lower=bad, upper=(1.0, 3.0))


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_nothing_is_cut_off_at_the_edge_of_the_figure(tilted, layout):
    drawing, ax = plt.subplots(layout=layout)
    plotting.plot_density(tilted, ax)
    drawing.canvas.draw()
    box = drawing.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.x1 <= drawing.get_figwidth() + 0.01
    assert box.y1 <= drawing.get_figheight() + 0.01


def test_single_precision_and_a_picture_without_warnings(tilted):
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tilted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plotting.plot_density(single).figure.canvas.draw()


def test_a_map_refuses_what_it_cannot_draw(tilted, line, paths):
    with pytest.raises(ValueError, match="plot_evolution"):
        plotting.plot_density(line[0])
    with pytest.raises(TypeError):
        plotting.plot_density(paths[0])
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_density(jax.tree.map(lambda leaf: leaf[None], tilted))
    with pytest.raises(ValueError, match="between 0 and 1"):
        plotting.plot_density(tilted, contours=(50, 90))


# Several times


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


def test_snapshots_refuse_what_they_cannot_draw(falling, line, paths):
    with pytest.raises(ValueError, match="plot_evolution"):
        plotting.plot_snapshots(line)
    with pytest.raises(TypeError, match="animate"):
        plotting.plot_snapshots(paths)
    with pytest.raises(ValueError, match="batch"):
        plotting.plot_snapshots(jax.tree.map(lambda leaf: leaf[None], falling))
    with pytest.raises(ValueError, match="plot_snapshots"):
        plotting.plot_evolution(falling)


# The field


def arrows_of(ax):
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
    assert sum(each.get_xdata().size for each in inside.lines) == 1


def test_a_field_refuses_what_it_cannot_draw():
    plane: dict[str, Any] = {"lower": (0, 0), "upper": (1, 1)}
    net = kn.SimResNet(-1.0, [0.0, 0.0], kn.Identity())
    with pytest.raises(ValueError, match="this one has 1"):
        plotting.plot_field(kn.SimResNet(1.0, 0.0, kn.Tanh()), **plane)
    with pytest.raises(TypeError, match="field"):
        plotting.plot_field(3.0, **plane)
    with pytest.raises(TypeError):
        plotting.plot_field(net, kn.Grid((0.0, 0.0), (1.0, 1.0), 4))
    with pytest.raises(ValueError, match="needs lower and upper"):
        plotting.plot_field(net, lower=(0, 0))
    with pytest.raises(ValueError, match="lower < upper"):
        plotting.plot_field(net, lower=(1, 0), upper=(0, 1))
    with pytest.raises(ValueError, match="arrows must be at least 2"):
        plotting.plot_field(net, **plane, arrows=1)
    with pytest.raises(ValueError, match=r"shape \(2,\), got \(\)"):
        plotting.plot_field(lambda t, x: x[0], **plane)
    with pytest.raises(ValueError, match="steady states in the plane"):
        states = kn.steady_states(kn.SimResNet(1.0, 0.0, kn.Tanh()), lower=-1.0, upper=1.0)
        plotting.plot_field(net, **plane, states=states)


# Films


def opened(path) -> Any:
    return Image.open(path)


def frames(path) -> list[np.ndarray]:
    with opened(path) as film:
        pictures = []
        for k in range(film.n_frames):
            film.seek(k)
            pictures.append(np.asarray(film.convert("RGB"), dtype=int))
        return pictures


@pytest.mark.parametrize("kind", ["falling", "paths", "line"])
def test_a_film_has_one_frame_for_each_save_time(kind, tmp_path, request):
    path = plotting.animate(request.getfixturevalue(kind), tmp_path / "film.gif", fps=4)
    assert path == tmp_path / "film.gif"
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]
    with opened(path) as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0
        for k in range(3):
            film.seek(k)
            assert film.info["duration"] == 250
    first, middle, last = frames(path)
    assert first.shape == middle.shape == last.shape == (375, 510, 3)
    # The ticks and labels of the axes stay, the rest moves.
    assert np.abs(first[-20:] - last[-20:]).max() < 60
    assert np.count_nonzero(np.abs(first - last).sum(axis=2) > 100) > 100
    assert plt.get_fignums() == []


def test_nothing_of_a_frame_is_left_in_the_next(paths, tmp_path):
    coloured = lambda frame: np.count_nonzero(frame[45:300, 80:480, 0] < 200)
    forwards, backwards = (
        frames(plotting.animate(each, tmp_path / "a.gif"))
        for each in (paths, put_together([paths[2], paths[1], paths[0]]))
    )
    for one, other in zip(forwards, backwards[::-1], strict=True):
        assert abs(coloured(one) - coloured(other)) < 0.05 * coloured(one)


def test_all_frames_have_the_same_colours_which_are_those_of_all_times(falling, tmp_path):
    """The colour of the peak at each time, from light to dark."""
    peaks = [
        frame[45:300, 80:330].sum(axis=2).min()
        for frame in frames(plotting.animate(falling, tmp_path / "a.gif", clip=False))
    ]
    assert peaks[0] > peaks[1] + 100 > peaks[2] + 150


def test_a_film_of_samples_of_shape_m_1_and_of_one_that_fails(tmp_path):
    samples = jnp.array([[[0.0], [1.0]], [[0.5], [jnp.nan]], [[jnp.inf], [jnp.nan]]])
    solution = kn.Solution(
        jnp.arange(3.0), put_together([kn.Ensemble([0.0])]).distributions, None, {}, kn.Result.successful
    )
    solution = eqx.tree_at(lambda each: each.distributions.samples, solution, samples)
    assert len(frames(plotting.animate(solution, tmp_path / "a.gif"))) == 3


def test_times_are_told_apart():
    assert time_names(np.array([0.0, 1.0, 2.0])) == ["t = 0", "t = 1", "t = 2"]
    assert time_names(np.linspace(0, 1, 4)) == ["t = 0.00", "t = 0.33", "t = 0.67", "t = 1.00"]
    assert time_names(np.array([0.0, 1e-3, 1.0])) == ["t = 0.000", "t = 0.001", "t = 1.000"]


def test_an_interrupted_film_leaves_the_earlier_one_and_nothing_else(paths, tmp_path, monkeypatch):
    film = tmp_path / "film.gif"
    film.write_text("earlier")

    def interrupt(self, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PillowWriter, "grab_frame", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plotting.animate(paths, film)
    assert film.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]


def test_a_film_refuses_what_it_cannot_be_before_any_work(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(PillowWriter, "grab_frame", lambda self, **_: pytest.fail("a frame was drawn"))
    for path in ("film.mp4", "film"):
        with pytest.raises(ValueError, match=r"must end in \.gif"):
            plotting.animate(paths, tmp_path / path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        plotting.animate(paths, tmp_path / "missing" / "film.gif")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        plotting.animate(paths, tmp_path / "folder.gif")
    for fps in (0, -1.0, 51, float("nan")):
        with pytest.raises(ValueError, match="fps"):
            plotting.animate(paths, tmp_path / "film.gif", fps=fps)
    with pytest.raises(TypeError):
        plotting.animate(paths[0], tmp_path / "film.gif")
    with pytest.raises(ValueError, match="two save times"):
        plotting.animate(put_together([paths[0]]), tmp_path / "film.gif")
    with pytest.raises(ValueError, match="batch"):
        plotting.animate(jax.tree.map(lambda leaf: leaf[None], paths), tmp_path / "film.gif")
    with pytest.raises(ValueError, match="the samples have 3"):
        plotting.animate(put_together([kn.Ensemble(np.ones((4, 3)))] * 2), tmp_path / "film.gif")
    for lower in (0.0, (5.0, 5.0)):
        with pytest.raises(ValueError, match="what is drawn"):
            plotting.animate(paths, tmp_path / "film.gif", lower=lower, upper=(1.0, 1.0))
    assert [each.name for each in tmp_path.iterdir()] == ["folder.gif"]
