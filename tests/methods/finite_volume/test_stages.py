"""One stage of a step and its transpose, in one and two dimensions, with and without noise, against JAX's own transpose."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.methods.finite_volume.boundary import wind
from kinetic_nde.methods.finite_volume.diffusion import diffusion
from kinetic_nde.methods.finite_volume.line_transpose import on_line
from kinetic_nde.methods.finite_volume.plane import plane_wind
from kinetic_nde.methods.finite_volume.plane_diffusion import plane_diffusion
from kinetic_nde.methods.finite_volume.plane_transpose import on_plane
from kinetic_nde.methods.finite_volume.step import Span, change
from kinetic_nde.methods.method import Times

SHAPES = {1: (16,), 2: (7, 9)}
DATA = {
    "rough": lambda rng, shape: rng.uniform(0.0, 1.0, shape),
    "constant": lambda rng, shape: np.ones(shape),
    "spikes and voids": lambda rng, shape: np.where(rng.uniform(size=shape) < 0.3, rng.uniform(size=shape), 0.0),
    "less than nothing": lambda rng, shape: rng.uniform(-0.1, 1.0, shape),
}


class Bent(eqx.Module):
    """Noise that is no polynomial, another one along each axis."""

    p: jax.Array

    def __call__(self, x):
        return 0.3 + 0.1 * jnp.sin(self.p * x)


def a_span(dimension, noisy, p):
    """Open at an upper end, walls elsewhere. `p` are the numbers of w and b, d^2 + d of them."""
    if dimension == 1:
        grid, walls, weight, bias = kn.Grid(-2.0, 2.0, *SHAPES[1]), (-2.0, None), p[0], p[1]
    else:
        grid, walls = kn.Grid((-2.0, -1.0), (2.0, 1.0), SHAPES[2]), ((-2.0, None), (-1.0, 1.0))
        weight, bias = p[:4].reshape(2, 2), p[4:]
    net, spread = kn.SimResNet(weight, bias, kn.Tanh()), None
    law = (
        kn.FokkerPlanck(net, 0.6, Bent(p[:2] if dimension == 2 else p[0]), walls) if noisy else kn.MeanField(net, walls)
    )
    if noisy:
        spread = (diffusion if dimension == 1 else plane_diffusion)(law, grid)
    blowing = (wind if dimension == 1 else plane_wind)(law, grid, jnp.zeros(()))
    nothing, times = jnp.zeros(()), Times(jnp.zeros(()), jnp.ones(()), None)
    return Span(kn.CWENO3(), not noisy, jnp.asarray(0.45), 1, law, grid, blowing, spread, nothing, nothing, times, None)


@functools.cache
def pulls(dimension, noisy):
    """The change of a stage, and what its cotangent is for state, wind and diffusion, both ways."""

    @jax.jit
    def both(p, state, cotangent, dt):
        span, always = a_span(dimension, noisy, p), dt > 0
        stages = (on_line if dimension == 1 else on_plane)(span)

        def forward(state, parts, spread):
            return change(span._replace(diffusion=spread), always, state, stages.replaced(span.steady, parts), dt)

        expected, pull = jax.vjp(forward, state, stages.parts(span.steady), span.diffusion)
        found, kept = stages.forward(always, state, span.steady, dt)
        of_state, *others = stages.pull(always, kept, stages.padded(cotangent), dt)
        return (found, stages.cut(of_state), *others), (expected, *pull(cotangent))

    return both


@pytest.mark.parametrize("noisy", [False, True], ids=["wind", "noise"])
@pytest.mark.parametrize("dimension", [1, 2])
def test_a_stage_is_pulled_back_as_by_autodiff(dimension, noisy):
    shape = SHAPES[dimension]
    for values in DATA.values():
        for seed in range(6):
            rng = np.random.default_rng(seed)
            p, state = 1.5 * rng.normal(size=dimension**2 + dimension), np.pad(values(rng, shape), 1)
            cotangent = rng.normal(size=state.shape)
            # The longer one empties cells on all sides: what they share between them counts.
            for dt in (0.02, 0.4):
                found, expected = pulls(dimension, noisy)(p, state, cotangent, np.array(dt))
                for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                    size = max(np.max(np.abs(other)), 0.1)
                    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * size)
