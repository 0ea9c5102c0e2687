"""Fixtures that several files share.

Most of the time of a command goes into its pictures. They are as fine as a user gets them where a fixture of a module
runs the command, and in few pixels within a test.
"""

import functools
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.cli.commands import write_table


@pytest.fixture(autouse=True)
def pictures_in_few_pixels(monkeypatch):
    """After the fixtures of modules, which are made first."""
    monkeypatch.setattr(Figure, "savefig", functools.partialmethod(Figure.savefig, dpi=50))


@pytest.fixture
def undrawn(request, pictures_in_few_pixels, monkeypatch):
    """For numbers and words whose pictures are like those of another test: they are put together, and in the fast lane
    not drawn."""
    if request.node.get_closest_marker("slow"):
        return

    def touch(drawing: Figure, path: Path) -> None:
        path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", touch)


@pytest.fixture(scope="module")
def coarse():
    """The retrain command on a grid of 100 cells."""
    from kinetic_nde.cli import task

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "CELLS", 100)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Writes a table and returns its path."""

    def write(values, header="x"):
        return write_table(tmp_path_factory.mktemp("tables") / "table.csv", values, header)

    return write
