"""The look that all figures share: sizes of a paper's column, colours that the colour-blind can tell apart, nothing that carries no data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._values import as_float64
from ..solution import Solution

_WIDTHS = {1: 3.4, 2: 7.0}  # inches of one and of two columns
_RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "patch.linewidth": 1.2,
    "figure.dpi": 150,
    "savefig.dpi": 300,
}
# Okabe and Ito's colours; the line styles tell the curves apart in black and white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures here, as a context. Axes that were made outside it keep their own spines and fonts.

    >>> with style():
    ...     plt.rcParams["font.size"]
    8.0
    """
    with plt.rc_context(_RC):
        yield
        interactive = plt.isinteractive()
    # A notebook's backend comes with the first figure and switches this on: figures would not be shown without it.
    matplotlib.interactive(interactive)


def figure(columns: int = 1, panels: int = 1, height: float = 2.3) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` axes side by side, as wide as one or two `columns` of a paper, `height` inches high.

    Raises `ValueError` for another number of columns and for panels < 1.

    >>> drawing, axes = figure(columns=2, panels=3)
    >>> float(drawing.get_figwidth()), len(axes)
    (7.0, 3)
    >>> plt.close(drawing)
    """
    if columns not in _WIDTHS:
        raise ValueError(f"a figure is one or two columns wide, got columns={columns}")
    if panels < 1:
        raise ValueError(f"a figure needs at least one panel, got {panels}")
    with style():
        size = (_WIDTHS[columns], height)
        drawing, axes = plt.subplots(1, panels, figsize=size, squeeze=False, layout="constrained")
    return drawing, list(axes[0])


def axes_or_new(ax: Axes | None) -> Axes:
    """`ax`, or the axes of a new figure of one column."""
    return figure()[1][0] if ax is None else ax


def finish(ax: Axes, xlabel: str, ylabel: str) -> None:
    """Labels, and a little air left and right: a peak at a wall would be lost in the spine. The power of ten of the ticks
    is left of the axes, above which there may be a legend."""
    ax.margins(x=0.02)
    ax.yaxis.get_offset_text().set_horizontalalignment("right")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)


def shade(share: float) -> tuple[float, ...]:
    """A colour from dark (0) to light (1), of which lightness alone gives the order. Without the yellow end, which white paper swallows."""
    return plt.get_cmap("viridis")(0.75 * share)


def spread(count: int, most: int) -> np.ndarray:
    """Up to `most` of the numbers 0 .. count - 1, evenly spaced, the first and the last among them (one: the first)."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def save_times(solution: Solution) -> np.ndarray:
    """The save times (T,). `TypeError` for what is no solution, `ValueError` for a batch of them."""
    if not isinstance(solution, Solution):
        raise TypeError(f"this draws what kn.solve returns with saveat=, not {type(solution).__name__}")
    if solution.ts.ndim != 1:
        raise ValueError(
            f"this is a batch of solutions (ts has shape {solution.ts.shape}): draw its members one by one"
        )
    return np.asarray(solution.ts)


def time_rows(ts: np.ndarray, times: ArrayLike | list) -> np.ndarray:
    """The rows of the save times that are wanted. `ValueError` if there is none, and for one that is no save time."""
    wanted = np.atleast_1d(as_float64(times, "times"))
    rows = np.abs(ts[None, :] - wanted[:, None]).argmin(axis=1)
    if wanted.size == 0 or not np.allclose(ts[rows], wanted, rtol=1e-6, atol=1e-6 * np.ptp(ts)):
        raise ValueError(f"times must be save times of the solution, {ts}, got {wanted}")
    return rows
