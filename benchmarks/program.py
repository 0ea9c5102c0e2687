"""What the programs here have in common: options, a folder for the results, a report in Markdown."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from .table import Table
from .timing import machine


def run(
    name: str,
    about: str,
    picture: str,
    measure: Callable[[bool, Path], tuple[list[Table], list[str]]],
    arguments: list[str] | None,
) -> int:
    """Measures, prints and writes `<name>.md`; returns the exit code.

    `measure(quick, out)` gives all tables and remarks and draws into the folder `out` a file whose name is that of the
    title `picture`, in small letters and with underscores.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="DIR", help="for the tables and the picture"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: seconds, and numbers that mean nothing")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        text = _report(*measure(options.quick, options.out), picture)
        (options.out / f"{name}.md").write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"error: cannot write to {options.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    print(text)
    return 0


def _report(tables: list[Table], remarks: list[str], picture: str) -> str:
    parts = [machine(), "\n".join(f"- {remark}" for remark in remarks), *(table.markdown() for table in tables)]
    file = picture.lower().replace(" ", "_") + ".png"
    return "\n\n".join([*parts, f"![{picture}]({file})"]) + "\n"
