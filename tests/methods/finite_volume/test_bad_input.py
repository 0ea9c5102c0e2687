"""What the finite-volume method refuses."""

import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn


@pytest.mark.parametrize("bad", [{"cfl": 0.0}, {"cfl": 1.5}, {"steps": 0}, {"steps": 1.5}])
def test_options(bad):
    with pytest.raises((ValueError, TypeError)):
        kn.FiniteVolume(**bad)


def test_the_weight_of_the_reconstruction():
    with pytest.raises(ValueError, match="c0"):
        kn.CWENO3(c0=1.0)


def test_fokker_planck():
    net, start = kn.SimResNet(-1.0, 0.3, kn.Identity()), kn.Density.gaussian(1.0, 0.5, kn.Grid(-4.0, 4.0, 50))
    for nu in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="nu is the strength of the noise, finite and not negative"):
            kn.FokkerPlanck(net, nu=nu)
    with pytest.raises(ValueError, match="nu is a number, got shape"):
        kn.FokkerPlanck(net, nu=jnp.ones(2))
    with pytest.raises(TypeError, match="nu"):
        kn.FokkerPlanck(net, nu="strong")
    for diffusion in (2.0, kn.LinearDiffusion):
        with pytest.raises(TypeError, match=r"a diffusion is an object called as K\(x\)"):
            kn.FokkerPlanck(net, nu=1.0, diffusion=diffusion)
    with pytest.raises(ValueError, match="finite value >= 0, got -1"):
        kn.ConstantDiffusion(-1.0)
    with pytest.raises(ValueError, match="finite slope, got nan"):
        kn.LinearDiffusion(np.nan)
    with pytest.raises(ValueError, match=r"not negative on the grid, got K\(-4\) = -4"):
        kn.solve(kn.FokkerPlanck(net, nu=1.0, diffusion=kn.LinearDiffusion()), start, t1=1.0)
    with pytest.raises(ValueError, match=r"finite and not negative on the grid, got K\(0\) = inf"):
        pole = kn.FokkerPlanck(net, nu=1.0, diffusion=lambda x: 1 / x)
        kn.solve(pole, kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 8)), t1=1.0)
    with pytest.raises(ValueError, match=r"K\(x\) is called with points of shape \(\)"):
        kn.solve(kn.FokkerPlanck(net, nu=1.0, diffusion=lambda x: jnp.stack([x, x])), start, t1=1.0)
    with pytest.raises(ValueError, match="diffusion needs at least 4 cells, the grid has 3"):
        kn.solve(kn.FokkerPlanck(net, nu=1.0), kn.Density.uniform(0.0, 1.0, kn.Grid(0.0, 1.0, 3)), t1=1.0)
    with pytest.raises(TypeError, match="Characteristics does not solve FokkerPlanck"):
        kn.solve(kn.FokkerPlanck(net, nu=1.0), start, t1=1.0, method=kn.Characteristics())
    with pytest.raises(TypeError, match="noise carries mass beyond"):
        kn.Grid.covering(kn.FokkerPlanck(net, nu=1.0), start, 1.0, 50)


def test_two_dimensions():
    linear = kn.SimResNet([[-0.5, 1.4], [1.0, 0.3]], [0.2, -0.1], kn.Identity())
    start = kn.Density.gaussian((0.0, 0.0), 0.5, kn.Grid((-4.0, -4.0), (4.0, 4.0), (8, 8)))
    with pytest.raises(ValueError, match="field has dimension 1 and the grid 2"):
        kn.solve(kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh())), start, t1=1.0)
    with pytest.raises(ValueError, match="one pair for each axis"):
        kn.solve(kn.MeanField(linear, walls=(-4.0, 4.0)), start, t1=1.0)
    with pytest.raises(ValueError, match="not at the ends of the grid"):
        kn.solve(kn.MeanField(linear, walls=((-4.0, 4.0), (-4.0, 3.0))), start, t1=1.0)
    with pytest.raises(ValueError, match="must give velocities of that shape"):
        kn.solve(kn.MeanField(lambda t, x: x[0]), start, t1=1.0)
