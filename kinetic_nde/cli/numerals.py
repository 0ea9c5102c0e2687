"""Numbers as tables write them: decimal marks, marks for thousands, and what stands for a missing value."""

import math
import re
from os import PathLike

import numpy as np

from .records import Row, table_error

# Blanks, dashes, question marks, the marks that pandas and R read and write, and the errors of spreadsheets in any language.
_MISSING = re.compile(
    r"|[-\u2013\u2014]{1,3}|\?|<?na>?|n/a|n\.a\.?|[+-]?nan|nat|null|none|#n/a n/a|-?1\.#(ind|qnan)|#[a-z]\w*([/]\w+)?[!?]?",
    re.IGNORECASE,
)
# Not float(): it takes 1_000 and digits of other scripts, which nobody means in a table of measurements.
_POINT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
# Thousands are grouped by points, commas, apostrophes or blanks of any kind: one group may as well be decimals.
_ONE_GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_GROUPS = re.compile(r"[+-]?[0-9]{1,3}(?P<mark>[.,'\u2019_\s])[0-9]{3}((?P=mark)[0-9]{3})*([.,][0-9]*)?")


def is_missing(field: str) -> bool:
    """Whether a field stands for a value that is missing.

    >>> [is_missing(field) for field in ("", "n.a.", "--", "#DIV/0!", "0", "#1")]
    [True, True, True, True, False, False]
    """
    return _MISSING.fullmatch(field) is not None


def is_number(field: str) -> bool:
    """Whether a field is a number with a decimal point or without decimals."""
    return _POINT.fullmatch(field) is not None


def decimal_marks(rows: list[Row]) -> set[str]:
    """The marks that some number in a table has where there is none for thousands, as in 0.25 or 12,5.

    >>> decimal_marks([Row(1, 2, ["a", "0.25", "1,234"])])
    {'.'}
    """
    fields = {field for row in rows for field in row.fields if not _ONE_GROUP.fullmatch(field)}
    shapes = ((",", _COMMA), (".", _POINT))
    return {mark for mark, shape in shapes if any(mark in field and shape.fullmatch(field) for field in fields)}


def numbers(
    path: str | PathLike[str],
    name: str,
    found: list[tuple[Row, str]],
    delimiter: str,
    alone: bool,
    decimal: set[str],
) -> np.ndarray:
    """The fields of a column as numbers, all with the same decimal mark; `alone` says that the table has no other column,
    so that its delimiter is unknown, `decimal` are its `decimal_marks`.

    Raises `TableError` for what is no finite number, for two decimal marks, and for a mark that may be decimal as well as
    for thousands: where all that have it have three digits after it and no number of any column shows what it is for,
    unless there are commas between the columns, or only one column in which every number has a point.
    """
    values = []
    marked: dict[str, list[tuple[Row, str]]] = {",": [], ".": []}
    for row, field in found:
        mark = _mark(path, name, row, field, delimiter)
        if mark:
            marked[mark].append((row, field))
        if marked[","] and marked["."]:
            other = marked["." if mark == "," else ","][0][0]
            raise table_error(path, f"{_where(name, field, row)}, but another decimal mark in {other}")
        values.append(float(field.replace(",", ".")))
        if not math.isfinite(values[-1]):
            raise table_error(path, f"{_where(name, field, row)}, not a finite number")
    with_mark = marked[","] or marked["."]
    undecided = len(with_mark) < len(found) if alone else delimiter != ","
    if (
        with_mark
        and undecided
        and not decimal & {"," if marked[","] else "."}
        and all(_ONE_GROUP.fullmatch(field) for _, field in with_mark)
    ):
        row, field = with_mark[0]
        digits = re.sub("[.,]", "", field)
        what = f"{_where(name, field, row)}: that may be {float(field.replace(',', '.')):g} or {digits}"
        raise table_error(path, f"{what}. Leave out the mark for thousands, or give decimals another number of digits")
    return np.array(values, dtype=np.float64)


def _mark(path: str | PathLike[str], name: str, row: Row, field: str, delimiter: str) -> str:
    """The decimal mark of a field, "" if it has none, or a `TableError` if it is no number."""
    comma = _COMMA.fullmatch(field) is not None
    if comma and delimiter != ",":
        return ","
    if _POINT.fullmatch(field):
        return "." if "." in field else ""
    if _INFINITE.fullmatch(field):
        why = "not a finite number"
    else:
        causes = ["leave out the marks for thousands"] if _GROUPS.fullmatch(field) else []
        causes += ["a decimal comma needs ; or tabs between the columns"] if comma else []
        why = "not a number" + (f" ({'; '.join(causes)})" if causes else "")
    raise table_error(path, f"{_where(name, field, row)}, {why}")


def _where(name: str, field: str, row: Row) -> str:
    shown = field if len(field) <= 40 else field[:37] + "..."
    return f"column {name!r} has {shown!r} in {row}"
