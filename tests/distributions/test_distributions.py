"""Grids, densities and ensembles: shapes, moments, quantiles, kernel density estimates, bad input."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.polynomial import Polynomial
from scipy.stats import norm

import kinetic_nde as kn
from tests.closed_forms import order

GRID = kn.Grid(-2.0, 3.0, 40)
averages = st.lists(st.sampled_from([0.0, 0.0, 1e-3, 0.5, 1.0, 7.0, 1e3]), min_size=40, max_size=40).filter(any)


def test_grid():
    grid = kn.Grid(-1, 2, 6)
    assert grid.shape == (6,) and grid.dimension == 1
    np.testing.assert_allclose(grid.faces, np.linspace(-1, 2, 7), atol=1e-15)
    np.testing.assert_allclose(grid.centers, np.linspace(-0.75, 1.75, 6), atol=1e-15)
    np.testing.assert_allclose(grid.widths, np.full(6, 0.5), rtol=1e-15)
    assert float(kn.Grid(0.1, 0.7, 7).faces[-1]) == 0.7


@pytest.mark.parametrize("cells", [0, -3, 2])
def test_grid_refuses_too_few_cells(cells):
    with pytest.raises(ValueError, match=f"at least 3 cells, got {cells}"):
        kn.Grid(0.0, 1.0, cells)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_grid_refuses_bounds_that_do_not_increase(lower, upper):
    with pytest.raises(ValueError, match="lower < upper"):
        kn.Grid(lower, upper, 10)


def test_grid_refuses_other_types():
    with pytest.raises(TypeError):
        kn.Grid(0.0, 1.0, 10.5)
    with pytest.raises(ValueError, match="two numbers"):
        kn.Grid([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 10)
    with pytest.raises(TypeError, match="lower"):
        kn.Grid("a", 1.0, 10)


@pytest.mark.parametrize(
    "values", [np.full(40, -1.0), [-1e-10] + [1.0] * 39, [np.nan] * 40, [np.inf] + [1.0] * 39, np.zeros(40)]
)
def test_density_refuses_bad_averages(values):
    with pytest.raises(ValueError, match="averages"):
        kn.Density(GRID, values)


def test_density_refuses_bad_shapes_and_accepts_rounding():
    with pytest.raises(ValueError, match=r"needs averages of shape \(40,\), got \(39,\)"):
        kn.Density(GRID, np.ones(39))
    with pytest.raises(TypeError):
        kn.Density(40, np.ones(40))
    kn.Density(GRID, [-0.5e-14] + [1.0] * 39)


def test_moments_are_exact_for_a_parabola():
    """The averages of a polynomial of degree 2 give it back, up to what the nonlinear weights do: none where it is flat
    on the scale of the cells."""
    for cells in (20, 40, 80, 160):
        grid = kn.Grid(0.0, 1.0, cells)
        polynomial = Polynomial([1.0, -0.6, 0.3])
        density = kn.Density.from_function(lambda x: 1.0 - 0.6 * x + 0.3 * x**2, grid)
        primitive = [(Polynomial([0.0, 1.0]) ** k * polynomial).integ()(1.0) for k in range(5)]
        errors = [abs(float(density.moment(k)) - exact) for k, exact in enumerate(primitive)]
        assert errors[0] < 1e-14 and max(errors) < 0.05 * cells**-4.0


def test_moments_of_a_gaussian_converge_at_third_order_or_better():
    cells, errors = [50, 100, 200, 400], []
    for n in cells:
        density = kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 8.0, n))
        exact = [1, 0.5, 0.25 + 0.64, 0.125 + 3 * 0.5 * 0.64]
        errors.append(max(abs(float(density.moment(k)) - m) for k, m in enumerate(exact)))
    assert order(cells, errors) > 3
    np.testing.assert_allclose([density.mean, density.variance, density.energy], [0.5, 0.64, 0.89], atol=1e-6)


@given(values=averages)
def test_the_profile_is_a_density(values):
    """Whatever the averages: no negative value, the distribution function increases, quantiles invert it, the variance
    is not negative."""
    density = kn.Density(GRID, values)
    heights = jax.vmap(density.profile.at, in_axes=0, out_axes=0)(jnp.linspace(-0.5, 0.5, 21))
    assert float(jnp.min(heights)) >= -1e-12 * float(jnp.max(density.values))
    cdf = density.cdf(jnp.linspace(-2.0, 3.0, 1001))
    assert float(jnp.min(jnp.diff(cdf))) >= -1e-14
    np.testing.assert_allclose([cdf[0], cdf[-1]], [0.0, 1.0], atol=1e-14)
    q = jnp.linspace(0.0, 1.0, 41)
    np.testing.assert_allclose(density.cdf(density.quantile(q)), q, atol=1e-12)
    assert float(density.variance) >= 0
    gradient = jax.grad(lambda values: kn.Density(GRID, values).variance)(density.values)
    assert jnp.all(jnp.isfinite(gradient))


def test_quantiles_of_a_gaussian_and_their_derivative():
    grid = kn.Grid(-8.0, 8.0, 400)
    q = jnp.array([0.01, 0.3, 0.5, 0.9])
    np.testing.assert_allclose(kn.Density.gaussian(1.0, 0.5, grid).quantile(q), norm(1, 0.5).ppf(q), atol=2e-6)
    shift = jax.grad(lambda mean: kn.Density.gaussian(mean, 0.5, grid).quantile(0.3))(1.0)
    np.testing.assert_allclose(shift, 1.0, atol=1e-4)
    with pytest.raises(ValueError, match="numbers in"):
        kn.Density.gaussian(1.0, 0.5, grid).quantile(1.1)


def test_samples_follow_the_density():
    density = kn.Density.gaussian(1.0, 0.5, kn.Grid(-4.0, 6.0, 200))
    samples = density.sample(jax.random.key(1), 20_000)
    assert samples.shape == (20_000,)
    np.testing.assert_allclose([samples.mean(), samples.std()], [1.0, 0.5], atol=0.02)


@given(x=st.floats(-1.9, 2.9))
def test_dirac_has_its_mean(x):
    density = kn.Density.dirac(x, GRID)
    assert abs(float(density.mean) - x) < 1e-12 and abs(float(density.mass) - 1) < 1e-12
    assert int(jnp.sum(density.values > 1e-12)) <= 2
    assert float(density.variance) <= float(GRID.width) ** 2 / 2
    np.testing.assert_allclose(jax.grad(lambda x: kn.Density.dirac(x, GRID).mean)(x), 1.0, atol=1e-6)


def test_dirac_near_an_end_and_outside():
    assert float(kn.Density.dirac(-2.0, GRID).values[0] * GRID.width) == 1.0
    with pytest.raises(ValueError, match="outside the grid"):
        kn.Density.dirac(3.1, GRID)


def test_uniform_overlaps_exactly():
    density = kn.Density.uniform(-1.97, 0.51, GRID)
    faces = np.clip(np.asarray(GRID.faces), -1.97, 0.51)
    np.testing.assert_allclose(density.values, np.diff(faces) / 2.48 / 0.125, rtol=1e-14)
    assert abs(float(density.mass) - 1) < 1e-14
    for bad in ((1.0, 1.0), (1.0, 0.0), (-2.5, 0.0), (0.0, 4.0)):
        with pytest.raises(ValueError, match="inside the grid"):
            kn.Density.uniform(*bad, GRID)


def test_gaussian_tails_have_digits_on_both_sides():
    density = kn.Density.gaussian(0.0, 0.2, GRID)
    faces = np.asarray(GRID.faces)
    exact = np.where(
        faces[:-1] > 0,
        norm.sf(faces[:-1] / 0.2) - norm.sf(faces[1:] / 0.2),
        norm.cdf(faces[1:] / 0.2) - norm.cdf(faces[:-1] / 0.2),
    )
    np.testing.assert_allclose(density.values * 0.125, exact, rtol=1e-10)
    with pytest.raises(ValueError, match="std > 0"):
        kn.Density.gaussian(0.0, 0.0, GRID)


def test_moving_to_another_grid_keeps_mass_and_is_accurate():
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 300))
    moved = density.on(kn.Grid(-9.0, 8.5, 271))
    assert abs(float(moved.mass - density.mass)) < 1e-14
    np.testing.assert_allclose(moved.values, kn.Density.gaussian(0.0, 1.0, moved.grid).values, atol=1e-5)
    with pytest.raises(ValueError, match="of the mass is outside"):
        density.on(kn.Grid(-1.0, 1.0, 50))


def test_histogram_counts_every_sample_once():
    density = kn.Density.from_samples([-2.0, -1.99, 0.0, 3.0], GRID, bandwidth=0)
    assert [int(i) for i in jnp.nonzero(density.values)[0]] == [0, 16, 39]
    np.testing.assert_allclose(density.values[jnp.array([0, 16, 39])] * 0.125, [0.5, 0.25, 0.25])


@given(seed=st.integers(0, 10**6), size=st.sampled_from([3, 50, 5000]), bandwidth=st.sampled_from([None, 0.05, 0.5, 0]))
def test_kernel_density_has_mass_one_and_the_mean_of_the_data(seed, size, bandwidth):
    samples = np.random.default_rng(seed).uniform(-2, 3, size)
    density = kn.Density.from_samples(samples, GRID, bandwidth)
    assert abs(float(density.mass) - 1) < 1e-13 and float(jnp.min(density.values)) >= 0


def test_kernel_density_against_a_plain_sum():
    samples = np.random.default_rng(0).normal(0.5, 0.3, 5001)
    density = kn.Density.from_samples(samples, GRID, bandwidth=0.1)
    below = norm.cdf((np.asarray(GRID.faces)[:, None] - samples) / 0.1).mean(axis=1)
    np.testing.assert_allclose(density.values * 0.125, np.diff(below), atol=1e-12)


def plain_sum(samples, grid, bandwidth):
    """Averages of all kernels and their mirror images, by the normal distribution function at each face."""
    faces = np.asarray(grid.faces)[:, None]
    lower, upper = float(grid.lower), float(grid.upper)
    images = [samples, 2 * lower - samples, 2 * upper - samples]
    mass = np.diff(sum(norm.cdf((faces - image) / bandwidth).sum(axis=1) for image in images))
    return mass / mass.sum() / float(grid.width)


@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([1, 2, 300, 20_001]),
    # From a thousandth of a cell to the grid, and on both sides of where kernels become too narrow for bins.
    cells_wide=st.one_of(st.floats(1e-3, 40.0), st.floats(0.12, 0.13)),
    at_the_end=st.booleans(),
)
def test_kernel_density_by_bins_is_the_sum_over_the_samples(seed, size, cells_wide, at_the_end):
    rng, bandwidth = np.random.default_rng(seed), cells_wide * 0.125
    samples = rng.uniform(-2, 3, size)
    if at_the_end:
        samples = 3 - 0.3 * (samples + 2) ** 2 / 5
    computed, exact = kn.Density.from_samples(samples, GRID, bandwidth).values, plain_sum(samples, GRID, bandwidth)
    np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-8 * exact.max())
    # Bins of a sixteenth of the bandwidth make no error that rounding would not make.
    if cells_wide > 1:
        np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-12 * exact.max())


@pytest.mark.parametrize("bandwidth", [0.01, 0.02, 0.3])
def test_derivatives_of_a_kernel_density(bandwidth):
    samples, weights = np.random.default_rng(5).uniform(-2, 3, 50), np.sin(np.arange(40.0))

    def paired(samples, bandwidth):
        return jnp.sum(weights * kn.Density.from_samples(samples, GRID, bandwidth).values)

    slopes = jax.jit(jax.grad(paired, argnums=(0, 1)))(jnp.asarray(samples), jnp.asarray(bandwidth))
    faces = np.asarray(GRID.faces)[:, None]
    images = [(samples, 1.0), (-4 - samples, -1.0), (6 - samples, -1.0)]
    # The kernels lose less than rounding beyond the images, so that dividing by the mass does not matter.
    by_place = sum(-sign * norm.pdf(faces - x, scale=bandwidth) for x, sign in images)
    by_width = sum(-norm.pdf(faces - x, scale=bandwidth) * (faces - x) / bandwidth for x, _ in images)
    scale = weights / (50 * 0.125)
    np.testing.assert_allclose(slopes[0], scale @ np.diff(by_place, axis=0), rtol=0, atol=1e-6 / bandwidth)
    np.testing.assert_allclose(slopes[1], (scale @ np.diff(by_width, axis=0)).sum(), rtol=1e-5, atol=1e-6 / bandwidth)


def test_kernel_density_within_jit_and_vmap():
    samples = np.random.default_rng(2).normal(0.5, 0.4, (3, 200))
    bandwidths = jnp.array([0.0, 0.1, 0.004])
    together = jax.jit(jax.vmap(lambda x, h: kn.Density.from_samples(x, GRID, h).values))(samples, bandwidths)
    default = jax.jit(jax.vmap(lambda x: kn.Density.from_samples(x, GRID).values))(samples)
    for k in range(3):
        alone = kn.Density.from_samples(samples[k], GRID, float(bandwidths[k])).values
        np.testing.assert_allclose(together[k], alone, rtol=0, atol=1e-12)
        np.testing.assert_allclose(default[k], kn.Density.from_samples(samples[k], GRID).values, rtol=0, atol=1e-12)


def test_many_samples_are_no_matter():
    """By a sum over samples and cells each of the two would take half a minute."""
    samples = np.random.default_rng(4).normal(0.5, 0.3, 1_000_000).clip(-2, 3)
    grid, start = kn.Grid(-2.0, 3.0, 400), time.perf_counter()
    smooth, counted = (kn.Density.from_samples(samples, grid, bandwidth) for bandwidth in (None, 0))
    assert time.perf_counter() - start < 10
    assert np.array_equal(np.round(counted.values * 1e6 * grid.width), np.histogram(samples, grid.faces)[0])
    np.testing.assert_allclose([smooth.mean, counted.mean], samples.mean(), atol=1e-4)


def test_samples_at_faces_are_counted_on_their_right():
    for lower, upper, cells in ((-2.0, 3.0, 40), (0.1, 0.7, 7), (-1 / 3, 1e3, 999)):
        grid = kn.Grid(lower, upper, cells)
        mass = kn.Density.from_samples(grid.faces, grid, bandwidth=0).values * grid.width * (cells + 1)
        np.testing.assert_allclose(mass, [1.0] * (cells - 1) + [2.0], rtol=1e-12)


def test_kernel_density_of_a_uniform_sample_does_not_sink_at_the_ends():
    samples = np.linspace(2, 8, 4001)
    density = kn.Density.from_samples(samples, kn.Grid(2.0, 8.0, 60))
    np.testing.assert_allclose(density.values, 1 / 6, rtol=2e-3)


@pytest.mark.parametrize(
    ("samples", "bandwidth", "message"),
    [
        ([], None, "M >= 1"),
        ([[1.0]], None, "M >= 1"),
        ([0.0, np.nan], None, "finite"),
        ([0.0, np.inf], None, "finite"),
        ([0.5, 0.5, 0.5], None, "all samples equal 0.5"),
        ([0.0, 4.0], None, "do not fit on the grid .* 0.5 of the mass is outside"),
        ([0.0, 1.0], -0.1, "not negative"),
        ([0.0, 1.0], np.nan, "not negative"),
    ],
)
def test_kernel_density_refuses_bad_input(samples, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        kn.Density.from_samples(samples, GRID, bandwidth)


@pytest.mark.parametrize("bandwidth", [None, 0, 0.3])
def test_traced_samples_outside_the_grid_are_not_squeezed_onto_it(bandwidth):
    estimate = jax.jit(lambda x: kn.Density.from_samples(jnp.array([0.0, 0.1, -0.2, x]), GRID, bandwidth).values)
    inside, outside = estimate(GRID.upper), estimate(GRID.upper + 1.0)
    assert bool(jnp.all(jnp.isfinite(inside))) and bool(jnp.all(jnp.isnan(outside)))


def test_kernel_density_in_other_units():
    samples = np.random.default_rng(3).normal(size=200)
    one = kn.Density.from_samples(samples, kn.Grid(-5.0, 5.0, 80))
    other = kn.Density.from_samples(1000 * samples, kn.Grid(-5000.0, 5000.0, 80))
    np.testing.assert_allclose(other.values * 1000, one.values, rtol=1e-10, atol=1e-15)


def test_ensemble():
    samples = np.random.default_rng(0).normal(size=(500, 3))
    ensemble = kn.Ensemble(samples)
    assert ensemble.dimension == 3 and float(ensemble.mass) == 1
    np.testing.assert_allclose(ensemble.mean, samples.mean(0), rtol=1e-12)
    np.testing.assert_allclose(ensemble.variance, np.cov(samples.T, bias=True), rtol=1e-12)
    np.testing.assert_allclose(ensemble.energy, (samples**2).sum(1).mean(), rtol=1e-12)
    np.testing.assert_allclose(kn.Ensemble(samples[:, 0]).variance, samples[:, 0].var(), rtol=1e-12)
    np.testing.assert_allclose(kn.Ensemble(samples[:, 0]).moment(3), (samples[:, 0] ** 3).mean(), rtol=1e-12)


@pytest.mark.parametrize(
    "samples", [[], np.zeros((0, 2)), np.zeros((3, 0)), 1.0, np.zeros((2, 2, 2)), [np.nan], [1.0, np.inf]]
)
def test_ensemble_refuses_what_is_no_sample(samples):
    with pytest.raises(ValueError, match="samples"):
        kn.Ensemble(samples)


def test_negative_orders_are_refused():
    for distribution in (kn.Ensemble([1.0]), kn.Density.dirac(0.0, GRID)):
        with pytest.raises(ValueError, match="order of a moment"):
            distribution.moment(-1)


def test_covering_grids_follow_parameters_that_jump_where_a_step_ends():
    """Steps of t1 / 256 arrive within a rounding of 0.2, where the slope of b jumps."""
    density = kn.Density.gaussian(0.5, 0.6, kn.Grid(-9.0, 9.0, 400))
    bounds = []
    for knot in (0.2, 0.2 + 1e-7):
        net = kn.SimResNet(0.5, kn.Interpolated([0.0, knot, 0.5], [0.1, 0.6, -0.2]), kn.Identity())
        grid = kn.Grid.covering(kn.MeanField(net), density, t1=0.8, cells=400)
        bounds.append([grid.lower, grid.upper])
    np.testing.assert_allclose(*bounds, rtol=1e-6)


def test_covering_grids_keep_the_mass_inside():
    equation = kn.MeanField(kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [1.5, -2.0]), 0.7, kn.Identity()))
    ensemble = kn.Ensemble(np.random.default_rng(0).normal(size=1000))
    grid = kn.Grid.covering(equation, ensemble, t1=2.0, cells=300)
    paths = kn.solve(equation, ensemble, t1=2.0, saveat=np.linspace(0, 2, 101))
    assert float(jnp.min(paths.distributions.samples)) > float(grid.lower)
    assert float(jnp.max(paths.distributions.samples)) < float(grid.upper)
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-9.0, 9.0, 400))
    wide = kn.Grid.covering(equation, density, t1=2.0, cells=900)
    lost = kn.solve(equation, density.on(kn.Grid(wide.lower, wide.upper, 900)), t1=2.0).stats["mass_lost"]
    assert float(lost) < 1e-12
    walled = kn.Grid.covering(kn.MeanField(equation.field, walls=(-3.5, None)), ensemble, t1=2.0, cells=50)
    assert float(walled.lower) == -3.5
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda t1: kn.Grid.covering(equation, ensemble, t1, 10))(1.0)
