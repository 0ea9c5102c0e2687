"""Standardisation of samples, and flows in the units of data."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.linalg import expm
from scipy.stats import multivariate_normal

import kinetic_nde as kn

STANDARD, ORIGINAL = jax.jit(kn.Standardisation.standard), jax.jit(kn.Standardisation.original)


@given(st.integers(0, 2**32 - 1))
def test_standardised_samples_have_mean_0_and_covariance_1(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 3)) * 10.0 ** rng.uniform(-6, 6, 3) + rng.normal(size=3)
    units = kn.Standardisation.of(x)
    z = np.asarray(STANDARD(units, x))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(z.T @ z / 20, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(ORIGINAL(units, z), x, rtol=1e-9, atol=1e-9 * np.abs(x).max())
    np.testing.assert_allclose(ORIGINAL(units, z[0]), x[0], rtol=1e-9, atol=1e-9 * np.abs(x).max())
    np.testing.assert_allclose(units.log_determinant, np.linalg.slogdet(np.cov(x.T, ddof=0))[1] / 2, atol=1e-6)
    # Other units change nothing, and the mirror image of a column its signs.
    other = kn.Standardisation.of(x * [1e3, -1e-3, 1.0] + [1.0, 0.0, -3.0])
    np.testing.assert_allclose(STANDARD(other, x * [1e3, -1e-3, 1.0] + [1.0, 0.0, -3.0]), z * [1, -1, 1], atol=1e-5)


@pytest.mark.slow
def test_a_standardisation_in_one_dimension():
    x = np.array([1.0, 2.0, 6.0])
    units = kn.Standardisation.of(x)
    np.testing.assert_allclose([units.shift, units.scale, units.log_determinant], [3, x.std(), np.log(x.std())])
    np.testing.assert_allclose(ORIGINAL(units, STANDARD(units, x)), x)
    # A column alone is numbers too: those that a flow in one dimension moves.
    flow = kn.Flow(
        kn.MeanField(kn.SimResNet(0.0, 0.0, kn.Tanh())),
        kn.StandardNormal(),
        1.0,
        units=kn.Standardisation.of(x[:, None]),
    )
    assert flow.log_prob(x).shape == flow.sample(jax.random.key(0), 3).shape == (3,)
    assert units.dimension == 1 and kn.Standardisation.of(x.astype(np.float32)).scale.dtype == np.float32


def test_a_singular_covariance_is_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    cases = {
        "column 1 of the samples is constant, 7": x * [1, 0, 1] + [0, 7, 0],
        "column 2 is a linear combination": np.c_[x[:, :2], 3 * x[:, 0] - x[:, 1] + 5],
        "singular covariance: more than 3 are needed": x[:3],
        "column 0 of the samples is constant, 2": np.full(4, 2.0),
    }
    for message, samples in cases.items():
        with pytest.raises(ValueError, match=message):
            kn.Standardisation.of(samples)
    # In single precision a sum is one to rounding only.
    rounded = np.c_[x[:, :2], x[:, 0] + x[:, 1]].astype(np.float32)
    with pytest.raises(ValueError, match="column 2 is a linear combination"):
        kn.Standardisation.of(rounded)
    # All but determined is not determined.
    nearly = np.c_[x[:, :2], x[:, 0] + x[:, 1] + 1e-5 * x[:, 2]]
    z = np.asarray(STANDARD(kn.Standardisation.of(nearly), nearly))
    np.testing.assert_allclose(z.T @ z / 50, np.eye(3), atol=1e-6)


def test_wrong_standardisations():
    for shift, scale in ((0.0, [1.0]), ([0.0, 0.0], 1.0), ([0.0, 0.0], np.eye(3)), (np.eye(2), np.eye(2))):
        with pytest.raises(ValueError, match="lower triangular matrix"):
            kn.Standardisation(shift, scale)
    for shift, scale in ((0.0, 0.0), (np.nan, 1.0), ([0.0, 0.0], [[1.0, 1.0], [0.0, 1.0]]), ([0.0, 0.0], -np.eye(2))):
        with pytest.raises(ValueError, match="positive diagonal"):
            kn.Standardisation(shift, scale)
    normal, equation = kn.StandardNormal(2), kn.MeanField(kn.SimResNet(np.eye(2), 0.0, kn.Tanh()))
    with pytest.raises(ValueError, match="base has dimension 2 and the units 1"):
        kn.Flow(equation, normal, t1=1.0, units=kn.Standardisation(0.0, 1.0))
    with pytest.raises(TypeError, match="must be a kn.Standardisation"):
        kn.Flow(equation, normal, t1=1.0, units=2.0)


# Flows in the units of data


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 32])
def test_a_linear_flow_in_units_is_a_gaussian(d):
    rng = np.random.default_rng(d)
    w, b, shift = 0.4 * rng.normal(size=(d, d)) / np.sqrt(d), rng.normal(size=d), 10 * rng.normal(size=d)
    scale = np.tril(rng.normal(size=(d, d)), -1) / d + np.diag(10.0 ** rng.uniform(-1, 1, d))
    moved = expm(w)
    mean = shift + scale @ (moved - np.eye(d)) @ np.linalg.solve(w, b)
    exact = multivariate_normal(mean, scale @ moved @ moved.T @ scale.T)
    x = exact.rvs(20, random_state=0)
    numbers = (w[0, 0], b[0], shift[0], scale[0, 0]) if d == 1 else (w, b, shift, scale)
    units = kn.Standardisation(*numbers[2:])
    flow = kn.Flow(kn.MeanField(kn.SimResNet(*numbers[:2], kn.Identity())), kn.StandardNormal(d), t1=1.0, units=units)
    np.testing.assert_allclose(flow.log_prob(x), exact.logpdf(x), atol=1e-8)
    bad = np.concatenate([x[:-1], np.full_like(x[:1], np.nan)])
    np.testing.assert_allclose(flow.log_prob(bad), [*exact.logpdf(x[:-1]), np.nan], atol=1e-8)
    z = np.linalg.solve(
        scale @ moved, np.asarray(flow.sample(jax.random.key(0), 2000)).reshape(-1, d).T - mean[:, None]
    )
    # Six standard errors of what is standard normal.
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=6 / np.sqrt(2000))
    np.testing.assert_allclose(np.cov(z), np.eye(d) if d > 1 else 1.0, atol=6 * np.sqrt(2 / 2000))
