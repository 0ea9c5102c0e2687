"""Lines as points of the plane of slopes and intercepts: weighted medians, and estimates against those of statistics."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.optimize import brentq

import kinetic_nde as kn
from kinetic_nde.analysis.regression.medians import quantile_errors, weighted_median, weighted_quantiles
from kinetic_nde.analysis.regression.pairs import pairs_of
from tests.analysis.regression.measurements import SEEDS, all_pairs, data, least_squares

# Weighted medians


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_a_weighted_median_is_that_of_repeated_values(pairs):
    values, weights = np.array(pairs, dtype=float).T
    if weights.sum() == 0:
        weights = weights + 1
    repeated = np.repeat(values, weights.astype(int))
    assert weighted_median(values, weights) == np.median(repeated)
    # In any order, and by any factor of the weights.
    assert weighted_median(values[::-1], 0.3 * weights[::-1]) == np.median(repeated)
    middle = weighted_quantiles(values, np.ones(values.size), np.array([0.5]))[0]
    np.testing.assert_allclose(middle, np.median(values), atol=1e-12)


def test_errors_of_a_median_are_read_off_near_it():
    """Of the distribution function x^(1/3): quantiles are cubes. k = 2, then what goes no further than 0.35 and 0.65, then 1."""
    cubes = ((np.arange(4000) + 0.5) / 4000)[:, None] ** 3 * np.ones(3)
    errors, reach = np.array([0.05, 0.1, 0.3]), np.array([0.1, 0.15, 0.3])
    exact = ((0.5 + reach) ** 3 - (0.5 - reach) ** 3) / (2 * reach) * errors
    np.testing.assert_allclose(quantile_errors(cubes, np.ones(4000), errors), exact, rtol=1e-5)


# Estimates


@given(SEEDS)
def test_the_mean_over_pairs_is_the_ratio_of_covariances_with_ranks(seed):
    x, y = data(seed)
    found = kn.regress(x, y)
    ranks = 2 * stats.rankdata(x) - x.size - 1
    np.testing.assert_allclose(found.slope, (ranks @ y) / (ranks @ x), rtol=1e-10)
    slopes, intercepts, distances = all_pairs(x, y)
    np.testing.assert_allclose(found.slope, np.average(slopes, weights=distances), rtol=1e-8)
    np.testing.assert_allclose(found.intercept, np.average(intercepts, weights=distances), rtol=1e-8)
    assert found.weights.sum() == pytest.approx(1.0)


@given(SEEDS)
def test_with_squared_distances_it_would_be_least_squares(seed):
    """Jacobi's theorem, which tells the weights |dx| from others."""
    x, y = data(seed)
    slopes, intercepts, distances = all_pairs(x, y)
    line = least_squares(x, y)
    np.testing.assert_allclose(np.average(slopes, weights=distances**2), line.slope, rtol=1e-8)
    np.testing.assert_allclose(np.average(intercepts, weights=distances**2), line.intercept, rtol=1e-8)
    assert abs(kn.regress(x, y).slope - line.slope) > 1e-6


@given(SEEDS)
def test_the_median_slope_minimises_the_differences_of_residuals(seed):
    """Jaeckel's dispersion with Wilcoxon's scores, convex and piecewise linear: no breakpoint has less."""
    x, y = data(seed)
    dispersion = lambda m: np.sum(np.abs(np.subtract.outer(y - m * x, y - m * x)))
    found = kn.regress(x, y, robust=True)
    slopes = all_pairs(x, y)[0]
    assert dispersion(found.slope) <= min(map(dispersion, slopes)) * (1 + 1e-12)
    np.testing.assert_allclose(found.intercept, np.median(y - found.slope * x), rtol=1e-9, atol=1e-9)


@given(SEEDS)
@settings(max_examples=8)
def test_replicates_are_lines_of_least_squares(seed):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 5, 4), random.normal(size=(6, 4))
    found, robust = kn.regress(x, y), kn.regress(x, y, robust=True)
    lines = np.array([[line.slope, line.intercept] for line in (least_squares(x, row) for row in y)])
    np.testing.assert_allclose(found.ensemble.samples, lines, rtol=1e-9, atol=1e-12)
    every = least_squares(np.tile(x, 6), y.ravel())
    np.testing.assert_allclose(found.line, (every.slope, every.intercept), rtol=1e-9, atol=1e-12)
    # Replicates are independent: the jackknife is the variance of a mean.
    np.testing.assert_allclose(found.covariance, np.cov(lines.T) / 6, rtol=1e-9, atol=1e-14)
    assert found.degrees == 5 and found.replicates == 6 and found.count == 24
    assert kn.regress(x, y[0]).degrees == x.size - 2
    np.testing.assert_allclose(robust.slope, np.median(lines[:, 0]), rtol=1e-9)
    residuals = y - found.slope * x - found.intercept
    np.testing.assert_allclose(found.sigma, math.sqrt(np.sum(residuals**2) / 22), rtol=1e-12)


def test_many_points_take_a_balanced_choice_of_pairs():
    random = np.random.default_rng(2)
    x = random.exponential(size=3000)
    y = 2 * x + 1 + random.normal(size=3000)
    first, second = pairs_of(x)
    uses = np.bincount(first, minlength=3000) + np.bincount(second, minlength=3000)
    assert first.size <= 200_000 and np.ptp(uses) == 0 and uses[0] == 132
    assert np.unique(np.sort(np.stack([first, second]), axis=0), axis=1).shape[1] == first.size
    # From all pairs: where the residuals' ranks are uncorrelated with x, and x's with the residuals.
    ranks = lambda values: 2 * stats.rankdata(values) - 3001
    medians_of_all: Any = brentq(lambda m: ranks(y - m * x) @ x, 1.0, 3.0, xtol=1e-9)
    for robust, of_all in ((False, (ranks(x) @ y) / (ranks(x) @ x)), (True, medians_of_all)):
        found = kn.regress(x, y, robust=robust)
        assert "of 4498500 pairs a balanced choice" in found.notes[0]
        assert abs(found.slope - of_all) < 0.15 * found.standard_errors[0]
        assert np.all(np.abs(found.line - (2, 1)) < 3 * found.standard_errors)


def test_two_places_are_enough():
    x = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    y = np.array([1.0, 2.0, 3.0, 5.0, 7.0])
    found = kn.regress(x, y)
    assert found.slope == pytest.approx(4.0) and found.intercept == pytest.approx(2.0)
    assert "4 pairs of equal x" in found.notes[0]
    assert kn.regress(x, y, robust=True).slope == pytest.approx(4.0)


def test_a_quarter_of_outliers_hardly_moves_the_medians():
    random = np.random.default_rng(4)
    x = np.linspace(0, 10, 30)
    y = 3 * x - 5 + 0.1 * random.normal(size=30)
    y[::4] += 1000 * random.normal(size=8)
    found = kn.regress(x, y, robust=True)
    np.testing.assert_allclose(found.line, (3, -5), atol=0.3)
    assert np.abs(kn.regress(x, y).line - (3, -5)).max() > 5
    assert found.sigma < 0.5


@pytest.mark.parametrize(("one_side", "count"), [(False, 10), (True, 10)])
def test_how_many_outliers_the_medians_bear(one_side, count):
    random = np.random.default_rng(0)
    x = np.linspace(0, 10, 30)
    for _ in range(20):
        y = 3 * x - 5 + 0.1 * random.normal(size=30)
        y[random.permutation(30)[:count]] += 1000 * (1.0 if one_side else random.normal(size=count))
        np.testing.assert_allclose(kn.regress(x, y, robust=True, origin=5.0).line, (3, 10), atol=0.5)
