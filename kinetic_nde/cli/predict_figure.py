"""The picture of `kinetic-nde predict`."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plotting import figure, plot_histogram, style
from ..plotting.style import COLOURS, finish
from .predict import Course, Prediction
from .words import label_of

_MARKS = {
    "stable": ("o", COLOURS[0]),
    "unstable": ("o", "white"),
    "semi-stable": ("D", "0.7"),
}
_AIR = 0.08  # of the box, on either side
_ARROWS = 24  # zeros between which there is room for arrows
_LABELLED = 6  # clusters whose mass is written beside them


def draw(found: Prediction, column: str) -> Figure:
    """The velocity with its zeros; with measurements, where they are and where they will be; mean and spread over time
    where those are known."""
    panels = 1 + (found.values is not None) + (found.course is not None)
    drawing, axes = figure(columns=1 if panels == 1 else 2, panels=panels, height=2.4)
    with style():
        _velocity(axes[0], found, column)
        if found.values is not None:
            _clusters(axes[1], found, found.values, column)
        if found.course is not None:
            _course(axes[2], found.course, column)
    return drawing


def _drawn(found: Prediction) -> tuple[float, float]:
    """The box, the measurements and some air: points at the ends are to be seen."""
    low, high = found.box
    if found.values is not None:
        low, high = min(low, float(np.min(found.values))), max(high, float(np.max(found.values)))
    air = _AIR * (high - low)
    return low - air, high + air


def _velocity(ax: Axes, found: Prediction, column: str) -> None:
    low, high = _drawn(found)
    zeros = np.clip(found.states.points, low, high)
    # Enough of them between two zeros, however many there are.
    x = np.unique(np.linspace(low, high, max(801, 16 * (zeros.size + 1))))
    v = np.asarray(found.net(0.0, jnp.asarray(x)))
    ax.axhline(0.0, color="0.6", linewidth=0.6)
    ax.plot(x, v, color="black")
    # Which way the data go between two zeros.
    ends = np.array([low, *zeros, high])
    for middle in 0.5 * (ends[1:] + ends[:-1]) if zeros.size <= _ARROWS else []:
        speed = float(np.interp(middle, x, v))
        if speed:
            reach = np.sign(speed) * 0.012 * (high - low)
            look = {"arrowstyle": "-|>", "color": "0.4", "linewidth": 0.8, "mutation_scale": 7}
            ax.annotate("", (middle + reach, 0.0), (middle - reach, 0.0), arrowprops=look)
    size = 4.5 if zeros.size <= _ARROWS else 1.5
    for name, (marker, colour) in _MARKS.items():
        points = found.states.points[found.states.stability == name]
        if points.size:
            ax.plot(
                points,
                np.zeros(points.size),
                marker,
                ms=size,
                color=colour,
                markeredgecolor="black",
                label=name,
                zorder=3,
            )
    if len(found.states):
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.1)
    finish(ax, label_of(column), "velocity v")


def _clusters(ax: Axes, found: Prediction, values: np.ndarray, column: str) -> None:
    plot_histogram(values, None, ax, xlabel=label_of(column), labels=("measurements", ""))
    states = found.states
    masses = np.zeros(len(states)) if states.masses is None else states.masses
    attracted = [(point, mass) for point, mass in zip(states.points, masses, strict=True) if mass > 0]
    handles: dict[str, Any] = {"measurements": ax.containers[0]}
    if attracted:
        points, masses = np.transpose(attracted)
        other = ax.twinx()
        other.spines["right"].set_visible(True)
        other.vlines(points, 0.0, masses, color=COLOURS[1], linewidth=1.6)
        handles["predicted clusters"] = other.plot(points, masses, "o", ms=4, color=COLOURS[1])[0]
        for point, mass in attracted if len(attracted) <= _LABELLED else []:
            other.annotate(f"{mass:.3g}", (point, mass), (0, 3), textcoords="offset points", fontsize=7, ha="center")
        other.set_ylim(0.0, 1.15)
        other.set_ylabel("mass that comes there", color=COLOURS[1])
    elsewhere = {
        "rests where v = 0": states.resting,
        "leaves below": None if states.escaping is None else states.escaping[0],
        "leaves above": None if states.escaping is None else states.escaping[1],
    }
    told = [f"{name}: {mass:.3g}" for name, mass in elsewhere.items() if mass]
    if told:
        ax.set_title("\n".join(told), loc="right", fontsize=7)
    ax.set_xlim(*_drawn(found))
    look = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.1}
    ax.legend(list(handles.values()), list(handles), **look)


def _course(ax: Axes, course: Course, column: str) -> None:
    spread = np.sqrt(course.variance)
    ax.fill_between(
        course.times,
        course.mean - spread,
        course.mean + spread,
        color=COLOURS[0],
        alpha=0.25,
        linewidth=0,
        label="+- standard deviation",
    )
    ax.plot(course.times, course.mean, color=COLOURS[0], label="mean")
    if np.isfinite(course.reached):
        ax.axvline(course.reached, color=COLOURS[1], linestyle="--", linewidth=0.9, label=f"t = {course.reached:.4g}")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.1)
    finish(ax, "time", label_of(column))
