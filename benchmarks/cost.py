"""What each way to a gradient takes: time in forward solves, and memory."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, style

from .compiling import WIDE, compiled, temporary_bytes
from .table import Cell, Table
from .timing import race
from .ways import CHECKPOINT, FORWARD, TRANSPORT, Case, Way

# A way that needs more memory than this is compiled, not run: it would push others out of a small machine's.
MOST_BYTES = 4e9
# Value and gradient of exact ways differ by rounding, which 2000 steps pile up.
_ROUNDING = 1e-9
_OPTIONS = {", wide": WIDE, "": None}


class Costs(NamedTuple):
    """By the name of a way with ", wide" after it if compiled for wide vectors, and without it in a user's `jax.jit`."""

    seconds: dict[str, float]
    apart: dict[str, float]
    """How far the gradient is from that of `CheckpointAdjoint()`, relative."""
    memory: dict[str, int | None]
    """Temporary bytes by the bare name, of those that were not run as well."""

    def ratio(self, way: str, options: str = ", wide") -> float | None:
        """The time of value and gradient in forward solves that were compiled in the same manner."""
        seconds, forward = (self.seconds.get(name + options) for name in (way, FORWARD))
        return None if seconds is None or forward is None else seconds / forward


def measure(case: Case, ways: dict[str, Way], repeats: int, close: float, wide_only: bool = False) -> Costs:
    """All ways, taking turns; each twice, with and without wide vectors, unless `wide_only`.

    `RuntimeError` if a value or a gradient is off: by more than rounding, or for `TransportAdjoint`, which is exact for
    the equation only, more than `close`.
    """
    memory: dict[str, int | None] = {}
    programs: dict[str, jax.stages.Compiled] = {}
    for options in list(_OPTIONS)[: 1 if wide_only else None]:
        for name, way in ways.items():
            if (memory.get(name) or 0) > MOST_BYTES:
                continue
            program = compiled(_mapped(case, way), _OPTIONS[options], *case.inputs)
            memory.setdefault(name, temporary_bytes(program))
            if (memory[name] or 0) <= MOST_BYTES:
                programs[name + options] = program
    apart = _compare({name: program(*case.inputs) for name, program in programs.items()}, close)
    runners = {name: lambda program=program: program(*case.inputs) for name, program in programs.items()}
    return Costs(race(runners, repeats), apart, memory)


def _mapped(case: Case, way: Way) -> Way:
    return jax.vmap(way, (0, 0, None, None)) if case.batched else way


def _compare(results: dict[str, Any], close: float) -> dict[str, float]:
    """The relative distance of each gradient from the reference, the largest in a batch."""
    value, reference = map(np.asarray, results[CHECKPOINT + ", wide"])
    apart: dict[str, float] = {}
    for name, result in results.items():
        forward = name.startswith(FORWARD)
        off = {"value": np.max(np.abs((result if forward else result[0]) - value) / np.abs(value))}
        allowed = {"value": _ROUNDING}
        if not forward:
            lengths = (np.linalg.norm(each, axis=-1) for each in (result[1] - reference, reference))
            off["gradient"] = np.max(np.divide(*lengths))
            allowed["gradient"] = close if name.startswith(TRANSPORT) else _ROUNDING
            apart[name] = float(off["gradient"])
        for what, distance in off.items():
            # NaN is not close either.
            if not distance <= allowed[what]:
                raise RuntimeError(
                    f"{name}: its {what} is {distance:.1e} from that of {CHECKPOINT}, relative; {allowed[what]:.1e} is allowed"
                )
    return apart


def table(title: str, what: str, costs: Costs) -> Table:
    """Milliseconds, forward solves and megabytes of each way."""
    rows: list[tuple[Cell, ...]] = []
    for name, memory in costs.memory.items():
        seconds = [costs.seconds.get(name + options) for options in _OPTIONS]
        milliseconds = [None if each is None else 1e3 * each for each in seconds]
        ratios = [costs.ratio(name, options) for options in _OPTIONS]
        rows.append((name, *milliseconds, *ratios, _megabytes(memory), costs.apart.get(name + ", wide")))
    columns = (
        "way", "ms, wide", "ms", "/ forward, wide", "/ forward", "temporary MB", "gradient off by",
    )  # fmt: skip
    note = (
        f"{what} Value and gradient in one `jax.jit`, with and without the option for wide vectors, against the value alone compiled in the same manner. "
        "Off by: relative, from `CheckpointAdjoint()`."
    )
    left_out = [name for name in costs.memory if name + ", wide" not in costs.seconds]
    if left_out:
        note += f" Compiled but not run, for want of memory: {', '.join(left_out)}."
    return Table(title, columns, rows, note)


def memory_table(cells: int, by_steps: dict[int, dict[str, int | None]]) -> Table:
    """Temporary megabytes against the number of steps, and the largest exponent of growth between two columns."""
    steps = list(by_steps)
    rows: list[tuple[Cell, ...]] = []
    for name in by_steps[steps[0]]:
        memory = [_megabytes(by_steps[n][name]) for n in steps]
        known = [each for each in memory if each is not None]
        exponent = np.max(np.diff(np.log(known)) / np.diff(np.log(steps))) if len(known) == len(steps) else None
        rows.append((name, *memory, None if exponent is None else float(exponent)))
    note = (
        f"Temporary MB of the program for {cells} cells and a fixed number of steps, `FiniteVolume(steps=...)`, compiled but not run. "
        "Growth: the largest exponent p of steps^p from one column to the next; 0.5 is the square root."
    )
    return Table("Memory against steps", ("way", *(f"{n} steps" for n in steps), "growth"), rows, note)


def memory(case: Case, ways: dict[str, Way]) -> dict[str, int | None]:
    """The temporary bytes of each way."""
    return {name: temporary_bytes(compiled(_mapped(case, way), WIDE, *case.inputs)) for name, way in ways.items()}


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / 1e6


def draw(groups: dict[str, Costs], aims: list[dict[str, float]], path: Path) -> None:
    """Bars of forward solves for each way, the groups side by side: logarithmic, from 1, which is the forward solve
    itself. A line across a bar is what was aimed at: `aims` has a dictionary by the names of ways for each group."""
    names = [name for name in next(iter(groups.values())).memory if name != FORWARD]
    drawing, (ax,) = plotting.figure(columns=1, height=0.9 + 0.3 * len(names))
    height = 0.8 / len(groups)
    with style():
        for k, (label, costs) in enumerate(groups.items()):
            at = np.arange(len(names)) + (k - (len(groups) - 1) / 2) * height
            ratios = [costs.ratio(name) for name in names]
            ends = [max(ratio or 1, 1) for ratio in ratios]
            ax.barh(at, [end - 1 for end in ends], height, left=1, color=_SHADES[k], label=label)
            for y, name, ratio, end in zip(at, names, ratios, ends, strict=True):
                aim = aims[k].get(name)
                if aim is not None:
                    ax.plot([aim, aim], [y - height / 2, y + height / 2], color="black", linewidth=1.4)
                # Beyond the aim, where that is further out than the bar.
                beside = (max(end, aim or 1), y)
                ax.annotate(
                    _label(ratio, costs.memory.get(name)),
                    beside,
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=6.5,
                )
        ax.plot([], [], color="black", linewidth=1.4, label="aim")
        ax.set_xscale("log")
        # Room for the figures.
        ax.set_xlim(1, 2.2 * ax.get_xlim()[1])
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xlabel("time in forward solves")
        drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


# Colours that differ in lightness too, for print in black and white.
_SHADES = (COLOURS[0], "#e69f00")


def _label(ratio: float | None, memory: int | None) -> str:
    if ratio is None:
        return "" if memory is None else f"not run: {memory / 1e9:.1f} GB"
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
