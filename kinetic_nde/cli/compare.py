"""Whether two columns of measurements are samples of one distribution."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

_EXACT = 1_000_000  # pairs of values up to which the exact p-value takes a moment
_PERMUTATIONS = (99, 999)  # at least and at most
_WORK = 50_000_000  # values that all permutations together may have: a second


class Comparison(NamedTuple):
    """The two tests of `compare`.

    - `statistic`, `p_value`, `level`, `different`: of Kolmogorov and Smirnov, the largest gap of the two distribution
      functions; `different` is p < level, and is what decides.
    - `w1`: the Wasserstein distance in the unit of the measurements; `usual` and `limit` are what two samples of one
      distribution have on average, and exceed with the probability `level`, by `permutations` of the measurements;
      `w1_p_value` is the share of the permutations that are as far apart.
    """

    statistic: float
    p_value: float
    level: float
    different: bool
    w1: float
    usual: float
    limit: float
    w1_p_value: float
    permutations: int

    @property
    def farther(self) -> bool:
        """Whether the distance is more than sampling gives, at the same level."""
        return self.w1_p_value < self.level


def compare(old: np.ndarray, new: np.ndarray, level: float = 0.05, seed: int = 0) -> Comparison:
    """The two-sample test of Kolmogorov and Smirnov, and the distance W1 against what sampling alone gives.

    The test sees ranks only, so that units do not matter; the distance is W1 = int |F - G| dx, and its distribution
    under the hypothesis of one distribution is that over random divisions of all measurements in two such samples.

    >>> x = np.linspace(0.0, 1.0, 50)
    >>> compare(x, x + 0.5).different, compare(x, x + 0.01).different
    (True, False)
    >>> round(compare(x, x + 0.5).w1, 6)
    0.5
    """
    with warnings.catch_warnings():  # where the exact one overflows it says that it takes the other
        warnings.simplefilter("ignore", RuntimeWarning)
        method = "exact" if old.size * new.size <= _EXACT else "asymp"
        test: Any = stats.ks_2samp(old, new, method=method)
    both = np.concatenate([old, new])
    order = np.argsort(both, kind="stable")
    unit = float(np.max(both) - np.min(both))
    gaps = np.diff(both[order] / unit)
    # +1/M at an old measurement, -1/N at a new one: the running sum is F - G.
    jumps = np.where(order < old.size, 1.0 / old.size, -1.0 / new.size)

    def distance(jumps: np.ndarray) -> float:
        return float(np.abs(np.cumsum(jumps)[:-1]) @ gaps)

    w1 = distance(jumps)
    count = int(np.clip(_WORK // both.size, *_PERMUTATIONS))
    random = np.random.default_rng(seed)
    chance = np.array([distance(random.permutation(jumps)) for _ in range(count)])
    # A change of units rounds differently.
    as_far = int(np.sum(chance >= w1 * (1.0 - 1e-9)))
    p_value = float(test.pvalue)
    return Comparison(
        float(test.statistic),
        p_value,
        level,
        p_value < level,
        unit * w1,
        unit * float(np.mean(chance)),
        unit * float(np.quantile(chance, 1.0 - level)),
        (1 + as_far) / (1 + count),
        count,
    )
