"""Densities to compare, and all losses compiled as one program."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import kinetic_nde as kn
from kinetic_nde.sensitivity.losses import AbstractLoss, KullbackLeiblerLoss, L2Loss, MomentLoss
from kinetic_nde.sensitivity.smoothed_loss import SmoothedL2Loss
from kinetic_nde.sensitivity.transport_losses import CramerLoss, WassersteinLoss

CELLS = [40, 80, 160]
MEANS, STDS = (0.3, 1.2), (1.0, 0.7)
BOUNDS = (-6.0, 6.5)
GRID = kn.Grid(-2.0, 3.0, 40)
rough = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1e-9, 0.5, 1.0, 7.0, 1e4]), min_size=40, max_size=40).filter(any)


def every_loss(h: kn.Density, bandwidth: float | np.floating = 1.0) -> dict[str, AbstractLoss]:
    return {
        "l2": L2Loss(h),
        "smoothed": SmoothedL2Loss(h, bandwidth),
        "wasserstein": WassersteinLoss(h),
        "cramer": CramerLoss(h),
        "kullback leibler": KullbackLeiblerLoss(h),
        "moments": MomentLoss(h, (1, 2)),
    }


NAMES = list(every_loss(kn.Density.uniform(0.0, 1.0, GRID)))


value = jax.jit(lambda loss, distribution: loss(distribution))
# Without gradients a program compiles in a fraction of the time.
values_of = jax.jit(lambda losses, g: {name: loss(g) for name, loss in losses.items()})
variations_of = jax.jit(lambda losses, g: {name: loss.first_variation(g) for name, loss in losses.items()})


@jax.jit
def compute(losses, g):
    """Values, gradients / dx, or dx dy, and first variations."""
    values, pull = jax.vjp(lambda g: jnp.stack([loss(g) for loss in losses.values()]), g)
    gradients = jax.vmap(pull)(jnp.eye(len(losses), dtype=values.dtype))[0].values / g.grid.volume
    variations = [loss.first_variation(g) for loss in losses.values()]
    return tuple(dict(zip(losses, each, strict=True)) for each in (values, gradients, variations))


@functools.cache
def gaussians(cells: int) -> tuple[kn.Density, kn.Density]:
    grid = kn.Grid(*BOUNDS, cells)
    g, h = (kn.Density.gaussian(mean, std, grid) for mean, std in zip(MEANS, STDS, strict=True))
    return g, h


@functools.cache
def between_gaussians(cells: int):
    g, h = gaussians(cells)
    return compute(every_loss(h), g)


def normalized(averages, grid=GRID) -> kn.Density:
    averages = np.asarray(averages, float)
    return kn.Density(grid, averages / (averages.sum() * float(grid.width)))


def check_distances(every_loss, g, h):
    """All but that of Kullback and Leibler are symmetric; none is negative, and none tells a density from itself."""
    there, back, same = (compute(every_loss(b), a)[0] for a, b in ((g, h), (h, g), (g, g)))
    for name in there:
        assert float(there[name]) >= -1e-12 and abs(float(same[name])) < 1e-12, name
        if name != "kullback leibler":
            np.testing.assert_allclose(there[name], back[name], rtol=1e-9, atol=1e-12, err_msg=name)


def check_float32(every_loss, g, h, bandwidth):
    """Values, gradients and first variations are finite, and in the type that was given."""
    g, h = jax.tree.map(np.float32, (g, h))
    for target in (h, g):
        for results in compute(every_loss(target, bandwidth), g):
            for name, result in results.items():
                assert result.dtype == np.float32 and jnp.all(jnp.isfinite(result)), name
