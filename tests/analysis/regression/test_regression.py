"""Lines as points of the plane of slopes and intercepts: estimates, their uncertainty, the collapse."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from scipy.optimize import brentq

import kinetic_nde as kn
from kinetic_nde.analysis.regression import regress as module
from kinetic_nde.analysis.regression.estimates import lines_of_points, lines_of_replicates, mean, medians
from kinetic_nde.analysis.regression.medians import quantile_errors, weighted_median, weighted_quantiles
from kinetic_nde.analysis.regression.pairs import pairs_of
from kinetic_nde.distributions.kernel_density import silverman

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
    line = stats.linregress(x, y)
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
    heights = all_pairs(x - np.median(x), y)[1:]
    np.testing.assert_allclose(found.slope * np.median(x) + found.intercept, weighted_median(*heights), rtol=1e-9)


@given(SEEDS)
def test_replicates_are_lines_of_least_squares(seed):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 5, 4), random.normal(size=(6, 4))
    found, robust = kn.regress(x, y), kn.regress(x, y, robust=True)
    lines = np.array([[line.slope, line.intercept] for line in (stats.linregress(x, row) for row in y)])
    np.testing.assert_allclose(found.ensemble.samples, lines, rtol=1e-9, atol=1e-12)
    every = stats.linregress(np.tile(x, 6), y.ravel())
    np.testing.assert_allclose(found.line, (every.slope, every.intercept), rtol=1e-9, atol=1e-12)
    # Replicates are independent: the jackknife is the variance of a mean.
    np.testing.assert_allclose(found.covariance, np.cov(lines.T) / 6, rtol=1e-9, atol=1e-14)
    assert found.degrees == 5 and found.replicates == 6 and found.count == 24
    assert kn.regress(x, y[0]).degrees == x.size - 2
    np.testing.assert_allclose(robust.slope, np.median(lines[:, 0]), rtol=1e-9)
    residuals = y - found.slope * x - found.intercept
    np.testing.assert_allclose(found.sigma, math.sqrt(np.sum(residuals**2) / 22), rtol=1e-12)


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


def one_t(found, level=0.95):
    return stats.t.ppf(0.5 + 0.5 * level, found.degrees)


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
    medians_of_all = brentq(lambda m: ranks(y - m * x) @ x, 1.0, 3.0, xtol=1e-9)
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


@pytest.mark.parametrize(("one_side", "count"), [(False, 10), (True, 6)])
def test_how_many_outliers_the_medians_bear(one_side, count):
    random = np.random.default_rng(0)
    x = np.linspace(0, 10, 30)
    for _ in range(20):
        y = 3 * x - 5 + 0.1 * random.normal(size=30)
        y[random.permutation(30)[:count]] += 1000 * (1.0 if one_side else random.normal(size=count))
        np.testing.assert_allclose(kn.regress(x, y, robust=True, origin=5.0).line, (3, 10), atol=0.5)


# Uncertainty


@pytest.mark.parametrize("estimate", [mean, medians])
@pytest.mark.parametrize("errors", ["normal", "heavy", "unequal"])
def test_coverage_of_pairs(estimate, errors):
    """Of 400 sets of 20 points, 95 % within their intervals, up to 4 binomial standard deviations and 3 % beyond: the
    jackknife is on the safe side."""
    random = np.random.default_rng(5)
    quantile, hits, draws = stats.t.ppf(0.975, 18), [], 400
    for _ in range(draws):
        x = random.uniform(-1, 1, 20)
        normal = random.normal(size=20)
        y = {"normal": normal, "heavy": random.standard_t(3, 20), "unequal": (0.3 + np.abs(x)) * normal}[errors]
        value, covariance = estimate(lines_of_points(x, y))
        hits.append(np.abs(value) <= quantile * np.sqrt(np.diag(covariance)))
    share = np.mean(hits, axis=0)
    assert np.all(share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / draws)) and np.all(share < 0.995), share


@pytest.mark.parametrize("count", [2, 5, 20, 100])
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
    found = [medians(lines_of_points(x, y)) for y in drawn]
    told = np.mean([each.covariance for each in found], axis=0) / np.cov(np.array([each.value for each in found]).T)
    assert np.all(told > 0.9) and np.all(told < 1.5), told


@pytest.mark.parametrize("robust", [False, True])
def test_prediction_bands_hold_new_measurements(robust):
    random = np.random.default_rng(8)
    x, line, new, draws = np.linspace(0, 5, 12), [], [], 200
    for _ in range(draws):
        found = kn.regress(x, 2 * x + random.normal(size=12), robust=robust).predict([1.0, 9.0], level=0.8)
        line.append((found.lower <= (2, 18)) & (found.upper >= (2, 18)))
        measured = random.normal((2, 18))
        new.append((found.new_lower <= measured) & (found.new_upper >= measured))
    for share in (np.mean(line, axis=0), np.mean(new, axis=0)):
        # That the median of 12 residuals varies is not in the band of new measurements, whose error is told too surely.
        np.testing.assert_allclose(share, 0.78 if robust else 0.8, atol=4 * math.sqrt(0.16 / draws))


# The collapse


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("replicates", [False, True])
def test_the_density_collapses_at_the_line(robust, replicates):
    """Whatever the units: slopes of 1e-3 and intercepts of 1e5 in one of the two cases."""
    random = np.random.default_rng(9)
    if replicates:  # 45 lines, as many as 10 points have pairs
        x, y = np.linspace(0, 1e3, 6), 1e5 + random.normal(size=(45, 6))
    else:
        x = random.uniform(-1, 1, 10)
        y = 3 * x + 0.1 * random.standard_t(3, 10)
    found = kn.regress(x, y, robust=robust)
    initial = found.density(cells=31)
    samples, (lower, upper) = np.asarray(found.ensemble.samples), np.asarray([initial.grid.lower, initial.grid.upper])
    inside = np.all((samples >= lower) & (samples <= upper), axis=1)
    np.testing.assert_allclose(initial.mass, found.weights[inside].sum(), rtol=1e-12)
    assert 0.93 < float(initial.mass) < (1.0 + 1e-12 if replicates else 0.9999)
    final = kn.solve(found.equation, initial, t1=12.0).final
    spread = np.sqrt(np.diag(np.asarray(initial.variance)))
    assert np.all(np.abs(np.asarray(final.mean) - found.line) < 1e-3 * spread)
    assert np.all(np.sqrt(np.diag(np.asarray(final.variance))) < 0.5 * np.asarray(final.grid.width))


def test_the_identity_conserves_the_mean():
    """Proposition 3, along replicates, which weigh the same."""
    random = np.random.default_rng(10)
    found = kn.regress(np.arange(4.0), random.normal(size=(45, 4)))
    moved = kn.solve(found.equation, found.ensemble, t1=0.7).final
    np.testing.assert_allclose(moved.mean, found.line, rtol=1e-6)
    np.testing.assert_allclose(moved.variance, np.asarray(found.ensemble.variance) * math.exp(-1.4), rtol=1e-5)


@pytest.mark.parametrize("robust", [False, True])
def test_another_target_attracts_instead(robust):
    x, y = data(11, 10)
    target = np.array([9.0, -15.0])  # far beyond the ensemble
    found = kn.regress(x, y, robust=robust, target=target)
    np.testing.assert_array_equal(found.line, kn.regress(x, y, robust=robust).line)
    initial = found.density(cells=31)
    solution = kn.solve(found.equation, initial, t1=30.0)
    np.testing.assert_allclose(solution.final.mean, target, rtol=1e-6)
    assert abs(float(solution.stats["mass_lost"])) < 1e-9


def test_the_field_is_that_of_the_network_in_other_coordinates():
    x, y = data(12, 10)
    field = kn.regress(x, y, robust=True, origin=30.0).equation.field
    z = jnp.asarray(field.centre) + jnp.array([0.3, -0.2])
    jacobian = jax.jacfwd(lambda z: field(0.0, z))(z)
    np.testing.assert_allclose(field.divergence(0.0, z), jnp.trace(jacobian), rtol=1e-10)
    at_rest = np.linalg.eigvals(np.asarray(jax.jacfwd(lambda z: field(0.0, z))(jnp.asarray(field.centre))))
    np.testing.assert_allclose(at_rest, -10.0, rtol=1e-6)
    assert np.max(np.abs(field(0.0, field.centre))) == 0.0


def balance(x, w):
    """Where int tanh(w (x - c)) dg = 0 for samples x: the bias -w c holds their mean at first."""
    return brentq(lambda c: np.mean(np.tanh(w * (x - c))), x.min(), x.max(), xtol=1e-13)


def test_a_tanh_network_balances_between_mean_and_median():
    """Of the exponential distribution: c - ln 2 = pi^2 / 24 w^-2 + O(w^-4), and the mean 1 as w -> 0."""
    x = -np.log1p(-(np.arange(200_000) + 0.5) / 200_000)
    errors = np.array([balance(x, w) - math.log(2) for w in (-8.0, -16.0, -32.0)])
    np.testing.assert_allclose(errors, math.pi**2 / 24 / np.array([8.0, 16.0, 32.0]) ** 2, rtol=0.03)
    assert abs(balance(x, -1e-3) - x.mean()) < 1e-5
    # And it is where one layer of the network, forward Euler, leaves the mean.
    few = kn.Ensemble(x[::1000])
    net = kn.SimResNet(-4.0, 4.0 * balance(x[::1000], -4.0), kn.Tanh())
    moved = kn.solve(kn.MeanField(net), few, t1=0.5, method=kn.Layers(1)).final
    np.testing.assert_allclose(moved.mean, few.mean, rtol=1e-12)
    assert float(moved.variance) < 0.5 * float(few.variance)


def test_the_limit_is_a_weighted_median_of_the_ensemble():
    """By component of slope and height, as the robust regression says, with the weights |dx|."""
    x, y = data(13)
    found = kn.regress(x, y, robust=True, origin=float(np.median(x)))
    lines = np.asarray(found.ensemble.samples)
    for column, value in zip(lines.T, found.line, strict=True):
        at = brentq(lambda c, v=column: found.weights @ np.tanh(1e4 * (v - c)), column.min(), column.max())
        np.testing.assert_allclose(at, value, atol=3e-3)


# Densities with weights


@pytest.mark.parametrize("bandwidth", [0.0, 0.02, 0.4])
@pytest.mark.parametrize("dimension", [1, 2])
def test_a_weight_is_a_number_of_samples(bandwidth, dimension):
    random = np.random.default_rng(14)
    samples = random.uniform(-2, 2, (30, 2)) if dimension == 2 else random.uniform(-2, 2, 30)
    counts = random.integers(0, 4, 30)
    grid = kn.Grid((-3.0, -2.5), (2.5, 3.0), (20, 24)) if dimension == 2 else kn.Grid(-3.0, 2.5, 20)
    weighted = kn.Density.from_samples(samples, grid, bandwidth, weights=0.1 * counts)
    repeated = kn.Density.from_samples(np.repeat(samples, counts, axis=0), grid, bandwidth)
    np.testing.assert_allclose(weighted.values, repeated.values, atol=1e-14)


def test_the_default_bandwidth_counts_equal_weights_as_samples():
    samples = np.random.default_rng(14).uniform(-2, 2, (30, 2))
    shares = jnp.full(30, 1 / 30)
    for column in samples.T:
        plain, weighted = silverman(jnp.asarray(column), 2), silverman(jnp.asarray(column), 2, weights=shares)
        np.testing.assert_allclose(weighted, plain, rtol=0.05)  # quartiles of few samples are defined in many ways
    doubled = jnp.concatenate([shares, jnp.zeros(30)])
    np.testing.assert_allclose(
        silverman(jnp.asarray(np.tile(samples[:, 0], 2)), weights=doubled),
        silverman(jnp.asarray(samples[:, 0]), weights=shares),
    )


def test_weights_may_be_traced_and_batched():
    grid, samples = kn.Grid(-3.0, 3.0, 20), np.linspace(-2, 2, 30)
    mean_of = lambda weights: kn.Density.from_samples(samples, grid, 0.3, weights).mean
    weights = jnp.linspace(1.0, 2.0, 30)
    batch = jnp.stack([weights, weights[::-1]])
    means, slopes = jax.jit(jax.vmap(jax.value_and_grad(mean_of)))(batch)
    np.testing.assert_allclose(means, (batch @ samples) / weights.sum(), atol=1e-3)
    np.testing.assert_allclose(slopes[0], (samples - float(means[0])) / weights.sum(), atol=2e-3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "3 samples need weights of shape"), ([1.0, -1.0, 1.0], "not negative"), ([0.0] * 3, "positive")],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        kn.Density.from_samples([0.1, 0.2, 0.3], kn.Grid(0.0, 1.0, 4), 0.1, weights)


# Odd data


@pytest.mark.parametrize("robust", [False, True])
def test_exact_lines_have_no_uncertainty(robust):
    x = np.arange(10.0)
    found = kn.regress(x, 2 * x + 1, robust=robust)
    np.testing.assert_allclose(found.line, (2, 1), rtol=1e-12)
    assert np.all(found.standard_errors < 1e-12) and found.sigma < 1e-12
    flat = kn.regress(x, np.full(10, 4.0), robust=robust)
    np.testing.assert_allclose(flat.line, (0, 4), atol=1e-12)
    assert float(flat.density(cells=31).mass) == pytest.approx(1.0) and np.all(
        np.isfinite(flat.density(cells=31).values)
    )


def test_it_prints_itself_with_its_notes():
    text = str(kn.regress([0, 0, 1, 1, 2], [1, 2, 3, 4, 5], origin=1))
    assert "8 lines through pairs of 5 points" in text and "intercept at x = 1" in text
    assert "note: 2 pairs of equal x have no slope" in text and "their mean" in text
    assert "of 2 replicates, 6 measurements: their medians" in str(
        kn.regress([0, 1, 2], [[0, 1, 3], [1, 2, 3]], robust=True)
    )


def test_float32_gives_the_same_line():
    x, y = data(15, 10)
    found = kn.regress(x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(found.line, kn.regress(x, y).line, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1, 2, 3], [1, 2]), {}, ValueError, r"got shapes \(3,\) and \(2,\)"),
        (([1, 2, 3], [[1, 2], [1, 2]]), {}, ValueError, "for R replicates at positions"),
        (([[1, 2, 3]], [1, 2, 3]), {}, ValueError, "got shapes"),
        (([2, 2, 2], [1, 2, 3]), {}, ValueError, "needs two distinct x, and all 3 are 2"),
        (([], []), {}, ValueError, "there are none"),
        (([1, 2], [1, 2]), {}, ValueError, "got 2 points"),
        (([1, 1, 1, 2], [1, 2, 3, 4]), {}, ValueError, "all x but one are 1"),
        (([1, 2], [[1, 2]]), {}, ValueError, "needs two replicates"),
        (([1, 2, math.nan], [1, 2, 3]), {}, ValueError, "x must be finite, got nan at index 2"),
        (([1, 2, 3], [[1, 2, 3], [1, math.inf, 3]]), {}, ValueError, "y must be finite, got inf at index 1, 1"),
        (([1, 2, 3], [1e200, 2, 3]), {}, ValueError, "take a unit"),
        (([1, 2, 3], ["a", "b", "c"]), {}, TypeError, "y must be an array of numbers"),
        (([1, 2, 3], [[1, 2], [3]]), {}, TypeError, "y must be an array of numbers"),
        (([1, 2, 3], [1, 2, 3]), {"weight": 1.0}, ValueError, "weight must be negative"),
        (([1, 2, 3], [1, 2, 3]), {"weight": math.nan}, ValueError, "weight must be negative"),
        (([1, 2, 3], [1, 2, 3]), {"target": [1.0]}, ValueError, "a slope and an intercept"),
        (([1, 2, 3], [1, 2, 3]), {"origin": math.inf}, ValueError, "origin must be finite"),
        (([1, 2, 3], [1, 2, 3]), {"origin": np.zeros(2)}, TypeError, "origin must be a number, not array"),
        (([1, 2, 3], [1, 2, 3]), {"weight": True}, TypeError, "weight must be a number, not True"),
    ],
)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=message):
        module.regress(*arguments, **options)


def test_bad_questions():
    found = kn.regress([0.0, 1.0, 2.0], [0.0, 1.0, 2.5])
    with pytest.raises(ValueError, match="between 0 and 1, got 95"):
        found.predict(1.0, level=95)
    with pytest.raises(ValueError, match="at finite x, got nan"):
        found.predict([1.0, math.nan])
    with pytest.raises(ValueError, match="no line of the ensemble is on the grid"):
        found.density(kn.Grid((50.0, 50.0), (60.0, 60.0), 10))
    with pytest.raises(ValueError, match="need a grid in two dimensions"):
        found.density(kn.Grid(0.0, 1.0, 10))
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda y: kn.regress([0.0, 1.0, 2.0], y).slope)(jnp.ones(3))
