"""Columns of numbers out of a table in a text file."""

import unicodedata
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np

from .numerals import decimal_marks, is_missing, is_number, numbers
from .records import TableError as TableError, display_name as display_name, read_records, table_error

_LISTED = 20  # column names that an error message lists


class Column(NamedTuple):
    """The numbers of one column, in the file's order.

    `values` is a float64 array; `rows` are the numbers of the rows that they stand in, 1 for the first row below the
    header; `dropped` is how many rows were left out because a value was missing.
    """

    name: str
    values: np.ndarray
    rows: np.ndarray
    dropped: int


def read_column(path: str | PathLike[str], name: str, drop_missing: bool = False) -> Column:
    r"""The column `name` of a delimited text file; `read_columns` for one column.

    **Raises** `TableError` as `read_columns` does.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "cars.csv"
    >>> _ = file.write_text("make;length_m\nAcura;4,5\nAudi;4,57\n")
    >>> read_column(file, "length_m").values
    array([4.5 , 4.57])
    """
    return read_columns(path, [name], drop_missing)[0]


def read_columns(path: str | PathLike[str], names: Sequence[str], drop_missing: bool = False) -> tuple[Column, ...]:
    r"""Columns of a delimited text file, or of standard input if `path` is "-", with one entry per row that is kept: the
    columns stay aligned.

    The file is UTF-8 (or UTF-16 with a byte order mark), its first line names the columns; comment lines that begin with
    `#`, and Excel's line `sep=;`, may stand above it. The delimiter is a comma, a semicolon or a tab: the one that divides
    most rows like the header. Names agree if they look the same, however their accents are encoded. Fields may be quoted,
    blanks around a number do not count. Blank lines are passed over, except within a table of one column, where they are
    missing values.

    With a semicolon or a tab the decimal mark is a point or a comma, one of the two in a whole column. There is no mark for
    thousands: `1.234,5` and `1 234` are errors, and so is a column whose marks may be either, as in `812` and `1.020`,
    where no other column shows by a `0.25` what the mark is for.

    A value is missing if it is blank, a dash or two, `?`, NA, N/A, n.a., NaN, NaT, null, None, `<NA>`, or an error of a
    spreadsheet as `#VALUE!`. Rows that miss one of the columns asked for are an error; with `drop_missing` they are left
    out and counted.

    **Raises** `TableError`

    * if the file does not exist, is a folder, cannot be read, is not text or is empty;
    * if it has no column of that name (the message lists the columns) or several;
    * if it has no rows, or none are left after dropping;
    * if a row has more or fewer fields than the header;
    * if a value of the columns asked for is missing, not a number or not finite, or may be one of two numbers. The message
      says which row, and what was found. Text and infinities are errors with `drop_missing` too: they are not missing.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "water.csv"
    >>> _ = file.write_text("boiling,pressure\n194.5,20.79\n194.3,\n197.9,22.4\n")
    >>> boiling, pressure = read_columns(file, ["boiling", "pressure"], drop_missing=True)
    >>> boiling.values, pressure.values, pressure.rows, pressure.dropped
    (array([194.5, 197.9]), array([20.79, 22.4 ]), array([1, 3]), 1)
    """
    header, rows, delimiter = read_records(path)
    header = [_composed(field) for field in header]
    wanted = [_find_column(path, header, name) for name in names]
    kept = []
    for row in rows:
        missing = [index for index in wanted if is_missing(row.fields[index])]
        if not missing:
            kept.append(row)
        elif not drop_missing:
            found = row.fields[missing[0]]
            what = f"is {found!r}" if found else "is blank"
            message = f"column {header[missing[0]]!r} {what} in {row}; --drop-missing leaves such rows out"
            raise table_error(path, message)
    if not kept:
        what = "every row misses a value, none are left" if rows else "has no rows below the header"
        raise table_error(path, what)
    places = np.array([row.number for row in kept])
    columns, decimal = [], decimal_marks(rows)
    for index in wanted:
        fields = [(row, row.fields[index]) for row in kept]
        values = numbers(path, header[index], fields, delimiter, len(header) == 1, decimal)
        columns.append(Column(header[index], values, places, len(rows) - len(kept)))
    return tuple(columns)


def _composed(name: str) -> str:
    """A name with its accents in the letters: a letter and an accent look the same as one character for both."""
    return unicodedata.normalize("NFC", name)


def _find_column(path: str | PathLike[str], header: list[str], name: str) -> int:
    wanted = _composed(name.strip())
    count = header.count(wanted)
    if count == 1:
        return header.index(wanted)
    if count > 1:
        raise table_error(path, f"has {count} columns named {name!r}")
    listed = ", ".join(header[:_LISTED]) + (f" and {len(header) - _LISTED} more" if len(header) > _LISTED else "")
    hint = ""
    if all(is_number(field) for field in header):
        hint = "; the first line must name the columns"
    elif len(header) == 1 and len(header[0].replace("|", " ").split()) > 1:
        hint = "; columns are divided by , ; or tabs"
    raise table_error(path, f"has no column {name!r}; its columns are: {listed}{hint}")
