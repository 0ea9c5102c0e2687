"""Solutions put together from closed forms, and what is written in their pictures."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

# One grid in the plane, so that what JAX compiles for it serves all tests; other units by other bounds.
LOWER, UPPER, CELLS = (-4.0, -3.0), (4.0, 7.0), (64, 60)
COVARIANCE = [[0.8, 0.6], [0.6, 1.2]]
CORNERS = [(-4.0, -3.0), (4.0, -3.0), (-4.0, 7.0), (4.0, 7.0)]


def put_together(distributions: list, ts=None) -> kn.Solution:
    stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *distributions)
    ts = np.arange(len(distributions)) if ts is None else ts
    return kn.Solution(jnp.asarray(np.asarray(ts, float)), stacked, distributions[-1], {}, kn.Result.successful)


def paths_of(ts, samples) -> kn.Solution:
    return put_together([kn.Ensemble(np.asarray(row)) for row in samples], ts)


def batch_of(tree):
    """The same in a batch of one."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[None]), tree)


def changed(tree, values):
    return eqx.tree_at(lambda each: each.values, tree, jnp.asarray(values))


def mesh_of(ax) -> Any:
    """The coloured cells of a map."""
    return ax.collections[0]


def stairs_of(ax) -> list[Any]:
    """The curves of steps, and whatever else is a patch."""
    return list(ax.patches)


def bars_of(ax) -> list[Any]:
    return ax.containers[0].patches


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]
