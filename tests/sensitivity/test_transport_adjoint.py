"""The adjoint equation of the mean field against closed forms, against autodiff, and in every way it can be called."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from tests.closed_forms import order
from tests.sensitivity.adjoint_cases import (
    ADJOINTS,
    CELLS,
    apart,
    around,
    central,
    knots_and_layers,
    layers,
    two_times,
)


def closed_form(p, m, s, n, r):
    """1/2 int (g - h)^2 for g0 = N(m, s^2) carried by dx/dt = w x + b to t = 1 and h = N(n, r^2)."""
    w, b = p
    growth = jnp.exp(w)
    mean, std = growth * m + b * (growth - 1) / w, growth * s

    def overlap(distance, variance):
        return jnp.exp(-(distance**2) / (2 * variance)) / jnp.sqrt(2 * jnp.pi * variance)

    return 0.5 * (overlap(0.0, 2 * std**2) + overlap(0.0, 2 * r**2)) - overlap(mean - n, std**2 + r**2)


@functools.cache
def gradient(cells, adjoint):
    """That of the closed form's problem, compiled once for all numbers."""
    grid = kn.Grid(-8.0, 8.0, cells)

    def loss(p, m, s, n, r):
        start, target = kn.Density.gaussian(m, s, grid), kn.Density.gaussian(n, r, grid)
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Identity()))
        return kn.L2Loss(target)(kn.solve(equation, start, t1=1.0, adjoint=ADJOINTS[adjoint]).final)

    return jax.jit(jax.value_and_grad(loss))


# What both are compared with, compiled once as well.
exact_gradient = jax.jit(jax.value_and_grad(closed_form))
PRINTED = (-1.0, 0.3, 1.0, 1.0, 2.0, 0.5)
RANDOM = [
    tuple(np.random.default_rng(seed).uniform([w, -0.5, -0.5, 0.8, -1.5, 0.6], [w + 0.4, 0.5, 0.5, 1.0, 1.5, 1.2]))
    for seed, w in enumerate((-1.0, -0.7, -0.4, 0.1, 0.3))
]


def test_the_closed_form_is_the_printed_one():
    value, slope = exact_gradient(np.array(PRINTED[:2]), *map(np.float64, PRINTED[2:]))
    np.testing.assert_allclose(value, 0.622307371, rtol=1e-9)
    np.testing.assert_allclose(slope, [-0.522456235, -0.102210526], rtol=1e-8)


@pytest.mark.parametrize(
    ("adjoint", "cells", "largest"),
    [
        # One grid, as each program takes long; the orders of what it is made of are in test_adjoint_pieces.py.
        ("transport", (200,), 3e-3),
        pytest.param("transport", CELLS, 4e-4, marks=pytest.mark.slow),
        pytest.param("checkpoint", CELLS, 4e-4, marks=pytest.mark.slow),
    ],
    ids=["one grid", "transport", "checkpoint"],
)
@pytest.mark.parametrize("case", [PRINTED, *RANDOM], ids=["printed", *map(str, range(5))])
def test_the_gradient_converges_to_the_closed_form_with_third_order(case, adjoint, cells, largest):
    # Of NumPy all: a Python float, also one in jnp.array, would compile everything again.
    p, numbers = np.array(case[:2]), [np.float64(number) for number in case[2:]]
    exact = np.asarray(exact_gradient(p, *numbers)[1])
    errors = [apart(gradient(n, adjoint)(p, *numbers)[1], exact) for n in cells]
    assert len(cells) == 1 or order(cells, errors) >= 2.7, errors
    assert errors[-1] <= largest, errors
    if case == PRINTED:
        np.testing.assert_allclose(gradient(cells[-1], adjoint)(p, *numbers)[1], exact, rtol=largest)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bias", "saveat"),
    [
        (lambda p: p[0], (1.0,)),
        (lambda p: kn.PiecewiseConstant([0.0, 0.4], p), (0.4, 1.0)),
    ],
    ids=["knots", "knots and layers"],
)
def test_a_batch_that_changes_in_time_with_few_checkpoints_against_differences(bias, saveat):
    """The parameters, one per layer or knot, and the initial averages; the members of the batch are each other's
    differences."""
    net = lambda p: kn.SimResNet(kn.Interpolated([0.0, 1.0], p[:2]), bias(p[2:]), kn.Tanh())
    loss, averages = two_times(net, 60, kn.TransportAdjoint(checkpoints=3), saveat=saveat)
    p, averages, h = np.array([-1.0, 1.5, 0.3, -0.2]), np.asarray(averages), 1e-3
    # A direction without mass: the unit of the reconstruction is a constant for differentiation.
    direction = np.sin(np.linspace(-8.0, 8.0, 60)) * averages
    direction = direction - averages * np.sum(direction) / np.sum(averages)
    points = np.concatenate([p[None], around(p, h), p[None], p[None]])
    starts = averages + h * direction * np.array([0.0] * 9 + [1.0, -1.0])[:, None]
    values, (slopes, of_starts) = jax.jit(jax.vmap(jax.value_and_grad(loss, argnums=(0, 1))))(points, starts)
    assert apart(slopes[0], central(values[1:9], h)) < 1e-2
    np.testing.assert_allclose(0.5 * (slopes[1:5] + slopes[5:9]), np.tile(slopes[0], (4, 1)), atol=1e-3)
    np.testing.assert_allclose(of_starts[0] @ direction, central(values[9:], h)[0], rtol=1e-2)


@pytest.mark.slow
def test_the_adjoints_converge_to_each_other():
    """The parameters, one per layer or knot, and the initial averages."""
    differences, p = [], jnp.array([-1.0, 1.5, 0.7, 0.3, -0.2])
    for cells in CELLS:
        slopes = []
        for adjoint in ADJOINTS.values():
            loss, averages = two_times(knots_and_layers, cells, adjoint)
            slopes.append(jax.jit(jax.grad(loss, argnums=(0, 1)))(p, averages))
        (first, first_start), (second, second_start) = slopes
        scale = np.max(np.abs(second_start))
        differences.append(
            [
                np.linalg.norm(first - second) / np.linalg.norm(second),
                np.linalg.norm(first_start - second_start) / scale / np.sqrt(cells),
            ]
        )
    orders = [order(CELLS, errors) for errors in np.transpose(differences)]
    assert orders[0] >= 2.6 and orders[1] >= 1.8, (orders, differences)
    assert differences[-1][0] < 3e-4


@pytest.mark.slow
def test_few_checkpoints_change_nothing():
    slopes, p = [], jnp.array([-1.0, 0.8, 0.7, 0.3])
    for adjoint in (kn.TransportAdjoint(), kn.TransportAdjoint(checkpoints=3)):
        loss, averages = two_times(layers, 60, adjoint, (-8.0, 8.0))
        slopes.append(jax.jit(jax.grad(loss, argnums=(0, 1)))(p, averages))
    for few, many in zip(slopes[1], slopes[0], strict=True):
        np.testing.assert_allclose(few, many, rtol=1e-10, atol=1e-14)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_steps():
    def bytes_for(initial, method, **options):
        def loss(p):
            equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()))
            adjoint = kn.TransportAdjoint()
            return kn.solve(equation, initial, t1=1.0, method=method, adjoint=adjoint, **options).final.mean

        lowered = jax.jit(jax.grad(loss)).lower(jnp.array([-1.0, 0.3]))
        analysis = lowered.compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 100))
    few, many = (bytes_for(density, kn.FiniteVolume(steps=steps)) for steps in (300, 30_000))
    assert many < 1.5 * few
    # Particles store no more positions however long it takes them: three arrays for each of 64, and a dozen for the rates of
    # change at t0 and t1.
    samples = kn.Ensemble(np.linspace(-1.0, 1.0, 500))
    assert bytes_for(samples, kn.Particles()) < (3 * 64 + 16) * samples.samples.nbytes


@pytest.mark.slow
def test_under_jit_vmap_and_in_an_optax_loop():
    def slope(p):
        loss, averages = two_times(layers, 40, kn.TransportAdjoint())
        return jax.value_and_grad(loss)(p, averages)

    points = jnp.array(np.random.default_rng(0).uniform(-1.5, 1.5, (64, 4)))
    one = jax.jit(slope)
    values, slopes = jax.jit(jax.vmap(slope))(points)
    for k in (0, 17, 63):
        value, gradient = one(points[k])
        np.testing.assert_allclose(values[k], value, rtol=1e-11)
        np.testing.assert_allclose(slopes[k], gradient, rtol=1e-9, atol=1e-12)

    optimiser = optax.adam(0.05)

    @jax.jit
    def update(p, state):
        value, gradient = slope(p)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimiser.update(gradient, state)
            return optax.apply_updates(p, updates), state, value

    p, state, by_hand = points[0], optimiser.init(points[0]), points[0]
    moment = np.zeros(4), np.zeros(4)
    for k in range(1, 4):
        p, state, _ = update(p, state)
        gradient = np.asarray(one(by_hand)[1])
        moment = 0.9 * moment[0] + 0.1 * gradient, 0.999 * moment[1] + 0.001 * gradient**2
        step = moment[0] / (1 - 0.9**k) / (np.sqrt(moment[1] / (1 - 0.999**k)) + 1e-8)
        by_hand = by_hand - 0.05 * step
    np.testing.assert_allclose(p, by_hand, rtol=1e-9)
    assert getattr(update, "_cache_size")() == 1  # noqa: B009


@pytest.mark.slow
def test_float32_and_a_loss_that_does_not_move():
    grid = kn.Grid(np.float32(-4.0), np.float32(4.0), 50)
    start = kn.Density.dirac(np.float32(0.3), grid)

    def loss(net, factor):
        solution = kn.solve(kn.MeanField(net), start, t1=1.0, adjoint=kn.TransportAdjoint())
        return factor * jnp.sum(solution.final.values**2)

    net = kn.SimResNet(np.float32(-1.0), np.float32(0.2), kn.Tanh())
    slope = eqx.filter_jit(eqx.filter_grad(loss))
    for factor in (np.float32(1.0), np.float32(0.0)):
        found = jax.tree.leaves(slope(net, factor))
        assert all(leaf.dtype == np.float32 and np.isfinite(leaf) for leaf in found)
        assert factor or all(leaf == 0 for leaf in found)


def test_what_it_is_not_for():
    grid = kn.Grid(-4.0, 4.0, 40)
    equation = kn.MeanField(kn.SimResNet(-1.0, 0.2, kn.Tanh()))
    with pytest.raises(TypeError, match="TransportAdjoint is for FiniteVolume and Particles"):
        kn.solve(
            equation,
            kn.Density.gaussian(0.0, 1.0, grid),
            t1=1.0,
            method=kn.Characteristics(),
            adjoint=kn.TransportAdjoint(),
        )
    with pytest.raises(ValueError, match="at least 2"):
        kn.TransportAdjoint(checkpoints=1)
