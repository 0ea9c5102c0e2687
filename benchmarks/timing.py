"""How times are taken, and on what."""

import datetime
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

_TURN = 0.02  # seconds, at least


def race(runners: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The seconds of the fastest run of each in `repeats` turns, after one to warm up.

    They take turns, so that a busy moment of the machine does not hit one of them only; and the minimum, since whatever
    disturbs a run makes it longer. Short runs are repeated within a turn: the first would find its data out of the
    caches. A runner must return arrays, or nothing once it has finished.
    """
    for run in runners.values():
        jax.block_until_ready(run())
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(repeats):
        for name, run in runners.items():
            end = time.perf_counter() + _TURN
            while True:
                start = time.perf_counter()
                jax.block_until_ready(run())
                now = time.perf_counter()
                best[name] = min(best[name], now - start)
                if now > end:
                    break
    return best


class Company:
    """What other processes take of the machine, between two looks at it."""

    def __init__(self):
        self._start = self._look()

    @staticmethod
    def _look() -> tuple[float, float, float] | None:
        """Seconds since some moment: of all cores, busy; of this process and its children; of the clock."""
        try:
            fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
            ticks = os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, AttributeError):
            return None
        idle = int(fields[3]) + int(fields[4])
        busy = (sum(map(int, fields[:8])) - idle) / ticks
        return busy, sum(os.times()[:4]), time.perf_counter()

    def cores(self) -> float | None:
        """How many cores others have kept busy since the start; None where the system does not tell."""
        now = self._look()
        if self._start is None or now is None:
            return None
        busy, own, clock = (after - before for before, after in zip(self._start, now, strict=True))
        return max(0.0, busy - own) / clock


def machine() -> str:
    """What the numbers were measured on, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [_cpu(), f"{cores} cores", f"Python {platform.python_version()}", f"JAX on {jax.default_backend()}"]
    for package in ("jax", "numpy", "diffrax", "clawpack", "py-pde", "fplanck", "torch", "torchdiffeq"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join([*parts, datetime.date.today().isoformat()])


def _cpu() -> str:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    except OSError:
        return platform.processor() or platform.machine()
    named = {key.strip(): value.strip() for key, value in fields.items()}
    vectors = ", AVX-512" if "avx512f" in named.get("flags", "") else ""
    # The name alone says little on a virtual machine: the generation is in family and model.
    numbers = f"family {named.get('cpu family', '?')}, model {named.get('model', '?')}"
    return f"{named.get('model name', platform.machine())} ({numbers}{vectors})"
