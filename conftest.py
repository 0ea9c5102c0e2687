"""How the tests run. At the root, because the docstrings of the package are tests too."""

import atexit
import gc
import os
import shutil
import tempfile

# Before anything imports matplotlib; notebooks and subprocesses inherit it.
os.environ["MPLBACKEND"] = "Agg"

# Most of the time goes into compiling. What one worker, notebook or subprocess has compiled the others read: they inherit
# the folder of the process that started them, which made it for this session alone and removes it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _compiled = tempfile.mkdtemp(prefix="kinetic-nde-")
    atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# What is compiled here runs for milliseconds: to optimise it takes longer. LLVM is told not to try; each fusion is written by
# the older emitters, without a pipeline of MLIR for every one of the hundreds in a gradient; and no program is split for
# threads that have no core left. Experiments and benchmarks run by themselves are compiled as a user's programs are, and so are
# the tests with XLA_FLAGS="--xla_backend_optimization_level=3 --xla_cpu_use_fusion_emitters=true": the last word counts.
os.environ["XLA_FLAGS"] = " ".join(
    [
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
        os.environ.get("XLA_FLAGS", ""),
    ]
)

import jax
from hypothesis import settings
from jaxtyping import install_import_hook

# Tracing makes many objects and little garbage, and what looks for it walks through all that JAX keeps: a third of the time
# of a trace at Python's threshold of 700.
gc.set_threshold(100_000)

jax.config.update("jax_enable_x64", True)
# Silent broadcasting and silent casts are how a wrong shape or a lost digit stays hidden.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Every annotation in the package is checked in every test. Never removed: modules imported later need it too.
install_import_hook("kinetic_nde", "beartype.beartype")

# Each new shape compiles, which no deadline allows for: few examples, and the same ones every time.
settings.register_profile("kinetic_nde", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("kinetic_nde")
