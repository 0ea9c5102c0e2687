"""Each particle's own ordinary differential equation."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from .._values import require
from ..distributions.ensemble import Ensemble
from ..equations.balance_law import AbstractBalanceLaw
from ..network.field import breakpoints
from .bounded import Bounded, StayingAtWalls
from .method import AbstractMethod, Integrated, Options, Times, check_velocity, save_times
from .result import Result, from_diffrax
from .tolerances import as_solver, as_tolerance, controller

# The first step is this part of the whole: an estimate from the data would depend on their units.
_FIRST_STEPS = 64
# Standard deviations from 0 beyond which data count as far away.
_FAR = 10


class Particles(AbstractMethod):
    """The neural ODE dx/dt = v(t, x) for each sample of an ensemble, Eq. (2) of Herty, Trimborn, Visconti (2021), by
    diffrax.

    - `solver`: any of diffrax's explicit Runge-Kutta methods with an error estimate; Tsitouras' 5(4) by default.
    - `rtol`, `atol`: tolerances of a step; `rtol` is relative to x, or far from 0 to the distance from the initial mean,
      and `atol` in units of the spread of the initial samples, so that a change of units changes nothing.

    A particle at a wall has outward velocity zero, and leaves when the field turns round. Particles share their steps,
    which end at the breakpoints of the field. Raises `ValueError` for tolerances that are not positive and finite and
    for particles that start outside the walls, `TypeError` for another solver.

    >>> Particles(rtol=1e-6).rtol
    Array(1.e-06, dtype=float64)
    """

    solver: diffrax.AbstractERK = eqx.field(converter=as_solver, default=diffrax.Tsit5())
    rtol: Float[Array, ""] = eqx.field(converter=as_tolerance("rtol"), default=1e-8)
    atol: Float[Array, ""] = eqx.field(converter=as_tolerance("atol"), default=1e-10)

    def check(self, equation: AbstractBalanceLaw, initial: Ensemble) -> None:
        check_ensemble(equation, initial)

    def integrate(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.samples[0])
        mean, spread = jnp.mean(initial.samples, axis=0), jnp.std(initial.samples, axis=0)
        centre = jnp.where(jnp.abs(mean) > _FAR * spread, mean, jnp.zeros_like(mean))
        largest = jnp.max(spread)
        size = jnp.where(largest > 0, largest, jnp.max(jnp.abs(initial.samples)))
        size = jnp.where(size > 0, size, jnp.ones_like(size))
        problem = Trajectories(
            self.solver,
            self.rtol,
            self.atol,
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

    def controller(self, size: Float[Array, ""]) -> diffrax.PIDController:
        """Steps within the tolerances for what is of that size."""
        return controller(self.rtol, self.atol, size, self.t0, self.t1)

    def follow(
        self, law: AbstractBalanceLaw, start: Float[Array, "m *d"], ts: Float[Array, " k"], adjoint: Any
    ) -> tuple[Float[Array, "k m *d"], dict[str, Array], Result]:
        """Places at increasing times, the number of steps, and how it ended."""
        jumps = breakpoints(law.field)
        steps: diffrax.AbstractStepSizeController = self.controller(self.size)
        if jumps:
            steps = diffrax.ClipStepSizeController(self.controller(self.size), jump_ts=jnp.asarray(jumps, ts.dtype))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, law: self.rate(law, t, y)),
            Bounded(self.solver, StayingAtWalls(*self.walls)) if self.walls else self.solver,
            self.t0,
            self.t1,
            (self.t1 - self.t0) / _FIRST_STEPS,
            start,
            law,
            saveat=diffrax.SaveAt(ts=ts),
            stepsize_controller=steps,
            adjoint=adjoint,
            max_steps=self.max_steps,
            throw=False,
            progress_meter=diffrax.TqdmProgressMeter() if self.progress else diffrax.NoProgressMeter(),
        )
        assert solution.ys is not None
        counts = {"steps": "num_accepted_steps", "rejected_steps": "num_rejected_steps"}
        stats = {name: jnp.asarray(solution.stats[count], jnp.int32) for name, count in counts.items()}
        return solution.ys, stats, from_diffrax(solution.result, jnp.ones((), bool))


def check_ensemble(equation: AbstractBalanceLaw, initial: Ensemble) -> None:
    """Raises `ValueError` if dimensions, walls and samples do not go together."""
    dimension = getattr(equation.field, "dimension", initial.dimension)
    if dimension != initial.dimension:
        raise ValueError(f"the field has dimension {dimension} and the ensemble {initial.dimension}")
    if equation.walls is not None and initial.dimension != 1:
        raise ValueError(f"walls (lo, hi) are for one dimension, the ensemble has {initial.dimension}")
    samples = initial.samples
    for wall, beyond in zip(equation.walls or (), (np.less, np.greater), strict=False):
        if wall is not None:
            require(
                lambda wall=wall, beyond=beyond: not np.any(beyond(samples, wall)),
                lambda wall=wall: f"some particles start beyond the wall at {wall}",
                wall,
                samples,
            )
