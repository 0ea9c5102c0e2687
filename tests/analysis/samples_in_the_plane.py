"""Samples and networks in the plane, and what a result accounts for."""

import numpy as np

# All ensembles that are followed have this shape, so that an activation compiles once.
SAMPLES = np.random.default_rng(5).normal(0.3, 1.0, (40, 2))
SPIRAL = np.array([[1.0, -3.0], [1.0, -1.0]])
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def total(states):
    """All mass that a result accounts for."""
    return states.masses.sum() + states.resting + states.escaping.sum() + states.unsettled
