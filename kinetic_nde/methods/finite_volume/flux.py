"""Numerical fluxes: central part plus dissipation, for a flux that is linear in u."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...distributions.reconstruction import AbstractReconstruction
from .boundary import Wind
from .limiter import no_more_than_there_is


def flux_local_lax_friedrichs(
    left: Float[Array, "*n"], right: Float[Array, "*n"], v: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """v (left + right) / 2 - |v| (right - left) / 2, the local Lax-Friedrichs flux of F(u) = v u, whose largest |d_u F|
    is |v|.

    This equals v times the state on the upwind side, which is why the solver reconstructs that side only:
    `upwind_flux`.

    >>> float(flux_local_lax_friedrichs(jnp.array(2.0), jnp.array(5.0), jnp.array(-1.0)))
    -5.0
    """
    return 0.5 * v * (left + right) - 0.5 * jnp.abs(v) * (right - left)


def upwind(
    padded: Float[Array, " padded"], sign: Float[Array, " faces"]
) -> tuple[Float[Array, " faces"], Float[Array, " faces"], Float[Array, " faces"]]:
    """The average of the upwind cell of each face, and its differences to the cell behind it and to the one ahead.

    Written for the two neighbours on either side of a face, with the differences taken *towards the face*: one
    reconstruction per face and one result make this a single vectorised loop, where a left and a right state per cell would be
    two that XLA computes twice.
    """
    far_left, left, right, far_right = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    rightwards = sign > 0
    behind = jnp.where(rightwards, left - far_left, right - far_right)
    return jnp.where(rightwards, left, right), behind, sign * (right - left)


def upwind_state(
    reconstruction: AbstractReconstruction,
    epsilon: float,
    padded: Float[Array, " padded"],
    sign: Float[Array, " faces"],
) -> tuple[Float[Array, " faces"], Float[Array, " faces"]]:
    """The average of the upwind cell of each face, and by how much its parabola differs from that at the face."""
    average, behind, ahead = upwind(padded, sign)
    slope, curvature = reconstruction(behind, ahead, epsilon)
    return average, 0.5 * slope + curvature / 6


def upwind_flux(
    reconstruction: AbstractReconstruction,
    epsilon: float,
    positivity: bool,
    padded: Float[Array, " padded"],
    wind: Wind,
    dt: Float[Array, ""],
) -> Float[Array, " faces"]:
    """The mass through each face in a time dt, divided by dx: local Lax-Friedrichs with the upwind states."""
    average, edge = upwind_state(reconstruction, epsilon, padded, wind.sign)
    return carried(positivity, average, average + edge, wind, dt)


def carried(
    positivity: bool, average: Float[Array, " faces"], state: Float[Array, " faces"], wind: Wind, dt: Float[Array, ""]
) -> Float[Array, " faces"]:
    """The flux of an upwind `state`, at most what there is in the upwind cell."""
    amount = dt * wind.courant * state
    if positivity:
        amount = no_more_than_there_is(amount, wind.share * average)
    return wind.sign * amount
