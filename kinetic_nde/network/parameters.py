"""Parameters over time: one value per solve, per layer, interpolated, or any function of t."""

import abc
import functools
import types
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_float64, as_floating, known, require
from .pieces import Piece, piece_around


class AbstractParameter(eqx.Module):
    """A weight or bias as a function of time: `parameter(t)`.

    `breakpoints` are the times at which it is not smooth: solvers end a step there. `frozen(t)` is the parameter as it
    is on the piece that holds t; solvers freeze at the middle of a span between two breakpoints, so that no stage of a
    step can read the next layer.
    """

    @property
    @abc.abstractmethod
    def breakpoints(self) -> tuple[float, ...]:
        """The times at which the parameter jumps or has a kink, increasing."""

    @property
    @abc.abstractmethod
    def autonomous(self) -> bool:
        """Whether the value stays the same between two breakpoints."""

    @abc.abstractmethod
    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        """The parameter as it is on the piece that holds t."""

    @abc.abstractmethod
    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        """The value at time t."""


class Constant(AbstractParameter):
    """The same value at all times. Numbers become strongly typed arrays of floats.

    >>> Constant(2)(0.0)
    Array(2., dtype=float64)
    """

    value: Float[Array, "*shape"]

    def __init__(self, value: Any):
        self.value = as_floating(value, "a parameter's value")
        _require_finite(self.value)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return ()

    @property
    def autonomous(self) -> bool:
        return True

    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        return self

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        return self.value


class PiecewiseConstant(AbstractParameter):
    """One value per layer: `values[k]` on [times[k], times[k + 1]), the last one held for ever and the first one also
    before its time.

    `times` (L,), increasing, are the left ends of the layers: fixed data, no leaves of the module, so that gradients
    and optimisers leave them alone; a solve compiles anew for other times, and not for other values. `values` (L, ...) are
    trained. For many tables of times in one program give a module of t with an array `breakpoints`. Raises `ValueError` if the times are not known,
    finite and increasing or if the lengths differ.

    >>> w = PiecewiseConstant([0.0, 1.0], [-1.0, 2.0])
    >>> w(0.5), w(1.0)
    (Array(-1., dtype=float64), Array(2., dtype=float64))
    """

    times: tuple[float, ...] = eqx.field(static=True)
    values: Float[Array, "layers *shape"]

    def __init__(self, times: ArrayLike | list | tuple, values: ArrayLike | list):
        self.times, self.values = _table("PiecewiseConstant", times, values)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return self.times[1:]

    @property
    def autonomous(self) -> bool:
        return True

    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        return Constant(self(t))

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        t = as_floating(t, "t")
        layer = jnp.searchsorted(jnp.asarray(self.times[1:], t.dtype), t, side="right")
        return self.values[layer]


class Interpolated(AbstractParameter):
    """Linear between `values[k]` at `times[k]`, the end values held outside. Same arguments and errors as
    `PiecewiseConstant`.

    >>> Interpolated([0.0, 2.0], [0.0, 4.0])(0.5)
    Array(1., dtype=float64)
    """

    times: tuple[float, ...] = eqx.field(static=True)
    values: Float[Array, "knots *shape"]

    def __init__(self, times: ArrayLike | list | tuple, values: ArrayLike | list):
        self.times, self.values = _table("Interpolated", times, values)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return self.times

    @property
    def autonomous(self) -> bool:
        return len(self.times) == 1

    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        # Continuous at its kinks: a stage at the end of a step reads the same value from either side.
        return self

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        if len(self.times) == 1:
            return self.values[0]
        t = as_floating(t, "t")
        times = jnp.asarray(self.times, t.dtype)
        right = jnp.clip(jnp.searchsorted(times, t, side="right"), 1, len(self.times) - 1)
        share = jnp.clip((t - times[right - 1]) / (times[right] - times[right - 1]), 0, 1).astype(self.values.dtype)
        return (1 - share) * self.values[right - 1] + share * self.values[right]


class FunctionOfTime(AbstractParameter):
    """A plain function of t. It is static: solvers retrace for each new function object, and nothing inside it is
    differentiated.

    Raises `ValueError` for a function that closes over traced values, whose gradient would silently be lost: write an
    `eqx.Module` with `__call__(self, t)` instead, its arrays are traced and trained.

    >>> FunctionOfTime(lambda t: 2 * t)(3.0)
    Array(6., dtype=float64)
    """

    function: Callable[[Any], Any] = eqx.field(static=True)

    def __init__(self, function: Callable[[Any], Any]):
        if not known(captured(function)):
            raise ValueError(
                f"the function {function!r} closes over traced values, which would neither be differentiated nor compiled once; "
                "make the parameter an eqx.Module with __call__(self, t) that holds these values as fields"
            )
        self.function = function

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return ()

    @property
    def autonomous(self) -> bool:
        return False

    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        return self

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        return as_floating(self.function(t), "the value of a parameter")


class ModuleOfTime(AbstractParameter):
    """Any `eqx.Module` called as `module(t)`: its arrays of floats are trained.

    One that jumps or has a kink names these times in an attribute `breakpoints`, numbers or an array, traced ones too;
    those of parameters that it holds are found without. For differentiation they are constants.

    >>> class Decaying(eqx.Module):
    ...     start: Array
    ...
    ...     def __call__(self, t):
    ...         return self.start * jnp.exp(-t)
    >>> ModuleOfTime(Decaying(jnp.array(2.0)))(0.0)
    Array(2., dtype=float64)
    """

    module: eqx.Module

    @property
    def breakpoints(self) -> Any:
        named = getattr(self.module, "breakpoints", None)
        if named is not None:
            return named
        return tuple(sorted({t for parameter in parameters_in(self.module) for t in parameter.breakpoints}))

    @property
    def autonomous(self) -> bool:
        return False

    def frozen(self, t: Real[ArrayLike, ""]) -> "AbstractParameter":
        # What the module does at a jump is its own affair: it is only asked inside the piece.
        return ModuleOfTime(_OnPiece(self.module, piece_around(self.breakpoints, t))) if len(self.breakpoints) else self

    def __call__(self, t: Real[ArrayLike, ""]) -> Float[Array, "*shape"]:
        module: Any = self.module
        return as_floating(module(t), "the value of a parameter")


class _OnPiece(eqx.Module):
    module: Any
    piece: Piece

    def __call__(self, t: Real[ArrayLike, ""]) -> Any:
        return self.module(self.piece(t))


def is_parameter(node: Any) -> bool:
    """Whether a node of a tree is a parameter."""
    return isinstance(node, AbstractParameter)


def parameters_in(tree: Any) -> list[AbstractParameter]:
    """The parameters anywhere in a tree, those that are held by others not counted."""
    return [node for node in jax.tree.leaves(tree, is_leaf=is_parameter) if is_parameter(node)]


def as_parameter(value: Any) -> AbstractParameter:
    """A parameter from whatever a user may give for one: a number, an array, a parameter, a module or a function of t.

    >>> as_parameter(1.5)
    Constant(value=f64[])
    """
    if isinstance(value, AbstractParameter):
        return value
    if isinstance(value, eqx.Module) and callable(value):
        return ModuleOfTime(value)
    if callable(value):
        return FunctionOfTime(value)
    return Constant(value)


def _table(name: str, times: Any, values: Any) -> tuple[tuple[float, ...], Array]:
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(times)):
        raise ValueError(
            f"the times of {name} are fixed data and must be known: build them with NumPy, outside jit, vmap and grad"
        )
    known_times = as_float64(times, f"the times of {name}")
    if known_times.ndim != 1 or known_times.size == 0:
        raise ValueError(f"{name} needs a list of times, got shape {known_times.shape}")
    if not np.all(np.isfinite(known_times)) or not np.all(np.diff(known_times) > 0):
        raise ValueError(f"{name} needs finite, strictly increasing times, got {known_times}")
    array = as_floating(values, f"the values of {name}")
    if array.ndim == 0 or array.shape[0] != known_times.size:
        raise ValueError(
            f"{name} needs one value per time, got {known_times.size} times and values of shape {array.shape}"
        )
    _require_finite(array)
    return tuple(known_times.tolist()), array


def _require_finite(value: Array) -> None:
    require(lambda: np.all(np.isfinite(value)), lambda: f"a parameter must be finite, got {np.asarray(value)}", value)


def captured(function: Callable[[Any], Any]) -> list[Any]:
    """What a function holds of the scope it was written in: closure cells, defaults, arguments of
    `functools.partial`."""
    if isinstance(function, functools.partial):
        return [function.args, function.keywords, captured(function.func)]
    if not isinstance(function, types.FunctionType):
        # A method holds its object, and an object of a plain class its attributes.
        return [
            dict(vars(item)) for item in (getattr(function, "__self__", None), function) if hasattr(item, "__dict__")
        ]
    cells = getattr(function, "__closure__", None) or ()
    held = [cell.cell_contents for cell in cells]
    nested = [captured(item) for item in held if hasattr(item, "__closure__")]
    return [held, getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None), nested]
