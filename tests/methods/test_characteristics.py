"""A density by its characteristics: closed forms, walls, derivatives, and what ends in an error."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.closed_forms import ACTIVATIONS, averages, l1, order
from tests.methods.any_velocity import (
    ACTIVATION,
    IDENTITY,
    NEVER_FINITE,
    REPELLING_POLE,
    ROOT,
    SQUARE,
    TANH,
    mean_field,
)

CELLS = 100
GRIDS = [50, 100, 200]
BACK = kn.Characteristics()


class Wind(eqx.Module):
    """v(t, x) = speed(t)."""

    speed: kn.PiecewiseConstant

    def __call__(self, t, x):
        return self.speed(t) * jnp.ones_like(x)


@pytest.mark.parametrize("which", [IDENTITY, TANH])
def test_characteristics_are_of_third_order(which):
    """Finer grids are smaller ones: one compiled program."""
    errors, reaches = [], np.array([16.0, 8.0, 5.0])
    for reach in reaches:
        grid = kn.Grid(-reach, reach, CELLS)
        final = kn.solve(mean_field(which, -0.8, 0.3), kn.Density.gaussian(0.0, 1.0, grid), t1=1.0, method=BACK).final
        errors.append(l1(final, averages(ACTIVATION[which], -0.8, 0.3, 1.0, grid)))
    assert 3 < order(1 / reaches, errors) < 3.6, errors


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTIVATIONS, ids=lambda act: type(act).__name__)
def test_characteristics_of_networks_are_of_third_order(act):
    @jax.jit
    def final(density):
        net = kn.SimResNet(-0.8, 0.3, act)
        return kn.solve(kn.MeanField(net), density, t1=1.0, method=kn.Characteristics()).final

    errors = []
    for n in GRIDS:
        grid = kn.Grid(-8.0, 8.0, n)
        errors.append(l1(final(kn.Density.gaussian(0.0, 1.0, grid)), averages(act, -0.8, 0.3, 1.0, grid)))
    assert 3 < order(GRIDS, errors) < 3.6, errors


@functools.partial(jax.jit, static_argnums=2)
def pressed(start, sign, walled, t1=0.9):
    """The wind blows towards one end until 0.5, then away from it."""
    walls = {"both": (0.0, 1.0), "low": (0.0, None), "high": (None, 1.0)}[walled]
    wind = Wind(kn.PiecewiseConstant([0.0, 0.5], sign * jnp.array([-1.0, 0.75])))
    solution = kn.solve(kn.MeanField(wind, walls), start, t1=t1, method=kn.Characteristics())
    return solution.final.values * start.grid.width, solution.stats["mass_lost"]


@pytest.mark.parametrize(
    ("sign", "walled"),
    [(1.0, "both"), (-1.0, "both"), (-1.0, "one"), pytest.param(1.0, "one", marks=pytest.mark.slow)],
)
def test_mass_that_was_pressed_against_a_wall_comes_off_it_in_one_piece(sign, walled):
    """Uniform on [0, 1]: half of it waits at the wall, and is at 0.75 (t1 - 0.5) in the end."""
    start = kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 10))
    wall = walled if walled == "both" else ("low" if sign > 0 else "high")
    for t1, exact in (
        (0.9, [0, 0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0, 0]),  # exactly at a face
        (0.86, [0, 0, 0.53, 0.1, 0.1, 0.1, 0.1, 0.07, 0, 0]),
        (0.5, [0.6, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0]),
    ):
        masses, lost = pressed(start, sign, wall, t1)
        np.testing.assert_allclose(masses[:: int(sign)], exact, atol=1e-9)
        assert abs(float(lost)) < 1e-12


@pytest.mark.slow
def test_characteristics_and_finite_volumes_agree_on_layers_walls_and_turning_fields():
    """A tenth of the mass is pressed against each wall, and comes off it."""
    net = kn.SimResNet(
        kn.PiecewiseConstant([0.0, 0.6], [1.5, -1.0]), kn.Interpolated([0.2, 1.0], [0.0, 0.4]), kn.Tanh()
    )
    for walls in (None, (-1.5, 1.5), (None, 1.5)):

        def run(start, method, walls=walls):
            return kn.solve(kn.MeanField(net, walls), start, t1=1.0, saveat=[0.55, 1.0], method=method)

        methods = [
            jax.jit(functools.partial(run, method=method)) for method in (kn.FiniteVolume(), kn.Characteristics())
        ]
        distance = []
        for n in (50, 100, 200):
            start = kn.Density.gaussian(0.0, 0.9, kn.Grid(-1.5, 1.5, n))
            runs = [method(start) for method in methods]
            for solution in runs:
                assert float(solution.stats["mass_drift"]) < 1e-12
                assert float(solution.stats["smallest_average"]) >= 0
            np.testing.assert_allclose(runs[0].stats["mass_lost"], runs[1].stats["mass_lost"], atol=1e-4)
            if walls is not None:
                assert float(runs[1][0].values[-1] * start.grid.width) > 0.09
            # What is lost differs in the last digits, and a distance is between equal masses.
            apart = []
            for i in range(2):
                one, other = (kn.Density(start.grid, run[i].values / run[i].mass) for run in runs)
                apart.append(float(kn.wasserstein(one, other)))
            distance.append(apart)
        early, late = np.array(distance).T
        assert early[0] > 4 * early[1] > 16 * early[2], early
        # Finite volumes smear a point mass that comes off a wall over ever fewer cells.
        assert late[0] > 1.4 * late[1] > 1.9 * late[2] and late[-1] < 6e-3, late


@pytest.mark.parametrize("cells", [CELLS, pytest.param(400, marks=pytest.mark.slow)])
def test_characteristics_resolve_a_point_mass_that_finite_volumes_smear(cells):
    grid = kn.Grid(-7.0, 9.0, cells)
    solution = kn.solve(mean_field(IDENTITY, -1.0, 1.0), kn.Density.gaussian(1.0, 1.0, grid), t1=5.0, method=BACK)
    assert l1(solution.final, kn.Density.gaussian(1.0, np.exp(-5), grid).values) < 1e-4


def test_far_from_zero_the_same_digits_are_right():
    def masses(offset):
        start = kn.Density.gaussian(offset, 1.0, kn.Grid(offset - 5.0, offset + 5.0, CELLS))
        return kn.solve(mean_field(IDENTITY, -1.0, offset), start, t1=1.0, method=BACK).final.values

    np.testing.assert_allclose(masses(1e6), masses(0.0), atol=1e-8)


def turning(weights, bias):
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.6], weights), bias, kn.Tanh())
    return kn.MeanField(net, (-1.5, 1.5))


START = kn.Density.gaussian(0.0, 0.9, kn.Grid(-1.5, 1.5, 40))
POINT = np.array([1.1, 0.7, 0.2])


def energy(p, adjoint):
    return kn.solve(turning(p[:2], p[2]), START, t1=1.0, method=BACK, adjoint=adjoint).final.energy


def value(p):
    return float(kn.solve(turning(p[:2], p[2]), START, t1=1.0, method=BACK).final.energy)


def central():
    h = 1e-5
    return [(value(POINT + h * e) - value(POINT - h * e)) / (2 * h) for e in np.eye(3)]


forward = jax.jit(lambda p, way: jax.jvp(lambda p: energy(p, kn.ForwardMode()), (p,), (way,))[1])


@pytest.mark.slow
def test_forward_mode_and_differences_agree_past_walls():
    np.testing.assert_allclose([forward(POINT, way) for way in np.eye(3)], central(), rtol=1e-5)


@pytest.mark.slow
def test_reverse_mode_gives_the_digits_of_forward_mode_past_walls():
    reverse = jax.jit(jax.grad(lambda p: energy(p, kn.CheckpointAdjoint())))(POINT)
    np.testing.assert_allclose([forward(POINT, way) for way in np.eye(3)], reverse, rtol=1e-9)
    np.testing.assert_allclose(reverse, central(), rtol=1e-5)


@pytest.mark.slow
def test_the_gradient_is_that_of_finite_volumes():
    @eqx.filter_jit
    def slope(w, method):
        def variance(w):
            start = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 400))
            return kn.solve(kn.MeanField(kn.SimResNet(w, 0.3, kn.Tanh())), start, t1=1.0, method=method).final.variance

        return jax.grad(variance)(w)

    np.testing.assert_allclose(slope(-1.0, kn.Characteristics()), slope(-1.0, kn.FiniteVolume()), rtol=3e-3)


def single(w):
    grid = kn.Grid(np.float32(-3), np.float32(3), 40)
    net = kn.SimResNet(w, np.float32(0.3), kn.Tanh())
    start = kn.Density.gaussian(np.float32(0), np.float32(1), grid)
    equation = kn.MeanField(net, (np.float32(-3), np.float32(3)))
    return kn.solve(equation, start, t1=1.0, method=BACK).final.variance


def test_float32_stays_float32():
    assert jax.eval_shape(single, np.float32(0.8)).dtype == np.float32


@pytest.mark.slow
def test_float32_stays_finite():
    value, slope = jax.jit(jax.value_and_grad(single))(np.float32(0.8))
    assert value.dtype == slope.dtype == np.float32
    assert bool(jnp.isfinite(value)) and bool(jnp.isfinite(slope))


@pytest.mark.parametrize("which", [NEVER_FINITE, ROOT, REPELLING_POLE], ids=["nan", "sqrt", "pole"])
def test_a_singular_field_ends_in_a_result_and_not_never(which):
    start = kn.Density.uniform(-1.0, 1.0, kn.Grid(-1.0, 1.0, CELLS))
    solution = kn.solve(mean_field(which), start, t1=1.5, method=BACK, throw=False)
    assert solution.result == kn.Result.not_finite


def test_a_field_that_leaves_every_bounded_set_is_no_difficulty():
    """v = x^2: 1 / x falls by t."""
    start = kn.Density.uniform(-1.0, 1.0, kn.Grid(-1.0, 1.0, CELLS))
    final = kn.solve(mean_field(SQUARE), start, t1=1.5, method=BACK).final
    x = np.asarray(start.grid.faces)
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.where(x > -0.4, x / (1 + 1.5 * x), -1.0)
    np.testing.assert_allclose(final.values * start.grid.width, np.diff(back) / 2, atol=1e-8)


def test_max_steps_counts_all_pieces():
    """With the limit that the way needs, and one step more on a longer way."""

    def steps(t1, max_steps=None):
        law = turning(np.array([1.0, -1.0]), 0.1)
        return kn.solve(law, START, t1=t1, method=BACK, max_steps=max_steps, throw=False)

    needed = int(steps(1.0).stats["steps"])
    longer = next(t1 for t1 in np.linspace(1.02, 3.0, 100) if int(steps(t1).stats["steps"]) == needed + 1)
    assert steps(1.0, needed).result == kn.Result.successful
    # More than any piece takes by itself.
    assert steps(longer, needed).result == kn.Result.max_steps_reached


@pytest.mark.slow
def test_max_steps_counts_all_of_three_pieces():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3, 0.6], [1.0, -1.0, 0.5]), 0.1, kn.Tanh())
    start = kn.Density.gaussian(0.0, 1.0, kn.Grid(-4.0, 4.0, 20))

    def run(max_steps):
        return kn.solve(kn.MeanField(net), start, t1=1.0, method=kn.Characteristics(), max_steps=max_steps, throw=False)

    needed = int(run(None).stats["steps"])
    assert run(needed).result == kn.Result.successful
    # More than any piece takes by itself.
    assert run(needed - 1).result == kn.Result.max_steps_reached


def test_bad_input():
    for name, value in (("rtol", -1.0), ("rtol", np.inf), ("atol", 0.0), ("atol", np.nan)):
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            kn.Characteristics(**{name: value})
    with pytest.raises(ValueError, match="atol must be a number"):
        kn.Characteristics(atol=np.array([1e-8, 1e-9]))
    with pytest.raises(TypeError, match=r"did you mean diffrax.Tsit5\(\)"):
        kn.Characteristics(solver=diffrax.Tsit5)
    with pytest.raises(TypeError, match="error estimate"):
        kn.Characteristics(solver=diffrax.Euler())
    start = kn.Density.uniform(-1.0, 1.0, kn.Grid(-1.0, 1.0, CELLS))

    def result(rtol):
        """As if it were traced, when it is seen by the program only."""
        method = eqx.tree_at(lambda method: method.rtol, BACK, jnp.array(rtol))
        return kn.solve(mean_field(TANH), start, t1=1.0, method=method, throw=False).result

    assert result(0.0) == kn.Result.successful and result(np.nan) == kn.Result.not_finite


@pytest.mark.slow
def test_a_tolerance_that_is_traced():
    start = kn.Density.uniform(-1.0, 1.0, kn.Grid(-1.0, 1.0, 20))
    equation = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh()))

    @jax.jit
    def result(rtol):
        return kn.solve(equation, start, t1=1.0, method=kn.Characteristics(rtol=rtol), throw=False).result

    assert result(0.0) == kn.Result.successful and result(jnp.nan) == kn.Result.not_finite
