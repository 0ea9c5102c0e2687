"""The paths of particles."""

import numpy as np
from matplotlib.axes import Axes

from ..distributions.ensemble import Ensemble
from ..solution import Solution
from .style import axes_or_new, finish, save_times, shade, spread, style


def plot_trajectories(
    solution: Solution,
    ax: Axes | None = None,
    *,
    most: int = 200,
    component: int = 0,
    xlabel: str = "time t",
    ylabel: str = "x",
) -> Axes:
    """The paths of an ensemble's particles through the save times, coloured by where they end: dark at the bottom of the picture, light at its top.

    - `most`: of more particles, those with evenly spaced ranks at the first save time are drawn, the lowest and the highest among them: always the
      same ones.
    - `component`: the one of samples (M, d) to draw.

    Raises `TypeError` for a solution that holds densities, `ValueError` for a batch of solutions, for a single save time, for most < 1 and for a
    component that the samples do not have.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> equation = kn.MeanField(kn.SimResNet(1.0, -5.0, kn.Tanh()), walls=(2.0, 8.0))
    >>> ax = plot_trajectories(kn.solve(equation, kn.Ensemble([3.0, 4.0, 7.0]), t1=6.0, saveat=[0.0, 3.0, 6.0]))
    >>> len(ax.lines), ax.get_xlabel(), ax.get_ylabel()
    (3, 'time t', 'x')
    >>> plt.close(ax.figure)
    """
    ts = save_times(solution)
    if not isinstance(solution.distributions, Ensemble):
        raise TypeError("plot_trajectories draws particles: solve from a kn.Ensemble, or use plot_evolution")
    if ts.size < 2:
        raise ValueError("a path needs two save times or more: solve with saveat=jnp.linspace(t0, t1, 100), say")
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    samples = np.asarray(solution.distributions.samples)
    samples = samples.reshape(*samples.shape[:2], -1)
    if not 0 <= component < samples.shape[2]:
        raise ValueError(f"samples of dimension {samples.shape[2]} have no component {component}")
    paths = samples[:, :, component]
    paths = paths[:, np.argsort(paths[0], kind="stable")[spread(paths.shape[1], most)]]
    # Within the whole picture and not between the ends alone: one cluster has one colour, two clusters have two.
    low, high = paths.min(), paths.max()
    ends = (paths[-1] - low) / (high - low) if high > low else np.zeros(paths.shape[1])
    with style():
        ax = axes_or_new(ax)
        for path, end in zip(paths.T, ends, strict=True):
            ax.plot(ts, path, color=shade(float(end)), linewidth=0.8 if ends.size <= 60 else 0.4)
        finish(ax, xlabel, ylabel)
    return ax
