"""Where the mass is in the end, in both descriptions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..distributions.density import Density
from ..distributions.distance import wasserstein
from ..distributions.ensemble import Ensemble
from .standardise import Standardised


class Cluster(NamedTuple):
    """Where the mass on one side of the threshold is on average, None if there is none, and its share of the whole."""

    position: float | None
    mass: float


def of_particles(data: Standardised, final: np.ndarray) -> tuple[Cluster, Cluster]:
    """Left and right of the threshold, where z = 0, for measurements that end at `final` (M,).

    What started exactly at the threshold has its mass on the right, but does not count in the position.
    """
    x, right, decided = data.measured(final), final >= 0, data.z != 0
    # Averaged as distances from the wall: the mean of many equal numbers is not always that number.
    first, second = (
        Cluster(wall + float(np.mean(x[side & decided] - wall)), float(np.mean(side)))
        for side, wall in zip((~right, right), data.ends, strict=True)
    )
    return first, second


def of_density(data: Standardised, final: Density, particles: np.ndarray) -> tuple[Cluster, Cluster, float]:
    """Left and right of the threshold for a density of z, and its distance W1 from particles (M,)."""
    parts, distance = _compare(final, Ensemble(particles))
    first, second = (Cluster(float(data.measured(at)) if mass > 0 else None, float(mass)) for at, mass in parts)
    return first, second, data.scale * float(distance)


@jax.jit
def _compare(density: Density, particles: Ensemble) -> tuple[list[tuple[Array, Array]], Float[Array, ""]]:
    """Position and share of the mass left and right of 0, and the distance. Op by op it takes ten times as long."""
    below, at_zero = density.cdf(density.grid.faces), density.cdf(0.0)
    parts = []
    for part, share in ((jnp.minimum(below, at_zero), at_zero), (jnp.maximum(below, at_zero), 1 - at_zero)):
        parts.append((Density(density.grid, jnp.diff(part) / density.grid.width).mean, share))
    return parts, wasserstein(particles, density)
