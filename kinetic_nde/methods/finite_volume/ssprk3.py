"""The strong-stability-preserving Runge-Kutta method of third order."""

from collections.abc import Callable

from jaxtyping import Array, Float

# Times of the three stages within a step.
STAGES = (0.0, 1.0, 0.5)


def step_ssprk3(increment: Callable[[int, Array], Array], u: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """One step of Shu and Osher's scheme (doi:10.1016/0021-9991(88)90177-5), with `increment(stage, u)` = dt L(t +
    STAGES[stage] dt, u).

    Written with increments: u + (k1 + k2 + 4 k3) / 6 where the usual form takes convex combinations of states, whose
    weights 1/3 and 2/3 lose 2e-5 of the mass in 1000 steps of float32 (increments 6e-7).
    """
    k1 = increment(0, u)
    k2 = increment(1, u + k1)
    k3 = increment(2, u + 0.25 * (k1 + k2))
    return u + (k1 + k2 + 4 * k3) * (1 / 6)


def pull_ssprk3(pull: Callable[[int, Array], Array], cotangent: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The transpose of such a step, with `pull(stage, cotangent)` that of `increment` at the state of that stage; called
    from the last stage to the first.

    >>> import jax.numpy as jnp
    >>> float(pull_ssprk3(lambda stage, c: -0.5 * c, jnp.array(1.0)))  # a step of u' = -u / 2, which is its own transpose
    0.6041666...
    """
    third = pull(2, (4 / 6) * cotangent)
    second_in = (1 / 6) * cotangent + 0.25 * third
    second = pull(1, second_in)
    return cotangent + third + second + pull(0, second_in + second)
