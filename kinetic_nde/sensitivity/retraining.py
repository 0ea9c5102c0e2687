"""What retraining returns."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from . import trainable

# Numbers beside which a table still shows each parameter, and updates beyond which it leaves out the middle.
_COLUMNS = 5
_ROWS = 12


class Outcome(eqx.Enumeration):
    """How retraining ended; each member is its own message.

    >>> Outcome[Outcome.successful]
    ''
    """

    successful = ""
    max_updates_reached = (
        "max_updates was reached before the parameters changed by less than the tolerance. Either (a) go on with "
        "resume=, or (b) look at history.loss: if it goes up and down, lower the learning rate."
    )
    stalled = (
        "Two updates in a row changed nothing although the gradient is not zero. Either (a) a line search found no smaller "
        "loss along its direction, because the loss is at its minimum to rounding or because the gradient is not that of the "
        "discrete loss: take adjoint=kn.CheckpointAdjoint(), or (b) the learning rate is zero: look at its schedule."
    )
    not_finite = (
        "The loss or its gradient is no longer finite, or the solve failed; the best parameters are kept. "
        "Lower the learning rate and go on with resume=."
    )
    diverging = (
        "The loss grows: it rose above its starting value by more than `divergence` times the larger of its first two; the best parameters "
        "are kept. Lower the learning rate and go on with resume=."
    )
    worse = (
        "The parameters changed by less than the tolerance, at a larger loss than at the start; the best parameters are "
        "kept. An update led to where the loss hardly depends on them: lower the learning rate and go on with resume=."
    )
    interrupted = "Interrupted. What was reached is kept; go on with resume=."


class Row(NamedTuple):
    """One row of a `History`."""

    loss: float
    gradient_norm: float
    change: float
    parameters: Any


def best_row(losses: Any, gradient_norms: Any) -> int:
    """The row with the smallest loss among those that one can go on from: with a finite loss and gradient."""
    sound = np.isfinite(losses) & np.isfinite(gradient_norms)
    return int(np.argmin(np.where(sound, losses, np.inf)))


def failed(outcome: Outcome) -> bool:
    """Whether the last parameters are worth less than the best ones."""
    return any(bool(outcome == bad) for bad in (Outcome.not_finite, Outcome.diverging, Outcome.worse))


class History(eqx.Module):
    """What each update did, the starting point first: arrays of length `updates + 1`.

    - `loss`: D at these parameters.
    - `gradient_norm`: of the gradient in L2(t0, t1), sqrt(int |dD/dw(t)|^2 + |dD/db(t)|^2 dt).
    - `change`: the sum over the parameters of |theta^k - theta^{k-1}|, the norm in L2(t0, t1), by which they were reached:
      the number in the stopping rule (C8); NaN where none was made: at the start and where retraining went on after a
      failure.
    - `parameters`: the field with a leading axis on each trainable array; `jax.vmap` works over it. `history.vectors` has
      the same numbers as (updates + 1, P), `history.names` says what they are.

    >>> history = History(np.array([2.0, 1.0]), np.array([1.0, 0.5]), np.array([np.nan, 0.1]), jnp.array([[0.3], [0.4]]))
    >>> len(history), history.vectors.tolist()
    (2, [[0.3], [0.4]])
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    change: np.ndarray
    parameters: Any

    @classmethod
    def of(cls, rows: list[Row], rest: Any) -> "History":
        """The history of these rows, with the part of the field that is not trained."""
        losses, norms, changes, parameters = zip(*rows, strict=True)
        stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *parameters)
        return cls(np.array(losses), np.array(norms), np.array(changes), eqx.combine(stacked, rest))

    def rows(self) -> list[Row]:
        """Its rows, as they were before they were stacked."""
        stacked, _ = trainable.split(self.parameters)
        trees = [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(len(self))]
        numbers = (column.tolist() for column in (self.loss, self.gradient_norm, self.change))
        return [Row(*row) for row in zip(*numbers, trees, strict=True)]

    def __len__(self) -> int:
        """The number of updates and one for the start."""
        return len(self.loss)

    @property
    def names(self) -> list[str]:
        """A name for each of the P trained numbers."""
        return trainable.names(jax.tree.map(lambda leaf: leaf[0], trainable.split(self.parameters)[0]))

    @property
    def vectors(self) -> np.ndarray:
        """The trained numbers (updates + 1, P)."""
        stacked = trainable.split(self.parameters)[0]
        return np.concatenate([np.reshape(leaf, (len(self), -1)) for leaf in jax.tree.leaves(stacked)], axis=1)


class Retraining(eqx.Module):
    """Parameters that were trained, and how they came about.

    - `equation`: with the parameters of the last update; with the best ones if retraining ended in `not_finite`,
      `diverging` or `worse`.
    - `history`: a `History`.
    - `result`: an `Outcome`; `message` is its text, empty after success.
    - `best`: the row of the history with the smallest loss; `at(row)` is the equation of any row.
    - `optimizer_state`: goes with `equation`, for `resume=`.

    It prints itself as a table.

    >>> import kinetic_nde as kn
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 1.0, kn.Identity()))
    >>> history = History(np.array([0.5, 0.1]), np.array([0.9, 0.6]), np.array([np.nan, 0.6]), equation.field)
    >>> print(Retraining(equation, history, Outcome.interrupted, None).message)
    Interrupted. What was reached is kept; go on with resume=.
    """

    equation: Any
    history: History
    result: Outcome
    optimizer_state: Any
    solver_message: str = eqx.field(static=True, default="")

    @property
    def best(self) -> int:
        """The row of the history with the smallest loss among those with a finite gradient; 0 is the start."""
        return best_row(self.history.loss, self.history.gradient_norm)

    @property
    def message(self) -> str:
        """What the result says, empty after success, and what the solver says if it failed."""
        return " ".join(text for text in (Outcome[self.result], self.solver_message) if text)

    @property
    def sound(self) -> bool:
        """Whether the last row of the history is that of `equation`: it did not fail."""
        return not failed(self.result)

    def at(self, row: int) -> Any:
        """The equation with the parameters of a row of the history. `IndexError` where there is none."""
        if not -len(self.history) <= row < len(self.history):
            raise IndexError(f"the history has {len(self.history)} rows, got row {row}")
        stacked, _ = trainable.split(self.history.parameters)
        _, rest = trainable.split(self.equation.field)
        field = eqx.combine(jax.tree.map(lambda leaf: leaf[row], stacked), rest)
        return eqx.tree_at(lambda law: law.field, self.equation, field)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """A table of the updates and how it ended."""
        history = self.history
        vectors, names = history.vectors, history.names
        shown = len(names) if len(names) <= _COLUMNS else 0
        head = ["update", "loss", "gradient norm", "change", *names[:shown]]
        numbers = [history.loss, history.gradient_norm, history.change, *vectors.T[:shown]]
        rows = [
            [f"{k}{'*' * (k == self.best)}", *(_short(column[k]) for column in numbers)] for k in range(len(history))
        ]
        # Where no change was made there is none to show.
        rows = [["" if i == 3 and cell == "nan" else cell for i, cell in enumerate(row)] for row in rows]
        if len(rows) > _ROWS:
            rows = [*rows[: _ROWS // 2], ["..."] * len(head), *rows[-_ROWS // 2 :]]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
        end = self.message or "The parameters changed by less than the tolerance."
        best = f"* smallest loss: {_short(history.loss[self.best])} after update {self.best}"
        return "\n".join([*table, best, end])


def _short(number: float) -> str:
    return f"{number:.6g}"
