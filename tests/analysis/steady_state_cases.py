"""Networks and samples whose steady states are looked for, and what a result accounts for."""

from typing import Any

import numpy as np

import kinetic_nde as kn

GCU = kn.SimResNet(1.0, 0.0, kn.GrowingCosine())
ON_A_LINE = kn.Ensemble(np.random.default_rng(3).normal(1.0, 1.0, 40))
# All ensembles that are followed have this shape, so that an activation compiles once.
IN_THE_PLANE = np.random.default_rng(5).normal(0.3, 1.0, (40, 2))
SPIRAL = np.array([[1.0, -3.0], [1.0, -1.0]])
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def total(states):
    """All mass that a result accounts for."""
    return states.masses.sum() + states.resting + states.escaping.sum() + states.unsettled


def steady_states(net: Any, initial: Any = None, **box: Any) -> Any:
    """Those of the package: that they have masses where there are samples their type cannot tell."""
    return kn.steady_states(net, initial, **box)
