"""python -m benchmarks.flows [--quick] [--out DIR]: flows of many features.

Writes `flows.md` with all tables and `cost_per_point.png`. Six minutes; with `--quick` seconds, for the machinery only: the numbers mean nothing.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.style import COLOURS, finish, style

from . import moons, program
from .table import Cell, Table
from .timing import Company, race


class Sizes(NamedTuple):
    """What is measured."""

    dimensions: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    points: int = 1024
    large: int = 64
    """The exponents are fitted from this dimension on, where the work is that of the product."""
    samples: int = 4000
    layers: int = 16
    updates: int = 1000
    repeats: int = 20


QUICK = Sizes((2, 8), 16, 2, 300, 2, 3, 1)


def measure(sizes: Sizes, out: Path) -> tuple[list[Table], list[str]]:
    """All tables and remarks; draws the picture into the folder `out`."""
    company = Company()
    cost = by_dimension(sizes)
    of = moons.case(sizes.samples, sizes.layers)
    gradients = moons.gradients(of, sizes.repeats)
    trained, remarks = moons.compare(of, sizes.updates, sizes.repeats)
    others = company.cores()
    if others is not None:
        remarks.append(f"While this was measured, other processes kept {others:.2f} cores busy.")
    draw(cost, out / "cost_per_point.png")
    return [_targets(cost, trained, sizes), cost, gradients, trained], remarks


def by_dimension(sizes: Sizes) -> Table:
    """Microseconds per point of the exact log-density, of one evaluation of the field with its divergence, and of the
    product of the matrix alone."""
    rows: list[tuple[Cell, ...]] = []
    for d in sizes.dimensions:
        us = _times(d, sizes.points, sizes.repeats)
        rows.append((d, *us, us[0] / us[2], us[1] / us[2]))
    columns = ("d", "flow", "field and divergence", "matrix product", "flow / product", "field / product")
    note = (
        f"Microseconds per point, {sizes.points} points: `Flow.log_prob` to 1e-8 for tanh and a full matrix; one evaluation of the field with its exact "
        "divergence; the product (n, d) by (d, d) alone. A flow has some tens of evaluations."
    )
    return Table("Cost per point", columns, rows, note)


def _times(d: int, points: int, repeats: int) -> tuple[float, float, float]:
    """Microseconds per point in dimension d."""
    rng = np.random.default_rng(d)
    # The same norm for all d: the number of steps hardly depends on it.
    net = kn.SimResNet(rng.normal(size=(d, d)) / np.sqrt(d), 0.1 * rng.normal(size=d), kn.Tanh())
    flow = kn.Flow(kn.MeanField(net), kn.StandardNormal(d), t1=1.0, rtol=1e-8, atol=1e-8)
    x, weight = jnp.asarray(rng.normal(size=(points, d))), net.weight(0.0)
    log_prob = eqx.filter_jit(kn.Flow.log_prob)
    rate = eqx.filter_jit(lambda net, x: jax.vmap(lambda point: (net(0.0, point), net.divergence(0.0, point)))(x))
    product = jax.jit(lambda weight, x: x @ weight.T)
    runners = {
        "flow": lambda: log_prob(flow, x),
        "rate": lambda: rate(net, x),
        "product": lambda: product(weight, x),
    }
    seconds = race(runners, repeats)
    flow_time, rate_time, product_time = (1e6 * seconds[name] / points for name in runners)
    return flow_time, rate_time, product_time


def exponent(table: Table, name: str, least: int) -> float:
    """p of a fit of time = c d^p from dimension `least` on."""
    points = [(d, time) for d, time in zip(table.column("d"), table.column(name), strict=True)]
    d, time = np.array([point for point in points if isinstance(point[0], int) and point[0] >= least], dtype=float).T
    return float(np.polyfit(np.log(d), np.log(time), 1)[0])


def _targets(cost: Table, trained: Table, sizes: Sizes) -> Table:
    """What was to be reached, beside what was measured here."""
    ms, scores = (dict(zip(trained.column("way"), trained.column(name), strict=True)) for name in trained.columns[1::2])
    rows: list[tuple[Cell, ...]] = []
    for least in (sizes.dimensions[0], sizes.large):
        what = f"exponent of the time per point, d = {least} to {sizes.dimensions[-1]}"
        rows.append(
            (
                what,
                f"at most {exponent(cost, 'matrix product', least):.3g}, the product's",
                exponent(cost, "flow", least),
            )
        )
    for name in ms:
        if name != moons.EXACT:
            rows.append(
                (f"two moons, ms per update: {name}", f"at least {ms[moons.EXACT]:.3g}, the exact one's", ms[name])
            )
            rows.append(
                (
                    f"two moons, log-likelihood: {name}",
                    f"at most {scores[moons.EXACT]:.4g}, the exact one's",
                    scores[name],
                )
            )
    return Table("Targets", ("what", "target", "measured"), rows)


def draw(table: Table, path: Path) -> None:
    """Time per point over the dimension."""
    drawing, (ax,) = plotting.figure(columns=1, height=2.6)
    with style():
        for k, name in enumerate(("flow", "field and divergence", "matrix product")):
            ax.loglog(
                table.column("d"), table.column(name), marker="os^"[k], markersize=4, color=COLOURS[k], label=name
            )
        finish(ax, "dimension d", "microseconds per point")
        drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    drawing.savefig(path, dpi=300)
    plt.close(drawing)


def run(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes everything; returns the exit code."""
    measured = lambda quick, out: measure(QUICK if quick else Sizes(), out)
    return program.run("flows", "Flows of many features.", "Cost per point", measured, arguments)


if __name__ == "__main__":
    sys.exit(run())
