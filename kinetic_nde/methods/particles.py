"""Each particle's own ordinary differential equation."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._values import as_floating, require
from ..distributions.ensemble import Ensemble
from ..equations.balance_law import AbstractBalanceLaw
from ..network.field import breakpoints
from .bounded import Bounded, StayingAtWalls
from .method import AbstractMethod, Integrated, Options, Times, check_velocity
from .result import from_diffrax

# The first step is this part of the whole: an estimate from the data would depend on their units.
_FIRST_STEPS = 64
# Standard deviations from 0 beyond which data count as far away.
_FAR = 10


class Particles(AbstractMethod):
    """The neural ODE dx/dt = v(t, x) for each sample of an ensemble, Eq. (2) of Herty, Trimborn, Visconti (2021), by
    diffrax.

    - `solver`: any of diffrax's solvers for ordinary differential equations; Tsitouras' 5(4) by default.
    - `rtol`, `atol`: tolerances of a step; `rtol` is relative to x, or far from 0 to the distance from the initial mean, and `atol` in units
      of the spread of the initial samples, so that a change of
      units changes nothing.

    A particle at a wall has outward velocity zero, and leaves when the field turns round. Particles share their steps,
    which end at the breakpoints of the field. Raises `ValueError` for tolerances that are not positive and for
    particles that start outside the walls.

    >>> Particles(rtol=1e-6).rtol
    Array(1.e-06, dtype=float64)
    """

    solver: diffrax.AbstractERK = diffrax.Tsit5()
    rtol: Float[Array, ""] = eqx.field(converter=as_floating, default=1e-8)
    atol: Float[Array, ""] = eqx.field(converter=as_floating, default=1e-10)

    def __check_init__(self):
        for name, tolerance in (("rtol", self.rtol), ("atol", self.atol)):
            require(lambda tolerance=tolerance: tolerance > 0, lambda name=name: f"{name} must be positive", tolerance)

    def check(self, equation: AbstractBalanceLaw, initial: Ensemble) -> None:
        check_ensemble(equation, initial)

    def integrate(self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.samples[0])
        # Far from 0 a relative tolerance would be one of the offset: there what counts is the distance to the mean.
        mean, spread = jnp.mean(initial.samples, axis=0), jnp.std(initial.samples, axis=0)
        centre = jax.lax.stop_gradient(jnp.where(jnp.abs(mean) > _FAR * spread, mean, jnp.zeros_like(mean)))
        offset = jnp.broadcast_to(centre, initial.samples.shape)
        walls = tuple(None if wall is None else wall - centre for wall in equation.walls or (None, None))
        saveat = times.t1[None] if times.saveat is None else jnp.concatenate([times.saveat, times.t1[None]])
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, law: jax.vmap(lambda point: law.velocity(t, point))(y + offset)),
            self.solver if equation.walls is None else Bounded(self.solver, StayingAtWalls(*walls)),
            times.t0,
            times.t1,
            (times.t1 - times.t0) / _FIRST_STEPS,
            initial.samples - offset,
            equation,
            saveat=diffrax.SaveAt(ts=saveat),
            stepsize_controller=self._controller(equation, initial, times),
            adjoint=options.adjoint.ode,
            max_steps=options.max_steps,
            throw=False,
            progress_meter=diffrax.TqdmProgressMeter() if options.progress else diffrax.NoProgressMeter(),
        )
        assert solution.ys is not None
        paths = jax.vmap(lambda y: y + offset)(solution.ys)
        # Between two steps the interpolant does not know of the walls, and what is at one is there exactly.
        for wall, shifted, beyond in zip(
            equation.walls or (), walls, (jnp.less_equal, jnp.greater_equal), strict=False
        ):
            if wall is not None and shifted is not None:
                paths = jnp.where(beyond(solution.ys, shifted), wall, paths)
        counts = {"steps": "num_accepted_steps", "rejected_steps": "num_rejected_steps"}
        stats = {name: jnp.asarray(solution.stats[count], jnp.int32) for name, count in counts.items()}
        result = from_diffrax(solution.result, jnp.all(jnp.isfinite(paths[-1])))
        saved = paths if times.saveat is None else paths[:-1]
        return Integrated(jax.vmap(Ensemble)(saved), Ensemble(paths[-1]), stats, result)

    def _controller(
        self, equation: AbstractBalanceLaw, initial: Ensemble, times: Times
    ) -> diffrax.AbstractStepSizeController:
        spread = jax.lax.stop_gradient(jnp.max(jnp.std(initial.samples, axis=0)))
        size = jnp.where(spread > 0, spread, jnp.max(jnp.abs(initial.samples)))
        size = jax.lax.stop_gradient(jnp.where(size > 0, size, jnp.ones_like(size)))
        # A tolerance below the resolution of the type would reject every step.
        eps = float(jnp.finfo(size.dtype).eps)
        controller = diffrax.PIDController(
            rtol=jnp.maximum(self.rtol, 10 * eps),
            atol=jnp.maximum(self.atol, eps) * size,
            # Where the field is singular or not finite no step is short enough: this ends the search for one.
            dtmin=64 * eps * jnp.maximum(jnp.abs(times.t0), jnp.abs(times.t1)),
            force_dtmin=False,
        )
        jumps = breakpoints(equation.field)
        if not jumps:
            return controller
        return diffrax.ClipStepSizeController(controller, jump_ts=jnp.asarray(jumps, size.dtype))


def check_ensemble(equation: AbstractBalanceLaw, initial: Ensemble) -> None:
    """Raises `ValueError` if dimensions, walls and samples do not go together."""
    dimension = getattr(equation.field, "dimension", initial.dimension)
    if dimension != initial.dimension:
        raise ValueError(f"the field has dimension {dimension} and the ensemble {initial.dimension}")
    if equation.walls is not None and initial.dimension != 1:
        raise ValueError(f"walls (lo, hi) are for one dimension, the ensemble has {initial.dimension}")
    samples = initial.samples
    for wall, beyond in zip(equation.walls or (), (jnp.less, jnp.greater), strict=False):
        if wall is not None:
            require(
                lambda wall=wall, beyond=beyond: not jnp.any(beyond(samples, wall)),
                lambda wall=wall: f"some particles start beyond the wall at {wall}",
                wall,
                samples,
            )
