"""Nanoseconds per cell and step, memory, and the first call."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

from . import problem
from .c_loop import CLoop
from .compiling import WIDE, compiled, temporary_bytes
from .layouts import LAYOUTS, arguments, steps_of
from .table import Table
from .timing import race

C_LOOP = "C loop on one core"


def alone(loop: CLoop | None, cells: tuple[int, ...], work: int, repeats: int) -> Table:
    """One problem on each grid, about `work` cells times steps in a run."""
    rows = []
    for n in cells:
        steps = work // n
        t1 = steps * problem.CFL * problem.nodes(n).width / problem.nodes(n).speed
        equation, initial, bias = problem.equation(), problem.initial(n), jnp.asarray(problem.BIAS)
        inside = _solve(t1)
        plain, wide = (compiled(inside, options, bias, initial) for options in (None, WIDE))
        runners: dict[str, Any] = {
            "eager": lambda equation=equation, initial=initial, t1=t1: kn.solve(equation, initial, t1=t1).final.values,
            "jit": lambda plain=plain, initial=initial, bias=bias: plain(bias, initial)[0],
            "wide": lambda wide=wide, initial=initial, bias=bias: wide(bias, initial)[0],
        }
        taken = int(plain(bias, initial)[1])
        if loop is not None:
            runners["C"] = _c_run(loop, n, taken)
        seconds = race(runners, repeats)
        ns = {name: each / (n * taken) * 1e9 for name, each in seconds.items()}
        c = ns.get("C")
        ratios = [None if c is None else ns[name] / c for name in ("eager", "jit")]
        rows.append((n, taken, c, ns["eager"], ns["jit"], ns["wide"], *ratios, temporary_bytes(plain)))
    columns = (
        "cells", "steps", "C loop", "kn.solve", "in jax.jit", "in jax.jit with the option", "kn.solve / C", "in jax.jit / C",
        "temporary bytes",
    )  # fmt: skip
    note = (
        "Nanoseconds per cell and step of whole calls, adaptive steps, clipping on. `kn.solve` passes an option for wide vectors to the compiler, which "
        "inside a jit of one's own is up to the user. Memory is that of the program compiled in a jit, without its inputs and outputs."
    )
    return Table("One problem", columns, rows, note)


def fixed_cost(cells: int, repeats: int) -> float:
    """The milliseconds that a call of `kn.solve` takes before and after its steps: one with a single step."""
    equation, initial = problem.equation(), problem.initial(cells)
    solve = lambda: kn.solve(equation, initial, t1=1e-6).final.values
    return race({"": solve}, repeats)[""] * 1e3


def batches(loop: CLoop | None, cells: int, steps: int, members: int, repeats: int) -> Table:
    """Many networks with different biases in one `vmap`."""
    t1 = steps * problem.CFL * problem.nodes(cells).width / problem.nodes(cells).speed
    biases = jnp.linspace(-0.5, 0.5, members)
    initial = problem.initial(cells)
    mapped = jax.vmap(_solve(t1), (0, None))
    plain, wide = (compiled(mapped, options, biases, initial) for options in (None, WIDE))
    runners: dict[str, Any] = {
        "jax.vmap": lambda: mapped(biases, initial)[0],
        "jax.jit(jax.vmap)": lambda: plain(biases, initial)[0],
        "jax.jit(jax.vmap) with the option": lambda: wide(biases, initial)[0],
    }
    taken = int(jnp.sum(plain(biases, initial)[1]))
    work = dict.fromkeys(runners, cells * taken)
    if loop is not None:
        # One after the other is what a loop over the members would do; 16 of them are enough to measure.
        runners[C_LOOP], work[C_LOOP] = _c_run(loop, cells, 16 * taken // members), cells * (16 * taken // members)
    ns = {name: seconds / work[name] * 1e9 for name, seconds in race(runners, repeats).items()}
    c = ns.get(C_LOOP, float("nan"))
    memory = temporary_bytes(plain)
    rows = [
        (name, each, None if loop is None else each / c, None if name == C_LOOP else memory)
        for name, each in ns.items()
    ]
    columns = ("what", "ns per cell and step", "/ C loop", "temporary bytes")
    note = f"{members} networks of {cells} cells each, {taken // members} steps, on all cores. The state of the batch is {8 * members * cells} bytes."
    return Table("Batches", columns, rows, note)


def layouts(loop: CLoop | None, alone: tuple[int, int], batch: tuple[int, int, int] | None, repeats: int) -> Table:
    """The hot stage in each layout: `alone` is (cells, steps), `batch` (cells, steps, members). With a batch both are
    run once more with wide vectors."""
    columns: dict[str, dict[str, float]] = {}
    memory: dict[str, int | None] = {}
    averages: list[np.ndarray] = []
    for title, (cells, steps, members) in {"alone": (*alone, None), **({"batch": batch} if batch else {})}.items():
        inputs = (*arguments(cells, members), jnp.asarray(steps))
        for options in (None, WIDE) if batch else (None,):
            runners: dict[str, Any] = {}
            for name, layout in LAYOUTS.items():
                program = steps_of(layout, members is not None, options).lower(*inputs).compile()
                runners[name] = lambda program=program, inputs=inputs: program(*inputs)
                if title == "alone":
                    memory.setdefault(name, temporary_bytes(program))
                    averages.append(np.asarray(program(*inputs)))
            work = dict.fromkeys(runners, int(cells * steps * (members or 1)))
            if loop is not None:
                runners[C_LOOP], work[C_LOOP] = _c_run(loop, cells, 8 * steps), 8 * cells * steps
            columns[f"{title}, wide" if options else title] = {
                name: seconds / work[name] * 1e9 for name, seconds in race(runners, repeats).items()
            }
    names = list(columns["alone"])
    rows = [(name, *(column[name] for column in columns.values()), memory.get(name)) for name in names]
    apart = float(np.max(np.ptp(averages, axis=0)) / np.max(averages))
    where = f"{alone[0]} cells" + (f", and {batch[2]} times {batch[0]} cells on all cores" if batch else "")
    note = (
        f"Nanoseconds per cell and step of the three stages alone, without choosing steps: {where}. Wide: with the option that `kn.solve` passes. "
        f"After {alone[1]} steps the averages of all layouts agree to {apart:.1e} of the largest."
    )
    return Table("Layouts of the hot stage", ("layout", *columns, "temporary bytes, alone"), rows, note)


_SCRIPT = """
import json, sys, time
start = time.perf_counter()
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import kinetic_nde as kn
loaded = time.perf_counter()
kind, cells = sys.argv[1], int(sys.argv[2])
initial = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, cells))
weight = kn.PiecewiseConstant([0.0, 0.2, 0.4, 0.6, 0.8], [1.0, -0.5, 1.0, -1.0, 0.5]) if kind == "layers" else 1.0
def solve(bias):
    return kn.solve(kn.MeanField(kn.SimResNet(weight, bias, kn.Tanh()), (-8.0, 8.0)), initial, t1=1.0).final.values
if kind == "vmap":
    solve = jax.jit(jax.vmap(solve))
    solve, biases = solve, (jnp.linspace(0.0, 0.5, 256), jnp.linspace(-0.5, 0.0, 256))
else:
    biases = (0.3, 0.2)
ready = time.perf_counter()
solve(biases[0]).block_until_ready()
first = time.perf_counter()
solve(biases[1]).block_until_ready()
print(json.dumps([loaded - start, ready - loaded, first - ready, time.perf_counter() - first]))
"""


def first_call(kinds: dict[str, tuple[str, int]], repeats: int) -> Table:
    """The first call of `kn.solve` in a process of its own, which compiles, and the second with other numbers."""
    rows = []
    for title, (kind, cells) in kinds.items():
        runs = [_fresh(kind, cells) for _ in range(repeats)]
        rows.append((title, cells, *(min(times) for times in zip(*runs, strict=True))))
    columns = (
        "what", "cells", "imports, s", "grid and density, s", "first call, s", "second call, other numbers, s",
    )  # fmt: skip
    note = "A fresh process for each run, nothing cached. The first call traces, compiles and solves."
    return Table("First call", columns, rows, note)


def _fresh(kind: str, cells: int) -> list[float]:
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-c", _SCRIPT, kind, str(cells)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def _solve(t1: float) -> Any:
    """(bias, initial) -> averages at t1 and number of steps."""

    def solve(bias: Any, initial: kn.Density) -> tuple[Any, Any]:
        solution = kn.solve(problem.equation(bias), initial, t1=t1)
        return solution.final.values, solution.stats["steps"]

    return solve


def _c_run(loop: CLoop, cells: int, steps: int) -> Any:
    at, averages = problem.nodes(cells), problem.initial_averages(cells)
    velocity, dt = problem.velocity(at.faces), problem.CFL * at.width / at.speed
    return lambda: loop(averages, velocity, at.width, dt, steps)
