"""The adjoint equation of the mean field against closed forms, against autodiff, and in every way it can be called."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.integral import Node, begin, end, extend

ADJOINTS = {"transport": kn.TransportAdjoint(), "checkpoint": kn.CheckpointAdjoint()}
CELLS = (100, 200, 400)


def order(cells, errors):
    return -np.polyfit(np.log(cells), np.log(errors), 1)[0]


def closed_form(p, m, s, n, r):
    """1/2 int (g - h)^2 for g0 = N(m, s^2) carried by dx/dt = w x + b to t = 1 and h = N(n, r^2)."""
    w, b = p
    growth = jnp.exp(w)
    mean, std = growth * m + b * (growth - 1) / w, growth * s

    def overlap(distance, variance):
        return jnp.exp(-(distance**2) / (2 * variance)) / jnp.sqrt(2 * jnp.pi * variance)

    return 0.5 * (overlap(0.0, 2 * std**2) + overlap(0.0, 2 * r**2)) - overlap(mean - n, std**2 + r**2)


@pytest.fixture(scope="module")
def gradients():
    """(cells, adjoint) -> the gradient of the closed form's problem, compiled once for all numbers."""

    def make(cells, adjoint):
        grid = kn.Grid(-8.0, 8.0, cells)

        def loss(p, m, s, n, r):
            start, target = kn.Density.gaussian(m, s, grid), kn.Density.gaussian(n, r, grid)
            equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Identity()))
            return kn.L2Loss(target)(kn.solve(equation, start, t1=1.0, adjoint=adjoint).final)

        return jax.jit(jax.value_and_grad(loss))

    return {(cells, name): make(cells, adjoint) for cells in CELLS for name, adjoint in ADJOINTS.items()}


# What both are compared with, compiled once as well.
exact_gradient = jax.jit(jax.value_and_grad(closed_form))
PRINTED = (-1.0, 0.3, 1.0, 1.0, 2.0, 0.5)
RANDOM = [
    tuple(np.random.default_rng(seed).uniform([w, -0.5, -0.5, 0.8, -1.5, 0.6], [w + 0.4, 0.5, 0.5, 1.0, 1.5, 1.2]))
    for seed, w in enumerate((-1.0, -0.7, -0.4, 0.1, 0.3))
]


def test_the_closed_form_is_the_printed_one():
    value, slope = exact_gradient(np.array(PRINTED[:2]), *map(np.float64, PRINTED[2:]))
    np.testing.assert_allclose(value, 0.622307371, rtol=1e-9)
    np.testing.assert_allclose(slope, [-0.522456235, -0.102210526], rtol=1e-8)


@pytest.mark.parametrize("case", [PRINTED, *RANDOM], ids=["printed", *map(str, range(5))])
def test_both_adjoints_find_the_closed_form_with_third_order(case, gradients):
    # Of NumPy all: a Python float, also one in jnp.array, would compile everything again.
    p, numbers = np.array(case[:2]), [np.float64(number) for number in case[2:]]
    exact = exact_gradient(p, *numbers)[1]
    for name in ADJOINTS:
        found = [gradients[cells, name](p, *numbers)[1] for cells in CELLS]
        errors = [np.linalg.norm(slope - exact) / np.linalg.norm(exact) for slope in found]
        assert order(CELLS, errors) >= 2.7, (name, errors)
        assert errors[2] <= 4e-4, (name, errors)
        if case == PRINTED:
            np.testing.assert_allclose(found[2], exact, rtol=4e-4)


LAYERS = lambda p: kn.SimResNet(kn.PiecewiseConstant([0.0, 0.3, 0.55], p[:3]), p[3], kn.Tanh())
KNOTS_AND_LAYERS = lambda p: kn.SimResNet(
    kn.Interpolated([0.0, 0.6, 1.0], p[:3]), kn.PiecewiseConstant([0.0, 0.3], p[3:]), kn.Sigmoid()
)


def two_times(net, cells, adjoint, walls=None, **options):
    """p, averages -> a loss at a save time on the way and at the end."""
    grid = kn.Grid(-8.0, 8.0, cells)
    loss = kn.L2Loss(kn.Density.gaussian(1.0, 0.8, grid))

    def total(p, averages):
        solution = kn.solve(
            kn.MeanField(net(p), walls),
            kn.Density(grid, averages),
            t1=1.0,
            saveat=[0.4, 1.0],
            adjoint=adjoint,
            **options,
        )
        return loss(solution[0]) + loss(solution[1])

    return total, kn.Density.gaussian(0.5, 1.0, grid).values


def test_the_adjoints_converge_to_each_other():
    """The parameters, one per layer or knot, and the initial averages."""
    differences, p = [], jnp.array([-1.0, 1.5, 0.7, 0.3, -0.2])
    for cells in CELLS:
        slopes = []
        for adjoint in ADJOINTS.values():
            loss, averages = two_times(KNOTS_AND_LAYERS, cells, adjoint)
            slopes.append(jax.jit(jax.grad(loss, argnums=(0, 1)))(p, averages))
        (first, first_start), (second, second_start) = slopes
        scale = np.max(np.abs(second_start))
        differences.append(
            [
                np.linalg.norm(first - second) / np.linalg.norm(second),
                np.linalg.norm(first_start - second_start) / scale / np.sqrt(cells),
            ]
        )
    orders = [order(CELLS, errors) for errors in np.transpose(differences)]
    assert orders[0] >= 2.6 and orders[1] >= 1.8, (orders, differences)
    assert differences[-1][0] < 3e-4


def test_few_checkpoints_change_nothing():
    slopes, p = [], jnp.array([-1.0, 0.8, 0.7, 0.3])
    for adjoint in (kn.TransportAdjoint(), kn.TransportAdjoint(checkpoints=3)):
        loss, averages = two_times(LAYERS, 60, adjoint, (-8.0, 8.0))
        slopes.append(jax.jit(jax.grad(loss, argnums=(0, 1)))(p, averages))
    for few, many in zip(slopes[1], slopes[0], strict=True):
        np.testing.assert_allclose(few, many, rtol=1e-10, atol=1e-14)


@functools.cache
def ends(cells, adjoint, walls):
    """A smooth functional of what a network has pushed towards the ends of [-3, 3], and the gradient for w, b."""
    grid = kn.Grid(-3.0, 3.0, cells)
    weights = kn.Density.from_function(lambda x: 10 + jnp.sin(x) + 0.3 * x**2, grid).values

    def functional(p):
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()), walls)
        final = kn.solve(equation, kn.Density.gaussian(0.2, 0.8, grid), t1=1.5, adjoint=ADJOINTS[adjoint]).final
        return jnp.sum(weights * final.values) * grid.width

    return jax.jit(jax.grad(functional))


@pytest.mark.parametrize(
    ("walls", "w", "least", "largest"),
    [((-3.0, 3.0), 1.0, 2.0, 2e-5), ((-3.0, 3.0), -1.0, 2.0, 2e-5), (None, 1.0, 0.6, 4e-3)],
    ids=["against walls", "away from walls", "through open ends"],
)
def test_mass_that_meets_the_ends(walls, w, least, largest):
    """At walls the mass piles up in the last cells; through open ends it takes a jump of lambda with it."""
    differences = []
    for cells in (100, 300):
        first, second = (ends(cells, name, walls)(jnp.array([w, 0.3])) for name in ADJOINTS)
        differences.append(np.linalg.norm(first - second) / np.linalg.norm(second))
    assert order((100, 300), differences) > least and differences[-1] < largest, differences


def test_what_leaves_may_be_all_that_counts():
    grid = kn.Grid(-3.0, 3.0, 100)

    def lost(p, adjoint):
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()))
        start = kn.Density.gaussian(0.2, 0.8, grid)
        return kn.solve(equation, start, t1=1.5, adjoint=adjoint).stats["mass_lost"]

    first, second = (jax.jit(jax.grad(lambda p, a=a: lost(p, a)))(jnp.array([1.0, 0.3])) for a in ADJOINTS.values())
    # First order, as documented.
    np.testing.assert_allclose(first, second, rtol=2e-2)


def test_a_field_with_a_kink():
    """Through ReLU g(T) jumps at -b / w. Exactly, by quadrature over g0: dx(T) = (dT/dw, dT/db) along trajectories."""
    w, b, mean, std, target, bandwidth = -0.7, 0.9, 0.3, 0.8, 1.0, 0.5
    x = np.linspace(mean - 9 * std, mean + 9 * std, 4001)
    weights = np.exp(-0.5 * ((x - mean) / std) ** 2)
    weights /= weights.sum()

    def exact(p):
        w, b = p
        moved = jnp.where(w * x + b > 0, jnp.exp(w) * (x + b / w) - b / w, x)
        # 1/2 |kappa * (g - h)|^2 of the samples' measure and of N(target, std^2).
        pairs = jnp.exp(-((moved[:, None] - moved[None]) ** 2) / (4 * bandwidth**2)) / (2 * bandwidth * np.sqrt(np.pi))
        spread = 2 * bandwidth**2 + std**2
        cross = jnp.exp(-((moved - target) ** 2) / (2 * spread)) / jnp.sqrt(2 * jnp.pi * spread)
        return 0.5 * weights @ pairs @ weights - weights @ cross

    grid = kn.Grid(-8.0, 8.0, 400)
    loss = kn.SmoothedL2Loss(kn.Density.gaussian(target, std, grid), bandwidth)

    def mismatch(p):
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.ReLU()))
        return loss(
            kn.solve(equation, kn.Density.gaussian(mean, std, grid), t1=1.0, adjoint=kn.TransportAdjoint()).final
        )

    p = jnp.array([w, b])
    slope = jax.jit(jax.grad(exact))(p)
    found = jax.jit(jax.grad(mismatch))(p)
    assert np.linalg.norm(found - slope) < 0.01 * np.linalg.norm(slope), (found, slope)


def test_memory_does_not_grow_with_the_steps():
    def bytes_for(initial, method, **options):
        def loss(p):
            equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()))
            adjoint = kn.TransportAdjoint()
            return kn.solve(equation, initial, t1=1.0, method=method, adjoint=adjoint, **options).final.mean

        lowered = jax.jit(jax.grad(loss)).lower(jnp.array([-1.0, 0.3]))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 100))
    few, many = (bytes_for(density, kn.FiniteVolume(steps=steps)) for steps in (300, 30_000))
    assert many < 1.5 * few
    # Particles store no more positions however long it takes them.
    samples = kn.Ensemble(np.linspace(-1.0, 1.0, 500))
    assert bytes_for(samples, kn.Particles()) < 200 * samples.samples.nbytes


def test_a_density_that_collapses_into_one_cell():
    """The exact gradient of the smoothed distance to a Dirac at 2 from g(T) = N(1, e^-10), wherever in its cell it is."""

    def exact(p):
        w, b = p
        growth = jnp.exp(5 * w)
        mean, variance = growth + b * (growth - 1) / w, growth**2
        both = 2 * 0.7**2

        def seen(distance, variance):
            return jnp.exp(-(distance**2) / (2 * variance)) / jnp.sqrt(2 * jnp.pi * variance)

        return 0.5 * seen(0.0, both + 2 * variance) - seen(mean - 2, both + variance)

    @jax.jit
    @jax.grad
    def slope(p, shift):
        grid = kn.Grid(-4.0 + shift, 6.0 + shift, 400)
        loss = kn.SmoothedL2Loss(kn.Density.dirac(2.0, grid), 0.7)
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Identity()))
        start = kn.Density.gaussian(1.0, 1.0, grid)
        return loss(kn.solve(equation, start, t1=5.0, adjoint=kn.TransportAdjoint()).final)

    point = jnp.array([-1.0, 1.0])
    expected = jax.jit(jax.grad(exact))(point)
    for share in (0.0, 0.3, 0.5):
        # Its value asks for equal mass, which the tails beyond the grid lack by 1e-6.
        np.testing.assert_allclose(slope(point, jnp.array(share * 10 / 400)), expected, rtol=1e-2)


def test_under_jit_vmap_and_in_an_optax_loop():
    def slope(p):
        loss, averages = two_times(LAYERS, 40, kn.TransportAdjoint())
        return jax.value_and_grad(loss)(p, averages)

    points = jnp.array(np.random.default_rng(0).uniform(-1.5, 1.5, (64, 4)))
    one = jax.jit(slope)
    values, slopes = jax.jit(jax.vmap(slope))(points)
    for k in (0, 17, 63):
        value, gradient = one(points[k])
        np.testing.assert_allclose(values[k], value, rtol=1e-11)
        np.testing.assert_allclose(slopes[k], gradient, rtol=1e-9, atol=1e-12)

    optimiser = optax.adam(0.05)

    @jax.jit
    def update(p, state):
        value, gradient = slope(p)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimiser.update(gradient, state)
            return optax.apply_updates(p, updates), state, value

    p, state, by_hand = points[0], optimiser.init(points[0]), points[0]
    moment = np.zeros(4), np.zeros(4)
    for k in range(1, 4):
        p, state, _ = update(p, state)
        gradient = np.asarray(one(by_hand)[1])
        moment = 0.9 * moment[0] + 0.1 * gradient, 0.999 * moment[1] + 0.001 * gradient**2
        step = moment[0] / (1 - 0.9**k) / (np.sqrt(moment[1] / (1 - 0.999**k)) + 1e-8)
        by_hand = by_hand - 0.05 * step
    np.testing.assert_allclose(p, by_hand, rtol=1e-9)
    assert update._cache_size() == 1


ENSEMBLES = {
    "interpolated": (lambda p: kn.MeanField(KNOTS_AND_LAYERS(p)), [-1.0, 1.5, 0.7, 0.3, -0.2]),
    "turning round at walls": (
        lambda p: kn.MeanField(
            kn.SimResNet(kn.PiecewiseConstant([0.0, 0.7], p[:2]), p[2], kn.Tanh()), walls=(-3.0, 3.0)
        ),
        [1.0, -1.0, 0.3],
    ),
    "three dimensions": (
        lambda p: kn.MeanField(kn.SimResNet(p.reshape(3, 4)[:, :3], p.reshape(3, 4)[:, 3], kn.Tanh())),
        np.random.default_rng(1).normal(size=12),
    ),
}


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_particles_by_hand_and_by_autodiff(kind):
    make, p = ENSEMBLES[kind]
    shape = (30, 3) if kind == "three dimensions" else (50,)
    samples = np.clip(np.random.default_rng(0).normal(0.3, 1.0, shape), -2.9, 2.9)
    slopes = []
    for adjoint in ADJOINTS.values():

        def total(p, samples, adjoint=adjoint):
            solution = kn.solve(
                make(p),
                kn.Ensemble(samples),
                t1=2.0,
                saveat=[0.45, 2.0],
                adjoint=adjoint,
                method=kn.Particles(rtol=1e-11, atol=1e-12),
            )
            return jnp.sum(jnp.sin(solution.final.samples)) + jnp.sum(solution[0].samples ** 2)

        slopes.append(jax.jit(jax.grad(total, argnums=(0, 1)))(jnp.asarray(p), jnp.asarray(samples)))
    for hand, auto in zip(*slopes, strict=True):
        np.testing.assert_allclose(hand, auto, rtol=1e-8, atol=1e-8 * np.max(np.abs(auto)))


def test_float32_and_a_loss_that_does_not_move():
    grid = kn.Grid(np.float32(-4.0), np.float32(4.0), 50)
    start = kn.Density.dirac(np.float32(0.3), grid)

    def loss(net, factor):
        solution = kn.solve(kn.MeanField(net), start, t1=1.0, adjoint=kn.TransportAdjoint())
        return factor * jnp.sum(solution.final.values**2)

    net = kn.SimResNet(np.float32(-1.0), np.float32(0.2), kn.Tanh())
    slope = eqx.filter_jit(eqx.filter_grad(loss))
    for factor in (np.float32(1.0), np.float32(0.0)):
        found = jax.tree.leaves(slope(net, factor))
        assert all(leaf.dtype == np.float32 and np.isfinite(leaf) for leaf in found)
        assert factor or all(leaf == 0 for leaf in found)


@pytest.mark.parametrize("nodes", [2, 3, 4, 9])
def test_the_integral_over_uneven_panels(nodes):
    """Exact for parabolas from three nodes on, for straight lines from two."""
    t = np.sort(np.random.default_rng(nodes).uniform(0.0, 2.0, nodes))

    def f(t):
        return jnp.array([1 + 3 * t, (nodes > 2) * (t**2 - t)])

    integral = begin(Node(jnp.asarray(t[-1]), f(t[-1])))
    for each in t[-2::-1]:
        integral = extend(integral, Node(jnp.asarray(each), f(each)))
        # A member of a batch that has finished comes to the same node again.
        integral = extend(integral, Node(jnp.asarray(each), f(each)))
    a, b = t[0], t[-1]
    exact = [b - a + 1.5 * (b**2 - a**2), (nodes > 2) * ((b**3 - a**3) / 3 - (b**2 - a**2) / 2)]
    np.testing.assert_allclose(end(integral), exact, rtol=1e-13)


def test_what_it_is_not_for():
    grid = kn.Grid(-4.0, 4.0, 40)
    equation = kn.MeanField(kn.SimResNet(-1.0, 0.2, kn.Tanh()))
    with pytest.raises(TypeError, match="TransportAdjoint is for FiniteVolume and Particles"):
        kn.solve(
            equation,
            kn.Density.gaussian(0.0, 1.0, grid),
            t1=1.0,
            method=kn.Characteristics(),
            adjoint=kn.TransportAdjoint(),
        )
    with pytest.raises(ValueError, match="at least 2"):
        kn.TransportAdjoint(checkpoints=1)
