"""Particles with noise: nanoseconds per particle and step against a bare scan, and the law of what comes out."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, style

from .compiling import WIDE, compiled, temporary_bytes
from .table import Cell, Table
from .timing import race

BARE, BARE_WIDE, SOLVE, IN_JIT = "bare scan", "bare scan, wide", "kn.solve", "kn.solve in jax.jit"
START = 1.5


def bare(steps: int) -> Any:
    """(x, key) -> x after adding as many standard normals as there are steps: what no solver can do without."""

    def run(x: jax.Array, key: jax.Array) -> jax.Array:
        add = lambda x, key: (x + jax.random.normal(key, x.shape, x.dtype), None)
        return jax.lax.scan(add, x, jax.random.split(key, steps))[0]

    return run


def solved(steps: int | None) -> Any:
    """(equation, x, key) -> x at t = 1 after that many steps of `Particles`, or its own number."""

    def run(equation: kn.FokkerPlanck, x: jax.Array, key: jax.Array) -> jax.Array:
        method = kn.Particles(steps=steps)
        return kn.solve(equation, kn.Ensemble(x), t1=1.0, key=key, method=method).final.samples

    return run


def equations(dtype: Any) -> dict[str, kn.FokkerPlanck]:
    """What is raced, in single or double precision."""
    number = lambda value: np.asarray(value, dtype)[()]
    identity = kn.SimResNet(number(-1.0), number(0.3), kn.Identity())
    tanh = kn.SimResNet(number(-1.0), number(0.3), kn.Tanh())
    one, x = kn.ConstantDiffusion(number(1.0)), kn.LinearDiffusion(number(1.0))
    walls = (number(-4.0), number(4.0))
    return {
        "identity, K = 1": kn.FokkerPlanck(identity, number(0.7), one),
        "identity, K = x": kn.FokkerPlanck(identity, number(0.7), x),
        "tanh, K = 1": kn.FokkerPlanck(tanh, number(0.7), one),
        "tanh, K = 1, walls": kn.FokkerPlanck(tanh, number(0.7), one, walls),
    }


def nanoseconds(equation: kn.FokkerPlanck, particles: int, steps: int, dtype: Any, repeats: int) -> dict[str, float]:
    """Per particle and step of each way, which take turns."""
    x, key, solve = jnp.full(particles, START, dtype), jax.random.key(0), solved(steps)
    plain, wide = (compiled(bare(steps), options, x, key) for options in (None, WIDE))
    inside = compiled(solve, None, equation, x, key)
    runners: dict[str, Any] = {
        BARE: lambda: plain(x, key),
        BARE_WIDE: lambda: wide(x, key),
        SOLVE: lambda: solve(equation, x, key),
        IN_JIT: lambda: inside(equation, x, key),
    }
    return {name: seconds / (particles * steps) * 1e9 for name, seconds in race(runners, repeats).items()}


def ratios(ns: dict[str, float]) -> tuple[float, float]:
    """Of `kn.solve`, which asks for wide vectors, and of itself in a jit, to the bare scan compiled in the same manner."""
    return ns[SOLVE] / ns[BARE_WIDE], ns[IN_JIT] / ns[BARE]


def speed(particles: int, steps: int, few: int | None, repeats: int) -> Table:
    """The Ornstein-Uhlenbeck process over all steps, the others over a few; None leaves them out."""
    rows: list[tuple[Cell, ...]] = []
    for dtype in (np.float64, np.float32):
        for name, equation in equations(dtype).items():
            if rows and few is None:
                continue
            taken = few if rows and few else steps
            ns = nanoseconds(equation, particles, taken, dtype, repeats)
            memory = temporary_bytes(
                compiled(solved(taken), None, equation, jnp.zeros(particles, dtype), jax.random.key(0))
            )
            rows.append((f"{name}, {np.dtype(dtype)}", taken, *ns.values(), *ratios(ns), memory))
    columns = (
        "what", "steps", BARE, BARE_WIDE, SOLVE, IN_JIT, "kn.solve / bare, wide", "in jax.jit / bare", "temporary bytes",
    )  # fmt: skip
    note = (
        f"Nanoseconds per particle and step, {particles} particles. The bare scan draws the same normals and adds them. Wide: with the option for wide "
        "vectors that `kn.solve` passes to the compiler by itself. Memory is that of the program in a jit."
    )
    return Table("Euler and Maruyama", columns, rows, note)


def by_particles(sizes: tuple[int, ...], work: int, repeats: int) -> dict[int, dict[str, float]]:
    """Nanoseconds of the Ornstein-Uhlenbeck process for several numbers of particles, about `work` particles times
    steps."""
    equation = equations(np.float64)["identity, K = 1"]
    return {n: nanoseconds(equation, n, max(1, work // n), np.float64, repeats) for n in sizes}


def law(particles: int) -> Table:
    """Mean and variance with the default number of steps against the exact ones, in standard errors."""
    layers = ((0.0, -2.0), (0.5, 1.0))
    knots = ((0.0, 0.5, 1.0), (-2.0, 1.0, -3.0))
    cases: dict[str, tuple[Any, Any, bool]] = {
        "constant w, K = 1": (-1.0, lambda t: -1.0, False),
        "constant w, K = x": (-1.0, lambda t: -1.0, True),
        "w in two layers, K = 1": (
            kn.PiecewiseConstant(*map(list, zip(*layers, strict=True))), lambda t: -2.0 if t < 0.5 else 1.0, False,
        ),
        "w interpolated, K = 1": (kn.Interpolated(*map(list, knots)), lambda t: np.interp(t, *knots), False),
    }  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, (weight, w, linear) in cases.items():
        diffusion = kn.LinearDiffusion() if linear else kn.ConstantDiffusion()
        equation = kn.FokkerPlanck(kn.SimResNet(weight, 0.4, kn.Identity()), 0.7, diffusion)
        x = np.asarray(solved(None)(equation, jnp.full(particles, START), jax.random.key(0)))
        mean, variance = exact(w, linear)
        centred = x - x.mean()
        spread = centred.var()
        errors = np.sqrt([spread / x.size, ((centred**4).mean() - spread**2) / x.size])
        apart = np.abs([x.mean() - mean, spread - variance]) / errors
        rows.append((name, x.mean(), mean, float(apart[0]), spread, variance, float(apart[1])))
    columns = (
        "what", "mean", "exact mean", "off, standard errors", "variance", "exact variance", "its, standard errors",
    )  # fmt: skip
    note = f"{particles} particles from {START} at t = 1, b = 0.4, nu = 0.7, 1000 steps."
    return Table("Law", columns, rows, note)


def exact(w: Any, linear: bool) -> tuple[float, float]:
    """Mean and variance at t = 1 from m1' = w m1 + b, m2' = 2 w m2 + 2 b m1 + nu^2 E K^2."""

    def rate(t: float, m: np.ndarray) -> np.ndarray:
        noise = 0.7**2 * (m[1] if linear else 1.0)
        return np.array([w(t) * m[0] + 0.4, 2 * w(t) * m[1] + 0.8 * m[0] + noise])

    m = np.array([START, START**2])
    # In two halves: the middle is where w jumps or bends. The first stops short of it.
    for span in ((0.0, np.nextafter(0.5, 0)), (0.5, 1.0)):
        m = solve_ivp(rate, span, m, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    return float(m[0]), float(m[1] - m[0] ** 2)


def draw(points: dict[int, dict[str, float]], path: Path) -> None:
    """Nanoseconds over the number of particles."""
    drawing, (ax,) = plotting.figure(columns=1, height=2.6)
    with style():
        for k, (name, marker) in enumerate({BARE_WIDE: "o", SOLVE: "s", IN_JIT: "^"}.items()):
            ax.semilogx(list(points), [ns[name] for ns in points.values()], marker=marker, color=COLOURS[k], label=name)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("particles")
        ax.set_ylabel("ns per particle and step")
        drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)
