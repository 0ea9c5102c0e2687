"""What `kinetic-nde regress` says, writes and refuses."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import kinetic_nde as kn
from kinetic_nde.cli import regress as command
from kinetic_nde.cli.regress_results import NAMES, apart
from tests.cli.commands import invoke, refused

FORBES = Path(__file__).parents[2] / "experiments" / "data" / "forbes.csv"
COLUMNS = ["--x", "boiling_point_F", "--y", "pressure_inHg"]
X, PRESSURE = np.loadtxt(FORBES, delimiter=",", skiprows=1).T
Y = np.log10(PRESSURE)


def linregress(x, y) -> Any:
    return stats.linregress(x, y)


def theilslopes(y, x) -> Any:
    return stats.theilslopes(y, x)


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
