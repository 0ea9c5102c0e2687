"""Fixtures that several files share."""

import pytest


@pytest.fixture(scope="module")
def coarse():
    """The retrain command on a grid of 100 cells."""
    from kinetic_nde.cli import task

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "CELLS", 100)
        yield
