"""Peaks that a grid does not resolve: as high as its cells are narrow, so that nothing else could be seen beside them."""

import numpy as np

REACH = 3  # cells in which a peak has to fall


def summits(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Where the averages are four times those three cells further on, on both sides along the axis."""
    # Beyond an end there is nothing to fall to: a peak at a wall is judged by its other side.
    along = np.moveaxis(values, axis, -1)
    none = np.full((*along.shape[:-1], REACH), -np.inf)
    before, after = (
        np.concatenate(pair, axis=-1) for pair in ((none, along[..., :-REACH]), (along[..., REACH:], none))
    )
    return np.moveaxis(along > 4 * np.maximum(before, after), -1, axis)


def widened(mask: np.ndarray, axis: int = -1) -> np.ndarray:
    """The cells of a mask and those up to three further on along the axis."""
    along = np.moveaxis(mask, axis, -1)
    padded = np.concatenate([none := np.zeros((*along.shape[:-1], REACH), bool), along, none], axis=-1)
    cells = along.shape[-1]
    return np.moveaxis(np.any([padded[..., k : k + cells] for k in range(2 * REACH + 1)], axis=0), -1, axis)


def resolved_top(values: np.ndarray, peaks: np.ndarray) -> tuple[float, bool]:
    """The largest of the averages, (times, cells) or (times, nx, ny), that a picture should show, and whether it leaves out `peaks`: only if
    they tower over a rest that is worth seeing."""
    highest = float(values.max()) if values.max() > 0 else 1.0
    rest = np.where(peaks, 0.0, values)
    cells = tuple(range(1, values.ndim))
    worthwhile = np.any(rest.sum(axis=cells) > 0.1 * values.sum(axis=cells))
    if worthwhile and highest > 3 * rest.max():
        return float(rest.max()), True
    return highest, False
