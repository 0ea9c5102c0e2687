"""Measurements against the density that they start from."""

import math

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from .._values import as_float64
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_one
from .style import COLOURS, axes_or_new, finish, style


def plot_histogram(
    samples: Ensemble | ArrayLike | list,
    density: Density | None = None,
    ax: Axes | None = None,
    *,
    bins: int | ArrayLike | list | None = None,
    unit: str | None = None,
    xlabel: str = "x",
    ylabel: str = "density",
    labels: tuple[str, str] = ("measurements", "$g_0(x)$"),
) -> Axes:
    """The histogram, of area 1, of measurements (M,), an array or an `Ensemble`, and a density on top.

    - `bins`: their number, from the smallest to the largest measurement, or their edges, an increasing array (B + 1,) around all measurements; by
      default what the rule of Freedman and Diaconis asks for, from 5 to 60 bins.
    - `unit`: that of the measurements, which joins the labels of both axes.
    - `labels`: of histogram and density in the legend, which is there if both are.

    Raises `TypeError` for masked samples, `ValueError` for a stack, for a density in two dimensions, for
    samples that are empty, not finite or not of shape (M,), for bins < 1 and for edges that do not increase or leave measurements out.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> lengths = [2.0, 3.1, 3.2, 6.8, 8.0]
    >>> g0 = kn.Density.from_samples(lengths, kn.Grid(2.0, 8.0, 60))
    >>> ax = plot_histogram(lengths, g0, bins=6, unit="m", xlabel="length")
    >>> [round(float(bar.get_height()), 2) for bar in ax.containers[0]]
    [0.2, 0.4, 0.0, 0.0, 0.2, 0.2]
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('length (m)', 'density (1/m)')
    >>> plt.close(ax.figure)
    """
    for each in (samples, density):
        if isinstance(each, Density | Ensemble):
            check_one(each, "a histogram")
    values = as_float64(samples.samples if isinstance(samples, Ensemble) else samples, "samples")
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError(f"a histogram needs finite samples of shape (M,) with M >= 1, got shape {values.shape}")
    if density is not None and density.dimension != 1:
        raise ValueError(f"a histogram is drawn with a density in one dimension, this one has {density.dimension}")
    edges = _edges(values, bins)
    with style():
        ax = axes_or_new(ax)
        look = {"color": "#c9d6df", "edgecolor": "white", "linewidth": 0.5}
        ax.hist(values, bins=edges.tolist(), density=True, label=labels[0], **look)
        if density is not None:
            faces = np.asarray(density.grid.faces)
            ax.stairs(np.asarray(density.values), faces, baseline=None, color=COLOURS[0], label=labels[1])
            # Room for the legend over data that may fill the axes.
            ax.margins(y=0.25)
            ax.legend(loc="upper right", ncols=2)
        suffix = ("", "") if unit is None else (f" ({unit})", f" (1/{unit})")
        finish(ax, xlabel + suffix[0], ylabel + suffix[1])
    return ax


def bin_count(values: np.ndarray) -> int:
    """What the rule of Freedman and Diaconis asks for, from 5 to 60."""
    quartiles = np.quantile(values, [0.25, 0.75])
    width = 2 * (quartiles[1] - quartiles[0]) / values.size ** (1 / 3)
    return int(np.clip(math.ceil(np.ptp(values) / width), 5, 60)) if width > 0 else 5


def _edges(values: np.ndarray, bins: int | ArrayLike | list | None) -> np.ndarray:
    """The edges (B + 1,) of the bins that are asked for, which hold all values."""
    if bins is None or np.ndim(bins) == 0:
        count = bin_count(values) if bins is None else int(np.asarray(bins))
        if count < 1:
            raise ValueError(f"a histogram needs at least one bin, got {bins}")
        return np.histogram_bin_edges(values, count)
    edges = as_float64(bins, "bins")
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.isfinite(edges)) or not np.all(np.diff(edges) > 0):
        raise ValueError(f"the edges of bins are two numbers or more that increase, got {bins}")
    if edges[0] > values.min() or edges[-1] < values.max():
        raise ValueError(
            f"bins from {edges[0]:g} to {edges[-1]:g} leave out measurements, which go from {values.min():g} to {values.max():g}"
        )
    return edges
