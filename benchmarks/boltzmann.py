"""The linear Boltzmann equation: time and error of the solver on a density, beside a Monte Carlo of a million particles."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn

from .compiling import WIDE, compiled, temporary_bytes
from .table import Cell, Table
from .timing import race

# Identity, with noise.
W, B, EPSILON, NU, T1 = -0.7, 0.3, 0.01, 0.6, 1.0
MEAN, STD, REACH = 0.5, 0.5, 6.0

AIM_MOMENTS = 1e-6


def push_forward(
    cells: tuple[int, ...] = (400, 1000), collisions: float = 100.0, particles: int = 1_000_000, repeats: int = 5
) -> Table:
    """Seconds of the value, and of the gradient of the mean, and how far m1 and m2 are off, after that many collisions of
    each particle on average; beside a Monte Carlo of that many particles."""
    equation: Any = kn.Boltzmann  # whose walls, which are none, a type checker takes for an argument
    law = equation(kn.SimResNet(W, B, kn.Identity()), epsilon=EPSILON, nu=NU, rate=collisions / T1)
    exact = _moments(collisions / T1)
    rows: list[tuple[Cell, ...]] = []
    for count in cells:
        start = kn.Density.gaussian(MEAN, STD, kn.Grid(-REACH, REACH, count))
        value, gradient = compiled(_final, WIDE, law, start), compiled(_slopes, WIDE, law, start)
        runs = {"value": functools.partial(value, law, start), "gradient": functools.partial(gradient, law, start)}
        times, memory = race(runs, repeats), _megabytes(value)
        rows.append(
            (f"PushForward(), {count} cells", times["value"], times["gradient"], *_off(runs["value"](), exact), memory)
        )
    samples, key = MEAN + STD * jax.random.normal(jax.random.key(0), (particles,)), jax.random.key(1)
    program = compiled(_monte_carlo, WIDE, law, samples, key)
    run = functools.partial(program, law, samples, key)
    seconds = race({"value": run}, max(1, repeats // 2))["value"]
    rows.append((f"Collisions(), {particles} particles", seconds, None, *_off(run(), exact), _megabytes(program)))
    note = (
        f"Identity, w = {W}, b = {B}, eps = {EPSILON}, nu = {NU}, {collisions:g} collisions, N({MEAN}, {STD}^2) on "
        f"[-{REACH:g}, {REACH:g}]. Seconds of a compiled program. Aim for m1 and m2 of PushForward: {AIM_MOMENTS:g}."
    )
    return Table(
        "A density beside particles",
        ("method", "seconds", "with gradient", "m1 off by", "m2 off by", "temporary MB"),
        rows,
        note,
    )


def _final(law: kn.Boltzmann, start: kn.Density) -> kn.Density:
    return kn.solve(law, start, t1=T1, method=kn.PushForward()).final


def _slopes(law: kn.Boltzmann, start: kn.Density) -> kn.Boltzmann:
    """The derivatives of the mean with respect to w, b, eps, nu, rate and K."""
    return jax.grad(lambda law: _final(law, start).mean)(law)


def _monte_carlo(law: kn.Boltzmann, samples: jax.Array, key: jax.Array) -> kn.Ensemble:
    return kn.solve(law, kn.Ensemble(samples), t1=T1, key=key, method=kn.Collisions()).final


def _off(final: kn.Density | kn.Ensemble, exact: np.ndarray) -> list[float]:
    return [abs(float(found) - float(true)) for found, true in zip((final.mean, final.energy), exact, strict=True)]


def _moments(rate: float) -> np.ndarray:
    """m1 and m2 at T1: m1' = rate eps (w m1 + b), m2' = rate E[eps^2 v^2 + 2 eps x v + eps nu^2] with v = w x + b."""
    slopes = [
        [0.0, 0.0, 0.0],
        [EPSILON * B, EPSILON * W, 0.0],
        [
            EPSILON**2 * B**2 + EPSILON * NU**2,
            2 * EPSILON**2 * W * B + 2 * EPSILON * B,
            EPSILON**2 * W**2 + 2 * EPSILON * W,
        ],
    ]
    propagator = np.asarray(jax.scipy.linalg.expm(jnp.array(slopes) * rate * T1))
    return propagator[1:] @ np.array([1.0, MEAN, STD**2 + MEAN**2])


def _megabytes(program: jax.stages.Compiled) -> float | None:
    count = temporary_bytes(program)
    return None if count is None else count / 1e6


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    print(push_forward().markdown())
