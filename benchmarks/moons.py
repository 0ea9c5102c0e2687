"""Two moons: one flow trained with the exact divergence, with Hutchinson's estimate of it, and by torchdiffeq."""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

import kinetic_nde as kn
from experiments import two_moons
from kinetic_nde.methods.backward import carried_back, stepped_back
from kinetic_nde.methods.tolerances import controller
from kinetic_nde.sensitivity.epoch import Likelihood
from kinetic_nde.sensitivity.trainable import split

from . import torch_flow
from .table import Cell, Table
from .timing import race

EXACT, HUTCHINSON = "exact divergence", "Hutchinson's trace, one probe"
TORCH, TORCH_ADAPTIVE = "torchdiffeq, exact trace, rk4, one step a layer", "torchdiffeq, exact trace, dopri5 to 1e-5"
RATE, BATCH = 0.02, 256


class Case(NamedTuple):
    """Standardised samples to train on and to test with, the log-determinant of their units, and where all start."""

    train: Array
    test: Array
    log_determinant: float
    net: kn.SimResNet
    truth: float


def case(samples: int, layers: int) -> Case:
    data, new = two_moons.moons(samples, 0), two_moons.moons(samples, 1)
    units = kn.Standardisation.of(data)
    train, test = (units.standard(jnp.asarray(each)) for each in (data, new))
    net = two_moons.network(layers, 0)
    return Case(train, test, float(units.log_determinant), net, float(two_moons.log_density(new).mean()))


def hutchinson(likelihood: Likelihood, rest: Any, parameters: Any, points: Array, key: Array) -> Array:
    """The same log-likelihoods with e . (Dv e) in place of the divergence, e with independent signs, the same all along a
    trajectory."""
    field = eqx.combine(parameters, rest)

    def at(point: Array, probe: Array) -> Array:
        def rate(field: Any, t: Array, state: tuple) -> tuple:
            v, slope = jax.jvp(lambda x: field(t, x), (state[0],), (probe,))
            return v, jnp.dot(probe, slope)

        zero = jnp.zeros((), point.dtype)
        start, divergence = stepped_back(
            rate, field, (point, zero), zero, likelihood.t1, solver=diffrax.Tsit5(), steps=likelihood.steps
        )
        return likelihood.base.log_prob(start) + divergence

    return jax.vmap(at)(points, jax.random.rademacher(key, points.shape, points.dtype))


def ways(of: Case) -> dict[str, Callable[..., Array]]:
    """(parameters, points, key) -> log-likelihoods of training."""
    _, rest = split(of.net)
    likelihood = Likelihood(
        eqx.tree_at(lambda law: law.field, kn.MeanField(of.net), rest),
        kn.StandardNormal(2),
        jnp.asarray(two_moons.T1),
        1,
    )
    return {
        EXACT: lambda parameters, points, key: likelihood(parameters, points),
        HUTCHINSON: lambda parameters, points, key: hutchinson(likelihood, rest, parameters, points, key),
    }


def compare(of: Case, updates: int, repeats: int) -> tuple[Table, list[str]]:
    """Milliseconds of an update, and the test log-likelihood after `updates` of them with the same batches."""
    parameters, rest = split(of.net)
    optimizer = optax.adam(RATE)
    batch, rng = min(BATCH, len(of.train)), np.random.default_rng(0)
    batches = [rng.choice(len(of.train), batch, replace=False) for _ in range(updates)]
    runners: dict[str, Callable[[], Any]] = {}
    scores: dict[str, float] = {}

    def test(parameters: Any) -> float:
        law = kn.MeanField(eqx.combine(parameters, rest))
        flow = kn.Flow(law, kn.StandardNormal(2), two_moons.T1)
        return float(jnp.mean(flow.log_prob(of.test))) - of.log_determinant

    for name, log_likelihood in ways(of).items():

        @jax.jit
        def update(parameters: Any, state: Any, points: Array, key: Array, of: Any = log_likelihood) -> tuple:
            slope = jax.grad(lambda arrays: -jnp.mean(of(arrays, points, key)))(parameters)
            updates, state = optimizer.update(slope, state, parameters)
            return optax.apply_updates(parameters, updates), state

        now, state = parameters, optimizer.init(parameters)
        for k, chosen in enumerate(batches):
            now, state = update(now, state, of.train[chosen], jax.random.key(k))
        scores[name] = test(now)
        arguments = parameters, optimizer.init(parameters), of.train[batches[0]], jax.random.key(0)
        runners[name] = lambda update=update, arguments=arguments: update(*arguments)
    remarks = []
    if all(map(importlib.util.find_spec, ("torch", "torchdiffeq"))):
        start: Any = parameters
        for name, tolerance in ((TORCH, None), (TORCH_ADAPTIVE, 1e-5)):
            make: Any = lambda tolerance=tolerance: torch_flow.training(
                np.asarray(start.weight.values), np.asarray(start.bias.values), two_moons.T1, RATE, tolerance
            )
            (train, now), points = make(), np.asarray(of.train)
            for chosen in batches:
                train(points[chosen])
            weights, biases = map(jnp.asarray, now())
            scores[name] = test(eqx.tree_at(lambda net: (net.weight.values, net.bias.values), start, (weights, biases)))
            runners[name] = lambda fresh=make()[0], points=points[batches[0]]: fresh(points)
    else:
        remarks.append("torchdiffeq skipped: torch or torchdiffeq is not installed (pip install '.[peers]')")
    ms = {name: 1e3 * seconds for name, seconds in race(runners, repeats).items()}
    rows: list[tuple[Cell, ...]] = [(name, ms[name], ms[name] / ms[EXACT], scores[name]) for name in runners]
    note = (
        f"{updates} updates of Adam at {RATE:g} with the same batches of {batch} from {len(of.train)} samples, from the same parameters. Log-likelihood per "
        f"test sample by the exact flow, in the units of the data; that of the true density is {of.truth:.3f}."
    )
    return Table("Two moons", ("way", "ms per update", "/ exact", "test log-likelihood"), rows, note), remarks


def gradients(of: Case, repeats: int) -> Table:
    """Value and gradient of a batch in several ways, and how far they are from those of the exact flow."""
    parameters, rest = split(of.net)
    points = of.train[:BATCH]
    zero, one, t1 = jnp.zeros(()), jnp.ones(()), jnp.asarray(two_moons.T1)
    base = kn.StandardNormal(2)

    def exact(parameters: Any) -> Array:
        return kn.Flow(kn.MeanField(eqx.combine(parameters, rest)), base, two_moons.T1).log_prob(points)

    def together(adjoint: Any, tolerance: float) -> Callable[[Any], Array]:
        control = controller(jnp.asarray(tolerance), jnp.asarray(tolerance), one)

        def log_prob(parameters: Any) -> Array:
            def rate(field: Any, t: Array, state: tuple) -> tuple:
                each = lambda x: (field(t, x), field.divergence(t, x))
                return jax.vmap(each)(state[0])

            (start, divergence), _, _ = carried_back(
                rate, eqx.combine(parameters, rest), (points, jnp.zeros(len(points))), zero, t1,
                solver=diffrax.Tsit5(), controller=control, adjoint=adjoint(control),
            )  # fmt: skip
            return jax.vmap(base.log_prob)(start) + divergence

        return log_prob

    fixed = ways(of)[EXACT]
    every: dict[str, Callable[[Any], Array]] = {
        "Flow, steps of each point to 1e-10, CheckpointAdjoint": exact,
        "steps of the batch to 1e-5, checkpoints": together(
            lambda _: diffrax.RecursiveCheckpointAdjoint(checkpoints=64), 1e-5
        ),
        "steps of the batch to 1e-5, backsolve": together(
            lambda control: diffrax.BacksolveAdjoint(solver=diffrax.Tsit5(), stepsize_controller=control), 1e-5
        ),
        "one step a layer, as fit_flow": lambda parameters: fixed(parameters, points, jax.random.key(0)),
    }
    compiled = {
        name: jax.jit(lambda arrays, of=of: (of(arrays), jax.grad(lambda arrays: jnp.mean(of(arrays)))(arrays)))
        for name, of in every.items()
    }
    vector = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    out = {name: run(parameters) for name, run in compiled.items()}
    values, slope = (np.asarray(out[next(iter(every))][0]), vector(out[next(iter(every))][1]))
    times = race({name: lambda run=run: run(parameters) for name, run in compiled.items()}, repeats)
    rows: list[tuple[Cell, ...]] = [
        (name, 1e3 * times[name], float(np.max(np.abs(np.asarray(out[name][0]) - values))),
         float(np.linalg.norm(vector(out[name][1]) - slope) / np.linalg.norm(slope)))
        for name in every
    ]  # fmt: skip
    note = f"Value and gradient of the mean log-likelihood of {len(points)} samples at the start; errors are against the first row."
    return Table("Gradient of a batch", ("way", "ms", "log-density off by", "gradient off by"), rows, note)
