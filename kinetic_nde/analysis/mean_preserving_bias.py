"""The bias that holds the mean where it is."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._values import cast, common_float, require
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.points import points
from ..distributions.stack import check_mass, check_one
from ..network.activations import Identity
from ..network.mapped import mapped
from ..network.parameters import AbstractParameter
from ..network.simresnet import SimResNet


def mean_preserving_bias(net: SimResNet, initial: Density | Ensemble) -> AbstractParameter:
    """The bias with which a network with identity activation and the weight of `net` conserves the mean of `initial`,

        b(t) = -w(t) m_1 / m_0,

    Proposition 3 of Herty, Trimborn, Visconti (2021): then m_2(t) = e^{Phi_2(t)} V(0) + m_1^2 (mass 1), and where
    Phi_2 -> -inf all mass goes to the mean. The bias of `net` does not matter. In d dimensions b = -w m with the mean
    m (d,).

    A parameter of the same kind as the weight: a constant, layers, knots, or a module of t, for
    `SimResNet(net.weight, mean_preserving_bias(net, initial), net.activation)`. It has numbers of its own: training the
    weight afterwards does not change it. Works under `jit`, `vmap` and `grad`.

    Raises `ValueError` for another activation, for which the mean does not stay in general, and for an initial distribution
    of another dimension than w; `TypeError` for what is no network or no distribution.

    >>> import kinetic_nde as kn
    >>> net = kn.SimResNet(kn.PiecewiseConstant([0.0, 1.0], [-1.0, 0.5]), 0.0, kn.Identity())
    >>> mean_preserving_bias(net, kn.Ensemble([1.0, 3.0]))(1.0)
    Array(-1., dtype=float64)
    """
    if not isinstance(net, SimResNet):
        raise TypeError(f"mean_preserving_bias is of a kn.SimResNet, not of {type(net).__name__}")
    if not isinstance(initial, Density | Ensemble):
        raise TypeError(f"the mean is that of a kn.Density or a kn.Ensemble, not of {type(initial).__name__}")
    check_one(initial, "mean_preserving_bias")
    check_mass(initial, "mean_preserving_bias")
    if not isinstance(net.activation, Identity):
        raise ValueError(
            f"mean_preserving_bias needs the identity as activation, not {type(net.activation).__name__}, with which the mean "
            "moves by more than w m + b; kn.linearised(net) is such a network for kn.Sigmoid() and kn.Tanh(), and an approximation"
        )
    net, initial = cast((net, initial), common_float(net, initial))
    one = initial.dimension == 1
    mean = points(initial, 1).mean if one else initial.mean
    require(lambda: jnp.all(jnp.isfinite(mean)), lambda: f"the mean of the initial distribution is {mean}", mean)
    value = net.weight(jnp.zeros((), mean.dtype))
    if value.ndim == 2 and value.shape[0] != mean.size:
        raise ValueError(
            f"the weight has the shape {value.shape} and the initial distribution the dimension {mean.size}"
        )
    return mapped(net.weight, _Repelled(mean.reshape(()) if one else mean))


class _Repelled(eqx.Module):
    """value -> -value mean."""

    mean: Float[Array, "*d"]

    def __call__(self, value: Float[Array, "*shape"]) -> Any:
        mean = self.mean.astype(value.dtype)
        if value.ndim == 0:
            return -value * mean
        return -(value @ mean.reshape(-1))
