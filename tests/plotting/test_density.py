"""The map of a density in the plane."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import LogNorm
from matplotlib.path import Path as Polygon

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.heat import colours
from tests.plotting.solutions import (
    CELLS,
    CORNERS,
    COVARIANCE,
    LOWER,
    UPPER,
    batch_of,
    changed,
    mesh_of,
    stairs_of,
    texts,
)


def contour(ax) -> Any:
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


def test_a_map_shows_the_averages_at_their_places(tilted):
    given = plotting.figure()[1][0]
    ax = plotting.plot_density(tilted, given, xlabel="slope", ylabel="intercept", label="share")
    mesh = mesh_of(ax)
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
        (curve,) = stairs_of(inset)
        np.testing.assert_allclose(curve.get_data().values, tilted.marginal(axis).values, rtol=1e-12)
        np.testing.assert_array_equal(curve.get_data().edges, tilted.grid.faces[axis])
    assert stairs_of(right)[0].orientation == "horizontal"
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
    found = sorted(
        tuple(np.round(np.concatenate([np.ravel(place) for place in ring.get_data()]), 6)) for ring in ax.lines
    )
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
        mesh = mesh_of(plotting.plot_density(failed, log=log))
        assert int(np.ma.getmaskarray(mesh.get_array()).sum()) == 12
        assert np.isfinite(mesh.get_clim()).all()
    everything = plotting.plot_density(changed(tilted, jnp.full(CELLS, jnp.nan)))
    everything.figure.canvas.draw()


def test_negative_averages_have_a_colour_of_their_own(tilted):
    below = changed(tilted, tilted.values.at[0, 0].set(-0.1 * jnp.max(tilted.values)))
    mesh = mesh_of(plotting.plot_density(below, contours=()))
    assert mesh.to_rgba([-0.01])[0].tolist() != mesh.to_rgba([0.0])[0].tolist()
    assert mesh.colorbar.extend == "min"
    assert mesh_of(plotting.plot_density(tilted)).colorbar.extend == "neither"


def test_logarithmic_colours_span_four_decades(tilted):
    mesh = mesh_of(plotting.plot_density(tilted, log=True))
    assert isinstance(mesh.norm, LogNorm)
    low, high = mesh.get_clim()
    assert high == float(jnp.max(tilted.values))
    assert high / low == pytest.approx(1e4)
    # Zeros are white, and not grey as what is no number.
    corner = changed(tilted, tilted.values.at[0, 0].set(0.0))
    mesh = mesh_of(plotting.plot_density(corner, log=True, contours=()))
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


def test_a_map_refuses_what_it_cannot_draw(tilted, line, plane_paths):
    with pytest.raises(ValueError, match="plot_evolution"):
        plotting.plot_density(line[0])
    with pytest.raises(TypeError):
        plotting.plot_density(plane_paths[0])
    with pytest.raises(ValueError, match="a stack of them"):
        plotting.plot_density(batch_of(tilted))
    with pytest.raises(ValueError, match="between 0 and 1"):
        plotting.plot_density(tilted, contours=(50, 90))
