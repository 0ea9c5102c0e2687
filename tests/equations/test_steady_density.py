"""The steady state (22) of a Fokker-Planck equation: closed forms, walls, what it refuses and why."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.integrate import quad

import kinetic_nde as kn
from tests import steady_laws
from tests.steady_laws import COSINE, CUBIC, GENERALISED_GAMMA, IDENTITY, RELU, TANH, between, equation

CELLS = 100
slow = pytest.mark.slow


def apart(law, grid, masses):
    """The largest difference of the averages to exact ones, relative to the largest."""
    exact = masses / float(grid.width)
    return np.max(np.abs(np.asarray(law.steady_state(grid).values) - exact)) / np.max(exact)


# Each law at a few numbers, and (slowly) at many.


@pytest.mark.parametrize(
    ("w", "b", "nu", "ends"),
    [(-1.0, 0.5, 0.8, (-5.0, 5.0)), (-20.0, -3.0, 0.2, (1.5, 4.0)), (-0.05, 2.0, 3.0, (-5.0, -2.0))],
)
def test_gaussian(w, b, nu, ends):
    exact = steady_laws.gaussian(w, b, nu)
    # Also grids that hold one tail, and those that hold next to nothing of the mass.
    low, high = exact.mean() + min(ends) * exact.std(), exact.mean() + (max(ends) + 0.5) * exact.std()
    grid = kn.Grid(low, high, CELLS)
    assert apart(equation(IDENTITY, w, b, nu), grid, between(exact, np.asarray(grid.faces))) < 1e-9


@slow
@settings(max_examples=10)
@given(
    w=st.floats(-20, -0.05),
    b=st.floats(-3, 3),
    nu=st.floats(0.2, 3),
    ends=st.tuples(st.floats(-5, 2), st.floats(-2, 5)),
)
def test_any_gaussian(w, b, nu, ends):
    test_gaussian(w, b, nu, ends)


@pytest.mark.parametrize(
    ("share", "b", "nu", "low"), [(0.49, 1.0, 1.0, 0.0), (-3.0, 0.7, 0.6, 0.1), (0.2, 2.0, 1.5, 1.5)]
)
def test_inverse_gamma_for_every_w_below_half_of_nu_squared(share, b, nu, low):
    """Also 0 <= w < nu^2 / 2, whose mean is infinite; from 0 on and from inside."""
    w = share * nu**2
    exact = steady_laws.inverse_gamma(w, b, nu)
    mode = 2 * b / nu**2 / (2 - 2 * share)
    grid = kn.Grid(low * mode, 8 * mode, CELLS)
    law = equation(IDENTITY, w, b, nu, exponent=1)
    assert apart(law, grid, between(exact, np.asarray(grid.faces))) < 1e-9
    mirrored = equation(IDENTITY, w, -b, nu, exponent=1)
    opposite = mirrored.steady_state(kn.Grid(-8 * mode, -low * mode, CELLS)).values[::-1]
    np.testing.assert_allclose(opposite, law.steady_state(grid).values, rtol=1e-9)


@slow
@settings(max_examples=10)
@given(share=st.floats(-20, 0.49), b=st.floats(0.1, 3), nu=st.floats(0.3, 3), low=st.sampled_from([0.0, 0.1, 1.5]))
def test_any_inverse_gamma(share, b, nu, low):
    test_inverse_gamma_for_every_w_below_half_of_nu_squared(share, b, nu, low)


@pytest.mark.parametrize(
    ("share", "a", "nu", "low"), [(-1.0, 1.3, 1.0, 0.0), (-4.0, 0.567, 0.7, 0.2), (-3.0, 0.22, 0.9, 0.2)]
)
def test_pareto_tail_with_its_kink_anywhere_in_a_cell(share, a, nu, low):
    w = share * nu**2
    exact = steady_laws.ParetoTail(w, -w * a, nu)
    grid = kn.Grid(low, 5.0, CELLS)
    assert apart(equation(RELU, w, -w * a, nu, exponent=1), grid, between(exact, np.asarray(grid.faces))) < 1e-10


@slow
@settings(max_examples=10)
@given(share=st.floats(-5, -0.3), a=st.floats(0.4, 4), nu=st.floats(0.5, 2), low=st.sampled_from([0.0, 0.2]))
def test_any_pareto_tail(share, a, nu, low):
    test_pareto_tail_with_its_kink_anywhere_in_a_cell(share, a, nu, low)


@pytest.mark.parametrize(("delta", "c", "q", "low"), [(0.25, 2.0, 0.3, 0.0), (0.9, 0.4, 6.0, 0.3)])
def test_generalised_gamma_with_any_power_at_0(delta, c, q, low):
    nu = np.sqrt(2 / (delta * (q + 1)))
    exact = steady_laws.generalised_gamma(delta, c, nu)
    grid = kn.Grid(low * exact.median(), 6 * exact.median(), CELLS)
    law = equation(GENERALISED_GAMMA, 1.0, 0.0, nu, exponent=1, delta=delta, c=c)
    assert apart(law, grid, between(exact, np.asarray(grid.faces))) < 1e-6


@slow
@settings(max_examples=10)
@given(delta=st.floats(0.25, 0.95), c=st.floats(0.3, 3), q=st.floats(0.3, 8), low=st.sampled_from([0.0, 0.3]))
def test_any_generalised_gamma(delta, c, q, low):
    test_generalised_gamma_with_any_power_at_0(delta, c, q, low)


@pytest.mark.parametrize("q", [1.0, 3.0])
def test_a_tail_that_falls_late(q):
    """exp(-x^0.05) beats x^(q - 1) at 10^26 and 10^36 only; the exponents before say nothing."""
    delta = 0.05
    test_generalised_gamma_with_any_power_at_0(delta, ((q + 1) / delta) ** (1 / delta), q, 0.0)


@slow
@pytest.mark.parametrize("q", [1.0, 3.0])
def test_a_tail_that_falls_late_of_a_family(q):
    family, law = kn.GeneralizedGammaFamily(), {"p": 0.05, "A": 1.0, "q": q}
    grid = kn.Grid(0.0, 6 * float(family.quantile(law, 0.5)), CELLS)
    found = family.equation(law).steady_state(grid)
    exact = np.diff(family.cdf(law, np.asarray(grid.faces)))
    np.testing.assert_allclose(found.values * grid.width, exact, atol=1e-6 * exact.max())


def test_tanh_by_scipys_quadrature():
    w, b, nu = -0.7, 0.4, 0.9
    # int 2 tanh(w x + b) / nu^2 = 2 ln cosh(w x + b) / (w nu^2).
    density = lambda x: np.exp(2 / (w * nu**2) * np.logaddexp(w * x + b, -w * x - b))
    total = quad(density, -np.inf, np.inf)[0]
    grid = kn.Grid(-1.0, 3.0, CELLS)
    faces = np.asarray(grid.faces)
    exact = [quad(density, low, high)[0] / total for low, high in itertools.pairwise(faces)]
    assert apart(equation(TANH, w, b, nu), grid, np.array(exact)) < 1e-9


def test_between_walls_all_mass_is_on_the_grid():
    """The same function, cut off: also where it has no finite mass without walls."""
    grid = kn.Grid(-1.0, 2.0, CELLS)
    masses = between(steady_laws.gaussian(-1.0, 0.3, 1.0), np.asarray(grid.faces))
    assert apart(equation(IDENTITY, -1.0, 0.3, 1.0, walls=(-1.0, 2.0)), grid, masses / masses.sum()) < 1e-12
    growing = equation(IDENTITY, 1.0, 0.0, 1.0, walls=(-1.0, 2.0)).steady_state(grid)
    exact = [quad(lambda x: np.exp(x**2), *ends)[0] for ends in zip(grid.faces[:-1], grid.faces[1:], strict=True)]
    np.testing.assert_allclose(growing.values * grid.width, exact / np.sum(exact), rtol=1e-10)
    half = equation(IDENTITY, -1.0, 0.3, 1.0, walls=(-1.0, None))
    whole = steady_laws.gaussian(-1.0, 0.3, 1.0)
    assert apart(half, grid, between(whole, np.asarray(grid.faces)) / whole.sf(-1.0)) < 1e-12


def test_a_jacobi_process_has_a_beta_distribution():
    """K^2 = x (1 - x) is 0 at both ends, with a slope: powers of the distance, integrable or not."""

    law = equation(IDENTITY, -1.0, 0.3, 1.0, exponent=0.5, other=0.5)
    grid = kn.Grid(0.0, 1.0, CELLS)
    # 2 v / K^2 nu^2 = 2 b / x - 2 (-w - b) / (1 - x), so that x^{2b - 1} (1 - x)^{-2w - 2b - 1}: Beta(0.6, 1.4).
    assert apart(law, grid, between(stats.beta(0.6, 1.4), np.asarray(grid.faces))) < 1e-9
    with pytest.raises(ValueError, match=r"goes like \|x\|\^-1.2 as x -> 0"):
        equation(IDENTITY, -1.0, -0.1, 1.0, exponent=0.5, other=0.5).steady_state(grid)


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_units_change_nothing(factor):
    grid, other = kn.Grid(0.0, 8.0, CELLS), kn.Grid(0.0, 8.0 * factor, CELLS)
    one = equation(IDENTITY, 0.2, 1.0, 1.0, exponent=1).steady_state(grid)
    same = equation(IDENTITY, 0.2, factor, 1.0, exponent=1).steady_state(other)
    np.testing.assert_allclose(same.values * factor, one.values, rtol=1e-11)


def test_a_zero_of_the_diffusion_cuts_the_line():
    """K = |x| with a drift to the right at 0: all mass ends on the right of it, and nothing comes back."""
    grid = kn.Grid(-1.0, 9.0, CELLS)
    steady = equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1).steady_state(grid)
    exact = between(steady_laws.inverse_gamma(-1.0, 1.0, 1.0), np.maximum(np.asarray(grid.faces), 0))
    np.testing.assert_allclose(steady.values * grid.width, exact, atol=1e-12)
    inside = equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1)
    with pytest.raises(ValueError, match="K = 0 at 0, inside a cell"):
        inside.steady_state(kn.Grid(-1.05, 8.95, CELLS))


def test_two_sides_with_a_steady_state_each_have_no_common_one():
    law = equation(CUBIC, 1.0, 0.0, 0.7, exponent=1)
    with pytest.raises(ValueError, match="does not fix their shares"):
        law.steady_state(kn.Grid(-2.0, 2.0, CELLS))
    right = law.steady_state(kn.Grid(0.0, 5.0, CELLS))
    assert abs(float(right.mass) - 1) < 1e-12


REFUSED = {
    "printed sign of the generalised Gamma": ({"which": IDENTITY, "w": 0.5, "b": -1.0, "exponent": 1}, "as x -> 0"),
    "w = nu^2 / 2": ({"which": IDENTITY, "w": 0.5, "b": 1.0, "exponent": 1}, r"goes like \|x\|\^-1 as x -> inf"),
    "w > nu^2 / 2": ({"which": IDENTITY, "w": 0.75, "b": 1.0, "exponent": 1}, r"goes like \|x\|\^-0.5 as x -> inf"),
    "b < 0 on the right": ({"which": IDENTITY, "w": -1.0, "b": -1.0, "exponent": 1}, "faster than any power as x -> 0"),
    "b = 0": ({"which": IDENTITY, "w": -1.0, "b": 0.0, "exponent": 1}, r"goes like \|x\|\^-4 as x -> 0"),
    "w > 0": ({"which": IDENTITY, "w": 1.0, "b": 0.0}, "faster than any power as x -> -inf"),
    "w = 0": ({"which": IDENTITY, "w": 0.0, "b": 0.0}, r"goes like \|x\|\^0 as x -> -inf"),
    "tanh, w > 0": ({"which": TANH, "w": 1.0, "b": 0.0}, "faster than any power as x -> inf"),
    "growing cosine": ({"which": COSINE, "w": 1.0, "b": 0.0}, "faster than any power as x -> inf"),
    "relu, w > 0": ({"which": RELU, "w": 1.0, "b": -1.0, "exponent": 1}, "faster than any power as x -> inf|as x -> 0"),
    "nu^2 delta = 2": ({"which": GENERALISED_GAMMA, "w": 1.0, "b": 0.0, "exponent": 1, "nu": 2.0}, r"goes like \|x\|\^-1 as x -> 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_finite_mass_is_refused_with_the_exponent(case):
    numbers, reason = REFUSED[case]
    with pytest.raises(ValueError, match=f"cannot be normalised.*({reason})"):
        equation(**{"nu": 1.0, **numbers}).steady_state(kn.Grid(0.0, 8.0, CELLS))


def test_the_refusal_names_the_condition_of_the_family():
    net, grid = kn.SimResNet(0.75, 1.0, kn.Identity()), kn.Grid(1.0, 2.0, CELLS)
    with pytest.raises(ValueError, match=r"needs w < slope\^2 nu\^2 / 2 = 0.5"):
        kn.FokkerPlanck(net, nu=1.0, diffusion=kn.LinearDiffusion()).steady_state(grid)
    with pytest.raises(ValueError, match="needs w < 0"):
        kn.FokkerPlanck(net, nu=1.0).steady_state(grid)


def test_mixed_float_types():
    """They take JAX's result type, as in a solve."""
    single = kn.Grid(np.float32(-5.0), np.float32(5.0), CELLS)
    law = kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=1.0)
    found = law.steady_state(single)
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values, law.steady_state(kn.Grid(-5.0, 5.0, CELLS)).values, atol=1e-12)


def test_bad_input():
    law, grid = equation(IDENTITY, -1.0, 1.0, 1.0), kn.Grid(-5.0, 5.0, CELLS)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda nu: equation(IDENTITY, -1.0, 1.0, nu).steady_state(grid))(1.0)
    with pytest.raises(ValueError, match="nu = 0"):
        equation(IDENTITY, -1.0, 1.0, 0.0).steady_state(grid)
    net = kn.SimResNet(-1.0, 0.0, kn.Identity())
    with pytest.raises(ValueError, match=r"K\(-5\) = -5: only K\^2 counts"):
        kn.FokkerPlanck(net, nu=1.0, diffusion=kn.LinearDiffusion()).steady_state(grid)
    with pytest.raises(ValueError, match="not at the ends of the grid"):
        kn.FokkerPlanck(net, nu=1.0, walls=(-4.0, None)).steady_state(grid)
    with pytest.raises(ValueError, match="for one dimension"):
        kn.FokkerPlanck(kn.SimResNet(-1.0, [0.0, 1.0], kn.Identity()), nu=1.0).steady_state(grid)
    with pytest.raises(ValueError, match="no noise"):
        kn.FokkerPlanck(net, nu=1.0, diffusion=kn.ConstantDiffusion(0.0)).steady_state(grid)
    with pytest.raises(ValueError, match="must give that shape"):
        kn.FokkerPlanck(net, nu=1.0, diffusion=lambda x: jnp.stack([x, x])).steady_state(grid)
    with pytest.raises(TypeError, match="grid"):
        law.steady_state(100)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="has no mass on the grid"):
        law.steady_state(kn.Grid(90.0, 100.0, CELLS))


def test_a_field_that_depends_on_time_needs_one():
    layers = kn.FokkerPlanck(kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [-1.0, -2.0]), 0.0, kn.Identity()), nu=1.0)
    grid = kn.Grid(-5.0, 5.0, CELLS)
    with pytest.raises(ValueError, match="depends on time"):
        layers.steady_state(grid)
    for t, w in ((0.5, -1.0), (1.5, -2.0)):
        exact = between(steady_laws.gaussian(w, 0.0, 1.0), np.asarray(grid.faces))
        np.testing.assert_allclose(layers.steady_state(grid, t=t).values * grid.width, exact, atol=1e-12)


@pytest.mark.slow
def test_float32():
    law = equation(IDENTITY, 0.2, 1.0, 1.0, exponent=1, dtype=np.float32)
    grid = kn.Grid(np.float32(0), np.float32(8), CELLS)
    steady = law.steady_state(grid)
    exact = between(steady_laws.inverse_gamma(0.2, 1.0, 1.0), np.linspace(0.0, 8.0, CELLS + 1)) * CELLS / 8
    assert steady.values.dtype == np.float32
    np.testing.assert_allclose(steady.values, exact, atol=3e-5 * exact.max())
