"""How far a distribution is from the one that is wanted: integrals of both at the same x, and moments."""

import abc
import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._values import as_count, cast, common_float, require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid, box
from ..distributions.plane import Plane
from ..distributions.profile import Profile, gauss
from ..distributions.stack import check_mass, check_one

# What is added to both densities of a Kullback-Leibler divergence, in units of mass / length of the grid.
_FLOOR = 1e-16


class AbstractLoss(eqx.Module):
    """A distance D(g) of a distribution g from the `target` h, which is traced like any other number.

    Under `jit`, `vmap` and `grad` all losses work, and the masses, unknown there, may differ (open ends lose some).
    Known values raise `ValueError` if the grids differ, the masses by more than 1e-6, or if there is no mass, and a stack
    of distributions does, over which `jax.vmap(loss)` maps; what is no distribution, or not
    of a kind that the loss can read, is a `TypeError`.
    """

    target: eqx.AbstractVar[Density | Ensemble]

    @abc.abstractmethod
    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        """D(g)."""

    @abc.abstractmethod
    def first_variation(self, density: Density) -> Float[Array, "*cells"]:
        """The cell averages of lambda = delta D / delta g, dD = int lambda dg: what the adjoint equation starts from.

        The gradient with respect to the averages of g is not dx times these, but dx (1 - d2 / 12) lambda to third
        order, d2 the undivided second difference: an average also shapes the parabolas of its neighbours.
        """


class L2Loss(AbstractLoss):
    """D = 1/2 int |g - h|^2 dx, exact on the polynomials of both; lambda = g - h. Eq. (17).

    Blind to distance: where g and h do not overlap, moving g does not change it.

    >>> from kinetic_nde.distributions.grid import Grid
    >>> grid = Grid(-8.0, 8.0, 400)
    >>> loss = L2Loss(Density.gaussian(2.0, 0.5, grid))
    >>> loss(Density.gaussian(0.3 - 0.3 / jnp.e + 1 / jnp.e, 1 / jnp.e, grid))  # N(1, 1) after x' = 0.3 - x, t = 1
    Array(0.6223, dtype=float64)
    """

    target: Density

    def __init__(self, target: Density | Ensemble):
        self.target = needs_density(self, target)

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        g, h = densities(self, distribution)
        return _half_square(difference(g, h)) if g.dimension == 1 else _half_square_of_plane(g.plane, h.plane)

    def first_variation(self, density: Density) -> Float[Array, "*cells"]:
        g, h = densities(self, density)
        return g.values - h.values


class KullbackLeiblerLoss(AbstractLoss):
    """D = KL(h || g) = int h ln(h / g) dx, up to a constant the negative log-likelihood of h's samples under g;
    lambda = -h / g, up to a constant.

    A floor f = 1e-16 mass(h) / (length of the grid) is added to h and to g: finite for every g, still never negative
    and 0 for g = h. Three Gauss points per cell along each axis. A loss for g that covers h: where g vanishes and h does not, lambda is
    -h / f, the slope of the floor, which says nothing of where g is and is too steep for any optimiser. Start from
    `WassersteinLoss`, `CramerLoss` or `SmoothedL2Loss` then. Where h reaches into the tails of g lambda varies by orders of
    magnitude from cell to cell, which `TransportAdjoint` cannot follow: retrain with `CheckpointAdjoint()`.

    >>> from kinetic_nde.distributions.grid import Grid
    >>> grid = Grid(-10.0, 10.0, 400)
    >>> KullbackLeiblerLoss(Density.gaussian(1.0, 1.0, grid))(Density.gaussian(0.0, 1.0, grid))
    Array(0.5000, dtype=float64)
    """

    target: Density

    def __init__(self, target: Density | Ensemble):
        self.target = needs_density(self, target)

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        g, h = densities(self, distribution)
        unit = _unit(h)
        return unit * g.grid.volume * jnp.sum(_cell_means(lambda g, h: h * (jnp.log(h) - jnp.log(g)), g, h, unit))

    def first_variation(self, density: Density) -> Float[Array, "*cells"]:
        g, h = densities(self, density)
        return _cell_means(lambda g, h: -h / g, g, h, _unit(h))


class MomentLoss(AbstractLoss):
    """D = 1/2 sum_k |m_k(g) - m_k(h)|^2 over the `orders` k >= 0; lambda = sum_k (m_k(g) - m_k(h)) . x^k, by component.

    Between densities and ensembles, of the same dimension. Moments of different order have different units, and so
    their shares in D depend on the unit of x. Of a density narrower than a cell the moments are those of the parabolas,
    whose shape changes with the place in the cell, and so does the gradient: use an ensemble or
    `WassersteinLoss`. Raises `ValueError` for no orders and for negative ones.

    >>> loss = MomentLoss(Ensemble([1.0, 3.0]), orders=(1, 2))
    >>> loss(Ensemble([0.0, 2.0, 4.0]))
    Array(1.38888889, dtype=float64)
    """

    target: Density | Ensemble
    orders: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, target: Density | Ensemble, orders: Sequence[int]):
        self.target = needs_distribution(self, target)
        try:
            orders = tuple(orders)
        except TypeError:
            raise TypeError(f"the orders of a MomentLoss are several integers, like (1, 2), not {orders!r}") from None
        self.orders = tuple(as_count(k, "an order of a MomentLoss", least=0) for k in orders)
        if not self.orders:
            raise ValueError("a MomentLoss needs at least one order, like orders=(1, 2)")

    def _differences(self, distribution: Density | Ensemble) -> tuple[Any, list[Array]]:
        g, h = compared(self, needs_distribution(self, distribution))
        if g.dimension != h.dimension:
            raise ValueError("the moments of a MomentLoss are of distributions of one dimension: one has others")
        return g, [jnp.ravel(g.moment(k)) - jnp.ravel(h.moment(k)) for k in self.orders]

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        return 0.5 * jnp.sum(jnp.stack(self._differences(distribution)[1]) ** 2)

    def first_variation(self, density: Density) -> Float[Array, "*cells"]:
        g, differences = self._differences(needs_density(self, density))
        along = [self._powers(line, [d[axis] for d in differences]) for axis, line in enumerate(g.grid.axes)]
        return along[0] if g.dimension == 1 else along[0][:, None] + along[1][None, :]

    def _powers(self, line: Grid, factors: list[Array]) -> Float[Array, " cells"]:
        """The averages of sum_k factor_k x^k over the cells of one axis."""
        nodes, weights = gauss(max(self.orders) // 2 + 1)
        places = [(line.centers + s * line.width, w) for s, w in zip(nodes, weights, strict=True)]
        terms = [w * d * x**k for k, d in zip(self.orders, factors, strict=True) for x, w in places]
        return jnp.sum(jnp.stack(terms), axis=0)


def needs_distribution(loss: AbstractLoss, given: Density | Ensemble) -> Density | Ensemble:
    """`given`, or a `TypeError` if it is neither a density nor an ensemble."""
    if not isinstance(given, Density | Ensemble):
        raise TypeError(f"a {type(loss).__name__} is between densities and ensembles, not {type(given).__name__}")
    check_one(given, f"a {type(loss).__name__}")
    return given


def needs_density(loss: AbstractLoss, given: Density | Ensemble) -> Density:
    """`given`, or a `TypeError` if it is no density."""
    if isinstance(given, Ensemble):
        raise TypeError(
            f"a {type(loss).__name__} is between densities: make one of the ensemble by ensemble.to_density(grid)"
        )
    if not isinstance(given, Density):
        raise TypeError(f"a {type(loss).__name__} is between densities, not {type(given).__name__}")
    check_one(given, f"a {type(loss).__name__}")
    return given


def densities(loss: AbstractLoss, given: Any) -> tuple[Density, Any]:
    """`given`, which must be a density, and the target of the loss: `compared`."""
    return compared(loss, needs_density(loss, given))


def compared(loss: AbstractLoss, given: Any) -> tuple[Any, Any]:
    """`given` and the target of the loss in their common float type, or a `ValueError` if one cannot stand for the
    other."""
    name, target = type(loss).__name__, loss.target
    leaves = jax.tree.leaves((given, target))
    rounding = max(float(jnp.finfo(leaf.dtype).eps) for leaf in leaves)
    check_one(target, f"the target of a {name}")
    if isinstance(given, Density) and isinstance(target, Density):
        _require_same_grid(name, given, target, rounding)
    for each in (given, target):
        check_mass(each, f"a {name}")
    tolerance = max(1e-6, 8 * rounding * max(leaf.size for leaf in leaves) ** 0.5)
    require(
        lambda: abs(float(given.mass) - float(target.mass)) <= tolerance * float(target.mass),
        lambda: (
            f"{name}: the distribution has the mass {given.mass} and the target {target.mass} (an ensemble 1); scale "
            "the averages of a density to make them equal, and take a grid that loses nothing through its ends"
        ),
        (given, target),
    )
    return cast((given, target), common_float(given, target))


def _require_same_grid(name: str, given: Density, target: Density, rounding: float) -> None:
    g, h = given.grid, target.grid
    transfer = "move it there by density.on(loss.target.grid)"
    if g.dimension != h.dimension:
        raise ValueError(f"{name}: the density has dimension {g.dimension} and the target {h.dimension}")
    if g.shape != h.shape:
        raise ValueError(f"{name}: the density has {_cells(given)} cells and the target {_cells(target)}; {transfer}")

    def close() -> bool:
        # By grid, end and axis.
        ends = np.array([[grid.lower, grid.upper] for grid in (g, h)], float).reshape(2, 2, -1)
        tolerance = np.maximum(1e-9 * np.ravel(h.length), 4 * rounding * np.max(np.abs(ends), axis=(0, 1)))
        return bool(np.all(np.abs(ends[0] - ends[1]) <= tolerance))

    require(
        close,
        lambda: f"{name}: the density is on {box(g)}, the target on {box(h)}; {transfer}",
        (g, h),
    )


def _cells(density: Density) -> str:
    return " x ".join(map(str, density.grid.shape))


@jax.jit
def difference(g: Density, h: Density) -> Profile:
    """The parabolas of g - h."""
    a, b = g.profile, h.profile
    return Profile(g.grid, a.average - b.average, a.slope - b.slope, a.curvature - b.curvature)


@jax.jit
def _half_square(error: Profile) -> Array:
    # 1, s and s^2 - 1/12 are orthogonal on [-1/2, 1/2], with the squares 1, 1/12 and 1/180.
    squares = error.average**2 + error.slope**2 / 12 + error.curvature**2 / 180
    return 0.5 * error.grid.width * jnp.sum(squares)


@jax.jit
def _half_square_of_plane(g: Plane, h: Plane) -> Array:
    # As above; xi eta is orthogonal to the others too, with the square 1/144.
    error: Plane = jax.tree.map(jnp.subtract, g, h)
    squares = error.average**2 + error.twist**2 / 144
    for slope, curvature in zip(error.slope, error.curvature, strict=True):
        squares = squares + slope**2 / 12 + curvature**2 / 180
    return 0.5 * g.grid.volume * jnp.sum(squares)


def _unit(h: Density) -> Float[Array, ""]:
    """The mean of h over the grid: float32 has no number for the floor below a mass of 1e-20, but in this unit it has."""
    return jax.lax.stop_gradient(h.mass / jnp.prod(h.grid.length))


def _cell_means(function: Any, g: Density, h: Density, unit: Array) -> Float[Array, "*cells"]:
    """The mean over each cell of a function of the values of g and h in this unit, both with the floor."""
    floor = jnp.asarray(_FLOOR, unit.dtype)
    a, b = (each.profile if g.dimension == 1 else each.plane for each in (g, h))
    # By rounding a polynomial that touches zero can lie below it, by more than the floor.
    parts: list[Array] = [
        math.prod(w) * function(jnp.maximum(a.at(*s), 0) / unit + floor, jnp.maximum(b.at(*s), 0) / unit + floor)
        for s, w in (zip(*points, strict=True) for points in product(zip(*gauss(3), strict=True), repeat=g.dimension))
    ]
    return sum(parts[1:], parts[0])
