"""The default threshold: where it lands, what it is invariant under, and how often it errs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import gaussian_kde

from kinetic_nde.cli.table import read_column
from kinetic_nde.cli.threshold import find_threshold
from kinetic_nde.cli.valleys import find_valleys, kernel_density

DATA = Path(__file__).parents[2] / "experiments" / "data"

ONE_MODE = {
    "normal": lambda rng, size: rng.normal(size=size),
    "uniform": lambda rng, size: rng.uniform(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
}


def two_normals(rng, size: int, share: float, apart: float) -> np.ndarray:
    right = rng.binomial(size, share)
    return np.concatenate([rng.normal(0.0, 1.0, size - right), rng.normal(apart, 1.0, right)])


def rate(sample, seeds: int = 200) -> float:
    return float(np.mean([find_threshold(sample(np.random.default_rng(seed))).valley for seed in range(seeds)]))


def test_depths_of_earthquakes():
    depths = read_column(DATA / "quakes.csv", "depth_km").values
    found = find_threshold(depths)
    assert 300 < found.value < 450 and found.valley
    assert found.how == "the most prominent valley of the kernel density (58% of the data below)"
    assert found.below == np.mean(depths < found.value)
    assert find_threshold(depths * 1000).value == pytest.approx(1000 * found.value, rel=1e-12)


@pytest.mark.parametrize(
    "file, column, median",
    [
        ("cars93.csv", "length_m", 4.648),
        ("cars93.csv", "weight_kg", 1378.9),
        ("rivers.csv", "length_miles", 425.0),
        ("quakes.csv", "magnitude", 4.6),
    ],
)
def test_measurements_of_one_mode(file, column, median):
    found = find_threshold(read_column(DATA / file, column).values)
    assert not found.valley and found.value == pytest.approx(median, rel=1e-12)
    assert found.how.startswith("the median: the kernel density has no valley")
    assert "5% of the data on each side" in found.how


@pytest.mark.parametrize("size", [50, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ONE_MODE)
def test_noise_is_rarely_a_valley(kind, size):
    assert rate(lambda rng: ONE_MODE[kind](rng, size)) <= 0.06


@pytest.mark.parametrize(
    "size, share, apart, least",
    [
        (100, 0.5, 4.0, 0.75),
        (200, 0.5, 4.0, 0.95),
        (500, 0.3, 4.0, 0.9),
        (100, 0.5, 6.0, 0.99),
        (100, 0.2, 6.0, 0.95),
        (200, 0.1, 6.0, 0.95),
        (20, 0.5, 10.0, 0.95),
        pytest.param(10_000, 0.1, 4.0, 0.9, marks=pytest.mark.slow),
    ],
)
def test_two_modes_are_found(size, share, apart, least):
    assert rate(lambda rng: two_normals(rng, size, share, apart), seeds=100) >= least


@pytest.mark.parametrize(
    "share, apart, size",
    [
        (0.1, 5.0, 20_000),
        (0.3, 5.0, 20_000),
        (0.5, 5.0, 20_000),
        pytest.param(0.1, 4.0, 1_000_000, marks=pytest.mark.slow),
    ],
)
def test_the_valley_is_where_the_density_is_lowest(share, apart, size):
    found = find_threshold(two_normals(np.random.default_rng(3), size, share, apart))
    x = np.linspace(1.0, apart - 0.5, 5001)
    density = (1 - share) * np.exp(-(x**2) / 2) + share * np.exp(-((x - apart) ** 2) / 2)
    assert found.value == pytest.approx(x[np.argmin(density)], abs=0.2)


def test_a_gap_between_few_values():
    found = find_threshold([1.0, 1.1, 1.2, 1.3, 9.0, 9.1, 9.2])
    assert found.valley and 1.3 < found.value < 9.0
    assert found.how.endswith("(57% of the data below)")


@pytest.mark.parametrize("size, rare, apart", [(120, 4, 12.0), (1000, 40, 20.0), (1000, 3, 30.0), (10_000, 30, 15.0)])
def test_a_rare_class_far_away_is_found(size, rare, apart):
    rng = np.random.default_rng(2)
    main, few = rng.normal(size=size), rng.normal(apart, 1.0, rare)
    for sign in (1.0, -1.0):
        found = find_threshold(sign * np.concatenate([main, few]))
        assert found.valley and main.max() < sign * found.value < few.min()
        assert f"sets {rare} of {size + rare} apart" in found.how


@pytest.mark.parametrize("rare", [1, 2])
def test_one_or_two_far_away_are_outliers(rare):
    values = np.concatenate([np.random.default_rng(2).normal(size=100), 30.0 + np.arange(rare)])
    assert not find_threshold(values).valley


@pytest.mark.parametrize(
    "sample, most",
    [
        (lambda rng: rng.normal(size=100), 0.0),
        (lambda rng: np.exp(rng.normal(size=200)), 0.06),
        (lambda rng: rng.standard_cauchy(200), 0.06),
        (lambda rng: rng.pareto(1.0, 500), 0.1),
    ],
)
def test_a_tail_is_rarely_a_rare_class(sample, most):
    assert rate(sample) <= most


def test_the_most_prominent_of_two_valleys():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 500), rng.normal(5, 1, 500), rng.normal(20, 1, 500)])
    assert 7.0 < find_threshold(values).value < 18.0


@pytest.mark.parametrize("size", [2, 3, 10, 1000])
@pytest.mark.parametrize("apart", [0.0, 8.0])
@pytest.mark.parametrize("factor", [1000.0, 1e-3, 0.3048, 1e150, 1e-150, -1.0, -25.4])
def test_change_of_units_and_mirror_image(size, apart, factor):
    values = two_normals(np.random.default_rng(7), size, 0.4, apart)
    found, scaled = find_threshold(values), find_threshold(factor * values)
    assert scaled.valley == found.valley
    assert scaled.value == pytest.approx(factor * found.value, rel=1e-9)


def test_shift_by_a_large_constant():
    values = two_normals(np.random.default_rng(7), 500, 0.4, 8.0)
    assert find_threshold(values + 1e9).value - 1e9 == pytest.approx(find_threshold(values).value, abs=1e-5)


def test_the_order_of_the_values_does_not_matter():
    values = two_normals(np.random.default_rng(1), 300, 0.3, 6.0)
    assert find_threshold(values) == find_threshold(values[::-1])


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_rounding_does_not_make_valleys(decimals):
    rng = np.random.default_rng(0)
    assert not find_threshold(np.round(rng.normal(size=100_000), decimals)).valley
    assert not find_threshold(np.round(3 * rng.exponential(size=100_000), decimals)).valley


def test_rounding_does_not_hide_valleys():
    found = find_threshold(np.round(two_normals(np.random.default_rng(0), 10_000, 0.4, 7.0)))
    assert found.valley and 2.5 < found.value < 4.5


def test_heavy_tails():
    rng = np.random.default_rng(0)
    assert not find_threshold(rng.standard_cauchy(100_000)).valley
    assert not find_threshold(np.exp(rng.uniform(-300.0, 300.0, 10_000))).valley


@pytest.mark.parametrize("values", [[3.0, 9.0], [9, 3], [3, 3, 3, 9, 9], [3.0] * 95 + [9.0] * 5])
def test_two_distinct_values(values):
    found = find_threshold(values)
    assert found.valley and found.value == 6.0


def test_two_distinct_values_of_which_one_is_rare():
    found = find_threshold([3.0] * 99 + [9.0])
    assert not found.valley and found.value == 3.0


VALUES = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=60).filter(lambda values: min(values) < max(values))


def is_among(values):
    found = find_threshold(values)
    data = np.asarray(values)
    assert data.min() <= found.value <= data.max()
    assert found.below == np.mean(data < found.value)
    if found.valley:
        assert 0.05 <= found.below <= 0.95
    else:
        assert found.value == np.median(data)


@given(VALUES)
def test_any_values_give_a_threshold_among_them(values):
    is_among(values)


@pytest.mark.slow
@given(VALUES)
@settings(max_examples=200)
def test_many_values_give_a_threshold_among_them(values):
    is_among(values)


@pytest.mark.parametrize(
    "values, words",
    [
        ([], "at least two values"),
        ([1.0], "at least two values"),
        (np.array(3.0), "one dimension"),
        ([[1.0, 2.0], [3.0, 4.0]], "one dimension"),
        ([1.0, np.nan, 2.0], "finite values, got nan"),
        ([1.0, -np.inf], "finite values, got -inf"),
        ([2.5, 2.5, 2.5], "all 3 are 2.5"),
    ],
)
def test_bad_input(values, words):
    with pytest.raises(ValueError, match=words):
        find_threshold(values)


@pytest.mark.parametrize("gap", [0.0, 1.0, 10.0, 1e6])
def test_kernel_density_against_scipy(gap):
    rng = np.random.default_rng(0)
    data = np.sort(np.concatenate([rng.normal(size=60), gap + rng.normal(size=40)]))
    bandwidth = 0.3
    curve = kernel_density(data, bandwidth)
    exact = gaussian_kde(data, bw_method=bandwidth / np.std(data, ddof=1))(curve.positions)
    np.testing.assert_allclose(curve.density, exact, atol=0.003 * exact.max())
    assert np.all(np.diff(curve.positions) > 0)
    assert np.sum(curve.share) == pytest.approx(1.0, abs=1e-6)


def test_valleys_are_sorted_by_prominence_and_leave_out_small_humps():
    data = np.sort(np.concatenate([np.full(40, 0.0), np.full(40, 5.0), np.full(3, 8.0), np.full(17, 20.0)]))
    valleys = find_valleys(kernel_density(data, 1.0), 0.05, 0.1)
    assert [valley.position for valley in valleys] == pytest.approx([2.5, 14.0], abs=0.2)
    assert valleys[0].left_peak == pytest.approx(0.0, abs=0.1)
    assert valleys[0].right_peak == pytest.approx(5.0, abs=0.1)
    assert valleys[1].depth == pytest.approx(1.0)


def test_an_outlier_of_a_small_sample_can_be_a_side():
    found = find_threshold([0.0, 0.0, 0.0, 0.0, 17613.0, -52.0, -72.0])
    assert found.valley
    assert found.value == pytest.approx(0.5 * 17613.0, rel=0.1)
