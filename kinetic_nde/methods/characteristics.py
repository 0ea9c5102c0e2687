"""The mean field on a density, by its characteristics."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..distributions.density import Density
from ..distributions.grid import Grid
from ..equations.balance_law import AbstractBalanceLaw
from .backward import carried_back
from .bounded import BackwardsAtEnds, Bounded
from .finite_volume.scheme import check_density
from .method import AbstractMethod, Integrated, Options, Times, check_line, check_velocity, save_times, with_field
from .result import Result, first_failure
from .tolerances import as_solver, as_tolerance, controller


class Characteristics(AbstractMethod):
    """Each face of the grid is carried back to t0: no mass crosses a characteristic, so that what lies to the left of x at
    time t is what lay to the left of X^{-1}(x) at time t0,

        int_{-inf}^x g(t) = int_{-inf}^{X^{-1}(x)} g0,

    by Eq. (8) of Herty, Trimborn, Visconti (2021). The new cell averages are differences of the initial distribution
    function and carry no error but that of the initial reconstruction and of the trajectories: the same in one large step
    as in many, however steep the density becomes. Mass at walls and mass lost through open ends are as exact as the
    trajectories.

    - `solver`: any of diffrax's explicit Runge-Kutta methods with an error estimate; Tsitouras' 5(4) by default.
    - `rtol`, `atol`: tolerances of the trajectories, `rtol` relative to the distance from the middle of the grid, `atol`
      in units of its width.

    Not recommended: for few cells and short times, where `FiniteVolume` is faster; for derivatives of a density that has
    become narrower than a cell. The averages do not say where in the cell it is, so that its place and every gradient
    with respect to it are lost: take `FiniteVolume` or an `Ensemble`. No solver of an equation with diffusion.

    Every save time is a way back of its own, to which `max_steps` applies. Faces share their steps: a field that is not
    finite at one of them fails the solve. Raises `ValueError` for tolerances that are not positive and finite,
    `TypeError` for another solver.

    >>> Characteristics(rtol=1e-8).rtol
    Array(1.e-08, dtype=float64)
    """

    solver: diffrax.AbstractERK = eqx.field(converter=as_solver, default=diffrax.Tsit5())
    rtol: Float[Array, ""] = eqx.field(converter=as_tolerance("rtol"), default=1e-10)
    atol: Float[Array, ""] = eqx.field(converter=as_tolerance("atol"), default=1e-12)

    def check(self, equation: AbstractBalanceLaw, initial: Density, times: Times) -> None:
        check_line(self, initial)
        check_density(equation, initial)

    def integrate(self, equation: AbstractBalanceLaw, initial: Density, times: Times, options: Options) -> Integrated:
        check_velocity(equation.field, initial.values[0])

        def at(t: Array) -> tuple[Array, Array, Array, Result]:
            return self._averages(equation, initial, times.t0, t, options)

        averages, lost, steps, results = jax.lax.map(at, save_times(times))
        saved = averages if times.saveat is None else averages[:-1]
        final = Density(initial.grid, averages[-1])
        stats = {
            "steps": jnp.max(steps),
            "mass_drift": jnp.abs(final.mass + lost[-1] - initial.mass) / initial.mass,
            "mass_lost": lost[-1],
            "smallest_average": jnp.min(averages),
        }
        result = first_failure(
            [(jnp.any(results == outcome), outcome) for outcome in (Result.not_finite, Result.max_steps_reached)]
        )
        return Integrated(jax.vmap(lambda values: Density(initial.grid, values))(saved), final, stats, result)

    def _averages(
        self, equation: AbstractBalanceLaw, initial: Density, t0: Array, t: Array, options: Options
    ) -> tuple[Array, Array, Array, Result]:
        # Positions count from the middle of the grid: far from 0 a relative tolerance would be one of the offset.
        centre = 0.5 * (initial.grid.lower + initial.grid.upper)
        half = 0.5 * initial.grid.length
        grid = Grid(-half, half, initial.grid.cells)
        low, high = equation.walls or (None, None)

        def velocity(field: object, s: Array, x: Array) -> Array:
            law = with_field(equation, field)
            return jax.vmap(lambda point: law.velocity(s, point + centre))(x)

        back, steps, result = carried_back(
            velocity,
            equation.field,
            grid.faces,
            t0,
            t,
            solver=Bounded(self.solver, BackwardsAtEnds(grid.lower, grid.upper, (low is not None, high is not None))),
            controller=controller(self.rtol, self.atol, grid.length),
            adjoint=options.adjoint.ode,
            max_steps=options.max_steps,
        )
        # The first face stays at its wall, whatever came off it. Trajectories do not cross, but their errors might.
        back = back if low is None else back.at[0].set(grid.lower)
        below = Density(grid, initial.values).profile.below(jax.lax.cummax(back))
        # What is pushed against a wall stays in the last cell.
        below = below if low is None else below.at[0].set(0.0)
        below = below if high is None else below.at[-1].set(initial.mass)
        lost = below[0] + (initial.mass - below[-1])
        return jnp.maximum(jnp.diff(below), 0) / grid.width, lost, steps, result
