"""Losses: closed forms between Gaussians, orders, first variations, gradients, units, rough data, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import ndtr
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.sensitivity.losses import KullbackLeiblerLoss, L2Loss, MomentLoss
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss, _difference
from kinetic_nde.sensitivity.transport_losses import CramerLoss, WassersteinLoss
from tests.closed_forms import order
from tests.sensitivity.loss_cases import (
    BOUNDS,
    CELLS,
    GRID,
    MEANS,
    NAMES,
    STDS,
    between_gaussians,
    compute,
    every_loss,
    gaussians,
    normalized,
    rough,
)

# Between Gaussians


def closed_forms() -> dict[str, float]:
    (m, n), (s, t) = MEANS, STDS

    def square(bandwidth):
        blur = 2 * bandwidth**2
        own = sum(norm.pdf(0, 0, np.sqrt(2 * std**2 + blur)) for std in STDS)
        return 0.5 * own - norm.pdf(m - n, 0, np.sqrt(s**2 + t**2 + blur))

    def mean_absolute(mean, std):
        return std * np.sqrt(2 / np.pi) * np.exp(-0.5 * (mean / std) ** 2) + mean * (1 - 2 * ndtr(-mean / std))

    own = mean_absolute(0, s * np.sqrt(2)) + mean_absolute(0, t * np.sqrt(2))
    return {
        "l2": square(0),
        "smoothed": square(1.0),
        "wasserstein": 0.5 * ((m - n) ** 2 + (s - t) ** 2),
        "cramer": 0.5 * (mean_absolute(m - n, np.hypot(s, t)) - 0.5 * own),
        "kullback leibler": np.log(s / t) + (t**2 + (m - n) ** 2) / (2 * s**2) - 0.5,
        "moments": 0.5 * ((m - n) ** 2 + (m**2 + s**2 - n**2 - t**2) ** 2),
    }


@pytest.mark.parametrize("name", NAMES)
def test_values_converge_at_fourth_order(name):
    exact = closed_forms()[name]
    errors = [abs(float(between_gaussians(n)[0][name]) / exact - 1) for n in CELLS]
    assert errors[-1] < 1e-4 and 3.5 < order(CELLS, errors) < 4.5


def test_the_checked_value_of_the_mathematics():
    """g = N(1, 1) after t = 1 under x' = 0.3 - x."""
    grid = kn.Grid(-8.0, 8.0, 800)
    g = kn.Density.gaussian(0.3 + 0.7 / np.e, 1 / np.e, grid)
    h = kn.Density.gaussian(2.0, 0.5, grid)
    np.testing.assert_allclose(jax.jit(lambda g, h: L2Loss(h)(g))(g, h), 0.622307371, atol=2e-7)


@pytest.mark.parametrize("name", NAMES)
def test_first_variation_is_the_gradient_to_second_order(name):
    """Up to a constant and where there is mass; to a higher order with what an average does to its neighbours."""
    plain, shaped = [], []
    for n in CELLS:
        _, gradient, variation = (np.asarray(each[name]) for each in between_gaussians(n))
        weights = np.asarray(gaussians(n)[0].values)[1:-1]
        spread = lambda a, w=weights / weights.sum(): np.sqrt(w @ (a - w @ a) ** 2)
        inner = variation[1:-1]
        plain.append(spread(gradient[1:-1] - inner) / spread(inner))
        shaped.append(spread(gradient[1:-1] - inner + np.diff(variation, 2) / 12) / spread(inner))
    assert plain[-1] < 1e-2 and order(CELLS, plain) > 1.8
    assert shaped[-1] < 1e-3 and order(CELLS, shaped) > {"moments": 2.2, "wasserstein": 2.6}.get(name, 2.7)


def test_first_variations_in_closed_form():
    g, _ = gaussians(160)
    x, (m, n), (s, t) = np.asarray(g.grid.centers), MEANS, STDS
    # int_x^inf of the distribution function of a standard normal variable less 1.
    ramp = lambda z: z * ndtr(-z) - norm.pdf(z)
    z, y = (x - m) / s, (x - n) / t
    exact = {
        "l2": norm.pdf(z) / s - norm.pdf(y) / t,
        "smoothed": norm.pdf(x, m, np.sqrt(s**2 + 2)) - norm.pdf(x, n, np.sqrt(t**2 + 2)),
        # lambda' = x - T(x), T(x) = n + t z, with the mean 0 under g.
        "wasserstein": (m - n) * s * z + 0.5 * s * (s - t) * (z**2 - 1),
        "cramer": s * ramp(z) - t * ramp(y),
        "kullback leibler": -norm.pdf(x, n, t) / norm.pdf(x, m, s),
        "moments": (m - n) * x + (m**2 + s**2 - n**2 - t**2) * x**2,
    }
    bulk = np.abs(z) < 3
    for name in NAMES:
        tolerance = 3e-3 * np.max(np.abs(exact[name][bulk]))
        np.testing.assert_allclose(
            np.asarray(between_gaussians(160)[2][name])[bulk], exact[name][bulk], atol=tolerance, err_msg=name
        )


# Gradients


@given(seed=st.integers(0, 10**6))
def test_gradients_are_the_slopes_of_values(seed):
    """Along random directions, on rough data without empty cells."""
    rng = np.random.default_rng(seed)
    g, h = (normalized(rng.uniform(0.2, 1.0, size=40)) for _ in range(2))
    direction = rng.normal(size=40) * np.asarray(g.values)
    direction -= direction.mean()
    losses, size = every_loss(h), 1e-5
    up, down = (compute(losses, kn.Density(GRID, g.values + sign * size * direction))[0] for sign in (1, -1))
    slopes = compute(losses, g)[1]
    for name in NAMES:
        parts = np.asarray(slopes[name]) * direction * float(GRID.width)
        # Wasserstein's gradient is not that of its quadrature.
        tolerance = (1e-2 if name == "wasserstein" else 1e-7) * np.sum(np.abs(parts))
        assert abs(parts.sum() - float(up[name] - down[name]) / (2 * size)) < tolerance, name


def test_wasserstein_has_gradients_by_everything_that_is_traced():
    g, h = gaussians(80)
    direction = kn.Density.gaussian(1.0, 0.8, g.grid).values - kn.Density.gaussian(-0.5, 0.6, g.grid).values

    def moved(by):
        shape, target, shift = by
        grid = kn.Grid(BOUNDS[0] + shift, BOUNDS[1] + shift, 80)
        change = lambda density, size: jnp.maximum(density.values + size * direction, 0)
        return WassersteinLoss(kn.Density(h.grid, change(h, target)))(kn.Density(grid, change(g, shape)))

    slope = jax.jit(jax.value_and_grad(moved))
    gradient = slope(jnp.zeros(3))[1]
    differences = [float(slope(1e-4 * unit)[0] - slope(-1e-4 * unit)[0]) / 2e-4 for unit in jnp.eye(3)]
    np.testing.assert_allclose(gradient, differences, rtol=1e-4)
    np.testing.assert_allclose(gradient[2], MEANS[0] - MEANS[1], rtol=1e-3)


def test_smoothing_has_a_gradient_by_its_bandwidth():
    g, h = gaussians(40)
    slope = jax.jit(jax.value_and_grad(lambda bandwidth: SmoothedL2Loss(h, bandwidth)(g)))
    for bandwidth in (0.02, 1.0):
        difference = (slope(bandwidth * 1.0001)[0] - slope(bandwidth * 0.9999)[0]) / (2e-4 * bandwidth)
        np.testing.assert_allclose(slope(bandwidth)[1], difference, rtol=1e-5)


# What the others promise


@pytest.mark.parametrize("bandwidth", [0.03, 0.11, 0.4, 3.0])
def test_smoothing_is_exact_on_the_parabolas(bandwidth):
    """Against the masses in much finer cells, over which the kernel is integrated in closed form."""
    rng = np.random.default_rng(3)
    g, h = (normalized(rng.uniform(0.1, 1.0, size=40)) for _ in range(2))
    x = np.linspace(-2.0, 3.0, 1601)
    masses = np.diff(np.asarray(_difference(g, h).below(x)))
    lag, width = x - x[0], bandwidth * np.sqrt(2)
    # The second primitive of the kernel, less max(x, 0), which would cost digits.
    primitive = width * norm.pdf(lag / width) - lag * ndtr(-lag / width)
    first = 2 * (primitive[1] - primitive[0]) + lag[1]
    kernel = np.concatenate([[first], np.diff(primitive, 2)]) / lag[1] ** 2
    matrix = kernel[np.abs(np.subtract.outer(np.arange(1600), np.arange(1600)))]
    np.testing.assert_allclose(
        compute(every_loss(h, bandwidth), g)[0]["smoothed"], 0.5 * masses @ matrix @ masses, rtol=2e-3
    )


def test_without_much_smoothing_it_is_l2_on_the_optimal_parabolas():
    g, h = gaussians(40)
    value, gradient, _ = compute(every_loss(h, 1e-6), g)

    def half_square(averages):
        error = _difference(kn.Density(g.grid, averages), h)
        squares = error.average**2 + error.slope**2 / 12 + error.curvature**2 / 180
        return 0.5 * g.grid.width * jnp.sum(squares)

    expected = jax.value_and_grad(half_square)(g.values)
    np.testing.assert_allclose(value["smoothed"], expected[0], rtol=1e-4)
    np.testing.assert_allclose(gradient["smoothed"], expected[1] / g.grid.width, rtol=1e-4, atol=1e-5)


def test_smoothing_attracts_points_and_counts_what_leaves_the_grid():
    """Two points at distance d: (1 - exp(-d^2 / 4 b^2)) / (2 b sqrt(pi)), wherever the ends of the grid are."""
    grid = kn.Grid(-1.05, 1.05, 40)
    g, h = kn.Density.dirac(-1.0, grid), kn.Density.dirac(1.0, grid)
    value, _, variation = compute(every_loss(h, 0.8), g)
    np.testing.assert_allclose(value["smoothed"], (1 - np.exp(-1 / 0.64)) / (1.6 * np.sqrt(np.pi)), rtol=5e-3)
    # The mass at -1 goes down this slope.
    assert float(variation["smoothed"][3]) < float(variation["smoothed"][1])


def test_kullback_leibler_is_finite_without_overlap():
    value, gradient, variation = compute(
        every_loss(kn.Density.uniform(1.0, 2.0, GRID)), kn.Density.uniform(-2.0, -1.0, GRID)
    )
    # ln(h / floor), the floor being 1e-16 / 5.
    np.testing.assert_allclose(value["kullback leibler"], np.log(5e16), rtol=0.02)
    assert jnp.all(jnp.isfinite(gradient["kullback leibler"]))
    assert float(jnp.min(variation["kullback leibler"])) < -1e16


def test_moments_of_samples():
    x, y = kn.Ensemble([0.0, 2.0, 4.0]), kn.Ensemble([1.0, 3.0])
    assert float(MomentLoss(y, (0, 1))(x)) == 0
    plane = MomentLoss(kn.Ensemble(np.eye(2)), [1])
    np.testing.assert_allclose(plane(kn.Ensemble(np.zeros((4, 2)))), 0.25)
    line = MomentLoss(kn.Ensemble(y.samples[:, None]), (2,))
    np.testing.assert_allclose(line(x), 0.5 * (20 / 3 - 5) ** 2)
    np.testing.assert_allclose(jax.grad(line)(x).samples, (20 / 3 - 5) * 2 * x.samples / 3)
    # On a density lambda holds the averages of the powers, exactly.
    g = gaussians(40)[0]
    faces = np.asarray(g.grid.faces)
    exact = (g.moment(3) - y.moment(3)) * np.diff(faces**4) / (4 * g.grid.width)
    np.testing.assert_allclose(MomentLoss(y, (3,)).first_variation(g), exact, rtol=1e-12)


# All of them


@given(first=rough, second=rough)
def test_on_rough_data_they_are_distances(first, second):
    g, h = normalized(first), normalized(second)
    there, back, same = (compute(every_loss(b), a)[0] for a, b in ((g, h), (h, g), (g, g)))
    for name in NAMES:
        assert float(there[name]) >= -1e-12 and abs(float(same[name])) < 1e-12, name
        if name != "kullback leibler":
            np.testing.assert_allclose(there[name], back[name], rtol=1e-9, atol=1e-12, err_msg=name)


@given(first=rough, second=rough)
def test_float32_gives_finite_numbers(first, second):
    grid = kn.Grid(np.float32(-2.0), np.float32(3.0), 40)
    g, h = (kn.Density(grid, np.asarray(normalized(each).values, np.float32)) for each in (first, second))
    for target in (h, g):
        for results in compute(every_loss(target, np.float32(0.1)), g):
            for name, result in results.items():
                assert result.dtype == np.float32 and jnp.all(jnp.isfinite(result)), name


def test_mixed_precision_gives_the_wider_type():
    g, h = gaussians(40)
    for name, loss in every_loss(jax.tree.map(jnp.float32, h)).items():
        for call in (loss, loss.first_variation):
            assert jax.eval_shape(call, g).dtype == np.float64, name


def test_units_and_mirror():
    """In other units of x and of mass, and from right to left."""
    g, h = gaussians(40)
    by_length = {"l2": -1, "smoothed": -1, "wasserstein": 2, "cramer": 1, "kullback leibler": 0}
    by_mass = {"l2": 2, "smoothed": 2, "wasserstein": 0, "cramer": 2, "kullback leibler": 1, "moments": 2}
    value, _, variation = between_gaussians(40)

    def changed(density, scale=1.0, mass=1.0):
        return kn.Density(kn.Grid(scale * BOUNDS[0], scale * BOUNDS[1], 40), density.values * mass / scale)

    for scale in (1e-6, 1e6):
        got = compute(every_loss(changed(h, scale), scale), changed(g, scale))[0]
        for name, power in by_length.items():
            np.testing.assert_allclose(got[name], value[name] * scale**power, rtol=1e-9, err_msg=name)
    got = compute(every_loss(changed(h, mass=1e5)), changed(g, mass=1e5))[0]
    for name, power in by_mass.items():
        np.testing.assert_allclose(got[name], value[name] * 1e5**power, rtol=1e-9, err_msg=name)

    mirror = lambda density: kn.Density(kn.Grid(-BOUNDS[1], -BOUNDS[0], 40), density.values[::-1])
    mirrored, _, turned = compute(every_loss(mirror(h)), mirror(g))
    bulk = np.asarray(g.values) > 1e-6
    for name in NAMES:
        np.testing.assert_allclose(mirrored[name], value[name], rtol=1e-8, err_msg=name)
        difference = (np.asarray(turned[name])[::-1] - np.asarray(variation[name]))[bulk]
        # Cramer's constant is 0 on the right, on either side of the mirror.
        assert np.ptp(difference) < 1e-8 and (name == "cramer" or abs(difference[0]) < 1e-8), name


def test_they_map_over_stacks_of_densities_and_of_targets():
    g, h = gaussians(40)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), g, h)
    targets = jax.tree.map(lambda *leaves: jnp.stack(leaves), h, g)
    # The two that are more than sums over the cells.
    both = lambda h, g: {"smoothed": SmoothedL2Loss(h, 1.0)(g), "wasserstein": WassersteinLoss(h)(g)}
    pull = lambda h, g: jax.grad(lambda g: both(h, g)["wasserstein"])(g).values / g.grid.width
    got, slopes = jax.jit(jax.vmap(lambda h, g: (both(h, g), pull(h, g))))(targets, stack)
    for i, (a, b) in enumerate(((g, h), (h, g))):
        values, gradients, _ = compute(every_loss(b), a)
        for name, each in got.items():
            np.testing.assert_allclose(each[i], values[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(slopes[i], gradients["wasserstein"], atol=1e-7)


def test_masses_may_differ_where_they_are_traced():
    """As they do after a solve that loses mass through open ends."""
    g, h = gaussians(40)
    values = compute(every_loss(h), kn.Density(g.grid, 0.9 * g.values))[0]
    assert all(jnp.isfinite(value) for value in values.values())
    np.testing.assert_allclose(values["wasserstein"], between_gaussians(40)[0]["wasserstein"], rtol=1e-12)


# Bad input


@pytest.mark.parametrize("name", NAMES)
def test_another_grid_or_mass_is_refused(name):
    g = kn.Density.gaussian(0.5, 0.3, GRID)
    loss = every_loss(g)[name]
    for call in (loss, loss.first_variation):
        with pytest.raises(ValueError, match=r"has 41 cells and the target 40; .* density.on\("):
            call(g.on(kn.Grid(-2.0, 3.0, 41)))
        with pytest.raises(ValueError, match=r"is on \[-2\.0, 3\.0001\], the target on \[-2\.0, 3\.0\]"):
            call(g.on(kn.Grid(-2.0, 3.0001, 40)))
        with pytest.raises(ValueError, match="mass 1.0000019.*scale the averages"):
            call(kn.Density(GRID, g.values * 1.000002))
        # Rounding is no other grid. Shapes only: what is refused is refused without computing anything.
        jax.eval_shape(lambda call=call: call(kn.Density(kn.Grid(-2.0, 3.0 + 1e-10, 40), g.values)))
        with pytest.raises(TypeError):
            call(0.5)
        with pytest.raises(ValueError, match=r"jax.vmap\(loss\)"):
            call(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), g))
    with pytest.raises(ValueError, match="41 cells"):
        jax.eval_shape(loss, g.on(kn.Grid(-2.0, 3.0, 41)))


@pytest.mark.parametrize("make", [L2Loss, CramerLoss, KullbackLeiblerLoss, lambda h: SmoothedL2Loss(h, 1.0)])
def test_samples_are_refused_where_a_density_is_needed(make):
    samples = kn.Ensemble([0.0, 1.0])
    with pytest.raises(TypeError, match=r"between densities: .* ensemble.to_density\(grid\)"):
        make(samples)
    with pytest.raises(TypeError, match=r"ensemble.to_density\(grid\)"):
        make(kn.Density.uniform(0.0, 1.0, GRID))(samples)
    with pytest.raises(TypeError):
        make([0.0, 1.0])


def test_bad_options():
    h, plane = kn.Density.uniform(0.0, 1.0, GRID), kn.Ensemble(np.zeros((3, 2)))
    for bandwidth in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="finite bandwidth > 0, got"):
            SmoothedL2Loss(h, bandwidth)
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        SmoothedL2Loss(h, np.ones(2))
    for p in (0.5, np.inf, np.nan):
        with pytest.raises(ValueError, match="at least 1, got"):
            WassersteinLoss(h, order=p)
    with pytest.raises(ValueError, match="one dimension, got an ensemble of dimension 2"):
        WassersteinLoss(plane)
    with pytest.raises(ValueError, match="one dimension, got an ensemble of dimension 2"):
        WassersteinLoss(h)(plane)
    with pytest.raises(ValueError, match="at least one order"):
        MomentLoss(h, ())
    with pytest.raises(ValueError, match="order of a MomentLoss must be at least 0, got -1"):
        MomentLoss(h, (1, -1))
    with pytest.raises(TypeError):
        MomentLoss(h, (1.5,))
    with pytest.raises(TypeError):
        MomentLoss(h, 2)
    with pytest.raises(ValueError, match="of one dimension"):
        MomentLoss(h, (1,))(plane)
