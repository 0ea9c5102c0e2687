"""An optimiser for losses with plateaus and a kink at the minimum."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

_SHORTER, _LONGER = 0.5, 1.2  # those of the paper


class _State(NamedTuple):
    lengths: Any
    slopes: Any


def rprop(rate: float) -> optax.GradientTransformation:
    """Resilient propagation: each parameter goes down by a length of its own, which is `rate` in the first update, a
    fifth longer where the sign of its slope stays and half as long where it changes. How steep the slope is does not
    count.

    So what has stepped over a minimum comes back at half the pace, however flat it is there. Adam, which divides by the
    slopes of the past, comes to rest on the plateau; and next to a kink it swings for as long as its rate is large.

    Not `optax.rprop`, which (0.2.8) takes each step an update late, when the slope may have changed its sign.

    M. Riedmiller, H. Braun, A direct adaptive method for faster backpropagation learning, IEEE International Conference
    on Neural Networks 1993, doi:10.1109/ICNN.1993.298623.

    >>> optimizer, place = rprop(1.0), jnp.array(0.0)
    >>> state, places = optimizer.init(place), []
    >>> for _ in range(6):
    ...     update, state = optimizer.update(jax.grad(lambda x: abs(x - 3.0))(place), state)
    ...     place = place + update
    ...     places.append(round(float(place), 3))
    >>> places
    [1.0, 2.2, 3.64, 2.92, 3.28, 3.1]
    """

    def init(params: Any) -> Any:
        return _State(jax.tree.map(lambda x: jnp.full_like(x, rate), params), jax.tree.map(jnp.zeros_like, params))

    def length(before: Any, slope: Any, last: Any) -> Any:
        # By signs: the product of two slopes may be too small for a number.
        turn = jnp.sign(slope) * jnp.sign(last)
        return before * jnp.where(turn > 0, _LONGER, jnp.where(turn < 0, _SHORTER, 1.0))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        lengths = jax.tree.map(length, state.lengths, updates, state.slopes)
        steps = jax.tree.map(lambda length, slope: -length * jnp.sign(slope), lengths, updates)
        return steps, _State(lengths, updates)

    return optax.GradientTransformation(init, update)
