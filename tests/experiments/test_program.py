"""The program that runs the experiments: names, verdicts, exit codes, an interrupt."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import (
    __main__ as program,
)
from experiments.numbers import Number, table
from tests.experiments.reports import NAMES, rows


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


def test_an_unknown_name_ends_in_2_with_the_names_in_one_line(tmp_path, capsys):
    assert program.run(["figure3", "figure10", "--out", str(tmp_path / "none")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: unknown experiment figure10; there are: {', '.join(NAMES)}\n"
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_its_exit_code_is_that_of_the_process(tmp_path):
    command = [sys.executable, "-m", "experiments", "figure3", "figure10", "--out", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_folder_that_cannot_be_made_ends_in_2(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, one=lambda out: {})
    (tmp_path / "file").write_text("")
    assert program.run(["--out", str(tmp_path / "file" / "below")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write to ")
    assert error.count("\n") == 1


def test_an_experiment_writes_its_picture_and_its_report(tmp_path, capsys):
    assert program.run(["figure4", "--quick", "--out", str(tmp_path)]) == 0
    assert "all within tolerance" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "figure4.png"}
    found = rows((tmp_path / "report.md").read_text())
    assert len(found) > 3 and {row[5] for row in found} <= {"yes", ""}
