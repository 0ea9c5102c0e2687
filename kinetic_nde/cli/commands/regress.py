"""kinetic-nde regress: a straight line as the point where slopes and intercepts collapse."""

from pathlib import Path
from typing import Annotated

import typer

from ..application import app, fail


@app.command("regress")
def _regress(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A table with the names of its columns in the first line, divided by , ; or tabs; - is standard input.",
        ),
    ],
    x: Annotated[str, typer.Option("--x", metavar="NAME", help="The column that the line is a function of.")],
    y: Annotated[str, typer.Option("--y", metavar="NAME", help="The column with the measurements there.")],
    log_y: Annotated[bool, typer.Option("--log-y", help="Take log10 of y, which must be positive.")] = False,
    robust: Annotated[
        bool,
        typer.Option("--robust", help="Medians of slopes and heights instead of their mean: outliers hardly count."),
    ] = False,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows that miss a value.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results, made if missing.")] = Path(
        "results"
    ),
) -> None:
    """Fits a straight line, as the point where the density of slopes and intercepts collapses.

    Each two measurements of different x give a slope and an intercept, weighted by their distance; a network carries the
    density of these to one point, their mean or their medians, which is the line. With its uncertainty, beside least squares and
    the estimator of Theil and Sen. Everything is in the units of the file. Writes regression.png and report.json.
    """
    from ..table import TableError, display_name, read_columns

    if x == y:
        fail(f"--x and --y name the same column, {x!r}")
    try:
        columns = read_columns(file, [x, y], drop_missing)
    except TableError as error:
        fail(str(error))

    import jax
    import matplotlib

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")

    from ..folder import FolderError, drafts
    from ..regress import regress_values
    from ..regress_results import NAMES, Source, summary, write
    from ..standardise import InputError

    source = Source(display_name(file), columns[0].name, columns[1].name, columns[0].dropped)
    try:
        with drafts(out, NAMES, [file]) as folder:
            found = regress_values(columns[0].values, columns[1].values, log_y, robust)
            write(folder, found, source)
    except (InputError, FolderError) as error:
        fail(str(error))
    typer.echo(summary(found, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))
