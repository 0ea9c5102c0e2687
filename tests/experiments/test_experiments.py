"""The experiments on coarse grids, and the program that runs them."""

import csv
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from experiments import (
    __main__ as program,
    figure4,
    figure6,
    figure8,
    grazing,
    growing_cosine,
    update_cost,
    update_times,
    updates,
)
from experiments.numbers import Number, table

NAMES = [
    *(
        "figure1",
        "figure2",
        "figure3",
        "figure4",
        "figure5",
        "figure6",
        "figure7",
        "figure8",
        "figure9",
        "growing_cosine",
        "dobrushin",
        "families",
        "fitting",
        "forbes",
        "grazing",
        "self_similar",
        "two_moons",
        "diabetes",
        "steady_plane",
        "coupled_tanh",
    ),
    "update_cost",
]
# One column wide, all others two.
NARROW = {"growing_cosine"}


def rows(report: str) -> list[list[str]]:
    """The cells of all table rows with a number."""
    lines = [line for line in report.splitlines() if line.startswith("| ") and not line.startswith("| quantity")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The exit code, the folder and what was printed by one quick run of all experiments."""
    out = tmp_path_factory.mktemp("experiments") / "new" / "results"
    printed, open_before = io.StringIO(), plt.get_fignums()
    # Most of the time goes into compiling, a sixth of it into faster programs than such small ones need.
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with redirect_stdout(printed):
            code = program.run(["--quick", "--out", str(out)])
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
    assert plt.get_fignums() == open_before
    return code, out, printed.getvalue()


def test_a_quick_run_of_all_is_within_tolerance(quick):
    code, out, printed = quick
    assert code == 0
    tables = {"report.md", "table1.csv", "update_cost.csv", "grazing.csv"}
    pictures = {"coupled_tanh.gif", *(f"{name}.png" for name in NAMES)}
    assert {path.name for path in out.iterdir()} == tables | pictures
    lines = printed.splitlines()[: len(NAMES)]
    assert [line.split()[:2] for line in lines] == [
        [f"[{k}/{len(NAMES)}]", name] for k, name in enumerate(NAMES, start=1)
    ]
    assert all("all within tolerance" in line for line in lines)


def test_the_pictures_are_pictures(quick):
    for name in NAMES:
        picture = plt.imread(quick[1] / f"{name}.png")
        assert picture.shape[1] == (1020 if name in NARROW else 2100)  # 3.4 or 7 inches at 300 dots per inch
        assert picture[..., :3].std() > 0.05


def test_the_report_has_every_number_with_its_verdict(quick):
    report = (quick[1] / "report.md").read_text()
    assert [line[3:] for line in report.splitlines() if line.startswith("## ")] == NAMES
    assert "coarse grids of --quick" in report
    found = rows(report)
    assert len(found) > 20
    assert {len(row) for row in found} == {6}
    assert {row[5] for row in found} == {"yes", ""}
    for quantity in ("smallest cell average, in units of the largest", "mass drift"):
        # Figure 1 has three of each, the families five, figure 6 and what is steady in the plane three, the coupled layers four.
        verdicts = [row[5] for row in found if row[0].endswith(quantity)]
        assert verdicts == ["yes"] * 23


def test_the_printed_bias_of_figure_1_does_not_hold_the_mean_and_the_corrected_one_does(quick):
    report = (quick[1] / "report.md").read_text().partition("## figure1")[2].partition("## figure2")[0]
    computed = {row[0]: float(row[1]) for row in rows(report)}
    assert abs(computed["b = +m1: mean at t = 3"] - 1) < 1e-7
    assert computed["b = -m1, as printed: mean at t = 3, not 1"] < 0.01


def test_the_times_of_figure_2_are_within_one_step(quick):
    report = (quick[1] / "report.md").read_text().partition("## figure2")[2].partition("## figure3")[0]
    apart = [row for row in rows(report) if row[0].endswith("in time steps")]
    assert len(apart) == 4
    assert all(float(row[1]) <= 1 and (row[4], row[5]) == ("1", "yes") for row in apart)


def test_the_classes_of_table_1_are_the_sides_of_5(quick):
    with (quick[1] / "table1.csv").open(newline="") as file:
        vehicles = list(csv.DictReader(file))
    assert len(vehicles) == 50
    for vehicle in vehicles:
        long = float(vehicle["length"]) > 5
        assert (vehicle["class"], vehicle["wall"]) == (("truck", "8") if long else ("car", "2"))


def test_the_exact_masses_of_figure_4():
    faces = np.linspace(2.0, 8.0, 601)
    for t in (0.0, 1.0, 12.0):
        masses = figure4.exact_masses(faces, t)
        assert masses.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(masses, masses[::-1], atol=1e-15)
    # The number that is stated for the figure, which has five digits.
    assert round(figure4.exact_masses(faces, 12.0)[-1], 5) == 0.49999
    # What comes into the last cell is the flux g v at its left face; nothing leaves through the wall.
    rate = (figure4.exact_masses(faces, 1e-6)[-1] - figure4.exact_masses(faces, 0.0)[-1]) / 1e-6
    assert rate == pytest.approx(np.tanh(2.99) / 6, rel=1e-4)


def test_the_closed_forms_of_figure_8_are_those_of_the_package():
    for w, b in ((-0.3, 0.7), (-0.8, 1.1), (0.2, -0.4)):
        mean, std = figure8.exact_mean_and_std(jnp.array([w, b]))
        # The field is linear: the mean goes where the point 1 goes, and the point 2 stays one standard deviation off.
        path = solve_ivp(lambda t, x, w=w, b=b: w * x + b, (0.0, figure8.T1), [1.0, 2.0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(path.y[:, -1], [mean, mean + std], rtol=1e-6)
    parameters = jnp.array([-0.3, 0.7])
    mean, std = figure8.exact_mean_and_std(parameters)
    grid = kn.Grid(-4.0, 6.0, 800)
    g, h = kn.Density.gaussian(mean, std, grid), kn.Density.dirac(figure8.TARGET, grid)
    smoothed = kn.SmoothedL2Loss(h, figure8.BANDWIDTH)(g)
    np.testing.assert_allclose(figure8.smoothed_loss(parameters), smoothed, rtol=1e-3)
    transport = kn.WassersteinLoss(kn.Ensemble([figure8.TARGET]))(g)
    np.testing.assert_allclose(figure8.wasserstein_loss(parameters), transport, rtol=1e-4)


def test_the_exact_updates_of_figure_8_are_the_stated_ones():
    sgd = optax.sgd(figure8.GAMMA)
    means = figure8.exact_updates(figure8.smoothed_loss, sgd, 3)[:, 2]
    np.testing.assert_allclose(means, [1.0, *figure8.STATED], atol=5e-4)
    undivided = figure8.exact_updates(figure8.smoothed_loss, sgd, 3, divided=False)[:, 2]
    np.testing.assert_allclose(undivided, [1.0, *figure8.UNDIVIDED], atol=5e-3)
    # Why Adam's memory is shortened.
    swings = {
        b1: np.abs(figure8.exact_updates(figure8.wasserstein_loss, optax.adam(0.05, b1=b1), 60)[:, 2] - 2)
        for b1 in (0.5, 0.9)
    }
    assert swings[0.5][20:].max() < 0.005 < 0.05 < swings[0.9][20:].max()


def test_the_growing_cosine_clusters_where_and_as_much_as_predicted(quick):
    report = (quick[1] / "report.md").read_text().partition("## growing_cosine")[2].partition("\n## ")[0]
    numbers = {row[0]: (float(row[1]), row[4], row[5]) for row in rows(report)}
    masses = [each for name, each in numbers.items() if name.startswith("mass within 3 cells of cluster")]
    assert len(masses) >= 4 and {each[1:] for each in masses} == {("0.001", "yes")}
    # Masses that anyone could tell apart, all of them on the points.
    computed = np.array([each[0] for each in masses])
    assert np.diff(np.sort(computed)).min() > 0.05 and abs(computed.sum() - 1) < 1e-3
    places = [each for name, each in numbers.items() if name.startswith("place of cluster")]
    cell = (growing_cosine.UPPER - growing_cosine.LOWER) / growing_cosine.QUICK["cells"]
    assert len(places) == len(masses) and {each[1:] for each in places} == {(f"{cell:.2g}", "yes")}
    exact = 5 + np.array([-2.5, -0.5, 0.5, 2.5]) * np.pi
    np.testing.assert_allclose([each[0] for each in places], exact, atol=cell)
    unstable = [each for name, each in numbers.items() if "of the unstable point" in name]
    assert len(unstable) == 3 and max(each[0] for each in unstable) < 1e-3
    assert numbers["time after which all had settled"][0] < growing_cosine.MOST * growing_cosine.SPAN


@pytest.fixture(scope="module")
def retrained(quick):
    """The numbers of figure 8: computed, tolerance and verdict by name."""
    report = (quick[1] / "report.md").read_text().partition("## figure8")[2]
    return {row[0]: (float(row[1]), row[4], row[5]) for row in rows(report)}


def test_retraining_reaches_the_new_target_by_losses_that_feel_where_it_is(retrained):
    assert figure8.QUICK["cells"] >= 400
    for k, stated in enumerate((1.215, 1.535, 1.950), start=1):
        mean, tolerance, verdict = retrained[f"{figure8.SMOOTHED}: mean after update {k}, as stated"]
        assert abs(mean - stated) <= 0.02
        assert (tolerance, verdict) == ("0.02", "yes")
    last = [mean for name, (mean, *_) in retrained.items() if name.startswith(f"{figure8.WASSERSTEIN}: mean after")]
    assert last == [pytest.approx(2.0, abs=0.02)]


def test_retraining_as_printed_does_not_work(retrained):
    """The gradient knows nothing of the target, and after one step all mass is gone and nothing is left to descend."""
    computed = {name.partition(": ")[2]: row[0] for name, row in retrained.items() if name.startswith(figure8.PRINTED)}
    assert computed["dD/dw at the start; exact: without a grid"] < -1
    assert abs(computed["dD/db at the start, in units of dD/dw"]) < 1e-6
    assert computed["change of the gradient by a target at 0, in units of dD/dw"] < 1e-6
    for k in (1, 2):
        assert computed[f"mass on the grid after update {k}"] < 0.01
        assert computed[f"norm of the gradient after update {k}"] < 1e-3
        assert abs(computed[f"mean after update {k}, by the flow map"] - 2) > 1


def test_the_bound_of_theorem_1_holds_and_the_printed_one_does_not(quick):
    report = (quick[1] / "report.md").read_text().partition("## dobrushin")[2].partition("\n## ")[0]
    computed = {row[0]: float(row[1]) for row in rows(report)}
    # Of the identity the bound is attained; what is missing to 1 is the grid's.
    bounds = {name: value for name, value in computed.items() if "bound over W1" in name}
    assert len(bounds) == 4 and min(bounds.values()) > 0.998
    assert bounds["tanh in the plane: bound over W1"] > 1.05
    assert round(computed["tanh(3 x), t = 0.5: growth of W1"], 2) == 4.47
    assert computed["tanh(3 x), t = 0.5: W1 over e^0.5 W1(0), as printed"] > 2.7


def test_noise_drives_to_the_corrected_formulas_and_not_to_the_printed_ones(quick):
    report = (quick[1] / "report.md").read_text().partition("## families")[2].partition("\n## ")[0]
    computed = {row[0]: float(row[1]) for row in rows(report)}
    settled = [value for name, value in computed.items() if "L1 distance to the closed form" in name]
    assert len(settled) == 5 and max(settled) < 1e-6
    assert computed["C9, drift as printed: steady_state refuses"] == 1
    for printed in ("C10, mu = 1 + 2 w / nu^2 as printed", "C11, Pareto on the whole line as printed"):
        assert computed[f"{printed}: L1 distance of the settled density"] > 1
    assert abs(computed["C15, variance at w = -2, b = 1; as printed 1"] - 0.5) < 1e-6


def test_the_grazing_limit_is_of_first_order_and_rule_18_is_near_neither_limit(quick):
    with (quick[1] / "grazing.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    names = grazing.QUICK["names"]
    assert [row["case"] for row in found] == [name for name in names for _ in range(grazing.QUICK["halvings"] + 1)]
    for row in found:
        deterministic, monte_carlo, between, chance, exact = (
            float(row[key]) for key in ("deterministic", "monte_carlo", "between", "sampling_error", "exact")
        )
        assert deterministic == pytest.approx(exact, rel=0.02) and between < 3 * chance
        # At most proportional to eps, down to the sampling error.
        assert monte_carlo < 0.16 * float(row["epsilon"]) + 3 * chance
    report = (quick[1] / "report.md").read_text().partition("## grazing")[2].partition("\n## ")[0]
    numbers = {row[0]: float(row[1]) for row in rows(report)}
    assert all(numbers[f"{name}: order of W1 in eps"] == pytest.approx(1, abs=0.1) for name in names)
    assert numbers["mean field from a point, identity: order of W1 in eps"] == pytest.approx(0.5, abs=0.1)
    # The whole spread of the start is 0.6.
    assert min(value for name, value in numbers.items() if name.startswith("rule (18)")) > 0.14


def test_in_units_of_its_mean_a_distribution_stands_still_spreads_or_settles(quick):
    report = (quick[1] / "report.md").read_text().partition("## self_similar")[2].partition("\n## ")[0]
    numbers = {row[0]: (float(row[1]), row[2]) for row in rows(report)}
    assert numbers["mean field: largest W1 of gbar from the start, particles"][0] < 1e-6
    # exp(0.09) e^{w^2 t} at w = -1/2, t = 2: noise-free layers, and yet it spreads.
    assert float(numbers["rule (18), Monte Carlo: m2 / m1^2 at t = 2"][1]) == pytest.approx(np.exp(0.59), rel=1e-6)
    assert numbers["bias: the same at the start"][0] > 0.2
    assert numbers["bias: W1 of gbar from the inverse Gamma law at t = 8"][0] < 1e-3


def test_the_closed_forms_of_figure_6_are_those_of_the_network_and_of_least_squares():
    law, start = figure6.least_squares_law(), np.array([0.4, -0.2])
    for field in (figure6.CORRECTED, figure6.PRINTED):
        net = field.equation.net
        velocity = lambda t, x, net=net: np.asarray(net(t, jnp.asarray(x)))
        path = solve_ivp(velocity, (0.0, 1.5), start, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(field.points(1.5, start), path.y[:, -1], rtol=1e-6)
        # What is apart from the mean is carried by the same flow.
        apart = field.points(1.5, start + np.array([[1.0, 0.0], [0.0, 1.0]])) - field.points(1.5, start)
        np.testing.assert_allclose(field.covariance(1.5, law), apart.T @ law @ apart, rtol=1e-12)
    # A slope moves by its weight in a measurement, of which the squares add: the textbook's variances, one of them.
    places = figure6.PLACES
    assert law[0, 0] == pytest.approx(1 / np.sum((places - places.mean()) ** 2), rel=1e-12)
    fits = figure6.replicates(3)
    assert fits.shape == (500, 2) and places.size * len(fits) == 5000


def test_figure_6_gathers_at_slope_1_and_as_printed_disperses(quick):
    report = (quick[1] / "report.md").read_text().partition("## figure6")[2].partition("\n## ")[0]
    numbers = {row[0]: float(row[1]) for row in rows(report)}
    off = {
        name: abs(numbers[f"{name}around y = 0.7 x + 0.3: mean slope at t = 2"] - 1) for name in ("", "as printed, ")
    }
    assert off[""] < 0.06 < 0.3 < 2 < off["as printed, "]
    spread = {
        name: numbers[f"{name}around y = 0.7 x + 0.3: variance of the slope at t = 2"] for name in ("", "as printed, ")
    }
    start = figure6.least_squares_law()[0, 0]
    assert spread[""] < 0.1 * start and spread["as printed, "] > 40 * start


def test_what_is_steady_in_the_plane_is_no_sum_of_point_masses(quick):
    report = (quick[1] / "report.md").read_text().partition("## steady_plane")[2].partition("\n## ")[0]
    numbers = {row[0]: (float(row[1]), row[2]) for row in rows(report)}
    rings = [each for name, (each, _) in numbers.items() if "ring from itself" in name]
    assert len(rings) == 2 and rings[1] < 0.6 * rings[0]
    # A density on a quadrant and one on each half line, by far the most of the mass.
    parts = [each for name, (each, _) in numbers.items() if name.startswith("ReLU: mass ") and "drift" not in name]
    assert len(parts) == 4 and sum(parts) == pytest.approx(1.0, abs=1e-3)
    assert numbers["ReLU: mass of the point at the corner"][0] == pytest.approx(0.1945, abs=1e-3)
    assert numbers["ReLU: change of the density where both components are above 0, over its largest value"][0] < 1e-12


def test_coupled_layers_lead_the_density_where_they_lead_particles(quick):
    report = (quick[1] / "report.md").read_text().partition("## coupled_tanh")[2].partition("\n## ")[0]
    numbers = {row[0]: (float(row[1]), row[2], row[4]) for row in rows(report)}
    corners = [each for name, each in numbers.items() if "corner, against particles" in name]
    assert len(corners) == 2 and {each[2] for each in corners} == {"0.002"}
    # Masses that anyone could tell apart, all of them in the corners.
    assert abs(corners[0][0] - corners[1][0]) > 0.2 and corners[0][0] + corners[1][0] > 0.999
    kept = {name: each[0] for name, each in numbers.items() if "over that at the start" in name}
    assert [each < 1 for each in kept.values()] == [True, False]


def test_the_times_of_updates_are_whole(quick):
    """What they are is the machine's business."""
    with (quick[1] / "update_cost.csv").open(newline="") as file:
        found = list(csv.reader(file))[1:]
    sizes, runs = update_cost.QUICK["sizes"], update_cost.QUICK["runs"]
    assert [(int(row[0]), int(row[1])) for row in found] == [(run, size) for run in range(runs) for size in sizes]
    assert all(0 < float(seconds) < 60 for row in found for seconds in row[2:5])
    assert {row[5] for row in found} == {"measured"}


def test_what_an_update_would_take_too_long_for_is_extrapolated(monkeypatch):
    seconds = {100: 1.0, 1000: 30.0}
    taken = []

    def race(runners, repeats):
        taken.extend(runners)
        return {"building": 0.1, "mean field": 0.2, "all": seconds.get(size_of[0], 0.0)}

    size_of = []
    monkeypatch.setattr(update_cost, "race", race)
    real = update_cost.updates.measurements
    monkeypatch.setattr(
        update_cost.updates, "measurements", lambda size, seed: size_of.insert(0, size) or real(min(size, 100), seed)
    )
    found = list(update_cost._rows((100, 1000, 10_000), 2, 1, 100, updates.loss(100)))
    assert [row.source for row in found] == [
        "measured",
        "measured",
        "extrapolated",
        "measured",
        "first run",
        "extrapolated",
    ]
    assert [row.particles for row in found] == [1.0, 30.0, 300.0] * 2
    assert taken.count("all") == 3


def test_chunks_of_particles_give_the_update_of_all():
    # As many cells and measurements as in the quick run, which has compiled the update of all.
    loss, samples = updates.loss(update_cost.QUICK["cells"]), updates.measurements(update_cost.QUICK["sizes"][0], 0)
    (together, value), (chunks, other) = (
        updates.update(updates.start(), kn.Ensemble(samples), loss),
        updates.update_in_chunks(updates.start(), samples, loss, 40),
    )
    np.testing.assert_allclose(other, value, rtol=1e-6)
    np.testing.assert_allclose(jax.tree.leaves(chunks.optimizer), jax.tree.leaves(together.optimizer), rtol=1e-5)


def test_the_crossing_is_interpolated_in_logarithms():
    assert update_times.crossing([10, 100, 1000], [1.0, 1.0, 1.0], [0.01, 0.1, 10.0]) == pytest.approx(10**2.5)
    assert np.isnan(update_times.crossing([10, 100], [1.0, 1.0], [0.01, 0.1]))


def test_numbers_judge_themselves():
    assert Number(1.0, 1.1).ok
    assert not Number(float("nan"), 1.0).ok
    assert not Number(float("nan"), 1.0, 0.1).ok
    assert Number(-1e-15, 0.0, 1e-14, at_least=True).ok
    assert not Number(-1e-13, 0.0, 1e-14, at_least=True).ok
    assert Number(7.0, 0.0, 1e-14, at_least=True).difference == 0
    assert rows(table({"a": Number(1.0, 1.5, 0.1), "b": Number(2.0, 1.0), "c": Number(3.0)})) == [
        ["a", "1", "1.5", "0.5", "0.1", "no"],
        ["b", "2", "1", "1", "", ""],
        ["c", "3", "-", "-", "", ""],
    ]
    assert rows(table({"time": Number(3.0)})) == [["time", "3", "-", "-", "", ""]]


def fake(monkeypatch, **mains) -> None:
    experiments = {
        name: SimpleNamespace(main=main, QUICK={"cells": 3}, __doc__="Fake.") for name, main in mains.items()
    }
    monkeypatch.setattr(program, "EXPERIMENTS", experiments)


def test_a_number_out_of_tolerance_ends_in_1(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, good=lambda out: {"x": Number(1.0, 1.0, 0.1)}, bad=lambda out: {"y": Number(1.0, 2.0, 0.1)})
    assert program.run(["--out", str(tmp_path)]) == 1
    assert "out of tolerance: y" in capsys.readouterr().out
    assert [row[5] for row in rows((tmp_path / "report.md").read_text())] == ["yes", "no"]
    assert program.run(["good", "--out", str(tmp_path)]) == 0


def test_an_interrupt_keeps_what_has_finished(monkeypatch, tmp_path):
    def interrupted(out: Path) -> dict[str, Number]:
        raise KeyboardInterrupt

    fake(monkeypatch, first=lambda out: {"x": Number(1.0, 1.0, 0.1)}, second=interrupted)
    with pytest.raises(KeyboardInterrupt):
        program.run(["--out", str(tmp_path)])
    report = (tmp_path / "report.md").read_text()
    assert [row[0] for row in rows(report)] == ["x"]
    assert os.listdir(tmp_path) == ["report.md"]


def test_names_choose_and_quick_is_passed_on(monkeypatch, tmp_path):
    calls = []

    def main(out: Path, cells: int = 600) -> dict[str, Number]:
        calls.append(cells)
        return {}

    fake(monkeypatch, one=main, two=main)
    assert program.run(["two", "two", "--out", str(tmp_path)]) == 0
    assert program.run(["--quick", "--out", str(tmp_path)]) == 0
    assert calls == [600, 3, 3]


def test_an_unknown_name_ends_in_2_with_the_names_in_one_line(tmp_path):
    command = [sys.executable, "-m", "experiments", "figure3", "figure10", "--out", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: unknown experiment figure10; there are: {', '.join(NAMES)}\n"
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_ends_in_2(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, one=lambda out: {})
    (tmp_path / "file").write_text("")
    assert program.run(["--out", str(tmp_path / "file" / "below")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write to ")
    assert error.count("\n") == 1
