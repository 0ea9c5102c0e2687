"""kinetic-nde retrain: a network updated for new measurements."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..application import app, fail
from ..interrupt import EARLY, interrupting


@app.command("retrain")
def _retrain(
    old: Annotated[
        Path,
        typer.Argument(metavar="OLD", help="A table of measurements that a network was made for; - is standard input."),
    ],
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
    from ..records import STANDARD_INPUT
    from ..table import TableError, display_name, read_column

    files = (old, new) if target is None else (old, new, target)
    if [str(file) for file in files].count(STANDARD_INPUT) > 1:
        fail("standard input can be read once: give a file for all tables but one")
    try:
        columns = tuple(read_column(file, column, drop_missing) for file in files)
    except TableError as error:
        fail(str(error))

    import jax
    import matplotlib

    from ..folder import FolderError, drafts
    from ..retrain import Options, check, check_training, is_different, retrain
    from ..retrain_results import ALWAYS, RETRAINED, Sources, write
    from ..retrain_summary import summary
    from ..standardise import InputError

    jax.config.update("jax_enable_x64", True)
    matplotlib.use("agg")
    sources = Sources(tuple(map(display_name, files)), columns)
    options = Options(level, threshold, updates, learning_rate, held_out, seed)
    try:
        options.checked(target is not None)
        check(columns[0].values, columns[1].values, sources.files[:2])
        compared = is_different(columns[0].values, columns[1].values, options)
        names = RETRAINED if compared.different or force else ALWAYS
        if names is RETRAINED:
            check_training(columns[1].values, sources.files[1], held_out)
        with drafts(out, names, files) as folder:
            found = None
            if names is RETRAINED:
                values = columns[0].values, columns[1].values
                found = retrain(*values, compared, options, sources.target, progress=sys.stderr.isatty())
            with interrupting(EARLY if found is None else "while the results were written"):
                write(folder, sources, compared, options, found)
    except (InputError, FolderError) as error:
        fail(str(error))
    typer.echo(summary(sources, compared, options, found))
    typer.echo("written    " + ", ".join(str(out / name) for name in names))
