"""The pictures of `kinetic-nde retrain`. The name of the column is below an axis only, where there is room for it."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plotting import figure, plot_updates, style
from ..plotting.histogram import bin_count
from ..plotting.style import COLOURS, finish
from .compare import Comparison
from .goals import whole
from .retrained import Evaluation, Retrained
from .task import density_of, parameters
from .words import label_of

_OLD, _NEW, _TARGET = COLOURS[0], COLOURS[1], "black"
_LINE: dict[str, Any] = {"linewidth": 1.2}


def draw_comparison(
    old: np.ndarray,
    new: np.ndarray,
    target: np.ndarray | None,
    compared: Comparison,
    column: str,
    thresholds: tuple[float | None, float | None],
) -> Figure:
    """The densities over their histograms, with the thresholds of the network before and after, and the distribution
    functions."""
    name = label_of(column)
    curves: list[tuple[np.ndarray, str, str, str]] = [(old, _OLD, "-", "old"), (new, _NEW, "--", "new")]
    same = np.array_equal(np.sort(old), np.sort(new))
    if same:  # one on the other they would look like one of them
        curves = [(old, _OLD, "-", "old and new, which are equal")]
    curves += [] if target is None else [(target, _TARGET, ":", "target")]
    frame = whole(*(x for x, *_ in curves))
    drawing, (densities, functions) = figure(columns=2, panels=2, height=2.7)
    for x, colour, line, label in curves:
        density = frame.density(density_of(frame, x))
        look: dict[str, Any] = {"color": colour, "linestyle": line, "label": label}
        # The kernels reach beyond the measurements, the bars do not.
        densities.hist(x, bins=bin_count(x), density=True, color=colour, alpha=0.2)
        densities.stairs(np.asarray(density.values), np.asarray(density.grid.faces), baseline=None, **look)
        functions.plot(*_steps(x, frame.lowest, frame.highest), **look, **_LINE)
    marks = (("threshold before", _OLD, (0, (1, 1))), ("threshold after", _NEW, (0, (5, 1, 1, 1))))
    for threshold, (label, colour, line) in zip(thresholds, marks, strict=True):
        if threshold is not None:
            densities.axvline(threshold, color=colour, linestyle=line, linewidth=1.0, label=label)
    if not same:
        place, low, high = _widest_gap(old, new)
        gap = f"gap {compared.statistic:.3g} (p = {compared.p_value:.2g})"
        functions.plot([place, place], [low, high], color="black", linewidth=1.0, label=gap)
    with style():
        finish(densities, name, "kernel density (1/unit),\nhistogram behind")
        finish(functions, name, "share of measurements\nup to x")
        for ax in (densities, functions):
            ax.set_ylim(bottom=0)
            _legend(ax, 2)
    return drawing


def draw_before_after(found: Retrained, column: str) -> Figure:
    """Where the held-out measurements end before and after, and where they are wanted: shares of classes, or
    distribution functions."""
    name = label_of(column)
    before, after = found.evaluations["held_out"]
    drawing, panels = figure(columns=1, panels=1, height=2.5)
    ax = panels[0]
    with style():
        if before.classes is None or after.classes is None:
            frame = found.task.frame
            for evaluation, colour, line, label in ((before, _OLD, (0, (1, 1)), "before"), (after, _NEW, "-", "after")):
                curve = _steps(evaluation.final, frame.lowest, frame.highest)
                ax.plot(*curve, color=colour, linestyle=line, label=label, **_LINE)
            ax.plot(*_steps(*_wanted(found)), color=_TARGET, linestyle="--", linewidth=1.0, label="target")
            finish(ax, f"where the network carries\n{name}", "share of held-out\nmeasurements up to x")
        else:
            _bars(ax, found, before, after)
            finish(ax, f"where the network carries\n{name}", "share of held-out\nmeasurements")
        _legend(ax, 3)
    return drawing


def _bars(ax: Axes, found: Retrained, before: Evaluation, after: Evaluation) -> None:
    assert before.classes is not None and after.classes is not None
    wanted = found.wanted_classes
    looks = (
        (before.classes, _OLD, "before", ""),
        (after.classes, _NEW, "after", "//"),
        (wanted, "#c9d6df", "wanted", ""),
    )
    for k, (clusters, colour, label, hatch) in enumerate(looks):
        places = np.arange(2) + 0.27 * (k - 1)
        masses = [cluster.mass for cluster in clusters]
        bars = ax.bar(places, masses, 0.25, color=colour, label=label, hatch=hatch, edgecolor="white", linewidth=0.5)
        ax.bar_label(bars, [f"{mass:.0%}" for mass in masses], fontsize=7, padding=1)
    low, high = found.task.frame.lowest, found.task.frame.highest
    ax.set_xticks([0, 1], [f"class 0, at {low:.4g}", f"class 1, at {high:.4g}"])
    ax.set_ylim(0, 1.12 * max(cluster.mass for clusters, *_ in looks for cluster in clusters))


def draw_training(found: Retrained) -> Figure:
    """The distance from the target after each update, and the threshold of classes, or weight and bias."""
    drawing, (loss, path) = figure(columns=2, panels=2, height=2.3)
    updates = np.arange(len(found.history))
    mark: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.0, "label": f"kept: update {found.best}"}
    with style():
        distance = found.task.frame.unit * np.sqrt(2.0 * found.trained.history.loss)
        loss.plot(updates, distance, color=_OLD, marker=".", markersize=3, linewidth=1.0)
        if np.all(distance > 0) and np.max(distance) > 10 * np.min(distance):
            loss.set_yscale("log")
        finish(loss, "update", "distance W2 of the density\nfrom what is wanted")
        thresholds = [threshold for _, threshold in found.history]
        if found.task.classes:
            shown = [np.nan if threshold is None else threshold for threshold in thresholds]
            path.plot(updates, shown, color=_NEW, marker=".", markersize=3, linewidth=1.0)
            finish(path, "update", "threshold -b / w")
        else:
            weights, biases = zip(*parameters(found.trained), strict=True)
            for values, colour, line, label in (
                (weights, _OLD, "-", "w"),
                (biases, _NEW, "--", "b"),
            ):
                path.plot(updates, values, color=colour, linestyle=line, label=label, **_LINE)
            finish(path, "update", "w, b in standardised units")
        for ax in (loss, path):
            ax.axvline(found.best, **mark)
            _legend(ax, 2)
    return drawing


def draw_densities(found: Retrained, column: str) -> Figure:
    """The density of the new measurements after some of the updates: where it shows most, and shares at the end."""
    name = label_of(column)
    drawing, (midway, final) = figure(columns=2, panels=2, height=2.7)
    updates = [step.update for step in found.steps]
    classes = found.task.classes
    midway_t, end = (f"at t = {t * found.task.frame.unit:.4g}" for t in (found.task.midway, found.task.t1))
    labels = ("update", "old" if classes else "target")
    plot_updates(
        [step.midway for step in found.steps],
        updates,
        None if classes else found.model.midway,
        midway,
        xlabel=name,
        ylabel=f"density (1/unit)\n{midway_t}",
        labels=labels,
    )
    plot_updates(
        [step.final for step in found.steps],
        updates,
        found.model.final,
        final,
        cumulative=True,
        xlabel=name,
        ylabel=f"share up to x\n{end}",
        labels=labels,
    )
    return drawing


def _legend(ax: Axes, columns: int) -> None:
    """Above the axes, where nothing is in the way."""
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=columns)


def _steps(x: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function of measurements from `low` to `high`, as a line."""
    places = np.repeat(np.sort(x), 2)
    shares = np.repeat(np.arange(x.size + 1) / x.size, 2)[1:-1]
    return np.concatenate([[low], places, [high]]), np.concatenate([[0.0], shares, [1.0]])


def _wanted(found: Retrained) -> tuple[np.ndarray, float, float]:
    frame = found.task.frame
    return frame.measured(np.asarray(found.task.wanted.samples)), frame.lowest, frame.highest


def _widest_gap(old: np.ndarray, new: np.ndarray) -> tuple[float, float, float]:
    """Where the distribution functions are farthest apart, and both there in order."""
    places = np.concatenate([old, new])
    shares = [np.searchsorted(np.sort(x), places, side="right") / x.size for x in (old, new)]
    k = int(np.argmax(np.abs(shares[0] - shares[1])))
    low, high = sorted((float(shares[0][k]), float(shares[1][k])))
    return float(places[k]), low, high
