"""kinetic-nde classify: measurements in two classes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..application import app, fail


@app.command("classify")
def _classify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A table with the names of its columns in the first line, divided by , ; or tabs; - is standard input.",
        ),
    ],
    column: Annotated[str, typer.Option(metavar="NAME", help="The column with the measurements.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Where to divide, in the units of the file. Default: the most prominent valley of the density, else the median.",
        ),
    ] = None,
    weight: Annotated[
        float, typer.Option(metavar="W", help="Weight of the network, for measurements that span six units.")
    ] = 1.0,
    t1: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Final time, in the same units. Default: when every measurement has reached its cluster, at least 12.",
        ),
    ] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows that miss a value.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results, made if missing.")] = Path(
        "results"
    ),
) -> None:
    """Divides the measurements of one column in two classes.

    A network drives each measurement away from the threshold until it ends at the smallest or the largest of all, and
    carries their density the same way. Writes classes.csv (row, 1 for the first below the header, value and class, 0 or 1), report.json and
    classification.png.
    """
    from ..table import TableError, display_name, read_column

    try:
        table = read_column(file, column, drop_missing)
    except TableError as error:
        fail(str(error))

    import jax
    import matplotlib

    from ..classify import classify
    from ..folder import FolderError, drafts
    from ..results import NAMES, summary, write
    from ..standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")  # pictures go to files: no window, and no display needed
    try:
        with drafts(out, NAMES, [file]) as folder:
            found = classify(table.values, threshold, weight, t1, progress=sys.stderr.isatty())
            write(folder, found, display_name(file), table.name, table.dropped, table.rows)
    except (InputError, FolderError) as error:
        fail(str(error))
    typer.echo(summary(found, display_name(file), table.name, table.dropped))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))
