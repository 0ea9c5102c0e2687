"""What densities in two dimensions refuse, and what is for one dimension only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.distributions.plane_cases import GRID


def test_what_is_for_one_dimension_names_the_marginal():
    density = kn.Density.uniform((-1.0, 0.0), (0.5, 2.0), GRID)
    for call in (
        lambda: density.cdf(0.0),
        lambda: density.quantile(0.5),
        lambda: density.support(0.1),
        lambda: density.profile,
    ):
        with pytest.raises(ValueError, match=r"density\.marginal\(0\)"):
            call()
    line = density.marginal(1)
    for call in (lambda: line.marginal(0), lambda: line.conditional(0, 1.0), lambda: line.plane):
        with pytest.raises(ValueError, match="two dimensions, this one has 1"):
            call()
    equation = kn.MeanField(kn.SimResNet(1.0, np.zeros(2), kn.Identity()))
    with pytest.raises(ValueError, match="Characteristics is for one dimension"):
        kn.solve(equation, density, t1=1.0, method=kn.Characteristics())
    with pytest.raises(ValueError, match="ChangCooper is for one dimension"):
        kn.solve(kn.FokkerPlanck(equation.field, nu=1.0), density, t1=1.0, method=kn.ChangCooper())


def test_bad_input():
    density = kn.Density.uniform((-1.0, 0.0), (0.5, 2.0), GRID)
    samples = np.random.default_rng(1).uniform([-2, -1], [3, 2.5], (300, 2))
    level, key = samples * [1, 0], jax.random.key(0)
    cases = [
        (lambda: kn.Density(GRID, np.ones((12, 11))), r"on 12 x 12 cells needs averages of shape \(12, 12\)"),
        (lambda: kn.Density(GRID, -np.eye(12)), r"must not be negative, got -1 in cell \(0, 0\)"),
        (lambda: kn.Density.gaussian(0.0, 1.0, GRID), "mean is a pair of numbers on a grid of dimension 2"),
        (lambda: kn.Density.gaussian((0.0, 0.0), (1.0, -1.0), GRID), "std > 0"),
        (lambda: kn.Density.gaussian((0.0, 0.0), [[1.0, 2.0], [2.0, 1.0]], GRID), "no covariance"),
        (lambda: kn.Density.gaussian((0.0, 0.0), [[1.0, 0.5], [0.1, 1.0]], GRID), "no covariance"),
        (lambda: kn.Density.gaussian((0.0, 0.0), np.ones(3), GRID), r"got shape \(3,\)"),
        (lambda: kn.Density.gaussian((0.0, 0.0), 1.0, GRID.axes[0]), "mean is one number"),
        (lambda: kn.Density.gaussian((90.0, 0.0), 0.1, GRID), "all mass of the Gaussian around .* outside the grid"),
        (lambda: kn.Density.uniform((0.0, 0.0), (1.0, 4.0), GRID), "inside the grid"),
        (lambda: kn.Density.uniform((0.0, 1.0), (1.0, 1.0), GRID), "inside the grid"),
        (lambda: kn.Density.dirac((0.0, 3.0), GRID), "outside the grid"),
        (lambda: kn.Density.dirac(0.0, GRID), "x is a pair of numbers"),
        (lambda: density.moment(-1), "order of a moment"),
        (lambda: density.marginal(2), "0 for x or 1 for y, got 2"),
        (lambda: density.conditional(1, 9.0), r"y=9.0 is outside the grid .* along axis 1"),
        (lambda: density.conditional(0, 2.0), "no mass at x=2.0"),
        (lambda: density.on(kn.Grid((0.0, 0.0), (1.0, 1.0), (12, 12))), "of the mass is outside"),
        (lambda: density.on(GRID.axes[0]), "dimension 2 cannot be on a grid of dimension 1"),
        (lambda: kn.Density.from_samples(samples[:, 0], GRID), r"shape \(M, 2\)"),
        (lambda: kn.Density.from_samples(samples, GRID.axes[0]), r"shape \(M,\)"),
        (lambda: kn.Density.from_samples(samples[:0], GRID), "M >= 1"),
        (
            lambda: kn.Density.from_samples(9 * samples, GRID),
            r"do not fit on the grid .*: 0\.\d+ of the mass is outside",
        ),
        (lambda: kn.Density.from_samples(samples * np.nan, GRID), "finite"),
        (lambda: kn.Density.from_samples(level, GRID), "all samples equal 0.0 along axis 1"),
        (lambda: kn.Density.from_samples(samples, GRID, (1.0, -1.0)), "not negative"),
        (lambda: kn.Density.from_samples(samples, GRID, np.ones(3)), "one for each of two axes"),
        (lambda: kn.wasserstein(density, density), "give projections=100, key="),
        (lambda: kn.wasserstein(density, density, projections=10), "together"),
        (lambda: kn.wasserstein(density, density.marginal(0), projections=10, key=key), "d = 2 and d = 1"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_conditionals_of_traced_places_are_none_outside():
    density = kn.Density.uniform((-1.0, 0.0), (0.5, 2.0), GRID)
    at = jax.jit(lambda x: density.conditional(0, x).values)
    assert jnp.all(jnp.isfinite(at(0.0))) and jnp.all(jnp.isnan(at(9.0))) and jnp.all(jnp.isnan(at(2.0)))
