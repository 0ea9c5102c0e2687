"""The mean field of layers with noise, in the grazing limit."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating
from ..distributions.density import Density
from ..distributions.grid import Grid
from .balance_law import AbstractBalanceLaw, as_walls
from .diffusion import ConstantDiffusion, as_diffusion
from .equation import Walls, as_field
from .noise import check_strength
from .steady_state import steady_state


class FokkerPlanck(AbstractBalanceLaw):
    """The equation for the distribution g of very many measurements that noisy layers move: of the law of

        dX = v(t, X) dt + nu K(X) dW   (Ito),
        d_t g + div(v(t, x) g) = (nu^2 / 2) sum_i d_i d_i (K_i(x)^2 g),

    Eq. (21) of Herty, Trimborn, Visconti (2021), the limit of the stochastic layers (20),
    x* = x + eps v + sqrt(eps) K(x) eta with eta of mean 0 and variance nu^2.

    - `field`: v, a `SimResNet` or any `eqx.Module` called as `field(t, x)`.
    - `nu`: the strength of the noise, a number >= 0.
    - `diffusion`: K, `ConstantDiffusion()`, `LinearDiffusion()` or any `eqx.Module` called as `K(x)`, of the shape of x.
    - `walls`: (lo, hi), either may be None; in two dimensions one such pair for each axis, or None for it. Nothing passes
      a wall. An end without a wall is open: what gets there leaves
      and does not come back.

    Raises `TypeError` for a field or a diffusion that cannot be called, `ValueError` unless nu >= 0 is finite, for walls
    that are not finite or not increasing and for a function that closes over traced values.

    >>> import jax.numpy as jnp
    >>> import kinetic_nde as kn
    >>> equation = kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=2**0.5)
    >>> equation.diffusivity(jnp.array(3.0)).round(12)
    Array(1., dtype=float64)
    """

    field: Any = eqx.field(converter=as_field)
    nu: Float[Array, ""] = eqx.field(converter=lambda nu: as_floating(nu, "nu"))
    diffusion: Any = eqx.field(converter=as_diffusion, default_factory=ConstantDiffusion)
    walls: Walls | None = eqx.field(converter=as_walls, default=None)

    def __check_init__(self):
        check_strength(self.nu)

    def amplitude(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """nu K(x) at one point, by component."""
        return self.nu * self.diffusion(x)

    def diffusivity(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """D(x) = nu^2 K(x)^2 / 2 at one point, by component."""
        return 0.5 * self.amplitude(x) ** 2

    def steady_state(self, grid: Grid, t: Real[ArrayLike, ""] | None = None) -> Density:
        """The distribution that the equation leaves alone and leads to, in one dimension,

            g = C K^-2 exp( int 2 v / (nu^2 K^2) dx ),

        Eq. (22) of Herty, Trimborn, Visconti (2021), as averages over the cells of the grid: by quadrature within the cells,
        1e-6 of the largest average or better for tails, for kinks that the field names by a method `kinks(t)`, as a
        `SimResNet` does, and for powers above -0.7 too; about 3e-6 for kinks that it does not name and the cells resolve.

        C is such that the mass is 1 between the walls, or on the whole line without: what is beyond the grid is then missing,
        as in `Density.gaussian`. A zero of K cuts the line. g is 0 on the side where it has no finite mass. A field that
        depends on time has a steady state for each `t`, which must be given.

        At infinity g falls like x^p with p = x (2 v - nu^2 (K^2)') / (nu^2 K^2) and has finite mass if p < -1, at a zero x0 of K
        like (x - x0)^p if p > -1. Raises `ValueError` where that fails, saying at which end and with which p; where both
        sides of a zero have a steady state, of which the equation does not fix the shares; for nu = 0, for a K that is
        negative or not finite on the grid or 0 inside a cell, in d > 1, for walls that are not at the ends of the grid, and
        for traced values.

        >>> import jax.numpy as jnp
        >>> import kinetic_nde as kn
        >>> equation = kn.FokkerPlanck(kn.SimResNet(-1.0, 2.0, kn.Identity()), nu=1.0, diffusion=kn.LinearDiffusion())
        >>> steady = equation.steady_state(kn.Grid(0.0, 100.0, 1000))  # inverse Gamma with shape 3 and scale 4
        >>> round(float(steady.mass), 4), round(float(steady.mean), 2)
        (1.0, 2.0)
        """
        return steady_state(self, grid, t)
