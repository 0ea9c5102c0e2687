"""Fitting a flow to samples: maximum likelihood in batches, with early stopping."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._values import as_count, as_floating, as_key, cast, common_float, known, under_jit
from ..analysis.flow import Flow, StandardNormal
from ..analysis.standardisation import Standardisation, as_samples
from ..equations.mean_field import MeanField
from ..methods.method import check_velocity
from ..network.field import breakpoints
from . import trainable
from .bar import bar
from .epoch import Likelihood, epoch, judged
from .flow_fit import ACCURACY, FlowFit, FlowHistory, FlowOutcome, best_row
from .problem import check_optimizer
from .update import as_optax_expects, strong

_BATCH = 256
# Steps from 0 to t1 to begin with, and the most of one piece that are tried.
_STEPS, _MOST_STEPS = 8, 256


def fit_flow(
    field: Any,
    samples: Any,
    *,
    t1: ArrayLike,
    optimizer: Any = optax.adam(1e-2),
    batch: Any = None,
    max_epochs: Any = 500,
    held_out: Any = 0.2,
    patience: Any = 20,
    steps: Any = None,
    key: Any = None,
    progress: bool = False,
) -> FlowFit:
    """The `Flow` of a field that samples x_1, ..., x_M most likely come from: theta grows

        mean_i log g_theta(t1, x_i),   d_t g + div(v_theta g) = 0,   g(0) = N(0, 1),

    which is -KL(h || g(t1)) for the distribution h of the samples up to a constant: training (2.4) of Herty, Trimborn,
    Visconti (2021) in any dimension, along characteristics of Eq. (3), with the exact divergence.

    - `field`: where to start: a `SimResNet`, with a `PiecewiseConstant` for parameters that differ from layer to layer, or
      any `eqx.Module` called as `field(t, x)`, such as one around a small `eqx.nn.MLP`. Its arrays of floats are trained.
      Without a method `divergence(t, x)` the trace of its Jacobian is taken by autodiff, d times the work. It moves
      standardised samples, which spread by about 1: a bounded activation needs t1 of 2 to 4 to carry mass that far, and
      random weights of about 0.3 / sqrt(d) are a good start.
    - `samples`: (M, d), or (M,) in one dimension. Those not held out are standardised by their mean and covariance
      inside; the flow that is returned is in the units of the samples.
    - `t1`: when the flow ends.
    - `optimizer`: any of optax's. Line searches see the likelihood of the batch: give `batch` as all samples for them.
    - `batch`: samples of an update, drawn without replacement within an epoch; 256, or all if there are fewer. What does
      not fill a batch waits for another epoch.
    - `held_out`: the share of samples that are only looked at after each epoch; the parameters of the best one are kept.
    - `patience`: so many epochs without a larger held-out likelihood are the end.
    - `steps`: a fixed number of steps between two breakpoints of the field in training. By default as few as keep the
      held-out likelihood within 0.01 of that by twice as many, which is looked at after each epoch: a field would learn
      to profit from steps that are too long. What is returned is solved to 1e-10.
    - `key`: one of JAX's random keys, for what is held out and the order of batches; the same key gives the same fit.
    - `progress`: shows a progress bar.

    An epoch is one compiled program. A failure on the way raises nothing: it ends the loop, and the `result` says why. So
    does Ctrl-C, at the end of the epoch.

    Raises, before any work, `TypeError` for a field, optimiser or key that is none; `ValueError` without a key, for traced
    values, samples of another dimension, not finite or with a singular covariance, too few of them for what is held out
    and the batch, options out of range, and a likelihood that is not finite at the start.

    >>> import kinetic_nde as kn
    >>> samples = np.random.default_rng(0).gamma(4.0, size=300)
    >>> net = kn.SimResNet(0.1, -0.1, kn.Tanh())
    >>> fit = fit_flow(net, samples, t1=2.0, optimizer=optax.adam(0.05), max_epochs=30, key=jax.random.key(0))
    >>> fit.flow.log_prob([3.0, 5.0]).shape, fit.log_likelihood > fit.gaussian
    ((2,), True)
    """
    if isinstance(optimizer, optax.MultiSteps):
        optimizer = optimizer.gradient_transformation()
    check_optimizer(optimizer)
    if under_jit() or not known(field, t1):
        raise ValueError("fit_flow runs a loop in Python and needs values that are known, outside jit, vmap and grad")
    equation, x = MeanField(field), as_samples(samples)
    parameters, rest = trainable.split(field)
    d = 1 if x.ndim == 1 else x.shape[1]
    dimension = getattr(field, "dimension", d)
    if dimension != d:
        raise ValueError(f"the field has dimension {dimension} and the samples {d}, with the shape {x.shape}")
    x = x.reshape(-1) if d == 1 else x
    end = as_floating(t1, "t1")
    if end.shape != () or not 0 < end < np.inf:
        raise ValueError(f"t1 must be a finite number > 0, got {t1}")
    if key is None:
        raise ValueError("what is held out and the batches are random: give key=jax.random.key(0), or another seed")
    order_key, batch_key = jax.random.split(as_key(key))
    epochs, patience = as_count(max_epochs, "max_epochs"), as_count(patience, "patience")
    kept, left = _split(len(x), d, held_out, order_key)
    batch = min(_BATCH, len(kept)) if batch is None else as_count(batch, "batch")
    if batch > len(kept):
        raise ValueError(
            f"batch={batch} is more than the {len(kept)} samples that are trained on: {len(left)} of {len(x)} are held out"
        )
    dtype = common_float(x, parameters)
    units = Standardisation.of(x[kept])
    parameters, rest, end, z, units = cast((parameters, rest, end, units.standard(x), units), dtype)
    check_velocity(field, z[0])
    pieces = 1 + sum(0 < time < float(end) for time in breakpoints(field))
    first = -(-_STEPS // pieces) if steps is None else as_count(steps, "steps")
    likelihood = Likelihood(eqx.tree_at(lambda law: law.field, equation, rest), StandardNormal(d), end, first)
    run = _Run(likelihood, optimizer, z[kept], z[left], batch, batch_key, steps is None, float(units.log_determinant))
    outcome = run.loop(parameters, epochs, patience, progress)
    flow = Flow(
        eqx.tree_at(lambda law: law.field, equation, eqx.combine(run.best, rest)), StandardNormal(d), end, units=units
    )
    values = np.asarray(flow.log_prob(x[left]), dtype=np.float64)
    error = float(np.std(values, ddof=1) / np.sqrt(len(left))) if len(left) > 1 else float("nan")
    gaussian = float(jnp.mean(jax.vmap(StandardNormal(d).log_prob)(z[left]) - units.log_determinant))
    history = FlowHistory(*map(np.array, zip(*run.rows, strict=True)))
    return FlowFit(
        flow, float(np.mean(values)), error, gaussian, history, outcome, left, len(kept), run.likelihood.steps
    )


def _split(count: int, d: int, share: Any, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are trained on, and those held out."""
    try:
        share = float(share)
    except (TypeError, ValueError):
        raise TypeError(f"held_out must be a number, not {share!r}") from None
    if not 0 < share < 1:
        raise ValueError(f"held_out must be a share between 0 and 1, got {share}")
    out = max(1, round(share * count))
    if count - out <= d:
        raise ValueError(
            f"{count} samples, {out} of them held out, are too few in {d} dimension{'s' * (d > 1)}: more than {d} must be left to train on"
        )
    order = np.asarray(jax.random.permutation(key, count))
    return np.sort(order[out:]), np.sort(order[:out])


class _Run:
    """A fit on its way: its history, the best parameters so far, and with how many steps."""

    def __init__(
        self,
        likelihood: Likelihood,
        optimizer: optax.GradientTransformation,
        training: Array,
        held_out: Array,
        batch: int,
        key: PRNGKeyArray,
        adaptive: bool,
        log_determinant: float,
    ):
        self.likelihood, self._optimizer, self._batch, self._key = likelihood, optimizer, batch, key
        self._points, self._unseen, self._adaptive, self._offset = training, held_out, adaptive, log_determinant
        self.best: Any = None
        self.rows: list[tuple[float, float]] = []

    def loop(self, parameters: Any, epochs: int, patience: int, progress: bool) -> FlowOutcome:
        """Epochs until the held-out likelihood has not risen for `patience` of them."""
        with as_optax_expects():
            state = strong(self._optimizer.init(parameters))
        if not self._add(parameters, float("nan")):
            raise ValueError(
                f"the log-likelihood is {self.rows[0][1]} at the start: the field is not finite, or far too fast"
            )
        with bar("fit_flow", "epoch", epochs, progress) as show:
            try:
                for number in range(1, epochs + 1):
                    parameters, state, value = epoch(
                        self.likelihood,
                        self._optimizer,
                        parameters,
                        state,
                        self._points,
                        self._batch,
                        self._key,
                        jnp.asarray(number),
                    )
                    if not self._add(parameters, float(value) - self._offset):
                        return FlowOutcome.not_finite
                    training, unseen = self.rows[-1]
                    show(number, training=training, held_out=unseen)
                    if number - self._best_epoch >= patience:
                        return FlowOutcome.successful if self._best_epoch > 0 else FlowOutcome.not_better
            except KeyboardInterrupt:
                return FlowOutcome.interrupted
        return FlowOutcome.max_epochs_reached if self._best_epoch > 0 else FlowOutcome.not_better

    def _add(self, parameters: Any, training: float) -> bool:
        """Whether the parameters, which become a row of the history, have a finite likelihood."""
        while True:
            coarse, fine = map(float, judged(self.likelihood, parameters, self._unseen, self._batch))
            far = np.isfinite(fine) and not abs(fine - coarse) <= ACCURACY
            if not far or not self._adaptive or self.likelihood.steps >= _MOST_STEPS:
                break
            self.likelihood = self.likelihood.finer()
        value = fine - self._offset
        if np.isfinite(value) and all(not value <= earlier for _, earlier in self.rows):
            self.best = parameters
        self.rows.append((training, value))
        return bool(np.isfinite(value))

    @property
    def _best_epoch(self) -> int:
        return best_row([value for _, value in self.rows])
