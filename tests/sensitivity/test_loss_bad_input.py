"""What losses refuse: other grids, masses and kinds, options out of range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity.losses import KullbackLeiblerLoss, L2Loss, MomentLoss
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss
from kinetic_nde.sensitivity.transport_losses import CramerLoss, WassersteinLoss
from tests.sensitivity import plane_loss_cases as plane_cases
from tests.sensitivity.loss_cases import GRID, NAMES, every_loss, normalized

PLANE = plane_cases.GRID

# On a line


@pytest.mark.parametrize("name", NAMES)
def test_another_grid_or_mass_is_refused(name):
    g = normalized(np.exp(-0.5 * ((np.asarray(GRID.centers) - 0.5) / 0.3) ** 2))
    finer = kn.Density(kn.Grid(-2.0, 3.0, 41), np.full(41, 0.2))
    loss = every_loss(g)[name]
    for call in (loss, loss.first_variation):
        with pytest.raises(ValueError, match=r"has 41 cells and the target 40; .* density.on\("):
            call(finer)
        with pytest.raises(ValueError, match=r"is on \[-2\.0, 3\.0001\], the target on \[-2\.0, 3\.0\]"):
            call(kn.Density(kn.Grid(-2.0, 3.0001, 40), g.values))
        with pytest.raises(ValueError, match="mass 1.0000019.*scale the averages"):
            call(kn.Density(GRID, g.values * 1.000002))
        # Rounding is no other grid. Shapes only: what is refused is refused without computing anything.
        jax.eval_shape(lambda call=call: call(kn.Density(kn.Grid(-2.0, 3.0 + 1e-10, 40), g.values)))
        with pytest.raises(TypeError):
            call(0.5)  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match=r"a stack of them, .* jax\.vmap"):
            call(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), g))
    with pytest.raises(ValueError, match="41 cells"):
        jax.eval_shape(loss, finer)


@pytest.mark.parametrize("make", [L2Loss, CramerLoss, KullbackLeiblerLoss, lambda h: SmoothedL2Loss(h, 1.0)])
def test_samples_are_refused_where_a_density_is_needed(make):
    samples = kn.Ensemble([0.0, 1.0])
    with pytest.raises(TypeError, match=r"between densities: .* ensemble.to_density\(grid\)"):
        make(samples)
    with pytest.raises(TypeError, match=r"ensemble.to_density\(grid\)"):
        make(kn.Density.uniform(0.0, 1.0, GRID))(samples)
    with pytest.raises(TypeError):
        make([0.0, 1.0])


def test_bad_options():
    h, plane = kn.Density.uniform(0.0, 1.0, GRID), kn.Ensemble(np.zeros((3, 2)))
    for bandwidth in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="finite bandwidth > 0, got"):
            SmoothedL2Loss(h, bandwidth)
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        SmoothedL2Loss(h, np.ones(2))
    for p in (0.5, np.inf, np.nan):
        with pytest.raises(ValueError, match="at least 1, got"):
            WassersteinLoss(h, order=p)
    with pytest.raises(ValueError, match="one dimension, got an ensemble of dimension 2"):
        WassersteinLoss(plane)
    with pytest.raises(ValueError, match="one dimension, got an ensemble of dimension 2"):
        WassersteinLoss(h)(plane)
    with pytest.raises(ValueError, match="at least one order"):
        MomentLoss(h, ())
    with pytest.raises(ValueError, match="order of a MomentLoss must be at least 0, got -1"):
        MomentLoss(h, (1, -1))
    with pytest.raises(TypeError):
        MomentLoss(h, (1.5,))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        MomentLoss(h, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="of one dimension"):
        MomentLoss(h, (1,))(plane)


# In the plane


@pytest.mark.parametrize("name", plane_cases.NAMES)
def test_another_grid_or_mass_is_refused_in_the_plane(name):
    g = plane_cases.random_densities(0)[1]
    loss = plane_cases.every_loss(g)[name]
    on = lambda *grid: kn.Density(
        kn.Grid(*grid), np.full(kn.Grid(*grid).shape, 1 / float(np.prod(kn.Grid(*grid).length)))
    )
    cases = [
        (on(PLANE.lower, PLANE.upper, (21, 20)), r"has 21 x 20 cells and the target 20 x 20; .* density\.on\("),
        (on(PLANE.lower, PLANE.upper + 1e-4, (20, 20)), "the target on"),
        (g.marginal(0), "dimension 1 and the target 2"),
        (kn.Density(PLANE, g.values * 1.000002), "scale the averages"),
    ]
    for call in (loss, loss.first_variation):
        for density, message in cases:
            with pytest.raises(ValueError, match=message):
                call(density)
        with pytest.raises(ValueError, match=r"shape \(2, 20, 20\): jax\.vmap"):
            call(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), g))


def test_bad_options_in_the_plane():
    _, g, _ = plane_cases.random_densities(0)
    for loss in (kn.WassersteinLoss, kn.CramerLoss):
        with pytest.raises(ValueError, match="one dimension, got a density of dimension 2: .* SmoothedL2Loss"):
            loss(g)
        with pytest.raises(ValueError, match="one dimension, got a density of dimension 2"):
            loss(g.marginal(0))(g)
    with pytest.raises(ValueError, match=r"one for each of two axes, got shape \(3,\)"):
        kn.SmoothedL2Loss(g, np.ones(3))
    with pytest.raises(ValueError, match="finite bandwidth > 0"):
        kn.SmoothedL2Loss(g, (1.0, 0.0))
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        kn.SmoothedL2Loss(g.marginal(0), (1.0, 1.0))
    with pytest.raises(ValueError, match="of one dimension"):
        kn.MomentLoss(g, (1,))(kn.Ensemble([0.0, 1.0]))
