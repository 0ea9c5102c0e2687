"""Collisions as a program: derivatives along the paths, batches, precision, limits, wrong input."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn

START = kn.Ensemble(np.random.default_rng(9).normal(size=500))
KEY = jax.random.key(11)
PAIRS = kn.SimResNet(jnp.array([[-0.5, 0.3], [0.2, -0.4]]), jnp.array([0.1, 0.2]), kn.Tanh())


def linear(net=None, **numbers):
    net = kn.SimResNet(-0.7, 0.3, kn.Tanh()) if net is None else net
    return kn.Boltzmann(net, **({"epsilon": 0.3, "nu": 0.8, "diffusion": kn.LinearDiffusion(0.6)} | numbers))


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
    assert np.mean(found) == pytest.approx(float(exact), abs=4 * max(np.std(found), 2e-3))
    assert abs(np.mean(found) / float(exact) - 1) < 0.02


@pytest.mark.parametrize("binary", [False, True])
def test_a_field_is_asked_for_no_time_after_the_end(binary):
    """Its values there would be left alone, but not its derivatives: 0 times NaN."""

    class Ending(eqx.Module):
        strength: jax.Array

        def __call__(self, t, x):
            return self.strength * (1.0 - x) * jnp.sqrt(1.0001 - t)

    law = kn.BinaryBoltzmann if binary else kn.Boltzmann
    few = kn.Ensemble(START.samples[:10])
    final = lambda strength: kn.solve(law(Ending(strength), 0.3), few, t1=1.0, key=KEY).final.mean
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
        assert jnp.isfinite(jax.grad(final, argnums=1)(2.0, net).weight.value)
        with pytest.raises(TypeError, match="kn.Density"):
            eqx.filter_grad(lambda law: kn.solve(law, START, t1=1.0, key=KEY).final.mean)(kn.Boltzmann(net))


def test_an_adjoint_that_knows_no_noise_is_refused():
    with pytest.raises(TypeError, match="TransportAdjoint"):
        kn.solve(linear(), START, t1=1.0, key=KEY, adjoint=kn.TransportAdjoint())


def test_a_batch_is_its_members():
    """Members end after different numbers of rounds: rates from 0.5 to 20."""
    rates = jnp.array([0.5, 20.0, 3.0])

    def solve(rate):
        return kn.solve(linear(rate=rate), START, t1=1.0, saveat=[0.5, 1.0], key=KEY)

    batch = jax.vmap(solve)(rates)
    for i, rate in enumerate(rates):
        alone = solve(rate)
        assert jnp.allclose(batch.distributions.samples[i], alone.distributions.samples, rtol=1e-12, atol=1e-12)
        assert int(batch.stats["steps"][i]) == int(alone.stats["steps"])
        assert float(batch.stats["collisions"][i]) == pytest.approx(float(alone.stats["collisions"]), rel=1e-12)
    binary = jax.vmap(lambda rate: kn.solve(kn.BinaryBoltzmann(PAIRS, rate=rate), START, t1=1.0, key=KEY).final)(rates)
    alone = kn.solve(kn.BinaryBoltzmann(PAIRS, rate=0.5), START, t1=1.0, key=KEY).final
    assert jnp.allclose(binary.samples[0], alone.samples, rtol=1e-12, atol=1e-12)


def test_new_numbers_compile_nothing():
    traces = []

    class Field(eqx.Module):
        weight: jax.Array

        def __call__(self, t, x):
            traces.append(x)
            return self.weight * x

    for w, epsilon, nu, rate, t1 in [(-1.0, 0.5, 0.1, 1.0, 1.0), (0.5, 0.1, 0.0, 4.0, 2.0)]:
        kn.solve(kn.Boltzmann(Field(jnp.array(w)), epsilon, nu, rate=rate), START, t1=t1, key=jax.random.key(3))
        seen = len(traces)
        traces.clear()
    assert seen == 0


def test_float32_stays_float32():
    start = kn.Ensemble(START.samples.astype(jnp.float32))
    equation = kn.Boltzmann(kn.SimResNet(jnp.float32(-0.5), jnp.float32(0.1), kn.Tanh()), 0.1, 0.3, rate=10.0)
    for method in (kn.Collisions(), kn.Collisions(steps=100)):
        for law in (equation, kn.BinaryBoltzmann(PAIRS, rate=10.0)):
            law = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), law)
            samples = kn.solve(law, start, t1=5.0, key=KEY, method=method).final.samples
            assert samples.dtype == jnp.float32 and jnp.isfinite(samples).all()


def test_without_noise_nothing_is_drawn_for_it():
    """nu = 0 and K = 0 are the same paths."""
    still = kn.solve(linear(nu=0.0), START, t1=1.0, key=KEY).final
    flat = kn.solve(linear(nu=0.8, diffusion=kn.ConstantDiffusion(0.0)), START, t1=1.0, key=KEY).final
    assert jnp.array_equal(still.samples, flat.samples)
    assert not jnp.array_equal(still.samples, kn.solve(linear(), START, t1=1.0, key=KEY).final.samples)


def test_no_time_is_no_collision():
    for equation in (linear(), kn.BinaryBoltzmann(PAIRS)):
        for method in (kn.Collisions(), kn.Collisions(steps=3)):
            solution = kn.solve(equation, START, t0=1.0, t1=1.0, key=KEY, method=method)
            assert jnp.array_equal(solution.final.samples, START.samples)
            assert int(solution.stats["steps"]) == 0


def test_a_limit_on_rounds():
    solution = kn.solve(linear(rate=50.0), START, t1=1.0, key=KEY, max_steps=10, throw=False)
    assert solution.result == kn.Result.max_steps_reached and int(solution.stats["steps"]) == 10
    enough = kn.solve(linear(rate=50.0), START, t1=1.0, key=KEY, max_steps=200)
    assert 50 < int(enough.stats["steps"]) < 200


def test_progress_is_shown(capsys):
    kn.solve(linear(rate=500.0), START, t1=1.0, key=KEY, progress=True)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["epsilon", "rate"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_numbers_out_of_bounds(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and > 0, got {value}"):
        linear(**{name: value})
    with pytest.raises(ValueError, match=f"{name} must be finite and > 0"):
        kn.BinaryBoltzmann(PAIRS, **{name: value})
    traced = jax.jit(lambda value: kn.solve(linear(**{name: value}), START, t1=1.0, key=KEY, throw=False))(value)
    assert traced.result == kn.Result.bad_equation


def test_wrong_equations():
    with pytest.raises(ValueError, match="nu is the strength of the noise"):
        linear(nu=-0.1)
    with pytest.raises(ValueError, match=r"epsilon is a number, got shape \(2,\)"):
        linear(epsilon=[0.1, 0.2])
    with pytest.raises(TypeError, match=r"kn.NormalNoise\(\) or kn.UniformNoise\(\)"):
        linear(noise=0.3)
    with pytest.raises(TypeError, match="a field is"):
        kn.Boltzmann(1.0)
    with pytest.raises(TypeError, match="a field is"):
        kn.Boltzmann(kn.SimResNet)
    with pytest.raises(ValueError, match="dimension 2, got one of dimension 1"):
        kn.BinaryBoltzmann(kn.SimResNet(1.0, 0.0, kn.Tanh()))


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="random: give key="):
        kn.solve(linear(), START, t1=1.0)
    with pytest.raises(ValueError, match="BinaryBoltzmann on an Ensemble is random"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), START, t1=1.0)
    with pytest.raises(ValueError, match="field has dimension 2 and the ensemble 1"):
        kn.solve(linear(PAIRS), START, t1=1.0, key=KEY)
    with pytest.raises(ValueError, match="particles on a line, the ensemble has dimension 2"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Ensemble(jnp.zeros((10, 2))), t1=1.0, key=KEY)
    with pytest.raises(ValueError, match="two particles at least"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Ensemble([1.0]), t1=1.0, key=KEY)
    with pytest.raises(TypeError, match="possible initial distributions: Ensemble"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Density.gaussian(0.0, 1.0, kn.Grid(-5.0, 5.0, 20)), t1=1.0, key=KEY)
    with pytest.raises(TypeError, match="Collisions does not solve MeanField"):
        kn.solve(kn.MeanField(PAIRS), kn.Ensemble(jnp.zeros((10, 2))), t1=1.0, method=kn.Collisions())
    with pytest.raises(TypeError, match="possible: kn.Collisions"):
        kn.solve(linear(), START, t1=1.0, key=KEY, method=kn.Particles(solver=diffrax.Heun()))
    with pytest.raises(ValueError, match="steps must be at least 1"):
        kn.Collisions(steps=0)
    with pytest.raises(ValueError, match="must give velocities of that shape"):
        kn.solve(kn.BinaryBoltzmann(lambda t, z: z[0]), START, t1=1.0, key=KEY)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(2,\)"):
        law = kn.Boltzmann(PAIRS, nu=0.1, diffusion=lambda x: x[0])
        kn.solve(law, kn.Ensemble(jnp.ones((10, 2))), t1=1.0, key=KEY)


def test_steps_that_are_too_long():
    with pytest.raises(RuntimeError, match="probability above 1"):
        kn.solve(linear(rate=10.0), START, t1=1.0, key=KEY, method=kn.Collisions(steps=9))
    kn.solve(linear(rate=10.0), START, t1=1.0, key=KEY, method=kn.Collisions(steps=10))
    # The longest time between two events counts.
    with pytest.raises(RuntimeError, match="probability above 1"):
        kn.solve(linear(rate=10.0), START, t1=1.0, saveat=[0.1, 1.0], key=KEY, method=kn.Collisions(steps=5))
    # 0.4 - 0.3 is above 0.1 by rounding.
    kn.solve(linear(rate=10.0), START, t1=0.4, saveat=[0.1, 0.2, 0.3, 0.4], key=KEY, method=kn.Collisions(steps=1))
    # Of three particles one is left over: the pair would have to collide more often than in each step.
    with pytest.raises(RuntimeError, match="probability above 1"):
        three = kn.Ensemble([1.0, 2.0, 3.0])
        kn.solve(kn.BinaryBoltzmann(PAIRS), three, t1=1.0, key=KEY, method=kn.Collisions(steps=1))


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
    with pytest.raises(ValueError, match="random: give key="):
        kn.retrain(equation, start, lambda final: final.mean, **settings)
