"""Films of what a solve returns."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.animation import PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .._values import as_float64
from ..distributions.density import Density
from ..solution import Solution
from .density import as_corners, mark_points
from .evolution import curve_top, mark_clipped
from .heat import Scale, colour_bar, draw_map, plane_averages, set_averages
from .histogram import bin_count
from .regions import point_masses
from .style import COLOURS, finish, save_times, spread, style

_MOST = 2000  # points in a frame
_FASTEST = 50.0  # frames per second: a GIF counts in hundredths, and viewers take one of them for ten

# Moves to frame k, and returns what has to be drawn there.
Frame = Callable[[int], list[Artist]]


def animate(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    fps: float | int = 10.0,
    log: bool = False,
    clip: bool = True,
    lower: ArrayLike | tuple | list | None = None,
    upper: ArrayLike | tuple | list | None = None,
    xlabel: str = "x",
    ylabel: str | None = None,
    label: str = "density g(t, x, y)",
) -> Path:
    """Writes a film of the save times as a GIF, one frame for each, which is repeated for ever, and returns its path.

    Densities in one dimension are curves, in two maps as those of `plot_density`. Ensembles in one dimension are
    histograms of area 1, in two points, up to 2000 of them, always the same. Axes and colours are the same in all frames,
    and the time is above.

    - `path`: ends in ".gif". A file that is there is replaced at the end, all at once: one that is interrupted leaves
      nothing behind.
    - `fps`: frames per second, up to 50. GIFs count in hundredths of a second.
    - `log`: a logarithmic scale of colours, for densities in two dimensions.
    - `clip`: axis and colours end above all that is resolved, as in `plot_evolution` and `plot_density`.
    - `lower`, `upper`: what is drawn, numbers in one dimension, corners (2,) in two; by default all of it.
    - `label`: that of the colours; `ylabel` is "density" in one dimension and "y" in two.

    Raises before any work `TypeError` for what is no solution, `ValueError` for another suffix, for fps that cannot be, for
    a batch of solutions, for a single save time, for three dimensions and more and for ends that are not finite or not
    increasing, and `OSError` for a folder that is not there or cannot be written.

    >>> import kinetic_nde as kn
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity()))
    >>> solution = kn.solve(equation, kn.Ensemble([-1.0, 0.5, 2.0]), t1=1.0, saveat=[0.0, 0.5, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate(solution, Path(folder) / "film.gif", fps=5).name
    'film.gif'
    """
    ts = save_times(solution)
    film, rate = _as_file(path), float(fps)
    if not 0 < rate <= _FASTEST:
        raise ValueError(f"fps must be above 0 and at most {_FASTEST:g}, got {fps}")
    if ts.size < 2:
        raise ValueError("a film needs two save times or more: solve with saveat=jnp.linspace(t0, t1, 100), say")
    # Beside the film, so that moving it there is one step; a folder, whose files have the usual rights.
    with tempfile.TemporaryDirectory(prefix=".kinetic-nde-", dir=film.parent) as folder, style():
        drawing = Figure(figsize=(3.4, 2.5), layout="constrained")
        ax = drawing.add_subplot()
        show = _drawn(ax, solution, (log, clip), (lower, upper), (xlabel, ylabel, label))
        _write(drawing, ax, show, time_names(ts), Path(folder) / film.name, rate)
        os.replace(Path(folder) / film.name, film)
    return film


def _as_file(path: str | os.PathLike[str]) -> Path:
    film = Path(path)
    if film.suffix.lower() != ".gif":
        raise ValueError(f"a film is a GIF: the path must end in .gif, got {str(path)!r}")
    if film.is_dir():
        raise IsADirectoryError(f"{film} is a folder, and a film is to be written there")
    if not film.parent.is_dir():
        raise FileNotFoundError(f"{film.parent}: no such folder for {film.name}")
    return film


def time_names(ts: np.ndarray) -> list[str]:
    """The times with as many decimals as tell them apart."""
    steps = np.diff(ts)
    least = steps[steps > 0].min(initial=np.inf)
    close = lambda digits: np.all(np.abs(np.round(ts, digits) - ts) < 0.05 * least)
    digits = next((digits for digits in range(8) if close(digits)), 8)
    return [f"t = {t:.{digits}f}" for t in ts]


class _Moving:
    """What a writer asks of a figure: its size, and its picture. Only what moves is drawn, on a copy of the rest: the ticks
    and labels of axes take ten times as long."""

    def __init__(self, drawing: Figure, ax: Axes):
        self.canvas, self.ax = FigureCanvasAgg(drawing), ax
        self.title = ax.set_title("t = 0", loc="left", animated=True)
        self.get_size_inches = drawing.get_size_inches
        self.canvas.draw()
        self.rest = self.canvas.copy_from_bbox(drawing.bbox)
        self.artists: list[Artist] = []

    def savefig(self, buffer: Any, **_: Any) -> None:
        self.canvas.restore_region(self.rest)
        for artist in [*self.artists, *self.ax.spines.values(), self.title]:
            self.ax.draw_artist(artist)
        buffer.write(self.canvas.buffer_rgba())


def _write(drawing: Figure, ax: Axes, show: Frame, names: list[str], path: Path, fps: float) -> None:
    moving, writer = _Moving(drawing, ax), PillowWriter(fps=fps)  # type: ignore[arg-type]
    writer.setup(moving, str(path), dpi=drawing.dpi)  # type: ignore[arg-type]
    for k, name in enumerate(names):
        moving.title.set_text(name)
        moving.artists = show(k)
        writer.grab_frame()
    # Not writer.saving, which would write what there is of a film that is interrupted.
    writer.finish()


def _drawn(ax: Axes, solution: Solution, how: tuple[bool, bool], ends: tuple[Any, Any], labels: tuple) -> Frame:
    """The first state of the axes, and what shows the others in them."""
    distributions, (xlabel, ylabel, _) = solution.distributions, labels
    if isinstance(distributions, Density):
        plane = distributions.dimension == 2
        show = _map(ax, solution, how, ends, labels[2]) if plane else _curve(ax, solution, how[1], ends)
    else:
        samples = np.asarray(distributions.samples)
        samples = samples.reshape(*samples.shape[:2], -1)
        if samples.shape[2] > 2:
            raise ValueError(f"a film has one dimension or two, the samples have {samples.shape[2]}: choose components")
        plane = samples.shape[2] == 2
        show = (
            _points(ax, samples, ends) if plane else _bars(ax, np.asarray(solution.ts), samples[:, :, 0], how[1], ends)
        )
    ax.set(xlabel=xlabel, ylabel=ylabel or ("y" if plane else "density"))
    return show


def _curve(ax: Axes, solution: Solution, clip: bool, ends: tuple[Any, Any]) -> Frame:
    faces = np.asarray(solution[0].grid.faces)
    return _stairs(ax, np.asarray(solution.ts), faces, np.asarray(solution.distributions.values), clip, ends)


def _bars(ax: Axes, ts: np.ndarray, samples: np.ndarray, clip: bool, ends: tuple[Any, Any]) -> Frame:
    finite = samples[np.isfinite(samples)]
    faces = np.histogram_bin_edges(finite, max(bin_count(finite), 30))
    counts = np.stack([np.histogram(row[np.isfinite(row)], faces)[0] for row in samples])
    return _stairs(ax, ts, faces, counts / (samples.shape[1] * np.diff(faces)), clip, ends)


def _stairs(
    ax: Axes, ts: np.ndarray, faces: np.ndarray, values: np.ndarray, clip: bool, ends: tuple[Any, Any]
) -> Frame:
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = curve_top(finite, clip)
    curve = ax.stairs(values[0], faces, baseline=None, color=COLOURS[0], animated=True)
    ax.set_ylim(min(-0.02 * top, 1.05 * finite.min()), top)
    finish(ax, "x", "density")
    low, high = _ends(ends, (faces[0], faces[-1]))
    air = 0.02 * float(high - low)
    ax.set_xlim(float(low) - air, float(high) + air)

    def show(k: int) -> list[Artist]:
        for text in list(ax.texts):
            text.remove()
        curve.set_data(values[k])
        mark_clipped(ax, ts[k : k + 1], faces, finite[k : k + 1], top)
        return [curve, *ax.texts]

    return show


def _map(ax: Axes, solution: Solution, how: tuple[bool, bool], ends: tuple[Any, Any], label: str) -> Frame:
    first = solution[0]
    plane_averages(first)
    values = np.asarray(solution.distributions.values)
    scale = Scale(values, *how)
    low, high = as_corners(first, *ends)
    faces = tuple(np.asarray(each) for each in first.grid.faces)
    mesh = draw_map(ax, (faces[0], faces[1]), values[0], scale)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    colour_bar(ax, mesh, scale, 0.08, label)
    mesh.set_animated(True)
    marks: list[Artist] = []

    def show(k: int) -> list[Artist]:
        while marks:
            marks.pop().remove()
        set_averages(mesh, values[k])
        marks.extend(mark_points(ax, point_masses(values[k], (faces[0], faces[1])), (low, high)))
        return [mesh, *marks]

    return show


def _points(ax: Axes, samples: np.ndarray, ends: tuple[Any, Any]) -> Frame:
    drawn = samples[:, spread(samples.shape[1], _MOST)]
    size = 2.5 if drawn.shape[1] <= 300 else 1.5
    (dots,) = ax.plot(*drawn[0].T, "o", color=COLOURS[0], markersize=size, alpha=0.6, markeredgewidth=0, animated=True)
    finite = samples[np.isfinite(samples).all(axis=2)]
    # A little air around; as much around one place, which has no size of its own.
    size = np.ptp(finite, axis=0)
    air = 0.03 * np.where(size > 0, size, np.maximum(size.max(), 1.0))
    low, high = _ends(ends, (finite.min(axis=0) - air, finite.max(axis=0) + air))
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))

    def show(k: int) -> list[Artist]:
        dots.set_data(*drawn[k].T)
        return [dots]

    return show


def _ends(given: tuple[Any, Any], whole: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    low, high = (
        as_float64(end if corner is None else corner, "an end of what is drawn")
        for corner, end in zip(given, whole, strict=True)
    )
    if low.shape != np.shape(whole[0]) or high.shape != low.shape:
        raise ValueError(f"what is drawn ends at corners of shape {np.shape(whole[0])}, got lower={low}, upper={high}")
    if not np.all(np.isfinite([low, high])) or not np.all(low < high):
        raise ValueError(f"what is drawn has finite ends with lower < upper, got lower={low}, upper={high}")
    return low, high
