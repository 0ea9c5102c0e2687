"""One program for all numbers, for batches and in single precision; mirror images, units."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from tests.methods.push_forward.cases import CELLS, UNIFORM, equation, run
from tests.steady_laws import IDENTITY, TANH


class Counted(eqx.Module):
    """tanh(w x + b), which counts how often it is traced."""

    w: jax.Array
    b: jax.Array
    traces: list = eqx.field(static=True)
    autonomous: bool = eqx.field(static=True, default=True)

    def __call__(self, t, x):
        self.traces.append(1)
        return jnp.tanh(self.w * x + self.b)


@pytest.mark.slow
def test_batches_are_their_members():
    start = kn.Density.gaussian(0.5, 0.4, kn.Grid(-4.0, 4.0, CELLS))
    final = lambda w, b, nu, rate: run(equation(TANH, w, b, 0.5, nu, rate), start, 1.0).final.values
    cases = np.array([[-1.0, 0.3, 0.5, 1.0], [2.0, -0.4, 0.0, 7.0], [0.0, 0.1, 1.5, 0.2]])
    alone = [final(*case) for case in cases]
    np.testing.assert_allclose(jax.vmap(final)(*cases.T), alone, atol=1e-13)


SINGLE = [(-1.0, 0.2, 0.5, 2.0), (-1.0, 0.2, 0.0, 2.0), (-0.5, 0.2, 0.6, 200.0), (-1.0, 0.2, 1e-30, 1.0)]


def narrow_and_wide():
    return (
        kn.Density.gaussian(each(0.5), each(0.6), kn.Grid(each(-4), each(4), CELLS))
        for each in (np.float32, np.float64)
    )


def test_float32_stays_float32():
    narrow, _ = narrow_and_wide()
    found = jax.eval_shape(lambda: run(equation(TANH, -1.0, 0.2, 0.5, 0.5, 2.0, dtype=np.float32), narrow, 1.0))
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(found.final))


@pytest.mark.slow
def test_float32_has_its_digits_and_numbers_do_not_retrace():
    (narrow, wide), traces, counts, field = narrow_and_wide(), [], [], None
    for w, b, nu, rate in SINGLE:
        field = Counted(jnp.float32(w), jnp.float32(b), traces)
        law = kn.Boltzmann(field, np.float32(0.5), np.float32(nu), rate=np.float32(rate), noise=UNIFORM)
        solution = run(law, narrow, 1.0)
        values = np.asarray(solution.final.values)
        assert values.dtype == np.float32 and np.all(np.isfinite(values)) and solution.stats["mass_drift"] < 1e-6
        exact = np.asarray(run(equation(TANH, w, b, 0.5, nu, rate, noise=UNIFORM), wide, 1.0).final.values)
        np.testing.assert_allclose(values, exact, atol=2e-4 * float(np.max(exact)))
        counts.append(len(traces))
    other = kn.Density(kn.Grid(np.float32(-2), np.float32(3), CELLS), narrow.values)
    run(kn.Boltzmann(field, np.float32(0.1), np.float32(0.2), noise=UNIFORM), other, 2.0)
    assert counts[0] > 0 and [*counts, len(traces)] == [counts[0]] * 5


@pytest.mark.slow
def test_derivatives_in_float32_are_finite():
    start, wide = narrow_and_wide()

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def square(w, b, nu, rate):
        law = kn.Boltzmann(kn.SimResNet(w, b, kn.Tanh()), np.float32(0.5), nu, rate=rate)
        solution = run(law, start, np.float32(1.0))
        return jnp.sum(solution.final.values**2), (solution.final.values, solution.stats["mass_drift"])

    for numbers in SINGLE:
        w, b, nu, rate = numbers
        (_, (values, drift)), slope = square(*map(np.float32, numbers))
        assert values.dtype == np.float32 and np.all(np.isfinite(values)) and np.isfinite(slope) and drift < 1e-6
        exact = run(equation(TANH, w, b, 0.5, nu, rate), wide, 1.0).final.values
        np.testing.assert_allclose(values, exact, atol=2e-4 * float(jnp.max(exact)))


def test_mirror_images_and_units():
    grid, start = kn.Grid(-3.0, 3.0, CELLS), np.exp(-(np.linspace(-2, 2.5, CELLS) ** 2))
    one = run(equation(TANH, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, start), 1.0).final.values
    other = run(equation(TANH, -1.0, -0.4, 0.5, 0.8), kn.Density(grid, start[::-1]), 1.0).final.values
    np.testing.assert_allclose(other[::-1], one, atol=1e-13)
    metres = run(equation(IDENTITY, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, start), 1.0).final.values
    for factor in (1e-3, 1e12):
        other = kn.Density(kn.Grid(-3.0 * factor, 3.0 * factor, CELLS), start / factor)
        scaled = run(equation(IDENTITY, -1.0, 0.4 * factor, 0.5, 0.8 * factor), other, 1.0).final.values
        np.testing.assert_allclose(factor * scaled, metres, atol=1e-12)
    twice = run(equation(IDENTITY, -1.0, 0.4, 0.5, 0.8), kn.Density(grid, 2e-30 * start), 1.0).final.values
    np.testing.assert_allclose(twice, 2e-30 * metres, atol=1e-42)
