"""Flags with which XLA compiles the tests sooner. They are private to XLA, and come and go with its releases."""

import os
import subprocess
import sys

# What is compiled here runs for milliseconds: to optimise it takes longer. LLVM is told not to try; each fusion is written by
# the older emitters, without a pipeline of MLIR for every one of the hundreds in a gradient; and no program is split for
# threads that have no core left.
SOONER = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
SCRIPT = "from jaxlib import xla_client; xla_client.make_cpu_client()"


def flags_known_here() -> str:
    """Those that this jaxlib takes, for XLA_FLAGS. Each is tried in a process of its own, which XLA ends at a flag that it
    does not know."""
    tried = {
        flag: subprocess.Popen(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "XLA_FLAGS": flag}, stderr=subprocess.DEVNULL
        )
        for flag in SOONER
    }
    return " ".join(flag for flag, process in tried.items() if process.wait() == 0)
