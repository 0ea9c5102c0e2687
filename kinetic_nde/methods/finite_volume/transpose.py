"""The transpose of a step, written out: what autodiff computes, in a fraction of its time (benchmarks/README.md)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...adjoints.fence import fenced
from ...adjoints.loop import Sweep, TimeLoop, Tree
from .ssprk3 import STAGES, pull_ssprk3, step_ssprk3
from .step import Clock, Span, length, wind_at


class Stages(NamedTuple):
    """How the stages of a span are computed and reversed.

    - `forward(always, state, wind, dt) -> (change, kept)`: as `change` of `step.py`, and what the way back needs of it.
    - `pull(always, kept, cotangent, dt) -> (of_state, of_wind, of_diffusion)`: from the cotangent of the change those of the
      state, of the arrays that `parts` picks, and of the diffusion, None if there is none.
    - `parts(wind)`: the arrays of a wind that have a derivative, and `replaced(wind, parts)` the wind with others.
    - `padded(cotangent)`: the cotangent of the extended averages as it is carried, and `cut` the inverse.
    """

    forward: Callable[[Array, Array, Any, Array], tuple[Array, Any]]
    pull: Callable[[Array, Any, Array, Array], tuple[Array, Tree, Tree]]
    parts: Callable[[Any], Tree]
    replaced: Callable[[Any, Tree], Any]
    padded: Callable[[Array], Array]
    cut: Callable[[Array], Array]


def transposed(
    stages_of: Callable[[Span], Stages],
    loop: TimeLoop,
    span: Span,
    final: tuple[Clock, Array],
    cotangent: Float[Array, "*extended"],
) -> Sweep:
    """The steps of a span reversed: what `autodiff` computes, to rounding.

    What the steps pull back to is the diffusion and the wind, at the end of the span if it is steady and else at each stage.
    """
    stages = stages_of(span)
    trained, rest = eqx.partition((span.equation, span.grid), eqx.is_inexact_array)

    def winds_and_pull(t: Array, dt: Array, always: Array) -> tuple[list[Any], Callable[[list[Tree]], Tree]]:
        """The wind at the stages, and what its cotangents are for equation and grid. Evaluated once for both, and fenced as
        on the way forward: where the wind turns at a face, rounding decides on its sign."""

        def blowing(trained: Tree, time: Array) -> Any:
            equation, grid = eqx.combine(trained, rest)
            return wind_at(equation, grid, time)

        times = [t + stage * dt for stage in STAGES]
        winds, pull = jax.vjp(lambda trained: [fenced(always, blowing, trained, time) for time in times], trained)
        nothing = jax.tree.map(jnp.zeros_like, winds)

        def pull_winds(pulled: list[Tree]) -> Tree:
            return pull([stages.replaced(zero, found) for zero, found in zip(nothing, pulled, strict=True)])[0]

        return winds, pull_winds

    def back(k: Array, entry: tuple[Clock, Array], carry: tuple[Array, Tree, Tree]) -> tuple[Array, Tree, Tree]:
        (clock, state), always = entry, k >= 0
        _, dt, winds = length(span, k, clock, always)
        winds, pull_winds = (winds, _sum) if span.steady is not None else winds_and_pull(clock[0], dt, always)
        kept: list[Any] = []
        pulled: list[Tree] = []
        spread: list[Tree] = []

        def increment(number: int, state: Array) -> Array:
            change, stage = stages.forward(always, state, winds[number], dt)
            kept.append(stage)
            return change

        def pull(number: int, cotangent: Array) -> Array:
            of_state, of_wind, of_diffusion = stages.pull(always, kept[number], cotangent, dt)
            pulled.insert(0, of_wind)
            spread.append(of_diffusion)
            return of_state

        step_ssprk3(increment, state)
        before = pull_ssprk3(pull, carry[0])
        of_winds = jax.tree.map(jnp.add, carry[1], pull_winds(pulled))
        return before, of_winds, jax.tree.map(jnp.add, carry[2], _sum(spread))

    def finish(carry: tuple[Array, Tree, Tree]) -> tuple[Array, Span]:
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(span, eqx.is_inexact_array))._replace(diffusion=carry[2])
        if span.steady is None:
            equation, grid = carry[1]
            zeros = zeros._replace(equation=equation, grid=grid)
        else:
            zeros = zeros._replace(steady=stages.replaced(zeros.steady, carry[1]))
        return stages.cut(carry[0]), zeros

    wanted = trained if span.steady is None else stages.parts(span.steady)
    nothing = jax.tree.map(jnp.zeros_like, (wanted, span.diffusion))
    return Sweep(back, (stages.padded(cotangent), *nothing), finish)


def _sum(trees: list[Tree]) -> Tree:
    """Over the stages."""
    return jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *trees)
