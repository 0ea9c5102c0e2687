"""What `kinetic-nde retrain` says to bad input, and that nothing is left behind."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kinetic_nde.cli import app, retrain as computation, task
from kinetic_nde.cli.standardise import InputError
from tests.cli.commands import refused, two_normals

OLD, SAME, NEW = two_normals(0), two_normals(1), 1.2 * two_normals(2) + 4.0

pytestmark = pytest.mark.usefixtures("coarse")


def fails(old, new, *options: str, out: Path) -> str:
    return refused("retrain", old, new, "--column", "x", *options, out=out)


@pytest.mark.parametrize(
    "old, new, options, message",
    [
        (OLD, [1.0, 2.0, 3.0], [], "at least 5 measurements, got 3"),
        ([1.0], NEW, [], "at least 5 measurements, got 1"),
        (OLD, np.full(9, 2.5), [], "all 9 measurements are 2.5"),
        (np.zeros(7), NEW, [], "all 7 measurements are 0"),
        (OLD, 1000 * NEW, [], "are they in the same unit?"),
        (OLD, NEW * 1e300, [], "choose another unit"),
        (OLD, ["1", "2", "three"], [], "'three' in row 3"),
        (OLD, NEW, ["--updates", "0"], "updates must be at least 1, got 0"),
        (OLD, NEW, ["--updates", "-3"], "updates must be at least 1"),
        (OLD, NEW, ["--updates", "many"], "--updates"),
        (OLD, NEW, ["--held-out", "0"], "held-out must be between 0 and 1, got 0"),
        (OLD, NEW, ["--held-out", "1"], "held-out must be between 0 and 1"),
        (OLD, NEW, ["--held-out", "nan"], "held-out must be between 0 and 1"),
        (OLD, NEW, ["--held-out", "0.98"], "leaves 2 of the 100 measurements"),
        (OLD, NEW[:12], [], "leaves 10 of the 12 measurements"),
        (OLD, NEW, ["--held-out", "0.9"], "to train with, 16 are needed"),
        (OLD, NEW, ["--level", "1.5"], "level must be between 0 and 1, got 1.5"),
        (OLD, NEW, ["--learning-rate", "0"], "learning-rate must be positive and finite, got 0"),
        (OLD, NEW, ["--learning-rate", "inf"], "learning-rate must be positive"),
        (OLD, NEW, ["--seed", "-1"], "seed must not be negative"),
        (OLD, NEW, ["--threshold", "99"], "between the smallest and the largest measurement"),
        (OLD, NEW, ["--threshold", "3", "--target", "any.csv"], "no such file"),
        (OLD, NEW, ["--colour", "red"], "--colour"),
    ],
)
def test_bad_input_is_one_line(table, tmp_path, old, new, options, message):
    assert message in fails(table(old), table(new), *options, out=tmp_path / "not" / "made")
    assert not (tmp_path / "not").exists()


def test_files_that_cannot_be_read(table, tmp_path):
    old, new, out = table(OLD), table(NEW), tmp_path / "out"
    assert "missing.csv: there is no such file" in fails(old, tmp_path / "missing.csv", out=out)
    assert "no column 'x'; its columns are: y" in fails(old, table(NEW, "y"), out=out)
    assert "no column 'x'" in fails(old, new, "--target", str(table(NEW, "y")), out=out)
    assert "standard input can be read once" in fails("-", "-", out=out)
    assert "not both" in fails(old, new, "--target", str(old), "--threshold", "3", out=out)


def test_help_and_usage():
    result = CliRunner().invoke(app, ["retrain", "--help"])
    assert result.exit_code == 0 and result.stderr == ""
    for option in (
        "--column",
        "--target",
        "--level",
        "--force",
        "--updates",
        "--learning-rate",
        "--held-out",
        "--seed",
    ):
        assert option in result.stdout
    result = CliRunner().invoke(app, ["retrain", "old.csv"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_failure_on_the_way_leaves_earlier_results(table, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("old")

    def failing(*args, **kwargs):
        raise InputError("first\nsecond")

    monkeypatch.setattr(computation, "_evaluations", failing)
    assert "first second" in fails(table(OLD), table(NEW), "--updates", "1", out=out)
    assert [path.name for path in out.iterdir()] == ["report.json"] and (out / "report.json").read_text() == "old"


def test_folders_that_cannot_be_written(table, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("solved before the folder was known to be good")

    monkeypatch.setattr(task, "solve", never)
    old, new = table(OLD), table(NEW)
    assert "a file is in the way" in fails(old, new, out=old)
    assert "a file is in the way" in fails(old, table(SAME), out=old)
    (tmp_path / "out" / "history.csv").mkdir(parents=True)
    assert "history.csv: is a folder" in fails(old, new, out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["history.csv"]
