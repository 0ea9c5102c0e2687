"""One law or more of each family, and the same from SciPy."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import kinetic_nde as kn

GAUSSIAN, INVERSE, PARETO, GENERAL = (
    kn.GaussianFamily(),
    kn.InverseGammaFamily(),
    kn.ParetoTailFamily(),
    kn.GeneralizedGammaFamily(),
)
LAWS = [
    (GAUSSIAN, {"mean": 3.0, "std": 0.5}),
    (INVERSE, {"mu": 3.0, "beta": 4.0}),
    (INVERSE, {"mu": 0.4, "beta": 4.0}),  # 0 < w < nu^2 / 2: neither mean nor refusal
    (INVERSE, {"mu": 3.0, "beta": -4.0}),
    (PARETO, {"a": 2.0, "mu": 3.0}),
    (PARETO, {"a": 0.5, "mu": 1.05}),
    (PARETO, {"a": 0.5, "mu": 500.0}),
    (GENERAL, {"p": 0.5, "A": 1.0, "q": 3.0}),
    (GENERAL, {"p": 0.9, "A": 4.0, "q": 0.3}),  # infinite at 0
]
NAMES = [f"{family.name} {index}" for index, (family, _) in enumerate(LAWS)]
each_law = pytest.mark.parametrize(("family", "parameters"), LAWS, ids=NAMES)
SHARES = np.array([1e-6, 0.01, 0.2, 0.4, 0.5, 0.7, 0.9, 0.999])


def scipys(family, parameters) -> Any:
    """The same law from SciPy, which has no Pareto tail."""
    if family == GAUSSIAN:
        return stats.norm(parameters["mean"], parameters["std"])
    if family == INVERSE:
        return stats.invgamma(parameters["mu"], scale=abs(parameters["beta"]))
    if family == GENERAL:
        return stats.gengamma(parameters["q"] / parameters["p"], parameters["p"], scale=parameters["A"])
    return None


def as_arrays(parameters):
    """A compiled function takes Python numbers for choices."""
    return {name: np.asarray(value) for name, value in parameters.items()}
