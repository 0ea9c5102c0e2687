"""Columns of numbers out of a table in a text file."""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

_DELIMITERS = (",", ";", "\t")
_SAMPLE = 100  # records that the delimiter is judged by
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})
# Not float(): it takes 1_000 and digits of other scripts, which nobody means in a table of measurements.
_POINT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_LISTED = 20  # column names that an error message lists


class TableError(ValueError):
    """A table that cannot be used. The message is one line and names the file."""


class Column(NamedTuple):
    """The numbers of one column, in the file's order.

    `values` is a float64 array; `rows` are the numbers of the rows that they stand in, 1 for the first row below the
    header; `dropped` is how many rows were left out because a value was missing.
    """

    name: str
    values: np.ndarray
    rows: np.ndarray
    dropped: int


class _Row(NamedTuple):
    number: int
    line: int
    fields: list[str]

    def __str__(self) -> str:
        return f"row {self.number} (line {self.line} of the file)"


def read_column(path: str | PathLike[str], name: str, drop_missing: bool = False) -> Column:
    r"""The column `name` of a delimited text file; `read_columns` for one column.

    **Raises** `TableError` as `read_columns` does.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "cars.csv"
    >>> _ = file.write_text("make;length_m\nAcura;4,496\nAudi;4,572\n")
    >>> read_column(file, "length_m").values
    array([4.496, 4.572])
    """
    return read_columns(path, [name], drop_missing)[0]


def read_columns(path: str | PathLike[str], names: Sequence[str], drop_missing: bool = False) -> tuple[Column, ...]:
    r"""Columns of a delimited text file, with one entry per row that is kept: the columns stay aligned.

    The file is UTF-8 (or UTF-16 with a byte order mark), its first line names the columns. The delimiter is a comma,
    a semicolon or a tab: the one that divides most rows like the header. With a semicolon or a tab the decimal mark
    is a point or a comma, one of the two in a whole column; there is no mark for thousands, so `1.234,5` is an error.
    Fields may be quoted, blanks around a number do not count. Blank lines are passed over, except within a table of
    one column, where they are missing values.

    A value is missing if it is blank, NA, N/A, NaN, null or None. Rows that miss one of the columns asked for are an
    error; with `drop_missing` they are left out and counted.

    **Raises** `TableError`

    * if the file does not exist, is a folder, cannot be read, is not text or is empty;
    * if it has no column of that name (the message lists the columns) or several;
    * if it has no rows, or none are left after dropping;
    * if a row has more or fewer fields than the header;
    * if a value of the columns asked for is missing, not a number or not finite. The message says which row, and what
      was found. Text and infinities are errors with `drop_missing` too: they are not missing.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "water.csv"
    >>> _ = file.write_text("boiling,pressure\n194.5,20.79\n194.3,\n197.9,22.4\n")
    >>> boiling, pressure = read_columns(file, ["boiling", "pressure"], drop_missing=True)
    >>> boiling.values, pressure.values, pressure.rows, pressure.dropped
    (array([194.5, 197.9]), array([20.79, 22.4 ]), array([1, 3]), 1)
    """
    text = _read_text(path)
    delimiter = _find_delimiter(text)
    header, rows = _parse(path, text, delimiter)
    wanted = [_find_column(path, header, name) for name in names]
    kept = []
    for row in rows:
        missing = [index for index in wanted if row.fields[index].lower() in _MISSING]
        if not missing:
            kept.append(row)
        elif not drop_missing:
            found = row.fields[missing[0]]
            what = f"is {found!r}" if found else "is blank"
            raise _error(path, f"column {header[missing[0]]!r} {what} in {row}; --drop-missing leaves such rows out")
    if not kept:
        raise _error(path, "every row misses a value, none are left" if rows else "has no rows below the header")
    numbers = np.array([row.number for row in kept])
    values = [_numbers(path, header[index], [(row, row.fields[index]) for row in kept], delimiter) for index in wanted]
    return tuple(Column(header[i], v, numbers, len(rows) - len(kept)) for i, v in zip(wanted, values, strict=True))


def _error(path: str | PathLike[str], what: str) -> TableError:
    # Quoted fields and names of files may hold line breaks, the message may not.
    return TableError(" ".join(f"{path}: {what}".split()))


def _read_text(path: str | PathLike[str]) -> str:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise _error(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise _error(path, "is a folder, not a file") from error
    except OSError as error:
        raise _error(path, f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a null character in the name
        raise _error(path, f"cannot be read ({error})") from error
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _error(path, "is not a text file in UTF-8 (a spreadsheet can save as 'CSV UTF-8')") from error
    if "\0" in text:
        raise _error(path, "is not a text file")
    if not text.strip():
        raise _error(path, "is empty")
    return text


def _records(text: str, delimiter: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """First line and stripped fields of each record; a blank line has one empty field."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict)
    line = 1
    for fields in reader:
        yield line, [field.strip() for field in fields] or [""]
        line = reader.line_num + 1


def _find_delimiter(text: str) -> str:
    """The delimiter that divides most records like the header, the finer division among equals."""

    def merit(delimiter: str) -> tuple[float, int]:
        try:
            records = [fields for _, fields in islice(_records(text, delimiter, strict=False), _SAMPLE)]
        except csv.Error:
            return 0.0, 0
        records = [fields for fields in records if fields != [""]]
        width = len(records[0]) if records else 0
        if width < 2:
            return 0.0, width
        return sum(len(fields) == width for fields in records) / len(records), width

    return max(_DELIMITERS, key=merit)


def _parse(path: str | PathLike[str], text: str, delimiter: str) -> tuple[list[str], list[_Row]]:
    """Header and rows, all of one width."""
    try:
        records = list(_records(text, delimiter, strict=True))
    except csv.Error as error:
        raise _error(path, f"is not a table ({error})") from error
    while records and records[-1][1] == [""]:
        records.pop()
    first = next((i for i, (_, fields) in enumerate(records) if fields != [""]), None)
    if first is None:
        raise _error(path, "is empty")
    header = records[first][1]
    rows = []
    for line, fields in records[first + 1 :]:
        if fields == [""] and len(header) > 1:
            continue
        row = _Row(len(rows) + 1, line, fields)
        if len(fields) != len(header):
            hint = " (a decimal comma needs ; or tabs between the columns)" if delimiter == "," else ""
            raise _error(path, f"{row} has {len(fields)} fields, the header has {len(header)}{hint}")
        rows.append(row)
    return header, rows


def _find_column(path: str | PathLike[str], header: list[str], name: str) -> int:
    count = header.count(name.strip())
    if count == 1:
        return header.index(name.strip())
    if count > 1:
        raise _error(path, f"has {count} columns named {name!r}")
    listed = ", ".join(header[:_LISTED]) + (f" and {len(header) - _LISTED} more" if len(header) > _LISTED else "")
    hint = "; the first line must name the columns" if all(_POINT.fullmatch(field) for field in header) else ""
    raise _error(path, f"has no column {name!r}; its columns are: {listed}{hint}")


def _numbers(path: str | PathLike[str], name: str, found: list[tuple[_Row, str]], delimiter: str) -> np.ndarray:
    """The fields of a column as numbers, all with the same decimal mark."""
    values = []
    marks: dict[str, _Row] = {}
    for row, field in found:
        shown = field if len(field) <= 40 else field[:37] + "..."
        where = f"column {name!r} has {shown!r} in {row}"
        with_comma = _COMMA.fullmatch(field) is not None
        if with_comma and delimiter == ",":
            raise _error(path, f"{where}; a decimal comma needs ; or tabs between the columns")
        if not with_comma and not _POINT.fullmatch(field):
            what = "not a finite number" if _INFINITE.fullmatch(field) else "not a number"
            raise _error(path, f"{where}, {what}")
        if with_comma or "." in field:
            marks.setdefault("comma" if with_comma else "point", row)
        if len(marks) > 1:
            other = marks["point" if with_comma else "comma"]
            raise _error(path, f"{where}, but another decimal mark in {other}")
        values.append(float(field.replace(",", ".")))
        if not math.isfinite(values[-1]):
            raise _error(path, f"{where}, not a finite number")
    return np.array(values, dtype=np.float64)
