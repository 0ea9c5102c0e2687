"""The transpose of a step that is written out, against JAX's own derivative of the same scheme."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kinetic_nde as kn
from kinetic_nde.adjoints.loop import autodiff, run_checkpointed
from kinetic_nde.distributions.reconstruction import CWENO3, threshold
from kinetic_nde.methods.finite_volume.ssprk3 import pull_ssprk3, step_ssprk3

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
CELLS = 30
GRID = kn.Grid(-2.0, 2.0, CELLS)
RNG = np.random.default_rng(0)
DATA = {
    "rough": RNG.uniform(0.0, 1.0, CELLS),
    "constant": np.ones(CELLS),
    "spikes and voids": np.where(RNG.uniform(size=CELLS) < 0.3, RNG.uniform(size=CELLS), 0.0),
    "smooth": 1.0 + np.sin(np.linspace(0, 6, CELLS)),
}
FIELDS = {
    "identity": lambda p: kn.SimResNet(p[0], p[1], kn.Identity()),
    "relu": lambda p: kn.SimResNet(p[0], p[1], kn.ReLU()),
    "sigmoid": lambda p: kn.SimResNet(p[0], p[1], kn.Sigmoid()),
    "growing cosine": lambda p: kn.SimResNet(p[0], p[1], kn.GrowingCosine()),
    "tanh, layers": lambda p: kn.SimResNet(kn.PiecewiseConstant([0.0, 0.2], p[:2]), p[2], kn.Tanh()),
    "tanh, interpolated": lambda p: kn.SimResNet(kn.Interpolated([0.0, 0.5], p[:2]), p[2], kn.Tanh()),
}


class Autodiff(kn.CheckpointAdjoint):
    def loop(self, time_loop, clock, state, args, *, spans, steps):
        return run_checkpointed(time_loop, 8, clock, state, args, autodiff)


def slopes(field, adjoint, walls=None, method=None):
    """The gradient of what is random in all of the final averages, for the parameters and the averages at the start."""

    def loss(p, averages, weights):
        # The bounds of the grid, too, move the wind.
        dtype = averages.dtype
        grid = kn.Grid(jnp.asarray(-2.0, dtype), jnp.asarray(2.0, dtype), CELLS)
        equation = kn.MeanField(FIELDS[field](p), walls)
        solution = kn.solve(equation, kn.Density(grid, averages), t1=0.4, adjoint=adjoint, method=method)
        return jnp.sum(weights * solution.final.values) + solution.stats["mass_lost"]

    return jit(jax.grad(loss, argnums=(0, 1)))


@pytest.mark.parametrize("field", FIELDS)
def test_it_is_what_autodiff_computes(field):
    walls = (-2.0, 2.0) if field in ("relu", "tanh, layers") else None
    both = [slopes(field, adjoint, walls) for adjoint in (kn.CheckpointAdjoint(checkpoints=3), Autodiff())]
    weights = RNG.normal(size=CELLS)
    # Compiling takes nearly all of the time: single precision for one field.
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-4))[: 2 if field == "tanh, layers" else 1]:
        for values in DATA.values():
            p = np.array([-1.3, 0.4, 0.7])
            written, expected = (each(*(dtype(a) for a in (p, values, weights))) for each in both)
            for one, other in zip(written, expected, strict=True):
                assert np.all(np.isfinite(one))
                np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.max(np.abs(other)))


def test_without_clipping():
    method = kn.FiniteVolume(positivity=False, steps=7)
    both = [slopes("sigmoid", adjoint, None, method) for adjoint in (kn.CheckpointAdjoint(), Autodiff())]
    weights = RNG.normal(size=CELLS)
    written, expected = (each(np.array([1.0, -0.3, 0.0]), DATA["rough"], weights) for each in both)
    for one, other in zip(written, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.max(np.abs(other)))


def test_where_the_wind_turns_at_a_face():
    """With w = -0.375, b = 0.3 it does at x = 0.8, the face of a cell but for rounding, at the second step."""
    grid = kn.Grid(-4.0, 4.0, 60)

    def loss(p, adjoint):
        equation = kn.MeanField(kn.SimResNet(kn.Interpolated([0.0, 1.0], p[:2]), p[2], kn.Tanh()))
        start = kn.Density.gaussian(0.3, 0.7, grid)
        return kn.solve(equation, start, t1=1.0, adjoint=adjoint, method=kn.FiniteVolume(steps=4)).final.energy

    point = jnp.array([-1.0, 1.5, 0.3])
    both = [jit(jax.grad(lambda p, a=a: loss(p, a)))(point) for a in (kn.CheckpointAdjoint(), Autodiff())]
    np.testing.assert_allclose(*both, rtol=1e-11)


@given(seed=st.integers(0, 10**6), cells=st.sampled_from([10, 400, 6400]), scale=st.sampled_from([1e-6, 1.0, 1e3]))
def test_the_derivatives_of_the_edge(seed, cells, scale):
    rng, c0 = np.random.default_rng(seed), 0.75
    backward, forward, along = (jnp.asarray(size * rng.normal(size=20)) for size in (scale, scale, 1.0))

    def edge(backward, forward):
        slope, curvature = CWENO3(c0)(backward, forward, threshold(cells))
        return 0.5 * slope + curvature / 6

    value, expected = jax.jvp(edge, (backward, forward), (along, 0.3 * along))
    by_backward, by_forward = CWENO3(c0).edge_derivatives(backward, forward, threshold(cells), value)
    terms = np.abs(by_backward * along) + np.abs(0.3 * by_forward * along)
    np.testing.assert_array_less(np.abs(by_backward * along + 0.3 * by_forward * along - expected), 1e-11 * (terms + 1))


def test_a_step_is_the_transpose_of_its_transpose():
    rng = np.random.default_rng(1)
    matrices = jnp.asarray(0.3 * rng.normal(size=(3, 5, 5)))
    u, c = jnp.asarray(rng.normal(size=(2, 5)))
    forward = step_ssprk3(lambda stage, u: matrices[stage] @ u, u)
    back = pull_ssprk3(lambda stage, c: matrices[stage].T @ c, c)
    np.testing.assert_allclose(c @ forward, back @ u, rtol=1e-13)


def test_a_batch_and_a_second_derivative():
    def loss(p, adjoint):
        equation = kn.MeanField(kn.SimResNet(p[0], p[1], kn.Tanh()))
        start = kn.Density.gaussian(0.2, 0.4, GRID)
        return kn.solve(equation, start, t1=0.3, adjoint=adjoint, method=kn.FiniteVolume(steps=6)).final.energy

    points = jnp.asarray(RNG.normal(size=(4, 2)))
    both = [jit(jax.vmap(jax.grad(lambda p, a=a: loss(p, a))))(points) for a in (kn.CheckpointAdjoint(), Autodiff())]
    np.testing.assert_allclose(*both, rtol=1e-11)
    # Its slope, by forward mode through the sweep back and by differences.
    slope, h = jax.grad(lambda p: loss(p, kn.CheckpointAdjoint())), 1e-5
    hessian = jit(jax.jacfwd(slope))(points[0])
    around = jit(jax.vmap(slope))(points[:1] + h * jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    np.testing.assert_allclose(hessian, (around[::2] - around[1::2]).T / (2 * h), rtol=1e-5, atol=1e-7)
