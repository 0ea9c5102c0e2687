"""What of a field is trained, and its numbers as a vector."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._values import as_floating


def split(field: Any) -> tuple[Any, Any]:
    """The trainable part of a field, its arrays of floats, and the rest, each with None in place of the other; together
    again with `eqx.combine`.

    Raises `ValueError` for a field without trainable arrays: a Python number is none, nor is what a function holds.

    >>> from kinetic_nde import SimResNet, Tanh
    >>> parameters, rest = split(SimResNet(-1.0, 0.3, Tanh()))
    >>> jax.tree.leaves(parameters)
    [Array(-1., dtype=float64), Array(0.3, dtype=float64)]
    """
    parameters, rest = eqx.partition(field, _is_trainable)
    if not jax.tree.leaves(parameters):
        raise ValueError(
            f"nothing in {type(field).__name__} can be trained: parameters are arrays of floats (jnp.array(0.8), not 0.8) in the fields of an eqx.Module"
        )
    return jax.tree.map(as_floating, parameters), rest


def names(parameters: Any) -> list[str]:
    """A name for each number, in the order of `to_vector`.

    >>> from kinetic_nde import PiecewiseConstant, SimResNet, Tanh
    >>> names(SimResNet(PiecewiseConstant([0.0, 1.0], [-1.0, 2.0]), 0.3, Tanh()))
    ['weight[0]', 'weight[1]', 'bias']
    """
    found = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(parameters)[0]:
        name = jax.tree_util.keystr(path).lstrip(".").removesuffix(".values").removesuffix(".value")
        indices = np.ndindex(np.shape(leaf))
        found += [name + (f"[{', '.join(map(str, index))}]" if index else "") for index in indices]
    return found


def to_vector(parameters: Any) -> np.ndarray:
    """All numbers of a tree, in float64."""
    return np.concatenate([np.ravel(leaf).astype(float) for leaf in jax.tree.leaves(parameters)])


def from_vector(vector: np.ndarray, like: Any) -> Any:
    """The tree of the structure and types of `like` that has these numbers."""
    leaves, structure = jax.tree.flatten(like)
    parts = np.split(vector, np.cumsum([leaf.size for leaf in leaves])[:-1])
    pairs = zip(parts, leaves, strict=True)
    return jax.tree.unflatten(structure, [jnp.asarray(part.reshape(leaf.shape), leaf.dtype) for part, leaf in pairs])


def _is_trainable(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic) and jnp.issubdtype(leaf.dtype, jnp.floating)
