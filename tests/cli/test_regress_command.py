"""What `kinetic-nde regress` says, writes and refuses."""

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import kinetic_nde as kn
from kinetic_nde.cli import regress as command
from kinetic_nde.cli.regress_figure import draw
from kinetic_nde.cli.regress_results import NAMES, Source, apart, report, summary
from tests.cli.commands import invoke, refused

FORBES = Path(__file__).parents[2] / "experiments" / "data" / "forbes.csv"
COLUMNS = ["--x", "boiling_point_F", "--y", "pressure_inHg"]
X, PRESSURE = np.loadtxt(FORBES, delimiter=",", skiprows=1).T
Y = np.log10(PRESSURE)


def linregress(x, y) -> Any:
    return stats.linregress(x, y)


def theilslopes(y, x) -> Any:
    return stats.theilslopes(y, x, method="joint")


@pytest.fixture(scope="module", autouse=True)
def coarse():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "CELLS", 31)
        yield


@pytest.fixture(scope="module")
def forbes(tmp_path_factory):
    open_before = plt.get_fignums()
    folder = tmp_path_factory.mktemp("regress") / "new" / "folder"
    run = invoke("regress", FORBES, *COLUMNS, "--log-y", out=folder)
    assert plt.get_fignums() == open_before
    return run


def write_columns(path, x, y, names="x,y"):
    lines = [names, *(f"{float(a)!r},{float(b)!r}" for a, b in zip(x, y, strict=True))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_forbes_beside_least_squares(forbes):
    """The slope within 2 % and the intercept within 3 %, as stated."""
    assert forbes.code == 0, forbes.stderr
    report, exact, theil = forbes.report, linregress(X, Y), theilslopes(Y, X)
    assert report["slope"]["value"] == pytest.approx(exact.slope, rel=0.02)
    assert report["intercept"]["value"] == pytest.approx(exact.intercept, rel=0.03)
    squares = report["least_squares"]
    np.testing.assert_allclose(
        [squares[name] for name in ("slope", "intercept", "slope_standard_error", "intercept_standard_error")],
        [exact.slope, exact.intercept, exact.stderr, exact.intercept_stderr],
        rtol=1e-8,
    )
    np.testing.assert_allclose(report["theil_sen"]["slope"], theil.slope, rtol=1e-12)
    np.testing.assert_allclose(report["theil_sen"]["intercept"], theil.intercept, rtol=1e-12)
    assert report["theil_sen"]["slope_interval_95"] == pytest.approx([theil.low_slope, theil.high_slope])
    found = kn.regress(X, Y)
    np.testing.assert_allclose(report["covariance"], found.covariance, rtol=1e-9)
    np.testing.assert_allclose(report["intercept"]["interval_95"], found.interval()[1], rtol=1e-9)
    assert report["log_y"] and report["measurements"] == 17 and report["lines"] == 136
    for text in (
        "17 measurements",
        "log10(pressure_inHg) = slope boiling_point_F + intercept",
        "Theil and Sen",
        "201.3",
    ):
        assert text in forbes.stdout


def test_the_density_collapses(forbes):
    collapse = forbes.report["collapse"]
    assert collapse["off_in_spreads"] < 1e-3 and collapse["network"] == "identity"
    line = collapse["slope_and_height_there"]
    assert line[1] == pytest.approx(line[0] * collapse["origin_of_x"] + forbes.report["intercept"]["value"])
    np.testing.assert_allclose(collapse["means"][-1], line, rtol=1e-3)


def test_the_picture_is_one(forbes):
    assert all((forbes.folder / name).stat().st_size > 0 for name in NAMES)
    picture = plt.imread(forbes.folder / "regression.png")
    assert picture.shape[1] == 2100 and picture[..., :3].std() > 0.05


@pytest.mark.usefixtures("undrawn")
def test_outliers_do_not_move_the_medians(tmp_path):
    """Three slips of the decimal point: within 5 % of the slope and the intercept without them, where least squares is not."""
    spoilt = PRESSURE.copy()
    spoilt[[0, 8, 16]] *= 10
    table = write_columns(tmp_path / "t.csv", X, spoilt)
    found = invoke("regress", table, "--x", "x", "--y", "y", "--log-y", "--robust", out=tmp_path / "out")
    assert found.code == 0, found.stderr
    exact, report = linregress(X, Y), found.report
    assert report["slope"]["value"] == pytest.approx(exact.slope, rel=0.05)
    assert report["intercept"]["value"] == pytest.approx(exact.intercept, rel=0.05)
    assert abs(report["least_squares"]["slope"] / exact.slope - 1) > 0.05
    assert abs(report["least_squares"]["intercept"] / exact.intercept - 1) > 0.05
    assert report["estimate"] == "medians" and report["collapse"]["off_in_spreads"] < 1e-3


@pytest.mark.parametrize("robust", [False, True])
def test_any_unit(robust):
    one = command.regress_values(X, Y, robust=robust)
    other = command.regress_values(1e-9 * X, 1e12 * Y, robust=robust)
    np.testing.assert_allclose(other.found.line, one.found.line * (1e21, 1e12), rtol=1e-9)
    np.testing.assert_allclose(other.least_squares[:2], np.array(one.least_squares[:2]) * (1e21, 1e12), rtol=1e-9)
    assert other.drawn.origin == pytest.approx(1e-9 * one.drawn.origin) and apart(other) < 1e-3


def test_the_intercept_is_drawn_where_it_can_be_seen():
    assert command._origin(np.array([1.0, 2.0, 4.0])) == 0.0
    assert command._origin(np.array([-5.0, 4.0])) == 0.0
    assert command._origin(np.array([1000.0, 1003.123, 1010.0])) == pytest.approx(1003.1)


@pytest.mark.parametrize("robust", [False, True])
def test_measurements_that_are_all_equal(robust):
    found = command.regress_values(X, np.full(17, 7.5), robust=robust)
    told = report(found, Source("t.csv", "x", "y"))
    json.dumps(told, allow_nan=False)
    assert told["slope"]["value"] == 0 == told["least_squares"]["slope"] == told["theil_sen"]["slope"]
    assert told["intercept"]["value"] == 7.5 == told["least_squares"]["intercept"]
    assert told["least_squares"]["slope_standard_error"] == 0 and told["collapse"]["off_in_spreads"] < 1e-6
    # No panels of a density that is a point.
    drawing = draw(found, "x", "y")
    assert [ax.get_title("right") for ax in drawing.axes] == ["all lines through pairs are one"]


def test_outliers_on_one_side_do_not_move_the_intercept():
    """Six of 17: of the heights of pairs nearly six in ten are off."""
    random = np.random.default_rng(1)
    x, y = np.arange(17.0), 3.0 * np.arange(17.0) - 2.0 + 0.1 * random.normal(size=17)
    y[random.permutation(17)[:6]] += 800.0
    found = command.regress_values(x, y, robust=True)
    np.testing.assert_allclose(found.found.line, (3.0, -2.0), atol=0.5)
    np.testing.assert_allclose(found.theil_sen[:2], (3.0, -2.0), atol=0.5)
    assert found.found.intercept == pytest.approx(np.median(y - found.found.slope * x))
    assert abs(found.least_squares.intercept + 2.0) > 100


@pytest.mark.parametrize("robust", [False, True])
def test_the_line_as_it_is_printed_reproduces_the_data(robust):
    """Minutes since 1970, a day of them: six digits of the intercept are off by thousands."""
    x = 2.9e7 + 90.0 * np.arange(17)
    y = 1e-3 * (x - 2.9e7) + 0.05 * np.random.default_rng(3).normal(size=17)
    found = command.regress_values(x, y, robust=robust)
    text = summary(found, Source("t.csv", "x", "y"))

    def numbers(pattern):
        match = re.search(pattern, text, re.M)
        assert match is not None
        return np.array(match.groups(), dtype=float)

    for name, exact in (("least squares", linregress(x, y)), ("Theil and Sen", theilslopes(y, x))):
        slope, intercept = numbers(name + r" +slope (\S+) .*intercept ([^\s,]+)")
        np.testing.assert_allclose(slope * x + intercept, exact.slope * x + exact.intercept, atol=1e-3)
    slope, intercept = numbers(r"^slope +(\S+)"), numbers(r"^intercept +(\S+)")
    np.testing.assert_allclose(slope * x + intercept, found.found.predict(x).line, atol=1e-3)
    assert f"heights at {found.drawn.origin:.0f}" in text and found.drawn.origin > 2.9e7


def test_more_rows_than_can_be_compared(monkeypatch):
    monkeypatch.setattr(command, "MOST_ROWS", 9)
    found = command.regress_values(X, Y)
    assert found.compared == 9
    rows = np.sort(np.argsort(X, kind="stable")[[0, 2, 4, 6, 8, 10, 12, 14, 16]])
    assert found.theil_sen.slope == theilslopes(Y[rows], X[rows]).slope


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x,y\n1,2\n1,3\n1,4\n", "", "needs two distinct x, and all 3 are 1"),
        ("x,y\n1,2\n2,3\n", "", "got 2 points"),
        ("x,y\n1,2\n2,0\n3,1\n", "--log-y", "of which row 2 is 0"),
        ("x,y\n1,2\n2,\n3,1\n", "", "--drop-missing leaves such rows out"),
        ("x,y\n1,2\n2,3,4\n3,1\n", "", "has 3 fields, the header has 2"),
        ("x,y\n1,2\n2,inf\n3,1\n", "", "not a finite number"),
        ("x,z\n1,2\n2,3\n3,1\n", "", "has no column 'y'; its columns are: x, z"),
        ("x,y\n1,2e200\n2,3\n3,1\n", "", "take a unit"),
    ],
)
def test_bad_input_is_one_line(tmp_path, text, options, message):
    table = tmp_path / "t.csv"
    table.write_text(text, "utf-8")
    arguments = ("regress", table, "--x", "x", "--y", "y", *options.split())
    assert message in refused(*arguments, out=tmp_path / "not" / "made")


def test_missing_values_and_options(tmp_path):
    assert "name the same column, 'x'" in refused("regress", FORBES, "--x", "x", "--y", "x", out=tmp_path / "out")
    assert "'--y'" in refused("regress", FORBES, "--x", "x", out=tmp_path / "out")
    assert "no such file" in refused("regress", tmp_path / "none.csv", *COLUMNS, out=tmp_path / "out")
