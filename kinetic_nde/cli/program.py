"""The command kinetic-nde as a program: how Ctrl-C ends it."""

import _thread
import os
import sys
import threading
from typing import Any

_INTERRUPTED = 130


def main() -> None:
    """Runs the command. Ctrl-C ends it with one line from the beginning, also while it is imported.

    >>> import contextlib, io
    >>> from unittest import mock
    >>> patched = mock.patch.multiple(sys, argv=["kinetic-nde", "--version"], unraisablehook=None)
    >>> with patched, contextlib.redirect_stdout(io.StringIO()) as said:
    ...     with contextlib.suppress(SystemExit):
    ...         main()
    >>> said.getvalue().split()[0]
    'kinetic-nde'
    """
    sys.unraisablehook = _interrupt_again
    try:
        from . import app

        app(prog_name="kinetic-nde")
    except KeyboardInterrupt:
        sys.stderr.write("kinetic-nde: interrupted; nothing written\n")
        _end()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _end()
        raise


def _end() -> None:
    """Ends at once: Python would first run what others have registered for the end, and tell of what they find interrupted."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_INTERRUPTED)


def _interrupt_again(unraisable: Any) -> None:
    """Ctrl-C within a callback of JAX's garbage collection is not raised but told of, and lost: then once more, a moment later,
    when the callback is over."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
        return
    again = threading.Timer(0.05, _thread.interrupt_main)
    again.daemon = True
    again.start()
