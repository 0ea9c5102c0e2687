"""Monte Carlo for Boltzmann's equations: seconds, nanoseconds per collision, memory."""

import functools
import resource
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

from .compiling import WIDE, compiled
from .table import Cell, Table
from .timing import race

COLUMNS = ("equation", "method", "particles", "collisions", "seconds", "ns per collision", "MB")


def speed(particles: int, collisions: float, few: int, repeats: int) -> Table:
    """All particles colliding so many times on average; the first row is what the target is for. `few` particles for what is
    slower."""
    linear = functools.partial(kn.Boltzmann, kn.SimResNet(-0.7, 0.3, kn.Identity()), 0.1)
    pairs = kn.SimResNet(jnp.array([[-0.5, 0.3], [0.2, -0.4]]), jnp.array([0.1, 0.2]), kn.Identity())
    steps = kn.Collisions(steps=2 * int(collisions))
    cases: list[tuple[str, Any, kn.Collisions, int, float, Any]] = [
        ("linear, normal noise", linear(0.5), kn.Collisions(), particles, collisions, np.float64),
        (
            "linear, uniform noise",
            linear(0.5, noise=kn.UniformNoise()),
            kn.Collisions(),
            particles,
            collisions,
            np.float64,
        ),
        ("linear, no noise", linear(0.0), kn.Collisions(), particles, collisions, np.float64),
        ("linear, normal noise, float32", linear(0.5), kn.Collisions(), particles, collisions, np.float32),
        ("linear, normal noise", linear(0.5), steps, few, collisions, np.float64),
        ("binary", kn.BinaryBoltzmann(pairs, 0.1), kn.Collisions(), few, collisions / 10, np.float64),
        (
            "binary",
            kn.BinaryBoltzmann(pairs, 0.1),
            kn.Collisions(steps=int(collisions / 5)),
            few,
            collisions / 10,
            np.float64,
        ),
    ]
    rows = [_row(*case, repeats) for case in cases]
    note = (
        "eps = 0.1, rate 1. Seconds of a compiled program, and its memory: inputs, outputs and what it takes in between. "
        f"Largest resident memory of the process after the first row: {rows[0][1]:.0f} MB, with Python, JAX and the compiler."
    )
    return Table("Collisions", COLUMNS, [row for row, _ in rows], note)


def _row(
    name: str, law: Any, method: kn.Collisions, particles: int, collisions: float, dtype: Any, repeats: int
) -> tuple[tuple[Cell, ...], float]:
    law = jax.tree.map(lambda leaf: leaf.astype(dtype), law)
    samples, key = jax.random.normal(jax.random.key(0), (particles,), dtype), jax.random.key(1)

    def final(law: Any, samples: jax.Array, key: jax.Array) -> jax.Array:
        return kn.solve(law, kn.Ensemble(samples), t1=collisions, method=method, key=key).final.samples

    program = compiled(final, WIDE, law, samples, key)
    seconds = race({"value": lambda: program(law, samples, key)}, repeats)["value"]
    analysis = program.memory_analysis()
    memory = None
    if analysis is not None:
        memory = (analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes) / 1e6
    label = "Collisions()" if method.steps is None else f"Collisions(steps={method.steps})"
    cells = (name, label, particles, collisions, seconds, 1e9 * seconds / (particles * collisions), memory)
    # In kilobytes, on macOS in bytes.
    return cells, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
