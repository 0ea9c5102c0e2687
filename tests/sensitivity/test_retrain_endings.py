"""How retraining ends, and how it goes on from there."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity import retrain as module
from kinetic_nde.sensitivity.retraining import Outcome
from tests.sensitivity.retrain_cases import BY_PARTICLES, run


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
    done = run(**BY_PARTICLES, optimizer=optax.sgd(1e4), divergence=np.inf)
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


def mean(final):
    return final.mean


def test_a_start_at_the_minimum_may_leave_it():
    """Adam's first step is as long as its rate however small the gradient is."""
    there = 0.5 * (run(max_updates=1, loss=mean).history.loss[0] + 1e-9)
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
