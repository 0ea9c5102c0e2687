"""Ensembles of 500, and laws with an activation, for derivatives and batches."""

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

START = kn.Ensemble(np.random.default_rng(9).normal(size=500))


KEY = jax.random.key(11)


PAIRS = kn.SimResNet(jnp.array([[-0.5, 0.3], [0.2, -0.4]]), jnp.array([0.1, 0.2]), kn.Tanh())


def tanh_law(net=None, **numbers):
    net = kn.SimResNet(-0.7, 0.3, kn.Tanh()) if net is None else net
    return kn.Boltzmann(net, **({"epsilon": 0.3, "nu": 0.8, "diffusion": kn.LinearDiffusion(0.6)} | numbers))
