"""Collisions with wrong input."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.collisions import cases
from tests.methods.collisions.cases import COMPROMISE, STEPS, binary, linear, solved
from tests.methods.collisions.path_cases import KEY, PAIRS, START, tanh_law


@pytest.mark.parametrize("name", ["epsilon", "rate"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_numbers_out_of_bounds(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and > 0, got {value}"):
        tanh_law(**{name: value})
    with pytest.raises(ValueError, match=f"{name} must be finite and > 0"):
        kn.BinaryBoltzmann(PAIRS, **{name: value})
    # As if it were traced, when it is seen by the program only.
    for law in (linear(-0.7, 0.3, 0.3, 0.8), binary(COMPROMISE, np.zeros(2))):
        wrong = eqx.tree_at(lambda law: getattr(law, name), law, jnp.array(value))
        assert solved(wrong, throw=False).result == kn.Result.bad_equation


@pytest.mark.slow
@pytest.mark.parametrize("name", ["epsilon", "rate"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_traced_numbers_out_of_bounds(name, value):
    traced = jax.jit(lambda value: kn.solve(tanh_law(**{name: value}), START, t1=1.0, key=KEY, throw=False))(value)
    assert traced.result == kn.Result.bad_equation


def test_wrong_equations():
    with pytest.raises(ValueError, match="nu is the strength of the noise"):
        tanh_law(nu=-0.1)
    with pytest.raises(ValueError, match=r"epsilon is a number, got shape \(2,\)"):
        tanh_law(epsilon=[0.1, 0.2])
    with pytest.raises(TypeError, match=r"kn.NormalNoise\(\) or kn.UniformNoise\(\)"):
        tanh_law(noise=0.3)
    with pytest.raises(TypeError, match="a field is"):
        kn.Boltzmann(1.0)
    with pytest.raises(TypeError, match="a field is"):
        kn.Boltzmann(kn.SimResNet)
    with pytest.raises(ValueError, match="dimension 2, got one of dimension 1"):
        kn.BinaryBoltzmann(kn.SimResNet(1.0, 0.0, kn.Tanh()))


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="random: give key="):
        kn.solve(tanh_law(), START, t1=1.0)
    with pytest.raises(ValueError, match="BinaryBoltzmann on an Ensemble is random"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), START, t1=1.0)
    with pytest.raises(ValueError, match="field has dimension 2 and the ensemble 1"):
        kn.solve(tanh_law(PAIRS), START, t1=1.0, key=KEY)
    with pytest.raises(ValueError, match="particles on a line, the ensemble has dimension 2"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Ensemble(jnp.zeros((10, 2))), t1=1.0, key=KEY)
    with pytest.raises(ValueError, match="two particles at least"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Ensemble([1.0]), t1=1.0, key=KEY)
    with pytest.raises(TypeError, match="possible initial distributions: Ensemble"):
        kn.solve(kn.BinaryBoltzmann(PAIRS), kn.Density.gaussian(0.0, 1.0, kn.Grid(-5.0, 5.0, 20)), t1=1.0, key=KEY)
    with pytest.raises(TypeError, match="Collisions does not solve MeanField"):
        kn.solve(kn.MeanField(PAIRS), kn.Ensemble(jnp.zeros((10, 2))), t1=1.0, method=kn.Collisions())
    with pytest.raises(TypeError, match="possible: kn.Collisions"):
        kn.solve(tanh_law(), START, t1=1.0, key=KEY, method=kn.Particles(solver=diffrax.Heun()))
    with pytest.raises(ValueError, match="steps must be at least 1"):
        kn.Collisions(steps=0)
    with pytest.raises(ValueError, match="must give velocities of that shape"):
        kn.solve(kn.BinaryBoltzmann(lambda t, z: z[0]), START, t1=1.0, key=KEY)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(2,\)"):
        law = kn.Boltzmann(PAIRS, nu=0.1, diffusion=lambda x: x[0])
        kn.solve(law, kn.Ensemble(jnp.ones((10, 2))), t1=1.0, key=KEY)


def test_steps_that_are_too_long():
    """Ten in each of two spans."""
    law = lambda rate: linear(-0.7, 0.3, 0.3, 0.8, rate)
    with pytest.raises(RuntimeError, match="probability above 1"):
        solved(law(20.0 + 1e-12), method=STEPS)
    solved(law(20.0), method=STEPS)
    # The longest time between two events counts.
    with pytest.raises(RuntimeError, match="probability above 1"):
        solved(law(20.0), method=STEPS, t0=1.0, saveat=(1.1, 2.0))
    # 0.4 - 0.3 is above 0.1 by rounding.
    solved(law(100.0), method=STEPS, t0=0.2, saveat=(0.3, 0.4))
    # Of an odd number of particles one is left over: a pair would have to collide more often than in each step.
    law = lambda rate: binary(COMPROMISE, np.zeros(2), 0.5, rate)
    with pytest.raises(RuntimeError, match="probability above 1"):
        solved(law(20.0), method=STEPS)
    solved(law(20.0 * (cases.MANY - 1) / cases.MANY), method=STEPS)


@pytest.mark.slow
def test_steps_that_are_too_long_for_other_numbers_of_them():
    with pytest.raises(RuntimeError, match="probability above 1"):
        kn.solve(tanh_law(rate=10.0), START, t1=1.0, key=KEY, method=kn.Collisions(steps=9))
    kn.solve(tanh_law(rate=10.0), START, t1=1.0, key=KEY, method=kn.Collisions(steps=10))
    # The longest time between two events counts.
    with pytest.raises(RuntimeError, match="probability above 1"):
        kn.solve(tanh_law(rate=10.0), START, t1=1.0, saveat=[0.1, 1.0], key=KEY, method=kn.Collisions(steps=5))
    # 0.4 - 0.3 is above 0.1 by rounding.
    kn.solve(tanh_law(rate=10.0), START, t1=0.4, saveat=[0.1, 0.2, 0.3, 0.4], key=KEY, method=kn.Collisions(steps=1))
    # Of three particles one is left over: the pair would have to collide more often than in each step.
    with pytest.raises(RuntimeError, match="probability above 1"):
        three = kn.Ensemble([1.0, 2.0, 3.0])
        kn.solve(kn.BinaryBoltzmann(PAIRS), three, t1=1.0, key=KEY, method=kn.Collisions(steps=1))
