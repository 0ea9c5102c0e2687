"""How strong the noise of a layer is at each point."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import as_floating, known, require
from ..distributions.grid import Grid
from ..network.field import check_moved


class AbstractDiffusion(eqx.Module):
    """The diffusion K(x) of Eqs. (20) and (21) of Herty, Trimborn, Visconti (2021), which acts by component: of the shape
    of x. Any `eqx.Module` that is called as `K(x)` will do."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """K(x) at one point."""


class ConstantDiffusion(AbstractDiffusion):
    """K(x) = value. Raises `ValueError` unless value >= 0 is finite.

    >>> ConstantDiffusion(2.0)(jnp.array([1.0, 5.0]))
    Array([2., 2.], dtype=float64)
    """

    value: Float[Array, ""] = eqx.field(converter=lambda value: as_floating(value, "value"), default=1.0)

    def __check_init__(self):
        if self.value.shape != ():
            raise ValueError(f"ConstantDiffusion needs a number, got shape {self.value.shape}")
        require(
            lambda: 0 <= self.value < np.inf,
            lambda: f"ConstantDiffusion needs a finite value >= 0, got {self.value}",
            self.value,
        )

    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        return jnp.broadcast_to(self.value, x.shape)


class LinearDiffusion(AbstractDiffusion):
    """K(x) = slope x, noise in proportion to x. On a grid K must not be negative: a positive slope is for x >= 0, a negative
    one for x <= 0. Raises `ValueError` unless the slope is finite.

    >>> LinearDiffusion(0.5)(jnp.array(4.0))
    Array(2., dtype=float64)
    """

    slope: Float[Array, ""] = eqx.field(converter=lambda slope: as_floating(slope, "slope"), default=1.0)

    def __check_init__(self):
        if self.slope.shape != ():
            raise ValueError(f"LinearDiffusion needs a number, got shape {self.slope.shape}")
        require(
            lambda: np.isfinite(self.slope),
            lambda: f"LinearDiffusion needs a finite slope, got {self.slope}",
            self.slope,
        )

    def __call__(self, x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        return jnp.broadcast_to(self.slope, x.shape) * x


def as_diffusion(diffusion: Any) -> Any:
    """`diffusion` if it can be one; `TypeError` for what cannot be called, such as a number."""
    if isinstance(diffusion, type) or not callable(diffusion):
        raise TypeError(
            f"a diffusion is an object called as K(x), such as kn.ConstantDiffusion(0.5) for a number, not {diffusion!r}"
        )
    return diffusion


def check_diffusion(diffusion: Any, grid: Grid) -> None:
    """Raises `ValueError` if K is not finite or is negative at a face or in the middle of a cell, as far as that is known.
    Only K^2 is in the equation, but where K changes sign it vanishes, and that cuts the line in two: seldom what is meant.
    """
    if not known(diffusion, grid):
        return
    with jax.ensure_compile_time_eval():
        places, strength = (np.asarray(each) for each in _on(diffusion, grid))
    wrong = ~(np.isfinite(strength) & (strength >= 0))
    if wrong.any():
        first = np.argmax(wrong.reshape(len(places), -1).any(axis=1))
        x, k = places[first], strength[first]
        remedy = "take a grid without that point"
        if np.isfinite(k).all():
            remedy = "only K^2 counts: take the grid on one side of its zero, and -K if it is negative there"
        shown = [np.array2string(each, precision=6) if each.ndim else f"{each:g}" for each in (x, k)]
        raise ValueError(f"K must be finite and not negative on the grid, got K({shown[0]}) = {shown[1]}: {remedy}")


@eqx.filter_jit
def _on(diffusion: Any, grid: Grid) -> tuple[Array, Array]:
    check_shape(diffusion, grid.lower)
    lines = [jnp.concatenate([line.faces, line.centers]) for line in grid.axes]
    places = lines[0] if grid.dimension == 1 else jnp.stack(jnp.meshgrid(*lines), axis=-1).reshape(-1, grid.dimension)
    return places, jax.vmap(diffusion)(places)


def check_shape(diffusion: Any, point: Float[Array, "*d"]) -> None:
    """Raises `ValueError` if K does not give what it is asked for: the shape and float type of `point`."""
    out = jax.eval_shape(diffusion, jax.ShapeDtypeStruct(point.shape, point.dtype))
    check_moved(out, point, "a diffusion K(x)", "")
