"""The command line as the tests call it."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from typer.testing import CliRunner

from kinetic_nde.cli import app

# The same number of measurements wherever possible: each new one compiles.
EIGHT = np.array([1.0, 1.5, 2.0, 2.5, 7.0, 8.0, 8.5, 9.0])


class Run(NamedTuple):
    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def report(self):
        return json.loads((self.folder / "report.json").read_text("utf-8"))

    def rows(self, name: str) -> list[list[str]]:
        with open(self.folder / name, encoding="utf-8", newline="") as stream:
            return list(csv.reader(stream))

    def records(self, name: str) -> list[dict[str, str]]:
        header, *rows = self.rows(name)
        return [dict(zip(header, row, strict=True)) for row in rows]


def invoke(*arguments: object, out: Path) -> Run:
    result = CliRunner().invoke(app, [*map(str, arguments), "--out", str(out)])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return Run(result.exit_code, result.stdout, result.stderr, out)


def refused(*arguments: object, out: Path) -> str:
    """The message, checked to be one line; and nothing is left behind."""
    existed = out.exists()
    found = invoke(*arguments, out=out)
    assert found.code == 2 and found.stdout == ""
    assert found.stderr.startswith("kinetic-nde: ") and found.stderr.count("\n") == 1 and found.stderr.endswith("\n")
    assert "Traceback" not in found.stderr
    assert out.exists() == existed
    return found.stderr


def write_table(path: Path, values, header: str = "x", separator: str = "\n") -> Path:
    lines = [header, *(v if isinstance(v, str) else repr(float(v)) for v in values)]
    path.write_text(separator.join(lines) + "\n", "utf-8")
    return path


def two_normals(seed: int) -> np.ndarray:
    """Of the same number whatever the seed: each new one compiles."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(0.0, 1.0, 60), random.normal(6.0, 1.0, 40)])[random.permutation(100)]
