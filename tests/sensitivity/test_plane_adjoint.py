"""Derivatives of finite-volume solves in two dimensions."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import kinetic_nde as kn
from kinetic_nde.sensitivity.plane_headwind import plane_carried_change, plane_headwind
from kinetic_nde.sensitivity.plane_pairing import plane_pair, plane_speeds
from tests.closed_forms import order
from tests.sensitivity.adjoint_cases import ADJOINTS, apart, around, central

COUPLED = kn.SimResNet(np.array([[-0.5, 1.4], [1.0, 0.3]]), np.array([0.2, -0.1]), kn.Tanh())


class Uneven(eqx.Module):
    """Noise of another strength along each axis, that along x from place to place."""

    strength: jax.Array

    def __call__(self, x):
        return self.strength * jnp.stack([1.0 + 0.1 * x[0] * jnp.sin(x[1]), jnp.full_like(x[0], 0.5)])


NOISY = kn.FokkerPlanck(COUPLED, 0.7, Uneven(jnp.array([1.0, 0.8])))


def grid(cells, reach=5.0):
    return kn.Grid((-reach, -reach), (reach, reach), (cells, cells))


def loss_of(cells, adjoint: kn.CheckpointAdjoint | kn.TransportAdjoint = kn.CheckpointAdjoint()):
    """1/2 int int |g(0.7) - h|^2 as a function of an equation."""
    start = kn.Density.gaussian((0.5, 1.0), (0.6, 0.5), grid(cells))
    loss = kn.L2Loss(kn.Density.gaussian((0.3, 0.2), (0.7, 0.6), grid(cells)))
    return lambda law: loss(kn.solve(law, start, t1=0.7, adjoint=adjoint).final)


def gradient(law, cells, adjoint):
    return ravel_pytree(jax.grad(loss_of(cells, adjoint))(law))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "count"),
    [(kn.MeanField(COUPLED), 6), (NOISY, 9)],
    ids=["mean field", "noise"],
)
def test_the_gradient_is_near_the_differences(law, count):
    """In all numbers, with noise those of nu and K too, by one program."""
    numbers, law_of = ravel_pytree(law)
    loss = loss_of(24, kn.TransportAdjoint())
    both = jax.jit(jax.value_and_grad(lambda numbers: loss(law_of(numbers))))
    numbers, h = np.asarray(numbers), 1e-3
    slope, differences = both(numbers)[1], central([both(each)[0] for each in around(numbers, h)], h)
    assert slope.size == count and apart(slope, differences) < (0.05 if law is NOISY else 0.15), (slope, differences)


@pytest.mark.slow
def test_gradients_with_respect_to_all_six_parameters():
    """Autodiff of the scheme, forward mode, differences and the adjoint equation, in one table."""
    table = kn.check_gradient(lambda net: loss_of(36)(kn.MeanField(net)), COUPLED)
    print(table)
    assert table.taylor_rates["CheckpointAdjoint"] > 1.9
    assert table.differences["ForwardMode"] < 1e-12
    assert table.differences["central differences"] < 1e-6
    # That is an error of its own, which falls with the width of a cell: the next test.
    assert table.differences["TransportAdjoint"] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("law", "cells"), [(kn.MeanField(COUPLED), [32, 64]), (NOISY, [24, 48])], ids=["", "noise"])
def test_the_two_adjoints_come_together(law, cells):
    """With noise in nu and in K too, nine numbers."""
    distances = []
    for n in cells:
        both = [gradient(law, n, adjoint) for adjoint in ADJOINTS.values()]
        assert both[0].size == (6 if law is not NOISY else 9)
        distances.append(np.max(np.abs(both[0] - both[1])))
    assert order(cells, distances) > 2, distances


def lifted(law: Any, axis: int) -> Any:
    """A law on a line as one in the plane, in which nothing happens along the other axis."""
    net = law.field
    weight = jnp.zeros((2, 2)).at[axis, axis].set(1.0)
    field = kn.SimResNet(
        jax.tree.map(lambda w: jnp.einsum("...,ij->...ij", w, weight), net.weight),
        jax.tree.map(lambda b: jnp.einsum("...,i->...i", b, weight[axis]), net.bias),
        net.activation,
    )
    pairs: Any = [(None, None), (None, None)]
    pairs[axis] = law.walls
    if isinstance(law, kn.MeanField):
        return kn.MeanField(field, walls=tuple(pairs))
    return kn.FokkerPlanck(field, nu=law.nu, diffusion=Single(law.diffusion, axis), walls=tuple(pairs))


class Single(eqx.Module):
    """That of a line, along one axis of the plane."""

    line: kn.ConstantDiffusion
    axis: int

    def __call__(self, x):
        return jnp.zeros_like(x).at[self.axis].set(self.line(x[self.axis]))


TURNING = kn.SimResNet(kn.Interpolated([0.0, 1.0], [1.3, -1.0]), 0.3, kn.Tanh())
OUTWARDS = kn.SimResNet(1.3, 0.3, kn.Tanh())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "axis"),
    [
        (kn.MeanField(OUTWARDS, walls=(-2.0, 2.0)), 0),
        (kn.MeanField(TURNING, walls=(-2.0, None)), 1),
        (kn.FokkerPlanck(OUTWARDS, nu=0.6, walls=(None, 2.0)), 1),
    ],
    ids=["walls", "open end, in time", "noise"],
)
def test_a_plane_in_which_one_axis_is_idle_is_a_line(law, axis):
    """Values, and gradients by the adjoint equation, at walls where mass piles up, at open ends, with noise, with fields
    that change in time: as in one dimension."""
    line = kn.Grid(-2.0, 2.0, 60)
    box = kn.Grid((-2.0, 0.0), (2.0, 1.0), (60, 4)) if axis == 0 else kn.Grid((0.0, -2.0), (1.0, 2.0), (4, 60))
    start = kn.Density.gaussian(0.2, 0.4, line)
    flat = kn.Density(box, jnp.broadcast_to(jnp.expand_dims(start.values, 1 - axis), box.shape))
    measure = lambda values: (line.width * jnp.sum(jnp.sin(line.centers + 0.3) * values)) ** 2

    def on_line(law):
        return measure(kn.solve(law, start, t1=1.0, adjoint=kn.TransportAdjoint()).final.values)

    def on_plane(law):
        final = kn.solve(lifted(law, axis), flat, t1=1.0, adjoint=kn.TransportAdjoint()).final
        return measure(jnp.mean(final.values, axis=1 - axis))

    (value, slopes), (flat_value, flat_slopes) = (jax.value_and_grad(each)(law) for each in (on_line, on_plane))
    slopes, flat_slopes = ravel_pytree(slopes)[0], ravel_pytree(flat_slopes)[0]
    print(f"{value:.6f} {flat_value:.6f}; {slopes} {flat_slopes}")
    # But for the height from which a jump counts as steep, and with noise for the start, which a line prepares.
    apart = 1e-2 if isinstance(law, kn.FokkerPlanck) else 1e-4
    assert flat_value == pytest.approx(float(value), rel=0.1 * apart)
    np.testing.assert_allclose(flat_slopes, slopes, rtol=apart, atol=0.1 * apart * np.max(np.abs(slopes)))


@pytest.mark.slow
def test_retraining_towards_a_target():
    """Algorithm 1 finds the bias that carries one Gaussian onto another."""
    still = kn.SimResNet(np.zeros((2, 2)), np.zeros(2), kn.Identity())
    start, target = (kn.Density.gaussian(mean, 0.8, grid(24)) for mean in ((-0.5, 0.3), (0.5, -0.2)))
    found = kn.retrain(
        kn.MeanField(still),
        start,
        kn.L2Loss(target),
        t1=1.0,
        optimizer=optax.adam(0.1),
        max_updates=100,
        tolerance=1e-5,
    )
    final = kn.solve(found.equation, start, t1=1.0).final
    np.testing.assert_allclose(final.mean, target.mean, atol=0.02)
    assert float(found.history.loss[-1]) < 1e-3 * float(found.history.loss[0])


@pytest.mark.parametrize(
    "cells", [[16, 32], pytest.param([24, 48, 96], marks=pytest.mark.slow)], ids=["two grids", "three grids"]
)
def test_what_carries_and_pairs_the_adjoint_is_of_third_order(cells):
    """dt times the averages of v . grad lambda, and int int g v . grad lambda, for a v of which each component changes along
    the edges that it crosses, against quadrature."""
    law, now = kn.MeanField(COUPLED), jnp.asarray(0.0)
    averages_of = lambda function, box: kn.Density.from_function(function, box).values
    lam = lambda x: jnp.sin(x[0] + 0.3) * jnp.cos(0.7 * x[1]) + 0.2 * x[0] * x[1]
    g = lambda x: jnp.exp(-0.5 * jnp.sum((x - jnp.array([0.3, -0.2])) ** 2 / jnp.array([0.5, 0.7])))
    carried = lambda x: jnp.dot(COUPLED(0.0, x), jax.grad(lam)(x))

    @jax.jit
    def found(box):
        adjoint, averages = (averages_of(each, box) for each in (lam, g))
        beyond = jnp.zeros((2, adjoint.shape[1])), jnp.zeros((2, adjoint.shape[0]))
        wind = plane_headwind(law, box, now, beyond, None)
        change = plane_carried_change(kn.CWENO3(), now == 0, adjoint, wind, jnp.asarray(1.0))
        weights = plane_pair(kn.CWENO3(), now == 0, averages, adjoint, wind, beyond)
        # Beside an open end, where what comes in is another lambda, differences are one-sided: the inner cells only.
        off = jnp.mean(jnp.abs((change - averages_of(carried, box))[2:-2, 2:-2]))
        product = jnp.sum(averages_of(lambda x: g(x) * carried(x), box))
        return off, box.volume * jnp.abs(jnp.sum(weights.inside * plane_speeds(law, box, now).inside) - product)

    off_carried, off_paired = np.array([found(grid(n, 2.0)) for n in cells]).T
    orders = order(cells, off_carried), order(cells, off_paired)
    print(
        f"carried: off by {off_carried}, order {orders[0]:.2f}; paired: off by {off_paired}, order {orders[1]:.2f} (target 2.7)"
    )
    assert 2.7 < orders[0] < 4 and 2.7 < orders[1] < 4.5
