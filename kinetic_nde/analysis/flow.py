"""A mean field as a normalising flow."""

import itertools
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._values import as_count, as_floating, cast, common_float, ratio, require
from ..adjoints.adjoint import AbstractAdjoint, CheckpointAdjoint
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_mass, check_one
from ..equations.mean_field import MeanField
from ..methods.backward import carried_back
from ..methods.method import check_velocity, with_field
from ..methods.particles import Particles
from ..methods.result import Result
from ..methods.tolerances import as_tolerance, controller
from ..solve import solve
from .standardisation import Standardisation


class StandardNormal(eqx.Module):
    """The normal distribution with mean 0 and covariance 1 in `dimension` dimensions, as the base of a `Flow`.

    Raises `TypeError` or `ValueError` unless the dimension is an integer of at least 1.

    >>> round(float(StandardNormal(2).log_prob(jnp.zeros(2))), 6)
    -1.837877
    """

    dimension: int = eqx.field(static=True, default=1, converter=lambda dimension: as_count(dimension, "dimension"))

    def log_prob(self, x: Float[Array, "*d"]) -> Float[Array, ""]:
        """log g(x) at one point, (d,), or a number in one dimension; `ValueError` for another shape."""
        if x.shape != (() if self.dimension == 1 else (self.dimension,)):
            raise ValueError(
                f"a point of a normal distribution in dimension {self.dimension} has not the shape {x.shape}"
            )
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
    - `base`: a `StandardNormal`, a `Density`, whose mass counts as 1, or any module with `log_prob(x)` at one point and
      `sample(key, n)`. In d > 1 the field or such a module says so by an attribute `dimension`.
    - `units`: a `Standardisation` where x = shift + scale z of what the equation moves, z: `log_prob` and `sample` are then
      those of x, in the units of data.
    - `rtol`, `atol`: tolerances of the trajectories. `adjoint`: how derivatives pass, as in `solve`; `jax.jacfwd` and
      second derivatives by `jax.jacfwd(jax.jacfwd(...))` need `ForwardMode()`.

    Under jit a function of the flow is compiled, `eqx.filter_jit(Flow.log_prob)(flow, x)`, since `jax.jit(flow.log_prob)`
    would have to hash its arrays. Raises `TypeError` for another equation, base, `units` or adjoint, `ValueError` for walls, for
    dimensions that differ, and unless t1 is finite and not negative and the tolerances are positive and finite.

    >>> from kinetic_nde import Identity, SimResNet
    >>> flow = Flow(MeanField(SimResNet(-1.0, 0.0, Identity())), StandardNormal(1), t1=1.0)
    >>> round(float(eqx.filter_jit(Flow.log_prob)(flow, 0.0)), 6)  # N(0, e^-2)
    0.081061
    """

    equation: MeanField
    base: Any
    t1: Float[Array, ""]
    rtol: Float[Array, ""]
    atol: Float[Array, ""]
    adjoint: AbstractAdjoint
    units: Standardisation | None

    def __init__(
        self,
        equation: MeanField,
        base: Any,
        t1: ArrayLike,
        *,
        rtol: ArrayLike = 1e-10,
        atol: ArrayLike = 1e-10,
        adjoint: Any = CheckpointAdjoint(),
        units: Any = None,
    ):
        if not isinstance(equation, MeanField):
            raise TypeError(f"a flow needs a kn.MeanField, not {type(equation).__name__}")
        if equation.walls is not None and any(wall is not None for wall in equation.walls):
            raise ValueError("a flow cannot have walls: the mass that is pushed against them has no density")
        if isinstance(base, type):
            raise TypeError(f"the base of a flow must be an object: did you mean {base.__name__}(...)?")
        if isinstance(base, Density):
            check_one(base, "the base of a flow")
            check_mass(base, "the base of a flow")
        elif not (hasattr(base, "log_prob") and hasattr(base, "sample")):
            raise TypeError(f"the base of a flow is a kn.Density or has log_prob and sample, not {base!r}")
        if not isinstance(adjoint, AbstractAdjoint):
            raise TypeError(f"adjoint must be kn.CheckpointAdjoint() or kn.ForwardMode(), not {adjoint!r}")
        if units is not None and not isinstance(units, Standardisation):
            raise TypeError(f"units must be a kn.Standardisation, not {units!r}")
        parts = {"field": equation.field, "base": base, "units": units}
        dimensions = [(name, d) for name, part in parts.items() if (d := _dimension(part)) is not None]
        for (name, d), (other, e) in itertools.pairwise(dimensions):
            if d != e:
                raise ValueError(f"the {name} has dimension {d} and the {other} {e}")
        self.equation, self.base, self.adjoint, self.t1 = equation, base, adjoint, as_floating(t1, "t1")
        self.units = units
        self.rtol, self.atol = as_tolerance("rtol")(rtol), as_tolerance("atol")(atol)
        if self.t1.shape != ():
            raise ValueError(f"t1 must be a number, got shape {self.t1.shape}")
        require(lambda: np.isfinite(self.t1) and self.t1 >= 0, lambda: f"t1 must be finite and >= 0, got {t1}", self.t1)

    @property
    def dimension(self) -> int:
        """d: that of the field, else of the base, else of the units; 1 if none has one."""
        parts = (self.equation.field, self.base, self.units)
        return next((d for part in parts if (d := _dimension(part)) is not None), 1)

    def log_prob(self, x: ArrayLike | list) -> Float[Array, "*points"]:
        """log g(t1, x) at points x: (n, d) gives (n,), one point (d,) a number; in one dimension x of any shape gives
        that shape. -inf where the base has no mass.

        NaN at a point that is not finite or whose characteristic does not go back to t = 0, the others unharmed, and
        everywhere for a traced t1 that is not finite and >= 0. Raises `ValueError` for points of another dimension.

        >>> from kinetic_nde import SimResNet, Tanh
        >>> flow = Flow(MeanField(SimResNet(jnp.eye(2), 0.0, Tanh())), StandardNormal(2), t1=0.5)
        >>> flow.log_prob(jnp.zeros((5, 2))).shape
        (5,)
        """
        points, d = as_floating(x, "x"), self.dimension
        if d > 1 and (points.ndim not in (1, 2) or points.shape[-1] != d):
            raise ValueError(f"the flow has dimension {d}: x must be (d,) or (n, d), got shape {points.shape}")
        shape = points.shape if d == 1 else points.shape[:-1]
        points = points.reshape(-1) if d == 1 else points.reshape(-1, d)
        dtype = common_float(points, self.equation.field)
        return _log_prob(*cast((self, points), dtype)).reshape(shape)

    def sample(self, key: PRNGKeyArray | None, n: int) -> Float[Array, "n *d"]:
        """`n` samples at t1, (n, d), or (n,) in one dimension. Raises `ValueError` without a key and for n < 1, and as
        `solve` does.

        >>> from kinetic_nde import SimResNet, Tanh
        >>> Flow(MeanField(SimResNet(1.0, 0.0, Tanh())), StandardNormal(1), t1=0.5).sample(jax.random.key(0), 7).shape
        (7,)
        """
        if key is None:
            raise ValueError("samples are random: sample needs a key, such as jax.random.key(0)")
        start = self.base.sample(key, as_count(n, "n"))
        expected = (n,) if self.dimension == 1 else (n, self.dimension)
        if start.shape != expected:
            raise ValueError(f"the base must give samples of shape {expected}, got {start.shape}")
        method = Particles(rtol=self.rtol, atol=self.atol)
        final = solve(self.equation, Ensemble(start), t1=self.t1, method=method, adjoint=self.adjoint).final.samples
        return final if self.units is None else _to_original(*cast((self.units, final), common_float(final)))


_to_original = eqx.filter_jit(Standardisation.original)


@eqx.filter_jit
def _log_prob(flow: Flow, points: Array) -> Array:
    one = jnp.zeros(points.shape[1:], points.dtype)
    check_velocity(flow.equation.field, one)
    base = _logarithm(flow.base)
    out = jax.eval_shape(base, one)
    if getattr(out, "shape", None) != ():
        raise ValueError(f"log_prob of the base must give a number at a point of shape {one.shape}, got {out}")
    # Each point has steps of its own: its value does not depend on the others, nor do they wait for one that fails.
    at = lambda points: jax.vmap(lambda point: _at_point(flow, base, point))(points)
    return at(points) if flow.units is None else at(flow.units.standard(points)) - flow.units.log_determinant


def _at_point(flow: Flow, base: Any, point: Array) -> Array:
    equation, t1 = flow.equation, flow.t1
    sound = jnp.isfinite(t1) & (t1 >= 0) & jnp.all(jnp.isfinite(point))
    t1, zero = jnp.where(sound, t1, jnp.zeros_like(t1)), jnp.zeros_like(t1)

    def rate(field: Any, t: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        law = with_field(equation, field)
        return law.velocity(t, state[0]), law.divergence(t, state[0])

    (start, divergence), _, result = carried_back(
        rate,
        equation.field,
        (jnp.where(sound, point, jnp.zeros_like(point)), zero),
        zero,
        t1,
        solver=diffrax.Dopri8(),
        controller=controller(flow.rtol, flow.atol, jnp.ones_like(t1)),
        adjoint=flow.adjoint.ode,
    )
    # Backwards the integral of the divergence runs from t1 to 0: `divergence` is minus the integral from 0 to t1.
    return jnp.where(
        sound & (result == Result.successful), base(start) + divergence, jnp.full_like(divergence, jnp.nan)
    )


def _dimension(part: Any) -> int | None:
    return part.grid.dimension if isinstance(part, Density) else getattr(part, "dimension", None)


def _logarithm(base: Any) -> Any:
    """log g(0, x) at one point, of mass 1."""
    if not isinstance(base, Density):
        return base.log_prob
    profile, mass = base.profile, base.mass

    def log_prob(x: Array) -> Array:
        height = ratio(profile.height(x), mass)
        present = height > 0
        return jnp.where(present, jnp.log(jnp.where(present, height, jnp.ones_like(height))), -jnp.inf)

    return log_prob
