"""Paths of particles with noise: their derivatives, diffrax's solvers, wrong input, results."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import norm

import kinetic_nde as kn
from tests.methods.particle_noise import KEY, ONE, X, discrete_law, distance_to, equation, follow, moved

# Derivatives


def weighted(law, start, steps, adjoint):
    """First and second moments of the particles at two times."""
    samples = moved(law, start, steps, adjoint=adjoint, saveat=[0.3, 1.0]).distributions.samples
    weights = jnp.array([0.5, 2.0], samples.dtype)
    return jnp.sum(jnp.mean(samples, axis=1) + weights * jnp.mean(samples**2, axis=1))


reverse = jax.jit(jax.value_and_grad(weighted, argnums=(0, 1)), static_argnums=(2, 3))


def test_gradients_along_paths():
    """By w, b, nu, K and the initial samples: reverse and forward mode, and central differences with the same noise,
    which the way back draws again and nothing keeps."""
    start, steps = jnp.linspace(-1, 1, 500), 200
    point = (equation(-0.8, 0.3, 0.7), start, steps, kn.CheckpointAdjoint(checkpoints=8))
    gradient = reverse.lower(*point).compile()
    # In each of two spans 8 states, and twice 32 on the way back; all noise would be 400.
    assert gradient.memory_analysis().temp_size_in_bytes < 8 * start.size * 200

    def along(h, point):
        shifted = jax.tree.map(lambda leaf: leaf + h, point)
        return weighted(*shifted, steps, kn.ForwardMode())

    forward = jax.jit(lambda h, point: jax.jvp(lambda h: along(h, point), (h,), (jnp.ones_like(h),)))
    for diffusion in (ONE, X):
        point = (equation(-0.8, 0.3, 0.7, diffusion), start)
        value, slopes = gradient(*point)
        assert len(jax.tree.leaves(slopes)) == 5
        inner = sum(float(jnp.sum(slope)) for slope in jax.tree.leaves(slopes))
        np.testing.assert_allclose(forward(jnp.asarray(0.0), point), (value, inner), rtol=1e-10)
        h = jnp.asarray(1e-4)
        central = (forward(h, point)[0] - forward(-h, point)[0]) / (2 * h)
        np.testing.assert_allclose(central, inner, rtol=1e-6)


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


def test_single_precision():
    """Between walls, from a kink and from a wall, and with no noise at all."""
    single = lambda *values: [np.float32(value) for value in values]
    relu, walls = kn.SimResNet(*single(1.0, 0.0), kn.ReLU()), tuple(single(-1, 1))

    def energy(nu, start):
        return moved(kn.FokkerPlanck(relu, nu, kn.LinearDiffusion(np.float32(1)), walls), start, 5).final.energy

    gradient = jax.jit(jax.value_and_grad(energy, argnums=(0, 1)))
    for nu in single(0, 1):
        for leaf in jax.tree.leaves(gradient(nu, np.float32([-1.0, 0.0, 1.0]))):
            assert leaf.dtype == jnp.float32 and np.all(np.isfinite(leaf))


# diffrax's solvers


@pytest.mark.parametrize(
    ("solver", "shape"), [(diffrax.ItoMilstein(), (400,)), (diffrax.StratonovichMilstein(), (200, 2))]
)
def test_milstein_is_of_strong_order_one(solver, shape):
    """Along the same path for any number of steps: that of v = 0, K = 1 from 0 is Brownian motion itself, with which
    geometric Brownian motion is known. Without its correction the drift for Stratonovich's integral leads elsewhere."""
    w, nu, count, bias = 0.3, 0.8, [8, 16, 32], np.zeros(shape[1:])
    path = np.asarray(follow(solver)(equation(0.0, bias, 1.0, ONE), np.zeros(shape), 1.0, 5))
    assert distance_to(path.ravel(), norm.cdf) < 1.95
    exact = np.exp(w - nu**2 / 2 + nu * path)
    ends = [follow(solver)(equation(w, bias, nu, X), np.ones(shape), 1.0, n) for n in count]
    errors = [np.mean(np.abs(end - exact)) for end in ends]
    assert 0.8 < -np.polyfit(np.log(count), np.log(errors), 1)[0] < 1.2, errors


def test_additive_noise_in_the_plane_by_few_large_steps():
    """ShARK's method, of order 1.5, in two spans: the exact covariance of an Ornstein-Uhlenbeck process."""
    w, nu, start = np.array([[-1.0, 0.5], [0.0, -0.6]]), 0.8, np.array([1.0, -0.5])
    law = kn.FokkerPlanck(kn.SimResNet(w, 0.0, kn.Identity()), nu)
    method = kn.Particles(solver=diffrax.ShARK(), steps=3)
    solution = kn.solve(
        law,
        kn.Ensemble(np.tile(start, (4000, 1))),
        t1=1.0,
        saveat=[0.4, 1.0],
        method=method,
        key=KEY,
        adjoint=kn.ForwardMode(),
    )
    assert int(solution.stats["steps"]) == 6
    for t, distribution in zip((0.4, 1.0), (solution[0], solution[1]), strict=True):
        s, weights = np.polynomial.legendre.leggauss(12)
        flows = np.stack([expm(w * each) for each in 0.5 * t * (s + 1)])
        covariance = nu**2 * 0.5 * t * np.einsum("k,kij,klj->il", weights, flows, flows)
        centred = np.asarray(distribution.samples) - expm(w * t) @ start
        assert np.max(np.abs(centred.mean(axis=0)) / centred.std(axis=0)) * np.sqrt(4000) < 4
        products = np.einsum("mi,mj->mij", centred, centred)
        assert np.max(np.abs(products.mean(axis=0) - covariance) / products.std(axis=0)) * np.sqrt(4000) < 4


# Wrong input


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
        run(single, kn.Ensemble(np.float32([1.0])), method=kn.Particles(solver=diffrax.ItoMilstein()))
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


def test_a_new_number_never_retraces():
    traced = []

    class Counting(eqx.Module):
        slope: jax.Array = eqx.field(converter=jnp.asarray)

        def __call__(self, x):
            traced.append(1)
            return self.slope * x

    def run(w, nu, slope, t1, seed):
        moved(equation(w, 0.0, nu, Counting(slope)), [0.5, 1.0], 6, jax.random.key(seed), t1=t1)
        return len(traced)

    first = run(-1.0, 0.5, 1.0, 1.0, 0)
    assert first > 0
    assert run(2.0, 0.0, 0.3, 2.0, 7) == first


def test_the_progress_bar(capfd):
    kn.solve(equation(-1.0, 0.0, 0.5), kn.Ensemble([0.5, 1.0]), t1=1.0, key=KEY, progress=True)
    assert "100%" in capfd.readouterr().err
