"""How the tests run. At the root, because the docstrings of the package are tests too."""

import atexit
import gc
import os
import shutil
import tempfile
from typing import Any

import pytest

from tests.compiler_flags import flags_known_here

# Before anything imports matplotlib; notebooks and subprocesses inherit it.
os.environ["MPLBACKEND"] = "Agg"

# Who sets XLA_FLAGS is taken at their word: XLA_FLAGS= compiles what ships. Workers, notebooks and subprocesses inherit what
# the first process found.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = flags_known_here()

# Most of the time goes into compiling. What one worker, notebook or subprocess has compiled the others read: they inherit
# the folder of the process that started them, which made it for this session alone and removes it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _compiled = tempfile.mkdtemp(prefix="kinetic-nde-")
    atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
from hypothesis import settings
from jaxtyping import install_import_hook

pytest_plugins = ["tests.dealing"]

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

# JAX keeps every program that it has compiled, a megabyte and more each, and most serve one file only.
MOST_PROGRAMS = 500
_programs: list[float] = []


def _count(event: str, duration_secs: float, **_: Any) -> None:
    if event.endswith("backend_compile_duration"):
        _programs.append(duration_secs)


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture(autouse=True, scope="module")
def programs_are_dropped_between_files():
    yield
    if len(_programs) > MOST_PROGRAMS:
        _programs.clear()
        jax.clear_caches()
        gc.collect()
