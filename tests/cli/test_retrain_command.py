"""The command `kinetic-nde retrain`, from the tables to the files."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kinetic_nde.cli import app
from kinetic_nde.cli.compare import compare
from kinetic_nde.cli.retrain_results import ALWAYS, HEADER, RETRAINED
from kinetic_nde.cli.standardise import standardise
from tests.cli.commands import Run, invoke, refused, two_normals

OLD, SAME, NEW = two_normals(0), two_normals(1), 1.2 * two_normals(2) + 4.0

pytestmark = pytest.mark.usefixtures("coarse")


def run(old, new, *options: str, out: Path) -> Run:
    return invoke("retrain", old, new, "--column", "x", *options, out=out)


def succeeds(old, new, *options: str, out: Path, names=RETRAINED) -> Run:
    found = run(old, new, *options, out=out)
    assert found.code == 0 and found.stderr == "", found.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(names) == sorted(found.report["written"])
    assert all(str(out / name) in found.stdout.splitlines()[-1] for name in names)
    return found


@pytest.fixture(scope="module")
def moved(table, tmp_path_factory) -> Run:
    return succeeds(table(OLD), table(NEW), "--updates", "30", out=tmp_path_factory.mktemp("moved") / "out")


# Retraining for the classes


def test_the_new_measurements_end_in_the_old_classes(moved):
    report = moved.report
    assert report["test"]["different"] and report["retrained"] and report["goal"]["kind"] == "classes"
    assert report["test"]["p_value"] < 1e-6 and report["distance"]["w1"] == pytest.approx(4.5, abs=0.5)
    old, new = (report["network"][when]["threshold"] for when in ("before", "after"))
    # Between the two modes, which are at 0 and 6 before and at 4 and 11.2 after.
    assert 2 < old < 4 and 6 < new < 9
    held_out, training = report["held_out"], report["training"]
    assert (held_out["measurements"], training["measurements"]) == (20, 80)
    wanted = report["goal"]["classes"][0]["share"]
    assert wanted == 0.6
    for part in (held_out, training):
        assert part["before"]["classes"][0]["share"] < 0.35
        assert part["after"]["classes"][0]["share"] == pytest.approx(wanted, abs=0.1)
        assert part["after"]["w1_of_measurements"] < 0.4 * part["before"]["w1_of_measurements"]
        assert part["after"]["w2_of_measurements"] >= part["after"]["w1_of_measurements"]
    walls = report["network"]["walls"]
    assert walls == [min(OLD.min(), NEW.min()), max(OLD.max(), NEW.max())]
    positions = [cluster["position"] for cluster in held_out["after"]["classes"]]
    assert positions == pytest.approx(walls, abs=1e-3)


def test_it_starts_from_the_network_of_classify(moved):
    before, found = moved.report["network"]["before"], standardise(OLD)
    assert before["threshold"] == found.threshold
    assert before["weight"] == pytest.approx(1 / found.scale)
    assert before["bias"] == pytest.approx(-found.threshold / found.scale)


def test_the_history_is_in_the_table_and_in_the_report(moved):
    report, rows = moved.report, moved.records("history.csv")
    assert tuple(rows[0]) == HEADER and len(rows) == report["training"]["updates"] + 1 == len(report["history"])
    for text, numbers in zip(rows, report["history"], strict=True):
        assert {name: float(value) for name, value in text.items()} == numbers
        assert numbers["loss"] == pytest.approx(0.5 * numbers["w2_of_density"] ** 2)
        assert numbers["threshold"] == pytest.approx(-numbers["bias"] / numbers["weight"])
    kept = report["history"][report["training"]["kept_update"]]
    assert kept["loss"] == min(row["loss"] for row in report["history"]) < 0.04 * report["history"][0]["loss"]
    assert {name: kept[name] for name in ("weight", "bias", "threshold")} == report["network"]["after"]


def test_the_summary_names_what_was_found(moved):
    text = moved.stdout
    assert "a different distribution" in text and "100 measurements of x" in text
    assert "share of class 0 from" in text and "wanted 60.0% +- 11.0%" in text and "valley" in text
    assert "W2 of the density" in text and "note" not in text
    assert max(map(len, text.splitlines()[:-1])) < 250


@pytest.mark.parametrize("factor", [1000.0, pytest.param(1e-3, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("undrawn")
def test_units_do_not_matter(moved, table, tmp_path, factor):
    found = succeeds(table(factor * OLD), table(factor * NEW), "--updates", "30", out=tmp_path / "out")
    here, there = moved.report, found.report
    for name in ("statistic", "p_value", "different"):
        assert there["test"][name] == here["test"][name]
    assert there["distance"]["p_value"] == here["distance"]["p_value"]
    assert there["distance"]["w1"] == pytest.approx(factor * here["distance"]["w1"])
    for when in ("before", "after"):
        network, other = here["network"][when], there["network"][when]
        assert other["weight"] == pytest.approx(network["weight"] / factor, rel=1e-6)
        assert other["bias"] == pytest.approx(network["bias"], rel=1e-6)
        assert other["threshold"] == pytest.approx(factor * network["threshold"], rel=1e-6)
        for part in ("held_out", "training"):
            shares = [[c["share"] for c in run[part][when]["classes"]] for run in (here, there)]
            assert shares[0] == shares[1]


@pytest.mark.usefixtures("undrawn")
def test_measurements_that_have_moved_far_away(table, tmp_path):
    """None of them is near the old threshold: the loss has a slope only by the background."""
    found = succeeds(table(OLD), table(SAME + 40.0), "--updates", "40", out=tmp_path / "out").report
    assert found["held_out"]["before"]["classes"][0] == {"class": 0, "position": None, "share": 0.0}
    assert found["training"]["after"]["classes"][0]["share"] == pytest.approx(0.6, abs=0.03)
    assert 41.5 < found["network"]["after"]["threshold"] < 45


@pytest.mark.parametrize(
    "rate", [pytest.param("1", marks=pytest.mark.slow), "2.9", pytest.param("6", marks=pytest.mark.slow)]
)
@pytest.mark.usefixtures("undrawn")
def test_classes_in_one_heap_that_moved_farther_than_they_are_wide(table, tmp_path, rate):
    """A step leads across all of them, to where the loss is as flat as it was before."""
    old = np.random.default_rng(3).normal(300.0, 100.0, 100)
    found = succeeds(table(old), table(old + 3000.0), "--learning-rate", rate, out=tmp_path / "out")
    assert "not there" not in found.stdout and found.report["training"]["ended"] == "settled"
    assert found.report["training"]["after"]["classes"][0]["share"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("undrawn")
def test_where_only_the_shares_changed_it_says_so(table, tmp_path):
    shares = np.sort(SAME)[np.r_[0:15, np.arange(60, 100), np.arange(60, 100), 60:65]] + 1e-3 * np.arange(100)
    found = succeeds(table(OLD), table(shares), "--updates", "10", out=tmp_path / "out")
    assert "If it is the shares that changed, use classify" in found.stdout
    assert found.report["goal"]["share_below_valley_of_new"] == pytest.approx(0.15)


@pytest.mark.usefixtures("undrawn")
def test_a_threshold_and_a_seed_that_are_given(moved, table, tmp_path):
    options = ["--threshold", "1", "--seed", "7", "--held-out", "0.2", "--updates", "3", "--learning-rate", "0.01"]
    found = succeeds(table(OLD), table(NEW), *options, out=tmp_path / "out")
    report = found.report
    assert report["network"]["before"]["threshold"] == 1.0 and report["goal"]["threshold_how"] == "given"
    assert report["goal"]["classes"][0]["share"] == np.mean(OLD < 1.0)
    assert report["held_out"]["seed"] == 7 and report["held_out"]["before"] != moved.report["held_out"]["before"]
    assert report["training"]["learning_rate"] == 0.01 and "not there yet: give more --updates" in found.stdout


@pytest.mark.slow
def test_a_learning_rate_that_is_too_large_keeps_the_best(table, tmp_path):
    found = succeeds(table(OLD), table(NEW), "--updates", "4", "--learning-rate", "1e300", out=tmp_path / "out")
    report = found.report
    losses = [row["loss"] for row in report["history"] if row["loss"] is not None]
    assert report["history"][report["training"]["kept_update"]]["loss"] == min(losses)


# Without a difference


def test_nothing_needs_retraining(table, tmp_path):
    found = succeeds(table(OLD), table(SAME), out=tmp_path / "out", names=ALWAYS)
    report = found.report
    assert not report["test"]["different"] and not report["retrained"] and "network" not in report
    assert report["test"]["p_value"] >= 0.05 and "nothing needs retraining" in found.stdout
    assert (
        report["distance"]["w1"]
        < report["distance"]["of_samples_of_one_distribution"]["exceeded_with_probability_level"]
    )


@pytest.mark.usefixtures("undrawn")
def test_the_same_measurements_are_no_mistake(table, tmp_path):
    found = succeeds(table(OLD), table(OLD[::-1]), out=tmp_path / "out", names=ALWAYS)
    assert "nothing needs retraining" in found.stdout and "note       OLD and NEW hold the same" in found.stdout


@pytest.mark.usefixtures("undrawn")
def test_force_retrains_anyway(table, tmp_path):
    found = succeeds(table(OLD), table(SAME), "--force", "--updates", "3", out=tmp_path / "out")
    assert found.report["retrained"] and not found.report["test"]["different"] and "by --force" in found.stdout


@pytest.mark.usefixtures("undrawn")
def test_the_level_decides(table, tmp_path):
    p_value = compare(OLD, SAME).p_value
    found = succeeds(table(OLD), table(SAME), "--level", "0.99", "--updates", "2", out=tmp_path / "out")
    assert 0.05 < p_value < 0.99 and found.report["test"]["different"]


# Retraining for a target


def reached(table, target, out):
    """The distances before and after, of the measurements that are held out."""
    run = succeeds(table(OLD), table(NEW), "--target", str(table(target)), "--updates", "30", out=out)
    found = run.report
    assert (
        f"old        W2 of the density to the target {found['goal']['network_for_old']['w2_of_density']:.4g}"
        in run.stdout
    )
    assert found["goal"]["kind"] == "target" and found["target"]["measurements"] == target.size
    assert found["goal"]["network_for_old"]["w2_of_density"] < 0.5
    assert found["network"]["before"]["threshold"] is None and "classes" not in found["held_out"]["after"]
    spread = np.ptp(np.concatenate([OLD, NEW]))
    before, after = (found["held_out"][when]["w1_of_measurements"] for when in ("before", "after"))
    assert after < 0.03 * spread
    return before, after


# As many as OLD has, for which much is compiled, or another number.
SIZES = [100, pytest.param(50, marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_target(table, tmp_path, size):
    before, after = reached(table, np.random.default_rng(5).normal(3.0, 0.5, size), tmp_path / "out")
    assert after < 0.6 * before


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("size", SIZES)
def test_a_target_that_is_a_point(table, tmp_path, size):
    reached(table, np.full(size, 2.0), tmp_path / "out")


# Tables and folders


@pytest.mark.usefixtures("undrawn")
def test_rows_without_a_value_can_be_left_out(table, tmp_path):
    new = table(["", *map(str, NEW.tolist()), "NA"])
    assert "--drop-missing" in refused("retrain", table(OLD), new, "--column", "x", out=tmp_path / "out")
    found = succeeds(table(OLD), new, "--drop-missing", "--updates", "2", out=tmp_path / "out")
    assert (found.report["new"]["dropped"], found.report["new"]["measurements"]) == (2, 100)
    assert "2 without a value left out" in found.stdout


def test_names_of_columns_are_drawn_as_they_stand(table, tmp_path):
    name = r"\cost$_2 in $ and % " + "深" * 50
    arguments = [
        "retrain",
        str(table(OLD, name)),
        str(table(SAME, name)),
        "--column",
        name,
        "--out",
        str(tmp_path / "out"),
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 0
