"""The problem of `problem.py` as other packages solve it.

A contender is prepared for a number of cells and gives a function that runs it once. Compilation and set-up are not part
of the run: that favours py-pde, which compiles anew in each `PDE.solve`.
"""

import contextlib
import importlib.util
import logging
import tempfile
import time
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import kinetic_nde as kn

from . import problem
from .c_loop import CLoop
from .layouts import LAYOUTS, arguments


class Prepared(NamedTuple):
    """A run that returns the unknowns at t = 1, how far they are off, and the number of its steps."""

    run: Callable[[], Any]
    error: Callable[[np.ndarray], float]
    steps: int


def eager(cells: int) -> Prepared:
    """`kn.solve` as it is called."""
    equation, initial = problem.equation(), problem.initial(cells)
    solve = lambda: kn.solve(equation, initial, t1=problem.T1)
    return Prepared(lambda: solve().final.values, problem.error_of_averages, int(solve().stats["steps"]))


def jitted(cells: int) -> Prepared:
    """`kn.solve` inside a function that the user compiles."""
    initial, bias = problem.initial(cells), jnp.asarray(problem.BIAS)
    solve = jax.jit(lambda bias, initial: kn.solve(problem.equation(bias), initial, t1=problem.T1))
    steps = int(solve(bias, initial).stats["steps"])
    return Prepared(lambda: solve(bias, initial).final.values, problem.error_of_averages, steps)


def c_loop(loop: CLoop) -> Callable[[int], Prepared]:
    """The C loop, which has another C0 and no clipping."""

    def prepare(cells: int) -> Prepared:
        at, averages = problem.nodes(cells), problem.initial_averages(cells)
        velocity = problem.velocity(at.faces)
        dt = problem.T1 / at.steps
        run = lambda: loop(averages, velocity, at.width, dt, at.steps)
        return Prepared(run, problem.error_of_averages, at.steps)

    return prepare


class SSPRK3(diffrax.AbstractERK):
    """Shu and Osher's method for diffrax, with the error estimate of Heun's."""

    tableau: ClassVar = diffrax.ButcherTableau(
        a_lower=(np.array([1.0]), np.array([0.25, 0.25])),
        b_sol=np.array([1 / 6, 1 / 6, 2 / 3]),
        b_error=np.array([1 / 6 - 0.5, 1 / 6 - 0.5, 2 / 3]),
        c=np.array([1.0, 0.5]),
    )
    interpolation_cls: ClassVar = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms: Any) -> int:
        return 3


def method_of_lines(
    averages: Array, wind: Any, t1: Any, steps: int, adjoint: diffrax.AbstractAdjoint | None = None
) -> Array:
    """Averages after `steps` equal steps to t1 by diffrax: the package's right-hand side, the clip for this dt included.
    Derivatives by `adjoint`, diffrax's own default if None."""
    stage = list(LAYOUTS.values())[-1].stage

    # The clock counts steps: a time that is the same for all members of a batch keeps the fence of the stage whole.
    def rate(clock: Any, state: Array, args: tuple) -> Array:
        return stage(jnp.asarray(clock >= 0), state, *args)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        SSPRK3(),
        0.0,
        float(steps),
        1.0,
        jnp.pad(averages, 1),
        (wind, t1 / steps),
        max_steps=steps + 1,
        adjoint=diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint,
    )
    assert solution.ys is not None
    return solution.ys[-1, 1:-1]


def lines(cells: int) -> Prepared:
    """The method of lines, stepped by diffrax."""
    averages, wind, _ = arguments(cells)
    steps = problem.nodes(cells).steps
    scale = problem.initial_averages(cells).max() / float(averages.max())
    t1 = jnp.asarray(problem.T1)
    compiled = jax.jit(lambda averages, wind: method_of_lines(averages, wind, t1, steps) * scale)
    return Prepared(lambda: compiled(averages, wind), problem.error_of_averages, steps)


def pyclaw(cells: int) -> Prepared:
    """SharpClaw in Fortran: WENO5, SSP33, the Courant number of the others.

    The package has no conservative Riemann solver for a variable velocity in one dimension. It solves the colour
    equation u_t + v u_x with -v' u as a source, on values at the centers, where WENO is of fifth order.
    """
    # Importing it opens a log file where one is, and makes the root logger print what every other package has to say.
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        from clawpack import pyclaw, riemann
    root.handlers[:] = handlers
    root.setLevel(level)
    domain = pyclaw.Domain([pyclaw.Dimension(problem.LOWER, problem.UPPER, cells, name="x")])
    centers = domain.grid.x.centers
    start = np.exp(-0.5 * centers**2) / np.sqrt(2 * np.pi)
    slope = problem.WEIGHT * (1 - problem.velocity(centers) ** 2)

    dt = problem.T1 / problem.nodes(cells).steps
    state = pyclaw.State(domain, 1, num_aux=1)
    state.aux[0, :] = problem.velocity(centers)
    state.q[0, :] = start
    solver = pyclaw.SharpClawSolver1D(riemann.advection_color_1D)
    solver.weno_order, solver.time_integrator = 5, "SSP33"
    solver.cfl_desired, solver.cfl_max, solver.max_steps = problem.CFL, 1.0, 10**9
    solver.dt_initial = dt
    solver.dq_src = lambda _, state, dt: -dt * slope * state.q
    for ends in (solver.bc_lower, solver.bc_upper, solver.aux_bc_lower, solver.aux_bc_upper):
        ends[0] = pyclaw.BC.extrap
    solution = pyclaw.Solution(state, domain)
    solver.setup(solution)

    def solve() -> np.ndarray:
        state.q[0, :] = start
        solution.t, solver.dt = 0.0, dt
        solver.evolve_to_time(solution, problem.T1)
        return state.q[0].copy()

    solve()
    return Prepared(solve, problem.error_of_values, solver.status["numsteps"])


def py_pde(cells: int) -> Prepared:
    """Central differences of second order and the classical Runge-Kutta method in numba, at a Courant number of 1, where
    the error is that of space alone; the stepper is made beforehand."""
    import pde

    state, equation = _py_pde(cells)
    steps = int(np.ceil(problem.CFL * problem.nodes(cells).steps))
    stepper = pde.solvers.RungeKuttaSolver(equation, backend="numba").make_stepper(state, dt=problem.T1 / steps)

    def run() -> np.ndarray:
        moved = state.copy()
        stepper(moved, 0.0, problem.T1)
        return moved.data

    return Prepared(run, problem.error_of_values, steps)


def py_pde_entry(cells: int) -> float:
    """The seconds of one `PDE.solve` of py-pde, as its documentation calls it."""
    state, equation = _py_pde(cells)
    dt = problem.CFL / problem.nodes(cells).steps
    start = time.perf_counter()
    equation.solve(state, t_range=problem.T1, dt=dt, solver="runge-kutta", backend="numba", tracker=None)
    return time.perf_counter() - start


def _py_pde(cells: int) -> tuple[Any, Any]:
    import pde

    grid = pde.CartesianGrid([[problem.LOWER, problem.UPPER]], cells)
    centers = grid.axes_coords[0]
    velocity = pde.ScalarField(grid, problem.velocity(centers))
    equation = pde.PDE({"u": "-d_dx(v * u)"}, consts={"v": velocity}, bc={"value": 0})
    return pde.ScalarField(grid, np.exp(-0.5 * centers**2) / np.sqrt(2 * np.pi)), equation


def contenders(loop: CLoop | None) -> tuple[dict[str, Callable[[int], Prepared]], list[str]]:
    """Everyone who can take part, and a line for each who cannot."""
    found: dict[str, Callable[[int], Prepared]] = {"kn.solve in jax.jit": jitted, "kn.solve": eager}
    if loop is not None:
        found["C loop"] = c_loop(loop)
    found["diffrax, SSPRK3"] = lines
    missing = []
    for name, module, prepare in [
        ("PyClaw, WENO5, SSP33", "clawpack", pyclaw),
        ("py-pde, second order, RK4", "pde", py_pde),
    ]:
        if importlib.util.find_spec(module) is None:
            missing.append(f"{name} skipped: {module} is not installed (pip install '.[peers]')")
        else:
            found[name] = prepare
    return found, missing
