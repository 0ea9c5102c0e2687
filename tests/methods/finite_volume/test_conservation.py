"""Mass, positivity, units, mirror images, walls and open ends in one dimension."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from tests.methods.finite_volume.any_activation import ACTIVATIONS, COSINE, IDENTITY, TANH, AnyActivation

CELLS = 60


@jax.jit
def solved(field, walls, density, t1):
    return kn.solve(kn.MeanField(field, walls), density, t1=t1, saveat=t1 * np.array([0.1, 0.5, 1.0]))


def run(number, w, b, walls, ends, values, t1=1.0):
    """A solve on 60 cells; one program for all numbers and activations."""
    field = AnyActivation(np.array(number), np.array(w), np.array(b))
    walls = None if walls is None else tuple(None if wall is None else np.array(wall) for wall in walls)
    return solved(field, walls, kn.Density(kn.Grid(ends[0], ends[1], CELLS), values), np.float64(t1))


def normal(mean, std, ends, cells=CELLS):
    faces = np.linspace(ends[0], ends[1], cells + 1)
    return np.diff(norm.cdf(faces, mean, std)) / np.diff(faces)


@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=60, max_size=60).filter(any),
    w=st.floats(-6, 6),
    b=st.floats(-6, 6),
    number=st.sampled_from(range(len(ACTIVATIONS))),
    walled=st.booleans(),
)
@settings(max_examples=60)
def test_no_average_is_negative_and_no_mass_is_made(heights, w, b, number, walled):
    solution = run(number, w, b, (-2.0, 3.0) if walled else None, (-2.0, 3.0), heights)
    largest = np.max(solution.distributions.values)
    assert float(solution.stats["smallest_average"]) >= -1e-14 * largest
    assert float(solution.stats["mass_drift"]) < 1e-12
    if walled:
        assert float(solution.stats["mass_lost"]) == 0


@given(w=st.floats(-3, 3), b=st.floats(-3, 3), number=st.sampled_from([IDENTITY, TANH, COSINE]))
@settings(max_examples=10)
def test_mirror_images(w, b, number):
    """x -> -x turns (w, b) into (w, -b) for odd activations: the solver must not know left from right."""
    values = np.mean([normal(mean, 0.2, (-3.0, 3.0)) for mean in (-1.3, -1.0, 0.2)], axis=0)
    one, other = (run(number, w, b, None, (-3.0, 3.0), v).final for w, b, v in ((w, b, values), (w, -b, values[::-1])))
    np.testing.assert_allclose(other.values[::-1], one.values, atol=1e-12 * np.max(one.values))


@pytest.mark.parametrize("walls", [None, (-2.0, None), (None, 3.0)])
def test_mass_and_what_left_through_open_ends_add_up(walls):
    values = normal(0.3, 1.0, (-2.0, 3.0))
    solution = run(IDENTITY, 1.5, 0.2, walls, (-2.0, 3.0), values)
    mass = np.sum(values) * 5.0 / CELLS
    assert abs(float(solution.final.mass + solution.stats["mass_lost"]) - mass) < 1e-12
    assert float(solution.stats["mass_drift"]) < 1e-12
    assert float(solution.stats["mass_lost"]) > 0.1


@pytest.mark.parametrize("factor", [1000.0, 1e-3])
@pytest.mark.parametrize("number", range(5), ids=lambda number: type(ACTIVATIONS[number]).__name__)
def test_units_change_nothing(number, factor):
    scaled, time = kn.rescale(kn.SimResNet(0.9, -0.4, ACTIVATIONS[number]), factor)
    values = np.clip((np.linspace(-3.0, 2.0, CELLS + 1) + 1.0) / 2.5, 0.0, 1.0)
    values = np.diff(values) / (5.0 / CELLS)
    one = run(number, 0.9, -0.4, (-3.0, None), (-3.0, 2.0), values, 2.0)
    same = run(
        number,
        scaled.weight(0.0),
        scaled.bias(0.0),
        (-3.0 * factor, None),
        (-3.0 * factor, 2.0 * factor),
        values / factor,
        2.0 * time,
    )
    assert int(one.stats["steps"]) == int(same.stats["steps"])
    final = np.asarray(one.final.values)
    np.testing.assert_allclose(
        np.asarray(same.final.values) * factor, final, rtol=1e-10, atol=1e-10 * float(np.max(final))
    )


def ends_of_figure_4(cells):
    grid = kn.Grid(2.0, 8.0, cells)
    equation = kn.MeanField(kn.SimResNet(1.0, -5.0, kn.Tanh()), walls=(2.0, 8.0))
    final = kn.solve(equation, kn.Density.uniform(2.0, 8.0, grid), t1=12.0).final
    return np.asarray(final.values)[[0, -1]] * 6.0 / cells


@pytest.mark.slow
def test_figure_4():
    np.testing.assert_allclose(ends_of_figure_4(600), 0.49999, atol=1e-4)


def test_all_mass_is_pressed_into_the_cells_at_the_walls():
    """Figure 4 on fewer cells."""
    final = run(TANH, 1.0, -5.0, (2.0, 8.0), (2.0, 8.0), np.full(CELLS, 1 / 6), 12.0).final
    np.testing.assert_allclose(np.asarray(final.values)[[0, -1]] * 6.0 / CELLS, 0.49999, atol=1e-4)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_sweep_of_random_networks_of_all_activations():
    """256 networks to t = 5 in one vmap: no NaN, no negative cell, no mass lost between walls."""
    keys = jax.random.split(jax.random.key(0), 3)
    fields = AnyActivation(
        jax.random.randint(keys[0], (256,), 0, len(ACTIVATIONS)),
        jax.random.normal(keys[1], (256,)),
        jax.random.normal(keys[2], (256,)),
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
