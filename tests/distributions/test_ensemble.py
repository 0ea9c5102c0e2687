"""Ensembles: their moments, and what is no sample."""

import jax
import numpy as np
import pytest

import kinetic_nde as kn


@jax.jit
def summary(ensemble):
    return {
        "mean": ensemble.mean,
        "variance": ensemble.variance,
        "energy": ensemble.energy,
        "third": ensemble.moment(3),
        "support": ensemble.support(1e-12),
    }


def test_moments_are_those_of_the_samples():
    samples = np.random.default_rng(0).normal(size=(500, 3))
    ensemble = kn.Ensemble(samples)
    assert ensemble.dimension == 3 and float(ensemble.mass) == 1
    got = summary(ensemble)
    np.testing.assert_allclose(got["mean"], samples.mean(0), rtol=1e-12)
    np.testing.assert_allclose(got["variance"], np.cov(samples.T, bias=True), rtol=1e-12)
    np.testing.assert_allclose(got["energy"], (samples**2).sum(1).mean(), rtol=1e-12)
    np.testing.assert_allclose(got["third"], (samples**3).mean(0), rtol=1e-12)
    line = samples[:, 0]
    got = summary(kn.Ensemble(line))
    np.testing.assert_allclose(got["variance"], line.var(), rtol=1e-12)
    np.testing.assert_allclose(got["third"], (line**3).mean(), rtol=1e-12)
    np.testing.assert_allclose(got["support"], [line.min(), line.max()], rtol=1e-15)


@pytest.mark.parametrize(
    "samples", [[], np.zeros((0, 2)), np.zeros((3, 0)), 1.0, np.zeros((2, 2, 2)), [np.nan], [1.0, np.inf]]
)
def test_what_is_no_sample_is_refused(samples):
    with pytest.raises(ValueError, match="samples"):
        kn.Ensemble(samples)


def test_negative_orders_are_refused():
    for distribution in (kn.Ensemble([1.0]), kn.Density.uniform(0.0, 1.0, kn.Grid(-2.0, 3.0, 40))):
        with pytest.raises(ValueError, match="order of a moment"):
            distribution.moment(-1)
