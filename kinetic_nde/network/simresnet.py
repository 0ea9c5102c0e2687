"""The simplified residual network as a velocity field."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from .._values import as_float64
from .activations import AbstractActivation, GeneralizedGamma, GrowingCosine, Identity, ReLU, Sigmoid, Tanh
from .mapped import Affine, mapped
from .parameters import AbstractParameter, Constant, Interpolated, PiecewiseConstant, as_parameter


class SimResNet(eqx.Module):
    """A residual network whose layers all have the width d of the data, in the limit of many layers:

        dx/dt = v(t, x) = sigma(w(t) x + b(t)),   w(t) in R^{d x d}, b(t) in R^d.

    Eq. (2) of Herty, Trimborn, Visconti (2021).

    - `weight`: a number (in d >= 2 times the identity), an array (d, d), or a parameter with such values: `Constant`,
      `PiecewiseConstant`, `Interpolated`, an `eqx.Module` or a function of t.
    - `bias`: a number (in d >= 2 the same for each component), an array (d,), or a parameter with such values.
    - `activation`: sigma, an `AbstractActivation`.

    The trainable leaves are the values of w and b only. Raises `ValueError` for shapes that do not fit together and
    `TypeError` for an activation of another kind.

    >>> net = SimResNet(weight=[[0.0, -1.0], [1.0, 0.0]], bias=0.5, activation=Identity())
    >>> net.dimension
    2
    >>> net(0.0, jnp.array([1.0, 2.0]))
    Array([-1.5,  1.5], dtype=float64)
    >>> float(net.divergence(0.0, jnp.array([1.0, 2.0])))
    0.0
    """

    weight: AbstractParameter = eqx.field(converter=as_parameter)
    bias: AbstractParameter = eqx.field(converter=as_parameter)
    activation: AbstractActivation

    def __check_init__(self):
        if not isinstance(self.activation, AbstractActivation):
            raise TypeError(f"activation must be one of the activations, such as kn.Tanh(), not {self.activation!r}")
        weight, bias = _shape(self.weight), _shape(self.bias)
        if not (weight == () or (len(weight) == 2 and weight[0] == weight[1] > 0)):
            raise ValueError(f"weight must be a number or a square matrix (d, d) at each time, got shape {weight}")
        if not (bias == () or (len(bias) == 1 and bias[0] > 0)):
            raise ValueError(f"bias must be a number or a vector (d,) at each time, got shape {bias}")
        if weight and bias and weight[0] != bias[0]:
            raise ValueError(f"weight {weight} and bias {bias} do not have the same dimension d")

    @property
    def dimension(self) -> int:
        """The width d of the network. Numbers for both weight and bias mean d = 1."""
        return max((1, *_shape(self.weight), *_shape(self.bias)))

    @property
    def autonomous(self) -> bool:
        """Whether v does not depend on t between two breakpoints; solvers then evaluate it once."""
        return self.weight.autonomous and self.bias.autonomous

    def __call__(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        """v(t, x). In d = 1, `x` may have any shape and v acts on each entry; in d >= 2 its shape is (d,)."""
        return self.activation(self._argument(t, x))

    def divergence(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*points"]:
        """div v(t, x) = sum_i sigma'(z_i) w_ii with z = w x + b, exact in any dimension."""
        slope, weight = self.activation.derivative(self._argument(t, x)), self.weight(t)
        if self.dimension == 1:
            return slope * weight.reshape(())
        return jnp.sum(slope * (weight if weight.ndim == 0 else jnp.diagonal(weight)))

    def kinks(self, t: Real[ArrayLike, ""]) -> list[Array]:
        """The places x at which v(t, x) has a kink, one of the activation's at w x + b, in one dimension; none in more. Infinite
        or no number for w = 0."""
        if self.dimension > 1:
            return []
        weight, bias = self.weight(t).reshape(()), self.bias(t).reshape(())
        return [(z - bias) / weight for z in self.activation.kinks]

    def _argument(self, t: Real[ArrayLike, ""], x: Float[Array, "*d"]) -> Float[Array, "*d"]:
        weight, bias = self.weight(t), self.bias(t)
        if self.dimension == 1:
            return weight.reshape(()) * x + bias.reshape(())
        if x.shape != (self.dimension,):
            raise ValueError(f"the network has dimension {self.dimension}, got x of shape {x.shape}")
        return (weight * x if weight.ndim == 0 else weight @ x) + bias


def rescale(net: SimResNet, factor: ArrayLike) -> tuple[SimResNet, float]:
    """The same network for data in other units: x multiplied by `factor` c.

    Returns the network that carries c x where `net` carries x, and the factor by which its time is multiplied: (w, c b)
    and 1 for identity and ReLU; (w / c, b) and c for tanh, sigmoid and the growing cosine. The generalised Gamma
    becomes (w, c b) with its scale times c. The times of layers and knots follow. Raises `ValueError` unless c is
    finite and positive.

    >>> net, time = rescale(SimResNet(1.0, -5.0, Tanh()), 1000.0)
    >>> float(net.weight(0.0)), float(net.bias(0.0)), time
    (0.001, -5.0, 1000.0)
    """
    number = as_float64(factor, "factor")
    if number.shape != ():
        raise ValueError(f"factor must be a number, got shape {number.shape}")
    c = float(number)
    if not 0 < c < float("inf"):
        raise ValueError(f"factor must be finite and positive, got {factor}")
    activation = net.activation
    if isinstance(activation, Identity | ReLU):
        return SimResNet(net.weight, mapped(net.bias, Affine(c)), activation), 1.0
    if isinstance(activation, GeneralizedGamma):
        return SimResNet(
            net.weight, mapped(net.bias, Affine(c)), GeneralizedGamma(activation.delta, c * activation.c)
        ), 1.0
    if isinstance(activation, Sigmoid | Tanh | GrowingCosine):
        return SimResNet(mapped(net.weight, Affine(1 / c), c), mapped(net.bias, Affine(1.0), c), activation), c
    raise ValueError(f"no change of units is known for the activation {activation!r}")


def _shape(parameter: Any) -> tuple[int, ...]:
    """The shape of a parameter's value, the layers or knots not counted, without evaluating it."""
    if isinstance(parameter, Constant):
        return tuple(parameter.value.shape)
    if isinstance(parameter, PiecewiseConstant | Interpolated):
        return tuple(parameter.values.shape[1:])
    return tuple(jax.eval_shape(parameter, jnp.zeros(())).shape)
