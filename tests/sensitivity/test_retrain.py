"""Retraining: Algorithm 1 by hand, optimisers with and without line search, how it ends, going
on, bad input."""

import inspect
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity import retrain as module
from kinetic_nde.sensitivity.retrain import retrain
from kinetic_nde.sensitivity.retraining import Outcome

START = kn.Ensemble(np.linspace(0.0, 2.0, 5))
NET = kn.SimResNet(-1.0, 1.0, kn.Identity())
EQUATION = kn.MeanField(NET)
METHOD = kn.Layers(20)


def loss(final):
    return 0.5 * (final.mean - 2) ** 2


def run(equation=EQUATION, initial=START, loss=loss, function=retrain, **options):
    options = {"t1": 1.0, "optimizer": optax.sgd(0.5), "max_updates": 3, "tolerance": 0.0} | options
    # Discrete layers compile fastest.
    options = {"adjoint": kn.CheckpointAdjoint(), "method": METHOD} | options
    return function(equation, initial, loss, **options)


# The loop


def test_algorithm_1_by_hand():
    end = 2.0
    done = run(t1=end, max_updates=3)
    slopes = jax.value_and_grad(lambda net: loss(kn.solve(kn.MeanField(net), START, t1=end, method=METHOD).final))
    net = NET
    for k in range(4):
        value, slope = slopes(net)
        np.testing.assert_allclose(done.history.loss[k], value, rtol=1e-12)
        np.testing.assert_allclose(done.history.vectors[k], jax.tree.leaves(net), rtol=1e-12)
        norm = np.linalg.norm(jax.tree.leaves(slope)) / np.sqrt(end)
        np.testing.assert_allclose(done.history.gradient_norm[k], norm, rtol=1e-12)
        net = jax.tree.map(lambda theta, d: theta - 0.5 * d / end, net, slope)
    np.testing.assert_allclose(done.history.change[1:], np.abs(np.diff(done.history.vectors, axis=0)).sum(1))
    assert np.isnan(done.history.change[0]) and len(done.history) == 4
    assert done.history.names == ["weight", "bias"]
    assert done.result == Outcome.max_updates_reached and "resume=" in done.message
    assert float(done.equation.field.bias.value) == done.history.vectors[-1, 1]
    assert float(done.at(1).field.weight.value) == done.history.vectors[1, 0]
    means = jax.vmap(lambda net: kn.solve(kn.MeanField(net), START, t1=end, method=METHOD).final.mean)(
        done.history.parameters
    )
    np.testing.assert_allclose(0.5 * (means - 2) ** 2, done.history.loss, rtol=1e-10)
    with pytest.raises(IndexError, match="4 rows"):
        done.at(4)


def test_figure_8_for_a_point_mass():
    """w = -1, b = 1, T = 5 makes a point mass at m, of which the smoothed L2 loss with bandwidth s = 0.7 and a target at 2 is
    (1 - e^{-(m - 2)^2 / 4 s^2}) / (2 s sqrt(pi)); gamma = 2."""
    done = run(
        loss=lambda final: (1 - jnp.exp(-((final.mean - 2) ** 2) / 1.96)) / (1.4 * jnp.sqrt(jnp.pi)),
        method=None,
        t1=5.0,
        optimizer=optax.sgd(2.0),
    )
    means = [float(kn.solve(done.at(row), START, t1=5.0).final.mean) for row in range(4)]
    np.testing.assert_allclose(means, [1.0, 1.215, 1.535, 1.950], atol=0.002)


def test_it_stops_when_the_change_is_below_the_tolerance():
    done = run(max_updates=50, tolerance=0.02)
    assert done.result == Outcome.successful and done.message == ""
    assert np.all(done.history.change[1:-1] >= 0.02) and done.history.change[-1] < 0.02
    assert done.best == len(done.history) - 1


LAYERS = kn.MeanField(kn.SimResNet(-1.0, kn.PiecewiseConstant([0.0, 0.02, 0.5], [1.0, 1.0, 1.0]), kn.Identity()))


@pytest.mark.parametrize("equation", [EQUATION, LAYERS], ids=["constant", "layers"])
def test_a_line_search_sees_the_true_slope(equation):
    """In the metric the layers' slopes are up to 50 times larger: a search that took those for the slope of the loss would
    ask for a decrease that no step can give."""
    search = optax.chain(optax.sgd(20.0), optax.scale_by_backtracking_linesearch(15, slope_rtol=0.3))
    done = run(equation, optimizer=search, max_updates=8)
    assert np.all(np.diff(done.history.loss) < 0) and done.history.loss[-1] < 0.01 * done.history.loss[0]


def test_quasi_newton():
    constant = run(optimizer=optax.lbfgs(), max_updates=25, loss=both)
    assert constant.history.loss[-1] < 1e-8
    # Layers of different lengths, and a weight that is constant: the curvature needs one metric.
    mixed, euclidean = (
        run(LAYERS, optimizer=optax.lbfgs(), max_updates=25, loss=both, l2_metric=metric) for metric in (True, False)
    )
    assert euclidean.history.loss[-1] < 1e-12 < 1e-6 < mixed.history.loss[-1] < 1e-4


def both(final):
    return 0.5 * (final.mean - 2) ** 2 + 0.5 * (final.energy - 4.2) ** 2


def test_a_second_call_compiles_nothing():
    calls = []

    def counted(final):
        calls.append(1)
        return loss(final)

    optimizer = optax.adam(0.1)
    run(loss=counted, optimizer=optimizer)
    # Once with known values, once where the loss and its gradient are compiled.
    assert len(calls) == 2
    run(kn.MeanField(kn.SimResNet(2, 0.1, kn.Identity())), loss=counted, optimizer=optimizer, t1=2, t0=0.5)
    assert len(calls) == 3
    # A line search evaluates the loss where an update is compiled; in further updates nothing is.
    search = optax.chain(optax.adam(0.1), optax.scale_by_backtracking_linesearch(5))
    calls.clear()
    run(loss=counted, optimizer=search, max_updates=1)
    first = len(calls)
    run(loss=counted, optimizer=search, max_updates=4)
    assert len(calls) == first + 1


def test_only_arrays_of_the_field_are_trained():
    class Wind(eqx.Module):
        strength: jax.Array
        power: float

        def __call__(self, t, x):
            return self.strength * (1 - x) - self.power * x

    walls = (-3.0, 3.0)
    density = kn.Density.gaussian(0.3, 0.4, kn.Grid(-3.0, 3.0, 60))
    done = run(kn.MeanField(Wind(jnp.array(0.2), 0.1), walls), density, method=None, optimizer=optax.adam(0.1))
    assert done.equation.field.power == 0.1 and done.equation.walls == kn.MeanField(NET, walls).walls
    assert done.history.names == ["strength"] and done.history.vectors[-1, 0] > 0.2
    assert np.all(np.diff(done.history.loss) < 0)
    time = kn.SimResNet(lambda t: -1.0 + 0 * t, 0.3, kn.Identity())
    assert run(kn.MeanField(time), max_updates=1).history.names == ["bias"]


def test_forward_mode_gives_the_same():
    """Also to a line search that asks for gradients."""
    for optimizer in (optax.sgd(0.5), optax.lbfgs()):
        forward, reverse = (
            run(adjoint=adjoint, optimizer=optimizer, max_updates=2)
            for adjoint in (kn.ForwardMode(), kn.CheckpointAdjoint())
        )
        np.testing.assert_allclose(forward.history.vectors, reverse.history.vectors, rtol=1e-8)


def test_the_defaults_on_a_density():
    grid = kn.Grid(-6.0, 6.0, 60)
    start, loss = kn.Density.gaussian(0.5, 1.0, grid), kn.CramerLoss(kn.Density.gaussian(1.0, 0.7, grid))
    done = retrain(kn.MeanField(NET), start, loss, t1=1.0, optimizer=optax.sgd(0.5), max_updates=2, tolerance=0.0)

    @jax.jit
    def slopes(net):
        solved = lambda net: kn.solve(kn.MeanField(net), start, t1=1.0, adjoint=kn.TransportAdjoint()).final
        return jax.value_and_grad(lambda net: loss(solved(net)))(net)

    net = NET
    for k in range(3):
        value, slope = slopes(net)
        np.testing.assert_allclose(done.history.loss[k], value, rtol=1e-12)
        np.testing.assert_allclose(done.history.vectors[k], jax.tree.leaves(net), rtol=1e-12)
        net = jax.tree.map(lambda theta, d: theta - 0.5 * d, net, slope)
    # Known before any update.
    elsewhere = kn.Grid(-6.0, 6.0, 61)
    for target, message in (
        (kn.Density.gaussian(1.0, 0.7, elsewhere), "60 cells and the target 61"),
        (kn.Density(grid, 2 * start.values), "mass"),
    ):
        with pytest.raises(ValueError, match=message):
            run(kn.MeanField(NET), start, kn.L2Loss(target), method=None)


# How it ends


def test_a_loss_that_is_not_finite_any_more_keeps_the_best():
    done = run(loss=lambda final: -jnp.log(2.2 - final.mean) - 3 * final.mean, optimizer=optax.sgd(1.0), max_updates=30)
    assert done.result == Outcome.not_finite and not np.isfinite(done.history.loss[-1])
    assert not done.sound and done.best == np.nanargmin(done.history.loss) < len(done.history) - 1
    assert float(done.equation.field.weight.value) == done.history.vectors[done.best, 0]
    assert "no longer finite" in done.message and "nan" not in str(done).splitlines()[-2]


@pytest.mark.parametrize(
    "loss",
    [lambda final: jnp.sqrt(jnp.maximum(2 - final.mean, 0)), lambda final: jnp.log(jnp.maximum(2 - final.mean, 0))],
    ids=["finite with a gradient of NaN", "minus infinity"],
)
def test_what_cannot_be_gone_on_from_is_not_the_best(loss):
    done = run(loss=loss, optimizer=optax.sgd(1.0), max_updates=10)
    assert done.result == Outcome.not_finite and done.best < len(done.history) - 1
    assert np.isfinite(done.history.loss[done.best]) and np.isfinite(done.history.gradient_norm[done.best])
    more = run(loss=loss, optimizer=optax.sgd(0.01), resume=done, max_updates=1)
    assert more.history.loss[len(done.history)] == done.history.loss[done.best]


def test_a_solve_that_fails_on_the_way_says_so():
    done = run(method=None, optimizer=optax.sgd(200.0), max_steps=200, divergence=np.inf)
    assert done.result == Outcome.not_finite
    assert "max_steps was reached" in done.message
    assert done.best == 0 and float(done.equation.field.weight.value) == -1.0
    assert str(done).splitlines()[-3].split()[1:3] == ["nan", "nan"]


def test_a_loss_that_grows_ends_it():
    done = run(optimizer=optax.sgd(-0.1), max_updates=50, divergence=10)
    assert done.result == Outcome.diverging
    rise, scale = done.history.loss - done.history.loss[0], np.max(done.history.loss[:2])
    assert rise[-1] > 10 * scale >= rise[-2]
    assert float(done.equation.field.weight.value) == done.history.vectors[done.best, 0]
    # Downhill from the best parameters, with the rows so far.
    more = run(resume=done, optimizer=optax.sgd(0.3), max_updates=5)
    assert more.result == Outcome.max_updates_reached and len(more.history) == len(done.history) + 6
    assert more.history.loss[len(done.history)] == done.history.loss[done.best]
    assert np.isnan(more.history.change[len(done.history)])
    assert more.best == len(more.history) - 1


def test_a_start_at_the_minimum_may_leave_it():
    """Adam's first step is as long as its rate however small the gradient is."""
    there = 0.5 * (kn.solve(EQUATION, START, t1=1.0, method=METHOD).final.mean + 1e-9)
    done = run(loss=lambda final: (0.5 * final.mean - there) ** 2, optimizer=optax.adam(0.05), max_updates=30)
    assert done.history.loss[0] < 1e-18 and done.history.loss[1] > 1e-7
    assert done.result == Outcome.max_updates_reached


def test_gradients_may_be_gathered():
    every = optax.MultiSteps(optax.sgd(0.5), every_k_schedule=3)
    done, plain = run(optimizer=every, max_updates=9), run(max_updates=3)
    np.testing.assert_allclose(done.history.vectors[::3], plain.history.vectors, rtol=1e-7)
    assert done.result == Outcome.max_updates_reached


def test_no_change_is_no_minimum():
    done = run(optimizer=optax.sgd(0.0), tolerance=1e-3)
    assert done.result == Outcome.stalled and len(done.history) == 3
    warmed = run(optimizer=optax.sgd(optax.linear_schedule(0.0, 0.5, 2)), tolerance=1e-3, max_updates=4)
    assert warmed.history.change[1] == 0 and warmed.history.change[2] > 0
    assert warmed.result == Outcome.max_updates_reached
    there = run(loss=lambda final: 0 * final.mean, max_updates=5)
    assert there.result == Outcome.successful and len(there.history) == 2


def test_a_plateau_above_the_start_is_no_success():
    far = run(loss=lambda final: 1 - jnp.exp(-100 * (final.mean - 0.9) ** 2), optimizer=optax.sgd(1e4), max_updates=5)
    assert far.history.gradient_norm[-1] == 0 and far.history.loss[-1] > far.history.loss[0]
    assert far.result == Outcome.worse and not far.sound
    assert far.best == 0 and float(far.equation.field.weight.value) == -1.0


def test_ctrl_c_loses_nothing(monkeypatch):
    optimizer = optax.adam(0.1)
    expected = run(optimizer=optimizer, max_updates=5)
    calls = []

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return update(*arguments)

    update = module.advance
    monkeypatch.setattr(module, "advance", interrupting)
    stopped = run(optimizer=optimizer, max_updates=5)
    assert stopped.result == Outcome.interrupted and len(stopped.history) == 3
    np.testing.assert_array_equal(stopped.history.vectors, expected.history.vectors[:3])
    more = run(optimizer=optimizer, max_updates=3, resume=stopped)
    np.testing.assert_array_equal(more.history.vectors, expected.history.vectors)


def test_going_on_is_as_if_it_had_not_stopped():
    optimizer = optax.adam(0.1)
    whole = run(optimizer=optimizer, max_updates=7)
    part = run(optimizer=optimizer, max_updates=3)
    # The parameters of the equation are not looked at, those of the earlier result are.
    other = kn.MeanField(kn.SimResNet(5.0, 5.0, kn.Identity()))
    both = run(other, optimizer=optimizer, max_updates=4, resume=part)
    for name in ("loss", "gradient_norm", "change", "vectors"):
        np.testing.assert_array_equal(getattr(both.history, name), getattr(whole.history, name))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, both.optimizer_state, whole.optimizer_state))
    assert len(part.history) == 4


def test_it_prints_itself():
    text = str(run(max_updates=20, tolerance=1e-12))
    lines = text.splitlines()
    assert lines[0].split() == ["update", "loss", "gradient", "norm", "change", "weight", "bias"]
    assert any(line.split() == ["..."] * 6 for line in lines) and len(lines) < 20
    assert "smallest loss" in lines[-2]


def test_progress_bar(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown and "loss=" in shown


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"equation": NET}, "first argument is an equation"),
        ({"initial": START.samples}, "initial distribution"),
        ({"loss": 1.0}, "loss is called with"),
        ({"loss": kn.Ensemble}, "loss is called with"),
        ({"loss": lambda final: np.asarray(final.samples).sum()}, "jax.numpy"),
        ({"optimizer": optax.adam}, r"did you mean adam\(\.\.\.\)"),
        ({"optimizer": 0.1}, r"such as optax\.adam\(0\.1\)"),
        ({"adjoint": "transport"}, "adjoint must be an object"),
        ({"resume": EQUATION}, "earlier call"),
        ({"max_updates": 2.5}, "must be an integer"),
        ({"tolerance": "small"}, "tolerance must be a number"),
        ({"divergence": None}, "divergence must be a number"),
    ],
)
def test_wrong_kinds(options, message):
    # Without the tests' own check of annotations, which would be first.
    with pytest.raises(TypeError, match=message):
        run(function=inspect.unwrap(retrain), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_updates": 0}, "at least 1"),
        ({"max_steps": 0}, "at least 1"),
        ({"tolerance": -1.0}, "tolerance >= 0"),
        ({"tolerance": float("nan")}, "tolerance >= 0"),
        ({"divergence": 0.0}, "divergence > 0"),
        ({"t1": 0.0}, "t0 < t1"),
        ({"t1": np.inf}, "finite times"),
        ({"t1": np.array([1.0, 2.0])}, "are numbers"),
        ({"equation": kn.MeanField(lambda t, x: -x)}, "can be trained"),
        ({"loss": lambda final: jnp.log(final.mean - 5)}, "loss is nan at the start"),
        ({"loss": lambda final: jnp.sqrt(final.variance * 0)}, "gradient of the loss is not finite"),
        ({"loss": lambda final: final.samples}, "one number, got shape"),
        ({"max_steps": 2, "method": kn.Particles()}, "solve fails at the start: The limit max_steps"),
    ],
)
def test_wrong_values(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_traced_values_are_refused():
    for traced in (
        lambda w: run(kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity()))).history.loss,
        lambda w: run(t1=w).history.loss,
        lambda w: run(loss=lambda final: final.mean * w).history.loss,
    ):
        with pytest.raises(ValueError, match=r"jax\.lax\.scan"):
            jax.jit(traced)(1.0)


def test_what_cannot_be_gone_on_with():
    done = run(optimizer=optax.adam(0.1), max_updates=1)
    with pytest.raises(ValueError, match="optimiser of another kind"):
        run(resume=done, optimizer=optax.lbfgs())
    layers = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.5], [1.0, 1.0]), 0.0, kn.Identity())
    with pytest.raises(ValueError, match="parameters of another kind"):
        run(kn.MeanField(layers), resume=done, optimizer=optax.adam(0.1))
