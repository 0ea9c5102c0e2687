"""Two classes of measurements: a network drives each of them to the smallest or to the largest one."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import ArrayLike

from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.grid import Grid
from ..equations.mean_field import MeanField
from ..methods.particles import Particles
from ..network.activations import Tanh
from ..network.simresnet import SimResNet
from ..solution import Solution
from ..solve import solve
from . import clusters
from .clusters import Cluster
from .standardise import SPAN, InputError, Standardised, standardise
from .threshold import silverman_within

LEAST_T1 = 12.0
CELLS = 400
_CFL = 0.45
_FRAMES = 200  # times at which the paths are stored
_DRAWN = 200  # paths that are stored of very many
_MANY = 10_000  # measurements
_LONG = 500_000  # steps from which on a progress bar is shown: some seconds
_ENDLESS = 1e9  # steps: some hours
_Timed = TypeVar("_Timed")


class Classification(NamedTuple):
    """What `classify` finds, in the units of the measurements but for `weight`, `t1` and the times of the solutions.

    - `values`, `classes`: the measurements (M,) and the class of each, 0 or 1.
    - `threshold`, `how`, `kind`: where they are divided, and how that was found, as in `Standardised`.
    - `scale`: of the standardised measurements z = (x - threshold) / scale.
    - `particles`, `density`: the clusters from left to right in both descriptions; `w1` is the distance W1 of the two
      distributions at t1.
    - `undecided`: how many measurements lie exactly at the threshold; `moving`: how many others have not reached a wall
      at t1.
    - `bandwidth`: of the kernel density `initial`, from which `evolution` starts.
    - `paths`: of all measurements, or of 200 where there are very many.
    - `mass_drift`, `steps`, `seconds`: of the solves, with their compilation.
    """

    values: np.ndarray
    classes: np.ndarray
    threshold: float
    how: str
    kind: str
    scale: float
    weight: float
    t1: float
    particles: tuple[Cluster, Cluster]
    density: tuple[Cluster, Cluster]
    w1: float
    undecided: int
    moving: int
    bandwidth: float
    initial: Density
    evolution: Solution
    paths: Solution
    mass_drift: float
    steps: dict[str, int]
    seconds: dict[str, float]


def classify(
    values: ArrayLike | list,
    threshold: float | None = None,
    weight: float = 1.0,
    t1: float | None = None,
    progress: bool = False,
) -> Classification:
    """Divides measurements (M,), in any unit, at a threshold, by the mean field of a network with the weight w > 0:

        dz/dt = tanh(w z),   z = (x - threshold) / scale,   scale = (largest - smallest) / 6,

    with walls at the smallest and at the largest measurement. The threshold is the one unstable point: all mass leaves
    it and gathers at the walls. A measurement is of class 0 if it ends left of the threshold, of class 1 if right of
    it. In the units of the measurements this is the network with weight w / scale and bias b = -(w / scale) threshold,
    run to the time t1 scale. With the origin at the threshold b = 0, so that rounding cannot take a measurement to the
    other side, however near it is, and a change of units or of sign changes nothing.

    - `threshold`: in the units of the measurements; by default that of `standardise`. A measurement exactly there
      never moves. It counts as class 1, as in `Threshold.below`, but not in the position of its cluster.
    - `weight`: the default 1, with six units between the walls, is that of section 4.2.1 of Herty, Trimborn, Visconti
      (2021).
    - `t1`: what starts at the distance d from the threshold, whose wall is at the distance D, arrives there at
      ln(sinh(w D) / sinh(w d)) / w. The default is when the last measurement has arrived, rounded up, and at least 12:
      for w = 1 the nearest of a thousand takes about 8, and one next to rounding, d = 1e-15, takes 37.
    - `progress`: shows a progress bar if the solve takes more than a moment.

    Solved by particles, all measurements, and by density: the kernel density with Silverman's bandwidth for the spread
    within the classes, a cell at least, on 400 cells
    from wall to wall, its kernels mirrored there. The masses of the clusters differ by what the kernels carry across
    the threshold.

    Meant for float64, which the caller switches on. Raises `InputError` as `standardise` does, for a weight or t1 that
    is not positive and finite, and where the solve would take hours or fails.

    >>> found = classify([1.0, 1.1, 1.2, 1.3, 8.7, 8.8, 8.9, 9.0])
    >>> found.classes, round(found.threshold, 6), found.t1
    (array([0, 0, 0, 0, 1, 1, 1, 1]), 5.0, 12.0)
    >>> [(round(cluster.position, 6), cluster.mass) for cluster in found.particles]
    [(1.0, 0.5), (9.0, 0.5)]
    """
    stopwatch = _Stopwatch()
    weight = _positive("weight", weight)
    data = stopwatch("threshold", lambda: standardise(values, threshold))
    arrivals = _arrivals(data, weight)
    t1 = _end(arrivals) if t1 is None else _positive("t1", t1)
    _check_range(data, weight, t1, arrivals)
    equation = MeanField(SimResNet(weight, 0.0, Tanh()), walls=data.walls)

    final, paths, particle_steps = stopwatch("particles", lambda: _move_particles(equation, data.z, t1))
    # For the spread within the classes: that of all grows with their distance, and would draw two groups as one.
    bandwidth = max(silverman_within(data.z[data.z < 0], data.z[data.z >= 0]), SPAN / CELLS)
    grid = Grid(*data.walls, CELLS)
    initial = stopwatch("kernel_density", lambda: Density.from_samples(data.z, grid, bandwidth))
    frames = _frames(data, weight, arrivals, t1)
    progress = progress and _steps(data, weight, t1) > _LONG
    evolution = stopwatch("density", lambda: _solve(equation, initial, t1=t1, saveat=frames, progress=progress))
    left, right, w1 = stopwatch("comparison", lambda: clusters.of_density(data, evolution.final, final))

    return Classification(
        values=data.x,
        classes=(final >= 0).astype(int),
        threshold=data.threshold,
        how=data.how,
        kind=data.kind,
        scale=data.scale,
        weight=weight,
        t1=t1,
        particles=clusters.of_particles(data, final),
        density=(left, right),
        w1=w1,
        undecided=int(np.sum(data.z == 0)),
        moving=int(np.sum((data.z != 0) & (final > data.walls[0]) & (final < data.walls[1]))),
        bandwidth=bandwidth * data.scale,
        initial=data.density(initial),
        evolution=data.solution(evolution),
        paths=data.solution(paths),
        mass_drift=float(evolution.stats["mass_drift"]),
        steps={"particles": particle_steps, "density": int(evolution.stats["steps"])},
        seconds=stopwatch.seconds,
    )


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} must be positive and finite, got {value:g}")
    return float(value)


def _arrivals(data: Standardised, weight: float) -> np.ndarray:
    """When each measurement reaches its wall, without those at the threshold; not finite where the weight is extreme.

    The flow of tanh is sinh(w z(t)) = e^{w t} sinh(w z(0)).
    """
    z = data.z[data.z != 0]
    low, high = data.walls
    wall = np.where(z < 0, low, high)
    with np.errstate(all="ignore"):
        return np.maximum(_log_sinh(weight * np.abs(wall)) - _log_sinh(weight * np.abs(z)), 0.0) / weight


def _log_sinh(a: np.ndarray) -> np.ndarray:
    return a + np.log(-np.expm1(-2.0 * a)) - math.log(2.0)


def _end(arrivals: np.ndarray) -> float:
    """A little after the last one has arrived."""
    return max(LEAST_T1, _rounded_up(1.02 * float(np.max(arrivals))))


def _steps(data: Standardised, weight: float, t1: float) -> float:
    """About the number of steps of the density."""
    return _fastest(data, weight) * t1 * CELLS / SPAN / _CFL


def _fastest(data: Standardised, weight: float) -> float:
    return math.tanh(weight * float(np.max(np.abs(data.z))))


def _check_range(data: Standardised, weight: float, t1: float, arrivals: np.ndarray) -> None:
    slope = weight / data.scale
    numbers = [float(np.max(arrivals)), slope, slope * data.threshold, t1, t1 * data.scale]
    if not np.all(np.isfinite(numbers)):
        lowest, highest = data.ends
        what = f"weight {weight:g} and t1 {t1:g} with measurements from {lowest:g} to {highest:g}"
        raise InputError(f"{what} are out of the range of numbers")
    if _steps(data, weight, t1) > _ENDLESS:
        raise InputError(f"t1 {t1:g} would take hours, and from t1 = {_end(arrivals):g} on nothing moves")


def _rounded_up(t: float) -> float:
    """To two digits."""
    if not 0 < t < math.inf:
        return t
    unit = 10.0 ** (math.floor(math.log10(t)) - 1)
    return math.ceil(t / unit) * unit


def _frames(data: Standardised, weight: float, arrivals: np.ndarray, t1: float) -> np.ndarray:
    """Times at which the density is stored: while nine tenths of the measurements are under way, and the end."""
    # The density has mass between the walls also where all measurements are at them.
    least = 0.25 * SPAN / _fastest(data, weight)
    busy = min(_rounded_up(max(float(np.quantile(arrivals, 0.9)), least)), t1)
    return np.unique([0.0, 0.25 * busy, 0.5 * busy, busy, t1])


def _move_particles(equation: MeanField, z: np.ndarray, t1: float) -> tuple[np.ndarray, Solution, int]:
    """Where all particles end, and the paths that there are to draw."""
    # A particle that starts within the absolute tolerance would be late by any time: the tolerance is below the nearest one's distance, also
    # after the error was averaged over all particles.
    nearest = float(np.min(np.abs(z[z != 0])))
    method = Particles(atol=min(1e-10, 1e-3 * nearest / float(np.std(z)) / math.sqrt(z.size)))
    times = np.linspace(0.0, t1, _FRAMES)
    if z.size <= _MANY:
        paths = _solve(equation, Ensemble(z), t1=t1, saveat=times, method=method)
        return np.asarray(paths.final.samples), paths, int(paths.stats["steps"])
    ranks = np.unique(np.linspace(0, z.size - 1, _DRAWN).round().astype(int))
    paths = _solve(equation, Ensemble(np.sort(z)[ranks]), t1=t1, saveat=times, method=method)
    everything = _solve(equation, Ensemble(z), t1=t1, method=method)
    return np.asarray(everything.final.samples), paths, int(everything.stats["steps"])


def _solve(*args: Any, **options: Any) -> Solution:
    try:
        return solve(*args, **options)
    except RuntimeError as error:
        raise InputError(f"the solve failed for these parameters. {error}") from error


class _Stopwatch:
    """Notes what takes how long, and all since it was made."""

    def __init__(self):
        self.started = time.perf_counter()
        self.noted: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        return {**self.noted, "total": time.perf_counter() - self.started}

    def __call__(self, name: str, what: Callable[[], _Timed]) -> _Timed:
        started = time.perf_counter()
        result = jax.block_until_ready(what())
        self.noted[name] = time.perf_counter() - started
        return result
