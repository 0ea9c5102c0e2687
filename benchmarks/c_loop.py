"""The C loop of cweno3.c, compiled here and called from Python."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("cweno3.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512")


class CLoop:
    """u_t + (v u)_x = 0 between walls by the compiled loop, on one core. Raises `RuntimeError` where it cannot be compiled."""

    def __init__(self):
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None:
            raise RuntimeError("no C compiler was found (cc, or what the environment variable CC names)")
        with tempfile.TemporaryDirectory() as folder:
            compiled, library = Path(folder, "cweno3.o"), Path(folder, "cweno3.so")
            # Linked without -ffast-math: with it, loading the library would switch denormal numbers off for the whole process.
            for command in (
                [compiler, *FLAGS, "-fPIC", "-c", SOURCE, "-o", compiled],
                [compiler, "-shared", compiled, "-lm", "-o", library],
            ):
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    raise RuntimeError(f"{' '.join(map(str, command))} failed: {done.stderr.strip()}")
            self._solve = ctypes.CDLL(str(library)).solve
        numbers = np.ctypeslib.ndpointer(dtype=np.float64, ndim=1, flags="C_CONTIGUOUS")
        self._solve.argtypes = [numbers, numbers, ctypes.c_int, ctypes.c_double, ctypes.c_double, ctypes.c_int]
        self._solve.restype = None

    def __call__(self, averages: np.ndarray, velocity: np.ndarray, width: float, dt: float, steps: int) -> np.ndarray:
        """The averages (cells,) after `steps` steps with the velocity at the faces (cells + 1,)."""
        if averages.ndim != 1 or velocity.shape != (len(averages) + 1,):
            raise ValueError(f"need (cells,) averages and cells + 1 velocities, got {averages.shape}, {velocity.shape}")
        out = np.array(averages, dtype=np.float64)
        self._solve(out, np.ascontiguousarray(velocity, dtype=np.float64), len(out), width, dt, steps)
        return out


def c_loop() -> tuple[CLoop | None, str]:
    """The loop if it can be compiled, and a line that says so or why not."""
    try:
        return CLoop(), f"C loop: cc {' '.join(FLAGS)}, one core"
    except RuntimeError as reason:
        return None, f"C loop skipped: {reason}"
