"""What `kinetic-nde predict` says, writes and refuses."""

import math

import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.cli.predict import Options, network, predict
from kinetic_nde.cli.predict_figure import draw
from kinetic_nde.cli.predict_results import NAMES
from tests.cli.commands import invoke, refused, write_table

TWO = ["--weight", math.pi / 6, "--bias", -5 * math.pi / 6, "--activation", "growing-cosine"]
VALUES = [1.0, 2.5, 4.9, 5.1, 6.0, 7.0, 9.0, 20.0]


def test_two_clusters(tmp_path):
    """The growing cosine that has its stable zeros at 2 and 8 in the paper; nothing is between 5 and itself."""
    found = invoke("predict", *TWO, "--data", write_table(tmp_path / "t.csv", VALUES), "--column", "x", out=tmp_path)
    assert found.code == 0, found.stderr
    by_point = {round(float(row["point"]), 6): row for row in found.records("steady_states.csv")}
    assert {by_point[2.0]["stability"], by_point[8.0]["stability"], by_point[5.0]["stability"]} == {
        "stable",
        "unstable",
    }
    assert float(by_point[2.0]["mass"]) == 3 / 8 and float(by_point[8.0]["mass"]) == 4 / 8
    assert float(by_point[5.0]["mass"]) == 0.0
    np.testing.assert_allclose(float(by_point[8.0]["eigenvalue"]), -math.pi / 6 * math.pi / 2, rtol=1e-12)
    total = sum(float(row["mass"]) for row in by_point.values())
    data = found.report["measurements"]
    assert total + data["rests_on_continua"] + data["leaves_below"] + data["leaves_above"] == pytest.approx(1.0)
    assert found.report["growth_rate_of_distances"] is None  # the growing cosine has no Lipschitz constant
    assert all((found.folder / name).stat().st_size > 0 for name in NAMES)
    assert "8 measurements of x" in found.stdout and "half of the way" in found.stdout


@pytest.mark.usefixtures("undrawn")
def test_identity_moments_are_those_of_the_formula(tmp_path):
    table = write_table(tmp_path / "t.csv", VALUES)
    options = ["--weight", -0.5, "--bias", 1.0, "--activation", "identity", "--share", 0.25]
    found = invoke("predict", *options, "--data", table, "--column", "x", out=tmp_path).report["moments"]
    assert found["time_to_share_of_variance"] == pytest.approx(math.log(4))
    t = np.array(found["times"])
    np.testing.assert_allclose(found["mean"], 2 + (np.mean(VALUES) - 2) * np.exp(-0.5 * t), rtol=1e-12)
    np.testing.assert_allclose(found["variance"], np.var(VALUES) * np.exp(-t), rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_do_not_matter(factor):
    one = predict(Options(0.8, -3.0, "tanh", lower=-4.0, upper=11.0), np.array(VALUES))
    other = predict(
        Options(0.8 / factor, -3.0, "tanh", lower=-4.0 * factor, upper=11.0 * factor), factor * np.array(VALUES)
    )
    np.testing.assert_allclose(other.states.points, factor * one.states.points, rtol=1e-12)
    np.testing.assert_array_equal(other.states.masses, one.states.masses)
    np.testing.assert_allclose(other.growth * factor, one.growth, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--weight 1 --bias -5 --activation sigmoid", "no isolated steady state"),
        ("--weight 0 --bias 0 --activation identity", "every x in"),
        ("--weight -2 --bias 1 --activation relu", "also: "),
        ("--weight 1 --bias 0 --activation Generalized_Gamma --delta 0.5 --scale 3", "3  "),
        ("--weight 0 --bias 1 --activation tanh", "no isolated steady state in [-1, 1]"),
    ],
)
def test_without_measurements(tmp_path, options, expected):
    found = invoke("predict", *options.split(), out=tmp_path / "new" / "folder")
    assert found.code == 0, found.stderr
    assert expected in found.stdout
    assert "measurements" not in found.report and "moments" not in found.report


def test_the_picture_has_a_panel_for_what_is_known():
    counts = [
        len(draw(predict(Options(w, 1.0, name), values), "x").axes)
        for w, name, values in (
            (1.0, "sigmoid", None),
            (1.0, "sigmoid", np.array(VALUES)),
            (-1.0, "tanh", np.array(VALUES)),
            (-1.0, "identity", np.array(VALUES)),
            (-1.0, "identity", np.array([3.0, 3.0])),
        )
    ]
    # A histogram with clusters has a second axis for their masses.
    assert counts == [1, 2, 3, 4, 3]


def test_names_are_those_of_the_library():
    for name, expected in (("relu", kn.ReLU()), ("Growing_Cosine", kn.GrowingCosine()), ("identity", kn.Identity())):
        assert network(Options(1.0, 0.0, name)).activation == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--weight nan --bias 1 --activation tanh", "--weight must be a finite number"),
        ("--weight 1 --bias inf --activation tanh", "--bias must be a finite number"),
        ("--weight 1 --bias 1 --activation cosine", "there are: identity, relu, sigmoid"),
        ("--weight 1 --bias 1 --activation tanh --data nowhere.csv", "belong together"),
        ("--weight 1 --bias 1 --activation tanh --column x", "belong together"),
        ("--weight 1 --bias 1 --activation tanh --data nowhere.csv --column x", "nowhere.csv"),
        ("--weight 1 --bias 1 --activation tanh --lower 3 --upper 2", "from 3 to 2 is empty"),
        ("--weight 1 --bias 1 --activation tanh --lower nan", "--lower must be a finite number"),
        ("--weight 1 --bias 1 --activation generalized-gamma --delta 0.5", "--scale is missing"),
        ("--weight 1 --bias 1 --activation generalized-gamma --delta 2 --scale 1", "0 < delta < 1"),
        ("--weight 1 --bias 1 --activation tanh --delta 0.5", "of generalized-gamma only"),
        ("--weight 1 --bias 1 --activation identity --share 1", "--share must lie between 0 and 1"),
        ("--weight 1 --activation identity", "--bias"),
    ],
)
def test_bad_input_is_one_line(tmp_path, options, message):
    assert message in refused("predict", *options.split(), out=tmp_path / "not" / "made")
