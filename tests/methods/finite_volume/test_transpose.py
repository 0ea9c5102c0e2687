"""The transpose of a step that is written out, against JAX's own derivative of the same scheme."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jaxtyping import Array

import kinetic_nde as kn
from kinetic_nde.adjoints.loop import autodiff, run_checkpointed
from kinetic_nde.distributions.reconstruction import CWENO3, threshold
from kinetic_nde.methods.finite_volume.boundary import Wind
from kinetic_nde.methods.finite_volume.flux import carried
from kinetic_nde.methods.finite_volume.line_transpose import _to_flux
from kinetic_nde.methods.finite_volume.ssprk3 import pull_ssprk3, step_ssprk3

CELLS = 30
GRID = kn.Grid(-2.0, 2.0, CELLS)
DATA = {
    "rough": lambda rng: rng.uniform(0.0, 1.0, CELLS),
    "constant": lambda rng: np.ones(CELLS),
    "spikes and voids": lambda rng: np.where(rng.uniform(size=CELLS) < 0.3, rng.uniform(size=CELLS), 0.0),
    "smooth": lambda rng: 1.0 + np.sin(np.linspace(0, 6, CELLS) + rng.uniform()),
}
ACTIVATIONS = [kn.Identity(), kn.ReLU(), kn.Sigmoid(), kn.Tanh(), kn.GrowingCosine(), kn.GeneralizedGamma(0.5, 1.0)]


class OneOfAll(eqx.Module):
    """A layer with the activation of that number: one compiled program serves for all."""

    p: Array
    autonomous = True

    def __call__(self, t, x):
        number = jax.lax.stop_gradient(self.p[2]).astype(int)
        return jax.lax.switch(number, ACTIVATIONS, self.p[0] * x + self.p[1])


FIELDS = {
    "any activation": (OneOfAll, None),
    "layers": (
        lambda p: kn.SimResNet(kn.PiecewiseConstant([0.0, 0.2], p[:2]), p[2], kn.Tanh()),
        (-2.0, 2.0),
    ),
    "interpolated": (
        lambda p: kn.SimResNet(kn.Interpolated([0.0, 0.5], p[:2]), p[2], kn.GrowingCosine()),
        None,
    ),
    "noise": (
        lambda p: kn.FokkerPlanck(kn.SimResNet(p[0], p[2], kn.Tanh()), 0.5 + 0.1 * p[0] ** 2, Bent(p[1])),
        (-2.0, None),
    ),
}


class Bent(eqx.Module):
    """A diffusion that is neither constant nor a polynomial."""

    p: Array

    def __call__(self, x):
        return 0.3 + 0.1 * jnp.sin(self.p * x)


class Autodiff(kn.CheckpointAdjoint):
    def loop(self, time_loop, clock, state, args, *, spans, steps):
        return run_checkpointed(time_loop, 8, clock, state, args, autodiff)


def slopes(field, adjoint, method=None, t1=0.4):
    """The gradient of what is random in all of the final averages, for the parameters and the averages at the start."""
    make, walls = FIELDS[field]

    def loss(p, averages, weights):
        # The bounds of the grid, too, move the wind.
        dtype = averages.dtype
        grid = kn.Grid(jnp.asarray(-2.0, dtype), jnp.asarray(2.0, dtype), CELLS)
        made = make(p)
        noisy = isinstance(made, kn.FokkerPlanck)
        equation = kn.FokkerPlanck(made.field, made.nu, made.diffusion, walls) if noisy else kn.MeanField(made, walls)
        solution = kn.solve(equation, kn.Density(grid, averages), t1=t1, adjoint=adjoint, method=method)
        return jnp.sum(weights * solution.final.values) + solution.stats["mass_lost"]

    return jax.jit(jax.grad(loss, argnums=(0, 1)))


def compare(both, seed, values, third=None, dtype=np.float64, tolerance=1e-12):
    """At a random point, w from -4 to 4."""
    rng = np.random.default_rng(seed)
    p, *inputs = 1.5 * rng.normal(size=3), values(rng), rng.normal(size=CELLS)
    p[2] = p[2] if third is None else third
    written, expected = (each(*(dtype(a) for a in (p, *inputs))) for each in both)
    for one, other in zip(written, expected, strict=True):
        assert np.all(np.isfinite(one))
        # Of the size of averages and weights at least: a gradient that is zero but for rounding is not compared with itself.
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(np.max(np.abs(other)), 0.1))


@pytest.mark.parametrize("field", FIELDS)
def test_it_is_what_autodiff_computes(field):
    both = [slopes(field, adjoint) for adjoint in (kn.CheckpointAdjoint(checkpoints=3), Autodiff())]
    for number in range(len(ACTIVATIONS)) if field == "any activation" else [None]:
        for values in DATA.values():
            for seed in range(6):
                compare(both, seed, values, number)
    # Compiling takes nearly all of the time: single precision for two fields.
    if field in ("any activation", "layers"):
        for values in DATA.values():
            compare(both, 0, values, 3, np.float32, 2e-5)


@pytest.mark.parametrize("positivity", [True, False], ids=["clipped at every step", "not clipped"])
def test_long_steps(positivity):
    """At Courant numbers above 1/2 cells are emptied through both faces: what they share between them counts."""
    method = kn.FiniteVolume(positivity=positivity, steps=3)
    both = [slopes("any activation", a, method, t1=1.5) for a in (kn.CheckpointAdjoint(), Autodiff())]
    tanh = 3
    for values in DATA.values():
        for seed in range(6):
            compare(both, seed, values, tanh)


def test_the_derivative_of_the_clip():
    """Of the flux of one face, also from less than nothing: rounding may leave that in a cell."""
    rng = np.random.default_rng(4)
    average, state, rise = jnp.asarray(rng.normal(size=(3, 500)))
    courant, share = jnp.asarray(rng.uniform(0.1, [[3.0], [1.0]], (2, 500)))
    wind = Wind(jnp.ones(500), courant, share, jnp.max(courant))
    flux = lambda average, state: carried(True, average, state, wind, jnp.array(0.4))
    by_average, by_state = jax.vjp(flux, average, state)[1](rise)
    cotangent = jnp.concatenate([jnp.zeros(1), jnp.cumsum(rise)])
    inside, top = _to_flux(True, average, state, cotangent, wind, jnp.array(0.4))
    np.testing.assert_allclose(inside * wind.courant, by_state, atol=1e-12)
    np.testing.assert_allclose(top * wind.share, by_average, atol=1e-12)


def test_where_the_wind_turns_at_a_face():
    """With w = -0.375, b = 0.3 it does at x = 0.8, the face of a cell but for rounding, at the second step."""
    grid = kn.Grid(-4.0, 4.0, 60)

    def loss(p, adjoint):
        equation = kn.MeanField(kn.SimResNet(kn.Interpolated([0.0, 1.0], p[:2]), p[2], kn.Tanh()))
        start = kn.Density.gaussian(0.3, 0.7, grid)
        return kn.solve(equation, start, t1=1.0, adjoint=adjoint, method=kn.FiniteVolume(steps=4)).final.energy

    point = jnp.array([-1.0, 1.5, 0.3])
    both = [jax.jit(jax.grad(lambda p, a=a: loss(p, a)))(point) for a in (kn.CheckpointAdjoint(), Autodiff())]
    np.testing.assert_allclose(*both, rtol=1e-11)


@given(seed=st.integers(0, 10**6), cells=st.sampled_from([10, 400, 6400]), scale=st.sampled_from([1e-6, 1.0, 1e3]))
def test_the_derivatives_of_the_edge(seed, cells, scale):
    rng, c0 = np.random.default_rng(seed), 0.75
    backward, forward, along = (jnp.asarray(size * rng.normal(size=20)) for size in (scale, scale, 1.0))

    def edge(backward, forward):
        slope, curvature = CWENO3(c0)(backward, forward, threshold(cells))
        return 0.5 * slope + curvature / 6

    value, expected = jax.jvp(edge, (backward, forward), (along, 0.3 * along))
    by_backward, by_forward = CWENO3(c0).derivatives(backward, forward, threshold(cells), value)
    terms = np.abs(by_backward * along) + np.abs(0.3 * by_forward * along)
    np.testing.assert_array_less(np.abs(by_backward * along + 0.3 * by_forward * along - expected), 1e-11 * (terms + 1))


def test_the_derivatives_of_the_edge_by_differences():
    """The rule that JAX has for the reconstruction is written by hand, too: a step into the complex plane knows neither."""
    rng, c0, epsilon = np.random.default_rng(0), 0.6, threshold(40)
    backward, forward = rng.normal(size=(2, 50))

    def edge(backward, forward):
        half, second = 0.5 * (backward + forward), forward - backward
        indicators = backward**2, forward**2, half**2 + 13 / 3 * (second / (2 * c0)) ** 2
        left, right, centre = (c / (epsilon + i) ** 2 for c, i in zip((0.2, 0.2, 0.6), indicators, strict=True))
        slope, curvature = left * backward + right * forward + centre * half, centre * second / (2 * c0)
        return (0.5 * slope + curvature / 6) / (left + right + centre)

    h = 1e-30
    value = edge(backward, forward)
    slope, curvature = CWENO3(c0)(jnp.asarray(backward), jnp.asarray(forward), epsilon)
    np.testing.assert_allclose(0.5 * slope + curvature / 6, value, rtol=1e-12)
    expected = edge(backward + 1j * h, forward).imag / h, edge(backward, forward + 1j * h).imag / h
    found = CWENO3(c0).derivatives(jnp.asarray(backward), jnp.asarray(forward), epsilon, jnp.asarray(value))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


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

    points = jnp.asarray(np.random.default_rng(2).normal(size=(4, 2)))
    slope, expected = (jax.grad(lambda p, a=a: loss(p, a)) for a in (kn.CheckpointAdjoint(), Autodiff()))
    batch = jax.jit(jax.vmap(slope))
    np.testing.assert_allclose(batch(points), jax.jit(jax.vmap(expected))(points), rtol=1e-11)
    # Its slope, by forward mode through the sweep back and by differences.
    hessian, h = jax.jit(jax.jacfwd(slope))(points[0]), 1e-5
    around = batch(points[:1] + h * jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    np.testing.assert_allclose(hessian, (around[::2] - around[1::2]).T / (2 * h), rtol=1e-5, atol=1e-7)
