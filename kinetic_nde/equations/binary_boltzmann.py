"""Layers that act on pairs of particles."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating
from .boltzmann import check_positive
from .equation import AbstractEquation, as_field


class BinaryBoltzmann(AbstractEquation):
    """The Boltzmann equation of binary interactions: particles of one population on the line meet in pairs z = (x, y), on
    average each `rate` times per unit of time, and a layer of width 2 moves them to

        z* = z + eps v(t, z / 2),   for a network z + eps sigma(W z / 2 + c),

    Remark 3 of Herty, Trimborn, Visconti (2021) with W = [[w, vbar], [wbar, v]], c = (b, d) and eps = 1. Their
    distribution g solves, for every smooth phi,

        d/dt int phi g dx = (rate / 2) int int (phi(x*) + phi(y*) - phi(x) - phi(y)) g(x) g(y) dx dy.

    - `field`: v, a `SimResNet` of dimension 2 or any `eqx.Module` called as `field(t, z)` with z of shape (2,).
    - `epsilon`: the strength of a collision, a number > 0.
    - `rate`: 1 / tau, a number > 0 in collisions of a particle per unit of time.

    Raises `TypeError` for a field that cannot be called, `ValueError` for one of another dimension, for numbers outside
    these bounds and for a function that closes over traced values.

    >>> import jax.numpy as jnp
    >>> import kinetic_nde as kn
    >>> halfway = kn.SimResNet(jnp.array([[-1.0, 1.0], [1.0, -1.0]]), jnp.zeros(2), kn.Identity())
    >>> kn.BinaryBoltzmann(halfway).collide(0.0, jnp.array([1.0, 5.0]))  # two that compromise
    Array([3., 3.], dtype=float64)
    """

    field: Any = eqx.field(converter=as_field)
    epsilon: Float[Array, ""] = eqx.field(converter=lambda epsilon: as_floating(epsilon, "epsilon"), default=1.0)
    rate: Float[Array, ""] = eqx.field(converter=lambda rate: as_floating(rate, "rate"), default=1.0)

    @property
    def walls(self) -> None:
        """None: a collision may lead anywhere."""
        return None

    def __check_init__(self):
        check_positive(epsilon=self.epsilon, rate=self.rate)
        dimension = getattr(self.field, "dimension", 2)
        if dimension != 2:
            raise ValueError(
                f"a binary interaction is a field of dimension 2, got one of dimension {dimension}: "
                "give kn.SimResNet a weight of shape (2, 2) and a bias of shape (2,)"
            )

    def collide(self, t: Real[ArrayLike, ""], z: Float[Array, "2"]) -> Float[Array, "2"]:
        """z* for a pair z."""
        return z + self.epsilon * self.field(t, 0.5 * z)
