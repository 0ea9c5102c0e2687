"""What `Flow` and `StandardNormal` refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

TANH = kn.MeanField(kn.SimResNet(1.0, 0.3, kn.Tanh()))
PLANE = kn.MeanField(kn.SimResNet(np.eye(2), 0.0, kn.Tanh()))
NORMAL = kn.Density.gaussian(0.0, 1.0, kn.Grid(-8.0, 8.0, 800))


class Odd(eqx.Module):
    """A base whose shapes are wrong."""

    def log_prob(self, x):
        return jnp.stack([x, x])

    def sample(self, key, n):
        return jnp.zeros((n, 3))


@pytest.mark.parametrize(
    "equation, base, message",
    [
        (PLANE, kn.StandardNormal(3), "dimension 2 and the base 3"),
        (PLANE, kn.StandardNormal(), "dimension 2 and the base 1"),
        (PLANE, NORMAL, "dimension 2 and the base 1"),
        (TANH, kn.StandardNormal(2), "dimension 1 and the base 2"),
    ],
)
def test_dimensions_of_field_and_base_must_agree(equation, base, message):
    with pytest.raises(ValueError, match=message):
        kn.Flow(equation, base, t1=1.0)


def test_shapes_of_points_fields_and_bases():
    for points in (jnp.zeros(3), 0.0, jnp.zeros((2, 2, 2))):
        with pytest.raises(ValueError, match="dimension 2"):
            kn.Flow(PLANE, kn.StandardNormal(2), t1=1.0).log_prob(points)
    with pytest.raises(ValueError, match="velocities of that shape"):
        kn.Flow(kn.MeanField(lambda t, x: jnp.stack([x, x])), kn.StandardNormal(), t1=1.0).log_prob(0.0)
    with pytest.raises(ValueError, match="must give a number"):
        kn.Flow(TANH, Odd(), t1=1.0).log_prob(0.0)
    with pytest.raises(ValueError, match=r"samples of shape \(5,\)"):
        kn.Flow(TANH, Odd(), t1=1.0).sample(jax.random.key(0), 5)
    with pytest.raises(ValueError, match="has not the shape"):
        kn.StandardNormal(2).log_prob(jnp.zeros(3))


def test_bad_options():
    normal = kn.StandardNormal()
    with pytest.raises(ValueError, match="cannot have walls"):
        kn.Flow(kn.MeanField(kn.SimResNet(1.0, 0.0, kn.Tanh()), (0.0, None)), normal, t1=1.0)
    for base, message in ((3.0, "log_prob and sample"), (kn.StandardNormal, r"did you mean StandardNormal\(...\)")):
        with pytest.raises(TypeError, match=message):
            kn.Flow(TANH, base, t1=1.0)
    for t1 in (-1.0, np.nan):
        with pytest.raises(ValueError, match="t1 must be finite"):
            kn.Flow(TANH, normal, t1=t1)
    with pytest.raises(ValueError, match="t1 must be a number"):
        kn.Flow(TANH, normal, t1=np.ones(2))
    with pytest.raises(ValueError, match="rtol must be positive"):
        kn.Flow(TANH, normal, t1=1.0, rtol=-1.0)
    with pytest.raises(ValueError, match="atol must be a number"):
        kn.Flow(TANH, normal, t1=1.0, atol=np.ones(2))
    with pytest.raises(TypeError, match="adjoint must be"):
        kn.Flow(TANH, normal, t1=1.0, adjoint="x")
    for dimension, error in ((0, ValueError), (1.5, TypeError), ("2", TypeError)):
        with pytest.raises(error, match="dimension must be"):
            kn.StandardNormal(dimension)
    flow = kn.Flow(TANH, normal, t1=1.0)
    with pytest.raises(ValueError, match="needs a key"):
        flow.sample(None, 3)
    with pytest.raises(ValueError, match="n must be at least 1"):
        flow.sample(jax.random.key(0), -1)
