"""Each particle's own differential equation."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from .._values import as_count, require
from ..distributions.ensemble import Ensemble
from ..equations.balance_law import AbstractBalanceLaw, walls_by_axis
from ..equations.equation import AbstractEquation
from ..equations.fokker_planck import FokkerPlanck
from ..network import field as fields
from . import brownian, euler_maruyama, stochastic
from .bounded import Bounded, StayingAtWalls
from .events import IntervalClock, interval_clock, split_at_events
from .method import AbstractHeldMethod, Integrated, Options, Times, check_velocity, no_rate, save_times, with_field
from .result import Result, from_diffrax
from .stepwise import InOneInterval, as_adjoint_needs
from .tolerances import UpToWholeNumbers, as_optional_tolerance, as_solver, controller

_RTOL, _ATOL = 1e-8, 1e-10
# The first step is this part of an interval: an estimate from the data would depend on their units.
_FIRST_STEPS = 64
# Standard deviations from 0 beyond which data count as far away.
_FAR = 10


class Particles(AbstractHeldMethod):
    """Each sample of an ensemble by itself.

    For a `MeanField`: the neural ODE dx/dt = v(t, x), Eq. (2) of Herty, Trimborn, Visconti (2021), by diffrax.

    - `solver`: any of diffrax's explicit Runge-Kutta methods with an error estimate; Tsitouras' 5(4) by default.
    - `rtol`, `atol`: tolerances of a step, 1e-8 and 1e-10 by default; `rtol` is relative to x, or far from 0 to the
      distance from the initial mean, and `atol` in units of the spread of the initial samples, so that a change of units
      changes nothing.

    A particle at a wall has outward velocity zero, and leaves when the field turns round. Particles share their steps,
    which end at the breakpoints of the field.

    For a `FokkerPlanck`: the stochastic differential equation dX = v(t, X) dt + nu K(X) dW (Ito), by layers with noise,

        x(k + 1) = x(k) + dt v(t_k, x(k)) + sqrt(dt) nu K(x(k)) xi_k,   xi_k standard normal, by component,

    Eq. (20) with eps = dt: the scheme of Euler and Maruyama, in which means of smooth functions are off by O(dt). With
    nu = 0 it is `Layers`.

    - `steps`: a static number of equal steps between two events (save times, breakpoints of the field). By default 1000
      from t0 to t1, shared among the spans by their length, and more where the field is steep: none is longer than 0.01
      over the largest |d_x v| at the particles when the span begins, down to a 100,000th of t1 - t0. Steep noise does not
      count: for (nu d_x K)^2 (t1 - t0) above 10 give `steps`.
    - `solver`: one of diffrax's for noise instead, along virtual Brownian trees, which are the same paths for any
      number of steps and take some hundred times as long per step: `ItoMilstein()`, one for Stratonovich's integral such as
      `Heun()`, `SPaRK()`, whose drift is converted, or, where K does not depend on x, one for additive noise such as
      `ShARK()`, `SRA1()`. K_i must depend on x_i only. Without walls.

    Particles are reflected at walls: nothing passes, and means stay off by O(dt). The same key gives the same paths.
    Derivatives are along them, with the same noise, by `CheckpointAdjoint` and `ForwardMode`; they need v and K
    that are smooth, or have kinks only.

    Raises `ValueError` for tolerances that are not positive and finite, for steps < 1, for options that the equation
    has no use for, and for particles that start outside the walls, `TypeError` for another solver.

    >>> Particles(rtol=1e-6).rtol
    Array(1.e-06, dtype=float64)
    >>> import kinetic_nde as kn
    >>> equation = kn.FokkerPlanck(kn.SimResNet(-1.0, 0.0, kn.Identity()), nu=2**0.5)
    >>> start = kn.Ensemble(jnp.ones(10_000))
    >>> final = kn.solve(equation, start, t1=1.0, method=Particles(steps=100), key=jax.random.key(0)).final
    >>> abs(float(final.mean) - 0.99**100) < 0.04
    True
    """

    solver: diffrax.AbstractSolver | None = eqx.field(converter=brownian.as_particle_solver, default=None)
    rtol: Float[Array, ""] | None = eqx.field(converter=as_optional_tolerance("rtol"), default=None)
    atol: Float[Array, ""] | None = eqx.field(converter=as_optional_tolerance("atol"), default=None)
    steps: int | None = eqx.field(
        static=True, default=None, converter=lambda steps: None if steps is None else as_count(steps, "steps")
    )

    def check(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times) -> None:
        check_ensemble(equation, initial)
        if isinstance(equation, FokkerPlanck):
            self._check_noisy(equation, initial)
            return
        if self.steps is not None:
            raise ValueError(
                f"steps={self.steps} is for kn.FokkerPlanck; without noise steps follow rtol and atol: "
                f"kn.Layers({self.steps}) takes a fixed number"
            )
        if self.solver is not None:
            as_solver(self.solver)

    def _check_noisy(self, equation: FokkerPlanck, initial: Ensemble) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None:
                raise ValueError(
                    f"{name} is for kn.MeanField: with noise steps have a fixed length, give steps= instead"
                )
        if self.solver is not None:
            brownian.check_solver(self.solver, equation, initial.samples[0])

    def rate_of_change(self, equation: AbstractBalanceLaw, distribution: Ensemble, t: Float[Array, ""]) -> Array:
        if isinstance(equation, FokkerPlanck):
            raise no_rate(self)
        v = jax.vmap(lambda point: equation.velocity(t, point))(distribution.samples)
        return StayingAtWalls(*(equation.walls or (None, None))).velocity(distribution.samples, v)

    def integrate(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times, options: Options) -> Integrated:
        if isinstance(equation, FokkerPlanck):
            # Raises TypeError for an adjoint that does not know of noise.
            _ = options.adjoint.ode
            if self.solver is None:
                advance = euler_maruyama.advance(options, self.steps)
            else:
                advance = brownian.advance(self.solver, options)
            return stochastic.integrate(equation, initial, times, options, self.steps, advance)
        check_velocity(equation.field, initial.samples[0])
        mean, spread = jnp.mean(initial.samples, axis=0), jnp.std(initial.samples, axis=0)
        centre = jnp.where(jnp.abs(mean) > _FAR * spread, mean, jnp.zeros_like(mean))
        largest = jnp.max(spread)
        size = jnp.where(largest > 0, largest, jnp.max(jnp.abs(initial.samples)))
        size = jnp.where(size > 0, size, jnp.ones_like(size))
        problem = Trajectories(
            diffrax.Tsit5() if self.solver is None else as_solver(self.solver),
            jnp.asarray(_RTOL, times.t0.dtype) if self.rtol is None else self.rtol,
            jnp.asarray(_ATOL, times.t0.dtype) if self.atol is None else self.atol,
            jax.lax.stop_gradient(size),
            jax.lax.stop_gradient(jnp.broadcast_to(centre, initial.samples.shape)),
            tuple(None if wall is None else wall - jax.lax.stop_gradient(centre) for wall in equation.walls or ()),
            times.t0,
            times.t1,
            options.max_steps,
            options.progress,
        )
        start = initial.samples - problem.offset
        positions, stats, result = options.adjoint.trajectories(problem, equation, start, save_times(times))
        paths = jax.vmap(lambda y: y + problem.offset)(positions)
        # Between two steps the interpolant does not know of the walls, and what is at one is there exactly.
        for wall, shifted, beyond in zip(
            equation.walls or (), problem.walls, (jnp.less_equal, jnp.greater_equal), strict=False
        ):
            if wall is not None and shifted is not None:
                paths = jnp.where(beyond(positions, shifted), wall, paths)
        result = Result.where(
            (result == Result.successful) & ~jnp.all(jnp.isfinite(paths[-1])), Result.not_finite, result
        )
        saved = paths if times.saveat is None else paths[:-1]
        return Integrated(jax.vmap(Ensemble)(saved), Ensemble(paths[-1]), stats, result)


class Trajectories(eqx.Module):
    """The differential equations of all particles of a solve, in places relative to `offset`, and how to follow them.

    Far from 0 a relative tolerance would be one of the offset: there what counts is the distance to the mean. `size` is
    the unit of `atol`.
    """

    solver: diffrax.AbstractERK
    rtol: Float[Array, ""]
    atol: Float[Array, ""]
    size: Float[Array, ""]
    offset: Float[Array, "m *d"]
    walls: tuple[Float[Array, ""] | None, ...]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    max_steps: int | None = eqx.field(static=True)
    progress: bool = eqx.field(static=True)

    def rate(self, law: AbstractBalanceLaw, t: Real[ArrayLike, ""], y: Float[Array, "m *d"]) -> Float[Array, "m *d"]:
        """The velocity of each particle."""
        return jax.vmap(lambda point: law.velocity(t, point))(y + self.offset)

    def between_walls(self, y: Float[Array, "m *d"]) -> Bool[Array, "m *d"]:
        """Which particles are at no wall."""
        inside = jnp.ones(y.shape, bool)
        for wall, within in zip(self.walls, (jnp.greater, jnp.less), strict=False):
            inside = inside if wall is None else inside & within(y, wall)
        return inside

    def controller(self, size: Float[Array, ""], intervals: int = 1) -> UpToWholeNumbers:
        """Steps within the tolerances for what is of that size, in a time whose unit is an interval."""
        # Constants of a program come back as arrays of NumPy's.
        rtol, atol = jnp.asarray(self.rtol), jnp.asarray(self.atol)
        return controller(rtol, atol, size, intervals)

    def follow(
        self, law: AbstractBalanceLaw, start: Float[Array, "m *d"], ts: Float[Array, " k"], adjoint: Any
    ) -> tuple[Float[Array, "k m *d"], dict[str, Array], Result]:
        """Places at increasing times, the number of steps, and how it ended."""
        clock = interval_clock(split_at_events(law.field, self.t0, self.t1))

        def rate(s: Any, y: Array, args: tuple[AbstractBalanceLaw, IntervalClock]) -> Array:
            law, clock = args
            begin, length, share = clock.interval(s)
            frozen = with_field(law, fields.frozen(law.field, begin + 0.5 * length))
            return length * self.rate(frozen, begin + share * length, y)

        solver = as_adjoint_needs(self.solver, adjoint)
        solver = Bounded(solver, StayingAtWalls(*self.walls)) if self.walls else solver
        zero = jnp.zeros_like(clock.end)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            InOneInterval(solver),
            zero,
            clock.end,
            zero + 1 / _FIRST_STEPS,
            start,
            (law, clock),
            saveat=diffrax.SaveAt(ts=clock.reading(ts)),
            stepsize_controller=self.controller(self.size, clock.starts.size),
            adjoint=adjoint,
            max_steps=self.max_steps,
            throw=False,
            progress_meter=diffrax.TqdmProgressMeter() if self.progress else diffrax.NoProgressMeter(),
        )
        assert solution.ys is not None
        counts = {"steps": "num_accepted_steps", "rejected_steps": "num_rejected_steps"}
        stats = {name: jnp.asarray(solution.stats[count], jnp.int32) for name, count in counts.items()}
        return solution.ys, stats, from_diffrax(solution.result, jnp.ones((), bool))


def check_ensemble(equation: AbstractEquation, initial: Ensemble) -> None:
    """Raises `ValueError` if dimensions, walls and samples do not go together."""
    dimension = getattr(equation.field, "dimension", initial.dimension)
    if dimension != initial.dimension:
        raise ValueError(f"the field has dimension {dimension} and the ensemble {initial.dimension}")
    if equation.walls is not None and initial.dimension != 1:
        raise ValueError(f"walls of particles are for one dimension, the ensemble has {initial.dimension}")
    samples = initial.samples
    ends = (None, None) if equation.walls is None else walls_by_axis(equation, 1)[0]
    for wall, beyond in zip(ends, (np.less, np.greater), strict=True):
        if wall is not None:
            require(
                lambda wall=wall, beyond=beyond: not np.any(beyond(samples, wall)),
                lambda wall=wall: f"some particles start beyond the wall at {wall}",
                wall,
                samples,
            )
