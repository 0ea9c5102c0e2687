"""The records of a table in a text file: what is header, what are rows, and what divides the fields."""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from os import PathLike
from pathlib import Path
from typing import NamedTuple

STANDARD_INPUT = "-"
_DELIMITERS = (",", ";", "\t")
_SAMPLE = 100  # records that the delimiter is judged by
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+([eE][+-]?[0-9]+)?")
# Excel writes the separator of its locale in a line of its own above the header.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


class TableError(ValueError):
    """A table that cannot be used. The message is one line and names the file."""


class Row(NamedTuple):
    """A row below the header by its number there, 1 for the first, and the line of the file that it begins in."""

    number: int
    line: int
    fields: list[str]

    def __str__(self) -> str:
        return f"row {self.number} (line {self.line} of the file)"


class Records(NamedTuple):
    """The header and the rows, all of one width, and what divides their fields."""

    header: list[str]
    rows: list[Row]
    delimiter: str


def display_name(path: str | PathLike[str]) -> str:
    """A file as messages and reports call it.

    >>> display_name("cars.csv"), display_name("-")
    ('cars.csv', 'standard input')
    """
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def table_error(path: str | PathLike[str], what: str) -> TableError:
    """A `TableError` in one line: quoted fields and names of files may hold line breaks."""
    return TableError(" ".join(f"{display_name(path)}: {what}".split()))


def read_records(path: str | PathLike[str]) -> Records:
    """The records of a delimited text file. Raises `TableError` where it cannot be read or its rows are ragged."""
    text = _read_text(path)
    text, delimiter = _without_preamble(path, text)
    return _parse(path, text, delimiter or _find_delimiter(text))


def _read_text(path: str | PathLike[str]) -> str:
    if str(path) == STANDARD_INPUT and sys.stdin is None:
        raise table_error(path, "standard input is closed")
    try:
        content = sys.stdin.buffer.read() if str(path) == STANDARD_INPUT else Path(path).read_bytes()
    except FileNotFoundError as error:
        raise table_error(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise table_error(path, "is a folder, not a file") from error
    except OSError as error:
        raise table_error(path, f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a null character in the name
        raise table_error(path, f"cannot be read ({error})") from error
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise table_error(path, "is not a text file in UTF-8 (a spreadsheet can save as 'CSV UTF-8')") from error
    if "\0" in text:
        raise table_error(path, "is not a text file")
    if not text.strip():
        raise table_error(path, "is empty")
    return text


def _without_preamble(path: str | PathLike[str], text: str) -> tuple[str, str | None]:
    """The text with comments and Excel's separator line above the header made blank, so that line numbers stay, and the
    delimiter that such a line names."""
    lines, delimiter = text.splitlines(keepends=True), None
    for k, line in enumerate(lines):
        content, named = line.strip(), _SEPARATOR_LINE.fullmatch(line.strip(" \r\n"))
        if named and delimiter is None:
            delimiter = named[1]
            if delimiter not in _DELIMITERS:
                raise table_error(path, f"names {delimiter!r} as its separator; it must be , ; or a tab")
        elif content.startswith("#") and not _is_header(content, lines[k + 1 : k + 2]):
            pass
        elif content:
            break
        lines[k] = line[len(line.rstrip("\r\n")) :]
    return "".join(lines), delimiter


def _is_header(line: str, following: list[str]) -> bool:
    """Whether a line that begins with # names the columns of the line below it, which holds numbers."""
    below = re.split("[,;\t]", following[0].strip()) if following else []
    return len(re.split("[,;\t]", line)) == len(below) and any(_NUMBER.fullmatch(field.strip(' "')) for field in below)


def _split(text: str, delimiter: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """First line and stripped fields of each record; a blank line has one empty field."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict)
    line = 1
    for fields in reader:
        yield line, [field.strip() for field in fields] or [""]
        line = reader.line_num + 1


def _find_delimiter(text: str) -> str:
    """The delimiter that divides most records like the header, the finer division among equals. Where none divides the
    header, it may be a title: then the one that divides most records alike."""

    def merit(delimiter: str) -> tuple[float, float, int]:
        try:
            records = [fields for _, fields in islice(_split(text, delimiter, strict=False), _SAMPLE)]
        except csv.Error:
            return 0.0, 0.0, 0
        widths = [len(fields) for fields in records if fields != [""]]
        if not widths:
            return 0.0, 0.0, 0
        divided = Counter(width for width in widths if width > 1)
        alike = max(divided.values(), default=0) / len(widths)
        like_header = divided[widths[0]] / len(widths)
        return like_header, 0.0 if like_header else alike, widths[0]

    return max(_DELIMITERS, key=merit)


def _parse(path: str | PathLike[str], text: str, delimiter: str) -> Records:
    try:
        records = list(_split(text, delimiter, strict=True))
    except csv.Error as error:
        raise table_error(path, f"is not a table ({error})") from error
    while records and records[-1][1] == [""]:
        records.pop()
    first = next((i for i, (_, fields) in enumerate(records) if fields != [""]), None)
    if first is None:
        raise table_error(path, "is empty")
    header = records[first][1]
    # Blank lines are passed over, but in a table of one column they are missing values.
    below = [(line, fields) for line, fields in records[first + 1 :] if fields != [""] or len(header) == 1]
    rows = [Row(k, line, fields) for k, (line, fields) in enumerate(below, 1)]
    ragged = [row for row in rows if len(row.fields) != len(header)]
    if ragged:
        cause = _cause_of_raggedness(header, rows, ragged, delimiter)
        width = len(ragged[0].fields)
        raise table_error(
            path,
            f"{ragged[0]} has {width} fields, the header has {len(header)} ({cause})",
        )
    return Records(header, rows, delimiter)


def _cause_of_raggedness(header: list[str], rows: list[Row], ragged: list[Row], delimiter: str) -> str:
    row, width = ragged[0], len(header)
    if row.fields[0].startswith("#"):
        return "comment lines may stand above the header only"
    if len(row.fields) > width and not any(row.fields[width:]):
        return "it ends with a separator that the header does not end with"
    numeric = all(_NUMBER.fullmatch(field) for field in row.fields if field)
    if width == 1 and len(ragged) == len(rows) and not numeric:
        return "the first line must name the columns: delete what stands above them"
    if delimiter == "," and len(ragged) == len(rows) and all(_commas_within(each.fields) for each in rows):
        return "a decimal comma needs ; or tabs between the columns, a comma for thousands must be left out"
    if len(ragged) == len(rows):
        return "no row has as many as the header"
    return f"{len(ragged)} of {len(rows)} rows have another number than the header"


def _commas_within(fields: list[str]) -> bool:
    """Whether two neighbours may be one number with a comma."""
    return any(re.fullmatch(r"[+-]?[0-9]+,[0-9]+", f"{a},{b}") for a, b in pairwise(fields))
