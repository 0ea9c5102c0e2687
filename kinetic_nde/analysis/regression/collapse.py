"""The mean field under which an ensemble of lines collapses at one of them."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from ...distributions.ensemble import Ensemble
from ...equations.mean_field import MeanField
from ...network.activations import Identity, Tanh
from ...network.field import divergence
from ...network.simresnet import SimResNet
from ..mean_preserving_bias import mean_preserving_bias

# Of the spread of slopes and heights: the tanh network is that steep at its zero, and nearly a sign beyond.
STEEPNESS = 10.0


class InFrame(eqx.Module):
    """The network `net` in coordinates u = axes^-1 (z - centre), as a field of z:

        v(t, z) = axes net(t, axes^-1 (z - centre)),   div v = div net.

    A network with a bounded activation moves everything at speeds up to one, whatever the unit: in these coordinates slopes
    of 1e-3 and intercepts of 1e5 arrive together. An activation acts by component, and it is the components of u that
    it acts on.

    >>> field = InFrame(SimResNet(-1.0, jnp.zeros(2), Tanh()), jnp.array([1.0, 5.0]), jnp.array([[0.1, 0.0], [-2.0, 3.0]]))
    >>> field(0.0, jnp.array([1.0, 5.0])) + 0.0, field.dimension
    (Array([0., 0.], dtype=float64), 2)
    """

    net: SimResNet
    centre: Float[Array, " d"]
    axes: Float[Array, "d d"]

    @property
    def dimension(self) -> int:
        """d."""
        return self.net.dimension

    @property
    def autonomous(self) -> bool:
        """Whether the network does not depend on t."""
        return self.net.autonomous

    def __call__(self, t: Real[ArrayLike, ""], x: Float[Array, " d"]) -> Float[Array, " d"]:
        """v(t, x) at one point (d,)."""
        return self.axes @ self.net(t, self._inside(x))

    def divergence(self, t: Real[ArrayLike, ""], x: Float[Array, " d"]) -> Float[Array, ""]:
        """div v(t, x)."""
        return divergence(self.net, t, self._inside(x))

    def _inside(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        return jnp.linalg.solve(self.axes, x - self.centre)


def towards_mean(line: np.ndarray, weight: float) -> MeanField:
    """dz/dt = w z + b with b = -w line, the bias that conserves the mean (Proposition 3), or leads it to another line."""
    net = SimResNet(weight, jnp.zeros(line.size), Identity())
    return MeanField(SimResNet(net.weight, mean_preserving_bias(net, Ensemble(line[None, :])), net.activation))


def towards_medians(line: np.ndarray, axes: np.ndarray, weight: float) -> MeanField:
    """dz/dt = axes tanh(w axes^-1 (z - line)) for triangular axes, the columns of which are a change of the slope by its
    spread and one of the height.

    A bias b = -w c holds the mean of g at first, where the drift of each component of u is

        int tanh(w (u - c)) g(u) du = 0.

    As w -> -0 that is w (mean - c) = 0: c is the mean, and b that of Proposition 3. As w -> -infinity it is the share above c
    less the share below: c is the median. In between, c - median = -(pi^2 / 24) g'(c) / g(c) w^-2 + O(w^-4).
    """
    # The frame has the origin at the line, where the bias is zero.
    net = SimResNet(weight, jnp.zeros(line.size), Tanh())
    field: Any = InFrame(net, jnp.asarray(line), jnp.asarray(axes))
    return MeanField(field)
