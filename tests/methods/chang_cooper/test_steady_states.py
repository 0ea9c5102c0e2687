"""The implicit Fokker-Planck solver and steady states: they stay, and what any step keeps on the way there."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import ndtr

import kinetic_nde as kn
from tests.closed_forms import l1
from tests.methods.chang_cooper.cases import CELLS, often, run
from tests.steady_laws import CUBIC, GENERALISED_GAMMA, IDENTITY, RELU, equation

FAMILIES = {
    "Gaussian": {"which": IDENTITY, "w": -1.0, "b": 0.3, "nu": 1.0},
    "inverse Gamma": {"which": IDENTITY, "w": -1.0, "b": 1.0, "nu": 1.0, "exponent": 1},
    "inverse Gamma, w > 0": {"which": IDENTITY, "w": 0.3, "b": 1.0, "nu": 1.0, "exponent": 1},
    "Pareto tail": {"which": RELU, "w": -1.0, "b": 1.03, "nu": 1.0, "exponent": 1},
    "generalised Gamma": {"which": GENERALISED_GAMMA, "w": 1.0, "b": 0.0, "nu": 1.9, "exponent": 1},
}


WALLED = dict.fromkeys(FAMILIES, (0.0, 8.0)) | {"Gaussian": (-3.0, 5.0)}


@pytest.mark.parametrize("times", [3, pytest.param(84, marks=pytest.mark.slow)])
@pytest.mark.parametrize("t1", [1.0, 1e6])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_steady_state_stays_for_many_steps(name, t1, times):
    law = equation(**FAMILIES[name], walls=WALLED[name])
    start = law.steady_state(kn.Grid(*WALLED[name], CELLS))
    final = often(law, start, t1, times)
    np.testing.assert_allclose(final.values, start.values, rtol=1e-12, atol=1e-12 * float(jnp.max(start.values)))


def entropies(states, steady):
    """sum of u ln(u / M)."""
    states, steady = np.asarray(states), np.asarray(steady)
    ratios = np.where(states > 0, states, 1.0) / np.where(steady > 0, steady, 1e-300)
    return np.sum(np.where(states > 0, states * np.log(ratios), 0.0), axis=1)


@pytest.mark.slow
@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=CELLS, max_size=CELLS).filter(any),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-5, 5), st.floats(-3, 3), st.floats(0.2, 3)),
    exponent=st.sampled_from([0.0, 1.0]),
    t1=st.sampled_from([1e-6, 1e-2, 1.0, 1e2, 1e6]),
)
@settings(max_examples=30)
def test_any_step_keeps_signs_and_mass_and_lowers_the_entropy(heights, which, numbers, exponent, t1):
    law = equation(which, *numbers, exponent=exponent, walls=(0.5, 3.0))
    grid = kn.Grid(0.5, 3.0, CELLS)
    start = kn.Density(grid, heights)
    states = [start.values]
    for share in (0.01, 0.1, 1.0):
        solution = run(law, kn.Density(grid, states[-1]), share * t1, steps=12)
        states.append(solution.final.values)
        assert float(solution.stats["smallest_average"]) >= 0
    states = jnp.stack(states)
    np.testing.assert_allclose(jnp.sum(states, axis=1), jnp.sum(start.values), rtol=1e-12)
    fall = np.diff(entropies(states / jnp.sum(start.values), law.steady_state(grid).values * grid.width))
    assert np.all(fall <= 1e-11), fall


@pytest.mark.parametrize(("cells", "error"), [(CELLS, 1e-2), pytest.param(400, 1e-4, marks=pytest.mark.slow)])
def test_figure_9(cells, error):
    """Identity, w = -1, b = 0, nu^2 = 2 from the uniform density on [-1, -1/2]: N(0, 1), and the mean -3/4 e^-t."""
    law, grid = equation(IDENTITY, -1.0, 0.0, 2**0.5), kn.Grid(-8.0, 8.0, cells)
    start = kn.Density.uniform(-1.0, -0.5, grid)
    final = run(law, start, 12.0).final
    assert l1(final, np.diff(ndtr(np.asarray(grid.faces))) / float(grid.width)) < error
    after = run(law, start, 1.0, tolerance=1e-6)
    assert abs(float(after.final.mean) + 0.27591) < error
    assert float(after.stats["mass_drift"]) < 1e-12


def test_nothing_but_the_wind_crosses_a_zero_of_the_noise():
    grid = kn.Grid(-3.0, 3.0, CELLS)
    start = kn.Density.uniform(-1.0, -0.5, grid)
    still = run(equation(CUBIC, 1.0, 0.0, 1.0, exponent=1), start, 5.0, steps=12).final
    assert float(jnp.sum(still.values[CELLS // 2 :])) == 0
    blown = run(equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1), start, 5.0, steps=12).final
    assert float(jnp.sum(blown.values[: CELLS // 2]) * grid.width) < 0.01
