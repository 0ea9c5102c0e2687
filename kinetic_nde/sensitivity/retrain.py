"""Retraining at the level of distributions: a loop of updates by any optimiser of optax."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
import optax
from jaxtyping import ArrayLike, PRNGKeyArray

from .._values import as_count
from ..adjoints.adjoint import AbstractAdjoint, CheckpointAdjoint
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..equations.equation import AbstractEquation
from ..methods.method import AbstractMethod
from ..methods.result import Result
from . import trainable
from .adjoint import TransportAdjoint
from .bar import bar
from .losses import KullbackLeiblerLoss
from .problem import Problem, check_kinds, like, prepare
from .retraining import History, Outcome, Retraining, Row, best_row, failed
from .update import advance, as_optax_expects, evaluate, strong

# By so much of its starting value a loss may have risen and still count as the same.
_ROUNDING = 1e-6
# The relative distance of two gradients that is worth a warning, and the divergence of Kullback and Leibler below which the
# start is so near its target that both are next to nothing.
_APART, _NEAR = 0.05, 1e-3


def retrain(
    equation: AbstractEquation,
    initial: Density | Ensemble,
    loss: Callable[[Any], Any],
    *,
    t1: ArrayLike,
    optimizer: optax.GradientTransformation | optax.MultiSteps,
    max_updates: int,
    tolerance: float | int = 1e-6,
    t0: ArrayLike = 0.0,
    adjoint: AbstractAdjoint = TransportAdjoint(),
    method: AbstractMethod | None = None,
    key: PRNGKeyArray | None = None,
    max_steps: int | None = 100_000,
    l2_metric: bool = True,
    divergence: float | int = 1e3,
    resume: Retraining | None = None,
    progress: bool = False,
) -> Retraining:
    """Changes the parameters theta of a field until the distribution at t1 has a small loss D(theta):

        theta^{k+1} = theta^k + u(grad D(theta^k))   until   sum |theta^{k+1} - theta^k| < tolerance,

    with u any optimiser of optax. `optax.sgd(gamma)` is Algorithm 1 of Herty, Trimborn, Visconti (2021) with the
    stopping rule the right way round (C8); |.| is the norm of L2(t0, t1), in which a parameter that is a function of time
    changes by as much however finely it is divided.

    - `equation`, `initial`, `t0`, `t1`, `method`, `adjoint`, `max_steps`: as in `solve`. The arrays of floats in
      `equation.field` are trained, nothing else.
    - `key`: as in `solve`, for equations that are random on an `Ensemble`: the same one for every update, which makes the
      loss a function of the parameters. They need `CheckpointAdjoint()`.
    - `loss`: called with the distribution at t1, gives a number.
    - `optimizer`: is given the gradient in the metric of L2(t0, t1) (C7, see `l2_gradient`), and for line searches also
      the loss as a function and its Euclidean gradient, so that they see the true slope.
    - `l2_metric`: False hands over the Euclidean gradient instead. For quasi-Newton methods such as `optax.lbfgs()` where
      pieces differ in length, parameters are interpolated, or some are constant and some not: L-BFGS compares gradients
      with changes of the parameters in the Euclidean metric, and mixed with another one it gets stuck early.
    - `max_updates`: with `resume` so many more. The loss is evaluated once more after the last one.
    - `max_steps`: of each solve, None for no limit. A line search tries parameters for which a solve would never end.
    - `divergence`: how many times the larger of its first two values the loss may rise above the first; inf for no limit.
    - `resume`: an earlier result to go on from, as if it had not stopped: with its parameters, optimiser state and history,
      the best ones if it had failed. The parameters in `equation` are then not looked at.
    - `progress`: shows a progress bar.

    A failure on the way raises nothing: it ends the loop, and the `result` of the `Retraining` says why. So does Ctrl-C.
    A second call with the same optimiser and loss objects compiles nothing again.

    Warns for a `KullbackLeiblerLoss` whose gradient by `TransportAdjoint` is, at the start, more than 5 % from that by
    `CheckpointAdjoint`; that costs one more program.

    Raises, before any update, `TypeError` for an equation, distribution, loss, optimiser or adjoint that is none;
    `ValueError` for times, counts and tolerances out of range, a field without trainable arrays, traced values, a
    `resume` that does not fit, and a solve, loss or gradient that is not finite at the start.

    >>> import kinetic_nde as kn
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity()))
    >>> initial = kn.Ensemble([0.5, 1.0, 1.5])
    >>> def loss(final):
    ...     return 0.5 * (final.mean - 2) ** 2
    >>> print(retrain(equation, initial, loss, t1=1.0, optimizer=optax.sgd(0.5), max_updates=20, tolerance=0.1))
    update         loss  gradient norm    change     weight     bias
         0          0.5       0.893953                   -1        1
         1     0.146967       0.637936  0.632121   -0.68394  1.31606
         2   0.00761159       0.180663  0.447719  -0.432562   1.5124
         3   8.8078e-05      0.0207422  0.125259  -0.357384  1.56248
         4*  4.13161e-06      0.0044586  0.014322  -0.366127   1.5569
    * smallest loss: 4.13161e-06 after update 4
    The parameters changed by less than the tolerance.
    """
    # Two updates in a row that change nothing are the end, unless gradients are gathered from several.
    patience = 2
    if isinstance(optimizer, optax.MultiSteps):
        optimizer, patience = optimizer.gradient_transformation(), math.inf
    check_kinds(equation, initial, loss, optimizer, adjoint, resume)
    updates = as_count(max_updates, "max_updates")
    tolerance, divergence = _number(tolerance, "tolerance"), _number(divergence, "divergence")
    if not tolerance >= 0 or not divergence > 0:
        raise ValueError(f"need tolerance >= 0 and divergence > 0, got {tolerance} and {divergence}")
    problem, parameters = prepare(equation, initial, loss, t0, t1, method, adjoint, key, max_steps, l2_metric)
    with as_optax_expects():
        state = strong(optimizer.init(parameters))
    change, rows = float("nan"), []
    if resume is not None:
        parameters = like(parameters, trainable.split(resume.equation.field)[0], "parameters")
        state = like(state, resume.optimizer_state, "an optimiser")
        rows = resume.history.rows()
        # The row that the loop stopped at is evaluated again, and goes on with its own change.
        change = rows.pop().change if resume.sound else change
    record = _Record(rows, state)
    stop = functools.partial(_stop, patience=patience, tolerance=tolerance, divergence=divergence)
    outcome, solver_message = _loop(problem, optimizer, record, parameters, change, updates, stop, progress)
    kept = record.best if failed(outcome) else len(record.rows) - 1
    field = eqx.combine(record.rows[kept].parameters, problem.equation.field)
    return Retraining(
        eqx.tree_at(lambda law: law.field, equation, field),
        History.of(record.rows, problem.equation.field),
        outcome,
        record.state(kept),
        solver_message,
    )


class _Record:
    """The rows of the history, and the states of the optimiser that go with the last and with the best of them."""

    def __init__(self, rows: list[Row], state: Any):
        self.rows = rows
        self._start = state
        self._states: dict[int, Any] = {}

    @property
    def best(self) -> int:
        return best_row([row.loss for row in self.rows], [row.gradient_norm for row in self.rows])

    def add(self, row: Row, state: Any) -> None:
        # The state first: Ctrl-C between the two must not leave a row without one.
        self._states[len(self.rows)] = state
        self.rows.append(row)
        self._states = {k: kept for k, kept in self._states.items() if k in (self.best, len(self.rows) - 1)}

    def state(self, row: int) -> Any:
        """That of a row of an earlier call is not known any more: that of the start."""
        return self._states.get(row, self._start)


def _loop(
    problem: Problem,
    optimizer: optax.GradientTransformation,
    record: _Record,
    parameters: Any,
    change: float,
    updates: int,
    stop: Callable[[list[Row]], Outcome | None],
    progress: bool,
) -> tuple[Outcome, str]:
    state, before = record.state(-1), len(record.rows)
    with bar("retrain", "update", updates, progress) as show:
        try:
            _warn_of_steep_adjoint(problem, parameters)
            for update in range(updates + 1):
                value, slope, norm, solver = evaluate(problem, parameters)
                row = Row(float(value), float(norm), change, parameters)
                sound = np.isfinite(row.loss) and np.isfinite(row.gradient_norm)
                if update == 0 and not sound:
                    raise ValueError(_at_the_start(row, Result[solver]))
                record.add(row, state)
                show(update, loss=row.loss)
                if not sound:
                    return Outcome.not_finite, Result[solver]
                if update > 0 and (outcome := stop(record.rows)) is not None:
                    return outcome, ""
                if update < updates:
                    parameters, state, moved = advance(problem, optimizer, parameters, state, slope, value)
                    change = float(moved)
        except KeyboardInterrupt:
            if len(record.rows) == before:
                raise
            return Outcome.interrupted, ""
    return Outcome.max_updates_reached, ""


def _stop(rows: list[Row], *, patience: float | int, tolerance: float, divergence: float) -> Outcome | None:
    """Whether to stop at the last row, and why. No change at all, as at the start of a learning rate's warm-up, is no
    sign of a minimum."""
    losses, row = [row.loss for row in rows], rows[-1]
    # The second loss counts as well: a start at a minimum has next to none, whatever comes after it.
    if row.loss - losses[0] > divergence * max(abs(loss) for loss in losses[:2]):
        return Outcome.diverging
    if row.change == 0 and row.gradient_norm > 0:
        idle = next((k for k, earlier in enumerate(reversed(rows)) if earlier.change != 0), len(rows))
        return Outcome.stalled if idle >= patience else None
    if row.change >= tolerance and row.change > 0:
        return None
    return Outcome.worse if row.loss - losses[0] > _ROUNDING * abs(losses[0]) else Outcome.successful


def _warn_of_steep_adjoint(problem: Problem, parameters: Any) -> None:
    """Measures, for the loss whose lambda = -h / g may change by orders of magnitude from cell to cell, how far the gradient
    of the adjoint equation is from that of the computed loss."""
    if not (
        isinstance(problem.loss, KullbackLeiblerLoss)
        and isinstance(problem.adjoint, TransportAdjoint)
        and isinstance(problem.initial, Density)
    ):
        return
    loss, slope, _, _ = evaluate(problem, parameters)
    if not loss > _NEAR * problem.loss.target.mass:
        return
    discrete = eqx.tree_at(lambda each: each.adjoint, problem, CheckpointAdjoint(), is_leaf=_is_adjoint)
    continuous, expected = (trainable.to_vector(each) for each in (slope, evaluate(discrete, parameters)[1]))
    apart, size = np.linalg.norm(continuous - expected), np.linalg.norm(expected)
    if apart > _APART * size:
        warnings.warn(
            f"at the start the gradient of KullbackLeiblerLoss by TransportAdjoint is {apart / size:.0%} from that of the computed "
            "loss: the target reaches into the tails of the density. Take adjoint=kn.CheckpointAdjoint()",
            stacklevel=4,
        )


def _is_adjoint(node: Any) -> bool:
    return isinstance(node, AbstractAdjoint)


def _at_the_start(row: Row, solver: str) -> str:
    what = f"the solve fails at the start: {solver}" if solver else ""
    what = what or f"the loss is {row.loss} at the start" if not np.isfinite(row.loss) else what
    return what or "the gradient of the loss is not finite at the start"


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
