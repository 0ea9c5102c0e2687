"""The linear Boltzmann equation: time and error of the solver on a density, beside a Monte Carlo."""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, style

from .compiling import WIDE, compiled, temporary_bytes
from .table import Table
from .timing import race

# Identity, with noise.
W, B, EPSILON, NU, T1 = -0.7, 0.3, 0.01, 0.6, 1.0
MEAN, STD, REACH = 0.5, 0.5, 6.0


def measure(cells: tuple[int, ...], particles: tuple[int, ...], collisions: float, repeats: int) -> list["Measured"]:
    """Each method after that many collisions of a particle on average."""
    law = kn.Boltzmann(kn.SimResNet(W, B, kn.Identity()), EPSILON, NU, rate=collisions / T1)
    exact = _moments(collisions / T1)
    found: list[Measured] = []
    for count in cells:
        start = kn.Density.gaussian(MEAN, STD, kn.Grid(-REACH, REACH, count))
        value, gradient = compiled(_final, WIDE, law, start), compiled(_slopes, WIDE, law, start)
        runs = {"value": functools.partial(value, law, start), "gradient": functools.partial(gradient, law, start)}
        times = race(runs, repeats)
        m1, m2 = _off(runs["value"](), exact)
        found.append(Measured("PushForward()", count, times["value"], times["gradient"], m1, m2, _megabytes(value)))
    for count in particles:
        samples, key = MEAN + STD * jax.random.normal(jax.random.key(0), (count,)), jax.random.key(1)
        program = compiled(_monte_carlo, WIDE, law, samples, key)
        run = functools.partial(program, law, samples, key)
        seconds = race({"value": run}, repeats)["value"]
        m1, m2 = _off(run(), exact)
        found.append(Measured("Collisions()", count, seconds, None, m1, m2, _megabytes(program)))
    return found


class Measured(NamedTuple):
    """Seconds, errors of m1 and m2, and temporary memory, for a number of cells or of particles."""

    method: str
    size: int
    seconds: float
    with_gradient: float | None
    m1: float
    m2: float
    megabytes: float | None


def table(found: list[Measured]) -> Table:
    """What was measured."""
    note = (
        f"Identity, w = {W}, b = {B}, eps = {EPSILON}, nu = {NU}, N({MEAN}, {STD}^2), for a density on "
        f"[-{REACH:g}, {REACH:g}]. Seconds of a compiled program; the gradient is that of the mean with respect to w, b, eps, nu, rate and K."
    )
    columns = ("method", "cells or particles", "seconds", "with gradient", "m1 off by", "m2 off by", "temporary MB")
    return Table("A density beside particles", columns, [tuple(each) for each in found], note)


def draw(found: list[Measured], file: Path) -> None:
    """Errors against time."""
    drawing, (ax,) = plotting.figure(columns=1, height=2.8)
    ways = (("PushForward()", "cells", "s", (4, 3)), ("Collisions()", "particles", "o", (4, 3)))
    with style():
        for k, (method, unit, marker, shift) in enumerate(ways):
            part = [each for each in found if each.method == method]
            seconds, errors = [each.seconds for each in part], [each.m2 for each in part]
            ax.loglog(seconds, errors, marker=marker, color=COLOURS[k], label=f"{method}, {unit}")
            for each in part:
                ax.annotate(
                    f"{each.size}", (each.seconds, each.m2), textcoords="offset points", xytext=shift, fontsize="small"
                )
        ax.margins(x=0.2)
        ax.set_xlabel("seconds")
        ax.set_ylabel("error of the second moment")
        drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    drawing.savefig(file, dpi=300)
    plt.close(drawing)


def _final(law: kn.Boltzmann, start: kn.Density) -> kn.Density:
    return kn.solve(law, start, t1=T1, method=kn.PushForward()).final


def _slopes(law: kn.Boltzmann, start: kn.Density) -> kn.Boltzmann:
    """The derivatives of the mean with respect to w, b, eps, nu, rate and K."""
    return jax.grad(lambda law: _final(law, start).mean)(law)


def _monte_carlo(law: kn.Boltzmann, samples: jax.Array, key: jax.Array) -> kn.Ensemble:
    return kn.solve(law, kn.Ensemble(samples), t1=T1, key=key, method=kn.Collisions()).final


def _off(final: kn.Density | kn.Ensemble, exact: np.ndarray) -> tuple[float, float]:
    return abs(float(final.mean - exact[0])), abs(float(final.energy - exact[1]))


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
