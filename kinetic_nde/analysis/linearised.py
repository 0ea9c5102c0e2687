"""The closure of the moments by a linear activation, and what it costs."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .._values import cast, common_float
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.points import points
from ..network.activations import Identity, Sigmoid, Tanh
from ..network.mapped import Affine, mapped
from ..network.simresnet import SimResNet
from ..solution import Solution
from .affine import check_1d
from .moments import as_order, moments

# sigma(z) ~ offset + slope z around z = 0.
_TANGENTS = {Identity: Affine(1.0), Sigmoid: Affine(0.25, 0.5), Tanh: Affine(1.0)}


def linearised(net: SimResNet) -> SimResNet:
    """The network with identity activation that is the tangent of `net` at w x + b = 0,

        sigmoid(z) ~ 1/2 + z/4,   tanh(z) ~ z,

    whose moments close: Remark 1 of Herty, Trimborn, Visconti (2021). Its parameters are of the same kind: (w/4, b/4 + 1/2) and
    (w, b). Any dimension; the identity is its own tangent.

    An approximation for |w x + b| << 1 on all of the data: tanh(z) - z = -z^3/3 + ..., sigmoid(z) - (1/2 + z/4) =
    -z^3/48 + .... Both activations are bounded and the tangents are not, so that it fails for long times where w > 0.
    `closure_error` says by how much. Raises `ValueError` for other activations, which are not smooth at 0 or are used
    far from it, and `TypeError` for what is no network.

    >>> import kinetic_nde as kn
    >>> closed = linearised(kn.SimResNet(-2.0, 0.4, kn.Sigmoid()))
    >>> closed.weight(0.0), closed.bias(0.0).round(6), closed.activation
    (Array(-0.5, dtype=float64), Array(0.6, dtype=float64), Identity())
    """
    if not isinstance(net, SimResNet):
        raise TypeError(f"linearised takes a kn.SimResNet, not {type(net).__name__}")
    tangent = _TANGENTS.get(type(net.activation))
    if tangent is None:
        raise ValueError(
            f"there is no linear closure for {type(net.activation).__name__}: of kn.ReLU() see kn.moment_rate, which needs "
            "the distribution; others have several zeros, and no one tangent stands for them"
        )
    weight = mapped(net.weight, Affine(tangent.slope))
    return SimResNet(weight, mapped(net.bias, tangent), Identity())


def closure_error(
    net: SimResNet, initial: Density | Ensemble, solution: Solution, order: int
) -> Float[Array, " T orders"]:
    """How far the moments of `linearised(net)` are from those of the distribution itself,

        m_k(linearised, ts) - int x^k g(ts, x) dx,   k = 0 .. order,

    at the save times of `solution`, shape (len(solution.ts), order + 1).

    - `net`: what was solved, with `Sigmoid()`, `Tanh()` or `Identity()`; `initial`: what it started with, at t0 = 0.
    - `solution`: `solve(MeanField(net), initial, t1=..., saveat=...)`, of a density or an ensemble, without walls.

    With the identity what is left is the error of the solver. Raises `ValueError` for a batch of solutions, and as
    `linearised` and `moments` do.

    >>> import kinetic_nde as kn
    >>> net, initial = kn.SimResNet(-1.0, 0.0, kn.Tanh()), kn.Ensemble([-0.2, 0.1, 0.4])
    >>> solution = kn.solve(kn.MeanField(net), initial, t1=1.0)
    >>> error = closure_error(net, initial, solution, order=2)  # tanh is slower than its tangent
    >>> bool((error[0, 2] < 0) & (error[0, 2] > -1e-3))
    True
    """
    if not isinstance(solution, Solution):
        raise TypeError(f"closure_error compares with a solution of kn.solve, not with {type(solution).__name__}")
    if solution.ts.ndim != 1:
        raise ValueError(f"this is a batch of solutions (ts has shape {solution.ts.shape}): map over it by jax.vmap")
    check_1d(net, initial, "closure_error")
    closed = moments(linearised(net), initial, solution.ts, order)
    solved = _moments(solution.distributions, as_order(order))
    return closed - cast(solved, common_float(closed))


@eqx.filter_jit
def _moments(distributions: Any, order: int) -> Array:
    return jax.vmap(lambda distribution: points(distribution, order).power_sums(order))(distributions)
