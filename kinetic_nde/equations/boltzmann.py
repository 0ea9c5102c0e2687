"""Layers that act at random times."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from .._values import as_floating, require
from .diffusion import ConstantDiffusion, as_diffusion
from .equation import AbstractEquation, as_field
from .noise import AbstractNoise, NormalNoise, as_noise, check_strength


class Boltzmann(AbstractEquation):
    """The linear Boltzmann equation: each particle is hit by a layer at random times, on average `rate` times per unit of
    time, and moves from x to

        x* = x + eps v(t, x) + sqrt(eps) K(x) eta,   eta independent, of mean 0 and variance nu^2,

    Eq. (20) of Herty, Trimborn, Visconti (2021), with eps = 1 and nu = 0 Eq. (18). Their distribution g solves, for every
    smooth phi, Eq. (19),

        d/dt int phi g dx = rate int E[phi(x*) - phi(x)] g dx.

    - `field`: v, a `SimResNet` or any `eqx.Module` called as `field(t, x)`.
    - `epsilon`: the strength of a collision, a number > 0.
    - `nu`: the strength of the noise, a number >= 0.
    - `diffusion`: K, `ConstantDiffusion()`, `LinearDiffusion()` or any `eqx.Module` called as `K(x)`, of the shape of x.
    - `rate`: 1 / tau, a number > 0 in collisions per unit of time. With `rate` = 1 / eps and eps to 0 it is
      `FokkerPlanck` (the grazing limit), for nu = 0 `MeanField`.
    - `noise`: the law of eta / nu, `NormalNoise()` or `UniformNoise()`; by component.

    There are no walls. Raises `TypeError` for a field or a diffusion that cannot be called and for another noise,
    `ValueError` for numbers outside these bounds and for a function that closes over traced values.

    >>> import jax.numpy as jnp
    >>> import kinetic_nde as kn
    >>> equation = kn.Boltzmann(kn.SimResNet(-1.0, 0.0, kn.Identity()), epsilon=0.25, nu=1.0)
    >>> equation.collide(0.0, jnp.array(4.0), jnp.array(-2.0))
    Array(2., dtype=float64)
    """

    field: Any = eqx.field(converter=as_field)
    epsilon: Float[Array, ""] = eqx.field(converter=lambda epsilon: as_floating(epsilon, "epsilon"), default=1.0)
    nu: Float[Array, ""] = eqx.field(converter=lambda nu: as_floating(nu, "nu"), default=0.0)
    diffusion: Any = eqx.field(converter=as_diffusion, default_factory=ConstantDiffusion)
    rate: Float[Array, ""] = eqx.field(converter=lambda rate: as_floating(rate, "rate"), default=1.0)
    noise: AbstractNoise = eqx.field(converter=as_noise, default_factory=NormalNoise)

    @property
    def walls(self) -> None:
        """None: a collision may lead anywhere."""
        return None

    def __check_init__(self):
        check_positive(epsilon=self.epsilon, rate=self.rate)
        check_strength(self.nu)

    def amplitude(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """sqrt(eps) nu K(x) at one point, by component."""
        return self.epsilon**0.5 * self.nu * self.diffusion(x)

    def target(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """x + eps v(t, x): where a collision leads from x on average."""
        return x + self.epsilon * self.field(t, x)

    def collide(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"], xi: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """x* for a draw xi = eta / nu."""
        return self.target(t, x) + self.amplitude(x) * xi


def check_positive(**numbers: Float[Array, "..."]) -> None:
    """Raises `ValueError` unless each is a number, finite and > 0 as far as it is known."""
    for name, number in numbers.items():
        if number.shape != ():
            raise ValueError(f"{name} is a number, got shape {number.shape}")
        require(
            lambda number=number: 0 < number < np.inf,
            lambda name=name, number=number: f"{name} must be finite and > 0, got {number}",
            number,
        )


def out_of_bounds(equation: AbstractEquation) -> Bool[Array, ""]:
    """Whether epsilon, rate or nu is what `ValueError` would have been raised for, had it been known."""
    positive = jnp.stack([getattr(equation, name) for name in ("epsilon", "rate")])
    wrong = ~jnp.all((positive > 0) & jnp.isfinite(positive))
    nu = getattr(equation, "nu", jnp.zeros_like(positive[0]))
    return wrong | ~((nu >= 0) & jnp.isfinite(nu))
