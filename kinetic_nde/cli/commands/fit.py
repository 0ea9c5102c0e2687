"""kinetic-nde fit: the noisy network that drives any data to the distribution of the measurements."""

from pathlib import Path
from typing import Annotated

import typer

from ..application import app, fail


@app.command("fit")
def _fit(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A table with the names of its columns in the first line, divided by , ; or tabs; - is standard input.",
        ),
    ],
    column: Annotated[str, typer.Option(metavar="NAME", help="The column with the measurements.")],
    family: Annotated[
        str | None,
        typer.Option(
            metavar="F",
            help="gaussian, inverse-gamma, pareto-tail or generalized-gamma. Default: that of lowest Bayesian information criterion.",
        ),
    ] = None,
    nu: Annotated[
        float | None,
        typer.Option(
            metavar="NU",
            help="Strength of the noise. Default: 1, for generalized-gamma that which belongs to weight 1.",
        ),
    ] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows that miss a value.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results, made if missing.")] = Path(
        "results"
    ),
) -> None:
    """Fits the noisy network that drives any data to the distribution of the measurements.

    Training as fitting: the measurements are taken for the steady state of dX = sigma(W X + B) dt + NU K(X) dW, a
    distribution of one of four families, and weight and bias follow from its parameters, with standard errors. Everything is in
    the unit of the measurements. Writes fit.png, parameters.csv and report.json.
    """
    from ..table import TableError, display_name, read_column

    try:
        table = read_column(file, column, drop_missing)
    except TableError as error:
        fail(str(error))

    import jax
    import matplotlib

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")

    from ..fit import fit_values
    from ..fit_results import NAMES, Source, summary, write
    from ..folder import FolderError, drafts
    from ..standardise import InputError

    source = Source(display_name(file), table.name, table.dropped)
    try:
        with drafts(out, NAMES, [file]) as folder:
            found = fit_values(table.values, family, nu)
            write(folder, found, source)
    except (InputError, FolderError) as error:
        fail(str(error))
    typer.echo(summary(found, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))
