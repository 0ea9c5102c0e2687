"""POT, another way to the distances, without the array libraries that it would import."""

import os

os.environ.update({f"POT_BACKEND_DISABLE_{name}": "1" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")})

import ot as ot
