"""A density in two dimensions, seen from above."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from .._values import as_float64
from ..distributions.density import Density
from .evolution import curve_top
from .heat import Scale, beside, colour_bar, draw_map, make_room, plane_averages
from .regions import point_masses, region_levels
from .style import COLOURS, figure, style

_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))
_GAP, _HIGH = 0.05, 0.42  # inches, of marginals
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_TEXT = np.array([0.16, 0.05])  # from a point to the middle of the words beside, in parts of the axes
_HALO = withStroke(linewidth=1.6, foreground="white")


def plot_density(
    density: Density,
    ax: Axes | None = None,
    *,
    marginals: bool = True,
    contours: Sequence[float | int] = (0.5, 0.9),
    log: bool = False,
    clip: bool = True,
    lower: ArrayLike | tuple | list | None = None,
    upper: ArrayLike | tuple | list | None = None,
    xlabel: str = "x",
    ylabel: str = "y",
    label: str = "density g(x, y)",
) -> Axes:
    """The map of the cell averages of a density in two dimensions, from white to dark, with a bar of its colours. Grey is
    where an average is no number, light blue where it is negative.

    - `marginals`: the densities of x and of y alone, above and at the right, each from zero and with an area of the mass.
    - `contours`: lines around the smallest regions that hold these shares of the mass, with the shares in per cent. Where
      no region comes within 5 per cent points, as on a plateau, there is no line.
    - `log`: colours of the logarithm, over four decades; what is below is white.
    - `clip`: the colours end above all that the grid resolves along both axes, which the bar says by a triangle. They do
      not where nothing but unresolved peaks is to be seen, nor with `log`.
    - `lower`, `upper`: corners of the part of the plane that is drawn; the grid by default.

    Point masses, a twentieth of the mass or more in a few cells, are circled, with their mass beside.

    Raises `TypeError` for what is no density, `ValueError` for one in one dimension, for a batch, for shares outside (0, 1)
    and for corners that are not finite pairs with lower < upper.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> grid = kn.Grid((-3.0, -3.0), (3.0, 5.0), (60, 80))
    >>> ax = plot_density(kn.Density.gaussian((0.0, 1.0), (0.5, 1.0), grid), xlabel="slope", ylabel="intercept")
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.collections[0].get_array().shape
    ('slope', 'intercept', (80, 60))
    >>> plt.close(ax.figure)
    """
    if not isinstance(density, Density):
        raise TypeError(
            f"plot_density draws a kn.Density, not {type(density).__name__}: an ensemble has to_density(grid)"
        )
    averages, shares = plane_averages(density), as_shares(contours)
    faces = tuple(np.asarray(each) for each in density.grid.faces)
    corners = as_corners(density, lower, upper)
    scale = Scale(averages[None], log, clip)
    with style():
        ax = figure(height=2.9 if marginals else 2.5)[1][0] if ax is None else ax
        mesh = draw_density(ax, faces, averages, scale, shares, corners)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        if marginals:
            _draw_marginals(ax, faces, averages, clip)
        extra = _GAP + _HIGH if marginals else 0.0
        colour_bar(ax, mesh, scale, extra + 0.08, label)
        make_room(ax, extra + 0.65, extra)
    return ax


def as_shares(contours: Sequence[float | int]) -> tuple[float, ...]:
    """Shares of the mass, the largest region first; `ValueError` outside (0, 1)."""
    shares = tuple(sorted((float(share) for share in contours), reverse=True))
    if not all(0 < share < 1 for share in shares):
        raise ValueError(f"contours are around shares of the mass, numbers between 0 and 1, got {tuple(contours)}")
    return shares


def as_corners(density: Density, lower: Any, upper: Any) -> tuple[np.ndarray, np.ndarray]:
    """The corners (2,) of what is drawn, by default those of the grid."""
    given = [("lower", lower, density.grid.lower), ("upper", upper, density.grid.upper)]
    low, high = (as_float64(end if corner is None else corner, "an end of what is drawn") for _, corner, end in given)
    if low.shape != (2,) or high.shape != (2,) or not np.all(np.isfinite([low, high])) or not np.all(low < high):
        raise ValueError(
            f"a part of the plane has finite corners (2,) with lower < upper, got lower={low}, upper={high}"
        )
    return low, high


def draw_density(
    ax: Axes,
    faces: tuple[np.ndarray, ...],
    averages: np.ndarray,
    scale: Scale,
    shares: tuple[float, ...],
    corners: tuple[np.ndarray, np.ndarray],
) -> Any:
    """The map, which is returned, with lines around shares of the mass and circles around point masses."""
    mesh = draw_map(ax, (faces[0], faces[1]), averages, scale)
    levels = region_levels(averages, shares)
    if levels:
        # To the ends of the grid: a region at a wall ends at the wall.
        places = [np.concatenate([each[:1], 0.5 * (each[:-1] + each[1:]), each[-1:]]) for each in faces]
        heights = np.pad(averages, 1, mode="edge").T
        lines = [_LINES[k % len(_LINES)] for k in range(len(levels))]
        ordered = sorted(levels.items(), key=lambda item: item[1])
        look: dict[str, Any] = {"colors": "black", "linewidths": 0.7, "linestyles": lines[::-1]}
        drawn = ax.contour(*places, heights, levels=[level for _, level in ordered], **look)
        drawn.set_path_effects([_HALO])
        names = {level: f"{100 * share:g} %" for share, level in ordered}
        for text in ax.clabel(drawn, fmt=names, fontsize=6, inline=False):
            text.set_path_effects([_HALO])
    mark_points(ax, point_masses(averages, (faces[0], faces[1])), corners)
    ax.set(xlim=(corners[0][0], corners[1][0]), ylim=(corners[0][1], corners[1][1]))
    return mesh


def mark_points(
    ax: Axes, masses: list[tuple[float, float, float]], corners: tuple[np.ndarray, np.ndarray]
) -> list[Artist]:
    """A circle around each point mass (x, y, mass) between the corners, and its mass where there is most room."""
    drawn: list[Artist] = []
    places = (np.array([point[:2] for point in masses]).reshape(-1, 2) - corners[0]) / (corners[1] - corners[0])
    taken = list(places)
    for (x, y, mass), place in zip(masses, places, strict=True):
        if not np.all((place >= 0) & (place <= 1)):
            continue
        ring: dict[str, Any] = {"markerfacecolor": "none", "color": COLOURS[0], "markeredgewidth": 0.9}
        drawn += ax.plot(x, y, "o", markersize=7, clip_on=False, **ring)

        def room(side: tuple[int, int], place: np.ndarray = place) -> float:
            middle = place + _TEXT * np.array(side)
            inside = np.all((middle > 0.8 * _TEXT) & (middle < 1 - 0.8 * _TEXT))
            others = [np.max(np.abs(middle - other) / _TEXT) for other in taken if other is not place]
            return min(others, default=np.inf) if inside else -1.0

        right, up = max(_SIDES, key=room)
        taken.append(place + _TEXT * np.array([right, up]))
        look = {"ha": "left" if right > 0 else "right", "va": "bottom" if up > 0 else "top", "fontsize": 7}
        shift: dict[str, Any] = {"xytext": (5 * right, 3 * up), "textcoords": "offset points", "color": COLOURS[0]}
        drawn.append(ax.annotate(f"mass {mass:.2f}", (x, y), **shift, **look, path_effects=[_HALO]))
    return drawn


def _draw_marginals(ax: Axes, faces: tuple[np.ndarray, ...], averages: np.ndarray, clip: bool) -> None:
    above, right = beside(ax, _GAP, _HIGH, above=True, sharex=ax), beside(ax, _GAP, _HIGH, sharey=ax)
    for axis, inset in enumerate((above, right)):
        values = averages.sum(axis=1 - axis) * np.diff(faces[1 - axis])[0]
        look: dict[str, Any] = {"color": COLOURS[0], "linewidth": 0.8}
        inset.stairs(values, faces[axis], orientation=("vertical", "horizontal")[axis], baseline=None, **look)
        top = curve_top(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)[None], clip)
        inset.set(**{("ylim", "xlim")[axis]: (0.0, top)})
        inset.tick_params(labelbottom=False, labelleft=False, length=0)
        inset.set(**{("yticks", "xticks")[axis]: []})
        inset.spines[("left", "bottom")[axis]].set_visible(False)
