"""Tables in Markdown."""

from typing import NamedTuple

Cell = str | int | float | None


class Table(NamedTuple):
    """Rows of cells under a title, with a sentence on how to read them; floats are shown with three digits, None as a dash."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    note: str = ""

    def markdown(self) -> str:
        """The table under its title."""
        lines = [f"### {self.title}", ""]
        lines += [self.note, ""] if self.note else []
        lines += [f"| {' | '.join(self.columns)} |", "|---" * len(self.columns) + "|"]
        lines += [f"| {' | '.join(map(shown, row))} |" for row in self.rows]
        return "\n".join(lines)

    def column(self, name: str) -> list[Cell]:
        """The cells of one column."""
        return [row[self.columns.index(name)] for row in self.rows]


def shown(cell: Cell) -> str:
    """A cell as text.

    >>> shown(3.14159), shown(1234.5), shown(1.2e-7), shown(None)
    ('3.14', '1234', '1.2e-07', '-')
    """
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if 1000 <= abs(cell) < 1e6 else f"{cell:.3g}"
