"""Limits of steps, wrong input, and traced numbers that are out of bounds."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.push_forward.cases import CELLS, equation, read, run, turned, turning
from tests.steady_laws import TANH


@pytest.mark.slow
def test_a_limit_of_steps_ends_it_where_the_solution_is_whole():
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-4.0, 4.0, CELLS))
    law = equation(TANH, -1.0, 0.3, 0.2, 0.6, 5.0)
    early = run(law, start, 10.0, max_steps=60, throw=False)
    assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) <= 60
    # z + 8 z^(1/2) + 14 = 60 for z = (62^(1/2) - 4)^2
    same = run(law, start, (math.sqrt(62) - 4) ** 2 / 5)
    np.testing.assert_allclose(early.final.values, same.final.values, atol=1e-13)
    none = run(law, start, 10.0, max_steps=5, throw=False)
    np.testing.assert_allclose(none.final.values, start.values, rtol=1e-14)
    start = kn.Density.gaussian(0.5, 0.5, kn.Grid(-4.0, 4.0, 30))
    half = run(turning(2.0, 1.0), start, 0.4, 4, max_steps=3, throw=False)
    assert half.result == kn.Result.max_steps_reached and int(half.stats["steps"]) == 3
    np.testing.assert_allclose(read(half.final), turned(2.0, 1.0, 0.3, 0.5, 0.5), atol=1e-3)


def test_bad_input():
    grid = kn.Grid(-4.0, 4.0, CELLS)
    start, net = kn.Density.gaussian(0.5, 0.4, grid), kn.SimResNet(-1.0, 0.3, kn.Identity())
    assert kn.solve(equation(TANH, -1.0, 0.3), start, t1=1.0).result == kn.Result.successful
    for bad in ({"steps": 0}, {"steps": 1.5}, {"steps": True}):
        with pytest.raises((ValueError, TypeError), match="steps must be"):
            kn.PushForward(**bad)
    with pytest.raises(ValueError, match="the field has dimension 2 and the grid 1"):
        run(kn.Boltzmann(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh())), start, 1.0)
    with pytest.raises(TypeError, match=r"CheckpointAdjoint\(\) or kn.ForwardMode\(\)"):
        run(equation(TANH, -1.0, 0.3), start, 1.0, adjoint=kn.TransportAdjoint())
    with pytest.raises(TypeError, match="does not solve MeanField"):
        run(kn.MeanField(net), start, 1.0)
    with pytest.raises(TypeError, match="PushForward does not solve Boltzmann for a Ensemble; possible: kn.Collisions"):
        run(kn.Boltzmann(net), kn.Ensemble([0.0, 1.0]), 1.0, key=jax.random.key(0))
    with pytest.raises(TypeError, match="no method solves BinaryBoltzmann for a Density"):
        kn.solve(kn.BinaryBoltzmann(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh())), start, t1=1.0)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(\)"):
        run(kn.Boltzmann(net, diffusion=lambda x: jnp.stack([x, x])), start, 1.0)
    with pytest.raises(RuntimeError, match="no longer finite"):
        run(eqx.tree_at(lambda law: law.field.w, equation(TANH, -1.0, 0.3), jnp.array(np.nan)), start, 1.0)


@pytest.mark.parametrize("name", ["rate", "epsilon", "nu"])
def test_traced_numbers_out_of_bounds_are_results(name):
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    law = equation(TANH, -1.0, 0.3, 0.5, 0.4)
    for bad in (-1.0, np.inf, np.nan):
        wrong = eqx.tree_at(lambda law: getattr(law, name), law, jnp.array(bad))
        assert run(wrong, start, 1.0, throw=False).result == kn.Result.bad_equation
