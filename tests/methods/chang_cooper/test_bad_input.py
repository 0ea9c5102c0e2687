"""The implicit Fokker-Planck solver: failures, wrong input."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.chang_cooper.cases import CELLS, run
from tests.steady_laws import TANH, equation


@pytest.mark.slow
def test_a_limit_of_five_steps():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    early = run(equation(TANH, -1.0, 0.3, 0.5), start, 1.0, max_steps=5, throw=False)
    assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) == 5


def test_failures_are_results():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    broken = eqx.tree_at(lambda law: law.field.w, equation(TANH, -1.0, 0.3, 0.5), jnp.array(np.nan))
    for steps in (None, 12):
        assert run(broken, start, 1.0, steps, throw=False).result == kn.Result.not_finite
    # Far from t = 0 the steps that a jump needs are not resolved.
    jump = kn.Density.uniform(0.0, 0.1, kn.Grid(-4.0, 4.0, CELLS))
    late = run(equation(TANH, -1.0, 0.3, 0.5), jump, 1e16 + 10.0, tolerance=1e-8, t0=1e16, throw=False)
    assert late.result == kn.Result.stalled


def test_bad_input():
    grid = kn.Grid(-4.0, 4.0, CELLS)
    start, net = kn.Density.gaussian(0.5, 0.4, grid), kn.SimResNet(-1.0, 0.3, kn.Identity())
    for bad in ({"tolerance": 0.0}, {"tolerance": [1e-3, 1e-4]}, {"steps": 0}, {"steps": 1.5}, {"tolerance": "fine"}):
        with pytest.raises((ValueError, TypeError)):
            kn.ChangCooper(**bad)
    with pytest.raises(ValueError, match="K must be finite and not negative"):
        run(kn.FokkerPlanck(net, 1.0, kn.LinearDiffusion()), start, 1.0)
    with pytest.raises(ValueError, match="not at the ends of the grid"):
        run(kn.FokkerPlanck(net, 1.0, walls=(-1.0, 1.0)), start, 1.0)
    with pytest.raises(ValueError, match="dimension 2"):
        run(kn.FokkerPlanck(kn.SimResNet(1.0, [0.0, 1.0], kn.Tanh()), 1.0), start, 1.0)
    with pytest.raises(TypeError, match=r"CheckpointAdjoint\(\) or kn.ForwardMode\(\)"):
        run(equation(TANH, -1.0, 0.3, 0.5), start, 1.0, adjoint=kn.TransportAdjoint())
    with pytest.raises(TypeError, match="does not solve MeanField"):
        run(kn.MeanField(net), start, 1.0)
