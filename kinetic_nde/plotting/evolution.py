"""A density at several times, also one that turns into point masses."""

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from ..distributions.density import Density
from ..solution import Solution
from .peaks import REACH, resolved_top, summits, widened
from .style import axes_or_new, finish, save_times, shade, spread, style, time_rows

_NAMED = 6  # times in the legend
_DECADES = 8


def plot_evolution(
    solution: Solution,
    ax: Axes | None = None,
    *,
    times: ArrayLike | list | None = None,
    log: bool = False,
    clip: bool = True,
    xlabel: str = "x",
    ylabel: str = "density g(t, x)",
) -> Axes:
    """The cell averages of a density, from light to dark over time. The legend, above the axes, names up to six of the times.

    - `times`: the save times to draw; all by default.
    - `log`: a logarithmic axis, of eight decades at most.
    - `clip`: the axis ends above all that the grid resolves. A peak that falls to a quarter within three cells on both sides is a point mass to the
      grid, as high as its cells are narrow, and nothing else could be seen beside it. An arrow marks where one leaves the picture, with its mass
      at the last time that it does, in the colour of that time. Nothing is clipped where nothing but such peaks is to be seen, nor with `log`.

    Raises `TypeError` for a solution that holds ensembles, `ValueError` for a batch of solutions and for `times` that are not save times.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity()))
    >>> initial = kn.Density.gaussian(1.0, 1.0, kn.Grid(-7.0, 9.0, 50))
    >>> ax = plot_evolution(kn.solve(equation, initial, t1=1.0, saveat=[0.0, 1.0]))
    >>> [text.get_text() for text in ax.get_legend().get_texts()], ax.get_ylabel()
    (['t = 0', 't = 1'], 'density g(t, x)')
    >>> plt.close(ax.figure)
    """
    ts = save_times(solution)
    if not isinstance(solution.distributions, Density):
        raise TypeError("plot_evolution draws densities: solve from a kn.Density, or use plot_trajectories")
    if solution.distributions.dimension != 1:
        raise ValueError(
            "plot_evolution draws densities in one dimension: use plot_snapshots, or plot_density for one of them"
        )
    rows = np.arange(ts.size) if times is None else time_rows(ts, times)
    ts = ts[rows]
    # The leaves of the grid have the time first too, but the grid is the same at all times.
    faces = np.asarray(solution[0].grid.faces)
    values = np.asarray(solution.distributions.values)[rows]
    named = spread(ts.size, _NAMED)
    with style():
        ax = axes_or_new(ax)
        highest = ax.get_ylim()[1] if ax.has_data() else 0.0
        for k, averages in enumerate(values):
            label = f"t = {ts[k]:.3g}" if k in named else None
            ax.stairs(averages, faces, baseline=None, color=_colour(k, ts.size), label=label)
        # A failed solve is drawn as far as it is finite.
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        if log:
            _log_axis(ax, values, highest)
        else:
            top = max(curve_top(values, clip), highest)
            ax.set_ylim(min(-0.02 * top, 1.05 * values.min()), top)
            mark_clipped(ax, ts, faces, values, top)
        finish(ax, xlabel, ylabel)
        # Above the axes: curves of which each fills the width leave no room between them.
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=3)
    return ax


def _colour(k: int, count: int) -> tuple[float, ...]:
    return shade(1 - k / (count - 1) if count > 1 else 0.0)


def _log_axis(ax: Axes, values: np.ndarray, highest: float) -> None:
    ax.set_yscale("log", nonpositive="mask")
    positive = values[values > 0]
    if positive.size:
        top = max(2 * positive.max(), highest)
        ax.set_ylim(max(top / 10**_DECADES, 0.5 * positive.min()), top)


def curve_top(values: np.ndarray, clip: bool) -> float:
    """Where the axis of curves (times, cells) ends: above everything, unless peaks tower over a rest that is worth seeing."""
    peaks = widened(summits(values)) if clip else np.zeros(values.shape, bool)
    highest, clipped = resolved_top(values, peaks)
    return (1.2 if clipped else 1.05) * highest


def mark_clipped(ax: Axes, ts: np.ndarray, faces: np.ndarray, values: np.ndarray, top: float) -> None:
    """An arrow over each group of cells that leave the axes, with the mass there at the last such time."""
    above = np.flatnonzero(np.any(values > top, axis=0))
    groups = np.split(above, np.flatnonzero(np.diff(above) > REACH) + 1) if above.size else []
    for group in groups:
        last = int(np.flatnonzero(np.any(values[:, group] > top, axis=1))[-1])
        cells = slice(max(group[0] - REACH, 0), group[-1] + REACH + 1)
        mass = np.sum(values[last, cells] * np.diff(faces)[cells])
        x = 0.5 * (faces[group[0]] + faces[group[-1] + 1])
        place = {"xy": (x, 1.0), "xycoords": ax.get_xaxis_transform()}
        arrow = {"arrowstyle": "-|>", "color": _colour(last, ts.size), "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", **place, xytext=(0, -8), textcoords="offset points", arrowprops=arrow, annotation_clip=False)
        if len(groups) <= 4:
            right = x > 0.5 * (faces[0] + faces[-1])
            offset, side = (-5, "right") if right else (5, "left")
            look = {"ha": side, "va": "top", "fontsize": 7, "color": _colour(last, ts.size)}
            ax.annotate(f"mass {mass:.2f}", **place, xytext=(offset, 0), textcoords="offset points", **look)
