"""Particles with noise: wrong input, and what happens at run time."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.stochastic.cases import KEY, equation, moved


def test_options_that_do_not_go_together():
    net, samples = kn.SimResNet(-1.0, 0.3, kn.Identity()), kn.Ensemble([0.5, 1.0])
    noisy, still = kn.FokkerPlanck(net, 0.5, kn.LinearDiffusion()), kn.MeanField(net)
    walled = kn.FokkerPlanck(net, 0.5, walls=(0.0, 2.0))
    single = kn.FokkerPlanck(kn.SimResNet(np.float32(-1), np.float32(0), kn.Tanh()), np.float32(1), lambda x: x)
    run = functools.partial(kn.solve, t1=1.0, key=KEY)
    for law, method, message in (
        (noisy, kn.Particles(rtol=1e-3), "rtol is for kn.MeanField"),
        (noisy, kn.Particles(atol=1e-3), "atol is for kn.MeanField"),
        (noisy, kn.Particles(solver=diffrax.Tsit5()), "Tsit5 is for kn.MeanField"),
        (noisy, kn.Particles(solver=diffrax.ShARK()), "does not depend on x, a kn.ConstantDiffusion"),
        (walled, kn.Particles(solver=diffrax.ItoMilstein()), "knows no walls"),
        (still, kn.Particles(steps=5), r"steps=5 is for kn.FokkerPlanck.*kn.Layers\(5\)"),
    ):
        with pytest.raises(ValueError, match=message):
            run(law, samples, method=method)
    with pytest.raises(ValueError, match=r"ItoMilstein is for float64 here.*StratonovichMilstein\(\) is the same"):
        run(single, kn.Ensemble(np.array([1.0], np.float32)), method=kn.Particles(solver=diffrax.ItoMilstein()))
    with pytest.raises(TypeError, match="error estimate"):
        run(still, samples, method=kn.Particles(solver=diffrax.ItoMilstein()))
    for solver in (diffrax.Euler(), diffrax.ShOULD(), diffrax.ItoMilstein, 3):
        with pytest.raises(TypeError, match="solver must be"):
            kn.Particles(solver=solver)
    for steps, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="steps must be"):
            kn.Particles(steps=steps)


def test_problems_that_cannot_be_solved():
    net, samples = kn.SimResNet(-1.0, 0.3, kn.Identity()), kn.Ensemble([0.5, 1.0])
    run = functools.partial(kn.solve, t1=1.0, key=KEY)
    with pytest.raises(TypeError, match="Layers does not solve FokkerPlanck .*possible: kn.Particles"):
        run(kn.FokkerPlanck(net, 0.5), samples, method=kn.Layers(3))
    with pytest.raises(TypeError, match="without noise: take kn.CheckpointAdjoint"):
        run(kn.FokkerPlanck(net, 0.5), samples, adjoint=kn.TransportAdjoint())
    with pytest.raises(TypeError, match="noise carries mass"):
        kn.Grid.covering(kn.FokkerPlanck(net, 0.5), samples, t1=1.0, cells=10)
    with pytest.raises(ValueError, match=r"K\(x\) is called .* must give that shape"):
        run(kn.FokkerPlanck(net, 0.5, lambda x: jnp.ones(2)), samples)
    with pytest.raises(ValueError, match="must give velocities of that shape"):
        run(kn.FokkerPlanck(lambda t, x: jnp.ones(2), 0.5), samples)
    with pytest.raises(ValueError, match="beyond the wall at 0.8"):
        run(kn.FokkerPlanck(net, 0.5, walls=(0.8, None)), samples)
    with pytest.raises(ValueError, match="walls .* are for one dimension"):
        run(kn.FokkerPlanck(kn.SimResNet(np.eye(2), 0.0, kn.Tanh()), 0.5, walls=(0.0, 1.0)), kn.Ensemble([[0.5, 1.0]]))


def test_what_happens_at_run_time_is_a_result():
    """Ten steps in each of two spans, of no more than 15; a span of no length has none."""
    start = np.linspace(0.5, 1.0, 7)

    @jax.jit
    def run(w, t1, saved):
        law = equation(w, 0.0, 0.5)
        solution = moved(law, start, 10, t1=t1, saveat=jnp.stack([saved, t1]), max_steps=15, throw=False)
        return solution.result, solution.stats["steps"], solution.final.samples

    assert run(-1.0, 1.0, 0.0)[0] == kn.Result.successful
    assert run(np.nan, 1.0, 0.0)[0] == kn.Result.not_finite
    assert run(-1.0, -1.0, 0.0)[0] == kn.Result.bad_times
    result, steps, samples = run(-1.0, 1.0, 0.5)
    assert result == kn.Result.max_steps_reached and int(steps) == 15
    # That of the last time reached.
    np.testing.assert_allclose(samples, moved(equation(-1.0, 0.0, 0.5), start, 15, t1=0.75).final.samples, rtol=1e-12)


@pytest.mark.slow
def test_a_limit_in_the_only_span_is_a_result():
    start = np.linspace(0.5, 1.0, 7)

    @functools.partial(jax.jit, static_argnums=2)
    def run(w, t1, max_steps=None):
        solution = moved(equation(w, 0.0, 0.5), start, 10, t1=t1, max_steps=max_steps, throw=False)
        return solution.result, solution.stats["steps"], solution.final.samples

    assert run(-1.0, 1.0)[0] == kn.Result.successful
    assert run(np.nan, 1.0)[0] == kn.Result.not_finite
    assert run(-1.0, -1.0)[0] == kn.Result.bad_times
    result, steps, samples = run(-1.0, 1.0, 4)
    assert result == kn.Result.max_steps_reached and int(steps) == 4
    # That of the last time reached.
    np.testing.assert_allclose(samples, moved(equation(-1.0, 0.0, 0.5), start, 4, t1=0.4).final.samples, rtol=1e-12)
