"""Retraining at the level of distributions: a loop of updates by any optimiser of optax."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import ArrayLike

from .._values import as_count, as_floating, cast, common_float, known, require, under_jit
from ..adjoints.adjoint import AbstractAdjoint
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..equations.balance_law import AbstractBalanceLaw
from ..methods.method import AbstractMethod
from ..methods.result import Result
from . import trainable
from .adjoint import TransportAdjoint
from .retraining import History, Outcome, Retraining, Row, failed
from .update import Problem, advance, as_number, as_optax_expects, evaluate, strong


def retrain(
    equation: AbstractBalanceLaw,
    initial: Density | Ensemble,
    loss: Callable[[Any], Any],
    *,
    t1: ArrayLike,
    optimizer: optax.GradientTransformation,
    max_updates: int,
    tolerance: float | int = 1e-6,
    t0: ArrayLike = 0.0,
    adjoint: AbstractAdjoint = TransportAdjoint(),
    method: AbstractMethod | None = None,
    max_steps: int | None = 100_000,
    l2_metric: bool = True,
    divergence: float | int = 1e3,
    resume: Retraining | None = None,
    progress: bool = False,
) -> Retraining:
    """Changes the parameters theta of a field until the distribution at t1 has a small loss D(theta):

        theta^{k+1} = theta^k + u(grad D(theta^k))   until   sum |theta^{k+1} - theta^k| < tolerance,

    with u any optimiser of optax. `optax.sgd(gamma)` is Algorithm 1 of Herty, Trimborn, Visconti (2021) with the
    stopping rule the right way round (C8); |.| is the Euclidean norm of each trainable array.

    - `equation`, `initial`, `t0`, `t1`, `method`, `adjoint`, `max_steps`: as in `solve`. The arrays of floats in
      `equation.field` are trained, nothing else.
    - `loss`: called with the distribution at t1, gives a number.
    - `optimizer`: is given the gradient in the metric of L2(t0, t1) (C7, see `l2_gradient`), and for line searches also
      the loss as a function and its Euclidean gradient, so that they see the true slope.
    - `l2_metric`: False hands over the Euclidean gradient instead. For quasi-Newton methods such as `optax.lbfgs()` where
      pieces differ in length, parameters are interpolated, or some are constant and some not: L-BFGS compares gradients
      with changes of the parameters in the Euclidean metric, and mixed with another one it gets stuck early.
    - `max_updates`: with `resume` so many more. The loss is evaluated once more after the last one.
    - `max_steps`: of each solve, None for no limit. A line search tries parameters for which a solve would never end.
    - `divergence`: how many times its starting value the loss may rise above it; inf for no limit.
    - `resume`: an earlier result to go on from, as if it had not stopped: with its parameters, optimiser state and history,
      the best ones if it had failed. The parameters in `equation` are then not looked at.
    - `progress`: shows a progress bar.

    A failure on the way raises nothing: it ends the loop, and the `result` of the `Retraining` says why. So does Ctrl-C.
    A second call with the same optimiser and loss objects compiles nothing again.

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
    _check_kinds(equation, initial, loss, optimizer, adjoint, resume)
    updates = as_count(max_updates, "max_updates")
    if not tolerance >= 0 or not divergence > 0:
        raise ValueError(f"need tolerance >= 0 and divergence > 0, got {tolerance} and {divergence}")
    problem, parameters = _problem(equation, initial, loss, t0, t1, method, adjoint, max_steps, l2_metric)
    with as_optax_expects():
        state = strong(optimizer.init(parameters))
    change, rows = float("nan"), []
    if resume is not None:
        parameters = _like(parameters, trainable.split(resume.equation.field)[0], "parameters")
        state = _like(state, resume.optimizer_state, "an optimiser")
        rows = resume.history.rows()
        # The row that the loop stopped at is evaluated again, and goes on with its own change.
        change = rows.pop().change if resume.sound else change
    record = _Record(rows, state)
    outcome, solver_message = _loop(
        problem, optimizer, record, parameters, change, updates, float(tolerance), float(divergence), progress
    )
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
        return int(np.nanargmin([row.loss for row in self.rows]))

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
    tolerance: float,
    divergence: float,
    progress: bool,
) -> tuple[Outcome, str]:
    state, before = record.state(-1), len(record.rows)
    with _bar(updates, progress) as show:
        try:
            for update in range(updates + 1):
                value, slope, norm, solver = evaluate(problem, parameters)
                row = Row(float(value), float(norm), change, parameters)
                sound = np.isfinite(row.loss) and np.isfinite(row.gradient_norm)
                if update == 0 and not sound:
                    raise ValueError(_at_the_start(row, Result[solver]))
                record.add(row, state)
                show(update, row.loss)
                if not sound:
                    return Outcome.not_finite, Result[solver]
                if row.loss - record.rows[0].loss > divergence * abs(record.rows[0].loss):
                    return Outcome.diverging, ""
                if update > 0 and (outcome := _settled(record.rows, tolerance)) is not None:
                    return outcome, ""
                if update < updates:
                    parameters, state, moved = advance(problem, optimizer, parameters, state, slope, value)
                    change = float(moved)
        except KeyboardInterrupt:
            if len(record.rows) == before:
                raise
            return Outcome.interrupted, ""
    return Outcome.max_updates_reached, ""


def _settled(rows: list[Row], tolerance: float) -> Outcome | None:
    """The stopping rule. No change at all, as at the start of a learning rate's warm-up, is no sign of a minimum."""
    row = rows[-1]
    if row.change == 0 and row.gradient_norm > 0:
        return Outcome.stalled if rows[-2].change == 0 else None
    return Outcome.successful if row.change < tolerance or row.change == 0 else None


def _at_the_start(row: Row, solver: str) -> str:
    what = f"the solve fails at the start: {solver}" if solver else ""
    what = what or f"the loss is {row.loss} at the start" if not np.isfinite(row.loss) else what
    return what or "the gradient of the loss is not finite at the start"


def _check_kinds(equation: Any, initial: Any, loss: Any, optimizer: Any, adjoint: Any, resume: Any) -> None:
    if not isinstance(equation, AbstractBalanceLaw):
        raise TypeError(f"the first argument is an equation such as kn.MeanField(net), not {type(equation).__name__}")
    if not isinstance(initial, Density | Ensemble):
        raise TypeError(f"the initial distribution is a kn.Density or a kn.Ensemble, not {type(initial).__name__}")
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(f"loss is called with the distribution at t1, such as kn.L2Loss(target); got {loss!r}")
    if not isinstance(optimizer, optax.GradientTransformation):
        hint = f": did you mean {optimizer.__name__}(...)?" if hasattr(optimizer, "__name__") else ""
        raise TypeError(f"optimizer must be one of optax's, such as optax.adam(0.1), not {optimizer!r}{hint}")
    if not isinstance(adjoint, AbstractAdjoint):
        raise TypeError(f"adjoint must be an object such as kn.TransportAdjoint(), not {adjoint!r}")
    if resume is not None and not isinstance(resume, Retraining):
        raise TypeError(f"resume must be the kn.Retraining of an earlier call, not {type(resume).__name__}")


def _problem(
    equation: Any, initial: Any, loss: Any, t0: Any, t1: Any, method: Any, adjoint: Any, max_steps: Any, l2_metric: bool
) -> tuple[Problem, Any]:
    if under_jit() or not known(equation, initial, loss, t0, t1, method):
        raise ValueError(
            "retrain runs a loop in Python and needs values that are known; within jit, vmap or grad write the loop yourself: "
            "jax.value_and_grad of the loss of kn.solve(...).final, optimizer.update and optax.apply_updates in a jax.lax.scan"
        )
    start, end = as_floating(t0, "t0"), as_floating(t1, "t1")
    if start.shape != () or end.shape != ():
        raise ValueError(f"t0 and t1 are numbers, got shapes {start.shape} and {end.shape}")
    require(
        lambda: np.isfinite(start) and np.isfinite(end) and start < end,
        lambda: f"need finite times with t0 < t1, got t0={start}, t1={end}",
        (start, end),
    )
    parameters, rest = trainable.split(equation.field)
    # A target on another grid or of another mass is found out only where the values are known.
    as_number(loss(cast(initial, common_float(initial, equation.field))))
    limit = None if max_steps is None else as_count(max_steps, "max_steps")
    law = eqx.tree_at(lambda law: law.field, equation, rest)
    return Problem(law, initial, loss, start, end, method, adjoint, limit, l2_metric), parameters


def _like(expected: Any, given: Any, what: str) -> Any:
    """`given`, if it has the structure and shapes of `expected`."""

    def shapes(tree: Any) -> Any:
        return jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)]

    if shapes(expected) != shapes(given):
        raise ValueError(f"resume does not fit: it has {what} of another kind or shape than this call")
    return given


@contextlib.contextmanager
def _bar(updates: int, progress: bool) -> Iterator[Callable[[int, float], None]]:
    if not progress:
        yield lambda update, loss: None
        return
    # Imported here: in a notebook without widgets tqdm warns of falling back to text.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    with tqdm(total=updates, desc="retrain", unit="update") as bar:

        def show(update: int, loss: float) -> None:
            bar.update(update - bar.n)
            bar.set_postfix(loss=f"{loss:.4g}")

        yield show
