"""The contract between an equation and the methods that solve it."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
from jaxtyping import Array, Float

from .._values import known
from ..network.parameters import captured

# The walls of one axis, None where it is open.
Ends = tuple[Float[Array, ""] | None, Float[Array, ""] | None]
# Those in one dimension; in two a pair of them, one for each axis.
Walls = tuple[Any, Any]


class AbstractEquation(eqx.Module):
    """An equation for a distribution that a network moves. It says what happens at a point; how it is solved is the
    business of a method.

    - `field`: what a layer adds to x, or the speed at which layers move it, called as `field(t, x)`.
    - `walls`: where the distribution ends, None for nowhere.
    """

    field: eqx.AbstractVar[Any]
    if TYPE_CHECKING:
        # To a type checker an abstract variable is a field, and would come before those that an equation adds.
        @property
        def walls(self) -> Walls | None: ...
    else:
        walls: eqx.AbstractVar[Walls | None]

    @property
    def net(self) -> Any:
        """The field."""
        return self.field


def as_field(field: Any) -> Any:
    """`field` if it can be a velocity field; `TypeError` if it cannot be called or is a class, `ValueError` if it is a function that
    hides traced values."""
    if not callable(field) or isinstance(field, type):
        raise TypeError(f"a field is a kn.SimResNet or an eqx.Module called as field(t, x), not {field!r}")
    if not isinstance(field, eqx.Module) and not known(captured(field)):
        raise ValueError(
            f"the field {field!r} closes over traced values: make it an eqx.Module with __call__(self, t, x) that holds them as fields"
        )
    return field
