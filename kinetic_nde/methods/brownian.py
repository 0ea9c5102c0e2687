"""Paths of Brownian motion, and diffrax's solvers along them."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from diffrax import AbstractSpaceTimeLevyArea, AbstractSpaceTimeTimeLevyArea
from jaxtyping import Array, Float

from .._values import default_float
from ..equations.fokker_planck import FokkerPlanck
from .method import Options
from .stochastic import Advance, Span
from .tolerances import as_solver


def as_particle_solver(solver: Any) -> diffrax.AbstractSolver | None:
    """`solver` if it is one for noise, for a mean field or None, for the method's own choice, else `TypeError`.

    >>> as_particle_solver(diffrax.ItoMilstein())
    ItoMilstein()
    """
    return solver if solver is None or is_stochastic(solver) else as_solver(solver)


def is_stochastic(solver: Any) -> bool:
    """Whether it is one of diffrax's solvers for dX = v dt + nu K dW. Euler's is what `Particles` does by itself, and
    those of Foster are for particles with a velocity of their own."""
    kinds = (diffrax.AbstractItoSolver, diffrax.AbstractStratonovichSolver)
    others = (diffrax.Euler, diffrax.AbstractFosterLangevinSRK)
    return isinstance(solver, kinds) and not isinstance(solver, others)


def check_solver(solver: diffrax.AbstractSolver, equation: FokkerPlanck, point: Float[Array, "*d"]) -> None:
    """Raises `ValueError` for a solver for a mean field, with walls, where one for noise that does not depend on x meets a
    K that does, and for a float type that diffrax's solver does not keep."""
    name = type(solver).__name__
    if not is_stochastic(solver):
        raise ValueError(
            f"{name} is for kn.MeanField: leave solver= out, or take one for noise such as diffrax.ItoMilstein()"
        )
    if isinstance(solver, diffrax.ItoMilstein) and point.dtype != default_float():
        raise ValueError(
            f"ItoMilstein is for {default_float()} here, and the samples are {point.dtype}: "
            "diffrax.StratonovichMilstein() is the same scheme, with the drift that it is given"
        )
    if equation.walls is not None:
        raise ValueError(f"{name} knows no walls: leave solver= out, the default reflects at them")
    if _for_additive_noise(solver) and not _constant(equation, point):
        raise ValueError(
            f"{name} is for noise that does not depend on x, a kn.ConstantDiffusion, and K here is {equation.diffusion!r}: "
            "take diffrax.ItoMilstein(), diffrax.SPaRK() or diffrax.GeneralShARK(), or leave solver= out"
        )


def advance(solver: diffrax.AbstractSolver, options: Options) -> Advance:
    """Takes the steps of a span by one of diffrax's solvers, each particle along a Brownian path of its own: a virtual
    Brownian tree, the same path for any number of steps.

    Solvers that converge to Stratonovich's integral get the drift v - (nu^2 / 2) K_i d_i K_i, with which it is Ito's.
    """
    adjoint = options.adjoint.ode

    def follow(span: Span, x: Float[Array, "m *d"], spans: int) -> Float[Array, "m *d"]:
        steps = span.last - span.first
        # In the unit of the span, so that one of no length is none to diffrax.
        length = jax.lax.stop_gradient(span.dt * steps.astype(span.dt.dtype))
        dt = 1 / jnp.maximum(steps, 1).astype(length.dtype)
        zero, one = jnp.zeros_like(length), jnp.ones_like(length)
        convert = isinstance(solver, diffrax.AbstractStratonovichSolver) and not _constant(span.law, x[0])

        def drift(s: Any, point: Array, law: FokkerPlanck) -> Array:
            v = law.velocity(span.start + s * length, point)
            return length * (v - _correction(law, point) if convert else v)

        def noise(s: Any, point: Array, law: FokkerPlanck) -> Any:
            strength = jnp.sqrt(length) * law.amplitude(point)
            return strength if point.ndim == 0 else lx.DiagonalLinearOperator(strength)

        def path(point: Array, key: Array) -> Array:
            shape = jax.ShapeDtypeStruct(point.shape, point.dtype)
            tree = diffrax.VirtualBrownianTree(0.0, 1.0, 0.5 * dt, shape, key, _levy_area(solver))
            solution = diffrax.diffeqsolve(
                diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(noise, tree)),
                solver,
                zero,
                one,
                dt,
                point,
                span.law,
                adjoint=adjoint,
                max_steps=None,
                throw=False,
            )
            assert solution.ys is not None
            return jnp.where(steps > 0, solution.ys[0], point)

        keys = jax.random.split(jax.random.fold_in(span.key, span.place), x.shape[0])
        return jax.vmap(path)(x, keys)

    return follow


def _constant(equation: FokkerPlanck, point: Float[Array, "*d"]) -> bool:
    """Whether K does not depend on x, by whether a tangent gets through."""
    found = []

    def probe(point: Array) -> Array:
        value, tangent = eqx.filter_jvp(equation.diffusion, (point,), (jnp.ones_like(point),))
        found.append(tangent is None)
        return value

    jax.eval_shape(probe, point)
    return all(found)


def _correction(law: FokkerPlanck, point: Float[Array, "*d"]) -> Float[Array, "*d"]:
    """(nu^2 / 2) K_i d_i K_i at one point."""
    slopes = jax.jacfwd(law.amplitude)(point)
    return 0.5 * law.amplitude(point) * (slopes if point.ndim == 0 else jnp.diagonal(slopes))


def _for_additive_noise(solver: diffrax.AbstractSolver) -> bool:
    return isinstance(solver, diffrax.AbstractSRK) and solver.tableau.is_additive_noise()


def _levy_area(solver: diffrax.AbstractSolver) -> Any:
    """What a solver needs to know of the path besides its increments."""
    needed = getattr(solver, "minimal_levy_area", None)
    if needed is AbstractSpaceTimeTimeLevyArea:
        return diffrax.SpaceTimeTimeLevyArea
    return diffrax.SpaceTimeLevyArea if needed is AbstractSpaceTimeLevyArea else diffrax.BrownianIncrement
