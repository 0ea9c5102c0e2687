"""The command kinetic-nde: `app`, imported with its commands when it is asked for, so that Ctrl-C ends `python -m
kinetic_nde.cli` in one line from the beginning."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .application import app as app


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import commands as commands
    from .application import app

    return app
