"""Numbers on their way in: strongly typed, checked while their values are still known."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Inexact, PRNGKeyArray


def as_floating(value: ArrayLike | list | tuple, name: str = "value") -> Inexact[Array, "..."]:
    """`value` as a strongly typed array of floats.

    A Python float has a weak type, which JAX's cache tells from the strong type that the same number has after the
    first optimiser step: without this conversion every retraining loop would compile twice. Integers become the default
    float; arrays of floats keep their precision.

    Raises `TypeError` for what is not a number or an array of numbers.
    """
    if isinstance(value, jax.Array):
        array = value
    elif not known(value):
        array = jnp.asarray(value)
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name} must be a number or an array of numbers, not {value!r}") from None
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be a number or an array of numbers, not {value!r}")
    if jnp.issubdtype(array.dtype, jnp.floating):
        # NumPy's own float64 is what Python floats and lists become; it follows the precision that JAX is set to.
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        # What NumPy has is copied: to convert it by JAX would compile a program for each shape.
        return jax.lax.convert_element_type(array, dtype) if isinstance(array, jax.Array) else jnp.array(array, dtype)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"{name} must hold floats or integers, not {array.dtype}")
    return jnp.asarray(array).astype(default_float())


def default_float() -> np.dtype:
    """The float type that JAX gives to a Python float: float64 where that is switched on."""
    return jax.dtypes.canonicalize_dtype(np.float64)


def known(*values: Any) -> bool:
    """Whether the values can be read now, which is not so under `jit`, `vmap` or `grad`."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def under_jit() -> bool:
    """Whether the code is being traced by an enclosing `jit`, even if every argument is a constant."""
    return isinstance(jnp.zeros(()), Tracer)


def as_count(value: Any, name: str, least: int = 1) -> int:
    """`value` as a Python integer of at least `least`; `TypeError` for what is no integer, `ValueError` below."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    return count


def as_key(value: Any) -> PRNGKeyArray:
    """`value` if it is one of JAX's random keys, typed or an array of two uint32, else `TypeError`."""
    dtype, shape = getattr(value, "dtype", np.dtype(object)), getattr(value, "shape", None)
    if (shape == () and jnp.issubdtype(dtype, jax.dtypes.prng_key)) or (shape == (2,) and dtype == np.uint32):
        return value
    raise TypeError(f"key must be one random key, such as jax.random.key(0), not {value!r}")


def require(condition: Callable[[], Any], message: Callable[[], str], *values: Any) -> None:
    """Raises `ValueError(message())` if `values` are known and `condition()` is false; traced values pass unseen.

    Known values are computed with at once even inside `jit`, where JAX would otherwise trace what is done with
    constants.
    """
    if known(*values):
        with jax.ensure_compile_time_eval():
            if not bool(condition()):
                raise ValueError(message())


def common_float(*trees: Any) -> np.dtype:
    """JAX's result type of all floating-point arrays in the trees; the default float if there are none."""
    kinds = {
        leaf.dtype
        for leaf in jax.tree.leaves(trees)
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    }
    return np.result_type(*kinds) if kinds else default_float()


def cast(tree: Any, dtype: np.dtype) -> Any:
    """The tree with each Python float and each array of floats as a strongly typed array of `dtype`."""

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, float | np.floating):
            return jnp.asarray(leaf, dtype)
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating):
            return jax.lax.convert_element_type(leaf, dtype)
        return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf

    return jax.tree.map(convert, tree)
