"""Every method, every adjoint and a command against closed forms. Run with XLA_FLAGS= it is done by the programs that users
run: fusion decides about their rounding and their speed."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

pytestmark = [pytest.mark.shipped, pytest.mark.slow]

W, B, NU, EPSILON, T = -0.8, 0.5, 0.6, 0.1, 1.0
MEAN, STD = 0.4, 0.7
NET = kn.SimResNet(W, B, kn.Identity())
DENSITY = kn.Density.gaussian(MEAN, STD, kn.Grid(-6.0, 6.0, 200))
ENSEMBLE = kn.Ensemble(DENSITY.sample(jax.random.key(0), 20_000))


def moments_of_noise(nu):
    """m1' = w m1 + b and V' = 2 w V + nu^2."""
    growth = np.exp(W * T)
    return growth * (MEAN + B / W) - B / W, growth**2 * STD**2 + nu**2 * (growth**2 - 1) / (2 * W)


def moments_of_collisions():
    """m1' = w m1 + b and m2' = eps E (w x + b)^2 + 2 E x (w x + b) + nu^2, collisions coming at rate 1 / eps."""
    a = 2 * W + EPSILON * W**2
    c, d = 2 * B * (1 + EPSILON * W), EPSILON * B**2 + NU**2
    rest, decaying = -B / W, MEAN + B / W
    m1 = rest + decaying * np.exp(W * T)
    # m2' = a m2 + c (rest + decaying e^{wt}) + d
    constant, slow = -(c * rest + d) / a, c * decaying / (W - a)
    m2 = constant + slow * np.exp(W * T) + (STD**2 + MEAN**2 - constant - slow) * np.exp(a * T)
    return m1, m2 - m1**2


MEAN_FIELD, NOISY = kn.MeanField(NET), kn.FokkerPlanck(NET, NU)
COLLIDING = kn.Boltzmann(NET, EPSILON, NU, rate=1 / EPSILON)
FREE, WITH_NOISE, BY_COLLISIONS = moments_of_noise(0.0), moments_of_noise(NU), moments_of_collisions()
# Samples are off by their standard errors; layers of 1/200 and noise of the like are first order in time.
EXACT, FIRST_ORDER, SAMPLED = 1e-4, 1e-2, 3e-2
METHODS = {
    "mean field, FiniteVolume": (MEAN_FIELD, DENSITY, kn.FiniteVolume(), FREE, EXACT),
    "mean field, Characteristics": (MEAN_FIELD, DENSITY, kn.Characteristics(), FREE, EXACT),
    "mean field, Particles": (MEAN_FIELD, ENSEMBLE, kn.Particles(), FREE, SAMPLED),
    "mean field, Layers": (MEAN_FIELD, ENSEMBLE, kn.Layers(200), FREE, SAMPLED),
    "Fokker-Planck, FiniteVolume": (NOISY, DENSITY, kn.FiniteVolume(), WITH_NOISE, EXACT),
    "Fokker-Planck, ChangCooper": (NOISY, DENSITY, kn.ChangCooper(steps=400), WITH_NOISE, FIRST_ORDER),
    "Fokker-Planck, Particles": (NOISY, ENSEMBLE, kn.Particles(steps=200), WITH_NOISE, SAMPLED),
    "Boltzmann, PushForward": (COLLIDING, DENSITY, kn.PushForward(), BY_COLLISIONS, EXACT),
    "Boltzmann, Collisions": (COLLIDING, ENSEMBLE, kn.Collisions(), BY_COLLISIONS, SAMPLED),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_ends_with_the_mean_and_the_variance_of_the_closed_form(name):
    equation, start, method, exact, tolerance = METHODS[name]
    noisy = isinstance(equation, kn.Boltzmann | kn.FokkerPlanck) and isinstance(start, kn.Ensemble)
    final = kn.solve(equation, start, t1=T, method=method, key=jax.random.key(1) if noisy else None).final
    np.testing.assert_allclose([final.mean, final.variance], exact, atol=tolerance)


def test_pairs_that_collide_have_the_mean_of_their_weak_form():
    w = jnp.array([[-0.5, 0.2], [0.1, -0.4]])
    b = jnp.array([0.3, -0.1])
    equation = kn.BinaryBoltzmann(kn.SimResNet(w, b, kn.Identity()), EPSILON, rate=1 / EPSILON)
    final = kn.solve(equation, ENSEMBLE, t1=T, key=jax.random.key(2)).final
    growth, bias = float(jnp.sum(w)) / 4, float(jnp.sum(b)) / 2
    exact = np.exp(growth * T) * (MEAN + bias / growth) - bias / growth
    np.testing.assert_allclose(final.mean, exact, atol=SAMPLED)


def test_a_density_in_the_plane_moves_as_its_closed_form():
    weight = jnp.array([[-0.8, 0.0], [0.0, 0.4]])
    start = kn.Density.gaussian((0.4, -0.3), (0.7, 0.5), kn.Grid((-4.0, -4.0), (4.0, 4.0), (64, 64)))
    solution = kn.solve(kn.MeanField(kn.SimResNet(weight, 0.0, kn.Identity())), start, t1=T)
    final = solution.final
    growth = np.exp([-0.8, 0.4])
    np.testing.assert_allclose(final.mean, growth * [0.4, -0.3], atol=1e-3)
    np.testing.assert_allclose(np.diagonal(final.variance), (growth * [0.7, 0.5]) ** 2, atol=3e-3)
    assert abs(solution.stats["mass_drift"]) < 1e-12


@pytest.mark.parametrize("adjoint", [kn.CheckpointAdjoint(), kn.TransportAdjoint(), kn.ForwardMode()], ids=repr)
@pytest.mark.parametrize("noisy", [False, True], ids=["mean field", "noise"])
def test_an_adjoint_finds_the_slope_of_the_closed_form(adjoint, noisy):
    """Of the energy at the end by w and b, and by nu."""

    def exact(p):
        growth = jnp.exp(p[0] * T)
        mean = growth * (MEAN + p[1] / p[0]) - p[1] / p[0]
        spread = p[2] ** 2 * (growth**2 - 1) / (2 * p[0]) if noisy else 0.0
        return mean**2 + growth**2 * STD**2 + spread

    def energy(p):
        net = kn.SimResNet(p[0], p[1], kn.Identity())
        equation = kn.FokkerPlanck(net, p[2]) if noisy else kn.MeanField(net)
        return kn.solve(equation, DENSITY, t1=T, adjoint=adjoint).final.energy

    p = jnp.array([W, B, NU])
    slope = (jax.jacfwd if isinstance(adjoint, kn.ForwardMode) else jax.grad)(energy)(p)
    np.testing.assert_allclose(slope, jax.grad(exact)(p), atol=2e-3)


@pytest.mark.parametrize("adjoint", [kn.CheckpointAdjoint(), kn.TransportAdjoint()], ids=repr)
def test_an_adjoint_finds_the_slope_for_particles(adjoint):
    def mean(p):
        net = kn.SimResNet(p[0], p[1], kn.Identity())
        return kn.solve(kn.MeanField(net), ENSEMBLE, t1=T, adjoint=adjoint).final.mean

    start = ENSEMBLE.mean
    exact = jax.grad(lambda p: jnp.exp(p[0] * T) * (start + p[1] / p[0]) - p[1] / p[0])(jnp.array([W, B]))
    np.testing.assert_allclose(jax.grad(mean)(jnp.array([W, B])), exact, rtol=1e-6)


def test_the_command_finds_two_classes(tmp_path):
    table = tmp_path / "lengths.csv"
    lengths = np.random.default_rng(0).normal([3.0, 7.0], 0.4, (100, 2)).ravel()
    table.write_text("\n".join(["length", *map(str, lengths)]))
    script = "from kinetic_nde.cli import app; app()"
    command = [
        sys.executable,
        "-c",
        script,
        "classify",
        str(table),
        "--column",
        "length",
        "--out",
        str(tmp_path / "out"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(kn.__file__).parents[1])
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 4 < report["threshold"] < 6
