"""How the tests run. At the root, because the docstrings of the package are tests too."""

import atexit
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

# What is compiled here runs for milliseconds: to optimise it takes longer. XLA fuses and orders as it always does, only LLVM
# is told not to try; the experiments and benchmarks run by themselves are compiled as a user's programs are.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"

import jax
from hypothesis import settings
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
# Silent broadcasting and silent casts are how a wrong shape or a lost digit stays hidden.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Every annotation in the package is checked in every test. Never removed: modules imported later need it too.
install_import_hook("kinetic_nde", "beartype.beartype")

# Each new shape compiles, which no deadline allows for: few examples, and the same ones every time.
settings.register_profile("kinetic_nde", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("kinetic_nde")
