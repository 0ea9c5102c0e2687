"""Maps of cell averages in colour: from white, where there is nothing, to dark."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize

from ..distributions.density import Density
from .peaks import resolved_top, summits, widened

DECADES = 4  # of a logarithmic scale
_FADE = 24  # of 256 colours: from white into the pale yellow that magma starts with


class Scale:
    """What the colours mean: averages from 0 to the largest that is shown, or the four decades below it."""

    def __init__(self, averages: np.ndarray, log: bool, clip: bool):
        """For the averages (times, nx, ny) of all that is to be drawn in the same colours."""
        averages = np.nan_to_num(averages, nan=0.0, posinf=0.0, neginf=0.0)
        peaks = np.zeros(averages.shape, bool)
        if clip and not log:
            peaks = widened(summits(averages, 1), 1) | widened(summits(averages, 2), 2)
        self.top, above = resolved_top(averages, peaks)
        below = averages.min() < -0.005 * self.top
        # Triangles at the ends of the bar say that there is more.
        self.extend = {(0, 0): "neither", (0, 1): "max", (1, 0): "min", (1, 1): "both"}[bool(below), above]
        self.norm: Normalize = LogNorm(self.top / 10**DECADES, self.top) if log else Normalize(0.0, self.top)


def colours() -> Colormap:
    """magma from its light end, faded to white at zero: even in lightness, told apart by the colour-blind and in print.
    Below zero light blue, grey where an average is no number.

    >>> [tuple(round(float(part), 2) for part in colours()(share)[:3]) for share in (0.0, 1.0)]
    [(1.0, 1.0, 1.0), (0.0, 0.0, 0.01)]
    """
    table = colormaps["magma_r"](np.linspace(0.0, 1.0, 256))
    white = np.maximum(1 - np.arange(256) / _FADE, 0.0)[:, None]
    return ListedColormap((1 - white) * table + white, "white magma").with_extremes(under="#b3d9f2", bad="0.8")


def plane_averages(density: Density) -> np.ndarray:
    """The averages (nx, ny) of one density in two dimensions, `ValueError` for another dimension and for a batch."""
    if density.dimension != 2:
        raise ValueError("a map is of a density in two dimensions, this one has one: use plot_evolution")
    values = np.asarray(density.values)
    if values.shape != density.grid.shape:
        raise ValueError(
            f"this is a batch of densities (values has shape {values.shape} on a grid of {density.grid.shape}): draw its members one by one"
        )
    return values


def draw_map(ax: Axes, faces: tuple[np.ndarray, np.ndarray], averages: np.ndarray, scale: Scale) -> QuadMesh:
    """One rectangle for each cell."""
    cmap = colours()
    if isinstance(scale.norm, LogNorm):
        cmap = cmap.with_extremes(under="white", bad="0.8")
        averages = np.maximum(averages, 0.5 * scale.norm.vmin)
    # An image in a PDF too, where ten thousands of rectangles would show seams.
    return ax.pcolormesh(*faces, averages.T, norm=scale.norm, cmap=cmap, rasterized=True)


def colour_bar(ax: Axes, mesh: QuadMesh, scale: Scale, left: float, label: str) -> Any:
    """The bar beside the axes, `left` of them away in their widths."""
    figure: Any = ax.figure
    bar = figure.colorbar(mesh, cax=ax.inset_axes((left, 0.0, 0.045, 1.0)), extend=scale.extend)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label)
    return bar
