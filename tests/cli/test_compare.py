"""Whether two columns are samples of one distribution."""

from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from kinetic_nde.cli.compare import compare
from tests.cli.commands import two_normals


def test_the_comparison_against_scipy():
    old = two_normals(0)
    other = np.random.default_rng(3).exponential(size=37)
    found = compare(old, other)
    test = cast(Any, stats.ks_2samp(old, other))
    assert (found.statistic, found.p_value) == (test.statistic, test.pvalue)
    assert found.w1 == pytest.approx(stats.wasserstein_distance(old, other))


def test_a_shift_is_told_from_chance():
    """By both tests; and what chance gives is between nothing and the limit."""
    same = np.random.default_rng(4).normal(size=(2, 60))
    moved = same + np.array([[0.0], [2.0]])
    for samples, expected in ((same, False), (moved, True)):
        found = compare(*samples)
        assert (found.different, found.farther) == (expected, expected)
        assert 0 < found.usual < found.limit and (found.w1 > found.limit) == expected
        assert found.permutations == 999
    # Farther apart than all permutations, but for themselves; and the level is a strict bound.
    assert compare(*moved).w1_p_value == 1 / 1000
    p_value = compare(*same).p_value
    assert not compare(*same, level=p_value).different
    assert compare(*same, level=np.nextafter(p_value, 1.0)).different


@pytest.mark.slow
def test_samples_of_one_distribution_are_rarely_called_different():
    random = np.random.default_rng(4)
    found = [compare(random.normal(size=60), random.normal(size=60)) for _ in range(100)]
    assert sum(each.different for each in found) < 12  # of 5 expected
    assert 1 <= sum(each.farther for each in found) < 12
    assert np.mean([each.w1 for each in found]) == pytest.approx(np.mean([each.usual for each in found]), rel=0.1)
