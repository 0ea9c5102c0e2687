"""Regions of highest density, and point masses: what a map of a density is annotated with."""

from typing import Any

import numpy as np
from scipy.ndimage import find_objects, label

from .peaks import REACH, summits, widened

_OFF = 0.05  # how far the mass inside a line may be from its share
_WOBBLE = 0.01  # by what part of itself a level may be off and still do
_LIGHTEST = 0.05  # of the mass, for a point mass to be marked
_CORE = 0.005  # of the mass, in one of its cells at least


def region_levels(averages: np.ndarray, shares: tuple[float, ...]) -> dict[float, float]:
    """The averages c at which {g >= c}, the smallest region with so much mass, holds each of the shares, by share.

    Left out are shares that no region comes near to: those of plateaus and of point masses, and all if there is a cell
    whose average is no number.
    """
    ordered = np.sort(averages, axis=None)[::-1].astype(float)
    below = np.cumsum(ordered)
    levels = {}
    for share in shares:
        if not np.isfinite(below[-1]):
            break
        k = int(np.searchsorted(below, share * below[-1]))
        level = 0.5 * (ordered[k] + ordered[min(k + 1, ordered.size - 1)])
        held = [ordered[ordered >= factor * level].sum() / below[-1] for factor in (1 - _WOBBLE, 1 + _WOBBLE)]
        if level > 0 and np.all(np.abs(np.array(held) - share) <= _OFF):
            levels[share] = float(level)
    return levels


def point_masses(averages: np.ndarray, faces: tuple[np.ndarray, np.ndarray]) -> list[tuple[float, float, float]]:
    """Where (x, y) there is mass in a few cells with much less around, as (x, y, mass): peaks that the grid resolves along
    neither axis, of a twentieth of the mass and more. Masses along a line are none."""
    averages = np.nan_to_num(averages, nan=0.0, posinf=0.0, neginf=0.0)
    areas = np.outer(*map(np.diff, faces))
    centres = [0.5 * (each[:-1] + each[1:]) for each in faces]
    # What is next to nothing has summits too, which would join the others.
    heavy = averages * areas > _CORE * np.sum(averages * areas)
    peaks = widened(widened(summits(averages, 0) & summits(averages, 1) & heavy, 0), 1)
    labelled: Any = label(peaks)
    groups = labelled[0]
    found = []
    for number, where in enumerate(find_objects(groups), start=1):
        if max(each.stop - each.start for each in where) > 4 * REACH:
            continue
        masses = np.where(groups[where] == number, (averages * areas)[where], 0.0)
        mass = masses.sum()
        if mass > _LIGHTEST * np.sum(averages * areas):
            x, y = (centre[each] for centre, each in zip(centres, where, strict=True))
            found.append((float(masses.sum(axis=1) @ x / mass), float(masses.sum(axis=0) @ y / mass), float(mass)))
    return found
