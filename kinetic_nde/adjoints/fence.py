"""Where XLA must store an intermediate result instead of computing it again for each of its uses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


def fenced(always: Bool[Array, ""], function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, kept apart from what comes before and after it by the CPU compiler.

    XLA's CPU back end fuses an expensive expression into every shifted use of it: the flux at a face would be computed
    once for each of its two cells, and the loop would no longer be vectorised. It does not fuse across the branches of
    a conditional. `always` must be true, but known only at run time, and the same for all members of a batch (a batched
    conditional runs both branches). On other back ends this is a plain call: for a GPU, where a conditional waits for the
    host, that is a choice and not a measurement.
    """
    if jax.default_backend() != "cpu":
        return function(*args)
    out = jax.eval_shape(function, *args)
    return jax.lax.cond(
        always, function, lambda *_: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), out), *args
    )
