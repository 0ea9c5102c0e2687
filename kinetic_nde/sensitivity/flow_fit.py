"""What fitting a flow returns."""

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike

from ..analysis.flow import Flow

# Epochs beyond which a table leaves out the middle.
_ROWS = 12
# By so much per sample may the likelihood by the steps of training be off, in nats.
ACCURACY = 0.01


def best_row(held_out: ArrayLike | list) -> int:
    """The row of the largest likelihood that is finite.

    >>> best_row([-2.0, -1.5, float("inf")])
    1
    """
    values = np.asarray(held_out)
    return int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))


class FlowOutcome(eqx.Enumeration):
    """How fitting a flow ended; each member is its own message.

    >>> FlowOutcome[FlowOutcome.successful]
    ''
    """

    successful = ""
    max_epochs_reached = "max_epochs was reached before the held-out likelihood stopped rising. Go on with field=fit.field and the same key."
    not_better = (
        "No epoch raised the held-out likelihood above that of the start, whose parameters are kept. Either (a) lower the learning "
        "rate, or (b) start from smaller weights, or (c) there are too few samples for a field with so many parameters."
    )
    not_finite = (
        "The likelihood is no longer finite; the best parameters are kept. Either (a) lower the learning rate, or (b) take "
        "a field of bounded speed."
    )
    interrupted = "Interrupted. The best parameters are kept; go on with field=fit.field and the same key."


class FlowHistory(NamedTuple):
    """Mean log-likelihoods per sample in the units of the data, the start first: arrays of length `epochs + 1`.

    - `training`: of the batches as they came, NaN at the start.
    - `held_out`: of the samples held out, after the epoch.

    >>> FlowHistory(np.array([np.nan, -1.4]), np.array([-1.5, -1.3])).held_out[-1]
    np.float64(-1.3)
    """

    training: np.ndarray
    held_out: np.ndarray


class FlowFit(eqx.Module):
    """A flow that was fitted to samples, and how well it does on those held out. It prints itself as a table.

    - `flow`: a `Flow` in the units of the samples, with the parameters of the epoch of largest held-out likelihood.
    - `log_likelihood`, `standard_error`: the mean of `flow.log_prob` over the samples held out, in nats per sample, with its
      standard error over these samples, NaN for one. The epoch was chosen by them: to compare with other models take samples that had
      no part in the fit.
    - `gaussian`: the same mean for the normal distribution with the mean and covariance of the training samples, which
      the flow of a field 0 is.
    - `history`: a `FlowHistory`, by the fixed steps of training, twice as many as are differentiated.
    - `result`: a `FlowOutcome`; `message` is its text, empty after success, and a warning where those steps were too long.
    - `held_out`: the rows of the samples that were held out. `count`: the number of those trained on.
    - `steps`: the number of steps between two breakpoints of the field that training ended with.

    >>> import kinetic_nde as kn
    >>> flow = kn.Flow(kn.MeanField(kn.SimResNet(0.0, 0.0, kn.Tanh())), kn.StandardNormal(), t1=1.0)
    >>> history = FlowHistory(np.array([np.nan, -1.4, -1.4]), np.array([-1.5, -1.3, -1.45]))
    >>> fit = FlowFit(flow, -1.3, 0.05, -1.5, history, FlowOutcome.interrupted, np.array([0, 3]), 6, 8)
    >>> print(fit)
    epoch  training  held out
        0                -1.5
        1*     -1.4      -1.3
        2      -1.4     -1.45
    * largest: after epoch 1, of 6 samples trained on; -1.3 +- 0.05 by the exact flow on 2 held out
    the Gaussian with the mean and covariance of the same samples: -1.5
    Interrupted. The best parameters are kept; go on with field=fit.field and the same key.
    """

    flow: Flow
    log_likelihood: float
    standard_error: float
    gaussian: float
    history: FlowHistory
    result: FlowOutcome
    held_out: np.ndarray
    count: int
    steps: int

    @property
    def best(self) -> int:
        """The epoch of the largest held-out likelihood, that of `flow`; 0 is the start."""
        return best_row(self.history.held_out)

    @property
    def field(self) -> Any:
        """The trained field, which moves standardised samples: see `flow.units`."""
        return self.flow.equation.field

    @property
    def message(self) -> str:
        """What the result says, empty after success, and what is wrong with the steps of training."""
        stepped = float(self.history.held_out[self.best])
        warning = (
            ""
            if abs(stepped - self.log_likelihood) <= 2 * ACCURACY
            else (
                f"The steps of training were too long: by them the held-out log-likelihood is {stepped:.4g}, by the exact flow "
                f"{self.log_likelihood:.4g}. Give more `steps`, or let them be chosen."
            )
        )
        return " ".join(text for text in (FlowOutcome[self.result], warning) if text)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """The history, the likelihoods, and how it ended."""
        head, best = ("epoch", "training", "held out"), self.best
        rows = [
            (f"{k}{'*' if k == best else ' '}", "" if np.isnan(training) else f"{training:.5g}", f"{held_out:.5g}")
            for k, (training, held_out) in enumerate(zip(*self.history, strict=True))
        ]
        if len(rows) > _ROWS:
            rows = [*rows[: _ROWS // 2], ("... ", "...", "..."), *rows[-_ROWS // 2 :]]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        widths = [max(width, len(name)) for width, name in zip(widths, head, strict=True)]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
        # One sample has no standard error.
        error = "" if np.isnan(self.standard_error) else f" +- {self.standard_error:.1g}"
        exact = f"{self.log_likelihood:.4g}{error} by the exact flow on {len(self.held_out)} held out"
        lines = [
            f"* largest: after epoch {best}, of {self.count} samples trained on; {exact}",
            f"the Gaussian with the mean and covariance of the same samples: {self.gaussian:.4g}",
            self.message or "The held-out likelihood has stopped rising.",
        ]
        return "\n".join([*table, *lines])
