"""Particles without noise: closed forms, walls, layers, agreement with the density, derivatives, wrong input."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import kinetic_nde as kn
from tests.closed_forms import ACTIVATIONS, flow, order
from tests.methods.any_velocity import (
    ACTIVATION,
    ATTRACTING_POLE,
    IDENTITY,
    NEVER_FINITE,
    ROOT,
    SQUARE,
    mean_field,
)


@pytest.mark.parametrize("which", ACTIVATION)
def test_closed_forms_in_one_dimension(which):
    start = np.random.default_rng(0).normal(size=200)
    for w, b in ((-0.9, 0.4), (0.7, -0.2)):
        solution = kn.solve(mean_field(which, w, b), kn.Ensemble(start), t1=2.0, saveat=[0.5, 2.0])
        for i, t in enumerate((0.5, 2.0)):
            np.testing.assert_allclose(solution[i].samples, flow(ACTIVATION[which], w, b, t, start), atol=2e-7)


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTIVATIONS, ids=lambda act: type(act).__name__)
def test_closed_forms_of_networks(act):
    start = np.random.default_rng(0).normal(size=200)
    for w, b in ((-0.9, 0.4), (0.7, -0.2)):
        solution = kn.solve(kn.MeanField(kn.SimResNet(w, b, act)), kn.Ensemble(start), t1=2.0, saveat=[0.5, 2.0])
        for i, t in enumerate((0.5, 2.0)):
            np.testing.assert_allclose(solution[i].samples, flow(act, w, b, t, start), atol=2e-7)


def test_the_matrix_exponential_in_eight_dimensions():
    rng = np.random.default_rng(1)
    w, b, start = 0.5 * rng.normal(size=(8, 8)), rng.normal(size=8), rng.normal(size=(50, 8))
    final = kn.solve(kn.MeanField(kn.SimResNet(w, b, kn.Identity())), kn.Ensemble(start), t1=1.5).final
    fixed = -np.linalg.solve(w, b)
    np.testing.assert_allclose(final.samples, (start - fixed) @ expm(1.5 * w).T + fixed, atol=2e-7)


@pytest.mark.slow
def test_layers_end_where_they_should():
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.37, 0.8], [1.0, -2.0, 0.5]), 0.1, kn.Identity())
    x, start = np.array([-1.0, 0.3, 2.0]), np.array([-1.0, 0.3, 2.0])
    for w, duration in ((1.0, 0.37), (-2.0, 0.43), (0.5, 0.2)):
        x = flow(kn.Identity(), w, 0.1, duration, x)
    np.testing.assert_allclose(kn.solve(kn.MeanField(net), kn.Ensemble(start), t1=1.0).final.samples, x, atol=1e-8)


def test_walls_hold_particles_and_let_them_go_when_the_field_turns():
    """v = w(t) (x - 5) with w from 1 to -1: against the exact path, that of max(min(...)) up to the time at which the
    field turns."""
    net = kn.SimResNet(
        kn.PiecewiseConstant([0.0, 3.0], [1.0, -1.0]), kn.PiecewiseConstant([0.0, 3.0], [-5.0, 5.0]), kn.Identity()
    )
    start = np.linspace(2.0, 8.0, 61)
    equation = kn.MeanField(net, walls=(2.0, 8.0))
    solution = kn.solve(equation, kn.Ensemble(start), t1=5.0, saveat=np.linspace(0.1, 5.0, 50))
    for i, t in enumerate(solution.ts):
        out = np.clip(5 + (start - 5) * np.exp(min(float(t), 3.0)), 2, 8)
        np.testing.assert_allclose(solution[i].samples, 5 + (out - 5) * np.exp(-max(float(t) - 3, 0.0)), atol=3e-6)
    at_the_walls = solution[20].samples
    assert float(jnp.max(at_the_walls)) == 8.0 and float(jnp.min(at_the_walls)) == 2.0


@pytest.mark.slow
def test_a_smooth_turn_of_the_field_at_a_wall():
    """dx/dt = cos t from x = 0.5 with a wall at 1: it leaves at t = pi / 2 and not before."""

    class Wave(eqx.Module):
        def __call__(self, t, x):
            return jnp.cos(t) * jnp.ones_like(x)

    solution = kn.solve(
        kn.MeanField(Wave(), walls=(None, 1.0)), kn.Ensemble([0.5]), t1=3.0, saveat=[0.3, 1.0, 1.5, 2.0, 3.0]
    )
    exact = [0.5 + np.sin(0.3), 1.0, 1.0, np.sin(2.0), np.sin(3.0)]
    np.testing.assert_allclose(solution.distributions.samples[:, 0], exact, atol=2e-6)


@pytest.mark.slow
def test_particles_and_density_come_together_like_the_root_of_their_number():
    net, walls = kn.SimResNet(1.0, -0.3, kn.Tanh()), (-3.0, 3.0)
    grid = kn.Grid(-3.0, 3.0, 400)
    start = kn.Density.from_function(lambda x: jnp.exp(-((x - 0.5) ** 2)), grid, normalize=True)
    density = kn.solve(kn.MeanField(net, walls), start, t1=1.0).final
    sizes, distances = [100, 1000, 10_000, 100_000], []
    for m in sizes:

        @jax.jit
        def distance(key, m=m):
            particles = kn.solve(kn.MeanField(net, walls), kn.Ensemble(start.sample(key, m)), t1=1.0).final
            return kn.wasserstein(particles, density)

        distances.append(np.mean([float(distance(key)) for key in jax.random.split(jax.random.key(m), 6)]))
    assert 0.4 < order(sizes, distances) < 0.6, distances


@pytest.mark.slow
def test_units_of_particles_between_walls():
    net = kn.SimResNet(0.9, -0.4, kn.Tanh())
    start = np.random.default_rng(0).normal(size=50)
    one = kn.solve(kn.MeanField(net, (-4.0, 4.0)), kn.Ensemble(start), t1=2.0)
    for factor in (1000.0, 1e-3):
        scaled, time = kn.rescale(net, factor)
        same = kn.solve(kn.MeanField(scaled, (-4 * factor, 4 * factor)), kn.Ensemble(factor * start), t1=2.0 * time)
        np.testing.assert_allclose(same.final.samples / factor, one.final.samples, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_far_from_zero_the_same_digits_are_right(offset):
    start = offset + np.linspace(-1, 1, 200)
    final = kn.solve(mean_field(IDENTITY, -1.0, offset), kn.Ensemble(start), t1=1.0, saveat=[0.5, 1.0]).final
    np.testing.assert_allclose(final.samples - offset, (start - offset) * np.exp(-1), atol=2e-9)


@pytest.mark.parametrize("which", [NEVER_FINITE, SQUARE, ROOT, ATTRACTING_POLE])
def test_a_singular_field_ends_in_a_result_and_not_never(which):
    start = kn.Ensemble(np.tile([-1.0, 0.0, 1.0, 2.0], 50))
    solution = kn.solve(mean_field(which), start, t1=2.5, saveat=[0.5, 2.0], throw=False)
    assert solution.result == kn.Result.not_finite and "no longer finite" in solution.message


@jax.jit
def tanh_below_a_wall(w, b, wall, start, t1, saved):
    """The result and the particles in the end, after save times at `saved` and 0.7 of the whole."""
    equation = kn.MeanField(kn.SimResNet(w, b, kn.Tanh()), (None, wall))
    saveat = jnp.stack([saved, 0.7 * t1])
    solution = kn.solve(equation, kn.Ensemble(start), t1=t1, saveat=saveat, throw=False)
    return solution.result, solution.final.samples


def test_units_of_particles():
    """Some of them come to the wall."""
    net, start = kn.SimResNet(0.9, -0.4, kn.Tanh()), np.random.default_rng(0).normal(size=50)
    solve = lambda *numbers: tanh_below_a_wall(*map(np.asarray, numbers))
    _, one = solve(0.9, -0.4, 2.5, start, 2.0, 0.5)
    assert 0 < np.sum(np.asarray(one) == 2.5) < 20
    for factor in (1000.0, 1e-3):
        scaled, time = kn.rescale(net, factor)
        w, b = scaled.weight(0.0), scaled.bias(0.0)
        result, same = solve(w, b, 2.5 * factor, factor * start, 2.0 * time, 0.5 * time)
        assert result == kn.Result.successful
        np.testing.assert_allclose(same / factor, one, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, kn.Result.successful),
        ({"wall": 1.5}, kn.Result.bad_initial),
        ({"w": np.nan}, kn.Result.not_finite),
        ({"t1": np.inf}, kn.Result.bad_times),
        ({"t1": -1.0}, kn.Result.bad_times),
        ({"saved": 0.9}, kn.Result.bad_times),
    ],
    ids=["right", "beyond the wall", "no field", "no end", "an end before", "no order"],
)
def test_wrong_values_that_are_traced_become_results(changed, expected):
    numbers = {"w": 1.0, "b": 0.1, "wall": 3.0, "t1": 1.0, "saved": 0.5} | changed
    arguments = {name: np.asarray(value) for name, value in numbers.items()}
    assert tanh_below_a_wall(start=np.linspace(0.0, 2.0, 50), **arguments)[0] == expected


@pytest.mark.slow
def test_gradients_through_particles():
    start = np.random.default_rng(0).normal(size=20)

    @functools.partial(jax.jit, static_argnums=2)
    def loss(w, b, adjoint):
        net = kn.SimResNet(w, b, kn.Tanh())
        return kn.solve(kn.MeanField(net), kn.Ensemble(start), t1=1.0, adjoint=adjoint).final.energy

    reverse = jax.grad(loss, argnums=(0, 1))(0.7, 0.2, kn.CheckpointAdjoint())
    forward = [jax.jvp(lambda w, b: loss(w, b, kn.ForwardMode()), (0.7, 0.2), t)[1] for t in ((1.0, 0.0), (0.0, 1.0))]
    central = [
        (loss(0.7 + h, 0.2 + k, kn.CheckpointAdjoint()) - loss(0.7 - h, 0.2 - k, kn.CheckpointAdjoint())) / 2e-4
        for h, k in ((1e-4, 0), (0, 1e-4))
    ]
    np.testing.assert_allclose(reverse, forward, rtol=1e-9)
    np.testing.assert_allclose(reverse, central, rtol=1e-5)


@functools.partial(jax.jit, static_argnums=1)
def energy_past_walls(b, adjoint):
    """v = 0.7 x + b until t = 1, back again from there: particles reach both walls, and one comes to neither."""
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [0.7, -1.1]), b, kn.Identity())
    start = kn.Ensemble([-0.9, 0.1, 0.5, 0.8])
    return kn.solve(kn.MeanField(net, (-1.0, 1.0)), start, t1=1.5, adjoint=adjoint).final.energy


def difference_past_walls():
    low, high = (energy_past_walls(b, kn.CheckpointAdjoint()) for b in (0.2 - 1e-5, 0.2 + 1e-5))
    return (high - low) / 2e-5


@pytest.mark.slow
def test_the_gradient_past_walls():
    reverse = jax.grad(energy_past_walls)(0.2, kn.CheckpointAdjoint())
    np.testing.assert_allclose(reverse, difference_past_walls(), rtol=1e-5)


@pytest.mark.slow
def test_the_derivative_past_walls_in_forward_mode():
    forward = jax.jacfwd(energy_past_walls)(0.2, kn.ForwardMode())
    np.testing.assert_allclose(forward, difference_past_walls(), rtol=1e-5)


def test_bad_input():
    net = kn.SimResNet(1.0, 0.0, kn.Tanh())
    with pytest.raises(ValueError, match="beyond the wall at 1"):
        kn.solve(kn.MeanField(net, (-1.0, 1.0)), kn.Ensemble([0.0, 1.5]), t1=1.0)
    with pytest.raises(ValueError, match="dimension 1 and the ensemble 2"):
        kn.solve(kn.MeanField(net), kn.Ensemble(np.zeros((3, 2))), t1=1.0)
    plane = kn.SimResNet(np.eye(2), 0.0, kn.Tanh())
    with pytest.raises(ValueError, match="for one dimension"):
        kn.solve(kn.MeanField(plane, (-1.0, 1.0)), kn.Ensemble(np.zeros((3, 2))), t1=1.0)
    for name, value in (("rtol", 0.0), ("atol", -1.0), ("rtol", np.inf), ("atol", np.nan)):
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            kn.Particles(**{name: value})
    with pytest.raises(ValueError, match="rtol must be a number"):
        kn.Particles(rtol=np.array([1e-8, 1e-9]))
    with pytest.raises(TypeError, match=r"did you mean diffrax.Tsit5\(\)"):
        kn.Particles(solver=diffrax.Tsit5)
    with pytest.raises(TypeError, match="error estimate"):
        kn.Particles(solver=diffrax.Euler())
