"""The mean field on a density, by its characteristics."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._values import as_floating, require
from ..distributions.density import Density
from ..equations.balance_law import AbstractBalanceLaw
from .backward import carried_back
from .bounded import BackwardsAtEnds, Bounded
from .finite_volume.scheme import check_density
from .method import AbstractMethod, Integrated, Options, Times, check_velocity
from .result import Result, first_failure


class Characteristics(AbstractMethod):
    """Each face of the grid is carried back to t0: no mass crosses a characteristic, so that what lies to the left of x at
    time t is what lay to the left of X^{-1}(x) at time t0,

        int_{-inf}^x g(t) = int_{-inf}^{X^{-1}(x)} g0,

    by Eq. (8) of Herty, Trimborn, Visconti (2021). The new cell averages are differences of the initial distribution
    function and carry no error but that of the initial reconstruction and of the trajectories: the same in one large step
    as in many, however steep the density becomes. Mass at walls and mass lost through open ends are exact too.

    Slower than `FiniteVolume` for few cells and short times, and no solver of an equation with diffusion.

    `rtol`, `atol`: tolerances of the trajectories, `atol` in units of the width of the grid. Raises `ValueError` unless
    they are positive.

    >>> Characteristics(rtol=1e-8).rtol
    Array(1.e-08, dtype=float64)
    """

    solver: diffrax.AbstractERK = diffrax.Tsit5()
    rtol: Float[Array, ""] = eqx.field(converter=as_floating, default=1e-10)
    atol: Float[Array, ""] = eqx.field(converter=as_floating, default=1e-12)

    def __check_init__(self):
        for name, tolerance in (("rtol", self.rtol), ("atol", self.atol)):
            require(lambda tolerance=tolerance: tolerance > 0, lambda name=name: f"{name} must be positive", tolerance)

    def check(self, equation: AbstractBalanceLaw, initial: Density) -> None:
        check_density(equation, initial)

    def integrate(self, equation: AbstractBalanceLaw, initial: Density, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.values[0])
        saves = times.t1[None] if times.saveat is None else jnp.concatenate([times.saveat, times.t1[None]])

        def at(t: Array) -> tuple[Array, Array, Array, Array]:
            return self._averages(equation, initial, times.t0, t, options)

        averages, lost, steps, reached = jax.lax.map(at, saves)
        saved = averages if times.saveat is None else averages[:-1]
        final = Density(initial.grid, averages[-1])
        stats = {
            "steps": jnp.max(steps),
            "mass_drift": jnp.abs(final.mass + lost[-1] - initial.mass) / initial.mass,
            "mass_lost": lost[-1],
            "smallest_average": jnp.min(averages),
        }
        exhausted = jnp.asarray(False) if options.max_steps is None else jnp.any(steps >= options.max_steps)
        result = first_failure(
            [
                (~jnp.all(jnp.isfinite(averages)), Result.not_finite),
                (~jnp.all(reached) & exhausted, Result.max_steps_reached),
                (~jnp.all(reached), Result.not_finite),
            ]
        )
        return Integrated(jax.vmap(lambda values: Density(initial.grid, values))(saved), final, stats, result)

    def _averages(
        self, equation: AbstractBalanceLaw, initial: Density, t0: Array, t: Array, options: Options
    ) -> tuple[Array, Array, Array, Array]:
        grid = initial.grid
        low, high = equation.walls or (None, None)
        eps = float(jnp.finfo(grid.lower.dtype).eps)

        def velocity(field: object, s: Array, x: Array) -> Array:
            law = eqx.tree_at(lambda law: law.field, equation, field)
            return jax.vmap(lambda point: law.velocity(s, point))(x)

        back, steps, reached = carried_back(
            velocity,
            equation.field,
            grid.faces,
            t0,
            t,
            solver=Bounded(self.solver, BackwardsAtEnds(grid.lower, grid.upper, (low is not None, high is not None))),
            controller=diffrax.PIDController(
                rtol=jnp.maximum(self.rtol, 10 * eps), atol=jnp.maximum(self.atol, eps) * grid.length
            ),
            adjoint=options.adjoint.ode,
            max_steps=options.max_steps,
        )
        # Trajectories do not cross, but their errors might.
        below = initial.profile.below(jax.lax.cummax(back))
        # What is pushed against a wall stays in the last cell.
        below = below if low is None else below.at[0].set(0.0)
        below = below if high is None else below.at[-1].set(initial.mass)
        lost = below[0] + (initial.mass - below[-1])
        return jnp.maximum(jnp.diff(below), 0) / grid.width, lost, steps, reached
