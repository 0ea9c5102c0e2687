"""A progress bar for loops of updates."""

import contextlib
import warnings
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(what: str, unit: str, total: int, progress: bool) -> Iterator[Callable[..., None]]:
    """While it lasts, what is yielded shows how many of `total` units are done and numbers by name; nothing is shown
    unless `progress`.

    >>> with bar("retrain", "update", 10, progress=False) as show:
    ...     show(1, loss=0.5)
    """
    if not progress:
        yield lambda done, **numbers: None
        return
    # Imported here: in a notebook without widgets tqdm warns of falling back to text.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    with tqdm(total=total, desc=what, unit=unit) as shown:

        def show(done: int, **numbers: float) -> None:
            shown.update(done - shown.n)
            shown.set_postfix({name: f"{number:.4g}" for name, number in numbers.items()})

        yield show
