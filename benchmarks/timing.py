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


def race(runners: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The seconds of the fastest of `repeats` runs of each, after one to warm up.

    They take turns, so that a busy moment of the machine does not hit one of them only; and the minimum, since whatever
    disturbs a run makes it longer. A runner must return arrays, or nothing once it has finished.
    """
    for run in runners.values():
        jax.block_until_ready(run())
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(repeats):
        for name, run in runners.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def machine() -> str:
    """What the numbers were measured on, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [_cpu(), f"{cores} cores", f"Python {platform.python_version()}", f"JAX on {jax.default_backend()}"]
    for package in ("jax", "numpy", "diffrax", "clawpack", "py-pde"):
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
