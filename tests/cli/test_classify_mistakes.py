"""What `kinetic-nde classify` says to bad input, and that nothing is left behind."""

import functools
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kinetic_nde.cli import app, classify as computation
from kinetic_nde.cli.folder import FolderError, drafts
from kinetic_nde.cli.report import write_report
from tests.cli.commands import EIGHT, refused, write_table

fails = functools.partial(refused, "classify")


@pytest.fixture
def table(tmp_path):
    """Writes a table and returns its path."""
    return functools.partial(write_table, tmp_path / "table.csv")


@pytest.mark.parametrize(
    "values, options, message",
    [
        (EIGHT, ["--column", "y"], "no column 'y'; its columns are: x"),
        (["1", "two", "3"], ["--column", "x"], "'two' in row 2"),
        (["1", "2", " ", "3"], ["--column", "x"], "blank in row 3"),
        (["1", "2", "inf"], ["--column", "x", "--drop-missing"], "'inf' in row 3"),
        ([], ["--column", "x"], "no rows"),
        ([3.0], ["--column", "x"], "at least two measurements, got 1"),
        ([3.0, 3.0, 3.0], ["--column", "x"], "all 3 measurements are 3"),
        ([1e308, -1e308], ["--column", "x"], "another unit"),
        ([0.0, 1e-300], ["--column", "x"], "another unit"),
        ([1.0, np.nextafter(1.0, 2.0)], ["--column", "x"], "too close"),
        ([2.0, 3.0, 11.0], ["--column", "x"], "3 measurements are too few to find two classes"),
        ([2.0, 3.0, 4.0, 4.5, 10.0, 11.0], ["--column", "x"], "Give a threshold"),
        (EIGHT, ["--column", "x", "--threshold", "9"], "between the smallest and the largest measurement, 1 and 9"),
        (EIGHT, ["--column", "x", "--threshold", "-3"], "got -3"),
        (EIGHT, ["--column", "x", "--threshold", "nan"], "got nan"),
        (EIGHT, ["--column", "x", "--weight", "0"], "weight must be positive and finite, got 0"),
        (EIGHT, ["--column", "x", "--weight", "-1"], "weight must be positive"),
        (EIGHT, ["--column", "x", "--weight", "nan"], "weight must be positive"),
        (EIGHT, ["--column", "x", "--weight", "inf"], "weight must be positive"),
        (EIGHT, ["--column", "x", "--t1", "0"], "t1 must be positive and finite, got 0"),
        (EIGHT, ["--column", "x", "--t1", "-2"], "t1 must be positive"),
        (EIGHT, ["--column", "x", "--t1", "inf"], "t1 must be positive"),
        (EIGHT, ["--column", "x", "--t1", "nan"], "t1 must be positive"),
        (EIGHT * 1e200, ["--column", "x", "--t1", "1e200"], "out of the range of numbers"),
        (EIGHT, ["--column", "x", "--weight", "1e308"], "out of the range of numbers"),
        (EIGHT, ["--column", "x", "--weight", "1e-320"], "out of the range of numbers"),
        (EIGHT, ["--column", "x", "--t1", "1e8"], "from t1 = 12 on nothing moves"),
        (EIGHT, ["--column", "x", "--weight", "heavy"], "--weight"),
        (EIGHT, [], "--column"),
        (EIGHT, ["--column", "x", "--colour", "red"], "--colour"),
    ],
)
def test_bad_input_is_one_line(table, tmp_path, values, options, message):
    assert message in fails(table(values), *options, out=tmp_path / "not" / "made")
    assert not (tmp_path / "not").exists()


def test_files_that_cannot_be_read(tmp_path):
    column, out = ["--column", "x"], tmp_path / "out"
    assert "no such file" in fails(tmp_path / "missing.csv", *column, out=out)
    assert "is a folder" in fails(tmp_path, *column, out=out)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    assert "not a text file" in fails(tmp_path / "picture.png", *column, out=out)
    (tmp_path / "empty.csv").touch()
    assert "is empty" in fails(tmp_path / "empty.csv", *column, out=out)


def test_folders_that_cannot_be_written(table, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("solved before the folder was known to be good")

    monkeypatch.setattr(computation, "solve", never)
    file, column = table(EIGHT), ["--column", "x"]
    assert "a file is in the way" in fails(file, *column, out=file)
    assert "a file is in the way" in fails(file, *column, out=file / "below")
    (tmp_path / "out" / "report.json").mkdir(parents=True)
    assert "report.json: is a folder" in fails(file, *column, out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


@pytest.mark.skipif(not Path("/proc/self").exists() and os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_places(table, tmp_path):
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    place = Path("/proc/self") if os.geteuid() == 0 else place
    assert "cannot be written" in fails(table(EIGHT), "--column", "x", out=place / "out")
    assert "cannot be written" in fails(table(EIGHT), "--column", "x", out=place)


def test_a_solve_that_fails_is_one_line(table, tmp_path, monkeypatch):
    def failing(*args, **kwargs):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(computation, "solve", failing)
    assert "first second" in fails(table(EIGHT), "--column", "x", out=tmp_path / "out")


def test_a_disk_that_fills_up_leaves_earlier_results(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FolderError, match="No space left"), drafts(tmp_path, ["a", "b"]) as draft:
        (draft / "a").write_text("new")
        raise OSError(28, "No space left on device")
    assert (tmp_path / "a").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["a"]


def write(folder, *names, inputs=()):
    with drafts(folder, names, inputs) as draft:
        for name in names[:-1]:
            (draft / name).write_text("new")
        write_report(draft, {}, names)
    return sorted(path.name for path in folder.iterdir())


def test_only_earlier_results_are_removed(tmp_path):
    """What the report of an earlier run names, and is a file of a command: no picture of the same name beside it."""
    for name in ("fit.png", "fits.png"):
        (tmp_path / name).write_text("mine")
    assert write(tmp_path, "history.csv", "report.json") == ["fit.png", "fits.png", "history.csv", "report.json"]
    assert write(tmp_path, "regression.png", "report.json") == ["fit.png", "fits.png", "regression.png", "report.json"]
    (tmp_path / "report.json").write_text('{"name": "another program\'s", "written": ["fits.png"]}')
    assert write(tmp_path, "training.png", "report.json") == [
        "fit.png", "fits.png", "regression.png", "report.json", "training.png"
    ]  # fmt: skip


def test_what_is_read_is_neither_replaced_nor_removed(tmp_path):
    write(tmp_path, "classes.csv", "classification.png", "report.json")
    for names in (("classes.csv", "report.json"), ("fit.png", "report.json")):
        with pytest.raises(
            FolderError, match="classes.csv is read and would be replaced or removed there; give another"
        ):
            write(tmp_path, *names, inputs=[tmp_path / "classes.csv"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.csv", "classification.png", "report.json"]


def test_help():
    for arguments in (["--help"], ["classify", "--help"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0 and result.stderr == "" and "classify" in result.stdout
    for option in ("--column", "--threshold", "--weight", "--t1", "--drop-missing", "--out"):
        assert option in result.stdout
