"""The ways to value and gradient of a loss with respect to (w, b), all with the same arguments.

Densities: dx/dt = w x + b draws N(1, 1) on [-8, 8] together, and the loss is `L2Loss` from N(2, 0.5^2): docs/adjoints.md
has the closed form for w = -1, b = 0.3, t1 = 1. Ensembles: samples of N(0, 1) through dx/dt = tanh(w x + b), and
`MomentLoss`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

import kinetic_nde as kn
from kinetic_nde.adjoints.adjoint import AbstractAdjoint
from kinetic_nde.distributions.reconstruction import unit
from kinetic_nde.methods.finite_volume.boundary import wind

from . import peers, problem

FORWARD = "forward solve"
TRANSPORT, CHECKPOINT, STORED, TANGENTS = (
    "TransportAdjoint()", "CheckpointAdjoint()", "CheckpointAdjoint, all stored", "ForwardMode()",
)  # fmt: skip
PLAIN, REMAT, DIFFRAX = "plain autodiff", "jax.checkpoint per step", "diffrax, recursive checkpoints"

# (theta, t1, initial, target) -> loss, or loss and gradient; theta is (w, b).
Way = Callable[[Array, Array, Any, Any], Any]


class Case(NamedTuple):
    """What is solved: the arguments of each way, and whether theta and t1 have a leading axis of a batch."""

    inputs: tuple
    batched: bool = False


class Scan(AbstractAdjoint):
    """Reverse mode by JAX itself through a `lax.scan` over a known number of the package's own steps: no rule by hand.

    What the steps have computed is stored, or with `checkpoint` their states only.
    """

    steps: int = eqx.field(static=True)
    checkpoint: bool = eqx.field(static=True, default=False)

    def loop(self, time_loop: Any, clock: Any, state: Any, args: Any, *, spans: int, steps: int | None) -> tuple:
        def body(carry: tuple, k: Array) -> tuple[tuple, None]:
            return time_loop.step(args, k, *carry), None

        numbers = jnp.arange(self.steps, dtype=jnp.int32)
        return lax.scan(jax.checkpoint(body) if self.checkpoint else body, (clock, state), numbers)[0]

    def trajectories(self, problem: Any, law: Any, start: Any, ts: Any) -> tuple:
        raise TypeError("Scan is for densities")

    @property
    def ode(self) -> diffrax.AbstractAdjoint:
        raise TypeError("Scan is for densities")


def of_densities(steps: int, fixed: bool = False) -> dict[str, Way]:
    """The forward solve and all ways, for cases that take `steps` steps: adaptive ones, which find that number, or
    `fixed` beforehand."""
    method = kn.FiniteVolume(steps=steps) if fixed else None

    def by(adjoint: AbstractAdjoint) -> Way:
        def loss(theta: Array, t1: Array, initial: kn.Density, target: kn.Density) -> Array:
            solution = kn.solve(_drift(theta), initial, t1=t1, method=method, adjoint=adjoint)
            return kn.L2Loss(target)(solution.final)

        return loss

    def by_diffrax(theta: Array, t1: Array, initial: kn.Density, target: kn.Density) -> Array:
        grid = initial.grid
        scale = unit(initial.mass, grid.length)
        blowing = wind(_drift(theta), grid, jnp.zeros(()))
        # diffrax's own choice of checkpoints for this number of steps.
        final = peers.method_of_lines(initial.values / scale, blowing, t1, steps, diffrax.RecursiveCheckpointAdjoint())
        return kn.L2Loss(target)(kn.Density(grid, scale * final))

    return {
        FORWARD: by(kn.CheckpointAdjoint()),
        TRANSPORT: jax.value_and_grad(by(kn.TransportAdjoint())),
        CHECKPOINT: jax.value_and_grad(by(kn.CheckpointAdjoint())),
        STORED: jax.value_and_grad(by(kn.CheckpointAdjoint(checkpoints=max(2, steps)))),
        TANGENTS: by_tangents(by(kn.ForwardMode())),
        PLAIN: jax.value_and_grad(by(Scan(steps))),
        REMAT: jax.value_and_grad(by(Scan(steps, checkpoint=True))),
        DIFFRAX: jax.value_and_grad(by_diffrax),
    }


def density(cells: int, steps: int, members: int | None = None) -> Case:
    """N(1, 1) until t1 so that `steps` steps have the default Courant number; or `members` networks, each with its own
    w, b and t1, so that none waits for another."""
    grid = problem.grid(cells)
    spread = jnp.linspace(-0.2, 0.2, members) if members else jnp.zeros(1)
    thetas = jnp.stack([-1 + spread, 0.3 + spread], axis=1)
    fastest = jnp.stack([wind(_drift(theta), grid, jnp.zeros(())).fastest for theta in thetas])
    t1 = steps * problem.CFL / fastest
    initial, target = kn.Density.gaussian(1.0, 1.0, grid), kn.Density.gaussian(2.0, 0.5, grid)
    inputs = (thetas, t1, initial, target) if members else (thetas[0], t1[0], initial, target)
    return Case(inputs, members is not None)


def of_ensembles() -> dict[str, Way]:
    """The forward solve and the ways of the package."""

    def by(adjoint: AbstractAdjoint) -> Way:
        def loss(theta: Array, t1: Array, initial: kn.Ensemble, target: kn.Ensemble) -> Array:
            equation = kn.MeanField(kn.SimResNet(theta[0], theta[1], kn.Tanh()))
            return kn.MomentLoss(target, (1, 2))(kn.solve(equation, initial, t1=t1, adjoint=adjoint).final)

        return loss

    return {
        FORWARD: by(kn.CheckpointAdjoint()),
        TRANSPORT: jax.value_and_grad(by(kn.TransportAdjoint())),
        CHECKPOINT: jax.value_and_grad(by(kn.CheckpointAdjoint())),
        TANGENTS: by_tangents(by(kn.ForwardMode())),
    }


def ensemble(samples: int) -> Case:
    """That many samples through tanh(0.3 - x) until t1 = 2, against as many of N(1, 0.5^2)."""
    random = np.random.default_rng(0)
    initial, target = random.normal(0.0, 1.0, samples), random.normal(1.0, 0.5, samples)
    return Case((jnp.array([-1.0, 0.3]), jnp.asarray(2.0), kn.Ensemble(initial), kn.Ensemble(target)))


def _drift(theta: Array) -> kn.MeanField:
    return kn.MeanField(kn.SimResNet(theta[0], theta[1], kn.Identity()), walls=(problem.LOWER, problem.UPPER))


def by_tangents(loss: Way) -> Way:
    """As `jax.value_and_grad`, by forward mode."""

    def both(*inputs: Any) -> tuple[Array, Array]:
        gradient, value = jax.jacfwd(lambda *inputs: (loss(*inputs),) * 2, has_aux=True)(*inputs)
        return value, gradient

    return both
