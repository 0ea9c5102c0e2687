"""The report that every command leaves beside its results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .names import REPORT


def write_report(folder: Path, content: dict[str, Any], names: Sequence[str]) -> None:
    """Writes `content`, and the names of all files of the run, by which the next one knows what it may remove. `OSError` if
    it cannot be written."""
    text = json.dumps({**content, "written": list(names)}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")


def reported_files(folder: Path) -> set[str]:
    """The names that the report in a folder gives; none where there is no report, or one that something else wrote.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> write_report(place, {"slope": 2.0}, ["regression.png", "report.json"])
    >>> sorted(reported_files(place))
    ['regression.png', 'report.json']
    """
    try:
        written = json.loads((folder / REPORT).read_text(encoding="utf-8"))["written"]
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    return {name for name in written if isinstance(name, str)} if isinstance(written, list) else set()
