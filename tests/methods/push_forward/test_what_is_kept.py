"""Signs, mass, what leaves at open ends, and that solutions do not move apart."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm, poisson

import kinetic_nde as kn
from tests.methods.push_forward.cases import CELLS, distance, equation, run
from tests.steady_laws import IDENTITY, RELU


@given(
    heights=st.lists(st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0, 50.0]), min_size=CELLS, max_size=CELLS).filter(any),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-5, 5), st.floats(-3, 3), st.sampled_from([1.0, 0.1, 1e-3])),
    nu=st.sampled_from([0.0, 1e-200, 1e-9, 1e-3, 0.3, 10.0]),
    exponent=st.sampled_from([0.0, 0.5, 1.0]),
    t1=st.sampled_from([0.0, 1e-6, 1.0, 30.0]),
)
@settings(max_examples=40)
def test_averages_stay_positive_and_what_leaves_is_counted(heights, which, numbers, nu, exponent, t1):
    law = equation(which, *numbers, nu=nu, exponent=exponent)
    solution = run(law, kn.Density(kn.Grid(-1.0, 2.0, CELLS), heights), t1)
    assert float(solution.stats["smallest_average"]) >= 0 and float(solution.stats["mass_lost"]) >= 0
    assert float(solution.stats["mass_drift"]) < 1e-12


@pytest.mark.parametrize("w", [-1.0, -2.0, 0.5])
def test_rule_18_with_a_kink(w):
    """ReLU from a uniform density and from a point. With w = -1, b = 0.5 what is below 0.5 is carried to 0.5, and stays."""
    grid = kn.Grid(-3.0, 6.0, CELLS)
    for start in (kn.Density.uniform(-1.0, 0.35, grid), kn.Density.dirac(-0.3, grid)):
        solution = run(equation(RELU, w, 0.5), start, 3.0)
        values = np.asarray(solution.final.values) * float(grid.width)
        assert values.min() >= 0 and float(solution.stats["mass_drift"]) < 1e-12
        if w == -1.0:
            cell = int((0.5 + 3.0) / float(grid.width))
            # The mean at 0.5 - (0.5 - m) e^-3, and the mass of what has been hit where it should be.
            assert abs(values[cell - 1 : cell + 2].sum() - (1 - np.exp(-3.0))) < 0.02
            assert values[cell + 2 :].sum() < 1e-12


def test_open_ends_lose_what_goes_there():
    """A collision moves everything by 12 of 60 cells: k of them leave a share of (1 - k / 5)_+ of a uniform density."""
    start = kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, CELLS))
    for sign in (1.0, -1.0):
        k = np.arange(6)
        for t1 in (0.4, 1.7):
            solution = run(equation(IDENTITY, 0.0, 0.2 * sign), start, t1)
            inside = poisson.pmf(k, t1) @ (1 - k / 5)
            np.testing.assert_allclose(solution.final.mass, inside, atol=1e-12)
            assert abs(float(solution.stats["mass_lost"]) - (1 - inside)) < 1e-12
    noisy = run(equation(IDENTITY, -1.0, 0.2, nu=0.5), start, 1.7)
    # T = 0.2 for all: the first collision leaves inside what is inside of N(0.2, 0.5^2), and each further one as much of it.
    share = norm.cdf(0.8 / 0.5) - norm.cdf(-0.2 / 0.5)
    assert abs(float(noisy.final.mass) - np.exp(-1.7 * (1 - share))) < 1e-10


@given(
    pairs=st.lists(st.tuples(*2 * [st.sampled_from([0.0, 0.0, 1e-8, 0.3, 1.0])]), min_size=CELLS, max_size=CELLS),
    which=st.integers(0, 5),
    numbers=st.tuples(st.floats(-2, 2), st.floats(-1, 1)),
    nu=st.sampled_from([0.0, 0.05, 1.0]),
)
@settings(max_examples=25)
def test_solutions_do_not_move_apart(pairs, which, numbers, nu):
    """In L1 G brings parabolas no further apart. Averages may be, by what a reconstruction adds where they differ in
    single cells."""
    one, other = np.array(pairs).T + 0.01
    grid = kn.Grid(-1.0, 2.0, CELLS)
    one, other = kn.Density(grid, one), kn.Density(grid, other)
    law = equation(which, *numbers, nu=nu)
    after = distance(run(law, one, 1.0).final, run(law, other, 1.0).final)
    assert after <= 1.2 * distance(one, other) + 1e-12
    # Nothing to speak of where they are smooth.
    one, other = kn.Density.gaussian(0.3, 0.3, grid), kn.Density.gaussian(0.7, 0.35, grid)
    after = distance(run(law, one, 1.0).final, run(law, other, 1.0).final)
    assert after <= 1.0001 * distance(one, other)
