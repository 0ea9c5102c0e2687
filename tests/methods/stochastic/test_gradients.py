"""Derivatives along the paths of particles with noise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.affine_diffusion import ONE, X
from tests.methods.stochastic.cases import KEY, discrete_law, equation, moved


def weighted(law, start, steps, adjoint):
    """First and second moments of the particles at two times."""
    samples = moved(law, start, steps, adjoint=adjoint, saveat=[0.3, 1.0]).distributions.samples
    weights = jnp.array([0.5, 2.0], samples.dtype)
    return jnp.sum(jnp.mean(samples, axis=1) + weights * jnp.mean(samples**2, axis=1))


START, MANY_STEPS = jnp.linspace(-1, 1, 500), 200


@functools.cache
def reverse():
    """The compiled program."""
    point = equation(-0.8, 0.3, 0.7), START
    return (
        jax.jit(jax.value_and_grad(weighted, argnums=(0, 1)), static_argnums=(2, 3))
        .lower(*point, MANY_STEPS, kn.CheckpointAdjoint(checkpoints=8))
        .compile()
    )


def shifted(point, h):
    return jax.tree.map(lambda leaf: leaf + h, point)


def test_gradients_along_paths():
    """By w, b, nu, K and the initial samples: reverse mode, and central differences with the same noise, which the way back
    draws again and nothing keeps."""
    # In each of two spans 8 states, and twice 32 on the way back; all noise would be 400.
    memory = reverse().memory_analysis()
    assert memory is not None and memory.temp_size_in_bytes < 8 * START.size * 200
    h = 1e-4
    for diffusion in (ONE, X):
        point = (equation(-0.8, 0.3, 0.7, diffusion), START)
        slopes = reverse()(*point)[1]
        assert len(jax.tree.leaves(slopes)) == 5
        inner = sum(float(jnp.sum(slope)) for slope in jax.tree.leaves(slopes))
        high, low = (reverse()(*shifted(point, by))[0] for by in (h, -h))
        np.testing.assert_allclose((high - low) / (2 * h), inner, rtol=1e-6)


@pytest.mark.slow
def test_forward_mode_gives_the_digits_of_reverse_mode():
    def along(h, point):
        law, start = shifted(point, h)
        return weighted(law, start, MANY_STEPS, kn.ForwardMode())

    forward = jax.jit(lambda h, point: jax.jvp(lambda h: along(h, point), (h,), (jnp.ones_like(h),)))
    for diffusion in (ONE, X):
        point = (equation(-0.8, 0.3, 0.7, diffusion), START)
        value, slopes = reverse()(*point)
        inner = sum(float(jnp.sum(slope)) for slope in jax.tree.leaves(slopes))
        np.testing.assert_allclose(forward(jnp.asarray(0.0), point), (value, inner), rtol=1e-10)
        h = jnp.asarray(1e-4)
        central = (forward(h, point)[0] - forward(-h, point)[0]) / (2 * h)
        np.testing.assert_allclose(central, inner, rtol=1e-6)


@pytest.mark.slow
def test_gradients_of_mean_and_variance_in_closed_form():
    """By w, b and nu, of 200 ensembles with keys of their own: their mean against the derivative of the discrete law, by
    complex steps, in standard errors."""
    w, b, nu, steps, start = -0.9, 0.4, 0.8, 8, np.full(200, 1.5)

    def statistics(w, b, nu, key):
        x = moved(equation(w, b, nu), start, steps, key).final.samples
        return jnp.mean(x), jnp.var(x, ddof=1)

    jacobian = jax.jit(jax.vmap(jax.jacrev(statistics, argnums=(0, 1, 2)), (None, None, None, 0)))
    slopes = np.array(jacobian(w, b, nu, jax.random.split(KEY, 200)))
    mean, errors = slopes.mean(axis=-1), slopes.std(axis=-1) / np.sqrt(200)
    for i in range(3):
        at = [value + (1e-20j if i == k else 0) for k, value in enumerate((w, b, nu))]
        law = discrete_law(lambda t, at=at: at[0], lambda t, at=at: at[1], at[2], 1 / steps, steps, 1.5, 2.25, False)
        exact = np.imag(law) / 1e-20
        assert np.all(np.abs(mean[:, i] - exact) <= 4 * errors[:, i] + 1e-13), (i, mean[:, i], exact, errors[:, i])


def single(nu, start):
    """Between walls, from a kink and from a wall, and with no noise at all."""
    walls = np.float32(-1), np.float32(1)
    relu = kn.SimResNet(np.float32(1), np.float32(0), kn.ReLU())
    return moved(kn.FokkerPlanck(relu, nu, kn.LinearDiffusion(np.float32(1)), walls), start, 5).final.energy


gradient = jax.value_and_grad(single, argnums=(0, 1))
SINGLE = np.array([-1.0, 0.0, 1.0], np.float32)


def test_float32_stays_float32():
    for leaf in jax.tree.leaves(jax.eval_shape(gradient, np.float32(1), SINGLE)):
        assert leaf.dtype == jnp.float32


@pytest.mark.slow
def test_float32_stays_finite():
    compiled = jax.jit(gradient)
    for nu in (np.float32(0), np.float32(1)):
        for leaf in jax.tree.leaves(compiled(nu, SINGLE)):
            assert leaf.dtype == jnp.float32 and np.all(np.isfinite(leaf))
