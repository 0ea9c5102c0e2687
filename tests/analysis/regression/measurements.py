"""Measurements along a line, and the lines through pairs of them."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import stats

SEEDS = st.integers(0, 2**31)


def data(seed, count=17):
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 4, count)
    return x, 0.7 * x - 2.0 + random.standard_t(3, count)


def all_pairs(x, y):
    """Slopes, intercepts and |dx| of all pairs, by loops."""
    rows = []
    for i in range(x.size):
        for j in range(i):
            if x[i] != x[j]:
                slope = (y[i] - y[j]) / (x[i] - x[j])
                rows.append((slope, y[i] - slope * x[i], abs(x[i] - x[j])))
    return np.array(rows).T


def least_squares(x, y) -> Any:
    """SciPy's, which have a slope and an intercept."""
    return stats.linregress(x, y)


def one_t(found, level=0.95):
    """How many standard errors an interval of this level reaches to either side."""
    return stats.t.ppf(0.5 + 0.5 * level, found.degrees)
