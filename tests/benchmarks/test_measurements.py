"""What the benchmarks measure, and how they judge and add it up."""

import shutil
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from benchmarks import accuracy, boltzmann, c_loop, cost, flows, forward, gradient, kinetic, moons, noise, problem, ways
from benchmarks.layouts import LAYOUTS, arguments, steps_of
from benchmarks.table import Table
from tests import closed_forms


def test_the_law_that_is_compared_with_is_the_closed_form():
    w, b, nu, start = -1.0, 0.4, 0.7, noise.START
    mean = (start + b / w) * np.exp(w) - b / w
    np.testing.assert_allclose(noise.exact(lambda t: w, False), (mean, nu**2 * np.expm1(2 * w) / (2 * w)), rtol=1e-9)
    # K = x: m2' = a m2 + 2 b m1, whose solution with a constant mean -b/w and what decays from it is known.
    a, far = 2 * w + nu**2, start + b / w
    second = np.exp(a) * (start**2 + 2 * b * (far * np.expm1(w - a) / (w - a) + b / w * np.expm1(-a) / a))
    np.testing.assert_allclose(noise.exact(lambda t: w, True), (mean, second - mean**2), rtol=1e-9)


def test_a_wrong_gradient_is_not_timed():
    """Of a square: what is compared is numbers, and those of a solve only take longer to compile."""
    case = ways.Case((jnp.array([1.0, 2.0]),))
    square = lambda theta: jnp.sum(theta**2)
    few: dict[str, Any] = {ways.FORWARD: square, ways.CHECKPOINT: jax.value_and_grad(square)}

    def incorrect(theta):
        value, gradient = few[ways.CHECKPOINT](theta)
        return value, gradient * (1 + 1e-8)

    assert cost.measure(case, {**few, ways.PLAIN: few[ways.CHECKPOINT]}, 0, 1e-3, wide_only=True).apart
    wrong: Any = incorrect
    with pytest.raises(RuntimeError, match="its gradient is 1.0e-08 from that of CheckpointAdjoint"):
        cost.measure(case, {**few, ways.PLAIN: wrong}, 0, 1e-3, wide_only=True)
    lost: Any = lambda *_: (np.nan, np.zeros(2))
    with pytest.raises(RuntimeError, match="its value is nan"):
        cost.measure(case, {**few, ways.PLAIN: lost}, 0, 1e-3, wide_only=True)


def test_a_way_that_needs_too_much_memory_is_compiled_only(monkeypatch):
    """Again with a square, and with a loop whose derivative stores a number for each of its 1000 rounds."""
    square = lambda theta: jnp.sum(theta**2)
    rounds = lambda theta: jax.lax.scan(lambda x, _: (jnp.sin(x), None), theta[0], length=1000)[0]
    few: dict[str, Any] = {
        ways.FORWARD: square,
        ways.CHECKPOINT: jax.value_and_grad(square),
        ways.PLAIN: jax.value_and_grad(rounds),
    }
    monkeypatch.setattr(cost, "MOST_BYTES", 4000)
    costs = cost.measure(ways.Case((jnp.array([1.0, 2.0]),)), few, 0, 1e-3, wide_only=True)
    check_left_out(few, costs)


@pytest.mark.slow
def test_plain_autodiff_is_what_needs_too_much_memory(monkeypatch):
    case, every = ways.density(12, 100), ways.of_densities(100)
    few = {name: every[name] for name in (ways.FORWARD, ways.CHECKPOINT, ways.PLAIN)}
    # Between what plain autodiff stores in 100 steps and what the others do.
    monkeypatch.setattr(cost, "MOST_BYTES", 200_000)
    check_left_out(few, cost.measure(case, few, 0, 1e-3, wide_only=True))


def check_left_out(few, costs):
    """That plain autodiff, and nothing else, was compiled only, and that the table says so."""
    assert {name for name in few if costs.ratio(name) is None} == {ways.PLAIN}
    assert "for want of memory: plain autodiff." in cost.table("", "", costs).note


def test_growth_of_memory_is_the_steepest_between_two_columns():
    table = cost.memory_table(8, {1: {"way": 1000}, 4: {"way": 2000}, 16: {"way": 8000}})
    assert table.rows == [("way", 0.001, 0.002, 0.008, pytest.approx(1.0))]


@pytest.mark.slow
def test_all_layouts_give_the_same_numbers():
    averages, wind, dt = arguments(24)
    # From a block, so that the clip is at work.
    block = np.where(np.abs(np.arange(24) - 12) < 4, np.asarray(averages).max(), 0.0)
    after = [np.asarray(steps_of(layout)(block, wind, dt, 10)) for layout in LAYOUTS.values()]
    np.testing.assert_allclose(after, [after[0]] * len(after), rtol=0, atol=1e-14 * block.max())
    assert after[0].min() >= 0


def test_the_closed_form_is_that_of_the_other_tests():
    exact = closed_forms.averages(kn.Tanh(), problem.WEIGHT, problem.BIAS, problem.T1, problem.grid(200))
    assert problem.error_of_averages(exact) < 1e-13
    # Values at the centers are averages up to second order.
    assert 1e-5 < problem.error_of_values(exact) < 1e-3


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_c_loop_converges_and_leaves_its_input_alone():
    loop = c_loop.CLoop()
    errors = []
    for cells in (100, 200):
        at, averages = problem.nodes(cells), problem.initial_averages(cells)
        before = averages.copy()
        out = loop(averages, problem.velocity(at.faces), at.width, problem.T1 / at.steps, at.steps)
        assert np.array_equal(averages, before)
        assert abs(out.sum() - averages.sum()) * at.width < 1e-13
        errors.append(problem.error_of_averages(out))
    assert 2.7 < np.log2(errors[0] / errors[1]) < 3.5
    # Loading it has not switched denormal numbers off.
    assert sys.float_info.min / 2 > 0
    with pytest.raises(ValueError, match=r"cells \+ 1 velocities"):
        loop(np.ones(5), np.ones(5), 0.1, 0.01, 1)


def test_without_a_compiler_the_c_loop_is_skipped_with_a_message(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    loop, message = c_loop.c_loop()
    assert loop is None
    assert "no C compiler" in message


def test_time_at_equal_error_is_interpolated_in_logarithms():
    points = {
        "ours": {100: (1e-2, 1e-3, 10), 200: (1e-4, 1e-2, 20)},
        "theirs": {100: (1e-2, 1e-2, 10), 200: (1e-3, 1.0, 20)},
    }
    table = accuracy.at_equal_error(points, (1e-3, 1e-5))
    assert isinstance(table, Table)
    np.testing.assert_allclose(np.array(table.column("1e-03"), float), [1e3 * 10**-2.5, 1e3])
    np.testing.assert_allclose(np.array(table.column("ratio, 1e-03"), float), [1.0, 10**2.5])
    assert table.column("1e-05") == [None, None]


@pytest.mark.parametrize("program", [forward, gradient, kinetic, boltzmann])
def test_a_folder_that_cannot_be_made_is_one_line_and_exit_code_2(program, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert program.run(["--quick", "--out", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_hutchinsons_trace_is_exact_in_the_mean():
    """A path does not depend on the probe: the mean over all probes in the plane is that of the trace."""
    of = moons.case(60, 2)
    parameters, _ = eqx.partition(of.net, eqx.is_inexact_array)
    key, points = jax.random.key(0), of.train[:1]
    way = moons.ways(of)
    exact = way[moons.EXACT](parameters, points, key)
    many = jnp.tile(points, (400, 1))
    estimates = np.asarray(way[moons.HUTCHINSON](parameters, many, key))
    # Two values, for signs that agree and that do not.
    values = np.unique(estimates.round(9))
    assert values.size == 2 and values[0] < float(exact[0]) < values[1]
    np.testing.assert_allclose(values.mean(), float(exact[0]), atol=1e-8)


def test_exponents_are_those_of_powers():
    table = Table("", ("d", "time"), [(d, 3.0 * d**1.7) for d in (2, 4, 8, 16)])
    assert flows.exponent(table, "time", 4) == pytest.approx(1.7)
