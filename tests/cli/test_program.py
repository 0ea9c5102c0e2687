"""The command `kinetic-nde` as a program: what it switches on, and errors of usage."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinetic_nde.cli import app
from tests.cli.commands import EIGHT, Run, write_table

ROOT = Path(__file__).parents[2]

# Runs the command with another computation, which says what is switched on and ends it.
PROGRAM = """
import runpy, sys, kinetic_nde.cli, jax
print(jax.config.jax_enable_x64, "matplotlib" in sys.modules)
import kinetic_nde.cli.classify as computation
from kinetic_nde.cli.standardise import InputError
def tell(*arguments, **options):
    print(jax.config.jax_enable_x64)
    raise InputError("no more")
computation.classify = tell
runpy.run_module("kinetic_nde.cli", run_name="__main__")
"""


@pytest.mark.slow
def test_importing_switches_nothing_on_and_running_switches_float64_on(tmp_path):
    """In a process of its own: in this one all is switched on already."""
    table = write_table(tmp_path / "table.csv", EIGHT)
    arguments = ["classify", str(table), "--column", "x", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.split() == ["False", "False", "True"], result.stderr
    assert (result.returncode, result.stderr) == (2, "kinetic-nde: no more\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_whole_run_in_a_process_of_its_own(tmp_path):
    file, out = write_table(tmp_path / "table.csv", EIGHT + 1e9), tmp_path / "out"
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "kinetic_nde",
        "classify",
        str(file),
        "--column",
        "x",
        "--out",
        str(out),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    found = Run(0, "", "", out)
    assert found.report["clusters"]["particles"][0]["position"] == 1e9 + 1
    labels = [int(label) for *_, label in found.rows("classes.csv")[1:]]
    assert labels == [0, 0, 0, 0, 1, 1, 1, 1] and found.report["mass_drift"] < 1e-13


@pytest.mark.parametrize("arguments", [[], ["classify"], ["classfy"], ["--versions"]])
def test_errors_of_usage(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("kinetic-nde: ") and result.stderr.count("\n") == 1
    assert "?." not in result.stderr and result.stderr.endswith(" --help\n")


def test_the_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"kinetic-nde {version('kinetic-nde')}\n")


# Ctrl-C where a module is imported.
INTERRUPTED = """
import runpy, sys
module, imported = sys.argv[1:]
class Stop:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == imported:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop)
sys.argv = ["kinetic-nde", "classify", "table.csv", "--column", "x"]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module, imported", [("kinetic_nde", "typer"), ("kinetic_nde.cli", "kinetic_nde.cli.table")])
def test_an_interrupt_while_it_is_imported_is_one_line(module, imported):
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, imported], capture_output=True, text=True, cwd=ROOT
    )
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr == "kinetic-nde: interrupted; nothing written\n"


def test_importing_the_package_or_asking_for_help_loads_no_jax():
    script = "import sys, kinetic_nde, kinetic_nde.cli; kinetic_nde.cli.app; print('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "False\n", run.stderr


def test_the_function_of_a_module_of_its_name_is_public():
    """The import of `kinetic_nde.solve` must not put the module in the place of the function."""
    script = "import kinetic_nde.solve, kinetic_nde as kn; print(kn.solve is sys.modules['kinetic_nde.solve'].solve)"
    run = subprocess.run([sys.executable, "-c", f"import sys; {script}"], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "True\n", run.stderr
