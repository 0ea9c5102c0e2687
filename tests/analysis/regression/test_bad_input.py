"""What `regress` does with odd data, how it prints itself, and what it refuses."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.analysis.regression import regress as module
from tests.analysis.regression.measurements import data

# Odd data


@pytest.mark.parametrize("robust", [False, True])
def test_exact_lines_have_no_uncertainty(robust):
    x = np.arange(10.0)
    found = kn.regress(x, 2 * x + 1, robust=robust)
    np.testing.assert_allclose(found.line, (2, 1), rtol=1e-12)
    assert np.all(found.standard_errors < 1e-12) and found.sigma < 1e-12
    flat = kn.regress(x, np.full(10, 4.0), robust=robust)
    np.testing.assert_allclose(flat.line, (0, 4), atol=1e-12)
    assert float(flat.density(cells=31).mass) == pytest.approx(1.0) and np.all(
        np.isfinite(flat.density(cells=31).values)
    )


def test_it_prints_itself_with_its_notes():
    text = str(kn.regress([0, 0, 1, 1, 2], [1, 2, 3, 4, 5], origin=1))
    assert "8 lines through pairs of 5 points" in text and "intercept at x = 1" in text
    assert "note: 2 pairs of equal x have no slope" in text and "their mean" in text
    assert "of 2 replicates, 6 measurements: their medians" in str(
        kn.regress([0, 1, 2], [[0, 1, 3], [1, 2, 3]], robust=True)
    )


def test_float32_gives_the_same_line():
    x, y = data(15, 10)
    found = kn.regress(x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(found.line, kn.regress(x, y).line, rtol=1e-5)


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1, 2, 3], [1, 2]), {}, ValueError, r"got shapes \(3,\) and \(2,\)"),
        (([1, 2, 3], [[1, 2], [1, 2]]), {}, ValueError, "for R replicates at positions"),
        (([[1, 2, 3]], [1, 2, 3]), {}, ValueError, "got shapes"),
        (([2, 2, 2], [1, 2, 3]), {}, ValueError, "needs two distinct x, and all 3 are 2"),
        (([], []), {}, ValueError, "there are none"),
        (([1, 2], [1, 2]), {}, ValueError, "got 2 points"),
        (([1, 1, 1, 2], [1, 2, 3, 4]), {}, ValueError, "all x but one are 1"),
        (([1, 2], [[1, 2]]), {}, ValueError, "needs two replicates"),
        (([1, 2, math.nan], [1, 2, 3]), {}, ValueError, "x must be finite, got nan at index 2"),
        (([1, 2, 3], [[1, 2, 3], [1, math.inf, 3]]), {}, ValueError, "y must be finite, got inf at index 1, 1"),
        (([1, 2, 3], [1e200, 2, 3]), {}, ValueError, "take a unit"),
        (([1, 2, 3], ["a", "b", "c"]), {}, TypeError, "y must be a number or an array of numbers"),
        (([1, 2, 3], [[1, 2], [3]]), {}, TypeError, "y must be a number or an array of numbers"),
        (([1, 2, 3], [1, 2, 3]), {"weight": 1.0}, ValueError, "weight must be negative"),
        (([1, 2, 3], [1, 2, 3]), {"weight": math.nan}, ValueError, "weight must be negative"),
        (([1, 2, 3], [1, 2, 3]), {"target": [1.0]}, ValueError, "a slope and an intercept"),
        (([1, 2, 3], [1, 2, 3]), {"origin": math.inf}, ValueError, "origin must be finite"),
        (([1, 2, 3], [1, 2, 3]), {"origin": np.zeros(2)}, TypeError, "origin must be a number, not array"),
        (
            ([1, 2, 3], [1, 2, 3]),
            {"weight": True},
            TypeError,
            "weight must be a number or an array of numbers, not True",
        ),
    ],
)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=message):
        module.regress(*arguments, **options)


def test_bad_questions():
    found = kn.regress([0.0, 1.0, 2.0], [0.0, 1.0, 2.5])
    with pytest.raises(ValueError, match="between 0 and 1, got 95"):
        found.predict(1.0, level=95)
    with pytest.raises(ValueError, match="at finite x, got nan"):
        found.predict([1.0, math.nan])
    with pytest.raises(ValueError, match="no line of the ensemble is on the grid"):
        found.density(kn.Grid((50.0, 50.0), (60.0, 60.0), 10))
    with pytest.raises(ValueError, match="need a grid in two dimensions"):
        found.density(kn.Grid(0.0, 1.0, 10))
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda y: kn.regress([0.0, 1.0, 2.0], y).slope)(jnp.ones(3))
