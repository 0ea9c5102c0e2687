"""Where particles go in the long run."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real
from scipy.spatial import KDTree

from .._values import default_float
from ..distributions.ensemble import Ensemble
from ..equations.mean_field import MeanField
from ..methods.particles import Particles
from ..methods.result import Result
from ..network.simresnet import SimResNet
from ..solve import solve

# How long particles are followed, in times to cross the box at its highest speed. Not less: near an unstable point a
# particle seems to stand still at first.
_CROSSINGS = (64, 512, 4096)
# At which parts of that it is looked whether one still moves: no closed orbit comes back at all of them.
_LOOKS = (0.5, 0.69, 0.865, 1.0)
# In sizes of the box: what counts as standing still, and how far is so far that nothing comes back.
_STILL, _FAR = 1e-3, 1e3
# The part of the way from one point to the next within which a particle that stays there has come to a point.
NEAR = 0.05
# Roundings within which a place is the point itself.
_EXACT = 16
_MOST_STEPS = 200_000


class Settled(NamedTuple):
    """Where m particles went: the places (m, d) at the end, the number of the point that each of them came to, -1 for
    none (m,), which of them stand still or have gone far away, and why they were not followed to the end if they were
    not."""

    places: np.ndarray
    point: np.ndarray
    still: np.ndarray
    gone: np.ndarray
    failure: str = ""


class _Slowed(eqx.Module):
    """The field times 1 / (1 + |x - centre|^2 / radius^2): the same orbits at another pace, which never overflow."""

    field: SimResNet
    centre: Float[Array, " d"]
    radius: Float[Array, ""]

    @property
    def dimension(self) -> int:
        return self.field.dimension

    @property
    def autonomous(self) -> bool:
        return True

    def __call__(self, t: Real[ArrayLike, ""], x: Float[Array, " d"]) -> Float[Array, " d"]:
        return self.field(t, x) / (1 + jnp.sum(((x - self.centre) / self.radius) ** 2))


def follow(
    net: SimResNet, samples: np.ndarray, lower: np.ndarray, upper: np.ndarray, points: np.ndarray, stability: np.ndarray
) -> Settled:
    """Follows particles that start at samples (m, d) in a box until each stands still, is gone or has come to one of the
    `points` (n, d), or for the time of 4096 crossings of the box.

    What stands still at a point has come to it, and so has what stays within 5 % of the way to the next point and came
    half of the way. If the point is "unstable" that counts at the end only.
    """
    centre, size = 0.5 * (lower + upper), float(np.max(upper - lower))
    dtype, count = default_float(), len(samples)
    field = _Slowed(net, jnp.asarray(centre, dtype), jnp.asarray(_FAR * size, dtype))
    lattice = np.stack(np.meshgrid(*np.linspace(lower, upper, 4).T, indexing="ij"), axis=-1).reshape(-1, centre.size)
    speed = float(np.max(_speeds(field, jnp.asarray(np.concatenate([samples, lattice]), dtype))))
    # What starts at an unstable point stays there, which rounding would not let it.
    stays = nearest(samples[None], points, size, _EXACT * float(np.finfo(dtype).eps)) >= 0
    now = Settled(samples, np.full(count, -1), np.full(count, speed == 0), np.zeros(count, bool))
    for crossings in _CROSSINGS if speed > 0 else ():
        time = crossings * size / speed
        # From the start each time: the tolerances are those of the spread at the start, which is lost at the end.
        run = solve(
            MeanField(field),
            Ensemble(jnp.asarray(samples, dtype)),
            t1=time,
            saveat=[look * time for look in _LOOKS],
            method=Particles(rtol=1e-6, atol=1e-9),
            max_steps=_MOST_STEPS,
            throw=False,
        )
        if run.result != Result.successful:
            return now._replace(still=stays, failure=run.message)
        path = np.where(stays[:, None], samples, np.asarray(run.distributions.samples, dtype=float))
        still = np.max(np.linalg.norm(path - path[-1], axis=2), axis=0) <= _STILL * size
        away = np.linalg.norm(path - centre, axis=2)
        gone = (away[-1] > _FAR * size) & (away[-1] > away[0])
        now = Settled(path[-1], _arrived(path, samples, still, points, size), still, gone)
        # What is near an unstable point may only be slow to leave it.
        leaves = np.isin(now.point, np.flatnonzero(stability == "unstable")) & ~stays
        if np.all((still | gone | (now.point >= 0)) & ~leaves):
            break
    return now


def nearest(path: np.ndarray, points: np.ndarray, size: float, share: float) -> np.ndarray:
    """The point (n, d) that each particle of a path (looks, m, d) stays near to, -1 for none: not further away than this
    share of the way to the next point, or of the size of the box."""
    if not len(points):
        return np.full(path.shape[1], -1)
    point = KDTree(points).query(path[-1])[1]
    distance = np.max(np.linalg.norm(path - points[point], axis=2), axis=0)
    return np.where(distance <= share * _room(points, size)[point], point, -1)


def _arrived(path: np.ndarray, starts: np.ndarray, still: np.ndarray, points: np.ndarray, size: float) -> np.ndarray:
    """The point that each particle of a path (looks, m, d) has come to, or -1."""
    point = nearest(path, points, size, NEAR)
    if not len(points):
        return point
    way = np.linalg.norm(starts - points[point], axis=1)
    closer = np.linalg.norm(path[-1] - points[point], axis=1) <= 0.5 * way
    return np.where(still | closer, point, -1)


def _room(points: np.ndarray, size: float) -> np.ndarray:
    """The distance from each point to the next one, or the size of the box if that is smaller."""
    if len(points) < 2:
        return np.full(len(points), size)
    return np.minimum(KDTree(points).query(points, k=2)[0][:, 1], size)


@eqx.filter_jit
def _speeds(field: Any, x: Array) -> Array:
    return jnp.linalg.norm(jax.vmap(lambda point: field(0.0, point))(x), axis=1)
