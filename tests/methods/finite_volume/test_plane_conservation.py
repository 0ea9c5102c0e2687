"""Two dimensions: mass, positivity, walls and corners, open ends, exchange of axes and the length of steps."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import kinetic_nde as kn
from tests.methods.finite_volume.any_activation import IDENTITY, TANH
from tests.methods.finite_volume.plane_cases import MEAN, STD, W, gaussian, moved, moved_with_noise, steady

# Cells along each axis, the same in nearly all tests: each shape is a program.
SHAPE = (24, 32)


@settings(max_examples=8, derandomize=True, deadline=None)
@given(st.integers(0, 10**6))
def test_mass_and_positivity_on_rough_data_between_walls(seed):
    random = np.random.default_rng(seed)
    values = random.uniform(size=SHAPE) ** 8 * (random.uniform(size=SHAPE) < 0.5)
    start = kn.Density(kn.Grid((-1.0, 0.0), (1.0, 3.0), SHAPE), values)
    field = steady(TANH, random.normal(size=(2, 2)) * 2, random.normal(size=2))
    solution = moved(field, start, 1.0, ((-1.0, 1.0), (0.0, 3.0)))
    assert solution.stats["mass_drift"] < 1e-12 and solution.stats["mass_lost"] == 0
    assert solution.stats["smallest_average"] >= -1e-16 * np.max(values)


@pytest.mark.parametrize("signs", [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)])
def test_what_is_pushed_into_a_corner_stays_there(signs):
    field, ends = steady(TANH, np.eye(2), 3.0 * np.array(signs)), ((-2.0, -2.0), (2.0, 2.0))
    start = gaussian(np.zeros(2), np.full(2, 0.3), kn.Grid(*ends, SHAPE))
    final = moved(field, start, 8.0, tuple(zip(*ends, strict=True))).final
    corner = tuple(-1 if sign > 0 else 0 for sign in signs)
    assert float(final.values[corner] * final.grid.volume) == pytest.approx(float(start.mass), abs=1e-3)


@pytest.mark.parametrize("cells", [SHAPE, pytest.param((90, 120), marks=pytest.mark.slow)])
@pytest.mark.parametrize("signs", [(1.0, 1.0), (-1.0, -1.0)], ids=["upper ends", "lower ends"])
def test_open_ends_lose_what_the_closed_form_says(cells, signs):
    """Translation by (1, 1/2): what is beyond the upper end of either axis has left; and the mirror image of that."""
    field = steady(IDENTITY, np.zeros((2, 2)), np.array([1.0, 0.5]) * signs)
    ends = ((-3.0, -3.0), (1.5, 3.0)) if signs[0] > 0 else ((-1.5, -3.0), (3.0, 3.0))
    start = gaussian(np.zeros(2), np.full(2, 0.5), kn.Grid(*ends, cells))
    solution = moved(field, start, 1.0)
    # The axes are independent.
    stays = norm.cdf(0.5 / 0.5) * norm.cdf(2.5 / 0.5)
    coarser = (90 / cells[0]) ** 3
    assert float(solution.stats["mass_lost"]) == pytest.approx(float(start.mass) - stays, abs=2e-4 * coarser)
    assert solution.stats["mass_drift"] < 1e-12


def test_exchange_of_axes_and_mirror_images():
    # A bias with which no edge has an average wind of 0, whose sign, and with it the side that counts, would be rounding's.
    bias = np.array([0.217, -0.113])

    def final(w, b, start):
        return np.asarray(moved(steady(IDENTITY, w, b), start, 0.3).final.values)

    start = gaussian(MEAN, STD, kn.Grid((-4.0, -3.0), (4.0, 3.0), SHAPE))
    values = np.asarray(start.values)
    once = final(W, bias, start)
    swap, swapped = np.array([[0.0, 1.0], [1.0, 0.0]]), kn.Grid((-3.0, -4.0), (3.0, 4.0), SHAPE[::-1])
    exchanged = final(swap @ W @ swap, swap @ bias, kn.Density(swapped, values.T))
    np.testing.assert_allclose(exchanged.T, once, rtol=1e-10, atol=1e-13)
    mirror = np.diag([-1.0, 1.0])
    mirrored = final(mirror @ W @ mirror, mirror @ bias, kn.Density(start.grid, values[::-1]))
    np.testing.assert_allclose(mirrored[::-1], once, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("nu", [None, 0.1], ids=["wind", "noise"])
def test_the_limits_of_both_axes_and_of_noise_add(nu):
    """1 / dt = (|v_x| / dx + |v_y| / dy + D_x / dx^2 + D_y / dy^2) / 0.45, D = nu^2 K^2 / 2."""
    box, uniform = kn.Grid((0.0, 0.0), (1.0, 2.0), SHAPE), np.full(SHAPE, 0.5)
    field, start = steady(IDENTITY, np.zeros((2, 2)), [1.0, -2.0]), kn.Density(box, uniform)
    nx, ny = SHAPE[0], SHAPE[1] / 2
    rate = nx + 2 * ny + (0.0 if nu is None else 0.005 * nx**2 + 0.25 * 0.005 * ny**2)
    solution = moved(field, start, 0.9) if nu is None else moved_with_noise(field, start, 0.9, nu, np.array([1.0, 0.5]))
    assert int(solution.stats["steps"]) == np.ceil(0.9 * rate / 0.45 - 1e-3)
