"""Networks of many layers, whose times may be a rounding apart, against the composition of their exact flow maps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from benchmarks import layered
from tests.closed_forms import flow

# 0.7, 7 * 0.1 and 0.1 added seven times are three numbers.
TENTHS = np.cumsum(np.full(9, 0.1))
START = np.linspace(-1.0, 1.0, 5)


def test_few_networks_of_many_layers_are_their_flow_maps():
    _, count, _, false, missed, error = layered.particles(layered.draw(np.random.default_rng(5), 40, False), False)
    assert (count, false, missed) == (40, 0, 0) and error < 1e-6


@pytest.mark.slow
def test_many_networks_of_many_layers_are_their_flow_maps():
    solvers, gradients = layered.measure(500, 40, seed=1)
    assert solvers.column("false failures") == [0] * 4 and solvers.column("missed blow-ups") == [0] * 4
    assert np.asarray(solvers.column("blow-ups"))[0] > 0
    assert np.max(np.asarray(solvers.column("largest error"), float)) < 1e-6
    assert np.max(np.asarray(gradients.column("largest relative error"), float)) < 1e-6


def two_tables():
    """w in layers that begin at 0, 0.2, 0.5 and 0.7, b in ten that begin at the sums of tenths."""
    w, b = np.array([1.0, -0.7, 0.4, 1.3]), np.linspace(-0.8, 0.9, 10)
    net = kn.SimResNet(
        kn.PiecewiseConstant([0.0, 0.2, 0.5, 0.7], w), kn.PiecewiseConstant([0.0, *TENTHS], b), kn.Tanh()
    )
    return net, w, b


def exact(w, b, tenths, x):
    """After so many tenths."""
    for k in range(tenths):
        x = flow(kn.Tanh(), w[np.searchsorted([2, 5, 7], k, side="right")], b[k], 0.1, x)
    return x


def test_tables_typed_as_decimals_and_multiples_as_save_times_meet():
    """The last save time is a rounding beyond the end, and counts as the end."""
    net, w, b = two_tables()
    saves = 0.1 * np.arange(8)
    assert saves[-1] > 0.7
    solution = kn.solve(kn.MeanField(net), kn.Ensemble(START), t1=0.7, saveat=saves)
    assert solution.ts[-1] == 0.7
    for k in range(8):
        np.testing.assert_allclose(solution[k].samples, exact(w, b, k, START), atol=3e-8)


@pytest.mark.slow
def test_a_flow_ends_a_rounding_beside_a_layer():
    net, w, b = two_tables()
    slopes = []
    for t1 in (0.7, 0.1 * 7, float(TENTHS[6]), float(np.nextafter(0.7, 0))):
        made = kn.Flow(kn.MeanField(net), kn.StandardNormal(), t1=t1)
        np.testing.assert_allclose(
            made.sample(jax.random.key(0), 5),
            exact(w, b, 7, np.asarray(kn.StandardNormal().sample(jax.random.key(0), 5))),
            atol=1e-8,
        )
        slopes.append(made.log_prob(START))
    np.testing.assert_allclose(slopes, np.broadcast_to(slopes[0], (4, 5)), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [kn.Tanh(), kn.Identity()], ids=lambda act: type(act).__name__)
def test_twenty_equal_layers_of_any_values(activation):
    """What a step of the controller leaves before a jump depends on the values."""
    times, rng = np.arange(20) / 20, np.random.default_rng(0)

    @jax.jit
    @jax.vmap
    def ends(w, b):
        net = kn.SimResNet(kn.PiecewiseConstant(times, w), kn.PiecewiseConstant(times, b), activation)
        solution = kn.solve(kn.MeanField(net), kn.Ensemble(START), t1=1.0, throw=False)
        return solution.result == kn.Result.successful, solution.final.samples

    w, b = rng.normal(size=(2, 400, 20))
    ok, found = ends(w, b)
    x = np.broadcast_to(START, (400, 5))
    for k in range(20):
        x = flow(activation, w[:, k, None], b[:, k, None], 0.05, x)
    assert bool(jnp.all(ok))
    np.testing.assert_allclose(found, x, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "adjoint", [kn.CheckpointAdjoint(), kn.TransportAdjoint()], ids=lambda each: type(each).__name__
)
def test_an_ensemble_is_retrained_through_layers_a_rounding_apart(adjoint):
    net, *_ = two_tables()
    target = kn.Ensemble(START / 2)
    loss = kn.WassersteinLoss(target)
    outcome = kn.retrain(
        kn.MeanField(net),
        kn.Ensemble(START),
        loss,
        t1=float(TENTHS[8]),
        optimizer=optax.adam(0.05),
        max_updates=3,
        tolerance=0.0,
        adjoint=adjoint,
    )
    assert np.all(np.isfinite(outcome.history.loss)) and outcome.history.loss[-1] < outcome.history.loss[0]


class Piecewise(eqx.Module):
    """v = speeds[k] between traced breakpoints."""

    breakpoints: jax.Array
    speeds: jax.Array

    def __call__(self, t, x):
        return self.speeds[jnp.searchsorted(self.breakpoints, t, side="right")] * jnp.ones_like(x)


@eqx.filter_jit
def moved(breakpoints, speeds, start, method):
    return kn.solve(kn.MeanField(Piecewise(breakpoints, speeds)), start, t1=2.0, method=method).final.mean


@pytest.mark.slow
@pytest.mark.parametrize("method", [kn.Particles(), kn.FiniteVolume()], ids=lambda each: type(each).__name__)
def test_breakpoints_may_be_traced(method):
    """One program for all of them, in any order with t1."""
    ensemble = isinstance(method, kn.Particles)
    start = kn.Ensemble(START) if ensemble else kn.Density.gaussian(0.0, 0.5, kn.Grid(-6.0, 6.0, 60))
    for breakpoints, mean in (([0.5, 1.0], 0.5 - 1.0 + 2.0), ([1.5, 3.0], 1.5 - 1.0), ([1.0, 1.0 + 1e-16], 1.0 + 2.0)):
        found = moved(jnp.array(breakpoints), jnp.array([1.0, -2.0, 2.0]), start, method)
        # What the scheme does on 60 cells; another layer would be off by a half.
        np.testing.assert_allclose(found, mean, atol=1e-9 if ensemble else 1e-3)


def test_in_float32_layers_do_no_harm():
    net, w, b = two_tables()
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32), net)
    solution = kn.solve(kn.MeanField(single), kn.Ensemble(START.astype(np.float32)), t1=np.float32(0.9))
    assert solution.final.samples.dtype == np.float32
    np.testing.assert_allclose(solution.final.samples, exact(w, b, 9, START), atol=1e-5)
