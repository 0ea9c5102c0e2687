"""kinetic-nde predict: where a network takes measurements, from theory alone."""

from pathlib import Path
from typing import Annotated

import typer

from ..application import app, fail


@app.command("predict")
def _predict(
    weight: Annotated[float, typer.Option(metavar="W", help="Weight of the network, per unit of the measurements.")],
    bias: Annotated[float, typer.Option(metavar="B", help="Its bias.")],
    activation: Annotated[
        str,
        typer.Option(metavar="NAME", help="identity, relu, sigmoid, tanh, growing-cosine or generalized-gamma."),
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table with measurements: which of them will end where.")
    ] = None,
    column: Annotated[str | None, typer.Option(metavar="C", help="Its column with the measurements.")] = None,
    lower: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Where to begin to look. Default: the smallest measurement, or as far down as some go; else |W x + B| = 6.",
        ),
    ] = None,
    upper: Annotated[float | None, typer.Option(metavar="X", help="Where to end. Default: accordingly.")] = None,
    share: Annotated[
        float,
        typer.Option(metavar="P", help="Of the variance: when it is down to that (identity, with measurements)."),
    ] = 0.01,
    delta: Annotated[float | None, typer.Option(metavar="D", help="Exponent of generalized-gamma.")] = None,
    scale: Annotated[float | None, typer.Option(metavar="S", help="Scale c of generalized-gamma.")] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows that miss a value.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results, made if missing.")] = Path(
        "results"
    ),
) -> None:
    """Says where the network dx/dt = NAME(W x + B) takes measurements, without solving anything.

    Where they will rest, which of these places attract and how fast, and with --data the share of the measurements that
    comes to each; for the identity also mean and variance over time. Everything is in the unit of the measurements.
    Writes prediction.png, steady_states.csv and report.json.
    """
    from ..table import TableError, display_name, read_column

    table = None
    if (data is None) != (column is None):
        fail("--data and --column belong together: a file, and the column of it that holds the measurements")
    if data is not None and column is not None:
        try:
            table = read_column(data, column, drop_missing)
        except TableError as error:
            fail(str(error))

    import jax
    import matplotlib

    from ..folder import FolderError, drafts
    from ..predict import Options, predict
    from ..predict_results import NAMES, Source, summary, write
    from ..standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")
    options = Options(weight, bias, activation, delta, scale, lower, upper, share)
    source = None if data is None or table is None else Source(display_name(data), table.name, table.dropped)
    try:
        with drafts(out, NAMES, [] if data is None else [data]) as folder:
            found = predict(options, None if table is None else table.values)
            write(folder, found, options, source)
    except (InputError, FolderError) as error:
        fail(str(error))
    typer.echo(summary(found, options, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))
