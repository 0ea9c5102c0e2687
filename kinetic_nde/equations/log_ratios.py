"""The ratio of a steady state's averages in neighbouring cells, by quadrature across the two."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from ..distributions.grid import Grid
from ..network import field as fields

# Panels across a cell and Gauss points in each.
_PANELS, _POINTS = 16, 3
# Cells that are cut geometrically towards both ends, those nearest to a zero of K: halves, and Gauss points in each.
_DEEP, _DEEP_POINTS = 4, 8
# A kink that is no further from a face, in widths of a cell, is taken to be there.
_LEAST_CUT = 1e-4


class Nodes(NamedTuple):
    """Quadrature in a variable y over consecutive panels of `length` in y: the places of the nodes (panels, points), and
    dx/dy there."""

    places: Float[Array, "panels points"]
    stretch: Float[Array, "panels points"]
    length: float


class Integrand(NamedTuple):
    """At nodes: how fast psi = int v / D dx grows with y, and ln(dx/dy / D)."""

    slope: Float[Array, "panels points"]
    log_weight: Float[Array, "panels points"]


def log_ratios(law: Any, grid: Grid, t: Real[ArrayLike, ""]) -> Float[Array, " inner"]:
    """ln(M_{i+1} / M_i) at each inner face, with M_i the average over a cell of the steady state at time t,

        M = exp(psi) / D,   psi' = v / D,   D = nu^2 K^2 / 2,

    Eq. (22) of Herty, Trimborn, Visconti (2021). Each face is the origin of psi for its two cells, so that neither a zero
    of K elsewhere nor the size of M counts. Large and of the right sign where v outweighs D; without meaning at a face
    where D is 0, which nothing crosses but the wind.
    """
    left, right = log_averages(law, grid, t)
    return left[1:] - right[:-1]


def log_averages(law: Any, grid: Grid, t: Real[ArrayLike, ""]) -> tuple[Float[Array, " cells"], Float[Array, " cells"]]:
    """ln of int M over each cell, psi counted from its left face, and from its right face."""
    faces, width = grid.faces, grid.width
    dtype = faces.dtype
    offsets = jnp.asarray(_uniform(), dtype)
    cuts = _cuts(law, grid, t)

    def plain(low: Array, cut: Array) -> tuple[Array, Array]:
        # As many panels on either side of the cut, which makes no difference in the middle of the cell.
        second = offsets > 0.5
        rates = jnp.where(second, 2 * (1 - cut), 2 * cut)
        shares = jnp.where(second, 1 - (1 - offsets) * rates, offsets * rates)
        nodes = Nodes(low + width * shares, width * rates, 1 / _PANELS)
        return log_integrals(integrand(law, t, nodes), nodes.length)

    def deep(low: Array, high: Array) -> tuple[Array, Array]:
        return _deep(law, t, low, high)

    left, right = jax.vmap(plain)(faces[:-1], cuts)
    # A power of the distance to a zero of K, or an exponential of its inverse, needs panels that shrink towards it.
    ends = jax.lax.stop_gradient(jax.vmap(law.diffusivity)(faces))
    least, most = jnp.minimum(ends[:-1], ends[1:]), jnp.maximum(ends[:-1], ends[1:])
    calm = least / jnp.where(most > 0, most, jnp.ones_like(most))
    # A kink is no place of these panels, so that they are for its cell only if there is a zero of K too.
    calm = jnp.where((cuts != 0.5) & (least > 0), jnp.ones_like(calm), calm)
    chosen = jnp.argsort(calm)[: min(_DEEP, grid.cells)]
    deep_left, deep_right = jax.vmap(deep)(faces[chosen], faces[chosen + 1])
    return left.at[chosen].set(deep_left), right.at[chosen].set(deep_right)


def _cuts(law: Any, grid: Grid, t: Real[ArrayLike, ""]) -> Float[Array, " cells"]:
    """Where across each cell, from 0 to 1, the panels change their length: at a kink of the velocity, if the field knows of
    one there, else in the middle. A constant for differentiation: what moves with the kink is continuous there."""
    cuts = jnp.full(grid.cells, 0.5, grid.lower.dtype)
    for kink in fields.kinks(law.field, t):
        place = jax.lax.stop_gradient((kink.astype(cuts.dtype) - grid.faces[:-1]) / grid.width)
        cuts = jnp.where((place > _LEAST_CUT) & (place < 1 - _LEAST_CUT), place, cuts)
    return cuts


def integrand(law: Any, t: Real[ArrayLike, ""], nodes: Nodes) -> Integrand:
    """What is to be integrated, at the nodes."""
    flat, stretch = nodes.places.reshape(-1), nodes.stretch.reshape(-1)
    velocity = jax.vmap(lambda x: law.velocity(t, x))(flat)
    diffusivity = jax.vmap(law.diffusivity)(flat)
    slope = bounded_ratio(velocity * stretch, diffusivity)
    weight = jnp.log(jnp.abs(stretch)) - _log(diffusivity)
    return Integrand(slope.reshape(nodes.places.shape), weight.reshape(nodes.places.shape))


def log_integrals(at: Integrand, length: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """ln int M dx over all panels, psi counted from their beginning, and from their end."""
    weight = at.log_weight + jnp.asarray(log_gauss(at.slope.shape[1], length), at.slope.dtype)
    from_start, from_end = potentials(at, length)
    return _log_sum(from_start + weight), _log_sum(from_end + weight)


def potentials(at: Integrand, length: float) -> tuple[Float[Array, "panels points"], Float[Array, "panels points"]]:
    """psi at the nodes, counted from the beginning of the first panel, and from the end of the last one."""
    within, across = _collocation(at.slope.shape[1])
    dtype = at.slope.dtype
    inside = length * at.slope @ jnp.asarray(within.T, dtype)
    steps = length * at.slope @ jnp.asarray(across, dtype)
    # Summed from either end: next to a zero of K the total is infinite, and what is left of a difference is nothing.
    before = jnp.concatenate([jnp.zeros(1, dtype), jnp.cumsum(steps)[:-1]])
    behind = jnp.cumsum(steps[::-1])[::-1]
    return before[:, None] + inside, inside - behind[:, None]


def bounded_ratio(above: Float[Array, "*n"], below: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """above / below with below >= 0, cut off where it is enormous: 0 / 0 is 0, and sums of many stay finite."""
    most = float(jnp.finfo(above.dtype).max) ** 0.25
    fits = jnp.abs(above) < most * below
    ratio = above / jnp.where(fits, below, jnp.ones_like(below))
    return jnp.where(fits, ratio, most * jnp.sign(above))


def _log(diffusivity: Array) -> Array:
    tiny = float(jnp.finfo(diffusivity.dtype).tiny)
    return jnp.log(jnp.where(diffusivity > tiny, diffusivity, jnp.full_like(diffusivity, tiny)))


def _deep(law: Any, t: Any, low: Array, high: Array) -> tuple[Array, Array]:
    """The integrals over one cell, cut in halves again and again towards both of its ends; what is left there is that of
    a power of the distance, which it is next to a zero of K."""
    width, dtype = high - low, low.dtype
    shares = _halves(jnp.finfo(dtype).nmant - 12)
    away = width * jnp.asarray(np.concatenate([shares, shares[::-1, ::-1]]), dtype)
    # From the end that is nearer, where the places are counted in fractions of their distance to it.
    near_low = np.arange(away.shape[0])[:, None] < len(shares)
    nodes = Nodes(jnp.where(near_low, low + away, high - away), away, float(np.log(2)))
    at = integrand(law, t, nodes)
    drifts = mean_slopes(at)
    ends = jax.vmap(law.diffusivity)(jnp.stack([low, high]))
    rests, steps = _rests(
        jnp.stack([drifts[0], -drifts[-1]]),
        jnp.stack([at.log_weight[0], at.log_weight[-1, ::-1]]),
        ends,
        away[0, 0],
    )
    from_start, from_end = potentials(at, nodes.length)
    weight = at.log_weight + jnp.asarray(log_gauss(_DEEP_POINTS, nodes.length), dtype)
    # The rests count psi from where the panels begin and end.
    across = nodes.length * jnp.sum(drifts)
    shift = jnp.stack([jnp.zeros_like(across), across])
    left = jnp.concatenate([(from_start + weight).reshape(-1), rests + shift])
    right = jnp.concatenate([(from_end + weight).reshape(-1), rests + shift - across])
    return _log_sum(left) + steps[0], _log_sum(right) + steps[1]


def _rests(
    drift: Float[Array, "2"],
    log_weight: Float[Array, "2 points"],
    diffusivity: Float[Array, "2"],
    nearest: Float[Array, ""],
) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """ln int M between either end, with that diffusivity, and the panel next to it, psi counted from the panel; and by how
    much psi grows from the end to there. The panel's first node is at the distance `nearest`.

    The integrand is taken for exp of a straight line in y, a power of the distance, where the end is a zero of K, else for
    exp of a straight line in x.
    """
    length = float(np.log(2))
    rise = (log_weight[:, -1] - log_weight[:, 0]) / (length * spread(_DEEP_POINTS))
    edge = 0.5 * (log_weight[:, -1] + log_weight[:, 0]) - 0.5 * length * rise
    # Integrable if (x - x0) M goes to 0.
    power = drift + rise
    integrable = power > 0
    most = float(jnp.finfo(drift.dtype).max) ** 0.25
    singular = jnp.where(integrable, edge - jnp.log(jnp.where(integrable, power, jnp.ones_like(power))), most)
    # The panel is as long as the rest, and psi grows as much over it.
    step = length * drift
    steep = jnp.abs(step) > 1e-6
    size = jnp.where(steep, jnp.abs(step), jnp.ones_like(step))
    regular = edge + jnp.maximum(-step, 0) + jnp.where(steep, jnp.log(-jnp.expm1(-size) / size), jnp.zeros_like(size))
    is_regular = diffusivity > 0.5 * nearest * jnp.exp(-log_weight[:, 0])
    return jnp.where(is_regular, regular, singular), jnp.where(is_regular, step, jnp.zeros_like(step))


def _log_sum(logs: Array) -> Array:
    """ln of the sum of exp of finite numbers, in a third of the operations of `jax.nn.logsumexp`."""
    largest = jax.lax.stop_gradient(jnp.max(logs))
    return largest + jnp.log(jnp.sum(jnp.exp(logs - largest)))


def mean_slopes(at: Integrand) -> Float[Array, " panels"]:
    """How much psi grows per unit of y, over each panel."""
    return at.slope @ jnp.asarray(_collocation(at.slope.shape[1])[1], at.slope.dtype)


def log_gauss(points: int, length: float) -> np.ndarray:
    """ln of the Gauss weights of a panel of that length, (1, points)."""
    return np.log(length * _collocation(points)[1])[None, :]


def _uniform() -> np.ndarray:
    """Gauss points of equal panels of [0, 1]."""
    nodes = unit_nodes(_POINTS)
    return (np.arange(_PANELS)[:, None] + nodes[None, :]) / _PANELS


def _halves(count: int) -> np.ndarray:
    """Shares of a cell's width in (0, 1/2), increasing: Gauss points in their logarithm, over `count` halves."""
    nodes = unit_nodes(_DEEP_POINTS)
    return np.exp2(np.arange(-1 - count, -1)[:, None] + nodes[None, :])


def unit_nodes(points: int) -> np.ndarray:
    """Gauss points in [0, 1]."""
    return 0.5 * (np.polynomial.legendre.leggauss(points)[0] + 1)


def spread(points: int) -> float:
    """How far the outer nodes are apart in a panel of length 1."""
    nodes = unit_nodes(points)
    return float(nodes[-1] - nodes[0])


@functools.cache
def _collocation(points: int) -> tuple[np.ndarray, np.ndarray]:
    """On [0, 1]: the integrals of the interpolating polynomial from 0 to each node, and the Gauss weights."""
    nodes = unit_nodes(points)
    powers = np.arange(points)
    moments = nodes[:, None] ** (powers + 1) / (powers + 1)
    within = np.linalg.solve(np.vander(nodes, increasing=True).T, moments.T).T
    return within, 0.5 * np.polynomial.legendre.leggauss(points)[1]
