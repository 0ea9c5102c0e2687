"""A mean field as a normalising flow."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._values import as_floating, cast, common_float, require
from ..adjoints.adjoint import AbstractAdjoint, CheckpointAdjoint
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..equations.mean_field import MeanField
from ..methods.backward import carried_back
from ..methods.particles import Particles
from ..solve import solve


class StandardNormal(eqx.Module):
    """The normal distribution with mean 0 and covariance 1 in `dimension` dimensions, as the base of a `Flow`.

    >>> round(float(StandardNormal(2).log_prob(jnp.zeros(2))), 6)
    -1.837877
    """

    dimension: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if self.dimension < 1:
            raise ValueError(f"the dimension must be at least 1, got {self.dimension}")

    def log_prob(self, x: Float[Array, "*d"]) -> Float[Array, ""]:
        """log g(x) at one point, (d,), or a number in one dimension."""
        return -0.5 * jnp.sum(x**2) - 0.5 * self.dimension * jnp.log(2 * jnp.pi)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n *d"]:
        """`n` samples (n, d), or (n,) in one dimension."""
        return jax.random.normal(key, (n,) if self.dimension == 1 else (n, self.dimension))


class Flow(eqx.Module):
    """The distribution at t1 of a mean field of any dimension d that starts with `base` at t = 0. Along characteristics

        log g(t1, X(t1)) = log g(0, X(0)) - int_0^t1 div v(s, X(s)) ds,

    with the exact divergence: what normalising flows call an instantaneous change of variables. Characteristics of
    Eq. (3) of Herty, Trimborn, Visconti (2021).

    - `equation`: a `MeanField` without walls, which would make point masses.
    - `base`: a `Density`, a `StandardNormal`, or any module with `log_prob(x)` at one point and `sample(key, n)`.
    - `rtol`, `atol`: tolerances of the trajectories. `adjoint`: how derivatives pass, as in `solve`.

    Raises `TypeError` for another equation or base, `ValueError` for walls and unless t1 is finite and not negative.

    >>> from kinetic_nde import Identity, SimResNet
    >>> flow = Flow(MeanField(SimResNet(-1.0, 0.0, Identity())), StandardNormal(1), t1=1.0)
    >>> round(float(flow.log_prob(0.0)), 6)  # N(0, e^-2)
    0.081061
    """

    equation: MeanField
    base: Any
    t1: Float[Array, ""]
    rtol: Float[Array, ""]
    atol: Float[Array, ""]
    adjoint: AbstractAdjoint

    def __init__(
        self,
        equation: MeanField,
        base: Any,
        t1: ArrayLike,
        *,
        rtol: ArrayLike = 1e-10,
        atol: ArrayLike = 1e-10,
        adjoint: AbstractAdjoint = CheckpointAdjoint(),
    ):
        if not isinstance(equation, MeanField):
            raise TypeError(f"a flow needs a kn.MeanField, not {type(equation).__name__}")
        if equation.walls is not None and any(wall is not None for wall in equation.walls):
            raise ValueError("a flow cannot have walls: the mass that is pushed against them has no density")
        if not isinstance(base, Density) and not (hasattr(base, "log_prob") and hasattr(base, "sample")):
            raise TypeError(f"the base of a flow is a kn.Density or has log_prob and sample, not {base!r}")
        self.equation, self.base, self.adjoint = equation, base, adjoint
        self.t1, self.rtol, self.atol = as_floating(t1, "t1"), as_floating(rtol, "rtol"), as_floating(atol, "atol")
        require(lambda: np.isfinite(self.t1) and self.t1 >= 0, lambda: f"t1 must be finite and >= 0, got {t1}", self.t1)

    def log_prob(self, x: ArrayLike | list) -> Float[Array, "*points"]:
        """log g(t1, x) at points x: (n, d) gives (n,), one point (d,) a number; in one dimension x of any shape gives
        that shape. -inf where the base has no mass.

        >>> from kinetic_nde import SimResNet, Tanh
        >>> flow = Flow(MeanField(SimResNet(jnp.eye(2), 0.0, Tanh())), StandardNormal(2), t1=0.5)
        >>> flow.log_prob(jnp.zeros((5, 2))).shape
        (5,)
        """
        points = as_floating(x, "x")
        dimension = self._dimension
        if dimension > 1 and (points.ndim not in (1, 2) or points.shape[-1] != dimension):
            raise ValueError(f"the flow has dimension {dimension}: x must be (d,) or (n, d), got shape {points.shape}")
        shape = points.shape if dimension == 1 else points.shape[:-1]
        points = points.reshape(-1) if dimension == 1 else points.reshape(-1, dimension)
        dtype = common_float(points, self.equation.field)
        return _log_prob(*cast((self, points), dtype)).reshape(shape)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n *d"]:
        """`n` samples at t1, (n, d), or (n,) in one dimension.

        >>> from kinetic_nde import SimResNet, Tanh
        >>> Flow(MeanField(SimResNet(1.0, 0.0, Tanh())), StandardNormal(1), t1=0.5).sample(jax.random.key(0), 7).shape
        (7,)
        """
        start = Ensemble(self.base.sample(key, n))
        method = Particles(rtol=self.rtol, atol=self.atol)
        return solve(self.equation, start, t1=self.t1, method=method, adjoint=self.adjoint).final.samples

    @property
    def _dimension(self) -> int:
        return getattr(self.equation.field, "dimension", getattr(self.base, "dimension", 1))


@eqx.filter_jit
def _log_prob(flow: Flow, points: Array) -> Array:
    equation = flow.equation

    def rate(field: Any, t: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        law = eqx.tree_at(lambda law: law.field, equation, field)
        return (
            jax.vmap(lambda x: law.velocity(t, x))(state[0]),
            jax.vmap(lambda x: law.divergence(t, x))(state[0]),
        )

    (start, divergence), _, reached = carried_back(
        rate,
        equation.field,
        (points, jnp.zeros(points.shape[0], points.dtype)),
        jnp.zeros_like(flow.t1),
        flow.t1,
        solver=diffrax.Dopri8(),
        controller=diffrax.PIDController(rtol=flow.rtol, atol=flow.atol),
        adjoint=flow.adjoint.ode,
    )
    # Backwards the integral of the divergence runs from t1 to 0: `divergence` is minus the integral from 0 to t1.
    base = _log_density(flow.base, start) if isinstance(flow.base, Density) else jax.vmap(flow.base.log_prob)(start)
    return jnp.where(reached, base + divergence, jnp.full_like(base, jnp.nan))


def _log_density(density: Density, x: Array) -> Array:
    height = density.profile.height(x)
    present = height > 0
    return jnp.where(present, jnp.log(jnp.where(present, height, jnp.ones_like(height))), -jnp.inf)
