"""Maps of cell averages in colour: from white, where there is nothing, to dark."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.transforms import Bbox

from ..distributions.density import Density
from ..distributions.stack import check_one
from .peaks import resolved_top, summits, widened

DECADES = 4  # of a logarithmic scale
_COLOURS = 226  # of the 256 that magma has, from its light end
_FADE = 24  # of these from white into the pale yellow that it starts with


class Scale:
    """What the colours mean: averages from 0 to the largest that is shown, or the four decades below it."""

    def __init__(self, averages: np.ndarray, log: bool, clip: bool):
        """For the averages (times, nx, ny) of all that is to be drawn in the same colours."""
        averages = np.nan_to_num(averages, nan=0.0, posinf=0.0, neginf=0.0)
        # Beside point masses, masses along lines are worth seeing; beside those, what is spread.
        across, along = (widened(summits(averages, axis), axis) for axis in (1, 2))
        for peaks in (across | along, widened(widened(summits(averages, 1) & summits(averages, 2), 1), 2)):
            self.top, above = resolved_top(averages, peaks & (clip and not log))
            if above:
                break
        below = averages.min() < -0.005 * self.top
        # Triangles at the ends of the bar say that there is more.
        self.extend = {(0, 0): "neither", (0, 1): "max", (1, 0): "min", (1, 1): "both"}[bool(below), above]
        self.norm: Normalize = LogNorm(self.top / 10**DECADES, self.top) if log else Normalize(0.0, self.top)


def colours() -> Colormap:
    """magma from its light end, faded to white at zero: even in lightness, told apart by the colour-blind and in print. Not
    to its black end, on which no line could be seen. Below zero light blue, grey where an average is no number.

    >>> [tuple(round(float(part), 2) for part in colours()(share)[:3]) for share in (0.0, 1.0)]
    [(1.0, 1.0, 1.0), (0.1, 0.06, 0.26)]
    """
    table = colormaps["magma_r"](np.arange(_COLOURS))
    # To the third power: what white adds is then as even in lightness as magma is.
    white = np.maximum(1 - np.arange(_COLOURS) / _FADE, 0.0)[:, None] ** 3
    return ListedColormap((1 - white) * table + white, "white magma").with_extremes(under="#b3d9f2", bad="0.8")


def plane_averages(density: Density) -> np.ndarray:
    """The averages (nx, ny) of one density in two dimensions, `ValueError` for another dimension and for a batch."""
    check_one(density, "a map")
    if density.dimension != 2:
        raise ValueError("a map is of a density in two dimensions, this one has one: use plot_evolution")
    return np.asarray(density.values)


def draw_map(ax: Axes, faces: tuple[np.ndarray, np.ndarray], averages: np.ndarray, scale: Scale) -> QuadMesh:
    """One rectangle for each cell."""
    cmap = colours()
    if isinstance(scale.norm, LogNorm):
        cmap = cmap.with_extremes(under="white", bad="0.8")
    # An image in a PDF too, where ten thousands of rectangles would show seams.
    mesh = ax.pcolormesh(*faces, averages.T, norm=scale.norm, cmap=cmap, rasterized=True)
    set_averages(mesh, averages)
    return mesh


def set_averages(mesh: QuadMesh, averages: np.ndarray) -> None:
    """Other averages (nx, ny) for a map that is drawn."""
    if isinstance(mesh.norm, LogNorm):
        # A logarithm takes zeros for what is no number: they belong below the scale.
        averages = np.maximum(averages, 0.5 * (mesh.norm.vmin or 0.0))
    mesh.set_array(averages.T)


def colour_bar(ax: Axes, mesh: QuadMesh, scale: Scale, gap: float, label: str) -> None:
    """The bar, `gap` inches to the right of the axes."""
    figure: Any = ax.figure
    bar = figure.colorbar(mesh, cax=beside(ax, gap, 0.09), extend=scale.extend)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label)


def beside(ax: Axes, gap: float, size: float, above: bool = False, **shared: Any) -> Axes:
    """Axes along the right edge of others, or along the upper one. In inches: a part of axes that a layout makes smaller
    would be smaller too, and the layout would not end."""
    inset = ax.inset_axes((0.0, 0.0, 1.0, 1.0), **shared)

    def place(_: Any, renderer: Any) -> Bbox:
        figure: Any = ax.figure
        box, start, thick = ax.bbox, gap * figure.dpi, size * figure.dpi
        if above:
            bounds = Bbox.from_bounds(box.x0, box.y1 + start, box.width, thick)
        else:
            bounds = Bbox.from_bounds(box.x1 + start, box.y0, thick, box.height)
        return bounds.transformed(figure.transSubfigure.inverted())

    inset.set_axes_locator(place)
    return inset


def make_room(ax: Axes, right: float, above: float = 0.0) -> None:
    """In a figure without a layout, what is beside the axes would be cut off: they give way by so many inches."""
    figure: Any = ax.figure
    if figure.get_layout_engine() is None:
        place, box = ax.get_position(), ax.bbox
        wide, high = (1 - inches * figure.dpi / size for inches, size in ((right, box.width), (above, box.height)))
        ax.set_position((place.x0, place.y0, max(wide, 0.2) * place.width, max(high, 0.2) * place.height))
