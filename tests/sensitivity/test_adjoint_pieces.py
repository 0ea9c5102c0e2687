"""What carries, spreads and pairs the adjoint, without a solve: on a line against quadrature, its mirror image, and in the
plane against two lines."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.transport import LINE, PLANE
from tests import steady_laws
from tests.closed_forms import order

NU = 0.8


def pieces(course, law, grid, averages, adjoint, beyond):
    """What is done to lambda and g in a step: d_t lambda by the wind and by noise, and all weights that v and D get."""
    method, always, now = kn.CWENO3(), jnp.ones((), bool), jnp.zeros(())
    averages, adjoint, beyond = jax.tree.map(jnp.asarray, (averages, adjoint, beyond))
    spread = course.spread(law, grid)
    wind = course.headwind(law, grid, now, beyond, spread)
    carried = course.carried_change(method, always, adjoint, wind, jnp.ones(()))
    weights = course.pair(method, always, averages, adjoint, wind, beyond)
    if spread is None:
        return carried, weights, course.speeds(law, grid, now), None
    noise = course.spread_change(law, always, adjoint, spread, beyond, jnp.ones(()))
    bends = course.pair_spread(law, always, averages, adjoint, spread, beyond)
    return carried, weights, course.speeds(law, grid, now), (noise, bends, spread.inside)


# On a line: lambda has no slope at 0, where there may be a wall.


def lam(x):
    return np.cos(2.1 * x) + 0.3 * x**3


def d_lam(x):
    return -2.1 * np.sin(2.1 * x) + 0.9 * x**2


def dd_lam(x):
    return -(2.1**2) * np.cos(2.1 * x) + 1.8 * x


def g(x):
    return 1.2 + np.sin(2 * x)


def gauss(function, faces):
    """Its averages over the cells."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    width = faces[1] - faces[0]
    points = faces[:-1, None] + 0.5 * width * (1 + nodes)
    return 0.5 * function(points) @ weights


@functools.cache
def line(cells, mirrored=False):
    """The pieces for a wall at 0 and an open end at 1, or mirrored, for all `CASES`: one program."""
    walls, grid = ((None, 1.0), kn.Grid(0.0, 1.0, cells)) if mirrored else ((0.0, None), kn.Grid(0.0, 1.0, cells))
    faces = np.linspace(0.0, 1.0, cells + 1)
    averages, adjoint = gauss(g, faces), gauss(lam, faces)
    beyond = np.float64(7.0), np.float64(lam(1.0))
    if mirrored:
        averages, adjoint, beyond = averages[::-1].copy(), adjoint[::-1].copy(), beyond[::-1]

    @jax.jit
    @jax.vmap
    def run(w, b, vanishing):
        law = steady_laws.equation(steady_laws.TANH, w, b, NU, vanishing, vanishing, walls=walls)
        return pieces(LINE, law, grid, averages, adjoint, beyond)

    w, b, vanishing = np.array(list(CASES.values())).T
    # From right to left sigma((-w) x + (w + b)) has the other sign, as Tanh is odd: w x - (w + b).
    return run(w, -(w + b) if mirrored else b, vanishing)


# w, b and the exponent of K = x (1 - x), which is 0 for constant noise. The wind blows against the wall and out, or away from
# it and in; noise that reaches the ends keeps mass from piling up at the wall.
CASES = {
    "into the wall and out": (1.3, -0.4, 1.0),
    "away from the wall and in": (-1.3, 0.4, 1.0),
    "with noise at the ends, out": (1.3, -0.4, 0.0),
    "with noise at the ends, in": (-1.3, 0.4, 0.0),
}


def errors(cells, row):
    w, b, vanishing = list(CASES.values())[row]
    carried, weights, speeds, (noise, bends, inside) = jax.tree.map(lambda leaf: np.asarray(leaf[row]), line(cells))
    faces = np.linspace(0.0, 1.0, cells + 1)
    v = lambda x: np.tanh(w * x + b)
    d = lambda x: 0.5 * NU**2 * (np.abs(x) * np.abs(1 - x)) ** (2 * vanishing)
    exact_carried = gauss(lambda x: v(x) * d_lam(x), faces)
    exact_noise = gauss(lambda x: d(x) * dd_lam(x), faces)
    # Where it leaves, the wind takes v g (lambda - beyond) with it, which is 0 here.
    pairs = [weights.left @ speeds.left + weights.right @ speeds.right, weights.ends @ speeds.ends]
    paired = np.mean(gauss(lambda x: g(x) * v(x) * d_lam(x), faces))
    spread = np.mean(gauss(lambda x: g(x) * d(x) * dd_lam(x), faces))
    return {
        "carried": np.mean(np.abs(carried - exact_carried)[2:-2]),
        "carried at the wall": np.max(np.abs(carried - exact_carried)[:2]),
        "carried at the open end": np.max(np.abs(carried - exact_carried)[-2:]),
        "paired": np.abs(sum(pairs) / cells - paired),
        "spread": np.mean(np.abs(noise - exact_noise)[2:-2]),
        "spread at the wall": np.max(np.abs(noise - exact_noise)[:2]),
        "spread at the open end": np.max(np.abs(noise - exact_noise)[-2:]),
        "paired with noise": np.abs(np.sum(bends * inside) / cells - spread),
    }


# The least orders. Against a wall mass is held in the last cell, where lambda has one value, and mass that is near it counts
# less exactly.
ORDERS = {
    "carried": 2.7,
    "carried at the wall": 1.9,
    "carried at the open end": 1.8,
    "paired": 2.7,
    "spread": 3.5,
    "spread at the wall": 1.8,
    "spread at the open end": 0.9,
    "paired with noise": 1.9,
}
INTO_THE_WALL = ORDERS | {"carried at the wall": 0.8, "paired": 1.8}


@pytest.mark.parametrize("row", range(len(CASES)), ids=list(CASES))
def test_on_a_line(row):
    cells, least = (16, 32), ORDERS if row > 0 else INTO_THE_WALL
    coarse, fine = (errors(n, row) for n in cells)
    for name in ORDERS:
        both = coarse[name], fine[name]
        assert order(cells, both) > least[name] and fine[name] < 0.03, (name, both)


def test_the_mirror_image():
    here, there = line(16), line(16, mirrored=True)
    turn = lambda leaf: np.asarray(leaf)[..., ::-1]
    np.testing.assert_allclose(turn(there[0]), here[0], atol=1e-11)
    for mine, other in ((here[1], there[1]), (here[2], there[2])):
        sign = -1
        np.testing.assert_allclose(sign * turn(other.right), mine.left, atol=1e-11)
        np.testing.assert_allclose(sign * turn(other.left), mine.right, atol=1e-11)
        np.testing.assert_allclose(sign * turn(other.ends), mine.ends, atol=1e-11)
    assert here[3] is not None and there[3] is not None
    for k in range(3):
        mirrored = turn(there[3][k])
        np.testing.assert_allclose(mirrored if k == 0 else mirrored[:, ::-1], here[3][k], atol=1e-11)


# In the plane: v, lambda and D are sums of what depends on x alone and on y alone, so that each axis is a line.


class OnAxes(eqx.Module):
    """K(x) = |x - lo| |hi - x| to an exponent, along each axis."""

    low: jax.Array
    high: jax.Array
    exponent: jax.Array

    def __call__(self, x):
        away = jnp.abs((x - self.low) * (self.high - x))
        safe = jnp.where(away > 0, away, jnp.ones_like(away))
        return jnp.where((away > 0) | (self.exponent == 0), safe**self.exponent, jnp.zeros_like(away))


LOW, HIGH, SHAPE = np.array([-2.0, -1.5]), np.array([2.0, 1.0]), (12, 9)


def law_on(walls, w, b, noise, axis=None):
    """In the plane, or along one axis of it."""
    pick = (lambda each: each) if axis is None else (lambda each: each[axis])
    field = kn.SimResNet(jnp.diag(w) if axis is None else w[axis], pick(b), kn.Tanh())
    if noise is None:
        return kn.MeanField(field, walls if axis is None else walls[axis])
    diffusion = OnAxes(pick(LOW), pick(HIGH), pick(noise))
    return kn.FokkerPlanck(field, NU, diffusion, walls if axis is None else walls[axis])


@pytest.mark.parametrize(
    ("walls", "noisy"),
    [
        (((-2.0, 2.0), (None, 1.0)), True),
        pytest.param(((None, None), (-1.5, None)), True, marks=pytest.mark.slow),
        pytest.param(((-2.0, None), (-1.5, 1.0)), False, marks=pytest.mark.slow),
        pytest.param(((None, 2.0), (None, None)), False, marks=pytest.mark.slow),
    ],
    ids=["walls and noise", "open ends and noise", "walls", "open ends"],
)
def test_the_axes_of_a_plane_are_lines(walls, noisy):
    box = kn.Grid(LOW, HIGH, SHAPE)
    lines = [kn.Grid(lo, hi, n) for lo, hi, n in zip(LOW, HIGH, SHAPE, strict=True)]
    x, y = (np.asarray(each.centers) for each in lines)
    adjoints = [np.sin(x + 0.3), np.cos(0.7 * y) - 0.2 * y]
    averages = [1.5 + np.sin(0.8 * x), 0.3 * np.cos(y)]
    sums = lambda pair: pair[0][:, None] + pair[1][None, :]
    # Beyond open ends lambda is another, and differs from row to row.
    beyond = [np.stack([3.0 + adjoints[1], -1.0 + adjoints[1]]), np.stack([2.0 + adjoints[0], 0.5 + adjoints[0]])]

    def along(law, axis):
        """One line for each row of the plane."""

        def row(more, other, beyond):
            return pieces(LINE, law, lines[axis], averages[axis] + more, adjoints[axis] + other, (beyond[0], beyond[1]))

        return jax.vmap(row, (0, 0, 1), -1)(
            jnp.asarray(averages[1 - axis]), jnp.asarray(adjoints[1 - axis]), jnp.asarray(beyond[axis])
        )

    @jax.jit
    @jax.vmap
    def both(w, b, noise):
        noise = noise if noisy else None
        plane = pieces(PLANE, law_on(walls, w, b, noise), box, sums(averages), sums(adjoints), tuple(beyond))
        return plane, [along(law_on(walls, w, b, noise, axis), axis) for axis in (0, 1)]

    w = np.array([[1.3, 0.9], [-1.3, -0.9], [1.3, -0.9]])
    b = np.array([[0.3, -0.2], [0.3, -0.2], [-0.1, 0.4]])
    noise = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    plane, found = jax.tree.map(np.asarray, both(w, b, noise))
    turned = lambda axis, leaf: leaf if axis == 0 else np.swapaxes(leaf, -1, -2)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-9)
    carried = turned(0, found[0][0]) + turned(1, found[1][0])
    close(plane[0][:, 1:-1, 1:-1], carried[:, 1:-1, 1:-1])
    # In the outermost cells a line takes the slope of div v for 0.
    np.testing.assert_allclose(plane[0], carried, atol=0.05)
    sides = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    for axis in (0, 1):
        _, weights, speeds, noises = found[axis]
        for side, name in ((-1, "left"), (1, "right")):
            there = sides[:, axis] == side
            close(plane[1].inside[:, axis, there].sum(axis=1), turned(axis, getattr(weights, name)))
            for corner in np.flatnonzero(there):
                close(plane[2].inside[:, axis, corner], turned(axis, getattr(speeds, name)))
            if noises is not None:
                k = (side + 1) // 2
                close(plane[3][1][:, axis, there].sum(axis=1), turned(axis, noises[1][:, k]))
                for corner in np.flatnonzero(there):
                    close(plane[3][2][:, axis, corner], turned(axis, noises[2][:, k]))
        close(plane[1].ends[axis], weights.ends)
        close(plane[2].ends[axis], speeds.ends)
    if noisy:
        close(plane[3][0], turned(0, found[0][3][0]) + turned(1, found[1][3][0]))


@pytest.mark.parametrize(("turn", "still"), [(0.95, False), (1.5, False), (0.5, True)])
def test_mass_is_pushed_against_a_wall_by_the_wind_at_the_inner_face(turn, still):
    """Not at the wall itself: where the wind turns within the last cell, what is in it leaves."""
    law = kn.MeanField(kn.SimResNet(1.0, -turn, kn.Identity()), walls=(0.0, 1.0))
    wind = LINE.headwind(law, kn.Grid(0.0, 1.0, 10), jnp.zeros(()), (jnp.zeros(()), jnp.zeros(())), None)
    # At the lower wall the wind always blows towards it.
    np.testing.assert_array_equal(wind.still, [True, still])
