"""What `kinetic-nde retrain` says."""

import math

import numpy as np

from ..sensitivity.retraining import Outcome, Retraining
from .compare import Comparison
from .frame import Network
from .retrain import Options
from .retrain_results import STEPPED_OVER, Sources, ended, stepped_over, w2_of_density
from .retrained import Evaluation, Retrained
from .words import counted, to_a_thousandth

_VERDICTS = {"better": "", "not better": "; not better than before", "undecided": "; whether it is better is undecided"}
_CLOSE = 0.02  # of a share of a class from the one that is wanted
_DONE = 0.01  # of the loss at the start
_ELSEWHERE = 0.1  # of a share, from which on a valley of the new measurements is worth a note


def summary(sources: Sources, compared: Comparison, options: Options, found: Retrained | None) -> str:
    """The result in a few lines for people."""
    lines = []
    for role, file, column in zip(("old", "new", "target"), sources.files, sources.columns, strict=False):
        left_out = f", {column.dropped} without a value left out" if column.dropped else ""
        lines.append(f"{role:11}{counted(column.values.size)} of {column.name} in {file}{left_out}")
    sign = "<" if compared.different else ">="
    p_value = f"p = {compared.p_value:.2g}" if compared.p_value > 0 else "p below 1e-300"
    lines.append(f"test       Kolmogorov-Smirnov: gap {compared.statistic:.3g}, {p_value} {sign} {compared.level:g}")
    lines.append(
        f"distance   W1 = {compared.w1:.4g}; of samples of one distribution {compared.usual:.4g} on average, above "
        f"{compared.limit:.4g} with probability {compared.level:g}"
    )
    verdict = "the new data are a different distribution" if compared.different else "no difference beyond sampling"
    if found is None:
        lines.append(f"verdict    {verdict}: nothing needs retraining (--force does it anyway)")
    else:
        forced = "" if compared.different else "; retrained all the same, by --force"
        lines.append(f"verdict    {verdict}{forced}")
    if compared.farther != compared.different:
        other = "is more" if compared.farther else "is not more"
        lines.append(f"note       the distance W1 {other} than sampling gives; the test decides")
    old, new = (column.values for column in sources.columns[:2])
    if np.array_equal(np.sort(old), np.sort(new)):
        lines.append("note       OLD and NEW hold the same measurements: is it the right file?")
    if found is not None:
        lines += _networks(found, options) + _notes(found, options)
    return "\n".join(lines)


def _networks(found: Retrained, options: Options) -> list[str]:
    made, kept = len(found.history) - 1, found.best
    updates = f"update {kept} of {made}" + (f" (of {options.updates})" if made < options.updates else "")
    lines = []
    if found.fit is not None:
        lines.append(f"old        W2 of the density to the target {_w2(found, found.fit, found.fit.best):.4g}")
    losses = " to ".join(f"{_w2(found, found.trained, k):.4g}" for k in (0, kept))
    lines += [
        f"before     {_network(found, *found.before)}" + (f": {found.task.how}" if found.task.how else ""),
        f"after      {_network(found, *found.after)}" + _VERDICTS[found.verdict],
        f"training   {counted(found.training.size)}, {updates}: W2 of the density to what is wanted from {losses}"
        + _shares(found, "training"),
    ]
    before, after = found.evaluations["held_out"]
    distances = f"W1 to what is wanted from {before.w1:.4g} to {after.w1:.4g} (by sampling alone {found.noise:.4g})"
    return [*lines, f"held out   {counted(found.held_out.size)}: {distances}{_shares(found, 'held_out')}"]


def _shares(found: Retrained, part: str) -> str:
    before, after = found.evaluations[part]
    if before.classes is None or after.classes is None:
        return ""
    wanted = found.wanted_classes[0].mass
    by_sampling = f" +- {math.sqrt(wanted * (1.0 - wanted) / found.held_out.size):.1%}" if part == "held_out" else ""
    return f"; share of class 0 from {_share(before)} to {_share(after)}, wanted {wanted:.1%}{by_sampling}"


def _notes(found: Retrained, options: Options) -> list[str]:
    notes = _of_training(found, options)
    if not found.decided:
        notes.append("too few are held out to tell the networks before and after apart")
    if found.verdict == "not better":
        notes.append("on the held-out measurements the network is no better than before")
    valley, share = found.valley, found.wanted_classes[0].mass
    if found.task.classes and valley.valley and abs(valley.below - share) > _ELSEWHERE:
        notes.append(
            f"the shares of the old classes, {share:.0%} and {1 - share:.0%}, were asked for; but the new data have a valley "
            f"at {_place(found, valley.value)}, with {valley.below:.0%} below. If it is the shares that changed, use classify"
        )
    return [f"note       {note}" for note in notes]


def _of_training(found: Retrained, options: Options) -> list[str]:
    rate = found.task.learning_rate if options.learning_rate is None else options.learning_rate
    over = found.best == 0 or stepped_over(found.trained)  # where none was better, the first one was already too long
    if found.trained.result == Outcome.interrupted:
        return [f"interrupted after {len(found.history) - 1} updates; what was reached is kept"]
    if not found.trained.sound:
        return [
            f"training: {ended(found.trained)}; the best network on the way is kept. Take a --learning-rate below {rate:.2g}"
        ]
    if not _is_far(found):
        return []
    if found.trained.result == Outcome.max_updates_reached:
        what = "give more --updates" + ("" if over else f", or a --learning-rate above {rate:.2g}")
        return [f"not there yet, {STEPPED_OVER} in the last updates: {what}" if over else f"not there yet: {what}"]
    if over:
        return [f"not there: training {STEPPED_OVER}, take a --learning-rate below {rate:.2g}"]
    return ["not there, although the updates have become small: take another --learning-rate"]


def _is_far(found: Retrained) -> bool:
    """Whether more training would help: few measurements can be off although their density is not."""
    losses, classes = found.trained.history.loss, found.evaluations["training"][1].classes
    off = classes is not None and abs(classes[0].mass - found.wanted_classes[0].mass) > _CLOSE
    return off and bool(losses[found.best] > _DONE * losses[0])


def _w2(found: Retrained, trained: Retraining, row: int) -> float:
    return w2_of_density(found, trained.history.loss[row]) or 0.0


def _network(found: Retrained, network: Network, threshold: float | None) -> str:
    divides = f", divides at {_place(found, threshold)}" if found.task.classes else ""
    frame = found.task.frame
    # Far from 0 the bias is large, and it is w x + b that the digits are to tell.
    far = max(abs(frame.lowest), abs(frame.highest)) / (frame.highest - frame.lowest)
    digits = min(6 + max(0, math.ceil(math.log10(far))), 17)
    return f"w = {network.weight:.{digits}g}, b = {network.bias:.{digits}g}{divides}"


def _place(found: Retrained, x: float | None) -> str:
    frame = found.task.frame
    return to_a_thousandth(x, max(abs(frame.lowest), abs(frame.highest)), (frame.highest - frame.lowest) / 6.0)


def _share(evaluation: Evaluation) -> str:
    return "none" if evaluation.classes is None else f"{evaluation.classes[0].mass:.1%}"
