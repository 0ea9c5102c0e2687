"""The figures: what is on the axes, and that what cannot be drawn is refused."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from experiments.figure4 import exact_masses

# Solutions are put together from closed forms: the tests draw hundreds of curves and solve nothing. The docstrings draw
# what `kn.solve` returns.


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def solution_of(ts, grid: kn.Grid, averages) -> kn.Solution:
    densities = [kn.Density(grid, np.asarray(row)) for row in averages]
    return put_together(ts, densities)


def paths_of(ts, samples) -> kn.Solution:
    return put_together(ts, [kn.Ensemble(np.asarray(row)) for row in samples])


def put_together(ts, distributions: list) -> kn.Solution:
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *distributions)
    return kn.Solution(jnp.asarray(ts, float), stacked, distributions[-1], {}, kn.Result.successful)


@pytest.fixture(scope="module")
def spikes():
    """A uniform density between walls at 2 and 8 that tanh(x - 5) turns into two point masses."""
    grid, ts = kn.Grid(2.0, 8.0, 200), [0.0, 1.0, 2.0, 12.0]
    return solution_of(ts, grid, [exact_masses(np.asarray(grid.faces), t) / 0.03 for t in ts])


@pytest.fixture(scope="module")
def gaussian():
    """N(1, e^-2t), which stays wide enough for its grid until t = 1."""
    grid, ts = kn.Grid(-7.0, 9.0, 200), np.linspace(0.0, 1.0, 11)
    return put_together(ts, [kn.Density.gaussian(1.0, np.exp(-t), grid) for t in ts])


@pytest.fixture(scope="module")
def paths():
    """A hundred particles between the same walls."""
    ts = np.linspace(0.0, 8.0, 9)
    z = np.linspace(-2.5, 2.5, 100)
    return paths_of(ts, np.clip(5.0 + np.arcsinh(np.exp(ts)[:, None] * np.sinh(z)), 2.0, 8.0))


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def notes(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def lightness(colour) -> float:
    return float(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]))


def test_importing_the_library_leaves_matplotlib_alone():
    code = "import sys, kinetic_nde; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_figures_have_the_width_of_columns_and_the_style_stays_inside():
    before = plt.rcParams["font.size"]
    narrow, (ax,) = plotting.figure()
    wide, axes = plotting.figure(columns=2, panels=3, height=2.0)
    assert (narrow.get_figwidth(), wide.get_figwidth(), wide.get_figheight(), len(axes)) == (3.4, 7.0, 2.0, 3)
    assert not ax.spines["top"].get_visible()
    assert ax.xaxis.label.get_size() == 8
    assert plt.rcParams["font.size"] == before
    with pytest.raises(ValueError, match="columns=3"):
        plotting.figure(columns=3)
    with pytest.raises(ValueError, match="panel"):
        plotting.figure(panels=0)


# the evolution of a density


def test_what_a_backend_switches_on_stays_on():
    """In a notebook figures are shown by themselves because the backend, which comes with the first of them, asks for it."""
    with plt.rc_context({"interactive": False}):
        with plotting.style():
            plt.rcParams["interactive"] = True
        assert plt.isinteractive()


def test_evolution_draws_the_averages_from_light_to_dark(gaussian):
    given = plotting.figure()[1][0]
    ax = plotting.plot_evolution(gaussian, given, times=[0.0, 0.5, 1.0], xlabel="depth", ylabel="share")
    assert ax is given
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth", "share")
    assert legend(ax) == ["t = 0", "t = 0.5", "t = 1"]
    np.testing.assert_array_equal(ax.patches[1].get_data().values, gaussian[5].values)
    shades = [lightness(patch.get_edgecolor()) for patch in ax.patches]
    assert shades == sorted(shades, reverse=True)
    assert max(shades) < 0.7  # to be seen on white


def test_evolution_names_up_to_six_of_many_times(gaussian):
    ax = plotting.plot_evolution(gaussian)
    assert len(ax.patches) == 11
    assert legend(ax) == ["t = 0", "t = 0.2", "t = 0.4", "t = 0.6", "t = 0.8", "t = 1"]


def test_evolution_clips_point_masses_and_writes_their_mass(spikes):
    ax = plotting.plot_evolution(spikes)
    assert notes(ax) == ["mass 0.50", "mass 0.50"]
    assert 1 / 6 < ax.get_ylim()[1] < 0.3
    assert float(spikes.final.values[-1]) > 10
    unclipped = plotting.plot_evolution(spikes, clip=False)
    assert notes(unclipped) == []
    assert unclipped.get_ylim()[1] > float(spikes.final.values[-1])


def test_evolution_clips_nothing_that_is_resolved_or_alone(gaussian, spikes):
    for ax, solution in (
        (plotting.plot_evolution(gaussian), gaussian),
        (plotting.plot_evolution(spikes, times=12.0), spikes),
    ):
        assert notes(ax) == []
        assert ax.get_ylim()[1] > float(jnp.max(solution.distributions.values))


def test_evolution_clips_no_rough_data():
    counts = np.random.default_rng(0).poisson(1.0, 300)
    rough = kn.Density(kn.Grid(0.0, 1.0, 300), counts.astype(float))
    ax = plotting.plot_evolution(put_together([0.0], [rough]))
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
        plotting.plot_evolution(jax.tree.map(lambda leaf: leaf[None], gaussian))


# trajectories


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
        [line.get_ydata()[0] for line in plotting.plot_trajectories(each, most=12).lines] for each in (paths, other)
    ]
    assert len(starts[0]) == 12
    assert starts[0] == starts[1]
    assert (starts[0][0], starts[0][-1]) == (2.5, 7.5)


def test_trajectories_of_one_component():
    solution = paths_of([0.0, 1.0], [[[0.0, 5.0], [1.0, 7.0]], [[0.0, 6.0], [1.0, 8.0]]])
    ax = plotting.plot_trajectories(solution, component=1)
    np.testing.assert_allclose([line.get_ydata() for line in ax.lines], [[5.0, 6.0], [7.0, 8.0]])
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
        plotting.plot_trajectories(jax.tree.map(lambda leaf: leaf[None], paths))


# moments


def test_moments_of_a_density_are_those_of_the_closed_form(gaussian):
    ax = plotting.plot_moments(gaussian)
    assert legend(ax) == ["mean", "variance", "energy"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time t", "moment")
    ts = np.asarray(gaussian.ts)
    mean, variance, energy = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(mean, 1.0, rtol=1e-12)
    np.testing.assert_allclose(variance, np.exp(-2 * ts), rtol=1e-3)
    np.testing.assert_allclose(energy, 1 + np.exp(-2 * ts), rtol=1e-3)
    assert len({line.get_linestyle() for line in ax.lines}) == 3  # told apart without colour


def test_moments_by_order_and_in_axes_that_are_there(gaussian, paths):
    ax = plotting.plot_moments(paths, ("mass", 3), log=True)
    np.testing.assert_allclose(ax.lines[1].get_ydata()[-1], (2.0**3 + 8.0**3) / 2)
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
        plotting.plot_moments(jax.tree.map(lambda leaf: leaf[None], gaussian))


# histogram


def test_histogram_has_area_one_under_the_density():
    samples = np.random.default_rng(0).normal(10.0, 2.0, 500)
    density = kn.Density(kn.Grid(0.0, 20.0, 100), np.full(100, 0.05))
    ax = plotting.plot_histogram(
        kn.Ensemble(samples), density, xlabel="depth", unit="km", labels=("500 shocks", "start")
    )
    bars = ax.containers[0].patches
    assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1.0)
    assert 10 < len(bars) < 40
    assert legend(ax) == ["500 shocks", "start"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth (km)", "density (1/km)")
    outline = next(patch for patch in ax.patches if patch not in bars)
    np.testing.assert_array_equal(outline.get_data().values, density.values)


def test_histogram_alone_has_no_legend():
    ax = plotting.plot_histogram([[1.0], [2.0], [2.5]], bins=3)
    assert ax.get_legend() is None
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "density")
    assert len(ax.containers[0].patches) == 3


@pytest.mark.parametrize("samples", [[3.0], [2.0] * 10, [0.0] * 99 + [1e6]], ids=["one", "equal", "outlier"])
def test_histogram_of_odd_data_has_a_sane_number_of_bins(samples):
    assert 5 <= len(plotting.plot_histogram(samples).containers[0].patches) <= 60


def test_histogram_refuses_what_it_cannot_draw():
    for bad in ([], [1.0, np.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="finite samples of shape"):
            plotting.plot_histogram(bad)
    with pytest.raises(ValueError, match="bin"):
        plotting.plot_histogram([1.0, 2.0], bins=0)
