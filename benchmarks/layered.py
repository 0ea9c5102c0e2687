"""python -m benchmarks.layered [--quick]: many random layered networks by particles, characteristics and flows, against their
exact flow maps, and the derivatives of some."""

import argparse
import functools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

import kinetic_nde as kn

from .layered_networks import PARTICLES, WALL, Networks, composed, composed_back, draw, field
from .table import Table

CELLS = 16
# Networks of one batch, all of which wait for the slowest.
_CHUNK = 500
ADJOINTS = {"CheckpointAdjoint": kn.CheckpointAdjoint(), "TransportAdjoint": kn.TransportAdjoint()}
COLUMNS = ("solver", "networks", "blow-ups", "false failures", "missed blow-ups", "largest error")


@functools.partial(jax.jit, static_argnames="walls")
@functools.partial(jax.vmap, in_axes=(0, None))
def _particles(network: Networks, walls: bool):
    equation = kn.MeanField(field(network), walls=(-WALL, WALL) if walls else None)
    solution = kn.solve(equation, kn.Ensemble(network.x), t1=network.t1, saveat=network.saves, throw=False)
    places = jnp.concatenate([solution.distributions.samples, solution.final.samples[None]])
    return places, solution.result == kn.Result.successful


@jax.jit
@jax.vmap
def _characteristics(network: Networks):
    equation = kn.MeanField(field(network), walls=(-WALL, WALL))
    start = kn.Density.uniform(-WALL, WALL, kn.Grid(-WALL, WALL, CELLS))
    solution = kn.solve(equation, start, t1=network.t1, method=kn.Characteristics(), throw=False)
    return jnp.cumsum(solution.final.values)[:-1] * start.grid.width, solution.result == kn.Result.successful


@jax.jit
@jax.vmap
def _flows(network: Networks):
    # One point: a batch takes as long as the slowest, and each point has steps of its own.
    return kn.Flow(kn.MeanField(field(network)), kn.StandardNormal(), t1=network.t1).log_prob(network.x[:1])


def particles(networks: Networks, walls: bool) -> tuple:
    """A row of the table."""
    found, ok = map(np.asarray, _particles(networks, walls))
    times = np.concatenate([networks.saves, networks.t1[:, None]], axis=1)
    exact = np.stack([composed(networks, t, networks.x, walls) for t in times.T], axis=1)
    blown = ~np.isfinite(exact).all(axis=(1, 2))
    # A network that blows up before t1 has failed, whatever it stored before.
    return _row(f"Particles{', walls' * walls}", found[~blown] - exact[~blown], ok, blown)


def characteristics(networks: Networks) -> tuple:
    """The distribution function at the faces, of a start that is uniform between the walls."""
    found, ok = map(np.asarray, _characteristics(networks))
    faces = np.broadcast_to(np.linspace(-WALL, WALL, CELLS + 1)[1:-1], found.shape)
    exact = np.clip((composed_back(networks, faces, True)[0] + WALL) / (2 * WALL), 0.0, 1.0)
    return _row("Characteristics", found - exact, ok, np.zeros(ok.size, bool))


def flows(networks: Networks) -> tuple:
    """g at t1 from N(0, 1), at a place where a particle would start, relative where it is above 1."""
    found = np.asarray(_flows(networks))
    start, growth = composed_back(networks, networks.x[:, :1], False)
    blown = ~np.isfinite(start[:, 0])
    exact = np.exp(norm.logpdf(start[~blown]) + growth[~blown])
    difference = (np.exp(found[~blown]) - exact) / np.maximum(1.0, exact)
    return _row("Flow", difference, np.isfinite(found[:, 0]), blown)


def _row(name: str, difference: np.ndarray, ok: np.ndarray, blown: Any) -> tuple:
    return (
        name,
        ok.size,
        int(blown.sum()),
        int(np.sum(~ok & ~blown)),
        int(np.sum(ok & blown)),
        np.max(np.abs(difference)),
    )


def _together(parts: tuple) -> tuple:
    """The rows of all chunks as one."""
    name, *counts, _ = zip(*parts, strict=True)
    return name[0], *map(sum, counts), max(part[-1] for part in parts)


def _loss(w, b, network: Networks, adjoint):
    equation = kn.MeanField(field(network._replace(w=w, b=b)))
    method = kn.Particles(rtol=1e-10, atol=1e-12)
    solution = kn.solve(equation, kn.Ensemble(network.x), t1=network.t1, method=method, adjoint=adjoint, throw=False)
    return jnp.sum(jnp.sin(solution.final.samples))


def gradients(networks: Networks, seed: int = 0) -> list[tuple]:
    """Along a random direction of all weights and biases, against central differences of the exact flow maps."""
    rng, h = np.random.default_rng(seed), 1e-6
    dw, db = rng.normal(size=networks.w.shape), rng.normal(size=networks.b.shape)
    # The padding counts for nothing, and directions as much as the weights.
    used = networks.times < networks.t1[:, None]
    dw, db = dw * used * np.abs(networks.w), db * used

    def exact(sign: int) -> np.ndarray:
        moved = networks._replace(w=networks.w + sign * h * dw, b=networks.b + sign * h * db)
        return np.sum(np.sin(composed(moved, networks.t1, networks.x, False)), axis=1)

    difference = (exact(1) - exact(-1)) / (2 * h)
    scale = np.maximum(np.abs(difference), 1.0)
    rows = []
    for name, adjoint in ADJOINTS.items():
        slopes = jax.jit(jax.vmap(jax.grad(functools.partial(_loss, adjoint=adjoint), argnums=(0, 1))))(
            networks.w, networks.b, networks
        )
        found = np.sum(np.asarray(slopes[0]) * dw + np.asarray(slopes[1]) * db, axis=1)
        rows.append((name, found.size, np.max(np.abs(found - difference) / scale)))
    return rows


def without_blow_up(networks: Networks) -> Networks:
    """Those whose particles all stay finite."""
    finite = np.isfinite(composed(networks, networks.t1, networks.x, False)).all(axis=1)
    return Networks(*(each[finite] for each in networks))


def measure(count: int, gradients_of: int, seed: int = 0) -> list[Table]:
    """All tables, from `count` networks with and without walls."""
    rng = np.random.default_rng(seed)
    chunks = [min(_CHUNK, count - first) for first in range(0, count, _CHUNK)]
    parts, free = [], []
    for size in chunks:
        free.append(draw(rng, size, False))
        walled = draw(rng, size, True)
        parts.append([particles(free[-1], False), particles(walled, True), characteristics(walled), flows(free[-1])])
    rows = [_together(each) for each in zip(*parts, strict=True)]
    everyone = Networks(*(np.concatenate(each) for each in zip(*free, strict=True)))
    some = Networks(*(each[:gradients_of] for each in without_blow_up(everyone)))
    note = f"Errors of particles in x, of {PARTICLES} each; of characteristics in the distribution function; of flows in g."
    return [
        Table("Layered networks", COLUMNS, rows, note),
        Table("Gradients", ("adjoint", "networks", "largest relative error"), gradients(some)),
    ]


def run(arguments: list[str] | None = None) -> int:
    """Prints the tables; exit code 1 for a false failure or a missed blow-up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layered", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few networks: seconds")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    tables = measure(60, 10) if options.quick else measure(10_000, 200)
    print("\n\n".join(table.markdown() for table in tables))
    return int(any(row[3] or row[4] for row in tables[0].rows))


if __name__ == "__main__":
    sys.exit(run())
