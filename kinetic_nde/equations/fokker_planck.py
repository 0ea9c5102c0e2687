"""The mean field of layers with noise, in the grazing limit."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_floating, known, require
from ..distributions.grid import Grid
from ..network import field as fields
from .balance_law import AbstractBalanceLaw, Walls, as_field, as_walls
from .diffusion import ConstantDiffusion, as_diffusion


class FokkerPlanck(AbstractBalanceLaw):
    """The equation for the distribution g of very many measurements that noisy layers move: of the law of

        dX = v(t, X) dt + nu K(X) dW   (Ito),
        d_t g + div(v(t, x) g) = (nu^2 / 2) sum_i d_i d_i (K_i(x)^2 g),

    Eq. (21) of Herty, Trimborn, Visconti (2021), the limit of the stochastic layers (20),
    x* = x + eps v + sqrt(eps) K(x) eta with eta of mean 0 and variance nu^2.

    - `field`: v, a `SimResNet` or any `eqx.Module` called as `field(t, x)`.
    - `nu`: the strength of the noise, a number >= 0.
    - `diffusion`: K, `ConstantDiffusion()`, `LinearDiffusion()` or any `eqx.Module` called as `K(x)`, of the shape of x.
    - `walls`: (lo, hi), either may be None. Nothing passes a wall. An end without a wall is open: what gets there leaves
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
        if self.nu.shape != ():
            raise ValueError(f"nu is a number, got shape {self.nu.shape}")
        require(
            lambda: 0 <= self.nu < np.inf,
            lambda: f"nu is the strength of the noise, finite and not negative, got {self.nu}",
            self.nu,
        )

    @property
    def net(self) -> Any:
        """The field."""
        return self.field

    def velocity(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """v(t, x) at one point."""
        return self.field(t, x)

    def divergence(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, ""]:
        """div v(t, x) at one point."""
        return fields.divergence(self.field, t, x)

    def noise(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """nu K(x) at one point, by component."""
        return self.nu * self.diffusion(x)

    def diffusivity(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """D(x) = nu^2 K(x)^2 / 2 at one point, by component."""
        return 0.5 * self.noise(x) ** 2


def check_diffusion(equation: FokkerPlanck, grid: Grid) -> None:
    """Raises `ValueError` if K is not finite or is negative at a face of the grid, as far as that is known. The equation has
    K^2 only, but where K changes sign it vanishes, and that splits the line in two: seldom what is meant."""
    if not known(equation.diffusion, grid):
        return
    with jax.ensure_compile_time_eval():
        faces, values = (np.asarray(each) for each in _at_faces(equation.diffusion, grid))
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        where, value = faces[wrong][0], values[wrong][0]
        raise ValueError(
            f"K must be finite and not negative on the grid, got K({where:g}) = {value:g}: choose the grid, or the sign of K, so that it is"
        )


@eqx.filter_jit
def _at_faces(diffusion: Any, grid: Grid) -> tuple[Array, Array]:
    check_shape(diffusion, grid.lower)
    return grid.faces, jax.vmap(diffusion)(grid.faces)


def check_shape(diffusion: Any, point: Float[Array, "*d"]) -> None:
    """Raises `ValueError` if K does not give what it is asked for: the shape of `point`."""
    out = jax.eval_shape(diffusion, jax.ShapeDtypeStruct(point.shape, point.dtype))
    if getattr(out, "shape", None) != point.shape:
        raise ValueError(
            f"a diffusion K(x) is called with points of shape {point.shape} and must give that shape, got {out}"
        )
