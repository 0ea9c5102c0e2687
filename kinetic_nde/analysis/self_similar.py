"""The shape of a distribution, whatever its mean."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import cast, common_float, ratio, require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid
from ..distributions.stack import check_mass, check_one

Distribution = TypeVar("Distribution", bound=Density | Ensemble)


def self_similar(distribution: Distribution) -> Distribution:
    """The distribution in units of its mean, the law of X / m_1,

        gbar(x) = m_1 g(m_1 x),   of mean 1 and of the mass of g,

    the self-similar scaling of section 3 of Herty, Trimborn, Visconti (2021). What grows or shrinks and keeps its shape
    has a gbar that stands still: the mean field of the identity with b = 0 for any w(t). Layers with noise in proportion
    to x spread it, d/dt m_2(gbar) = nu^2 m_2(gbar) in the grazing limit, unless a bias holds them.

    - of a `Density` the averages times m_1, on the grid divided by m_1; for another mass m_1 is the mean, m_1 / m_0.
    - of an `Ensemble` the samples divided by their mean; in (M, d) each component by its own, as layers and units act by
      component: gbar is then the same in all units of each.

    For many times `jax.vmap(kn.self_similar)(solution.distributions)`. Works under `jit`, `vmap` and `grad`, which goes
    through m_1 too. Raises `ValueError` unless m_1 > 0 (each component's), `TypeError` for what is no distribution; a traced
    mean that is not positive gives NaN.

    >>> import kinetic_nde as kn
    >>> kn.self_similar(kn.Ensemble([1.0, 3.0])).samples
    Array([0.5, 1.5], dtype=float64)
    >>> shape = kn.self_similar(kn.Density.uniform(2.0, 6.0, kn.Grid(0.0, 8.0, 80)))  # uniform on [0.5, 1.5]
    >>> float(shape.grid.upper.round(12)), float(shape.cdf(0.75).round(6)), float(shape.mean.round(12))
    (2.0, 0.25, 1.0)
    """
    if not isinstance(distribution, Density | Ensemble):
        raise TypeError(f"self_similar is of a kn.Density or a kn.Ensemble, not of {type(distribution).__name__}")
    check_one(distribution, "self_similar")
    check_mass(distribution, "self_similar")
    mean, scaled = _in_units_of_the_mean(cast(distribution, common_float(distribution)))
    require(
        lambda: np.all(np.asarray(mean) > 0),
        lambda: (
            f"the self-similar scaling divides by the mean, which must be positive, got {mean}: take the mirror image of "
            "a distribution left of 0"
        ),
        mean,
    )
    return scaled


@jax.jit
def _in_units_of_the_mean(distribution: Any) -> tuple[Float[Array, "*d"], Any]:
    mean = distribution.mean
    unit = jnp.where(mean > 0, mean, jnp.full_like(mean, jnp.nan))
    if isinstance(distribution, Ensemble):
        return mean, Ensemble(ratio(distribution.samples, jnp.broadcast_to(unit, distribution.samples.shape)))
    grid = distribution.grid
    scaled = Grid(ratio(grid.lower, unit), ratio(grid.upper, unit), grid.cells)
    return mean, Density(scaled, distribution.values * jnp.prod(unit))
