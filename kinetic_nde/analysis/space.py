"""Steady states in several dimensions, and the particles that come to each of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..network.simresnet import SimResNet
from .box import Box
from .equilibria import SteadyStates
from .lattice import lattice, rank_of, rates
from .settling import NEAR, follow, nearest

# More samples than these are not followed: the standard error is 0.005 at most.
_FOLLOWED = 10_000
# How often the box of tightly packed data is doubled until it holds a point, and the points after which that ends.
_DOUBLINGS, _ENOUGH = 40, 1000
# The part of the way to the next point within which what stands still does so at a point and not beside it.
_AT = 1e-5


def states_in_space(net: SimResNet, initial: Any, box: Box, rounding: float) -> SteadyStates:
    """The steady states of a network in d > 1 dimensions, whose weights are known to the relative error `rounding`, and
    where the samples of the ensemble `initial` go. A box that was not given is widened to where they come to rest."""
    d = net.dimension
    weight, bias = (np.asarray(parameter(0.0), dtype=float) for parameter in (net.weight, net.bias))
    weight, bias = weight * np.eye(d) if weight.ndim == 0 else weight, np.broadcast_to(bias, d)
    # Numbers in their full shapes, so that one compiled program follows the particles of all of them.
    net = SimResNet(weight, bias, net.activation)
    rank = rank_of(weight, rounding)
    notes = []
    if rank < d:
        notes.append(f"w is singular, of rank {rank} in dimension {d}: v is zero on whole lines or nowhere")

    def states(box: Box) -> SteadyStates:
        found = lattice(weight, bias, net.activation, box, rounding)
        eigenvalues, stability = rates(weight, found.slopes)
        return SteadyStates(
            found.points, stability, eigenvalues, box.lower, box.upper, continua=found.continua, notes=tuple(notes)
        )

    if initial is None:
        return states(box)
    samples = np.asarray(initial.samples, dtype=float)
    if len(samples) > _FOLLOWED:
        notes.append(f"the masses are those of {_FOLLOWED} of the {len(samples)} samples")
        samples = np.random.default_rng(0).permutation(samples)[:_FOLLOWED]
    # Points outside a box that was given take mass too, and a box that was not is known when all has come to rest.
    around = _around(box)
    if rank == d and not all(box.given):
        around = _reaching(states, around)
    nearby = states(around)
    settled = follow(net, samples, around.lower, around.upper, nearby.points, nearby.stability)
    if settled.failure:
        notes.append(f"the particles could not be followed to the end: {settled.failure}")
    reached = nearby.points[np.unique(settled.point[settled.point >= 0])]
    box = box.widened(np.concatenate([reached, _beyond(settled.places[settled.still], box)]))
    everything = states(_around(box))
    inside = box.holds(everything.points)
    # On a line of steady states one can stand still beside a point, else only at one.
    lines = len(everything.continua) > 0
    near, at = (nearest(settled.places[None], everything.points, box.size, share) for share in (NEAR, _AT))
    point = np.where(settled.still & lines, at, np.where(settled.still | (settled.point >= 0), near, -1))
    masses = np.bincount(point[point >= 0], minlength=len(everything)) / len(samples)
    lost = (point < 0) & (settled.gone | (settled.still & ~box.holds(settled.places)))
    rests = (point < 0) & ~lost & settled.still & lines
    escaping = masses[~inside].sum() + lost.mean()
    return states(box).with_masses(
        len(samples),
        masses[inside],
        float(rests.mean()),
        np.array([escaping]),
        float(((point < 0) & ~lost & ~rests).mean()),
    )


def _reaching(states: Callable[[Box], SteadyStates], box: Box) -> Box:
    """The box, or the first of twice its size, four times and so on that holds a point which may attract."""
    wider = box
    for _ in range(_DOUBLINGS):
        found = states(wider)
        if np.any(found.stability != "unstable"):
            return wider
        if len(found) > _ENOUGH:
            break
        half = 0.5 * (wider.upper - wider.lower)
        wider = wider._replace(lower=wider.lower - half, upper=wider.upper + half)
    return box


def _beyond(places: np.ndarray, box: Box) -> np.ndarray:
    """Places outside the box with some room around, since what counts as standing still moves a little."""
    outside = places[~box.holds(places)]
    return np.concatenate([outside - 0.01 * box.size, outside + 0.01 * box.size])


def _around(box: Box) -> Box:
    lower, upper = box.around
    return box._replace(lower=lower, upper=upper)
