"""A folder for results that appear all at once or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .names import EVERY
from .report import reported_files


class FolderError(ValueError):
    """A folder that cannot be written. The message is one line and names it."""


@contextmanager
def drafts(folder: Path, names: Sequence[str], inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A hidden folder inside `folder`, made if missing, for the files `names`; they move to `folder` as the block ends.

    What an earlier run of any command left there is removed then, so that all files are of one run: the files of commands that
    its report names. All others stay.

    If it ends with an exception nothing is left behind, neither files nor folders that were made for them, and the
    files of earlier runs stay as they were.

    Raises `FolderError`, before the block begins, if the folder cannot be made or written, one of the names is a
    folder, or one of the `inputs` would be replaced or removed; at its end if the files cannot be written after all, on a full disk for example.

    >>> place = Path(tempfile.mkdtemp())
    >>> with drafts(place / "results", ["report.txt"]) as draft:
    ...     _ = (draft / "report.txt").write_text("done")
    >>> sorted(path.name for path in (place / "results").iterdir())
    ['report.txt']
    """
    stale = (reported_files(folder) & EVERY).difference(names)
    for given in inputs:
        if any(
            (folder / name).exists() and given.exists() and given.samefile(folder / name) for name in {*names, *stale}
        ):
            raise FolderError(
                f"{folder}: {given.name} is read and would be replaced or removed there; give another folder"
            )
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
