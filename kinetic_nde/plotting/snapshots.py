"""A density in two dimensions at several times, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from ..distributions.density import Density
from ..solution import Solution
from .density import as_corners, as_shares, draw_density
from .heat import Scale, colour_bar, make_room, plane_averages
from .style import figure, save_times, spread, style, time_rows

_DRAWN = 3  # times by default


def plot_snapshots(
    solution: Solution,
    axes: Sequence[Axes] | None = None,
    *,
    times: ArrayLike | list | None = None,
    shared: bool = False,
    contours: Sequence[float | int] = (0.5, 0.9),
    log: bool = False,
    clip: bool = True,
    lower: ArrayLike | tuple | list | None = None,
    upper: ArrayLike | tuple | list | None = None,
    xlabel: str = "x",
    ylabel: str = "y",
    label: str = "density g(t, x, y)",
) -> list[Axes]:
    """Maps of a density in two dimensions at several times, one after the other in `axes`, or in a new figure two columns
    wide; the axes are returned.

    - `times`: the save times to draw; by default up to three, evenly spread, the first and the last among them.
    - `shared`: one scale of colours, and one bar, for all times. By default each time has its own: of a density that
      collapses the start would be invisible on the scale of the end.
    - all else as in `plot_density`.

    Raises `TypeError` for a solution that holds ensembles, `ValueError` for densities in one dimension, for a batch of
    solutions, for `times` that are not save times and for another number of axes than of times.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, [1.0, 0.0], kn.Identity()))
    >>> initial = kn.Density.gaussian((0.0, 0.0), 0.5, kn.Grid((-3.0, -3.0), (3.0, 3.0), 24))
    >>> axes = plot_snapshots(kn.solve(equation, initial, t1=0.5, saveat=[0.0, 0.25, 0.5]))
    >>> [ax.get_title() for ax in axes]
    ['t = 0', 't = 0.25', 't = 0.5']
    >>> plt.close(axes[0].figure)
    """
    ts = save_times(solution)
    if not isinstance(solution.distributions, Density):
        raise TypeError("plot_snapshots draws densities: solve from a kn.Density, or use plot_trajectories or animate")
    rows = spread(ts.size, _DRAWN) if times is None else time_rows(ts, times)
    if axes is not None and len(axes) != rows.size:
        raise ValueError(f"there are {rows.size} times to draw, and {len(axes)} axes")
    first, shares = solution[0], as_shares(contours)
    plane_averages(first)
    corners = as_corners(first, lower, upper)
    faces = tuple(np.asarray(each) for each in first.grid.faces)
    values = np.asarray(solution.distributions.values)[rows]
    scales = [Scale(values, log, clip)] * rows.size if shared else [Scale(each[None], log, clip) for each in values]
    with style():
        axes = figure(columns=2, panels=rows.size, height=2.0)[1] if axes is None else list(axes)
        for k, (ax, averages, scale) in enumerate(zip(axes, values, scales, strict=True)):
            mesh: Any = draw_density(ax, faces, averages, scale, shares, corners)
            ax.set(xlabel=xlabel, ylabel=ylabel if k == 0 else "", title=f"t = {ts[rows[k]]:.3g}")
            last = k == rows.size - 1
            if last or not shared:
                colour_bar(ax, mesh, scale, 0.06, label if last else "")
                make_room(ax, 0.65)
    return axes
