"""A distribution as weighted points with the same moments."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import ratio
from .density import Density
from .ensemble import Ensemble
from .profile import gauss
from .stack import check_one


class Points(NamedTuple):
    """Points x, in two dimensions with their components along the last axis, with weights: int f g dx = sum weight f(x) for
    polynomials f up to the order that they were made for."""

    x: Float[Array, "..."]
    weight: Float[Array, "*points"]

    @property
    def mass(self) -> Float[Array, ""]:
        """m_0."""
        return jnp.sum(self.weight)

    @property
    def mean(self) -> Float[Array, ""]:
        """m_1 / m_0."""
        return ratio(jnp.sum(self.weight * self.x), self.mass)

    def power_sums(self, order: int) -> Float[Array, " orders"]:
        """The moments m_0 .. m_order."""
        term, sums = self.weight, [self.mass]
        for _ in range(order):
            term = term * self.x
            sums.append(jnp.sum(term))
        return jnp.stack(sums)


def points(
    distribution: Density | Ensemble,
    order: int,
    lower: Float[Array, ""] | float = -np.inf,
    upper: Float[Array, ""] | float = np.inf,
) -> Points:
    """The part of a distribution in one dimension that lies in (lower, upper), exact for moments up to `order`: the
    samples of an ensemble, Gauss points on the parabolas of a density, of which the cells at both ends count in part.

    Raises `ValueError` for an ensemble in more than one dimension and for a stack.

    >>> from kinetic_nde.distributions.grid import Grid
    >>> half = points(Density.uniform(0.0, 2.0, Grid(0.0, 2.0, 3)), 2, lower=1.0)
    >>> half.power_sums(2).round(4)  # of 1/2 on (1, 2)
    Array([0.5   , 0.75  , 1.1667], dtype=float64)
    """
    check_one(distribution, "a moment")
    if isinstance(distribution, Ensemble):
        if distribution.dimension != 1:
            raise ValueError(f"moments are for one dimension, got an ensemble of dimension {distribution.dimension}")
        x = distribution.samples.reshape(-1)
        inside = (x > lower) & (x < upper)
        return Points(x, jnp.where(inside, jnp.full_like(x, 1 / x.size), jnp.zeros_like(x)))
    grid, profile = distribution.grid, distribution.profile
    centers, width = grid.centers, grid.width

    def across(end: Any) -> Array:
        """The place of an end in each cell."""
        end = jnp.asarray(end, centers.dtype)
        # An infinite end divided by the width has a derivative that is no number.
        near = jnp.where(jnp.isfinite(end), end, grid.lower)
        return jnp.where(jnp.isfinite(end), jnp.clip((near - centers) / width, -0.5, 0.5), 0.5 * jnp.sign(end))

    first, last = across(lower), across(upper)
    share = jnp.maximum(last - first, 0)
    # Degree: `order` and the parabola's 2.
    nodes, weights = (jnp.asarray(each, centers.dtype) for each in gauss((order + 4) // 2))

    def part(node: Array, weight: Array) -> tuple[Array, Array]:
        place = 0.5 * (first + last) + node * share
        return centers + place * width, weight * width * share * profile.at(place)

    return Points(*jax.vmap(part)(nodes, weights))


def points_of_plane(density: Density) -> Points:
    """Two Gauss points along each axis of each cell of a density in two dimensions, (4 cells, 2): exact for mass and
    mean."""
    plane, grid = density.plane, density.grid
    nodes, weights = (jnp.asarray(each, density.values.dtype) for each in gauss(2))
    places = jnp.stack(jnp.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    # By rounding a polynomial that touches zero can lie below it.
    heights = jax.vmap(lambda place: jnp.maximum(plane.at(place[0], place[1]), 0))(places)
    x = grid.centers[None] + (places * grid.width[None])[:, None, None, :]
    shares = (weights[:, None] * weights[None, :]).reshape(-1)
    return Points(x.reshape(-1, 2), (heights * (shares * grid.volume)[:, None, None]).reshape(-1))
