"""A stack of distributions, masked measurements and a density of another dimension are not drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
import kinetic_nde.plotting as plotting

LINE = kn.Density.gaussian(0.5, 0.8, kn.Grid(-4.0, 5.0, 12))
PLANE = kn.Density.gaussian((0.0, 0.0), 1.0, kn.Grid((-4.0, -4.0), (4.0, 4.0), 8))
NUMBERS = kn.Ensemble([0.5, 1.0, 2.0])


def stacked(one):
    return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), one)


def test_what_is_not_one_distribution_is_not_drawn():
    for draw in (
        lambda: plotting.plot_histogram(stacked(NUMBERS)),
        lambda: plotting.plot_histogram(NUMBERS, stacked(LINE)),
        lambda: plotting.plot_updates([stacked(LINE)], [0]),
        lambda: plotting.plot_updates([LINE], [0], stacked(LINE)),
        lambda: plotting.plot_density(stacked(PLANE)),
    ):
        with pytest.raises(ValueError, match="this is a stack of them"):
            draw()
    for draw in (lambda: plotting.plot_histogram(NUMBERS, PLANE), lambda: plotting.plot_updates([PLANE], [0])):
        with pytest.raises(ValueError, match="in one dimension"):
            draw()
    with pytest.raises(TypeError, match="1 masked entry of 3"):
        plotting.plot_histogram(np.ma.array([1.0, -999.0, 3.0], mask=[False, True, False]))
