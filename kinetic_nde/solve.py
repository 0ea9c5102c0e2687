"""The entry: check, dispatch, integrate, package."""

import functools
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from ._values import as_count, as_floating, as_key, cast, common_float, default_float, known, require, under_jit
from .adjoints.adjoint import AbstractAdjoint, CheckpointAdjoint, ForwardMode, in_force
from .distributions.density import Density
from .distributions.ensemble import Ensemble
from .distributions.stack import check_one
from .equations.balance_law import walls_off_grid
from .equations.binary_boltzmann import BinaryBoltzmann
from .equations.boltzmann import Boltzmann
from .equations.equation import AbstractEquation
from .equations.fokker_planck import FokkerPlanck
from .equations.mean_field import MeanField
from .methods import progress as progress_bar, time_derivative
from .methods.blocks import devices_for
from .methods.chang_cooper import ChangCooper
from .methods.characteristics import Characteristics
from .methods.collisions import Collisions
from .methods.events import rounding
from .methods.finite_volume.scheme import FiniteVolume
from .methods.layers import Layers
from .methods.method import AbstractMethod, Integrated, Options, Times
from .methods.particles import Particles
from .methods.push_forward import PushForward
from .methods.result import Result, first_failure
from .solution import Solution

# One row per cell of the table of methods; the first method is the default.
_METHODS: list[tuple[type[AbstractEquation], type, tuple[type[AbstractMethod], ...]]] = [
    (MeanField, Density, (FiniteVolume, Characteristics)),
    (MeanField, Ensemble, (Particles, Layers)),
    (FokkerPlanck, Density, (FiniteVolume, ChangCooper)),
    (FokkerPlanck, Ensemble, (Particles,)),
    (Boltzmann, Density, (PushForward,)),
    (Boltzmann, Ensemble, (Collisions,)),
    (BinaryBoltzmann, Ensemble, (Collisions,)),
]
# The cells in which whatever solves draws random numbers.
_RANDOM: list[tuple[type[AbstractEquation], type]] = [
    (FokkerPlanck, Ensemble),
    (Boltzmann, Ensemble),
    (BinaryBoltzmann, Ensemble),
]


def solve(
    equation: AbstractEquation,
    initial: Density | Ensemble,
    *,
    t1: ArrayLike,
    t0: ArrayLike = 0.0,
    saveat: ArrayLike | list | tuple | None = None,
    method: AbstractMethod | None = None,
    adjoint: AbstractAdjoint = CheckpointAdjoint(),
    key: PRNGKeyArray | None = None,
    max_steps: int | None = None,
    progress: bool = False,
    throw: bool = True,
) -> Solution:
    """Moves a distribution by an equation from t0 to t1.

    - `equation`: a `MeanField`, a `FokkerPlanck` with noise, or one of collisions, a `Boltzmann` or a `BinaryBoltzmann`.
    - `initial`: a `Density`, solved by `FiniteVolume()`, or an `Ensemble`, solved by `Particles()`, unless `method`
      says otherwise. A `Boltzmann` is solved by `PushForward()` on a `Density` and by `Collisions()` on an `Ensemble`, a
      `BinaryBoltzmann` by the latter only.
    - `saveat`: increasing times in [t0, t1], to rounding, at which the distribution is stored; only t1 by default.
    - `adjoint`: how derivatives pass through: `CheckpointAdjoint()` (reverse-mode autodiff of the scheme),
      `TransportAdjoint()` (the adjoint equation) or `ForwardMode()`.
    - `key`: one of JAX's random keys, without which a `FokkerPlanck` on an `Ensemble` is not solved; the same key gives
      the same result. Nothing else is random, and leaves it alone.
    - `max_steps`: a limit; none by default.
    - `progress`: shows a progress bar.
    - `throw`: whether a failure at run time raises `RuntimeError` with the result's message; with `False` see
      `solution.result`.

    Works under `jax.jit`, `jax.vmap` and `jax.grad` in any order, and compiles once for all physical numbers. Mixed
    float types of initial distribution and field take JAX's result type; times and walls follow it. Derivatives of
    distributions by t0, t1 and saveat are rates of change, whatever the adjoint; `stats` have none, and particles that need a
    key raise `TypeError`. The lengths of steps count as constants.

    Raises `TypeError` for an equation, a distribution or a method that do not go together and for what is no key,
    `ValueError` for a missing key, for a stack of initial distributions, and for shapes and values that are wrong as far as they are known; traced values that
    are wrong end in a `Result`.

    >>> import kinetic_nde as kn
    >>> equation = kn.MeanField(kn.SimResNet(weight=1.0, bias=-5.0, activation=kn.Tanh()), walls=(2.0, 8.0))
    >>> solution = kn.solve(equation, kn.Density.uniform(2.0, 8.0, kn.Grid(2.0, 8.0, 60)), t1=12.0)
    >>> [round(float(value * 0.1), 4) for value in solution.final.values[jnp.array([0, -1])]]
    [0.5, 0.5]
    """
    chosen = _choose(equation, initial, method)
    key = _key(equation, initial, key)
    if not isinstance(adjoint, AbstractAdjoint):
        meant = isinstance(adjoint, type) and issubclass(adjoint, AbstractAdjoint)
        hint = f": did you mean kn.{adjoint.__name__}()?" if meant else ""
        raise TypeError(f"adjoint must be an object such as kn.CheckpointAdjoint(), not {adjoint!r}{hint}")
    adjoint = in_force(adjoint)
    limit = None if max_steps is None else as_count(max_steps, "max_steps")
    times = _times(t0, t1, saveat)
    _warn_of_float32()
    equation, initial, chosen, times = cast((equation, initial, chosen, times), common_float(initial, equation.field))
    chosen.check(equation, initial, times)
    devices = devices_for(initial.samples) if isinstance(initial, Ensemble) else ()
    ts, out, result = _run((equation, initial, chosen, times, key), (adjoint, limit, progress, devices))
    if progress and known(out):
        jax.block_until_ready(out)
        progress_bar.close(complete=bool(jnp.all(result == Result.successful)))
    solution = Solution(ts, out.saved, out.final, out.stats, result)
    return _raise_failure(solution) if throw else solution


def _choose(equation: Any, initial: Any, method: Any) -> AbstractMethod:
    if not isinstance(equation, AbstractEquation):
        raise TypeError(f"the first argument is an equation such as kn.MeanField(net), not {type(equation).__name__}")
    if not isinstance(initial, Density | Ensemble):
        raise TypeError(f"the initial distribution is a kn.Density or a kn.Ensemble, not {type(initial).__name__}")
    check_one(initial, "a solve")
    for law, kind, methods in _METHODS:
        if isinstance(equation, law) and isinstance(initial, kind):
            chosen = methods[0]() if method is None else method
            if isinstance(chosen, type):
                raise TypeError(f"method must be an object: did you mean kn.{chosen.__name__}()?")
            if isinstance(chosen, methods):
                return chosen
            possible = " or ".join(f"kn.{each.__name__}" for each in methods)
            raise TypeError(
                f"{type(chosen).__name__} does not solve {law.__name__} for a {kind.__name__}; possible: {possible}"
            )
    possible = ", ".join(kind.__name__ for law, kind, _ in _METHODS if isinstance(equation, law)) or "none"
    raise TypeError(
        f"no method solves {type(equation).__name__} for a {type(initial).__name__}; possible initial distributions: {possible}"
    )


def _key(equation: AbstractEquation, initial: Density | Ensemble, key: Any) -> Any:
    if key is not None:
        return as_key(key)
    if any(isinstance(equation, law) and isinstance(initial, kind) for law, kind in _RANDOM):
        raise ValueError(
            f"{type(equation).__name__} on an {type(initial).__name__} is random: give key=jax.random.key(0), or another seed"
        )
    return None


def _times(t0: Any, t1: Any, saveat: Any) -> Times:
    start, end = as_floating(t0, "t0"), as_floating(t1, "t1")
    start, end = cast((start, end), common_float(start, end))
    if start.shape != () or end.shape != ():
        raise ValueError(f"t0 and t1 are numbers, got shapes {start.shape} and {end.shape}")
    require(
        lambda: np.isfinite(start) and np.isfinite(end) and start <= end,
        lambda: f"need finite times with t0 <= t1, got t0={start}, t1={end}",
        start,
        end,
    )
    if saveat is None:
        return Times(start, end, None)
    saves = as_floating(saveat, "saveat")
    start, end, saves = cast((start, end, saves), common_float(start, end, saves))
    if saves.ndim != 1 or saves.size == 0:
        raise ValueError(f"saveat must be a list of times, got shape {saves.shape}")
    require(
        lambda: np.all(np.diff(saves) > 0) and bool(_inside(start, end, saves)),
        lambda: f"saveat must be increasing times in [t0, t1] = [{start}, {end}], got {np.asarray(saves)}",
        (saves, start, end),
    )
    return Times(start, end, saves)


def _inside(start: Array, end: Array, saves: Array) -> Array:
    """Whether the first and the last save time are in [t0, t1], to rounding."""
    return (saves[0] >= start - rounding(start)) & (saves[-1] <= end + rounding(end))


def _check_traced(equation: AbstractEquation, initial: Density | Ensemble, times: Times) -> Result:
    """What could not be raised because it was traced."""
    saves = times.t1[None] if times.saveat is None else times.saveat
    unbounded = ~(jnp.isfinite(times.t0) & jnp.isfinite(times.t1))
    disorder = unbounded | (
        ~(times.t0 <= times.t1) | jnp.any(~(jnp.diff(saves) > 0)) | ~_inside(times.t0, times.t1, saves)
    )
    values = initial.values if isinstance(initial, Density) else initial.samples
    bad = ~jnp.all(jnp.isfinite(values))
    checks = [(disorder, Result.bad_times), (bad, Result.bad_initial)]
    if isinstance(initial, Density):
        largest = jnp.max(values)
        checks[1] = (bad | (jnp.min(values) < -1e-14 * largest) | ~(largest > 0), Result.bad_initial)
        checks.append((walls_off_grid(equation, initial.grid), Result.bad_walls))
    elif equation.walls is not None:
        outside = values != jnp.clip(values, *equation.walls)
        checks[1] = (bad | jnp.any(outside), Result.bad_initial)
    return first_failure(checks)


def _in_order(times: Times) -> Times:
    """The times themselves if they are in order; else, the solve having failed already, some that end a loop."""
    t0, t1 = jnp.nan_to_num(times.t0, posinf=0.0, neginf=0.0), jnp.nan_to_num(times.t1, posinf=0.0, neginf=0.0)
    # By selection: at a tie minima and maxima halve the derivative by either time.
    t1 = jnp.where(t1 < t0, t0, t1)
    if times.saveat is None:
        return Times(t0, t1, None)
    saves = jnp.where(times.saveat < t0, t0, times.saveat)
    return Times(t0, t1, jnp.sort(jnp.where(saves > t1, t1, saves)))


def _integrate(inputs: tuple, choices: tuple) -> tuple[Any, Integrated, Result]:
    equation, initial, method, times, key = inputs
    adjoint, max_steps, progress, devices = choices
    before = _check_traced(equation, initial, times)
    times = _in_order(times)
    options = Options(adjoint, key, max_steps, progress, devices)
    out = time_derivative.integrate(method, equation, initial, times, options)
    result = Result.where(before == Result.successful, out.result, before)
    return (times.t1[None] if times.saveat is None else times.saveat), out, result


# XLA's CPU back end prefers vectors half as wide as AVX-512 has; the hot loop is a third faster with all of it, and
# nothing changes on other machines.
_CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}


@functools.cache
def _compiled(options: tuple | None) -> Any:
    def run(dynamic: Any, static: Any) -> Any:
        leaves, structure, choices = static
        inputs = eqx.combine(dynamic, jax.tree.unflatten(structure, leaves))
        ts, out, result = _integrate(inputs, choices)
        return ts, out, result

    return jax.jit(run, static_argnums=1, compiler_options=dict(options) if options else None)


def _run(inputs: tuple, choices: tuple) -> tuple[Any, Integrated, Result]:
    """The solve, compiled once for each structure of its inputs: every array is traced, everything else is static."""
    dynamic, static = eqx.partition(inputs, eqx.is_array)
    leaves, structure = jax.tree.flatten(static)
    # Options for the compiler are allowed for an outermost jit only.
    outermost = known(dynamic) and not under_jit()
    options = tuple(_CPU_OPTIONS.items()) if outermost and jax.default_backend() == "cpu" else None
    try:
        return _compiled(options)(dynamic, (tuple(leaves), structure, choices))
    except TypeError as error:
        # A field of the user's may have a derivative of its own.
        if "custom_vjp" not in str(error) or isinstance(choices[0], ForwardMode):
            raise
        raise TypeError(
            f"{type(choices[0]).__name__} gives derivatives backwards, jax.grad or jax.vjp: for jax.jvp, jax.jacfwd, jax.linearize "
            "and what is built on them, such as least squares, pass adjoint=kn.ForwardMode(); the Hessian for an ensemble is "
            "jax.jacfwd(jax.jacfwd(f)) with it"
        ) from error


def _raise_failure(solution: Solution) -> Solution:
    """Raises if the solve has failed: at once where its result is known, else when the compiled program ends."""
    failed = solution.result != Result.successful
    if known(failed):
        if bool(jnp.any(failed)):
            raise RuntimeError(Result[solution.result])
        return solution
    return solution.result.error_if(solution, failed)


@functools.cache
def _warn_of_float32() -> None:
    if default_float() != np.float64:
        warnings.warn(
            "float64 is off: results carry about 6 digits. Switch it on with jax.config.update('jax_enable_x64', True) before the first array is made.",
            stacklevel=3,
        )
