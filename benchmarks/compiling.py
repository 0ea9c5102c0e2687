"""Programs compiled ahead of time, and what they need."""

from collections.abc import Callable
from typing import Any

import jax

# What kn.solve passes to the compiler where it may, which is outside of jit and vmap.
WIDE: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512}


def compiled(function: Callable[..., Any], options: dict[str, Any] | None, *inputs: Any) -> jax.stages.Compiled:
    """`function` compiled for inputs like these."""
    return jax.jit(function, compiler_options=options).lower(*inputs).compile()


def temporary_bytes(program: jax.stages.Compiled) -> int | None:
    """The memory that the program takes while it runs, without its inputs and outputs; None where the back end does not
    tell."""
    analysis = program.memory_analysis()
    return None if analysis is None else int(analysis.temp_size_in_bytes)
