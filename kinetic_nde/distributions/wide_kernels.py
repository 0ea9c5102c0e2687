"""Kernels that reach across the whole grid, with all of their mirror images."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .grid import Grid

# Kernels wider than this part of the grid. Below it what is beyond the first mirror images is 1e-15 of a kernel at most, and
# above it all terms of the series that count at all are among the first `_TERMS`: exp(-(24 pi / 8)^2 / 2) = 5e-20.
WIDE = 1 / 8
_TERMS = 24


def is_wide(grid: Grid, width: Float[Array, ""]) -> Array:
    """Whether a kernel of this standard deviation on a line is known by its series."""
    return width > WIDE * grid.length


def cosines(samples: Float[Array, " m"], grid: Grid) -> Float[Array, "m terms"]:
    """cos(n pi y / L), n = 0, 1, ..., of each sample at the distance y from the lower end of a line of the length L."""
    angle = (samples - grid.lower) * (np.pi / grid.length)
    return jnp.cos(angle[:, None] * jnp.arange(_TERMS, dtype=samples.dtype)[None, :])


def masses_of_cosines(grid: Grid, width: Float[Array, ""]) -> Float[Array, "terms cells"]:
    """What a sample's cosine number n adds to the mass in each cell. All mirror images of a normal density of standard
    deviation h together are

        1/L + 2/L sum_n exp(-(n pi h / L)^2 / 2) cos(n pi x / L) cos(n pi y / L),

    the solution of the heat equation on [0, L] through whose ends nothing passes.
    """
    n = jnp.arange(1, _TERMS, dtype=width.dtype)
    decay = jnp.exp(-0.5 * (n * (np.pi * width / grid.length)) ** 2)
    shares = jnp.arange(grid.cells + 1, dtype=width.dtype) / grid.cells
    waves = jnp.diff(jnp.sin(np.pi * n[:, None] * shares[None, :]), axis=1) * (2 / (np.pi * n))[:, None]
    return jnp.concatenate([jnp.full((1, grid.cells), 1 / grid.cells, width.dtype), decay[:, None] * waves])
