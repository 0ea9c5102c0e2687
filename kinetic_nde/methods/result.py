"""How a solve ended."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool


class Result(eqx.Enumeration):
    """How a solve ended; each member is its own message.

    >>> Result.successful == Result.max_steps_reached
    Array(False, dtype=bool)
    """

    successful = ""
    max_steps_reached = (
        "The limit max_steps was reached before t1. The solution is that of the last time reached, which for collisions is each particle's own. Either (a) "
        "raise max_steps, or leave it out for no limit, or (b) for a density take a coarser grid: the number of steps grows with the number of cells and with "
        "the largest speed on the grid, also where there is no mass."
    )
    not_finite = (
        "The solution is no longer finite. Either (a) the field gives infinite or NaN velocities on the grid or along the trajectories: evaluate it there, "
        "or (b) parameters or initial values are not finite."
    )
    stalled = (
        "The time step fell below what the floating-point type resolves. Either (a) speeds on the grid are enormous: check the units of weight and bias, "
        "or (b) switch to float64."
    )
    too_few_steps = (
        "In a step of Collisions(steps=...) a collision would have a probability above 1. Either (a) raise steps above rate * dt, with dt the longest time "
        "between two save times or breakpoints of the field, or (b) leave steps out, for the exact times of the collisions."
    )
    layers_skipped = (
        "A layer of a kn.PiecewiseConstant has a part in [t0, t1] and the middle of no step: Layers(count) would leave it out. Take more steps, as many as "
        "there are layers if these are of equal length."
    )
    bad_times = "The times are not in order: t0 <= saveat <= t1 with increasing save times is needed."
    bad_walls = "The walls are not at the ends of the grid (to 1e-9 of its width)."
    bad_equation = "A number of the equation is out of its bounds: epsilon and rate must be finite and > 0, nu finite and not negative."
    bad_initial = "The initial distribution is not finite, is negative, has no mass, or starts beyond a wall."


def first_failure(checks: list[tuple[Bool[Array, ""], Result]]) -> Result:
    """The result that belongs to the first check that is true, or success."""
    result = Result.successful
    for failed, outcome in reversed(checks):
        result = Result.where(jnp.asarray(failed), outcome, result)
    return result


def from_diffrax(result: diffrax.RESULTS, finite: Bool[Array, ""]) -> Result:
    """The `Result` of a solve by diffrax."""
    exhausted = result == diffrax.RESULTS.max_steps_reached
    failed = result != diffrax.RESULTS.successful
    return first_failure([(exhausted, Result.max_steps_reached), (failed | ~finite, Result.not_finite)])
