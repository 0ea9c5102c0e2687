"""Solutions that nobody had to solve for."""

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

EIGHT = np.random.default_rng(0).normal(0.5, 1.0, 8)


def made(samples, ts=None, result=kn.Result.successful):
    """Samples (T, M) or (T, M, d) at times 0, 1, 2, ... or ts."""
    samples = jnp.asarray(samples)
    ts = jnp.arange(len(samples), dtype=samples.dtype) if ts is None else jnp.asarray(ts, samples.dtype)
    return kn.Solution(ts, jax.vmap(kn.Ensemble)(samples), kn.Ensemble(samples[-1]), {}, result)


def breathing(factors, samples=EIGHT):
    """The samples at each time are a multiple of the first ones."""
    return made(np.asarray(factors)[:, None] * samples[None])


def stacked(grid, values):
    """Averages (T, cells) on one grid at times 0, 1, 2, ..."""
    grids = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(values),)), grid)
    densities = jax.vmap(kn.Density)(grids, values)
    return kn.Solution(jnp.arange(len(values), dtype=float), densities, None, {}, kn.Result.successful)
