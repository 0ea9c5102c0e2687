"""Derivatives by the start, the end and a save time, against differences, for every method and adjoint."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

NET = kn.SimResNet(kn.PiecewiseConstant([0.0, 0.4], [-0.5, 0.7]), 0.2, kn.Tanh())
ENSEMBLE = kn.Ensemble(np.linspace(-1.0, 1.0, 9))
DENSITY = kn.Density.gaussian(0.5, 0.8, kn.Grid(-6.0, 6.0, 40))
TIMES = np.array([0.1, 0.6, 1.0])
LAW = kn.MeanField(NET)
NOISY = kn.FokkerPlanck(NET, 0.4)
KINETIC = kn.Boltzmann(NET, epsilon=0.5, nu=0.3)
CHECKPOINT, TRANSPORT, FORWARD = kn.CheckpointAdjoint(), kn.TransportAdjoint(), kn.ForwardMode()
# equation, start, method, adjoint, and how far the rate of the fluxes may be from differences of a scheme that takes steps
CASES = {
    "particles": (LAW, ENSEMBLE, kn.Particles(), CHECKPOINT, 1e-6),
    "particles, transport": (LAW, ENSEMBLE, kn.Particles(), TRANSPORT, 1e-6),
    "particles, forwards": (LAW, ENSEMBLE, kn.Particles(), FORWARD, 1e-6),
    "layers": (LAW, ENSEMBLE, kn.Layers(10), CHECKPOINT, 1e-6),
    "finite volumes": (LAW, DENSITY, kn.FiniteVolume(), CHECKPOINT, 2e-3),
    "finite volumes, transport": (LAW, DENSITY, kn.FiniteVolume(), TRANSPORT, 5e-3),
    "finite volumes, forwards": (LAW, DENSITY, kn.FiniteVolume(), FORWARD, 2e-3),
    "characteristics": (LAW, DENSITY, kn.Characteristics(), CHECKPOINT, 1e-5),
    "noise": (NOISY, DENSITY, kn.FiniteVolume(), TRANSPORT, 5e-3),
    "Chang and Cooper": (NOISY, DENSITY, kn.ChangCooper(steps=200), CHECKPOINT, 1e-2),
    "collisions": (KINETIC, DENSITY, kn.PushForward(), CHECKPOINT, 1e-5),
}
FAST = {"particles, transport"}


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c in FAST else pytest.mark.slow) for c in CASES])
def test_the_derivative_by_times_is_that_of_differences(case):
    equation, start, method, adjoint, tolerance = CASES[case]

    @jax.jit
    def number(times):
        solution = kn.solve(
            equation, start, t0=times[0], t1=times[2], saveat=times[1][None], method=method, adjoint=adjoint
        )
        return solution.final.mean**2 + solution[0].mean ** 3 + solution[0].energy

    found = (jax.jacfwd if adjoint is FORWARD else jax.grad)(number)(jnp.asarray(TIMES))
    h = 1e-4
    differences = [(number(TIMES + h * e) - number(TIMES - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(found, differences, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "method", [kn.Particles(), pytest.param(kn.Layers(1000), marks=pytest.mark.slow)], ids=lambda m: type(m).__name__
)
def test_save_times_at_the_start_and_at_the_end_are_no_ties(method):
    """Of x(t) = (x0 + b / w) e^(w t) - b / w, and by t0 and t1 that are one."""
    w, b, x = 0.7, 0.2, 1.0
    law, start = kn.MeanField(kn.SimResNet(w, b, kn.Identity())), kn.Ensemble([x])

    def places(times):
        solution = kn.solve(law, start, t0=times[0], t1=times[-1], saveat=times, method=method)
        return jnp.append(solution.distributions.samples[:, 0], solution.final.samples[0])

    times = jnp.array([0.0, 0.5, 1.0])
    rate = (w * x + b) * np.exp(w * times)
    expected = np.diag([*rate, 0.0])[:, :3]
    # A later start shortens all but the place at the start; the end counts for the last save time and for `final`.
    expected[:, 0] -= [*rate, rate[-1]]
    expected[3, 2] = rate[-1]
    tolerance = 1e-5 if isinstance(method, kn.Particles) else 2e-3
    np.testing.assert_allclose(jax.jit(jax.jacrev(places))(times), expected, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "method"),
    [(ENSEMBLE, kn.Particles()), (DENSITY, kn.FiniteVolume()), (DENSITY, kn.Characteristics())],
    ids=["particles", "finite volumes", "characteristics"],
)
def test_a_solve_of_no_length_has_a_rate_of_change(start, method):
    law = kn.MeanField(kn.SimResNet(0.7, 0.2, kn.Identity()))
    end = lambda t0, t1: kn.solve(law, start, t0=t0, t1=t1, method=method).final.mean
    rate = 0.7 * float(start.mean) + 0.2
    np.testing.assert_allclose(jax.grad(end, (0, 1))(0.3, 0.3), [-rate, rate], rtol=1e-2)


@pytest.mark.slow
def test_second_derivatives_by_the_end_are_right_too():
    """x'' = v v' for x' = v(x)."""
    law = kn.MeanField(kn.SimResNet(0.8, 0.3, kn.Tanh()))
    end = lambda t: kn.solve(law, kn.Ensemble([0.4]), t1=t, adjoint=FORWARD).final.samples[0]
    x, second = end(0.7), jax.jacfwd(jax.jacfwd(end))(0.7)
    np.testing.assert_allclose(second, np.tanh(0.8 * x + 0.3) * 0.8 / np.cosh(0.8 * x + 0.3) ** 2, rtol=1e-6)


@pytest.mark.parametrize("equation", [NOISY, KINETIC], ids=["noise", "collisions"])
def test_random_paths_have_none(equation):
    end = lambda t: kn.solve(equation, ENSEMBLE, t1=t, key=jax.random.key(0)).final.mean
    with pytest.raises(TypeError, match="no derivative by t0, t1 and save times"):
        jax.eval_shape(jax.grad(end), 1.0)
