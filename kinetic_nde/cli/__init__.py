"""The command kinetic-nde.

Bad input ends with exit code 2 and one line on standard error, Ctrl-C with 130 and a line. What takes long to import is imported by the commands, so
that `--help` and mistakes in the options wait for nothing but the package itself.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .interrupt import EARLY, interrupting


class _OneLine(TyperGroup):
    """Reports errors of usage like all others, where typer would draw a box around each, and Ctrl-C, which it passes
    over in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            early = f" {EARLY}" if ctx.invoked_subcommand == "retrain" else ""
            when = f" {interrupt.args[0]}" if interrupt.args else early
            _fail(f"interrupted{when}; nothing written", code=130)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except typer.Abort:
            sys.exit(1)
        except Exception as error:
            # The class of these errors is click's own or that of a copy inside typer, by version; what they have in common is this.
            message = getattr(error, "format_message", None)
            if message is None:
                raise
            # The context is that of the command, if it came so far.
            path = getattr(getattr(error, "ctx", None), "command_path", "kinetic-nde")
            _fail(f"{message().strip().rstrip('.')}. See {path} --help", code=getattr(error, "exit_code", 2))
        sys.exit(code if isinstance(code, int) else 0)


# Without rich's panels and coloured tracebacks: help and errors are plain text.
app = typer.Typer(cls=_OneLine, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _main() -> None:
    """Moves distributions of measurements by residual networks."""


@app.command("classify")
def _classify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A table with the names of its columns in the first line; delimiter , ; or tab."
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
    carries their density the same way. Writes classes.csv (a class, 0 or 1, for each measurement), report.json and
    classification.png.
    """
    from .table import TableError, read_column

    try:
        table = read_column(file, column, drop_missing)
    except TableError as error:
        _fail(str(error))

    import jax
    import matplotlib

    from .classify import classify
    from .folder import FolderError, drafts
    from .results import NAMES, summary, write
    from .standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")  # pictures go to files: no window, and no display needed
    try:
        with drafts(out, NAMES) as folder:
            found = classify(table.values, threshold, weight, t1, progress=sys.stderr.isatty())
            write(folder, found, str(file), table.name, table.dropped)
    except (InputError, FolderError) as error:
        _fail(str(error))
    typer.echo(summary(found, str(file), table.name, table.dropped))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))


@app.command("retrain")
def _retrain(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A table of measurements that a network was made for.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A table of new ones.")],
    column: Annotated[str, typer.Option(metavar="NAME", help="The column with the measurements, in all files.")],
    target: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table of what the measurements are to become, in the same column. Default: the two classes of OLD.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="X", help="Where the classes of OLD are divided. Default: as classify finds it."),
    ] = None,
    level: Annotated[float, typer.Option(metavar="P", help="Level of the test for a different distribution.")] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="Retrain also if the test finds no difference.")] = False,
    updates: Annotated[int, typer.Option(metavar="N", help="Updates of weight and bias, at most.")] = 60,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="By how much weight and bias (in standardised units) change in the first update; later ones are longer or "
            "shorter. Default: by how far the measurements have moved.",
        ),
    ] = None,
    held_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of NEW that is kept from training, for the evaluation.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the choice of what is held out.")] = 0,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows that miss a value.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results, made if missing.")] = Path(
        "results"
    ),
) -> None:
    """Updates a network for measurements that are distributed differently than before.

    Tests whether the measurements in NEW come from another distribution than those in OLD. If so, weight and bias of
    the network that carries OLD to its two classes (those of classify) are trained, until NEW ends in the same classes
    with the same shares; or, with --target, until it becomes the target as OLD did. A part of NEW is held out to say
    how good the network is before and after. Ctrl-C during the training for NEW, that is once the progress bar has made an
    update, ends it and keeps what is reached; before and after that it ends the command, and nothing is written. Writes
    report.json and comparison.png, and where it retrains history.csv, before_after.png, training.png and densities.png.
    """
    from .table import TableError, read_column

    files = (old, new) if target is None else (old, new, target)
    try:
        columns = tuple(read_column(file, column, drop_missing) for file in files)
    except TableError as error:
        _fail(str(error))

    import jax
    import matplotlib

    from .folder import FolderError, drafts
    from .retrain import Options, check, is_different, retrain
    from .retrain_results import ALWAYS, RETRAINED, Sources, write
    from .retrain_summary import summary
    from .standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")
    sources = Sources(tuple(map(str, files)), columns)
    options = Options(level, threshold, updates, learning_rate, held_out, seed)
    try:
        options.checked(target is not None)
        check(columns[0].values, columns[1].values, sources.files[:2], held_out)
        compared = is_different(columns[0].values, columns[1].values, options)
        names = RETRAINED if compared.different or force else ALWAYS
        with drafts(out, names) as folder:
            found = None
            if names is RETRAINED:
                values = columns[0].values, columns[1].values
                found = retrain(*values, compared, options, sources.target, progress=sys.stderr.isatty())
            with interrupting(EARLY if found is None else "while the results were written"):
                write(folder, sources, compared, options, found)
    except (InputError, FolderError) as error:
        _fail(str(error))
    typer.echo(summary(sources, compared, options, found))
    typer.echo("written    " + ", ".join(str(out / name) for name in names))


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
    from .table import TableError, read_column

    table = None
    if (data is None) != (column is None):
        _fail("--data and --column belong together: a file, and the column of it that holds the measurements")
    if data is not None and column is not None:
        try:
            table = read_column(data, column, drop_missing)
        except TableError as error:
            _fail(str(error))

    import jax
    import matplotlib

    from .folder import FolderError, drafts
    from .predict import Options, predict
    from .predict_results import NAMES, Source, summary, write
    from .standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")
    options = Options(weight, bias, activation, delta, scale, lower, upper, share)
    source = None if table is None else Source(str(data), table.name, table.dropped)
    try:
        with drafts(out, NAMES) as folder:
            found = predict(options, None if table is None else table.values)
            write(folder, found, options, source)
    except (InputError, FolderError) as error:
        _fail(str(error))
    typer.echo(summary(found, options, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))


@app.command("fit")
def _fit(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A table with the names of its columns in the first line; delimiter , ; or tab."
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
    from .table import TableError, read_column

    try:
        table = read_column(file, column, drop_missing)
    except TableError as error:
        _fail(str(error))

    import jax
    import matplotlib

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")

    from .fit import fit_values
    from .fit_results import NAMES, Source, summary, write
    from .folder import FolderError, drafts
    from .standardise import InputError

    source = Source(str(file), table.name, table.dropped)
    try:
        with drafts(out, NAMES) as folder:
            found = fit_values(table.values, family, nu)
            write(folder, found, source)
    except (InputError, FolderError) as error:
        _fail(str(error))
    typer.echo(summary(found, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))


@app.command("regress")
def _regress(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A table with the names of its columns in the first line; delimiter , ; or tab."
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
    from .table import TableError, read_columns

    if x == y:
        _fail(f"--x and --y name the same column, {x!r}")
    try:
        columns = read_columns(file, [x, y], drop_missing)
    except TableError as error:
        _fail(str(error))

    import jax
    import matplotlib

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")

    from .folder import FolderError, drafts
    from .regress import regress_values
    from .regress_results import NAMES, Source, summary, write
    from .standardise import InputError

    source = Source(str(file), columns[0].name, columns[1].name, columns[0].dropped)
    try:
        with drafts(out, NAMES) as folder:
            found = regress_values(columns[0].values, columns[1].values, log_y, robust)
            write(folder, found, source)
    except (InputError, FolderError) as error:
        _fail(str(error))
    typer.echo(summary(found, source))
    typer.echo("written    " + ", ".join(str(out / name) for name in NAMES))


def _fail(message: str, code: int = 2) -> NoReturn:
    # Names of files and columns may hold line breaks.
    typer.echo("kinetic-nde: " + " ".join(message.split()), err=True)
    sys.exit(code)
