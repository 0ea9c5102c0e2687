"""The benchmarks at tiny sizes: what they write, not how long anything takes."""

from contextlib import redirect_stdout
from io import StringIO

import matplotlib.pyplot as plt
import pytest

from benchmarks import boltzmann, forward, gradient, kinetic, ways
from benchmarks.layouts import LAYOUTS

pytestmark = pytest.mark.slow

TABLES = [
    "Targets",
    "One problem",
    "Batches",
    "Layouts of the hot stage",
    "Two dimensions",
    "Error against time",
    "At equal error",
]


TABLES_OF_BOLTZMANN = ["Targets", "Collisions", "A density beside particles"]


TABLES_OF_NOISE = ["Targets", "Euler and Maruyama", "Law", "To t = 10"]


TABLES_OF_GRADIENTS = ["Targets", "One density", "A batch", "An ensemble", "Two dimensions", "Memory against steps"]


def quick_run(program, out):
    """The report that a quick run of a program prints."""
    printed = StringIO()
    with redirect_stdout(printed):
        assert program.run(["--quick", "--out", str(out)]) == 0
    return printed.getvalue()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder and the printed report of one quick run."""
    out = tmp_path_factory.mktemp("benchmarks") / "new"
    return out, quick_run(forward, out)


@pytest.fixture(scope="module")
def quick_gradient(tmp_path_factory):
    """The same of the gradients."""
    out = tmp_path_factory.mktemp("gradients") / "new"
    return out, quick_run(gradient, out)


def section(report, title):
    """Columns and rows of one table of a report."""
    lines = report.split(f"### {title}\n")[1].split("\n#")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return cells[0], cells[1:]


def check_report(run, name, picture, titles, width):
    """That the folder holds the printed report, with these tables, and a picture that many pixels wide."""
    out, printed = run
    report = (out / name).read_text()
    assert report.strip() == printed.strip()
    assert [line[4:] for line in report.splitlines() if line.startswith("### ")] == titles
    for title in titles:
        columns, rows = section(report, title)
        assert rows
        assert {len(row) for row in rows} == {len(columns)}
    assert {path.name for path in out.iterdir()} == {name, picture}
    assert f"]({picture})" in report
    drawn = plt.imread(out / picture)
    assert drawn.shape[1] == width
    assert drawn[..., :3].std() > 0.03


def test_a_quick_run_writes_its_tables_and_a_picture(quick):
    check_report(quick, "forward.md", "error_against_time.png", TABLES, 2100)


def test_a_quick_run_of_the_gradients_writes_its_tables_and_a_picture(quick_gradient):
    check_report(quick_gradient, "gradient.md", "gradient.png", TABLES_OF_GRADIENTS, 1020)


@pytest.fixture(scope="module")
def quick_kinetic(tmp_path_factory):
    """The same of the kinetic equations."""
    out = tmp_path_factory.mktemp("kinetic") / "new"
    return out, quick_run(kinetic, out)


def test_a_quick_run_of_the_kinetic_equations_writes_its_tables_and_a_picture(quick_kinetic):
    check_report(quick_kinetic, "kinetic.md", "noise.png", TABLES_OF_NOISE, 1020)
    columns, rows = section(quick_kinetic[1], "Targets")
    assert {row[columns.index("target")] for row in rows} == {"at most 1.5", "at most 4", "at least 20"}
    assert rows[-1][-1] == "-"  # 16 cells do not get there
    # 40 particles: not far, but as far as so few are.
    assert all(0 < float(row[2]) < 6 for row in rows if "standard errors" in row[0])


def test_a_quick_run_of_boltzmanns_equations_writes_its_tables_and_a_picture(tmp_path):
    out = tmp_path / "new"
    printed = quick_run(boltzmann, out)
    check_report((out, printed), "boltzmann.md", "boltzmann.png", TABLES_OF_BOLTZMANN, 1020)
    columns, rows = section(printed, "A density beside particles")
    off = {row[0]: float(row[columns.index("m2 off by")]) for row in rows}
    assert 0 < off["PushForward()"] < 1e-3 < off["Collisions()"] < 1


def test_all_ways_are_measured_and_agree(quick_gradient):
    columns, rows = section(quick_gradient[1], "One density")
    assert [row[0] for row in rows] == list(ways.of_densities(1))
    apart = {row[0]: row[columns.index("gradient off by")] for row in rows}
    assert apart.pop(ways.FORWARD) == "-"
    # The equation's gradient is another one than that of the numbers; all others differ by rounding.
    assert 1e-6 < float(apart.pop(ways.TRANSPORT)) < 0.2
    assert max(map(float, apart.values())) < 1e-12


def test_all_layouts_are_in_the_table(quick):
    _, rows = section(quick[1], "Layouts of the hot stage")
    names = [row[0] for row in rows]
    assert names[: len(LAYOUTS)] == list(LAYOUTS)
    assert len(LAYOUTS) >= 3
    assert names[-1].endswith("kept") or names[-1] == "C loop on one core"


def test_the_solvers_solve_the_same_problem(quick):
    columns, rows = section(quick[1], "Error against time")
    errors = {row[0]: float(row[columns.index("L1 error")]) for row in rows}
    assert {"kn.solve in jax.jit", "kn.solve", "diffrax, SSPRK3"} <= set(errors)
    assert errors["kn.solve"] == errors["kn.solve in jax.jit"] == errors["diffrax, SSPRK3"]
    # 24 cells: none is accurate, but none is elsewhere.
    assert max(errors.values()) < 0.5
