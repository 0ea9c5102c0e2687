"""What a question to a distribution takes for granted: that it is one and no stack, and that it has mass."""

from typing import Any

import jax
import numpy as np

from .._values import require


def check_one(given: Any, what: str) -> None:
    """Raises `ValueError` if `given`, a density, an ensemble or a grid, is a stack, as `solution.distributions` and what
    `jax.vmap` returns are.

    A sum over all of its numbers would be none of its members', and one for each member would be wrong wherever the first
    axis is taken for that of the samples or of the components. So a question to a stack has no answer.
    """
    if given.stacked:
        shape = jax.tree.leaves(given)[-1].shape
        raise ValueError(
            f"{what} is of one {type(given).__name__}, and this is a stack of them, an array of shape {shape}: jax.vmap maps "
            "over it, and solution[i] is one of a solution's"
        )


def check_mass(given: Any, what: str) -> None:
    """Raises `ValueError` for a density whose averages are known and all zero; an ensemble has the mass 1."""
    values = getattr(given, "values", None)
    if values is not None:
        require(
            lambda: np.any(np.asarray(values) != 0),
            lambda: (
                f"{what} is of a distribution with mass, and here all averages are zero: all mass has left the grid"
            ),
            values,
        )
