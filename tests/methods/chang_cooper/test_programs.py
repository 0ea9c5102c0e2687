"""The implicit Fokker-Planck solver in batches and in single precision; mirror images, units."""

import jax
import numpy as np
import pytest

import kinetic_nde as kn
from tests import steady_laws
from tests.methods.chang_cooper.cases import CELLS, run
from tests.steady_laws import IDENTITY, TANH, equation


@pytest.mark.slow
def test_batches_are_their_members():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    final = lambda w, nu: run(equation(TANH, w, 0.3, nu), start, 1.0).final.values
    ws, nus = np.array([-1.0, 2.0, 0.0]), np.array([0.5, 1.5, 0.0])
    alone = [final(w, nu) for w, nu in zip(ws, nus, strict=True)]
    np.testing.assert_allclose(jax.vmap(final)(ws, nus), alone, atol=1e-13)


def single():
    """After enormous steps."""
    law = equation(IDENTITY, -1.0, 1.0, 1.0, exponent=1, walls=(np.float32(0), np.float32(20)), dtype=np.float32)
    start = kn.Density.uniform(np.float32(1), np.float32(2), kn.Grid(np.float32(0), np.float32(20), CELLS))
    return run(law, start, 1e10, steps=12)


def test_float32_stays_float32():
    assert jax.eval_shape(single).final.values.dtype == np.float32


@pytest.mark.slow
def test_float32_has_its_digits_after_enormous_steps():
    solution = single()
    assert solution.final.values.dtype == np.float32
    assert float(solution.stats["mass_drift"]) < 2e-6 and float(solution.stats["smallest_average"]) > 0
    exact = (
        steady_laws.between(steady_laws.inverse_gamma(-1.0, 1.0, 1.0), np.linspace(0.0, 20.0, CELLS + 1)) * CELLS / 20
    )
    difference = np.asarray(solution.final.values) - exact / (exact.sum() * 20 / CELLS)
    assert np.abs(difference).sum() * 20 / CELLS < 1e-5


def test_mirror_images_and_units():
    grid, start = kn.Grid(-3.0, 3.0, CELLS), np.exp(-(np.linspace(-2, 2.5, CELLS) ** 2))
    one = run(equation(TANH, -1.0, 0.4, 0.8), kn.Density(grid, start), 1.0, steps=12).final.values
    other = run(equation(TANH, -1.0, -0.4, 0.8), kn.Density(grid, start[::-1]), 1.0, steps=12).final.values
    np.testing.assert_allclose(other[::-1], one, rtol=1e-11)
    law, metres = equation(IDENTITY, -1.0, 0.4, 0.8), kn.Density(grid, start)
    kilometres = kn.Density(kn.Grid(-3e-3, 3e-3, CELLS), start * 1e3)
    scaled = run(equation(IDENTITY, -1.0, 0.4e-3, 0.8e-3), kilometres, 1.0)
    same = run(law, metres, 1.0)
    assert int(scaled.stats["steps"]) == int(same.stats["steps"])
    np.testing.assert_allclose(scaled.final.values, 1e3 * same.final.values, rtol=1e-9)
