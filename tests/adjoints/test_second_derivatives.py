"""Second derivatives, and derivatives forwards, where there are some and where there are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

# A density that does not meet its clip, and so few steps that none is added by a small change.
DENSITY = kn.Density.gaussian(0.5, 0.8, kn.Grid(-6.0, 6.0, 30))
ENSEMBLE = kn.Ensemble(np.array([-0.3, 0.4, 1.0]))
POINT = jnp.array([-0.5, 0.2])


def energy(p, initial, adjoint):
    net = kn.SimResNet(p[0], p[1], kn.Tanh())
    return kn.solve(kn.MeanField(net), initial, t1=0.3, adjoint=adjoint).final.energy


def forwards(initial):
    return jax.jit(jax.jacfwd(jax.jacfwd(lambda p: energy(p, initial, kn.ForwardMode()))))(POINT)


@pytest.mark.slow
def test_of_particles_in_forward_mode():
    """Against differences of the gradient."""
    slope = jax.jit(jax.grad(lambda p: energy(p, ENSEMBLE, kn.CheckpointAdjoint())))
    h = 1e-4
    rows = [(slope(POINT + h * e) - slope(POINT - h * e)) / (2 * h) for e in np.eye(2)]
    found = forwards(ENSEMBLE)
    np.testing.assert_allclose(found, np.stack(rows), rtol=1e-5)
    np.testing.assert_allclose(found, found.T, rtol=1e-8)


@pytest.mark.slow
def test_of_a_density_both_ways():
    hessian = jax.jit(jax.hessian(lambda p: energy(p, DENSITY, kn.CheckpointAdjoint())))(POINT)
    np.testing.assert_allclose(hessian, forwards(DENSITY), rtol=1e-8)


@pytest.mark.parametrize("adjoint", [kn.CheckpointAdjoint(), kn.TransportAdjoint()], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("initial", [DENSITY, ENSEMBLE], ids=["density", "ensemble"])
def test_what_goes_backwards_only_says_so(initial, adjoint):
    name = type(adjoint).__name__
    with pytest.raises(TypeError, match=rf"{name} gives derivatives backwards.*pass adjoint=kn.ForwardMode\(\)"):
        jax.jvp(lambda p: energy(p, initial, adjoint), (POINT,), (POINT,))


def test_the_hessian_of_particles_by_what_goes_backwards_says_so():
    with pytest.raises(TypeError, match=r"pass adjoint=kn.ForwardMode\(\)"):
        jax.jit(jax.hessian(lambda p: energy(p, ENSEMBLE, kn.CheckpointAdjoint())))(POINT)
