"""What `kinetic-nde retrain` says."""

from ..sensitivity.retraining import Outcome
from .compare import Comparison
from .frame import Network
from .retrain import Evaluation, Options, Retrained
from .retrain_results import Sources
from .words import counted, to_a_thousandth

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
    if found is not None:
        lines += _networks(found, options) + _notes(found, options)
    return "\n".join(lines)


def _networks(found: Retrained, options: Options) -> list[str]:
    before, after = found.evaluations["held_out"]
    made, kept = len(found.history) - 1, found.best
    updates = f"update {kept} of {made}" + (f" (of {options.updates})" if made < options.updates else "")
    w2 = [found.task.frame.unit * (2.0 * found.trained.history.loss[k]) ** 0.5 for k in (0, kept)]
    lines = [
        f"before     {_network(found, *found.before)}" + (f": {found.task.how}" if found.task.how else ""),
        f"after      {_network(found, *found.after)}",
        f"training   {counted(found.training.size)}, {updates}: W2 to what is wanted from {w2[0]:.4g} to {w2[1]:.4g}",
    ]
    shares = ""
    if before.classes is not None and after.classes is not None:
        wanted = found.wanted_classes[0].mass
        shares = f"share of class 0 from {_share(before)} to {_share(after)}, wanted {wanted:.1%}; "
    distances = f"W1 to what is wanted from {before.w1:.4g} to {after.w1:.4g}"
    return [*lines, f"held out   {counted(found.held_out.size)}: {shares}{distances}"]


def _notes(found: Retrained, options: Options) -> list[str]:
    notes = []
    before, after = found.evaluations["held_out"]
    outcome = found.trained.result
    if outcome == Outcome.interrupted:
        notes.append(f"interrupted after {len(found.history) - 1} updates; what was reached is kept")
    elif not found.trained.sound:
        notes.append("training diverged, and the best network on the way is kept: lower --learning-rate")
    elif _is_far(found):
        rate = found.task.learning_rate if options.learning_rate is None else options.learning_rate
        notes.append(f"not there yet: give more --updates, or a --learning-rate above {rate:.2g}")
    if after.w1 > before.w1:
        notes.append("on the held-out measurements the network is no better than before")
    valley, share = found.valley, found.wanted_classes[0].mass
    if found.task.classes and valley.valley and abs(valley.below - share) > _ELSEWHERE:
        notes.append(
            f"the shares of the old classes, {share:.0%} and {1 - share:.0%}, were asked for; but the new data have a valley "
            f"at {_place(found, valley.value)}, with {valley.below:.0%} below. If it is the shares that changed, use classify"
        )
    return [f"note       {note}" for note in notes]


def _is_far(found: Retrained) -> bool:
    """Whether more training would help: few measurements can be off although their density is not."""
    losses, classes = found.trained.history.loss, found.evaluations["training"][1].classes
    off = classes is not None and abs(classes[0].mass - found.wanted_classes[0].mass) > _CLOSE
    return off and bool(losses[found.best] > _DONE * losses[0])


def _network(found: Retrained, network: Network, threshold: float | None) -> str:
    divides = f", divides at {_place(found, threshold)}" if found.task.classes else ""
    return f"w = {network.weight:.6g}, b = {network.bias:.6g}{divides}"


def _place(found: Retrained, x: float | None) -> str:
    frame = found.task.frame
    return to_a_thousandth(x, max(abs(frame.lowest), abs(frame.highest)), (frame.highest - frame.lowest) / 6.0)


def _share(evaluation: Evaluation) -> str:
    return "none" if evaluation.classes is None else f"{evaluation.classes[0].mass:.1%}"
