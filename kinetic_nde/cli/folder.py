"""A folder for results that appear all at once or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .names import EVERY

REPORT = "report.json"


class FolderError(ValueError):
    """A folder that cannot be written. The message is one line and names it."""


@contextmanager
def drafts(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A hidden folder inside `folder`, made if missing, for the files `names`; they move to `folder` as the block ends.

    What an earlier run of any command left there is removed then, so that all files are of one run: where there is a report,
    the files that commands write by their names. All others stay.

    If it ends with an exception nothing is left behind, neither files nor folders that were made for them, and the
    files of earlier runs stay as they were.

    Raises `FolderError`, before the block begins, if the folder cannot be made or written or one of the names is a
    folder; at its end if the files cannot be written after all, on a full disk for example.

    >>> place = Path(tempfile.mkdtemp())
    >>> with drafts(place / "results", ["report.txt"]) as draft:
    ...     _ = (draft / "report.txt").write_text("done")
    >>> sorted(path.name for path in (place / "results").iterdir())
    ['report.txt']
    """
    made: list[Path] = []
    try:
        with _explained(folder):
            made += [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".kinetic-nde-", dir=folder))
        try:
            for name in names:
                if (folder / name).is_dir():
                    raise FolderError(f"{folder / name}: is a folder, and a file is to be written there")
            with _explained(folder):
                yield draft
                stale = EVERY.difference(names) if (folder / REPORT).is_file() else ()
                for name in names:
                    os.replace(draft / name, folder / name)
                for name in stale:
                    if (folder / name).is_file():
                        (folder / name).unlink()
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except BaseException:
        for path in made:  # the deepest first
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise FolderError(f"{folder}: cannot be a folder for the results, a file is in the way") from error
    except OSError as error:
        raise FolderError(f"{folder}: cannot be written ({error.strerror or error})") from error
