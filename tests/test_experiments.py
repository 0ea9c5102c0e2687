"""The experiments on coarse grids, and the program that runs them."""

import csv
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments import __main__ as program, figure4
from experiments.numbers import Number, table

NAMES = ["figure3", "figure4", "figure7"]


def rows(report: str) -> list[list[str]]:
    """The cells of all table rows with a number."""
    lines = [line for line in report.splitlines() if line.startswith("| ") and not line.startswith("| quantity")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The exit code, the folder and what was printed by one quick run of all experiments."""
    out = tmp_path_factory.mktemp("experiments") / "new" / "results"
    printed, open_before = io.StringIO(), plt.get_fignums()
    with redirect_stdout(printed):
        code = program.run(["--quick", "--out", str(out)])
    assert plt.get_fignums() == open_before
    return code, out, printed.getvalue()


def test_a_quick_run_of_all_is_within_tolerance(quick):
    code, out, printed = quick
    assert code == 0
    assert {path.name for path in out.iterdir()} == {"report.md", "table1.csv", *(f"{name}.png" for name in NAMES)}
    lines = printed.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [[f"[{k}/3]", name] for k, name in enumerate(NAMES, start=1)]
    assert all("all within tolerance" in line for line in lines[:3])


def test_the_pictures_are_pictures(quick):
    for name in NAMES:
        picture = plt.imread(quick[1] / f"{name}.png")
        assert picture.shape[1] == 2100  # 7 inches at 300 dots per inch
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
        verdicts = [row[5] for row in found if row[0] == quantity]
        assert verdicts == ["yes"] * 3


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


def test_numbers_judge_themselves():
    assert Number(1.0, 1.1).ok
    assert not Number(float("nan"), 1.0).ok
    assert not Number(float("nan"), 1.0, 0.1).ok
    assert Number(-1e-15, 0.0, 1e-14, at_least=True).ok
    assert not Number(-1e-13, 0.0, 1e-14, at_least=True).ok
    assert Number(7.0, 0.0, 1e-14, at_least=True).difference == 0
    assert rows(table({"a": Number(1.0, 1.5, 0.1), "b": Number(2.0, 1.0)})) == [
        ["a", "1", "1.5", "0.5", "0.1", "no"],
        ["b", "2", "1", "1", "", ""],
    ]


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
    command = [sys.executable, "-m", "experiments", "figure3", "figure5", "--out", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown experiment figure5; there are: figure3, figure4, figure7\n"
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_ends_in_2(monkeypatch, tmp_path, capsys):
    fake(monkeypatch, one=lambda out: {})
    (tmp_path / "file").write_text("")
    assert program.run(["--out", str(tmp_path / "file" / "below")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write to ")
    assert error.count("\n") == 1
