"""The command kinetic-nde itself.

Bad input ends with exit code 2 and one line on standard error, Ctrl-C with 130 and a line.
"""

import sys
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .interrupt import EARLY

INTERRUPTED = 130  # as shells have it


class _OneLine(TyperGroup):
    """Reports errors of usage like all others, where typer would draw a box around each, and Ctrl-C, which it passes
    over in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            early = f" {EARLY}" if ctx.invoked_subcommand == "retrain" else ""
            when = f" {interrupt.args[0]}" if interrupt.args else early
            fail(f"interrupted{when}; nothing written", code=INTERRUPTED)

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
            said = message().strip().rstrip(".")
            end = "" if said.endswith("?") else "."
            fail(f"{said}{end} See {path} --help", code=getattr(error, "exit_code", 2))
        if code == INTERRUPTED:  # before the command itself was called
            fail("interrupted; nothing written", code=INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


# Without rich's panels and coloured tracebacks: help and errors are plain text.
app = typer.Typer(cls=_OneLine, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _tell_version(asked: bool | None) -> None:
    if asked:
        typer.echo(f"kinetic-nde {version('kinetic-nde')}")
        raise typer.Exit


@app.callback()
def _main(
    tell_version: Annotated[
        bool | None, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say the version and exit.")
    ] = None,
) -> None:
    """Moves distributions of measurements by residual networks."""


def fail(message: str, code: int = 2) -> NoReturn:
    """Ends the command with one line on standard error and this exit code."""
    # Names of files and columns may hold line breaks.
    typer.echo("kinetic-nde: " + " ".join(message.split()), err=True)
    sys.exit(code)
