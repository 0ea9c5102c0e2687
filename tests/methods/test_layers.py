"""The discrete network, and what every method does with parameters that jump."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from tests.closed_forms import order


def test_layers_are_forward_euler_to_round_off():
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(7, 3, 3)), rng.normal(size=(7, 3)), rng.normal(size=(20, 3))
    times = np.arange(7) / 7
    net = kn.SimResNet(kn.PiecewiseConstant(times, w), kn.PiecewiseConstant(times, b), kn.Tanh())
    solution = kn.solve(kn.MeanField(net), kn.Ensemble(x), t1=1.0, method=kn.Layers(7), saveat=[0.5 / 7, 3 / 7, 1.0])
    states = [x]
    for layer in range(7):
        states.append(states[-1] + np.tanh(states[-1] @ w[layer].T + b[layer]) / 7)
    np.testing.assert_allclose(solution.final.samples, states[-1], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(solution[0].samples, (states[0] + states[1]) / 2, rtol=1e-12)
    np.testing.assert_allclose(solution[1].samples, states[3], rtol=1e-12, atol=1e-13)


class Wave(eqx.Module):
    """cos 3t."""

    def __call__(self, t):
        return jnp.cos(3 * t)


@pytest.mark.parametrize("counts", [(20, 40, 80), pytest.param((20, 40, 80, 160), marks=pytest.mark.slow)], ids=len)
def test_layers_converge_at_first_order_to_the_neural_ode(counts):
    equation, x = kn.MeanField(kn.SimResNet(Wave(), 0.3, kn.Tanh())), np.linspace(-1, 1, 11)
    exact = solve_ivp(lambda t, x: np.tanh(np.cos(3 * t) * x + 0.3), (0, 1), x, rtol=1e-10, atol=1e-12).y[:, -1]
    solve = lambda count: kn.solve(equation, kn.Ensemble(x), t1=1.0, method=kn.Layers(count)).final.samples
    assert 0.9 < order(counts, [np.max(np.abs(np.asarray(solve(count)) - exact)) for count in counts]) < 1.1


@pytest.mark.slow
def test_layers_and_particles_come_together():
    equation, start = kn.MeanField(kn.SimResNet(Wave(), 0.3, kn.Tanh())), kn.Ensemble(np.linspace(-1, 1, 11))
    exact = kn.solve(equation, start, t1=1.0).final.samples
    counts = [20, 40, 80, 160]
    errors = [
        float(jnp.max(jnp.abs(kn.solve(equation, start, t1=1.0, method=kn.Layers(n)).final.samples - exact)))
        for n in counts
    ]
    assert 0.9 < order(counts, errors) < 1.1


def test_layers_stop_at_walls_and_leave_them():
    """Four layers of length 1/2: x + x / 2 twice, clipped to [-1, 1], then x - x / 2 twice."""
    net = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [1.0, -1.0]), 0.0, kn.Identity())
    x = np.array([-0.9, -0.2, 0.0, 0.5, 1.0])
    solution = kn.solve(
        kn.MeanField(net, (-1.0, 1.0)), kn.Ensemble(x), t1=2.0, method=kn.Layers(4), saveat=[0.25, 0.5, 1.0, 1.5, 2.0]
    )
    first = np.clip(1.5 * x, -1, 1)
    second = np.clip(1.5 * first, -1, 1)
    exact = [(x + first) / 2, first, second, second / 2, second / 4]
    np.testing.assert_allclose(solution.distributions.samples, exact, rtol=1e-14)


def test_layers_that_no_step_would_take_are_named():
    """Six layers; four steps have their middles in the first, third, fourth and sixth."""
    net = kn.SimResNet(kn.PiecewiseConstant(0.5 * np.arange(6), np.ones(6)), 0.1, kn.Tanh())
    solve = lambda t1, **options: kn.solve(kn.MeanField(net), kn.Ensemble([1.0]), t1=t1, method=kn.Layers(4), **options)
    with pytest.raises(ValueError, match=r"Layers\(4\) would leave out layers 1, 4 of 0 to 5"):
        solve(3.0)
    result = jax.jit(lambda t1: solve(t1, throw=False).result)
    assert result(3.0) == kn.Result.layers_skipped
    # Up to 2 only four of them have a part; 0.5 added up is what it should be to rounding.
    assert result(2.0) == kn.Result.successful and result(2.0 + 4e-16) == kn.Result.successful


def test_layers_are_differentiated_in_float32_too():
    def energy(w):
        net = kn.SimResNet(w, w / 3, kn.Tanh())
        start = kn.Ensemble(jnp.asarray([-1.0, 0.2, 0.7], w.dtype))
        return kn.solve(kn.MeanField(net, (-1.0, 1.0)), start, t1=1.0, method=kn.Layers(8)).final.energy

    single, double = (jax.jit(jax.grad(energy))(jnp.asarray(0.8, dtype)) for dtype in (jnp.float32, jnp.float64))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, double, rtol=1e-5)
    value = jax.jit(energy)
    np.testing.assert_allclose(double, (value(np.array(0.8 + 1e-6)) - value(np.array(0.8 - 1e-6))) / 2e-6, rtol=1e-6)


class Jumping(eqx.Module):
    """A parameter of the user's own that jumps at 0.6."""

    values: jax.Array
    breakpoints = (0.6,)

    def __call__(self, t):
        return jnp.where(t < 0.6, self.values[0], self.values[1])


class Holding(eqx.Module):
    """A parameter of the user's own that asks another."""

    table: kn.PiecewiseConstant

    def __call__(self, t):
        return self.table(t)


class JumpingField(eqx.Module):
    """A field of the user's own that jumps at 0.6."""

    values: jax.Array
    breakpoints = (0.6,)

    def __call__(self, t, x):
        return jnp.tanh(jnp.where(t < 0.6, self.values[0], self.values[1]) * (x + 1))


VALUES = jnp.array([1.2, -1.5])
TABLE = kn.PiecewiseConstant([0.0, 0.6], VALUES)
OWN = [kn.SimResNet(Jumping(VALUES), Holding(TABLE), kn.Tanh()), JumpingField(VALUES)]


def test_layers_never_ask_for_what_jumps_on_the_far_side():
    """A module or a field of the user's own gives what the table of the same values gives. The third layer starts at
    0.2 + 0.2 + 0.2 > 0.6."""
    start = kn.Ensemble(np.linspace(-1, 1, 5))
    solve = lambda field: kn.solve(kn.MeanField(field), start, t1=1.0, method=kn.Layers(5)).final.samples
    expected = solve(kn.SimResNet(TABLE, TABLE, kn.Tanh()))
    for field in OWN:
        np.testing.assert_allclose(solve(field), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.slow
def test_what_jumps_is_never_asked_on_the_far_side():
    """A module or a field of the user's own gives what the table of the same values gives, whatever the method."""
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-4.0, 4.0, 40))
    ensemble = kn.Ensemble(np.linspace(-1, 1, 5))

    def everything(field):
        equation = kn.MeanField(field)
        return [
            kn.solve(equation, density, t1=1.0, method=kn.FiniteVolume(steps=8)).final.values,
            kn.solve(equation, density, t1=1.0, method=kn.Characteristics()).final.values,
            # The third layer starts at 0.2 + 0.2 + 0.2 > 0.6.
            kn.solve(equation, ensemble, t1=1.0, method=kn.Layers(5)).final.samples,
            kn.Flow(equation, kn.StandardNormal(), t1=1.0).log_prob(ensemble.samples),
        ]

    expected = everything(kn.SimResNet(TABLE, TABLE, kn.Tanh()))
    for field in OWN:
        for one, other in zip(everything(field), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)


def test_bad_input():
    for count in (0, -1):
        with pytest.raises(ValueError, match="count"):
            kn.Layers(count)
    with pytest.raises(TypeError, match="count must be an integer"):
        kn.Layers(2.5)
    equation, start = kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh())), kn.Ensemble([0.0, 1.0])
    with pytest.raises(ValueError, match=r"Layers\(5\) takes 5 steps: max_steps=4"):
        kn.solve(equation, start, t1=1.0, method=kn.Layers(5), max_steps=4)
    assert int(kn.solve(equation, start, t1=1.0, method=kn.Layers(5), max_steps=5).stats["steps"]) == 5
