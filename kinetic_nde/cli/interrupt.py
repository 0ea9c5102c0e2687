"""What Ctrl-C breaks off."""

from collections.abc import Iterator
from contextlib import contextmanager

EARLY = "before anything was trained for NEW"


@contextmanager
def interrupting(when: str) -> Iterator[None]:
    """Says when it was, in the `KeyboardInterrupt` of a block that Ctrl-C breaks off.

    >>> try:
    ...     with interrupting("while it slept"):
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt as interrupt:
    ...     print(interrupt)
    while it slept
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(*(interrupt.args or (when,))) from interrupt
