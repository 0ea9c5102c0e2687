"""How uncertain a line is: units, coverage, efficiency, and bands of prediction."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

import kinetic_nde as kn
from kinetic_nde.analysis.regression.estimates import (
    lines_of_points,
    lines_of_replicates,
    mean,
    medians,
    medians_of_points,
)
from tests.analysis.regression.measurements import SEEDS, data, one_t

# Units


@given(SEEDS, st.booleans(), st.sampled_from([1e-3, -2.5, 1e5]), st.sampled_from([1e-4, -3.0, 1e6]))
def test_units_and_origins_do_not_matter(seed, robust, a, c):
    x, y = data(seed)
    one = kn.regress(x, y, robust=robust)
    other = kn.regress(a * x + 7 * a, c * y - 11 * c, robust=robust)
    # y' = c y - 11 c at x' = a (x + 7).
    np.testing.assert_allclose(other.slope, one.slope * c / a, rtol=1e-8)
    np.testing.assert_allclose(other.intercept, c * (one.intercept - 7 * one.slope - 11), rtol=1e-8)
    np.testing.assert_allclose(other.standard_errors[0], one.standard_errors[0] * abs(c / a), rtol=1e-6)
    there, here = other.predict(a * (x + 7)), one.predict(x)
    ends = (c * here.new_lower - 11 * c, c * here.new_upper - 11 * c)
    np.testing.assert_allclose(there.new_lower, np.minimum(*ends), rtol=1e-6, atol=1e-7 * abs(c))
    moved = kn.regress(x, y, robust=robust, origin=2.5)
    np.testing.assert_allclose(moved.intercept, one.intercept + 2.5 * one.slope, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(
        moved.covariance[1, 1], ((one.predict(2.5).upper - one.predict(2.5).line) / one_t(one)) ** 2
    )
    np.testing.assert_allclose(moved.predict(x).upper, here.upper, rtol=1e-6)


@pytest.mark.parametrize("robust", [False, True])
def test_bands_far_from_the_origin_are_those_near_it(robust):
    # Seconds since 1970, ten of them: the variance of the intercept is 1e18 times that of the line among the data.
    x, y = np.arange(10.0), 3 * np.arange(10.0) + np.random.default_rng(0).normal(size=10)
    near, far = kn.regress(x, y, robust=robust).predict(x), kn.regress(x + 1.7e9, y, robust=robust).predict(x + 1.7e9)
    np.testing.assert_allclose(far, near, rtol=1e-9, atol=1e-9)


# Coverage


def joint(x, y):
    return medians_of_points(x, y, lines_of_points(x, y))


def of_pairs(x, y):
    return mean(lines_of_points(x, y))


@pytest.mark.parametrize("estimate", [of_pairs, joint])
@pytest.mark.parametrize(
    "errors", ["normal", pytest.param("heavy", marks=pytest.mark.slow), pytest.param("unequal", marks=pytest.mark.slow)]
)
def test_coverage_of_pairs(estimate, errors):
    """Of 400 sets of 20 points, 95 % within their intervals, up to 4 binomial standard deviations and 3 % beyond: the
    jackknife is on the safe side."""
    random = np.random.default_rng(5)
    quantile, hits, draws = stats.t.ppf(0.975, 18), [], 400
    for _ in range(draws):
        x = random.uniform(-1, 1, 20)
        normal = random.normal(size=20)
        y = {"normal": normal, "heavy": random.standard_t(3, 20), "unequal": (0.3 + np.abs(x)) * normal}[errors]
        value, covariance = estimate(x, y)
        hits.append(np.abs(value) <= quantile * np.sqrt(np.diag(covariance)))
    share = np.mean(hits, axis=0)
    assert np.all(share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / draws)) and np.all(share < 0.995), share


@pytest.mark.parametrize("count", [5, *(pytest.param(many, marks=pytest.mark.slow) for many in (2, 20, 100))])
def test_coverage_of_replicates(count):
    random = np.random.default_rng(6)
    x, draws = np.arange(5.0), 600
    for estimate in (mean, medians):
        quantile, hits = stats.t.ppf(0.975, count - 1), []
        for _ in range(draws):
            value, covariance = estimate(lines_of_replicates(x, random.normal(size=(count, 5))))
            hits.append(np.abs(value) <= quantile * np.sqrt(np.diag(covariance)))
        share = np.mean(hits, axis=0)
        assert np.all(share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / draws)) and np.all(share < 0.99), (estimate, share)


def test_efficiency_of_the_mean_for_even_x():
    """The slope is that of least squares, the height 5/6 as efficient, beside the exact variances 1 / S and 1 / M."""
    x = np.linspace(-1, 1, 100)
    effect = np.array([mean(lines_of_points(x, each)).value for each in np.eye(100)])
    variances = np.sum(effect**2, axis=0)
    np.testing.assert_allclose(1 / np.sum(x**2) / variances[0], 1.0, rtol=1e-12)
    np.testing.assert_allclose(0.01 / variances[1], 5 / 6, rtol=1e-3)


def test_covariances_are_those_of_repeated_draws():
    """Not the variances only: slope and intercept of x around 1 go against each other. Exact for the mean, which is linear
    in y; of the medians what is told is rather more."""
    random = np.random.default_rng(7)
    x = np.linspace(0, 2, 40)
    effect = np.array([mean(lines_of_points(x, each)).value for each in np.eye(40)])
    drawn = [random.normal(size=40) for _ in range(300)]
    told = np.mean([mean(lines_of_points(x, y)).covariance for y in drawn], axis=0)
    np.testing.assert_allclose(told, effect.T @ effect, rtol=0.1)
    found = [joint(x, y) for y in drawn]
    told = np.mean([each.covariance for each in found], axis=0) / np.cov(np.array([each.value for each in found]).T)
    assert np.all(told > 0.9) and np.all(told < 1.5), told


@pytest.mark.parametrize("robust", [False, True])
def test_a_new_measurement_varies_as_the_line_and_as_measurements_do(robust):
    found = kn.regress(*data(3), robust=robust)
    band = found.predict([1.0, 9.0], level=0.8)
    new, old = ((each - band.line) / one_t(found, 0.8) for each in (band.new_upper, band.upper))
    np.testing.assert_allclose(new**2 - old**2, found.sigma**2, rtol=1e-9)
    np.testing.assert_allclose(band.new_lower + band.new_upper, 2 * band.line, rtol=1e-12)
    np.testing.assert_allclose(band.lower + band.upper, 2 * band.line, rtol=1e-12)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("draws", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_prediction_bands_hold_new_measurements(robust, draws):
    random = np.random.default_rng(8)
    x, line, new = np.linspace(0, 5, 12), [], []
    for _ in range(draws):
        found = kn.regress(x, 2 * x + random.normal(size=12), robust=robust).predict([1.0, 9.0], level=0.8)
        line.append((found.lower <= (2, 18)) & (found.upper >= (2, 18)))
        measured = random.normal((2, 18))
        new.append((found.new_lower <= measured) & (found.new_upper >= measured))
    for share in (np.mean(line, axis=0), np.mean(new, axis=0)):
        # That the median of 12 residuals varies is not in the band of new measurements, whose error is told too surely.
        np.testing.assert_allclose(share, 0.78 if robust else 0.8, atol=4 * math.sqrt(0.16 / draws))
