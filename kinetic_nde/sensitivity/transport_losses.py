"""How far a distribution is from the one that is wanted, by how far its mass has to go."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.profile import gauss, optimal
from .losses import AbstractLoss, compared, densities, difference, needs_density, needs_distribution

_NODES, _WEIGHTS = gauss(3)


class CramerLoss(AbstractLoss):
    """D = 1/2 int |G - H|^2 dx, of the distribution functions G and H, exact on the parabolas;
    lambda(x) = int_x^inf (G - H).

    Of two points at distance d it is d / 2: it pulls mass together from any distance. Raises `ValueError` in more than one
    dimension.

    >>> from kinetic_nde.distributions.grid import Grid
    >>> grid = Grid(0.0, 8.0, 80)
    >>> CramerLoss(Density.uniform(4.0, 6.0, grid))(Density.uniform(1.0, 3.0, grid))  # (3 - 2 / 3) / 2
    Array(1.167, dtype=float64)
    """

    target: Density

    def __init__(self, target: Density | Ensemble):
        self.target = needs_density(self, needs_line(self, target))

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        g, h = densities(self, needs_line(self, distribution))
        gap, weights, _ = _gap(g, h)
        return 0.5 * g.grid.width * jnp.sum(gap**2 * weights[None, :])

    def first_variation(self, density: Density) -> Float[Array, " cells"]:
        g, h = densities(self, density)
        gap, weights, nodes = _gap(g, h)
        cell = jnp.sum(gap * weights[None, :], axis=1)
        beyond = jnp.cumsum(cell[::-1])[::-1] - cell
        # The mean over a cell of the integral from x to its right end.
        rest = jnp.sum(gap * (weights * (0.5 + nodes))[None, :], axis=1)
        return g.grid.width * (beyond + rest)


def needs_line(loss: AbstractLoss, given: Density | Ensemble) -> Density | Ensemble:
    """`given`, or a `ValueError` if it is in more than one dimension, where distributions have no order."""
    if needs_distribution(loss, given).dimension != 1:
        kind = "a density" if isinstance(given, Density) else "an ensemble"
        raise ValueError(
            f"a {type(loss).__name__} is for one dimension, got {kind} of dimension {given.dimension}: from a distance "
            "SmoothedL2Loss pulls in two dimensions, and MomentLoss in any"
        )
    return given


@jax.jit
def _gap(g: Density, h: Density) -> tuple[Float[Array, "cells 4"], Float[Array, " 4"], Float[Array, " 4"]]:
    """G - H at the Gauss points of each cell, with their weights and places."""
    error = difference(g, h)
    nodes, weights = (jnp.asarray(each, error.average.dtype) for each in gauss(4))
    before = jnp.cumsum(error.average) - error.average
    return error.grid.width * before[:, None] + error.masses(nodes), weights, nodes


class WassersteinLoss(AbstractLoss):
    """D = W_p(g, h)^p / p, p = `order` >= 1; between densities and ensembles in one dimension, each normalised to
    mass 1.

    Its first variation is Kantorovich's potential, lambda'(x) = |x - T(x)|^(p - 1) sign(x - T(x)) with T the monotone
    map from g to h, over the mass of g. It is fixed up to a constant, chosen so that int lambda dg = 0: scaling g
    changes nothing. Where g has no mass T continues as a constant. The gradient is that of this lambda on the parabolas
    (and of |x - T(x)|^p / (p M) with respect to the samples of an ensemble), not the derivative of the quadrature in D,
    which is infinite in empty cells; for p = 1 it is no more than a subgradient where g = h.

    The integral of |F^{-1} - G^{-1}|^p has three Gauss points between neighbouring jumps and ends of cells: of fourth
    order where both are smooth, exact between ensembles, and closer than `wasserstein` for densities. Raises
    `ValueError` for order < 1 and in more than one dimension.

    >>> loss = WassersteinLoss(Ensemble([2.0, 0.0]))
    >>> loss(Ensemble([1.0, 4.0]))
    Array(1.25, dtype=float64)
    >>> jax.grad(loss)(Ensemble([1.0, 4.0])).samples
    Array([0.5, 1. ], dtype=float64)
    """

    target: Density | Ensemble
    order: float = eqx.field(static=True)

    def __init__(self, target: Density | Ensemble, order: float | int = 2):
        self.target, self.order = needs_line(self, target), float(order)
        if not 1 <= self.order < math.inf:
            raise ValueError(f"the order of a WassersteinLoss is a finite number of at least 1, got {order}")

    def __call__(self, distribution: Density | Ensemble) -> Float[Array, ""]:
        g, h = compared(self, needs_line(self, distribution))
        return _jitted_cost(g, h, self.order)

    def first_variation(self, density: Density) -> Float[Array, " cells"]:
        g, h = densities(self, density)
        potential, _ = _potential(g, h, self.order)
        return potential @ jnp.asarray(_WEIGHTS, potential.dtype) / g.mass


@eqx.filter_custom_jvp
def _cost(g: Density | Ensemble, h: Density | Ensemble, order: float) -> Array:
    levels, shares = _levels(g, h)
    return jnp.sum(shares * jnp.abs(_quantile(g, levels) - _quantile(h, levels)) ** order) / order


@_cost.def_jvp
def _cost_jvp(primals: tuple, tangents: tuple) -> tuple:
    g, h, order = primals
    total = None
    for moved, other, tangent in ((g, h, tangents[0]), (h, g, tangents[1])):
        if not jax.tree.leaves(tangent):
            continue
        tangent = jax.tree.map(lambda leaf, t: jnp.zeros_like(leaf) if t is None else t, moved, tangent)
        against = (
            _against_density(moved, other, order)
            if isinstance(moved, Density)
            else _against_ensemble(moved, other, order)
        )
        change = jax.jvp(against, (moved,), (tangent,))[1]
        total = change if total is None else total + change
    return _cost(g, h, order), total


_jitted_cost = eqx.filter_jit(_cost)


def _against_density(g: Density, h: Density | Ensemble, order: float):
    """A function of a density whose derivative at g is that of the loss: int lambda dg, with lambda held."""
    potential, slope = _potential(g, h, order)
    places, mass = _places(g), g.mass

    def pairing(density: Density) -> Array:
        # The slope is for grids whose bounds are differentiated.
        held = potential + slope * (_places(density) - places)
        # By the optimal parabolas: the weights of the others change as much as the averages do where g is narrower than
        # a cell, and their derivative is no part of dg.
        parabolas = optimal(density.grid, density.values)
        values = jnp.stack([parabolas.at(s) for s in _NODES], axis=1)
        return jnp.sum(held * values * _row(_WEIGHTS, values)) * density.grid.width / mass

    return pairing


def _against_ensemble(g: Ensemble, h: Density | Ensemble, order: float):
    """As `_against_density`, for samples: each is pulled to where its share of the mass goes."""
    levels, shares = _levels(g, h)
    pull = shares * _slope(_quantile(g, levels) - _quantile(h, levels), order)
    return lambda ensemble: jnp.sum(pull * _quantile(ensemble, levels))


@eqx.filter_jit
def _potential(g: Density, h: Density | Ensemble, order: float) -> tuple[Array, Array]:
    """Kantorovich's potential of the mean 0 under g, and its derivative, (cells, 3) at the Gauss points."""
    dtype, width = g.values.dtype, g.grid.width
    profile, mass = g.profile, g.mass
    before = (jnp.cumsum(g.values) - g.values) * width
    below = (before[:, None] + profile.masses(jnp.asarray(_NODES, dtype))) / mass
    # Kept off 0 and 1 by what rounding cannot tell from them: the quantiles there may be the ends of the grid.
    rounding = jnp.finfo(dtype).eps
    slope = _slope(_places(g) - _quantile(h, jnp.clip(below, rounding, 1 - rounding)), order)
    cell = jnp.sum(slope * _row(_WEIGHTS, slope), axis=1)
    inside = jnp.sum(slope[:, None, :] * jnp.asarray(_integration(), dtype)[None], axis=2)
    potential = width * ((jnp.cumsum(cell) - cell)[:, None] + inside)
    values = jnp.stack([profile.at(s) for s in _NODES], axis=1)
    mean = jnp.sum(potential * values * _row(_WEIGHTS, values)) * width / mass
    return potential - mean, slope


def _slope(z: Array, order: float) -> Array:
    """The derivative of |z|^p / p."""
    return jnp.sign(z) * jnp.abs(z) ** (order - 1)


def _places(g: Density) -> Float[Array, "cells 3"]:
    return jnp.stack([g.grid.centers + s * g.grid.width for s in _NODES], axis=1)


def _row(numbers: list[float], like: Array) -> Array:
    return jnp.asarray(numbers, like.dtype)[None, :]


def _integration() -> np.ndarray:
    """The matrix that integrates the parabola through values at the Gauss points from the left end to each of them."""
    nodes, powers = np.array(_NODES), np.arange(3)
    integrals = (nodes[:, None] ** (powers + 1) - (-0.5) ** (powers + 1)) / (powers + 1)
    return integrals @ np.linalg.inv(nodes[:, None] ** powers)


def _levels(g: Density | Ensemble, h: Density | Ensemble) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Gauss points of [0, 1], with their weights, between the levels at which one of the quantile functions has a jump
    or passes from one cell to the next."""
    knots = jnp.sort(jnp.concatenate([_knots(g), _knots(h)]))
    middle, length = 0.5 * (knots[:-1] + knots[1:]), jnp.diff(knots)
    levels = jnp.concatenate([middle + s * length for s in _NODES])
    return levels, jnp.concatenate([w * length for w in _WEIGHTS])


def _knots(p: Density | Ensemble) -> Float[Array, " k"]:
    if isinstance(p, Ensemble):
        count = p.samples.size
        return jnp.arange(count + 1, dtype=p.samples.dtype) / count
    below = jnp.cumsum(p.values)
    return jnp.concatenate([jnp.zeros(1, below.dtype), jnp.clip(below / below[-1], 0, 1)])


def _quantile(p: Density | Ensemble, levels: Float[Array, "*n"]) -> Float[Array, "*n"]:
    if isinstance(p, Density):
        return p.profile.quantile(levels)
    samples = jnp.sort(p.samples.reshape(-1))
    return samples[jnp.clip(jnp.floor(levels * samples.size).astype(int), 0, samples.size - 1)]
