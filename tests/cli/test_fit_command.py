"""What `kinetic-nde fit` says, writes and refuses."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.cli import fit as command
from kinetic_nde.cli.fit import _interval
from kinetic_nde.cli.fit_results import NAMES
from tests.cli.commands import invoke, refused, write_table

RIVERS = Path(__file__).parents[2] / "experiments" / "data" / "rivers.csv"


@pytest.fixture(scope="module")
def rivers(tmp_path_factory):
    """One run on real data, the best of all families."""
    open_before = plt.get_fignums()
    run = invoke("fit", RIVERS, "--column", "length_miles", out=tmp_path_factory.mktemp("fit") / "new" / "folder")
    assert plt.get_fignums() == open_before
    return run


def test_the_rivers_are_an_inverse_gamma(rivers):
    assert rivers.code == 0, rivers.stderr
    found = kn.fit(np.loadtxt(RIVERS, skiprows=1))
    report = rivers.report
    assert report["family"] == "inverse-gamma" and report["count"] == 141
    rows = {row["name"]: row for row in rivers.records("parameters.csv")}
    assert list(rows) == ["mu", "beta", "weight", "bias", "nu"] and rows["nu"]["standard_error"] == ""
    for name, value in {**found.parameters, **found.coefficients}.items():
        told = report["parameters"].get(name) or report["equation"][name]
        np.testing.assert_allclose([told["value"], float(rows[name]["value"])], value, rtol=1e-9)
        if name != "nu":
            np.testing.assert_allclose(float(rows[name]["standard_error"]), found.standard_errors[name], rtol=1e-6)
    np.testing.assert_allclose(report["log_likelihood"], found.log_likelihood)
    assert report["candidates"][0]["family"] == "inverse-gamma" and len(report["candidates"]) == 4
    for text in ("141 measurements of length_miles", "lowest BIC", "nu X dW", "evolution  from uniform on [135, 3710]"):
        assert text in rivers.stdout


def test_the_evolution_ends_in_the_steady_state(rivers):
    distances = rivers.report["evolution"]["distances_to_steady_state"]
    assert distances[0] > 0.5 and distances[-1] < 1e-3 and all(np.diff(distances) < 0)


def test_the_picture_is_one(rivers):
    assert all((rivers.folder / name).stat().st_size > 0 for name in NAMES)
    picture = plt.imread(rivers.folder / "fit.png")
    assert picture.shape[1] == 2100 and picture[..., :3].std() > 0.05


@pytest.mark.usefixtures("undrawn")
def test_the_unit_does_not_matter(rivers, tmp_path):
    """In thousands of miles, as one family and with another nu: a number of samples that has been compiled for."""
    table = write_table(tmp_path / "t.csv", 1e-3 * np.loadtxt(RIVERS, skiprows=1))
    found = invoke("fit", table, "--column", "x", "--family", "Inverse_Gamma", "--nu", 2, out=tmp_path / "out").report
    one = rivers.report
    mu, beta = (found["parameters"][name]["value"] for name in ("mu", "beta"))
    np.testing.assert_allclose(mu, one["parameters"]["mu"]["value"], rtol=1e-6)
    np.testing.assert_allclose(1e3 * beta, one["parameters"]["beta"]["value"], rtol=1e-6)
    np.testing.assert_allclose(found["equation"]["weight"]["value"], 4 * one["equation"]["weight"]["value"], rtol=1e-6)
    times = (each["evolution"]["times"] for each in (found, one))
    np.testing.assert_allclose(4 * np.array(next(times)), next(times), rtol=1e-6)
    distances = (each["evolution"]["distances_to_steady_state"][:-1] for each in (found, one))
    np.testing.assert_allclose(next(distances), next(distances), rtol=1e-3)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("pareto-tail", np.append(np.linspace(1.0, 3.0, 140), 1e6)),
        pytest.param("generalized-gamma", np.abs(np.linspace(-1.0, 3.0, 141) - 0.001) ** 6, marks=pytest.mark.slow),
        ("inverse-gamma", -(np.linspace(1.0, 3.0, 141) ** 3)),
        pytest.param("gaussian", np.linspace(-1e9, 3e9, 141), marks=pytest.mark.slow),
    ],
)
def test_any_family_and_any_data(family, values):
    """Outliers, a density that is infinite at 0, the mirror image, large numbers: what is shown holds most of both."""
    found = command.fit_values(values, family)
    low, high = found.interval
    assert found.shown.size >= 0.8 * 141 and found.distances[-1] < 0.02
    share = found.fit.family.cdf(found.fit.parameters, np.array([low, high]))
    assert np.diff(share)[0] > 0.88
    np.testing.assert_allclose(float(found.steady.mass), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, 2.0, -3.0, 4.0], "--family pareto-tail", "its support is x > 0; 1 of 4 samples is not inside, it is -3"),
        ([1.0, 2.0, 3.0], "--family normal", "there are: gaussian, inverse-gamma, pareto-tail, generalized-gamma"),
        ([1.0, 2.0, 3.0], "--nu 0", "--nu must be a finite number > 0, got 0"),
        ([1.0, 2.0, 3.0], "--nu nan", "--nu must be a finite number > 0"),
        ([2.0, 2.0, 2.0], "", "all 3 samples are 2"),
        ([2.0], "--family gaussian", "there is no distribution to fit"),
        (["1", "inf"], "", "not a finite number"),
        ([1.0, 2.0, 3.0], "--nu x", "--nu"),
        ([1e200, 2e200, 3e200], "", "the largest measurement is 3e+200: take a unit"),
        ([1e-200, 2e-200, 3e-200], "--family inverse-gamma", "the largest measurement is 3e-200: take a unit"),
    ],
)
def test_bad_input_is_one_line(tmp_path, values, options, message):
    table = write_table(tmp_path / "t.csv", values)
    assert message in refused("fit", table, "--column", "x", *options.split(), out=tmp_path / "not" / "made")


def test_a_narrow_distribution_far_from_zero_fills_the_picture():
    values = 3.0 + 0.02 * np.random.default_rng(0).normal(size=30)
    low, high = _interval(values, kn.fit(values, kn.InverseGammaFamily()))
    assert 2.8 < low < values.min() and values.max() < high < 3.2
    # What reaches towards 0 is drawn from there.
    wide = np.exp(np.random.default_rng(0).normal(size=30))
    assert _interval(wide, kn.fit(wide, kn.InverseGammaFamily()))[0] == 0


def test_a_tail_that_the_data_do_not_have_is_not_followed():
    random = np.random.default_rng(1)
    values = np.concatenate([random.normal(40.0, 2.0, 30), random.normal(110.0, 4.0, 30)])
    found = kn.fit(values, kn.ParetoTailFamily())
    assert _interval(values, found)[1] < 1.6 * values.max() < float(found.family.quantile(found.parameters, 0.99))
