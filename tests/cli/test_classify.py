"""The command `kinetic-nde classify`, from the table to the files."""

import functools
from pathlib import Path

import numpy as np
import pytest

from kinetic_nde.cli.classify import classify
from kinetic_nde.cli.results import NAMES, draw
from kinetic_nde.cli.table import read_column
from tests.cli.commands import EIGHT, Run, invoke, refused, write_table

DATA = Path(__file__).parents[2] / "experiments" / "data"


def run(file, *options: str, out: Path) -> Run:
    return invoke("classify", file, *options, out=out)


def succeeds(file, *options: str, out: Path) -> Run:
    found = run(file, *options, out=out)
    assert found.code == 0 and found.stderr == ""
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    return found


def classes(found: Run) -> list[int]:
    return [int(label) for *_, label in found.rows("classes.csv")[1:]]


@pytest.fixture
def table(tmp_path):
    """Writes a table and returns its path."""

    return functools.partial(write_table, tmp_path / "table.csv")


@pytest.fixture(scope="module")
def depths():
    return read_column(DATA / "quakes.csv", "depth_km").values


@pytest.fixture(scope="module")
def quakes(tmp_path_factory) -> Run:
    out = tmp_path_factory.mktemp("quakes") / "made" / "results"
    return succeeds(DATA / "quakes.csv", "--column", "depth_km", out=out)


# The main job


def test_the_gap_divides_the_depths(quakes, depths):
    threshold = quakes.report["threshold"]
    assert 300 < threshold < 450
    assert quakes.report["threshold_how"].startswith("the most prominent valley")
    assert quakes.rows("classes.csv")[0] == ["row", "value", "class"] and quakes.report["threshold_kind"] == "valley"
    rows, values, _ = zip(*quakes.rows("classes.csv")[1:], strict=True)
    np.testing.assert_array_equal([float(value) for value in values], depths)
    assert list(map(int, rows)) == list(range(1, 1001))
    np.testing.assert_array_equal(classes(quakes), depths > threshold)
    # As the gap divides them: nothing changes for thresholds across it.
    assert not np.any((depths > threshold - 0.4) & (depths < threshold + 0.4))


def test_the_clusters_of_particles_and_density(quakes, depths):
    report = quakes.report
    particles, density = report["clusters"]["particles"], report["clusters"]["density"]
    below = int(np.sum(depths < report["threshold"]))
    assert [cluster["count"] for cluster in particles] == [below, 1000 - below]
    assert [cluster["mass"] for cluster in particles] == [below / 1000, (1000 - below) / 1000]
    assert [cluster["position"] for cluster in particles] == [40.0, 680.0]
    cell = 640 / report["cells"]
    for sharp, smooth, wall in zip(particles, density, (40.0, 680.0), strict=True):
        assert abs(smooth["position"] - wall) < cell
        assert abs(smooth["mass"] - sharp["mass"]) < 0.01  # what the kernels carry across the threshold
    assert sum(cluster["mass"] for cluster in density) == pytest.approx(1.0, abs=1e-12)
    # Moving the difference in mass from wall to wall is all that is left to do.
    moved = abs(density[0]["mass"] - particles[0]["mass"]) * 640
    assert report["w1"] == pytest.approx(moved, abs=cell)


def test_the_report_tells_the_rest(quakes):
    report = quakes.report
    assert report["file"] == str(DATA / "quakes.csv") and report["column"] == "depth_km"
    assert (report["measurements"], report["dropped"]) == (1000, 0)
    assert (report["exactly_at_threshold"], report["not_at_a_wall"]) == (0, 0)
    assert report["mass_drift"] < 1e-12
    assert all(steps > 10 for steps in report["steps"].values()) and set(report["steps"]) == {"particles", "density"}
    assert 0 < report["seconds"]["density"] < report["seconds"]["total"]
    parameters = report["parameters"]
    assert parameters["activation"] == "tanh"
    assert parameters["standardised"] == {"weight": 1.0, "bias": 0.0, "t1": 12.0}
    # Both networks give each measurement the same velocity.
    centre, scale = parameters["standardisation"]["centre"], parameters["standardisation"]["scale"]
    x = np.array([40.0, 374.0, 680.0])
    network = parameters["file_units"]
    np.testing.assert_allclose(network["weight"] * x + network["bias"], (x - centre) / scale, atol=1e-12)
    assert network["bias"] == pytest.approx(-network["weight"] * report["threshold"])
    assert network["t1"] == pytest.approx(12.0 * scale) and scale == pytest.approx(640 / 6)


def test_the_summary_names_what_was_found_and_written(quakes):
    lines = quakes.stdout.splitlines()
    assert "1000 measurements of depth_km" in lines[0]
    assert "374.58" in lines[1] and "valley" in lines[1]
    assert "583 measurements" in lines[2] and "417 measurements" in lines[3]
    # Where they are, and not where they end, which is the smallest and the largest of all.
    first, second = quakes.report["classes"]
    assert f"from 40 to {first['largest']:g}, mean" in lines[2] and f"to 680, mean {second['mean']:.6g}" in lines[3]
    assert all(str(quakes.folder / name) in lines[4] for name in NAMES)


def test_the_picture_shows_all_three(depths):
    found = classify(depths)
    axes = draw(found, "depth_km").axes
    assert [ax.get_xlabel() for ax in axes] == ["depth_km", "time t (standardised)", "depth_km"]
    assert axes[1].get_ylabel() == "depth_km"
    legend = axes[0].get_legend()
    assert legend is not None and "threshold" in [text.get_text() for text in legend.get_texts()]
    assert axes[1].get_ylim()[0] < 40 and axes[1].get_ylim()[1] > 680
    assert len(found.evolution.ts) == 5
    # Both masses, as the text has them, and clear of the threshold.
    masses = [text for text in axes[2].texts if text.get_text()]
    assert [text.get_text() for text in masses] == [f"mass {cluster.mass:.4f}" for cluster in found.density]
    assert all(text.get_position()[1] > 1 for text in masses)
    # The scheme itself carries next to nothing across the threshold.
    faces = np.linspace(40, 680, 401)
    below = np.interp(
        found.threshold, faces, np.append(0, np.cumsum(np.asarray(found.initial.values) * np.diff(faces)))
    )
    assert found.density[0].mass == pytest.approx(below, abs=1e-4)


@pytest.mark.parametrize(
    "factor", [pytest.param(1000.0, marks=pytest.mark.slow), pytest.param(0.001, marks=pytest.mark.slow), -1.0]
)
def test_units_and_sign_do_not_matter(quakes, depths, table, tmp_path, factor):
    other = succeeds(table(factor * depths), "--column", "x", out=tmp_path / "out")
    assert other.report["threshold"] == pytest.approx(factor * quakes.report["threshold"], rel=1e-12)
    same = classes(quakes) if factor > 0 else [1 - label for label in classes(quakes)]
    assert classes(other) == same
    order = slice(None) if factor > 0 else slice(None, None, -1)
    for kind in ("particles", "density"):
        here, there = quakes.report["clusters"][kind], other.report["clusters"][kind][order]
        for name, unit in (("position", factor), ("mass", 1.0)):
            np.testing.assert_allclose([c[name] for c in there], [unit * c[name] for c in here], rtol=1e-10)
    assert other.report["w1"] == pytest.approx(abs(factor) * quakes.report["w1"], rel=1e-8)


@pytest.mark.slow
def test_without_a_valley_it_is_the_median_and_says_so(tmp_path):
    found = succeeds(DATA / "cars93.csv", "--column", "length_m", out=tmp_path / "out")
    lengths = read_column(DATA / "cars93.csv", "length_m").values
    assert found.report["threshold"] == np.median(lengths)
    assert "median" in found.report["threshold_how"] and "median" in found.stdout
    # The one in the middle stays where it is, and counts as class 1.
    assert found.report["exactly_at_threshold"] == 1 and "1 measurement exactly at the threshold" in found.stdout
    assert classes(found) == [int(length >= np.median(lengths)) for length in lengths]
    assert [cluster["position"] for cluster in found.report["clusters"]["particles"]] == [lengths.min(), lengths.max()]


def test_measurements_at_the_median_are_counted_and_stay(tmp_path):
    """Magnitudes, of which many are the median: they are as many as the depths, for which all is compiled."""
    found = succeeds(DATA / "quakes.csv", "--column", "magnitude", out=tmp_path / "out")
    magnitudes = read_column(DATA / "quakes.csv", "magnitude").values
    median, report = np.median(magnitudes), found.report
    assert report["threshold"] == median
    assert report["threshold_kind"] == "median" and "median" in report["threshold_how"]
    assert found.stdout.startswith("no two classes found")
    at_it = int(np.sum(magnitudes == median))
    assert at_it > 1 and report["exactly_at_threshold"] == at_it and report["not_at_a_wall"] == 0
    assert f"{at_it} measurements exactly at the threshold" in found.stdout
    assert classes(found) == [int(magnitude >= median) for magnitude in magnitudes]
    assert report["clusters"]["particles"][0]["position"] == magnitudes.min()


# Tables and options


@pytest.mark.parametrize("delimiter, mark", [(",", "."), (";", ","), ("\t", ",")])
@pytest.mark.usefixtures("undrawn")
def test_delimiters_and_decimal_marks(table, tmp_path, delimiter, mark):
    rows = [f"a{delimiter}{value}".replace(".", mark) for value in EIGHT]
    found = succeeds(table(rows, f"name{delimiter}my length"), "--column", "my length", out=tmp_path / "out")
    assert found.rows("classes.csv") == [
        ["row", "value", "class"],
        *([str(k), f"{v:g}", str(int(v > 5))] for k, v in enumerate(EIGHT, 1)),
    ]


@pytest.mark.usefixtures("undrawn")
def test_a_threshold_weight_and_time_that_are_given(table, tmp_path):
    options = ["--threshold", "2.2", "--weight", "2", "--t1", "0.5"]
    found = succeeds(table(EIGHT), "--column", "x", *options, out=tmp_path / "out")
    assert (found.report["threshold"], found.report["threshold_how"]) == (2.2, "given")
    assert classes(found) == [0, 0, 0, 1, 1, 1, 1, 1]
    assert found.report["parameters"]["standardised"] == {"weight": 2.0, "bias": 0.0, "t1": 0.5}
    assert found.report["not_at_a_wall"] > 0 and "not yet" in found.stdout


@pytest.mark.usefixtures("undrawn")
def test_rows_without_a_value_can_be_left_out(table, tmp_path):
    file = table(["1,a", "1.5,b", "2,c", ",d", "2.5,e", "7,f", "NA,g", "8,h", "8.5,i", "9,j"], "x,name")
    assert "row 4" in refused("classify", file, "--column", "x", out=tmp_path / "out")
    found = succeeds(file, "--column", "x", "--drop-missing", out=tmp_path / "out")
    assert found.report["dropped"] == 2 and found.report["measurements"] == 8
    assert classes(found) == [0, 0, 0, 0, 1, 1, 1, 1] and "2 without a value left out" in found.stdout
    # By the rows that they stand in the classes join back to the file.
    lines = file.read_text("utf-8").splitlines()
    for row, value, _ in found.rows("classes.csv")[1:]:
        assert lines[int(row)].split(",")[0] == value


@pytest.mark.usefixtures("undrawn")
def test_earlier_results_are_replaced(table, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "classes.csv").write_text("old")
    (out / "notes.txt").write_text("mine")
    (out / "report.json").write_text('{"retrained": true, "written": ["training.png", "notes.txt", "report.json"]}')
    (out / "training.png").write_text("old")
    assert run(table(EIGHT), "--column", "x", out=out).code == 0
    assert (out / "notes.txt").read_text() == "mine" and (out / "classes.csv").read_text() != "old"
    assert not (out / "training.png").exists()


def test_names_of_columns_are_drawn_as_they_stand(table, tmp_path):
    name = r"\cost$_2 in $ and % " + "深" * 50
    succeeds(table(EIGHT, name), "--column", name, out=tmp_path / "out")
    assert (tmp_path / "out" / "classification.png").stat().st_size > 0
