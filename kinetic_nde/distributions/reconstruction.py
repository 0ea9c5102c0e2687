"""From cell averages to one polynomial per cell."""

import abc
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The width over which a density is expected to vary, as a share of the domain; it fixes when differences count as
# steep.
_FEATURES_PER_DOMAIN = 20


def unit(total: Float[Array, ""], length: Float[Array, "*axes"]) -> Float[Array, ""]:
    """The unit in which averages are reconstructed: 20 times the mean density, that is 20 mass / length of the domain, or in
    two dimensions 20 mass / area, for a density whose integral is `total`.

    In this unit, with steepness compared with `threshold`, nothing changes when x or g are given in other units. The
    same multiple of the mean in all dimensions: with 20 for each axis the line of cells that a wall collects would count as
    smooth, and spoil its neighbours. A constant for differentiation.
    """
    scale = jnp.abs(total) * _FEATURES_PER_DOMAIN
    for side in jnp.atleast_1d(length):
        scale = scale / side
    # Never below the smallest normal number: averages that vanish everywhere would give 0 / 0.
    return jax.lax.stop_gradient(jnp.maximum(scale, jnp.finfo(scale.dtype).tiny))


def threshold(cells: int) -> float:
    """epsilon = (dx / l)^2, the squared difference from which data count as steep. Unless it falls like dx^2 the order
    on smooth data is lost."""
    return (_FEATURES_PER_DOMAIN / cells) ** 2


class AbstractReconstruction(eqx.Module):
    """A polynomial P(s) = u + slope s + curvature (s^2 - 1/12), s in [-1/2, 1/2], in each cell, whose average is the
    cell's average u."""

    @abc.abstractmethod
    def __call__(
        self, backward: Float[Array, "*n"], forward: Float[Array, "*n"], epsilon: float
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        """Slope and curvature from the undivided differences to the left and to the right neighbour, pointwise, of
        averages in their `unit`."""

    @abc.abstractmethod
    def derivatives(
        self,
        backward: Float[Array, "*n"],
        forward: Float[Array, "*n"],
        epsilon: float,
        value: Float[Array, "*n"] | None = None,
        by_slope: float | Float[Array, "*n"] = 0.5,
        by_curvature: float | Float[Array, "*n"] = 1 / 6,
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        """The derivatives of value = by_slope slope + by_curvature curvature with respect to both differences; by default
        of P(1/2) - u, the edge. With the cotangents of slope and curvature for the two factors these are the cotangents of
        the differences. `value` itself is computed if it is not given."""


class CWENO3(AbstractReconstruction):
    """Third-order central WENO: a convex combination of the two linear polynomials and of what they lack of the optimal
    parabola,

        P = w_L P_L + w_R P_R + w_0 P_0,   P_0 = (P_opt - (1 - C0) / 2 (P_L + P_R)) / C0,
        w_k ~ C_k / (epsilon + I_k)^2,     I_L = dl^2, I_R = dr^2, I_0 = c1^2 + (13 / 3) (c2 / (2 C0))^2,

    with c1 = (dl + dr) / 2, c2 = dr - dl. The whole parabola on smooth data, the flatter line next to a jump. `c0` in
    (0, 1) is the weight C0. Levy, Puppo, Russo (2000); Cravero, Puppo, Semplice, Visconti (2018),
    doi:10.1090/mcom/3273. Raises `ValueError` for c0 outside (0, 1).

    >>> slope, curvature = CWENO3()(jnp.array(1.0), jnp.array(3.0), 1e30)  # all counts as smooth: the optimal parabola
    >>> float(slope), float(curvature)
    (2.0, 1.0)
    """

    c0: float = eqx.field(static=True, default=0.75, converter=float)

    def __check_init__(self):
        if not 0 < self.c0 < 1:
            raise ValueError(f"CWENO3 needs 0 < c0 < 1, got c0={self.c0}")

    def __call__(
        self, backward: Float[Array, "*n"], forward: Float[Array, "*n"], epsilon: float
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        return _combine(self.c0, epsilon, backward, forward)

    def derivatives(
        self,
        backward: Float[Array, "*n"],
        forward: Float[Array, "*n"],
        epsilon: float,
        value: Float[Array, "*n"] | None = None,
        by_slope: float | Float[Array, "*n"] = 0.5,
        by_curvature: float | Float[Array, "*n"] = 1 / 6,
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        # The value is sum_k w_k e_k of the three polynomials' own, dw_k = w_k (d_k - sum_j w_j d_j), d_k = -2 dI_k / I_k:
        # d value = sum_k w_k (de_k + d_k (e_k - value)).
        half, second, share = 0.5 * (backward + forward), forward - backward, (0.5 / self.c0) * by_curvature
        i_left, i_right, i_centre, left, right, centre = _numerators(self.c0, epsilon, backward, forward)
        total, inverse = 1 / (left + right + centre), 1 / (i_left * i_right * i_centre)
        at_left, at_right, at_centre = by_slope * backward, by_slope * forward, by_slope * half + share * second
        if value is None:
            value = total * (left * at_left + right * at_right + centre * at_centre)
        at_left, at_right, at_centre = at_left - value, at_right - value, at_centre - value
        bent = -4 * centre * at_centre * (i_left * i_right * inverse)
        across = (13 / (12 * self.c0**2)) * second
        by_backward = left * (by_slope - 4 * backward * (i_right * i_centre * inverse) * at_left)
        by_forward = right * (by_slope - 4 * forward * (i_left * i_centre * inverse) * at_right)
        by_backward = by_backward + centre * (0.5 * by_slope - share) + bent * (0.5 * half - across)
        by_forward = by_forward + centre * (0.5 * by_slope + share) + bent * (0.5 * half + across)
        return total * by_backward, total * by_forward


def _numerators(c0: float, epsilon: float, backward: Array, forward: Array) -> tuple[Array, ...]:
    """Indicators epsilon + I_k and the weights before they are divided by their sum, in the order left, right, centre.

    All three are multiplied through by the other two indicators squared, so that one division is enough. In their
    `unit` the indicators lie between (dx / l)^2 and about (l / dx)^2: their fourth powers stay inside float32.
    """
    half, second = 0.5 * (backward + forward), forward - backward
    left, right = epsilon + backward**2, epsilon + forward**2
    centre = epsilon + half**2 + (13 / (12 * c0**2)) * second**2
    side = 0.5 * (1 - c0)
    return left, right, centre, side * (right * centre) ** 2, side * (left * centre) ** 2, c0 * (left * right) ** 2


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _combine(c0: float, epsilon: float, backward: Array, forward: Array) -> tuple[Array, Array]:
    # The sum is divided and not each weight: written so, XLA makes one loop of the whole flux.
    _, _, _, left, right, centre = _numerators(c0, epsilon, backward, forward)
    share = 1 / (left + right + centre)
    slope = (left * backward + right * forward + centre * (0.5 * (backward + forward))) * share
    return slope, centre * (forward - backward) * share * (0.5 / c0)


@_combine.defjvp
def _combine_jvp(c0: float, epsilon: float, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple:
    # By logarithmic derivatives: dw_k = w_k (e_k - sum_j w_j e_j), e_k = -2 dI_k / I_k. Autodiff's own rule squares the
    # denominator, which underflows in float32 on flat data and overflows on spikes, and gives NaN.
    backward, forward = primals
    d_backward, d_forward = tangents
    half, second = 0.5 * (backward + forward), forward - backward
    d_half, d_second = 0.5 * (d_backward + d_forward), d_forward - d_backward
    i_left, i_right, i_centre, left, right, centre = _numerators(c0, epsilon, backward, forward)
    share = 1 / (left + right + centre)
    left, right, centre = left * share, right * share, centre * share
    e_left = -4 * backward * d_backward / i_left
    e_right = -4 * forward * d_forward / i_right
    e_centre = -4 * (half * d_half + (13 / (12 * c0**2)) * second * d_second) / i_centre
    mean = left * e_left + right * e_right + centre * e_centre
    d_left, d_right, d_centre = left * (e_left - mean), right * (e_right - mean), centre * (e_centre - mean)
    slope = left * backward + right * forward + centre * half
    d_slope = (
        left * d_backward
        + right * d_forward
        + centre * d_half
        + d_left * backward
        + d_right * forward
        + d_centre * half
    )
    d_curvature = (centre * d_second + d_centre * second) * (0.5 / c0)
    return (slope, centre * second * (0.5 / c0)), (d_slope, d_curvature)


def ghosts(averages: Float[Array, "n *rows"]) -> tuple[Float[Array, "*rows"], Float[Array, "*rows"]]:
    """The averages of one cell beyond either end of the first axis, on the parabola through the last three: mirrored values would cost an
    order there."""
    before = 3 * averages[0] - 3 * averages[1] + averages[2]
    after = 3 * averages[-1] - 3 * averages[-2] + averages[-3]
    return before, after
