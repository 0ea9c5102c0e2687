"""Numbers and names for people, and pictures for their files."""

import math
import textwrap
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..plotting import style

_WIDTH, _LINES = 22, 3  # characters of a line, and lines, of a column's name in a picture


def counted(count: int) -> str:
    """So many measurements.

    >>> counted(1), counted(2)
    ('1 measurement', '2 measurements')
    """
    return f"{count} measurement" + ("" if count == 1 else "s")


def to_a_thousandth(x: float | None, largest: float, scale: float) -> str:
    """A number next to which `largest` is the largest of all, to a thousandth of `scale`.

    >>> to_a_thousandth(1234.56789, 2000.0, 100.0)
    '1234.57'
    """
    if x is None:
        return "nowhere"
    digits = 4 + max(0, math.ceil(math.log10(largest / scale)))
    return f"{x:.{min(digits, 17)}g}"


def affine(weight: float, bias: float) -> str:
    """The argument of an activation as one writes it.

    >>> affine(1.0, -5.0), affine(-1.0, 0.0), affine(0.5, 2.0), affine(0.0, -1.0)
    ('x - 5', '-x', '0.5 x + 2', '-1')
    """
    if not weight:
        return f"{bias:g}"
    slope = {1.0: "x", -1.0: "-x"}.get(weight, f"{weight:g} x")
    return f"{slope} {'-' if bias < 0 else '+'} {abs(bias):g}" if bias else slope


def label_of(column: str) -> str:
    """A column's name as it stands, below an axis: in lines that fit there, not too many, and no formula.

    >>> label_of("body mass of the animal in g, second season")
    'body mass of the\\nanimal in g, second\\nseason'
    """
    lines = textwrap.wrap(column, _WIDTH, max_lines=_LINES, placeholder="...", break_on_hyphens=False)
    return "\n".join(lines).replace("$", r"\$")


def save(drawing: Figure, path: Path) -> None:
    """Writes a picture and closes it."""
    with style(), warnings.catch_warnings():  # the style knows how fine the picture is to be
        # The name of a column may be in a script that the font does not have.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        drawing.savefig(path)
    plt.close(drawing)
