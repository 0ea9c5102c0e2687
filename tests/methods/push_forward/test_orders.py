"""Fourth order: in space where fields are not linear, in time where they depend on it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import norm

import kinetic_nde as kn
from kinetic_nde.methods.method import Times
from kinetic_nde.methods.push_forward import _Span, _steps
from tests.closed_forms import order
from tests.methods.push_forward.cases import CELLS, FEWER, distance, equation, read, run, turned, turning
from tests.steady_laws import COSINE, TANH


def nystrom(which, w, b, eps, nu, z, start):
    """The masses below given places by another way: G^k g at 1501 points, integrated by the trapezoidal rule."""
    x = np.linspace(-7.0, 7.0, 1501)
    y = w * x + b
    target = x + eps * {TANH: np.tanh(y), COSINE: y * np.cos(y)}[which]
    spread, dx = eps**0.5 * nu, x[1] - x[0]
    kernel = norm.pdf((x[:, None] - target) / spread) / spread * dx
    g, mixed = start.pdf(x), 0.0
    for k in range(1, 40):
        mixed = mixed + np.exp(k * np.log(z) - z - gammaln(k + 1)) * g
        g = kernel @ g

    def below(faces):
        return np.exp(-z) * start.cdf(faces) + norm.cdf((faces[:, None] - target) / spread) @ mixed * dx

    return below


FIELDS = [(TANH, 2.0, 0.3, 0.3), (TANH, -3.0, 0.5, 1.0), (COSINE, 1.0, 0.2, 1.0)]


@pytest.mark.parametrize(
    ("cells", "reaches", "last"),
    [(CELLS, (10.0, 8.0, 6.5), 1e-3), pytest.param(200, (20.0, 12.0, 7.0), 5e-6, marks=pytest.mark.slow)],
    ids=["few cells", "many cells"],
)
@pytest.mark.parametrize(("which", "w", "b", "eps"), FIELDS)
def test_order_of_nonlinear_fields(which, w, b, eps, cells, reaches, last):
    """Fourth order, also where T is not monotone. Finer grids are smaller ones: one compiled program."""
    errors, start = [], norm(0.3, 0.7)
    law, below = equation(which, w, b, eps, 0.6), nystrom(which, w, b, eps, 0.6, 2.0, start)
    for reach in reaches:
        grid = kn.Grid(-reach, reach, cells)
        g0 = kn.Density(grid, np.diff(start.cdf(np.asarray(grid.faces))) / float(grid.width))
        exact = np.diff(below(np.asarray(grid.faces))) / float(grid.width)
        errors.append(float(jnp.sum(jnp.abs(run(law, g0, 2.0).final.values - exact)) * grid.width))
    assert 3.8 < order(1 / np.array(reaches), errors) < 4.2, errors
    assert errors[-1] < last


def test_each_stage_has_the_field_of_its_own_time():
    """Four steps in each of two spans; with the middle and the end of a step exchanged the moments are off by a tenth."""
    start = kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, FEWER))
    solution = run(turning(2.0, 1.0), start, 1.0, 4, max_steps=10)
    np.testing.assert_allclose(read(solution.final), turned(2.0, 1.0, 1.0, 0.5, 0.89), rtol=0, atol=3e-3)


@pytest.mark.slow
def test_fourth_order_in_time():
    """By the same program for any number of steps: 4 in each part of the time."""
    start = kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, FEWER))

    def often(parts):
        density = start
        for t0, t1 in zip(np.arange(parts) / parts, np.arange(1, parts + 1) / parts, strict=True):
            density = run(turning(2.0, 1.0), density, 2 * t1, 4, t0=2 * t0, max_steps=10).final
        return density

    precise = often(32)
    errors = [distance(often(parts), precise) for parts in (4, 8, 16)]
    assert 3.8 < order((4, 8, 16), errors) < 4.3, errors
    # Three spans of four steps, with kinks at 0.4 and 1 between them, of which ten reach the middle of the third.
    early = run(turning(2.0, 1.0), start, 1.4, 4, max_steps=10, throw=False)
    assert early.result == kn.Result.max_steps_reached and int(early.stats["steps"]) == 10
    middle = run(turning(2.0, 1.0), start, 1.0, 4, max_steps=10).final
    there = run(turning(2.0, 1.0), middle, 1.2, 4, t0=1.0, max_steps=10).final
    np.testing.assert_allclose(early.final.values, there.values, atol=1e-3)


def test_how_many_steps_there_are():
    """By default 32 and 10 for each collision, and with a limit a part of the way."""
    start = kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, FEWER))
    zero, end = jnp.zeros(()), jnp.ones(())
    whole = _Span(turning(2.0, 1.0), start.grid, zero, end, Times(zero, end, None), 2.05 * end, zero, None)
    assert float(_steps(whole, None, None).rounds) == 32 + 21
    assert float(_steps(whole, 4, None).rounds) == 4
    assert float(_steps(whole._replace(collisions=zero), None, None).rounds) == 0
    part = _steps(whole, 4, 3 * end)
    np.testing.assert_allclose([part.rounds, part.end, part.collisions], [3, 0.75, 0.75 * 2.05])


@pytest.mark.slow
@pytest.mark.parametrize("eps", [1.0, 0.2])
def test_fields_that_turn_to_1e_6_by_default(eps):
    solution = run(turning(1 / eps, eps), kn.Density.gaussian(0.5, 0.8, kn.Grid(-7.0, 7.0, CELLS)), 1.0)
    np.testing.assert_allclose(read(solution.final), turned(1 / eps, eps, 1.0, 0.5, 0.89), rtol=0, atol=1e-6)
    # In each of two spans between knots.
    assert int(solution.stats["steps"]) == 64 + 10 * round(1 / eps)
