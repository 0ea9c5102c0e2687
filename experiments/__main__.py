"""python -m experiments [NAME ...] [--out DIR] [--quick]: runs experiments, draws their pictures and reports their numbers."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax

from . import (
    coupled_tanh,
    diabetes,
    dobrushin,
    families,
    figure1,
    figure2,
    figure3,
    figure4,
    figure5,
    figure6,
    figure7,
    figure8,
    figure9,
    fitting,
    forbes,
    grazing,
    growing_cosine,
    self_similar,
    steady_plane,
    two_moons,
    update_cost,
)
from .numbers import Number, table

EXPERIMENTS = {
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
    "figure7": figure7,
    "figure8": figure8,
    "figure9": figure9,
    "growing_cosine": growing_cosine,
    "dobrushin": dobrushin,
    "families": families,
    "fitting": fitting,
    "forbes": forbes,
    "grazing": grazing,
    "self_similar": self_similar,
    "two_moons": two_moons,
    "diabetes": diabetes,
    "steady_plane": steady_plane,
    "coupled_tanh": coupled_tanh,
    "update_cost": update_cost,
}


def run(arguments: list[str] | None = None) -> int:
    """Runs the experiments that are named, all by default, and returns the exit code: 0, 1 if a number is out of tolerance, 2 for bad arguments.

    After each experiment `report.md` is written anew with all that has finished: an interrupt costs the one that is running.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments", description="Computed against exact numbers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="for pictures and report.md")
    parser.add_argument("--quick", action="store_true", help="coarse grids: seconds, and fewer digits")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in EXPERIMENTS]
    if unknown:
        return _refuse(f"unknown experiment {', '.join(unknown)}; there are: {', '.join(EXPERIMENTS)}")
    try:
        return _run(list(dict.fromkeys(options.names)) or list(EXPERIMENTS), options.out, options.quick)
    except OSError as error:
        return _refuse(f"cannot write to {options.out}: {error.strerror or error}")


def _run(names: list[str], out: Path, quick: bool) -> int:
    done: dict[str, tuple[dict[str, Number], float]] = {}
    for k, name in enumerate(names, start=1):
        print(f"[{k}/{len(names)}] {name} ... ", end="", flush=True)
        start = time.perf_counter()
        main: Callable[..., dict[str, Number]] = EXPERIMENTS[name].main
        numbers = main(out, **(EXPERIMENTS[name].QUICK if quick else {}))
        done[name] = numbers, time.perf_counter() - start
        _write(out / "report.md", _report(done, quick))
        wrong = [each for each, number in numbers.items() if not number.ok]
        verdict = f"out of tolerance: {'; '.join(wrong)}" if wrong else "all within tolerance"
        print(f"{done[name][1]:.1f} s, {len(numbers)} numbers, {verdict}", flush=True)
    print(f"pictures and report.md are in {out}")
    return 0 if all(number.ok for numbers, _ in done.values() for number in numbers.values()) else 1


def _report(done: dict[str, tuple[dict[str, Number], float]], quick: bool) -> str:
    grids = "the coarse grids of --quick" if quick else "the full grids"
    parts = [
        f"# Experiments: computed against exact\n\nOn {grids}, in float64, with JAX {jax.__version__} on {jax.default_backend()}."
        " A number without a tolerance is reported and not judged."
    ]
    for name, (numbers, seconds) in done.items():
        title = (EXPERIMENTS[name].__doc__ or name).strip()
        parts.append(f"## {name}\n\n{title}\n\n![{name}]({name}.png)\n\n{table(numbers)}\n\n{seconds:.1f} s.")
    return "\n\n".join(parts) + "\n"


def _write(path: Path, text: str) -> None:
    """Replaces a file as a whole: an interrupt leaves the old one or the new one."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(run())
