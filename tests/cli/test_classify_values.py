"""The computation of `kinetic-nde classify` for measurements of all kinds."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kinetic_nde.cli import classify as computation
from kinetic_nde.cli.classify import classify
from kinetic_nde.cli.results import summary
from kinetic_nde.cli.standardise import InputError, standardise
from tests.cli.commands import EIGHT


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(EIGHT * 1e9, marks=pytest.mark.slow),
        pytest.param(EIGHT * 1e-9, marks=pytest.mark.slow),
        EIGHT + 1e9,
        EIGHT * 1e200,
        EIGHT * 1e-200,
        np.round(EIGHT * 10).astype(int),
        np.array([0, 0, 0, 0, 0, 3, 4, 5]),
        np.array([5, 5, 5, 5, 5, 0, 1, 2]),
        np.array([0, 0, 0, 0, 0, 0, 0, 1]),
        np.array([0, 0, 0, 0, 1e-9, 1, 2, 1e9]),
        pytest.param(np.array([0.0, 1.0]), marks=pytest.mark.slow),  # compiles all anew
    ],
    ids=["large", "small", "far", "huge", "tiny", "integers", "low ties", "high ties", "one", "decades", "two"],
)
def test_any_scale_and_ties(values):
    found = classify(values)
    assert values.min() < found.threshold < values.max()
    np.testing.assert_array_equal(found.classes, values >= found.threshold)
    assert set(found.classes.tolist()) == {0, 1} and found.moving == 0
    assert [cluster.position for cluster in found.particles] == [values.min(), values.max()]
    assert found.mass_drift < 1e-12
    assert str(found.values.size) in summary(found, "file.csv", "x")


def test_two_measurements_are_enough():
    data = standardise([1.0, 0.0])
    assert data.threshold == 0.5 and data.scale == pytest.approx(1 / 6)
    np.testing.assert_allclose(data.z, [3.0, -3.0], rtol=1e-12)


def test_a_median_with_nothing_beyond_it_is_moved():
    found = classify([0, 0, 0, 0, 0, 3, 4, 5])
    mirrored = classify([0, 0, 0, 0, 0, -3, -4, -5])
    assert found.threshold == 1.5 == -mirrored.threshold
    assert "smallest" in found.how and "largest" in mirrored.how


def all_arrive(threshold, digits, weight):
    values = EIGHT.copy()
    values[3:5] = threshold - 10.0**-digits / 4, threshold + 10.0**-digits / 8
    found = classify(values, threshold, weight)
    assert found.moving == 0 and found.t1 >= 12
    np.testing.assert_array_equal(found.classes, values >= threshold)


@pytest.mark.parametrize(
    "threshold, digits, weight", [(1.5, 14, 0.01), (8.5, 0, 30.0), (5.0, 14, 30.0), (2.25, 7, 1.0)]
)
def test_next_to_the_threshold_every_measurement_arrives(threshold, digits, weight):
    all_arrive(threshold, digits, weight)


@pytest.mark.slow
@given(st.floats(1.5, 8.5), st.integers(0, 14), st.sampled_from([0.01, 1.0, 30.0]))
def test_however_near_the_threshold_every_measurement_arrives(threshold, digits, weight):
    all_arrive(threshold, digits, weight)


@pytest.mark.slow
def test_very_many_are_all_classified_and_some_are_drawn(monkeypatch):
    at_once = classify(EIGHT)
    monkeypatch.setattr(computation, "_MANY", 7)
    monkeypatch.setattr(computation, "_DRAWN", 2)
    found = classify(EIGHT)
    np.testing.assert_array_equal(found.classes, at_once.classes)
    assert found.particles == at_once.particles
    assert found.paths.distributions.samples.shape == (200, 2)


def test_shapes_and_numbers_are_checked_without_a_table():
    for values in ([[1.0, 2.0]], 3.0, [], [1.0, np.nan]):
        with pytest.raises(InputError):
            classify(values)


def test_kernels_are_as_wide_as_the_classes_are():
    """Not as the distance between them asks for: the density of two narrow groups is as high as they are."""
    near, far = classify(EIGHT), classify(np.where(EIGHT > 5, EIGHT + 40.0, EIGHT))
    assert far.bandwidth == pytest.approx(near.bandwidth, rel=1e-9)
