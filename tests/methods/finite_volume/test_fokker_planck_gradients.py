"""Derivatives of Fokker-Planck by finite volumes: in every way, in single precision and in batches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.closed_forms import order

pytestmark = pytest.mark.slow


def solved(field, nu, walls, start, t1, adjoint, diffusion=None, method=None):
    equation = kn.FokkerPlanck(field, nu, diffusion or kn.ConstantDiffusion(), walls)
    return kn.solve(equation, start, t1=t1, adjoint=adjoint, method=method)


class Bowl(eqx.Module):
    """K(x) = k sqrt(1 + x^2 / 4)."""

    k: jax.Array

    def __call__(self, x):
        return self.k * jnp.sqrt(1 + 0.25 * x**2)


def problem(cells, method=None):
    """A loss of (w, b, nu, k) and an adjoint: layers of w, a wall and an open end."""
    grid = kn.Grid(-6.0, 6.0, cells)
    start, target = kn.Density.gaussian(1.0, 0.6, grid), kn.Density.gaussian(0.5, 0.8, grid)

    def loss(p, adjoint):
        w = kn.PiecewiseConstant([0.0, 0.3], jnp.stack([p[0], 1.5 * p[0]]))
        net = kn.SimResNet(w, p[1], kn.Tanh())
        return kn.L2Loss(target)(solved(net, p[2], (-6.0, None), start, 0.7, adjoint, Bowl(p[3]), method).final)

    return loss


POINT = jnp.array([-1.0, 0.37, 0.8, 0.9])


def test_the_derivatives_agree():
    """Autodiff with the adjoint equation to third order, with forward mode to round-off, with differences to their error."""
    cells, errors = (60, 120, 240), []
    for count in cells:
        slope = jax.jit(jax.grad(problem(count)), static_argnums=1)
        both = slope(POINT, kn.CheckpointAdjoint()), slope(POINT, kn.TransportAdjoint())
        errors.append(np.max(np.abs(both[0] - both[1])) / np.max(np.abs(both[0])))
    assert order(cells, errors) > 2.6
    assert errors[-1] < 2e-4
    loss = problem(60, kn.FiniteVolume(steps=100))
    exact = jax.jit(jax.grad(loss), static_argnums=1)(POINT, kn.CheckpointAdjoint())
    forward = jax.jit(jax.jacfwd(loss), static_argnums=1)(POINT, kn.ForwardMode())
    np.testing.assert_allclose(exact, forward, rtol=1e-10)
    value, h = jax.jit(jax.vmap(loss, (0, None)), static_argnums=1), 1e-5
    around = value(jnp.concatenate([POINT[None] + h * jnp.eye(4), POINT[None] - h * jnp.eye(4)]), kn.ForwardMode())
    np.testing.assert_allclose((around[:4] - around[4:]) / (2 * h), exact, rtol=1e-6, atol=1e-8)


def test_the_adjoint_equation_against_the_closed_form():
    """The mean and the variance of Ornstein and Uhlenbeck, differentiated by hand."""
    w, b, nu, t, m0, s0 = -0.7, 0.4, 0.9, 1.2, 0.8, 0.5

    def moments(p):
        w, b, nu = p
        growth = jnp.exp(w * t)
        variance = s0**2 * growth**2 + nu**2 * (growth**2 - 1) / (2 * w)
        return jnp.stack([m0 * growth + b * (growth - 1) / w, variance])

    def of(p, row):
        start = kn.Density.gaussian(m0, s0, kn.Grid(-5.0, 6.0, 400))
        final = solved(kn.SimResNet(p[0], p[1], kn.Identity()), p[2], None, start, t, kn.TransportAdjoint()).final
        return jnp.where(row == 0, final.mean, final.variance)

    point = jnp.array([w, b, nu])
    slope = jax.jit(jax.grad(of))
    found = jnp.stack([slope(point, jnp.asarray(row)) for row in (0, 1)])
    np.testing.assert_allclose(found, jax.jacfwd(moments)(point), atol=2e-5)


def test_single_precision_and_batches():
    def energy(p):
        start = kn.Density.gaussian(jnp.asarray(0.5, p.dtype), jnp.asarray(0.4, p.dtype), grid(p.dtype))
        equation = kn.FokkerPlanck(kn.SimResNet(p[0], p[1], kn.Tanh()), nu=p[2])
        return kn.solve(equation, start, t1=jnp.asarray(1.0, p.dtype)).final.energy

    grid = lambda dtype: kn.Grid(jnp.asarray(-5.0, dtype), jnp.asarray(5.0, dtype), 80)
    points = jnp.array([[-1.0, 0.3, 0.5], [-0.5, 0.2, 1.5], [0.4, -0.3, 0.0]])
    slope = jax.value_and_grad(energy)
    values, slopes = jax.jit(jax.vmap(slope))(points)
    alone = jax.jit(slope)
    for p, value, gradient in zip(points, values, slopes, strict=True):
        single = alone(p.astype(jnp.float32))
        np.testing.assert_allclose(single[0], value, rtol=1e-5)
        np.testing.assert_allclose(single[1], gradient, rtol=2e-3, atol=2e-3)
