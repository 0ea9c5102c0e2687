"""What the entry refuses at once, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

GRID = kn.Grid(-4.0, 4.0, 80)
START = kn.Density.gaussian(0.3, 0.7, GRID)
NET = kn.SimResNet(-1.0, 0.3, kn.Tanh())
EQUATION = kn.MeanField(NET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t1": -1.0}, "t0 <= t1"),
        ({"t1": 1.0, "t0": 2.0}, "t0 <= t1"),
        ({"t1": np.inf}, "finite times"),
        ({"t1": np.array([1.0, 2.0])}, "are numbers"),
        ({"t1": 1.0, "saveat": [0.5, 1.5]}, "increasing times in"),
        ({"t1": 1.0, "saveat": [-0.5, 0.5]}, "increasing times in"),
        ({"t1": 1.0, "saveat": [0.5, 0.2]}, "increasing times in"),
        ({"t1": 1.0, "saveat": [0.5, 0.5]}, "increasing times in"),
        ({"t1": 1.0, "saveat": []}, "list of times"),
        ({"t1": 1.0, "max_steps": 0}, "at least 1"),
    ],
)
def test_bad_times_and_limits(arguments, message):
    with pytest.raises(ValueError, match=message):
        kn.solve(EQUATION, START, **arguments)


@pytest.mark.parametrize("walls", [(-3.0, 4.0), (-4.0, None), (None, 4.0 + 1e-7)])
def test_walls_off_the_grid(walls):
    grid = kn.Grid(-4.0 + (walls[0] == -4.0) * 1e-7, 4.0, 80)
    with pytest.raises(ValueError, match="not at the ends of the grid"):
        kn.solve(kn.MeanField(NET, walls), kn.Density.gaussian(0.0, 1.0, grid), t1=1.0)


@pytest.mark.parametrize(
    "walls", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf), 3.0, (1.0, 2.0, 3.0), ([0.0, 1.0], 2.0)]
)
def test_walls_that_are_none(walls):
    with pytest.raises(ValueError, match="wall"):
        kn.MeanField(NET, walls)


def test_what_does_not_go_together():
    with pytest.raises(
        TypeError,
        match=r"Particles does not solve MeanField for a Density; possible: kn\.FiniteVolume or kn\.Characteristics",
    ):
        kn.solve(EQUATION, START, t1=1.0, method=kn.Particles())
    with pytest.raises(TypeError, match=r"possible: kn\.Particles or kn\.Layers"):
        kn.solve(EQUATION, kn.Ensemble([1.0]), t1=1.0, method=kn.FiniteVolume())
    with pytest.raises(TypeError):
        kn.solve(NET, START, t1=1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        kn.solve(EQUATION, START.values, t1=1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        kn.MeanField(1.0)
    with pytest.raises(ValueError, match="dimension 2 and the grid 1"):
        kn.solve(kn.MeanField(kn.SimResNet(np.eye(2), 0.0, kn.Tanh())), START, t1=1.0)
    with pytest.raises(ValueError, match="velocities of that shape"):
        kn.solve(kn.MeanField(lambda t, x: jnp.stack([x, x])), START, t1=1.0)


def test_a_field_that_hides_traced_values_is_refused():
    with pytest.raises(ValueError, match=r"eqx\.Module"):
        jax.grad(lambda w: kn.solve(kn.MeanField(lambda t, x: w * x), START, t1=1.0).final.mean)(1.0)
