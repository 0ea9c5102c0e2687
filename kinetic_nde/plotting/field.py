"""A velocity field in the plane, and where it is zero."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from .._values import as_count, as_float64, cast, default_float
from ..analysis.equilibria import SteadyStates
from ..equations.equation import as_field
from ..network.field import check_velocity
from .style import axes_or_new, style

_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
_FACES = {"stable": "black", "unstable": "white", "undecided": "0.6"}


def plot_field(
    field: Any,
    ax: Axes | None = None,
    *,
    lower: ArrayLike | tuple | list | None = None,
    upper: ArrayLike | tuple | list | None = None,
    t: float | ArrayLike = 0.0,
    arrows: int = 12,
    states: SteadyStates | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Axes:
    """Arrows of a velocity v(t, x) in two dimensions, alone or over what `ax` already shows. An arrow is the way of its
    middle in a time that the picture names, the same for all: what is twice as long is twice as fast, and paths are
    along the arrows also where the two axes have different scales.

    - `field`: a field, or an equation that has one. Walls stop no arrow.
    - `lower`, `upper`: corners of the part of the plane; by default the limits of `ax`.
    - `arrows`: so many along each axis. The longest is as long as the way to the next.
    - `states`: what `kn.steady_states` returned: stable points are filled, unstable ones open, undecided ones grey.

    Raises `TypeError` for what is no field or no axes, `ValueError` for a field of another dimension, for corners that are not given
    or not finite pairs with lower < upper, for arrows < 2 and for steady states of another dimension.

    >>> import kinetic_nde as kn, matplotlib.pyplot as plt
    >>> net = kn.SimResNet([[0.0, -1.0], [1.0, 0.0]], 0.0, kn.Identity())
    >>> ax = plot_field(net, lower=(-1.0, -1.0), upper=(1.0, 1.0), arrows=4)
    >>> [text.get_text() for text in ax.texts], len(ax.collections[0].get_offsets())
    (['arrows: way in a time of 0.5'], 16)
    >>> plt.close(ax.figure)
    """
    if not isinstance(ax, Axes | None):
        raise TypeError(f"ax is the axes of a picture, not {type(ax).__name__}: lower and upper say what to draw")
    net = as_field(getattr(field, "field", field))
    dimension = getattr(net, "dimension", 2)
    if dimension != 2:
        raise ValueError(f"plot_field draws fields in two dimensions, this one has {dimension}")
    if states is not None and np.shape(states.points)[1:] != (2,):
        raise ValueError(f"steady states in the plane have points (n, 2), got shape {np.shape(states.points)}")
    count = as_count(arrows, "arrows", least=2)
    low, high = _corners(ax, lower, upper)
    spacing = (high - low) / count
    along = [low[axis] + spacing[axis] * (np.arange(count) + 0.5) for axis in (0, 1)]
    points = np.stack(np.meshgrid(*along), axis=-1).reshape(-1, 2)
    v = _velocities(net, t, points)
    time = _round_down(1 / speed) if (speed := np.max(np.abs(v) / spacing, initial=0.0)) > 0 else 0.0
    with style():
        fresh, ax = ax is None, axes_or_new(ax)
        look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "pivot": "mid", "zorder": 2.5}
        look |= {
            "units": "inches",
            "width": 0.011,
            "headwidth": 4,
            "headlength": 4.5,
            "headaxislength": 4,
            "minlength": 0.5,
        }
        look |= {"color": "0.1", "edgecolor": "white", "linewidth": 0.2}
        ax.quiver(*points.T, *v.T, scale=1 / time if time else 1.0, **look)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        name = f"arrows: way in a time of {time:g}" if time else "no velocity"
        note: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (3, 3), "textcoords": "offset points"}
        ax.annotate(name, (0.0, 0.0), **note, fontsize=6, bbox=_BOX, zorder=3)
        if states is not None:
            _draw_states(ax, states)
        if fresh or xlabel is not None or ylabel is not None:
            ax.set(xlabel="x" if xlabel is None else xlabel, ylabel="y" if ylabel is None else ylabel)
    return ax


def _corners(ax: Axes | None, lower: Any, upper: Any) -> tuple[np.ndarray, np.ndarray]:
    if ax is None and (lower is None or upper is None):
        raise ValueError(
            "plot_field needs lower and upper, corners (2,) of the part of the plane, or axes that show one"
        )
    ends = [(None, None), (None, None)] if ax is None else list(zip(ax.get_xlim(), ax.get_ylim(), strict=True))
    given = zip(ends, (lower, upper), strict=True)
    low, high = (as_float64(end if corner is None else corner, "an end of what is drawn") for end, corner in given)
    if low.shape != (2,) or high.shape != (2,) or not np.all(np.isfinite([low, high])) or not np.all(low < high):
        raise ValueError(
            f"a part of the plane has finite corners (2,) with lower < upper, got lower={low}, upper={high}"
        )
    return low, high


def _velocities(net: Any, t: Any, points: np.ndarray) -> np.ndarray:
    """v at points (n, 2), zero where it is not finite."""
    net, time = cast(net, default_float()), jnp.asarray(t, default_float())
    check_velocity(net, jnp.zeros(2, default_float()))
    v = np.asarray(jax.jit(jax.vmap(lambda x: net(time, x)))(jnp.asarray(points, default_float())))
    return np.where(np.isfinite(v).all(axis=1, keepdims=True), v, 0.0)


def _round_down(time: float) -> float:
    """1, 2 or 5 times a power of ten, at most `time`."""
    power = 10.0 ** np.floor(np.log10(time))
    return float(power * max(step for step in (1, 2, 5) if step * power <= time * (1 + 1e-9)))


def _draw_states(ax: Axes, states: SteadyStates) -> None:
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for name, face in _FACES.items():
        points = states.points[states.stability == name]
        inside = (points >= [left, bottom]).all(axis=1) & (points <= [right, top]).all(axis=1)
        if inside.any():
            look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": "black", "markeredgewidth": 0.8}
            ax.plot(*points[inside].T, "o", markersize=5, label=name, zorder=3, clip_on=False, **look)
