"""Kernel density estimates by sums over the samples, in NumPy."""

import numpy as np
from scipy.stats import norm


def masses(samples, line, bandwidth):
    """Of the kernel around each sample and of all its mirror images at the ends, in each cell of a grid in one dimension,
    (M, cells)."""
    faces, lower, upper = np.asarray(line.faces), float(line.lower), float(line.upper)
    most = int(np.ceil(5 * bandwidth / (upper - lower))) + 1
    shifts = 2 * (upper - lower) * np.arange(-most, most + 1)
    images = [each + shift for each in (samples, 2 * lower - samples) for shift in shifts]
    below = sum(norm.cdf((faces[None] - image[:, None]) / bandwidth) for image in images)
    return np.diff(below)


def on_line(samples, grid, bandwidth):
    """The averages of all kernels."""
    mass = masses(samples, grid, bandwidth).sum(axis=0)
    return mass / mass.sum() / float(grid.width)


def on_plane(samples, grid, widths):
    """The averages of all products of two kernels."""
    along_x, along_y = (masses(samples[:, axis], grid.axes[axis], widths[axis]) for axis in (0, 1))
    mass = along_x.T @ along_y
    return mass / mass.sum() / float(grid.volume)


def silverman(samples):
    """min(std, IQR / 1.34), without the factors of the rule."""
    return min(np.std(samples), np.subtract(*np.quantile(samples, [0.75, 0.25])) / 1.34)
