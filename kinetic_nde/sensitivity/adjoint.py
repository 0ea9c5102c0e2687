"""Derivatives by the adjoint equation of the mean field."""

import diffrax
import equinox as eqx
from jaxtyping import Array, Float

from ..adjoints.adjoint import AbstractAdjoint, as_checkpoints
from ..adjoints.loop import TimeLoop, Tree, run_checkpointed
from .trajectories import followed
from .transport import panels, transport

_STATES = 192
_POSITIONS = 64


class TransportAdjoint(AbstractAdjoint):
    """The continuous adjoint of the mean field and of Fokker-Planck: for a density

        d_t lambda + v . grad lambda + sum_i D_i d_ii lambda = 0,   lambda(t1) = the first variation of the loss at g(t1),
        dD/dtheta = int int g (d_theta v . grad lambda + sum_i d_theta D_i d_ii lambda) dx dt,   dD/dg0 = lambda(t0),

    section 2.4 of Herty, Trimborn, Visconti (2021) with the signs of (C6), and the backward Kolmogorov equation where there
    is noise, D_i = nu^2 K_i^2 / 2; carried backwards by the reconstruction, the diffusion stencil and the Runge-Kutta method of
    the solve; a cotangent at a save time is added to lambda there. For an ensemble without noise p' = -(d_x v)^T p along each
    trajectory. The gradient reaches all arrays of floats in the equation but its walls, that is in the field and, for
    Fokker-Planck, in nu and K, and the initial averages or samples, nothing else.

    - Cost: with the value, 2 to 3.5 forward solves, whatever the number of parameters.
    - Memory: `checkpoints` states along the solve (192 for a density, 64 for an ensemble), and 64 more where a density
      needs more than 1536 steps; a span between save times or breakpoints keeps its own.
    - Recommended: many steps; smooth densities, for which it agrees with autodiff to third order in dx; and densities
      that collapse to a few cells under a smooth loss, where autodiff differentiates how the scheme places mass within a
      cell and only this converges evenly. To first order where mass that matters to the loss leaves through an open end.
    - Slow to converge: fields with a kink (`ReLU`), where g and lambda get a jump in the same place; with a smoothed loss,
      or on an ensemble, there is no harm.
    - Not recommended: where the gradient must be that of the numbers that `solve` returns, to round-off
      (`CheckpointAdjoint`), and for derivatives with respect to the grid or the walls, of which the part that passes
      through the solve is missing.

    For `FiniteVolume` and for `Particles` without noise; `Layers` is differentiated by
    autodiff whatever the adjoint, `Characteristics` raises `TypeError`. Raises `ValueError` for fewer than 2 checkpoints.

    >>> import jax
    >>> import kinetic_nde as kn
    >>> start = kn.Density.gaussian(1.0, 1.0, kn.Grid(-8.0, 8.0, 100))
    >>> def mean(w):
    ...     equation = kn.MeanField(kn.SimResNet(w, 0.0, kn.Identity()))
    ...     return kn.solve(equation, start, t1=1.0, adjoint=kn.TransportAdjoint()).final.mean
    >>> round(float(jax.grad(mean)(-1.0)), 3)  # the mean is e^w
    0.368
    """

    checkpoints: int | None = eqx.field(static=True, default=None, converter=as_checkpoints)

    def loop(
        self, time_loop: TimeLoop, clock: Tree, state: Tree, args: Tree, *, spans: int, steps: int | None
    ) -> tuple[Tree, Tree]:
        slots = self.checkpoints or max(8, _STATES // spans)
        return run_checkpointed(panels(args, time_loop), slots, clock, state, args, transport)

    def trajectories(self, problem: Tree, law: Tree, start: Tree, ts: Float[Array, " k"]) -> tuple:
        return followed(problem, law, start, ts, self.checkpoints or _POSITIONS)

    @property
    def ode(self) -> diffrax.AbstractAdjoint:
        raise TypeError(
            "TransportAdjoint is for FiniteVolume and Particles without noise: take kn.CheckpointAdjoint() or kn.ForwardMode()"
        )
