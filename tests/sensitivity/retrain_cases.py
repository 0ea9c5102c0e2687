"""One problem of retraining for many tests: with discrete layers, which compile fastest."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

import kinetic_nde as kn

START = kn.Ensemble(np.linspace(0.0, 2.0, 5))
NET = kn.SimResNet(-1.0, 1.0, kn.Identity())
EQUATION = kn.MeanField(NET)
METHOD = kn.Layers(20)


def loss(final):
    return 0.5 * (final.mean - 2) ** 2


def run(
    equation: Any = EQUATION, initial: Any = START, loss: Any = loss, function: Any = kn.retrain, **options: Any
) -> Any:
    options = {"t1": 1.0, "optimizer": optax.sgd(0.5), "max_updates": 3, "tolerance": 0.0} | options
    options = {"adjoint": kn.CheckpointAdjoint(), "method": METHOD} | options
    return function(equation, initial, loss, **options)


def smoothed(final):
    """Of a point mass at m, the smoothed L2 loss with bandwidth s = 0.7 and a target at 2."""
    return (1 - jnp.exp(-((final.mean - 2) ** 2) / 1.96)) / (1.4 * jnp.sqrt(jnp.pi))


# By particles, and with few steps: one program for what they reach and for where they fail.
BY_PARTICLES: dict[str, Any] = {"loss": smoothed, "method": None, "max_steps": 200}
