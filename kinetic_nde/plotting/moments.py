"""Moments over time."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..solution import Solution
from .style import COLOURS, LINES, axes_or_new, finish, save_times, style

_NAMES = ("mass", "mean", "variance", "energy")


def plot_moments(
    solution: Solution,
    names: str | int | Sequence[str | int] = ("mean", "variance", "energy"),
    ax: Axes | None = None,
    *,
    log: bool = False,
    xlabel: str = "time t",
    ylabel: str = "moment",
) -> Axes:
    """Moments over the save times, of densities or of ensembles in one dimension.

    - `names`: one or more of "mass", "mean", "variance", "energy", and integers k for the moments m_k = int x^k g dx.
    - `log`: a logarithmic axis.

    Raises `ValueError` for no or an unknown name, for a negative order, for a batch of solutions, and in more than one dimension, where a mean is not
    a number.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity()))
    >>> solution = kn.solve(equation, kn.Ensemble([-1.0, 1.0]), t1=2.0, saveat=[0.0, 1.0, 2.0])
    >>> ax = plot_moments(solution, ["variance", 3])
    >>> [line.get_label() for line in ax.lines], ax.lines[0].get_ydata().round(3)
    (['variance', '$m_{3}$'], array([1.   , 0.135, 0.018]))
    >>> plt.close(ax.figure)
    """
    ts = save_times(solution)
    names = (names,) if isinstance(names, str | int) else tuple(names)
    if not names:
        raise ValueError("there is no moment to draw: names is empty")
    curves = _moments(solution, names)
    with style():
        ax = axes_or_new(ax)
        drawn = len(ax.lines)  # a second solution in the same axes goes on with the colours
        for k, (name, values) in enumerate(zip(names, curves, strict=True), start=drawn):
            label = name if isinstance(name, str) else f"$m_{{{name}}}$"
            look = {"color": COLOURS[k % len(COLOURS)], "linestyle": LINES[k % len(LINES)]}
            ax.plot(ts, values, label=label, **look)
        if log:
            ax.set_yscale("log")
        finish(ax, xlabel, ylabel)
        ax.legend()
    return ax


def _moments(solution: Solution, names: tuple[str | int, ...]) -> list[np.ndarray]:
    for name in names:
        if isinstance(name, str) and name not in _NAMES:
            raise ValueError(f"unknown moment {name!r}: choose from {', '.join(_NAMES)}, or an integer for its order")

    def values(distribution: Density | Ensemble) -> list[Array]:
        return [getattr(distribution, name) if isinstance(name, str) else distribution.moment(name) for name in names]

    # Compiled once: operation by operation a first picture takes seconds.
    curves = [np.asarray(curve) for curve in jax.jit(jax.vmap(values))(solution.distributions)]
    for name, curve in zip(names, curves, strict=True):
        if curve.ndim != 1:
            raise ValueError(f"a curve needs numbers, but here {name!r} has the shape {curve.shape[1:]} at each time")
    return curves
