"""Whether a solution comes together, and when."""

import numbers

import jax
import numpy as np
from jaxtyping import Array

from .._values import known
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..methods.result import Result
from ..solution import Solution
from .diagnosis import Diagnosis

# What particles are accurate to, relative to their distance from 0.
_TRAJECTORIES = 1e-8
_ROUNDINGS = 64


def diagnose(solution: Solution, *, tolerance: float | int = 1e-6, level: float | int = 1e-4) -> Diagnosis:
    """Which of the properties of Definition 2 of Herty, Trimborn, Visconti (2021) a solution has, and when: with the
    energy m2 and the variance V,

        (i)   local energy bound at t:  m2(0) > m2(t)
        (ii)  energy decay:             m2 strictly decreasing
        (iii) local aggregation at t:   V(0) > V(t)
        (iv)  aggregation:              V strictly decreasing
        (v)   clustering:               V -> 0.

    In d >= 2 the energy is the mean of |x|^2 and V the trace of the covariance. Of a density the mass that leaves through an
    open end takes its energy along, and V is that of what remains.

    - `solution`: densities or ensembles at two save times or more. The first stands for t = 0: give `saveat` with t0 in it,
      since a solution does not hold what it started from. Nothing is known of what happens between save times.
    - `tolerance`: a change of sqrt(m2) or sqrt(V), neither of which an error of the places changes by more than its own
      length, counts above this part of sqrt(V(0)); one of sqrt(m2) also above 1e-8 of it, and either above rounding.
      Densities on coarse grids, which spread a little as they move, need a larger one.
    - `level`: V counts as 0 from where V(t) <= level V(0), and for a density below the square of a cell's width. A limit
      cannot be seen from a finite time: (v) says that V counts as 0 at the last save time, and from when on. No is no
      proof: a variance may fall more slowly than that.

    Returns a `Diagnosis`. Raises `TypeError` for what is no `Solution` and for a tolerance or level that is no number; `ValueError` for fewer than
    two save times, for a batch of solutions, for one that failed or is traced, where m2 or V is not finite, such as when no mass remains, unless
    0 <= tolerance < 1, and unless 0 < level < 1.

    >>> import kinetic_nde as kn
    >>> w = kn.PiecewiseConstant([0.0, 2.0], [-1.0, 0.5])  # inwards, then out again
    >>> equation, data = kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity())), kn.Ensemble([-1.0, 1.5, 4.0])
    >>> print(kn.diagnose(kn.solve(equation, data, t1=5.0, saveat=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])))
    Definition 2 at 6 save times from t = 0 to 5
    (i)    local energy bound  m2(0) > m2(t)  yes
    (ii)   energy decay        m2 decreases   no   decreases from 0 to 2; increases from 2 to 5
    (iii)  local aggregation   V(0) > V(t)    yes
    (iv)   aggregation         V decreases    no   decreases from 0 to 2; increases from 2 to 5
    (v)    clustering          V -> 0         no   V(5) = 0.368 V(0), above 0.0001
    m2 from 6.417 to 2.361, V from 4.167 to 1.533
    """
    _check(solution, tolerance, level)
    ts = np.asarray(solution.ts)
    mass, energy, variance = (np.asarray(each, dtype=float) for each in _moments(solution.distributions))
    if variance.ndim == 3:
        variance = np.trace(variance, axis1=1, axis2=2)
    undefined = ~(np.isfinite(energy) & np.isfinite(variance))
    if undefined.any():
        raise ValueError(
            f"energy or variance is not finite at t = {ts[undefined][0]:g}: no mass remains on the grid, or places too far out to square"
        )
    # Both are norms of the places, so an error of the places by less than a length moves neither by more.
    size, spread = np.sqrt(energy / mass[0]), np.sqrt(np.maximum(variance, 0))
    rounding = _ROUNDINGS * float(np.finfo(solution.ts.dtype).eps) * np.max(size)
    told = max(tolerance * spread[0], rounding)
    farther = max(told, _TRAJECTORIES * np.max(size))
    width = _cell_width(solution)
    narrow = np.maximum(spread[1:], spread[:-1]) <= width
    return Diagnosis(
        ts=ts,
        energy=energy,
        variance=variance,
        level=float(level),
        local_energy_bound=size < size[0] - farther,
        energy_trend=_trend(size, np.where(narrow, max(farther, width), farther)),
        local_aggregation=spread < spread[0] - told,
        variance_trend=_trend(spread, np.where(narrow, max(told, width), told)),
        point=spread <= max(np.sqrt(level) * spread[0], width, rounding),
    )


def _check(solution: Solution, tolerance: float | int, level: float | int) -> None:
    if not isinstance(solution, Solution):
        raise TypeError(f"diagnose is of what kn.solve returns, not of {type(solution).__name__}")
    for name, value in (("tolerance", tolerance), ("level", level)):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance is a part of the initial width, 0 <= tolerance < 1, got {tolerance}")
    if not 0 < level < 1:
        raise ValueError(f"level is a part of V(0), 0 < level < 1, got {level}")
    if solution.ts.ndim != 1:
        raise ValueError(
            f"this is a batch of solutions (ts has shape {solution.ts.shape}): diagnose its members one by one, picked with jax.tree.map"
        )
    if len(solution) < 2:
        raise ValueError(
            f"diagnose compares save times, and this solution has {len(solution)}: solve with saveat=jnp.linspace(t0, t1, 50), t0 among them"
        )
    if not known(solution):
        raise ValueError("diagnose needs known values: call it outside jit, vmap and grad")
    if bool(solution.result != Result.successful):
        raise ValueError(f"the solve failed, so there is nothing to diagnose: {solution.message}")


@jax.jit
def _moments(distributions: Density | Ensemble) -> tuple[Array, Array, Array]:
    """Mass, energy and variance at each save time."""
    return jax.vmap(lambda each: (each.mass, each.energy, each.variance))(distributions)


def _cell_width(solution: Solution) -> float:
    """The width of a cell, the longer side in two dimensions, which no density is told to be narrower than; 0 for
    ensembles."""
    distributions = solution.distributions
    return float(np.max(solution[0].grid.width)) if isinstance(distributions, Density) else 0.0


def _trend(sizes: np.ndarray, told: np.ndarray) -> np.ndarray:
    """-1, 0, 1 where what is not negative falls by more than `told`, does neither, rises."""
    steps = np.diff(sizes)
    return np.sign(np.where(np.abs(steps) > told, steps, 0.0)).astype(np.int8)
