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

    Raises `TypeError` for what is not a number or an array of numbers, and for a masked array with masked entries, whose
    mask no array of JAX has.
    """
    if isinstance(value, jax.Array):
        array = value
    else:
        array = _numbers(value, name) if known(value) else jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.floating):
        # NumPy's own float64 is what Python floats and lists become; it follows the precision that JAX is set to.
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        # What NumPy has is copied: to convert it by JAX would compile a program for each shape.
        return jax.lax.convert_element_type(array, dtype) if isinstance(array, jax.Array) else jnp.array(array, dtype)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"{name} must hold floats or integers, not {array.dtype}")
    return jnp.asarray(array).astype(default_float())


def as_float64(value: Any, name: str) -> np.ndarray:
    """`value`, which is known, as NumPy's float64, also where JAX is set to less; `TypeError` as in `as_floating`."""
    return _numbers(value, name).astype(np.float64)


def _numbers(value: Any, name: str) -> np.ndarray:
    _check_unmasked(value, name)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or an array of numbers, not {value!r}") from None
    # Not by NumPy's kinds, of which bfloat16 has none.
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{name} must be a number or an array of numbers, not {value!r}")
    return array


def _check_unmasked(value: Any, name: str) -> None:
    """Raises `TypeError` for a masked array, or a list with one in it, that has masked entries: a plain array has no mask,
    and what is masked would count."""
    if isinstance(value, list | tuple):
        for each in value:
            _check_unmasked(each, name)
    elif isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        count = int(np.ma.count_masked(value))
        raise TypeError(
            f"{name} has {count} masked entr{'y' if count == 1 else 'ies'} of {value.size}, and nothing here knows a mask: "
            "leave them out, as array.compressed() does, or fill them in"
        )


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


@jax.custom_jvp
def ratio(above: Array, below: Array) -> Array:
    """above / below, also for numbers `below` as small as a mass of 1e-20: autodiff's own rule divides by their square,
    which float32 does not have.

    >>> jax.grad(lambda mass: ratio(3 * mass, mass))(jnp.float32(1e-20))
    Array(0., dtype=float32)
    """
    return above / below


@ratio.defjvp
def _ratio_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    value = ratio(*primals)
    return value, ratio(tangents[0] - value * tangents[1], primals[1])


def root(power: Array, order: float | int) -> Array:
    """power^(1 / order) for power >= 0, whose derivative at 0 is 0."""
    if order == 1:
        return power
    positive = power != 0  # NaN too
    return jnp.where(positive, jnp.where(positive, power, jnp.ones_like(power)) ** (1 / order), jnp.zeros_like(power))


def common_float(*trees: Any) -> np.dtype:
    """JAX's result type of all floating-point arrays in the trees; the default float if there are none."""
    kinds = {
        leaf.dtype
        for leaf in jax.tree.leaves(trees)
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    }
    # By JAX's rules, which know bfloat16 with float16; also where its configuration forbids to mix types unasked.
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*kinds) if kinds else default_float()


def cast(tree: Any, dtype: np.dtype) -> Any:
    """The tree with each Python float and each array of floats as a strongly typed array of `dtype`."""

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, float | np.floating):
            return jnp.asarray(leaf, dtype)
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating):
            return jax.lax.convert_element_type(leaf, dtype)
        return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf

    return jax.tree.map(convert, tree)
