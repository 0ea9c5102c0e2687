"""docs/corrections.md, line by line: what is printed fails, what is corrected holds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import kinetic_nde as kn

pytestmark = pytest.mark.slow

# Densities are made in one program each.
gaussian = jax.jit(kn.Density.gaussian)
PLANE = kn.Grid((-4.0, -3.0), (5.0, 3.0), (108, 72))
START = kn.Density.gaussian(1.0, 1.0, kn.Grid(-9.0, 11.0, 400))


def test_figure_7_as_printed_repels_and_as_corrected_attracts():
    printed = kn.solve(kn.MeanField(kn.SimResNet(1.0, -1.0, kn.Identity())), START, t1=0.5).final
    corrected = kn.solve(kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity())), START, t1=0.5).final
    np.testing.assert_allclose(printed.variance, np.e, rtol=1e-4)
    np.testing.assert_allclose(corrected.variance, 1 / np.e, rtol=1e-4)


def test_figure_6_as_printed_repels_from_slope_1_and_as_corrected_attracts():
    start = gaussian(np.array([0.7, 0.3]), np.array([0.5, 0.4]), PLANE)
    for weight, bias in ((1.0, -1.0), (-1.0, 1.0)):
        net = kn.SimResNet(np.diag([weight, -1.0]), np.array([bias, 0.0]), kn.Identity())
        final = kn.solve(kn.MeanField(net), start, t1=0.5).final
        np.testing.assert_allclose(final.mean, [1 - 0.3 * np.exp(0.5 * weight), 0.3 * np.exp(-0.5)], atol=1e-3)
        exact = np.array([0.25 * np.exp(weight), 0.16 * np.exp(-1.0)])
        np.testing.assert_allclose(np.diagonal(final.variance), exact, rtol=5e-3)


def test_a_rotation_keeps_a_ring_and_turns_what_is_no_function_of_the_radius():
    equation = kn.MeanField(kn.SimResNet(np.array([[0.0, -1.0], [1.0, 0.0]]), np.zeros(2), kn.Identity()))
    ring = jax.jit(
        lambda grid: kn.Density.from_function(lambda x: jnp.exp(-((jnp.sum(x**2) - 1.5) ** 2)), grid, normalize=True)
    )(PLANE)
    aside, quarter = (gaussian(np.array(mean), np.full(2, 0.45), PLANE) for mean in ((1.0, 0.0), (0.0, 1.0)))
    apart = lambda p, q: float(np.sum(np.abs(np.asarray(p.values) - q.values)) * PLANE.volume)
    kept, turned = (kn.solve(equation, start, t1=np.pi / 2).final for start in (ring, aside))
    assert apart(kept, ring) < 0.02 and apart(turned, quarter) < 0.02 < 1 < apart(turned, aside)


def test_the_generalised_gamma_drift_attracts_to_its_scale_and_the_printed_one_repels():
    act = kn.GeneralizedGamma(delta=0.5, c=2.0)
    moved = kn.solve(kn.MeanField(kn.SimResNet(1.0, 0.0, act)), kn.Ensemble([0.5, 1.9, 2.1, 9.0]), t1=30.0).final
    np.testing.assert_allclose(moved.samples, 2.0, rtol=1e-6)

    def printed(x):
        return ((x / act.c) ** act.delta / act.delta - 1) * x

    zero = act.c * act.delta ** (1 / act.delta)
    assert abs(float(printed(jnp.array(zero)))) < 1e-15 < float(jax.grad(printed)(zero))


def test_mass_goes_to_all_attracting_zeros_of_the_activation():
    start = kn.Density.gaussian(0.25, 0.5, kn.Grid(-4.0, 4.0, 201))
    final = kn.solve(kn.MeanField(kn.SimResNet(1.0, 0.0, kn.GrowingCosine())), start, t1=6.0).final
    left, between, right = (
        float(final.cdf(high) - final.cdf(low))
        for low, high in ((-np.pi / 2 - 0.2, -np.pi / 2 + 0.2), (-0.5, 0.5), (np.pi / 2 - 0.2, np.pi / 2 + 0.2))
    )
    assert between < 1e-2 and abs(left - norm.cdf(-0.5)) < 1e-2 and abs(right - norm.cdf(0.5)) < 1e-2


def test_relu_freezes_all_mass_on_the_dead_half_line():
    final = kn.solve(kn.MeanField(kn.SimResNet(1.0, -1.0, kn.ReLU())), START, t1=1.0).final
    dead = np.asarray(START.grid.faces[1:]) <= 1.0 + 1e-12
    np.testing.assert_allclose(final.values[dead], START.values[dead], rtol=1e-12)


def test_a_rotation_keeps_a_radial_density_that_is_no_sum_of_diracs():
    angles = 2 * np.pi * np.arange(24) / 24
    rings = np.concatenate([r * np.stack([np.cos(angles), np.sin(angles)], 1) for r in (0.5, 1.0, 2.0)])
    turned = kn.solve(
        kn.MeanField(kn.SimResNet([[0.0, -1.0], [1.0, 0.0]], 0.0, kn.Identity())), kn.Ensemble(rings), t1=5.0
    )
    final = np.asarray(turned.final.samples)
    np.testing.assert_allclose(np.linalg.norm(final, axis=1), np.linalg.norm(rings, axis=1), rtol=1e-6)
    # All have moved, by the same angle: the distribution stays what it was although nothing is at rest.
    np.testing.assert_allclose(final, rings @ [[np.cos(5), np.sin(5)], [-np.sin(5), np.cos(5)]], atol=1e-6)


def test_the_transport_equation_in_the_plane():
    """A tanh layer, with everything different in x and y: along it the density obeys (3), not (25) as printed."""
    net = kn.SimResNet([[-1.0, 0.4], [0.3, -0.7]], [0.5, -0.2], kn.Tanh())
    flow = kn.Flow(kn.MeanField(net), kn.StandardNormal(2), t1=1.0)

    @jax.jit
    def density(t, x):
        return jnp.exp(jax.vmap(eqx.tree_at(lambda flow: flow.t1, flow, t).log_prob)(x))

    point, h = np.array([0.3, -0.4]), 1e-3
    sides = point + h * np.concatenate([np.eye(2), -np.eye(2), np.zeros((1, 2))])
    g, v = np.asarray(density(np.array(1.0), sides)), np.tanh(sides @ [[-1.0, 0.3], [0.4, -0.7]] + [0.5, -0.2])
    dt_g = (density(np.array(1.0 + h), sides)[4] - density(np.array(1.0 - h), sides)[4]) / (2 * h)
    divergence = sum((g[k] * v[k, k] - g[2 + k] * v[2 + k, k]) / (2 * h) for k in (0, 1))
    printed = sum((v[0, k] - v[2, k]) / (2 * h) for k in (0, 1))  # no g in the fluxes, and d_x twice
    assert abs(dt_g + divergence) < 1e-5 * abs(dt_g) and abs(dt_g + printed) > 0.1 * abs(dt_g)


def test_half_the_weight_in_the_plane_moves_the_fixed_point():
    """Towards (1, 0) with w = -1, b = (1, 0) as in figure 6; the factor 1/2 is that of binary interactions."""
    for factor, expected in ((1.0, [1.0, 0.0]), (0.5, [2.0, 0.0])):
        states = kn.steady_states(
            kn.SimResNet(-factor, [1.0, 0.0], kn.Identity()), lower=[-3.0, -3.0], upper=[3.0, 3.0]
        )
        np.testing.assert_allclose(states.points, [expected], atol=1e-12)
        assert states.stable.all()


def test_the_stencil_of_the_diffusion_is_for_cell_averages():
    """On point values it misses the average of the second derivative by dx^2 / 24 of the fourth."""
    stencil, errors = np.array([-1, 16, -30, 16, -1]) / 12, []
    cells = np.array([20, 40, 80, 160])
    for count in cells:
        dx = 2 * np.pi / count
        faces = dx * np.arange(count + 1)
        averages = np.diff(-np.cos(faces)) / dx
        exact = np.diff(np.cos(faces)) / dx
        # Reconstructed at the centres to fourth order.
        second = np.roll(averages, 1) - 2 * averages + np.roll(averages, -1)
        both = averages, averages - second / 24
        errors.append(
            [np.abs(sum(c * np.roll(u, k - 2) for k, c in enumerate(stencil)) / dx**2 - exact).max() for u in both]
        )
    of_averages, of_points = (-np.polyfit(np.log(cells), np.log(each), 1)[0] for each in np.transpose(errors))
    assert abs(of_averages - 4) < 0.1 and abs(of_points - 2) < 0.1
