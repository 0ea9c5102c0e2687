"""Derivatives along the paths, with the same collisions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn
from tests.methods.affine_diffusion import Affine
from tests.methods.collisions.path_cases import KEY, PAIRS, START, tanh_law


class Ending(eqx.Module):
    """tanh(w x + b) (1.0001 t_1 - t)^(1/2): after the end its derivatives are NaN, which times 0 is NaN too."""

    w: jax.Array
    b: jax.Array

    def __call__(self, t, x):
        return jnp.tanh(jnp.dot(self.w, x) + self.b) * jnp.sqrt(1.5 * 1.0001 - t)


def smooth(final):
    return jnp.mean(jnp.sin(final.samples)) + final.variance


@pytest.mark.parametrize("interactions", ["linear", "binary"])
def test_reverse_mode_and_differences_agree(interactions):
    """By (w, b, eps, nu, slope of K), or by the first three; no field is asked for a time after the end."""
    count, few = (5, START.samples[:100]) if interactions == "linear" else (3, START.samples[:101])

    def loss(parameters):
        w, b, epsilon = parameters[:3]
        if interactions == "linear":
            nu, slope = parameters[3:]
            law = kn.Boltzmann(Ending(w, b), epsilon, nu, Affine(jnp.stack([jnp.zeros(()), slope])), rate=3.0)
        else:
            law = kn.BinaryBoltzmann(Ending(w * PAIRS.weight(0.0), b * PAIRS.bias(0.0)), epsilon, 2.0)
        return smooth(kn.solve(law, kn.Ensemble(few), t1=1.5, key=KEY).final)

    point = np.array([-0.7, 0.4, 0.3, 0.5, 0.8])[:count]
    both, h = jax.jit(jax.value_and_grad(loss)), 1e-5
    reverse = np.asarray(both(point)[1])
    central = [(both(point + h * way)[0] - both(point - h * way)[0]) / (2 * h) for way in np.eye(count)]
    np.testing.assert_allclose(reverse, central, rtol=1e-6, atol=1e-8)
    assert np.all(np.abs(reverse) > 1e-4)


def loss(parameters, method, adjoint, binary):
    """A smooth function of the final particles by (w, b, eps, nu, slope of K)."""
    w, b, epsilon, nu, slope = parameters
    if binary:
        net = kn.SimResNet(w * PAIRS.weight(0.0), b * PAIRS.bias(0.0), kn.Tanh())
        equation = kn.BinaryBoltzmann(net, epsilon)
    else:
        equation = kn.Boltzmann(kn.SimResNet(w, b, kn.Tanh()), epsilon, nu, kn.LinearDiffusion(slope), rate=3.0)
    final = kn.solve(equation, START, t1=1.5, key=KEY, method=method, adjoint=adjoint).final
    return jnp.mean(jnp.sin(final.samples)) + final.variance


@pytest.mark.slow
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("steps", [None, 6])
def test_three_gradients_agree(steps, binary):
    parameters = jnp.array([-0.7, 0.4, 0.3, 0.5, 0.8])
    method = kn.Collisions(steps=steps)
    reverse = jax.grad(loss)(parameters, method, kn.CheckpointAdjoint(), binary)
    few = jax.grad(loss)(parameters, method, kn.CheckpointAdjoint(checkpoints=2), binary)
    forward = jax.jacfwd(loss)(parameters, method, kn.ForwardMode(), binary)
    assert jnp.max(jnp.abs(reverse - forward)) < 1e-12 and jnp.max(jnp.abs(reverse - few)) < 1e-12
    value = jax.jit(lambda parameters: loss(parameters, method, kn.CheckpointAdjoint(), binary))
    for k in range(3 if binary else 5):
        step = jnp.zeros(5).at[k].set(1e-5)
        difference = (value(parameters + step) - value(parameters - step)) / 2e-5
        assert float(reverse[k]) == pytest.approx(float(difference), rel=1e-6, abs=1e-8)
    assert (jnp.abs(reverse[: 3 if binary else 5]) > 1e-4).all()


@pytest.mark.slow
def test_the_gradient_along_paths_is_that_of_the_mean():
    """d m1 / d w, in closed form for the identity: m1(t) = (m1(0) + b / w) exp(rate eps w t) - b / w."""
    start = kn.Ensemble(1.0 + np.random.default_rng(1).normal(size=100_000))

    def mean(net, key):
        return kn.solve(kn.Boltzmann(net, 0.5, 0.4, rate=2.0), start, t1=1.0, key=key).final.mean

    first = float(start.mean)
    exact = jax.grad(lambda w: (first + 0.3 / w) * jnp.exp(w) - 0.3 / w)(-0.7)
    found = [
        float(jax.grad(mean)(kn.SimResNet(-0.7, 0.3, kn.Identity()), jax.random.key(i)).weight.value) for i in range(4)
    ]
    # Its error is that of an average over particles.
    assert np.mean(found) == pytest.approx(float(exact), abs=4 * max(float(np.std(found)), 2e-3))
    assert abs(np.mean(found) / float(exact) - 1) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("binary", [False, True])
def test_a_field_is_asked_for_no_time_after_the_end(binary):
    """Its values there would be left alone, but not its derivatives: 0 times NaN."""

    class EndingAtOne(eqx.Module):
        strength: jax.Array

        def __call__(self, t, x):
            return self.strength * (1.0 - x) * jnp.sqrt(1.0001 - t)

    law = kn.BinaryBoltzmann if binary else kn.Boltzmann
    few = kn.Ensemble(START.samples[:10])
    final = lambda strength: kn.solve(law(EndingAtOne(strength), 0.3), few, t1=1.0, key=KEY).final.mean
    assert jnp.isfinite(jax.grad(final)(jnp.array(1.0)))


@pytest.mark.parametrize("binary", [False, True])
def test_a_derivative_with_respect_to_the_rate_is_refused(binary):
    def final(rate, net):
        equation = kn.BinaryBoltzmann(PAIRS, rate=rate) if binary else kn.Boltzmann(net, rate=rate)
        return kn.solve(equation, START, t1=1.0, key=KEY).final.mean

    net = kn.SimResNet(-0.7, 0.3, kn.Tanh())
    for attempt in (jax.grad(final), jax.jacfwd(final), jax.jit(jax.grad(final))):
        with pytest.raises(TypeError, match="with respect to equation.field"):
            attempt(2.0, net)
    if not binary:
        with pytest.raises(TypeError, match="kn.Density"):
            eqx.filter_grad(lambda law: kn.solve(law, START, t1=1.0, key=KEY).final.mean)(kn.Boltzmann(net))


@pytest.mark.slow
def test_a_rate_that_is_constant_hinders_no_derivative():
    def final(rate, net):
        return kn.solve(kn.Boltzmann(net, rate=rate), START, t1=1.0, key=KEY).final.mean

    net = kn.SimResNet(-0.7, 0.3, kn.Tanh())
    assert jnp.isfinite(jax.grad(final, argnums=1)(2.0, net).weight.value)


def test_an_adjoint_that_knows_no_noise_is_refused():
    with pytest.raises(TypeError, match="TransportAdjoint"):
        kn.solve(tanh_law(), START, t1=1.0, key=KEY, adjoint=kn.TransportAdjoint())


@pytest.mark.slow
def test_retraining_through_collisions():
    """The mean of the identity network at t1 is in closed form: the bias that brings it to 2 follows from it."""
    start = kn.Ensemble(np.random.default_rng(2).normal(size=2000))
    equation = kn.Boltzmann(kn.SimResNet(-1.0, 0.0, kn.Identity()), 0.5, 0.2, rate=2.0)
    settings = {"t1": 1.0, "optimizer": optax.adam(0.2), "max_updates": 60, "adjoint": kn.CheckpointAdjoint()}
    found = kn.retrain(equation, start, lambda final: (final.mean - 2.0) ** 2, key=KEY, **settings)
    net = found.equation.field
    w, b = float(net.weight(0.0)), float(net.bias(0.0))
    mean = (float(start.mean) + b / w) * np.exp(w) - b / w
    assert mean == pytest.approx(2.0, abs=0.1)


def test_retraining_through_collisions_needs_a_key():
    equation = kn.Boltzmann(kn.SimResNet(-1.0, 0.0, kn.Identity()), 0.5, 0.2, rate=2.0)
    settings = {"t1": 1.0, "optimizer": optax.adam(0.2), "max_updates": 60, "adjoint": kn.CheckpointAdjoint()}
    with pytest.raises(ValueError, match="random: give key="):
        kn.retrain(equation, START, lambda final: final.mean, **settings)
