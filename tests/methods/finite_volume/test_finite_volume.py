"""The forward solver on densities: order, conservation, positivity, units, mirror images, walls and open ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import norm

import kinetic_nde as kn
from tests.closed_forms import averages, l1, order

CELLS = [100, 200, 400, 800]
ALL = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine()]


@jax.jit
def final(net, density, t1):
    return kn.solve(kn.MeanField(net), density, t1=t1).final


@pytest.mark.parametrize("act", [kn.Identity(), kn.Tanh(), kn.Sigmoid()], ids=lambda act: type(act).__name__)
def test_third_order_against_the_closed_forms(act):
    rng = np.random.default_rng(7)
    for _ in range(8):
        w, b = rng.uniform(0.2, 1.2) * rng.choice([-1, 1]), rng.uniform(-0.5, 0.5)
        net, errors = kn.SimResNet(w, b, act), []
        for n in CELLS:
            # Wide enough for what grows: exp(1.2) standard deviations are inside.
            grid = kn.Grid(-16.0, 16.0, n) if w > 0 and isinstance(act, kn.Identity) else kn.Grid(-8.0, 8.0, n)
            errors.append(l1(final(net, kn.Density.gaussian(0.0, 1.0, grid), 1.0), averages(act, w, b, 1.0, grid)))
        assert 2.7 <= order(CELLS, errors) <= 3.5, (w, b, errors)


def test_figure_7():
    grid = kn.Grid(-8.0, 8.0, 400)
    solution = kn.solve(
        kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity())), kn.Density.gaussian(1.0, 1.0, grid), t1=1.0
    )
    assert l1(solution.final, kn.Density.gaussian(1.0, np.exp(-1), grid).values) < 2e-3


def test_figure_4():
    grid = kn.Grid(2.0, 8.0, 600)
    equation = kn.MeanField(kn.SimResNet(1.0, -5.0, kn.Tanh()), walls=(2.0, 8.0))
    solution = kn.solve(equation, kn.Density.uniform(2.0, 8.0, grid), t1=12.0)
    ends = solution.final.values[jnp.array([0, -1])] * grid.width
    np.testing.assert_allclose(ends, 0.49999, atol=1e-4)


def test_layers_and_knots_in_time_keep_third_order():
    """Five layers; the flow map of the whole is that of its layers one after the other."""
    times, weights = [0.0, 0.2, 0.5, 0.6, 0.8], [1.0, -0.7, 2.0, -1.5, 0.4]
    net = kn.SimResNet(kn.PiecewiseConstant(times, weights), 0.3, kn.Tanh())
    errors = []
    for n in CELLS:
        grid = kn.Grid(-8.0, 8.0, n)
        x = np.asarray(grid.faces)
        for w, duration in reversed(list(zip(weights, np.diff([*times, 1.0]), strict=True))):
            x = (np.arcsinh(np.exp(-w * duration) * np.sinh(w * x + 0.3)) - 0.3) / w
        errors.append(
            l1(final(net, kn.Density.gaussian(0.0, 1.0, grid), 1.0), np.diff(norm.cdf(x)) / float(grid.width))
        )
    assert 2.7 <= order(CELLS, errors) <= 3.5, errors


def test_walls_keep_the_mass_over_ten_thousand_steps():
    grid = kn.Grid(-2.0, 3.0, 300)
    density = kn.Density.from_function(
        lambda x: jnp.exp(-((x - 1.3) ** 2)) * (1.2 + jnp.sin(5 * x)), grid, normalize=True
    )
    # The field keeps turning, so that the mass is pushed to and fro between the walls.
    net = kn.SimResNet(1.0, kn.Interpolated(np.arange(0.0, 61.0, 2.0), np.tile([2.0, -2.5], 16)[:31]), kn.Tanh())
    solution = kn.solve(kn.MeanField(net, walls=(-2.0, 3.0)), density, t1=60.0, max_steps=20_000)
    assert int(solution.stats["steps"]) >= 7500
    longer = kn.solve(kn.MeanField(net, walls=(-2.0, 3.0)), density, t1=60.0, method=kn.FiniteVolume(steps=350))
    assert int(longer.stats["steps"]) >= 10_000
    for each in (solution, longer):
        assert float(each.stats["mass_drift"]) < 1e-12 and float(each.stats["mass_lost"]) == 0
        assert abs(float(each.final.mass - density.mass)) < 1e-12


@pytest.mark.parametrize("walls", [None, (-2.0, None), (None, 3.0)])
def test_mass_and_what_left_through_open_ends_add_up(walls):
    grid = kn.Grid(-2.0, 3.0, 200)
    density = kn.Density.gaussian(0.3, 1.0, grid)
    solution = kn.solve(kn.MeanField(kn.SimResNet(1.5, 0.2, kn.Identity()), walls), density, t1=1.0)
    assert abs(float(solution.final.mass + solution.stats["mass_lost"] - density.mass)) < 1e-12
    assert float(solution.stats["mass_drift"]) < 1e-12
    assert float(solution.stats["mass_lost"]) > 0.1


def test_what_leaves_through_an_open_end_is_the_exact_mass_at_third_order():
    errors = []
    for n in CELLS:
        grid = kn.Grid(-8.0, 1.0, n)
        solution = kn.solve(
            kn.MeanField(kn.SimResNet(0.8, 0.2, kn.Identity())), kn.Density.gaussian(-1.0, 1.0, grid), t1=1.0
        )
        inside = norm.cdf(np.exp(-0.8) * (1.0 + 0.25) - 0.25, -1.0, 1.0) - norm.cdf(-8.0, -1.0, 1.0)
        left = norm.cdf(np.exp(-0.8) * (-8.0 + 0.25) - 0.25, -1.0, 1.0) - norm.cdf(-8.0, -1.0, 1.0)
        errors.append(abs(float(solution.final.mass) - (inside - left)))
    assert order(CELLS, errors) > 2.7, errors


GRID = kn.Grid(-2.0, 3.0, 60)


@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=60, max_size=60).filter(any),
    w=st.floats(-6, 6),
    b=st.floats(-6, 6),
    act=st.sampled_from(ALL),
    walled=st.booleans(),
)
@settings(max_examples=60)
def test_no_average_is_negative_and_no_mass_is_made(heights, w, b, act, walled):
    equation = kn.MeanField(kn.SimResNet(w, b, act), walls=(-2.0, 3.0) if walled else None)
    solution = kn.solve(equation, kn.Density(GRID, heights), t1=1.0, saveat=[0.1, 0.5, 1.0])
    largest = float(jnp.max(solution.distributions.values))
    assert float(solution.stats["smallest_average"]) >= -1e-14 * largest
    assert float(solution.stats["mass_drift"]) < 1e-12


@given(w=st.floats(-3, 3), b=st.floats(-3, 3), act=st.sampled_from([kn.Identity(), kn.Tanh(), kn.GrowingCosine()]))
@settings(max_examples=10)
def test_mirror_images(w, b, act):
    """x -> -x turns (w, b) into (w, -b) for odd activations: the solver must not know left from right."""
    density = kn.Density.from_samples([-1.3, -1.0, 0.2], kn.Grid(-3.0, 3.0, 60), bandwidth=0.2)
    mirrored = kn.Density(density.grid, density.values[::-1])
    one = final(kn.SimResNet(w, b, act), density, 1.0)
    other = final(kn.SimResNet(w, -b, act), mirrored, 1.0)
    np.testing.assert_allclose(other.values[::-1], one.values, atol=1e-12 * float(jnp.max(one.values)))


@pytest.mark.parametrize("factor", [1000.0, 1e-3])
@pytest.mark.parametrize("act", ALL, ids=lambda act: type(act).__name__)
def test_units_change_nothing(act, factor):
    net = kn.SimResNet(0.9, -0.4, act)
    scaled, time = kn.rescale(net, factor)
    grid, other = kn.Grid(-3.0, 2.0, 150), kn.Grid(-3.0 * factor, 2.0 * factor, 150)
    density = kn.Density.uniform(-1.0, 1.5, grid)
    one = kn.solve(kn.MeanField(net, walls=(-3.0, None)), density, t1=2.0)
    same = kn.solve(
        kn.MeanField(scaled, walls=(-3.0 * factor, None)), kn.Density(other, density.values / factor), t1=2.0 * time
    )
    assert int(one.stats["steps"]) == int(same.stats["steps"])
    np.testing.assert_allclose(
        same.final.values * factor, one.final.values, rtol=1e-10, atol=1e-10 * float(jnp.max(one.final.values))
    )


def test_fixed_steps_are_the_adaptive_ones_where_those_are_equal():
    grid, net = kn.Grid(-8.0, 8.0, 100), kn.SimResNet(-1.0, 0.3, kn.Tanh())
    density = kn.Density.gaussian(0.0, 1.0, grid)
    adaptive = kn.solve(kn.MeanField(net), density, t1=1.0)
    fixed = kn.solve(kn.MeanField(net), density, t1=1.0, method=kn.FiniteVolume(steps=int(adaptive.stats["steps"])))
    np.testing.assert_allclose(fixed.final.values, adaptive.final.values, atol=1e-14)


def test_a_larger_reconstruction_weight_or_no_limiter_solve_the_same_problem():
    grid, net = kn.Grid(-8.0, 8.0, 400), kn.SimResNet(-1.0, 0.3, kn.Tanh())
    density, exact = kn.Density.gaussian(0.0, 1.0, grid), averages(kn.Tanh(), -1.0, 0.3, 1.0, grid)
    for method in (kn.FiniteVolume(kn.CWENO3(c0=0.5)), kn.FiniteVolume(positivity=False), kn.FiniteVolume(cfl=0.2)):
        assert l1(kn.solve(kn.MeanField(net), density, t1=1.0, method=method).final, exact) < 2e-4
    for bad in ({"cfl": 0.0}, {"cfl": 1.5}, {"steps": 0}, {"steps": 1.5}):
        with pytest.raises((ValueError, TypeError)):
            kn.FiniteVolume(**bad)
    with pytest.raises(ValueError, match="c0"):
        kn.CWENO3(c0=1.0)


def test_without_wind_nothing_moves():
    density = kn.Density.from_samples([0.2, 0.3], kn.Grid(0.0, 1.0, 50), bandwidth=0.1)
    solution = kn.solve(kn.MeanField(kn.SimResNet(0.0, 0.0, kn.Identity())), density, t1=1e6)
    np.testing.assert_allclose(solution.final.values, density.values, rtol=1e-14)
    assert int(solution.stats["steps"]) == 1


def test_smooth_parameters_in_time_keep_third_order():
    """Against faces carried back by SciPy at a tolerance of 1e-12."""

    class Wave(eqx.Module):
        amplitude: float

        def __call__(self, t):
            return self.amplitude * jnp.cos(3 * t)

    net, errors = kn.SimResNet(Wave(1.2), Wave(0.5), kn.Tanh()), []
    for n in CELLS:
        grid = kn.Grid(-8.0, 8.0, n)
        back = solve_ivp(
            lambda t, x: np.tanh(np.cos(3 * t) * (1.2 * x + 0.5)),
            (1.0, 0.0),
            np.asarray(grid.faces),
            rtol=1e-12,
            atol=1e-12,
        ).y[:, -1]
        exact = np.diff(norm.cdf(back)) / float(grid.width)
        errors.append(l1(final(net, kn.Density.gaussian(0.0, 1.0, grid), 1.0), exact))
    assert 2.7 <= order(CELLS, errors) <= 3.5, errors


def test_a_sweep_of_random_networks_of_all_activations():
    """256 networks to t = 5 in one vmap: no NaN, no negative cell, no mass lost between walls."""
    activations = [*ALL, kn.GeneralizedGamma(0.5, 1.0)]

    class AnyActivation(eqx.Module):
        which: jax.Array
        w: jax.Array
        b: jax.Array
        autonomous: bool = eqx.field(static=True, default=True)

        def __call__(self, t, x):
            return jax.lax.switch(self.which, activations, self.w * x + self.b)

    keys = jax.random.split(jax.random.key(0), 3)
    fields = AnyActivation(
        jax.random.randint(keys[0], (256,), 0, len(activations)),
        jax.random.normal(keys[1], 256),
        jax.random.normal(keys[2], 256),
    )
    start = kn.Density.from_samples([-1.0, -0.5, 0.1, 1.2], kn.Grid(-3.0, 3.0, 100), bandwidth=0.1)

    @jax.jit
    @jax.vmap
    def sweep(field):
        return kn.solve(kn.MeanField(field, (-3.0, 3.0)), start, t1=5.0)

    solution = sweep(fields)
    assert bool(jnp.all(solution.result == kn.Result.successful))
    assert bool(jnp.all(jnp.isfinite(solution.final.values)))
    largest = jnp.max(solution.final.values, axis=1)
    assert bool(jnp.all(solution.stats["smallest_average"] >= -1e-14 * largest))
    assert float(jnp.max(solution.stats["mass_drift"])) < 1e-12 and float(jnp.max(solution.stats["mass_lost"])) == 0


@pytest.mark.parametrize(
    ("bias", "t1", "mean"),
    [
        (lambda t: jnp.sin(2 * jnp.pi * t) ** 2, 1.0, 0.5),
        (lambda t: 0.05 * (1 + jnp.cos(40 * t)), 2.0, 0.05 * (2 + np.sin(80) / 40)),
    ],
    ids=["calm at the ends", "fast and weak"],
)
def test_a_wind_that_the_courant_number_does_not_see(bias, t1, mean):
    start = kn.Density.gaussian(0.0, 0.5, kn.Grid(-4.0, 4.0, 200))
    moved = kn.solve(kn.MeanField(kn.SimResNet(0.0, bias, kn.Identity())), start, t1=t1).final
    np.testing.assert_allclose(moved.mean, mean, atol=1e-5)
