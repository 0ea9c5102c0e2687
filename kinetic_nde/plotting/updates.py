"""Distributions after several updates of a network, beside the one that is wanted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..distributions.density import Density
from ..distributions.stack import check_one
from .style import axes_or_new, finish, shade, style

_HEADROOM = 1.25
_LINES: tuple[Any, ...] = ("-", (0, (4, 1, 1, 1)), (0, (1, 1)), (0, (4, 1, 1, 1, 1, 1)))


def plot_updates(
    densities: Sequence[Density],
    updates: Sequence[int],
    target: Density | None = None,
    ax: Axes | None = None,
    *,
    cumulative: bool = False,
    xlabel: str = "x",
    ylabel: str | None = None,
    labels: tuple[str, str] = ("update", "target"),
) -> Axes:
    """Densities after `updates` of a network, from light to dark in several styles of line, and the target, if there is
    one, black and dashed.

    - `cumulative`: the shares of the mass up to x instead, which show point masses as well.
    - `labels`: what the number of an update follows in the legend, and the name of the target.

    The axis of densities ends above what they have between the outermost cells: the point masses at two walls would
    flatten all the rest. Raises `ValueError` if there are not as many updates as densities, or none, for a stack among them, and in two dimensions.

    >>> import matplotlib.pyplot as plt
    >>> from kinetic_nde.distributions.grid import Grid
    >>> grid = Grid(-8.0, 8.0, 50)
    >>> densities = [Density.gaussian(mean, 1.0, grid) for mean in (0.0, 1.0)]
    >>> ax = plot_updates(densities, [0, 7], Density.gaussian(1.5, 1.0, grid), cumulative=True)
    >>> [text.get_text() for text in ax.get_legend().get_texts()], ax.get_ylabel()
    (['update 0', 'update 7', 'target'], 'share up to x')
    >>> plt.close(ax.figure)
    """
    if len(densities) != len(updates) or not densities:
        raise ValueError(f"need a number of updates for each density, got {len(updates)} for {len(densities)}")
    curves: list[tuple[Density, int | None]] = [*zip(densities, updates, strict=True)]
    curves += [] if target is None else [(target, None)]
    for density, _ in curves:
        check_one(density, "plot_updates")
        if density.dimension != 1:
            raise ValueError(f"plot_updates draws densities in one dimension, one has {density.dimension}")
    with style():
        ax = axes_or_new(ax)
        top = 0.0
        for k, (density, name) in enumerate(curves):
            last = name is None
            colour = "black" if last else shade(1 - k / max(len(densities) - 1, 1))
            faces, values = np.asarray(density.grid.faces), np.asarray(density.values)
            look: dict[str, Any] = {"color": colour, "linewidth": 1.0 if last else 1.2}
            # The last update is the one that is looked for: a solid line.
            look["linestyle"] = "--" if last else _LINES[(len(densities) - 1 - k) % len(_LINES)]
            label = labels[1] if last else f"{labels[0]} {name}"
            if cumulative:
                below = np.concatenate([[0.0], np.cumsum(values * np.diff(faces))])
                ax.plot(faces, below, label=label, **look)
            else:
                ax.stairs(values, faces, baseline=None, label=label, **look)
                top = max(top, float(np.max(values[1:-1])))
        if not cumulative:
            ax.set_ylim(-0.02 * top, _HEADROOM * top)
        finish(ax, xlabel, ylabel or (f"share up to {xlabel}" if cumulative else "density"))
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=3)
    return ax
