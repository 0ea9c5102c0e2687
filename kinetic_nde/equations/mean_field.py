"""The mean-field limit of many measurements."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .balance_law import AbstractBalanceLaw, as_walls
from .equation import Walls, as_field


class MeanField(AbstractBalanceLaw):
    """The transport equation for the distribution g of very many measurements that a network moves,

        d_t g + div(v(t, x) g) = 0,   g(0) = g0,

    Eqs. (3) and (8) of Herty, Trimborn, Visconti (2021).

    - `field`: v, a `SimResNet` or any `eqx.Module` called as `field(t, x)`; in one dimension x and v are numbers. The
      divergence is autodiff's unless the field has a method `divergence(t, x)`. A field with an attribute `autonomous`
      that is true promises not to depend on t.
    - `walls`: (lo, hi), either may be None; in two dimensions one such pair for each axis, or None for it. Mass pushed
      against a wall stays there. An end without a wall is open: mass leaves, nothing comes in.

    Raises `TypeError` for a field that cannot be called, `ValueError` for walls that are not finite or not increasing
    and for a function that closes over traced values.

    >>> from kinetic_nde.network.activations import Tanh
    >>> from kinetic_nde.network.simresnet import SimResNet
    >>> equation = MeanField(SimResNet(1.0, -5.0, Tanh()), walls=(2.0, 8.0))
    >>> float(equation.velocity(0.0, equation.walls[1])) > 0.99
    True
    """

    field: Any = eqx.field(converter=as_field)
    walls: Walls | None = eqx.field(converter=as_walls, default=None)

    def diffusivity(self, x: Float[Array, "*d"]) -> None:
        """None: a mean field has no diffusion."""
