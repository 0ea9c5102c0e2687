"""The gradient of a loss several ways, in one table."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from .._values import known, under_jit
from ..adjoints.adjoint import AbstractAdjoint, CheckpointAdjoint, ForwardMode, forced
from . import trainable
from .adjoint import TransportAdjoint
from .gradient_check import GradientCheck
from .problem import as_number

_ADJOINTS = (CheckpointAdjoint(), TransportAdjoint(), ForwardMode())
# Up to so many parameters each is varied by itself; above, so many random directions take their place.
_FEW = 8
_DIRECTIONS = 4
# Steps of the Taylor test, relative to the parameters, and how many times larger they are in single precision.
_TAYLOR = 0.02 * 0.5 ** np.arange(5)
_LARGER = 16.0


def check_gradient(
    loss_of_net: Callable[[Any], Any],
    net: Any,
    *,
    adjoints: AbstractAdjoint | list | tuple | None = None,
    step: float | int | None = None,
    key: PRNGKeyArray | None = None,
) -> GradientCheck:
    """The gradient of `loss_of_net` at `net` by each adjoint, against central differences,

        (D(theta + h e) - D(theta - h e)) / 2h,

    and by the remainders of Taylor, |D(theta + h e) - D(theta) - h <gradient, e>|, which fall as h^2 if, and only if, the
    gradient is that of the numbers that D gives: two gradients that agree do not show that either is.

    - `loss_of_net`: gives a number; calls `kn.solve` inside, whose adjoint is replaced by each in turn.
    - `net`: a field; its arrays of floats are the parameters. Up to 8 are varied one by one, more along 4 random directions.
    - `adjoints`: one or more; by default all that support the problem, the first being what the others are compared
      with. The table says which were left out.
    - `step`: h, relative to the largest parameter of each array (1 where all are zero); by default 1e-4 in float64 and
      5e-3 in float32. The number of time steps jumps now and then: a much smaller h sees little else.
    - `key`: for the random directions; `jax.random.key(0)` by default.

    Raises `ValueError` for a function that is compiled by `jit`, since what it compiled once keeps its own adjoint, for
    one that calls no solve, for a loss that is not one finite number, for traced values and a field without trainable
    arrays; `TypeError` for what is no adjoint and for one that was asked for and does not support the problem.

    >>> import kinetic_nde as kn
    >>> initial = kn.Ensemble([0.5, 1.0, 1.5])
    >>> def energy(net):
    ...     return kn.solve(kn.MeanField(net), initial, t1=1.0).final.energy
    >>> check = check_gradient(energy, kn.SimResNet(-1.0, 0.3, kn.Identity()))
    >>> check.differences["central differences"] < 1e-6, round(check.taylor_rates["CheckpointAdjoint"], 1)
    (True, 2.0)
    """
    asked = _named(_ADJOINTS if adjoints is None else adjoints)
    if hasattr(loss_of_net, "lower") or under_jit():
        raise ValueError(_NOT_CONSULTED)
    if not known(net):
        raise ValueError("check_gradient needs values that are known: call it outside jit, vmap and grad")
    parameters, rest = trainable.split(net)
    theta = trainable.to_vector(parameters)

    def loss(parameters: Any) -> Array:
        return as_number(loss_of_net(eqx.combine(parameters, rest)))

    compiled = _fresh(loss)

    def at(vector: np.ndarray) -> float:
        return float(compiled(trainable.from_vector(vector, parameters)))

    value, eps = _start(compiled, parameters)
    h = (1e-4 if eps < 1e-10 else 5e-3) if step is None else float(step)
    if not 0 < h < float("inf"):
        raise ValueError(f"step must be positive and finite, got {step}")
    directions, taylor = _directions(parameters, jax.random.key(0) if key is None else key)
    ways, left_out = {}, {}
    for name, adjoint in asked.items():
        try:
            ways[name] = _watched(adjoint, lambda a=adjoint: _way(_fresh(loss), parameters, directions, taylor, a))
        except (TypeError, NotImplementedError) as reason:
            if adjoints is not None:
                raise
            left_out[name] = str(reason).partition("\n")[0]
    sizes = _TAYLOR if eps < 1e-10 else _LARGER * _TAYLOR
    rises = np.array([[at(theta + size * e) for e in taylor] for size in sizes]) - value
    central = np.array([(at(theta + h * e) - at(theta - h * e)) / (2 * h) for e in directions])
    remainders = {
        name: np.sqrt(np.mean((rises - np.outer(sizes, way.along_taylor)) ** 2, axis=1)) for name, way in ways.items()
    }
    ways["central differences"] = _Way(_gradient(directions, central), central, np.full(len(taylor), np.nan))
    reference = next((name for name in ways if isinstance(asked.get(name), CheckpointAdjoint)), next(iter(ways)))
    return GradientCheck(
        value=value,
        names=trainable.names(parameters),
        directions=directions,
        reference=reference,
        step=h,
        gradients={name: way.gradient for name, way in ways.items() if way.gradient is not None},
        slopes={name: way.slopes for name, way in ways.items()},
        differences={name: _difference(way, ways[reference]) for name, way in ways.items()},
        taylor_steps=sizes,
        taylor_remainders=remainders,
        taylor_rates={name: _rate(sizes, each, 1e3 * eps * abs(value)) for name, each in remainders.items()},
        left_out=left_out,
    )


_NOT_CONSULTED = (
    "check_gradient could not choose the adjoint, because no kn.solve was traced. Either (a) loss_of_net, or a part of it, is "
    "compiled by jit and keeps the adjoint that it was compiled with: pass the plain function, solve is compiled anyway; "
    "or (b) it calls no solve."
)


class _Way(NamedTuple):
    """One row: the gradient (P,) where it is known, the slopes along the directions (n,) and along Taylor's (4,)."""

    gradient: np.ndarray | None
    slopes: np.ndarray
    along_taylor: np.ndarray


def _named(adjoints: Any) -> dict[str, AbstractAdjoint]:
    given = list(adjoints) if isinstance(adjoints, list | tuple) else [adjoints]
    for adjoint in given:
        if not isinstance(adjoint, AbstractAdjoint):
            raise TypeError(f"adjoints are objects such as kn.CheckpointAdjoint(), not {adjoint!r}")
    if not given:
        raise ValueError("adjoints must name at least one adjoint")
    kinds = [type(adjoint).__name__ for adjoint in given]
    # Two of one kind are told apart by their options.
    return {
        kind if kinds.count(kind) == 1 else repr(adjoint): adjoint for kind, adjoint in zip(kinds, given, strict=True)
    }


def _watched(adjoint: AbstractAdjoint | None, function: Callable[[], Any]) -> Any:
    with forced(adjoint) as record:
        out = function()
    if not record.consulted:
        raise ValueError(_NOT_CONSULTED)
    return out


def _fresh(loss: Callable[[Any], Array]) -> Callable[[Any], Array]:
    """Compiled anew, so that solves in it ask for their adjoint. Compiled, since a loss that compares masses lets them
    differ where they are not known: open ends lose some."""
    return jax.jit(lambda parameters: loss(parameters))


def _start(loss: Callable[[Any], Array], parameters: Any) -> tuple[float, float]:
    """D, and the rounding of the coarsest type in it. Watched as well: what jit compiled before is then found out before
    it is compiled again, with an adjoint that its owner did not choose."""
    value = _watched(None, lambda: loss(parameters))
    if not np.isfinite(value):
        raise ValueError(f"the loss is {value}: there is nothing to differentiate")
    return float(value), max(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves((value, parameters)))


def _directions(parameters: Any, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
    """The axes or random directions (n, P), and random directions (4, P) for the Taylor test, each of the size of the
    parameters."""
    scale = trainable.to_vector(jax.tree.map(_scale, parameters))
    random = np.asarray(jax.random.normal(key, (_DIRECTIONS, scale.size)), float)
    random = scale * (random / np.linalg.norm(random, axis=1, keepdims=True))
    return (np.diag(scale) if scale.size <= _FEW else random), random


def _scale(leaf: Array) -> Array:
    largest = jnp.max(jnp.abs(leaf), initial=0)
    return jnp.full_like(leaf, jnp.where(largest > 0, largest, 1))


def _way(
    loss: Callable[[Any], Array], parameters: Any, directions: np.ndarray, taylor: np.ndarray, adjoint: AbstractAdjoint
) -> _Way:
    if isinstance(adjoint, ForwardMode):

        def slope(direction: np.ndarray) -> float:
            return float(jax.jvp(loss, (parameters,), (trainable.from_vector(direction, parameters),))[1])

        slopes, along_taylor = (np.array([slope(direction) for direction in each]) for each in (directions, taylor))
        return _Way(_gradient(directions, slopes), slopes, along_taylor)
    gradient = trainable.to_vector(jax.grad(loss)(parameters))
    return _Way(gradient, directions @ gradient, taylor @ gradient)


def _gradient(directions: np.ndarray, slopes: np.ndarray) -> np.ndarray | None:
    """From the slopes along the axes; None where the directions are random."""
    count, size = directions.shape
    return slopes / np.diag(directions) if count == size <= _FEW else None


def _difference(way: _Way, reference: _Way) -> float:
    pair = (way.slopes, reference.slopes)
    if way.gradient is not None and reference.gradient is not None:
        pair = (way.gradient, reference.gradient)
    apart, size = np.linalg.norm(pair[0] - pair[1]), np.linalg.norm(pair[1])
    return float(apart / size) if size > 0 else float(apart and np.inf)


def _rate(sizes: np.ndarray, remainders: np.ndarray, rounding: float) -> float:
    """The power of h, fitted to the remainders that are more than rounding."""
    seen = remainders > rounding
    if np.sum(seen) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[seen]), np.log(remainders[seen]), 1)[0])
