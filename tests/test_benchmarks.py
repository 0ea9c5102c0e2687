"""The benchmark at tiny sizes: what it writes, not how long anything takes."""

import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO

import matplotlib.pyplot as plt
import numpy as np
import oracles
import pytest

import kinetic_nde as kn
from benchmarks import accuracy, c_loop, forward, problem
from benchmarks.layouts import LAYOUTS, arguments, steps_of
from benchmarks.table import Table

TABLES = [
    "Targets",
    "One problem",
    "Batches",
    "Layouts of the hot stage",
    "Error against time",
    "At equal error",
]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder and the printed report of one quick run."""
    out = tmp_path_factory.mktemp("benchmarks") / "new"
    printed = StringIO()
    with redirect_stdout(printed):
        assert forward.run(["--quick", "--out", str(out)]) == 0
    return out, printed.getvalue()


def section(report, title):
    """Columns and rows of one table of a report."""
    lines = report.split(f"### {title}\n")[1].split("\n#")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return cells[0], cells[1:]


def test_a_quick_run_writes_its_tables_and_a_picture(quick):
    out, printed = quick
    report = (out / "forward.md").read_text()
    assert report.strip() == printed.strip()
    assert [line[4:] for line in report.splitlines() if line.startswith("### ")] == TABLES
    for title in TABLES:
        columns, rows = section(report, title)
        assert rows
        assert {len(row) for row in rows} == {len(columns)}
    assert {path.name for path in out.iterdir()} == {"forward.md", "error_against_time.png"}
    picture = plt.imread(out / "error_against_time.png")
    assert picture.shape[1] == 2100
    assert picture[..., :3].std() > 0.03


def test_all_layouts_are_in_the_table(quick):
    _, rows = section(quick[1], "Layouts of the hot stage")
    names = [row[0] for row in rows]
    assert names[: len(LAYOUTS)] == list(LAYOUTS)
    assert len(LAYOUTS) >= 3
    assert names[-1].endswith("kept") or names[-1] == "C loop on one core"


def test_all_layouts_give_the_same_numbers():
    averages, wind, dt = arguments(24)
    # From a block, so that the clip is at work.
    block = np.where(np.abs(np.arange(24) - 12) < 4, np.asarray(averages).max(), 0.0)
    after = [np.asarray(steps_of(layout)(block, wind, dt, 10)) for layout in LAYOUTS.values()]
    np.testing.assert_allclose(after, [after[0]] * len(after), rtol=0, atol=1e-14 * block.max())
    assert after[0].min() >= 0


def test_the_solvers_solve_the_same_problem(quick):
    columns, rows = section(quick[1], "Error against time")
    errors = {row[0]: float(row[columns.index("L1 error")]) for row in rows}
    assert {"kn.solve in jax.jit", "kn.solve", "diffrax, SSPRK3"} <= set(errors)
    assert errors["kn.solve"] == errors["kn.solve in jax.jit"] == errors["diffrax, SSPRK3"]
    # 24 cells: none is accurate, but none is elsewhere.
    assert max(errors.values()) < 0.5


def test_the_closed_form_is_that_of_the_other_tests():
    exact = oracles.averages(kn.Tanh(), problem.WEIGHT, problem.BIAS, problem.T1, problem.grid(200))
    assert problem.error_of_averages(exact) < 1e-13
    # Values at the centers are averages up to second order.
    assert 1e-5 < problem.error_of_values(exact) < 1e-3


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_c_loop_converges_and_leaves_its_input_alone():
    loop = c_loop.CLoop()
    errors = []
    for cells in (100, 200):
        at, averages = problem.nodes(cells), problem.initial_averages(cells)
        before = averages.copy()
        out = loop(averages, problem.velocity(at.faces), at.width, problem.T1 / at.steps, at.steps)
        assert np.array_equal(averages, before)
        assert abs(out.sum() - averages.sum()) * at.width < 1e-13
        errors.append(problem.error_of_averages(out))
    assert 2.7 < np.log2(errors[0] / errors[1]) < 3.5
    # Loading it has not switched denormal numbers off.
    assert sys.float_info.min / 2 > 0
    with pytest.raises(ValueError, match=r"cells \+ 1 velocities"):
        loop(np.ones(5), np.ones(5), 0.1, 0.01, 1)


def test_without_a_compiler_the_c_loop_is_skipped_with_a_message(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    loop, message = c_loop.c_loop()
    assert loop is None
    assert "no C compiler" in message


def test_time_at_equal_error_is_interpolated_in_logarithms():
    points = {
        "ours": {100: (1e-2, 1e-3, 10), 200: (1e-4, 1e-2, 20)},
        "theirs": {100: (1e-2, 1e-2, 10), 200: (1e-3, 1.0, 20)},
    }
    table = accuracy.at_equal_error(points, (1e-3, 1e-5))
    assert isinstance(table, Table)
    np.testing.assert_allclose(np.array(table.column("1e-03"), float), [1e3 * 10**-2.5, 1e3])
    np.testing.assert_allclose(np.array(table.column("ratio, 1e-03"), float), [1.0, 10**2.5])
    assert table.column("1e-05") == [None, None]


def test_a_folder_that_cannot_be_made_is_one_line_and_exit_code_2(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert forward.run(["--quick", "--out", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
