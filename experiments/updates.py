"""One update of retraining at two levels: of distributions, and of measurements. What `update_cost` measures."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

import kinetic_nde as kn

T1 = 2.0
LOWER, UPPER = -12.0, 12.0  # wide enough to lose nothing through the ends
MEAN, STD = 0.7, 1.3  # of the new measurements; the old ones were standard normal
OPTIMIZER = optax.adam(0.1)
# Particles whose gradient is taken at once: 1.6 kB each while it is.
CHUNK = 1_000_000


class State(NamedTuple):
    """A network in training."""

    net: kn.SimResNet
    optimizer: Any


def start() -> State:
    """dx/dt = tanh(1.2 x + 0.2), as it was trained for the old measurements."""
    net = kn.SimResNet(1.2, 0.2, kn.Tanh())
    return State(net, jax.tree.map(jnp.asarray, OPTIMIZER.init(eqx.filter(net, eqx.is_inexact_array))))


def loss(cells: int) -> kn.WassersteinLoss:
    """W2^2 / 2 from what the old network makes of the old measurements, for densities and for ensembles."""
    old = kn.Density.gaussian(0.0, 1.0, grid(cells))
    return kn.WassersteinLoss(kn.solve(kn.MeanField(start().net), old, t1=T1).final)


def grid(cells: int) -> kn.Grid:
    """`cells` cells on [-12, 12]."""
    return kn.Grid(LOWER, UPPER, cells)


def measurements(count: int, seed: int) -> Float[Array, " count"]:
    """New measurements, independent and normal."""
    return MEAN + STD * jax.random.normal(jax.random.key(seed), (count,))


def final(net: kn.SimResNet, initial: Any) -> Any:
    """The distribution at t1; of densities and ensembles each by the adjoint that is the faster one for it."""
    adjoint = kn.TransportAdjoint() if isinstance(initial, kn.Density) else kn.CheckpointAdjoint()
    return kn.solve(kn.MeanField(net), initial, t1=T1, adjoint=adjoint, throw=False).final


@eqx.filter_jit
def update(state: State, initial: Any, loss: kn.WassersteinLoss) -> tuple[State, Float[Array, ""]]:
    """The network after one update, and the loss before it. One program for all densities on the same number of cells."""
    value, slope = eqx.filter_value_and_grad(lambda net: loss(final(net, initial)))(state.net)
    return _step(state, slope), value


@eqx.filter_jit
def loss_of(state: State, initial: Any, loss: kn.WassersteinLoss) -> Float[Array, ""]:
    """The loss alone."""
    return loss(final(state.net, initial))


@eqx.filter_jit
def update_by_batch(
    state: State, samples: Array, key: PRNGKeyArray, size: int, loss: kn.WassersteinLoss
) -> tuple[State, PRNGKeyArray]:
    """The network after an update by `size` measurements drawn at random, with replacement, and the key for the next one."""
    key, luck = jax.random.split(key)
    drawn = samples[jax.random.randint(luck, (size,), 0, samples.size)]
    return update(state, kn.Ensemble(drawn), loss)[0], key


def update_in_chunks(
    state: State, samples: Array, loss: kn.WassersteinLoss, chunk: int = CHUNK
) -> tuple[State, Float[Array, ""]]:
    """`update` of an ensemble that would not fit into memory at once: the derivatives of the loss by the places at t1,
    then back from there, chunk by chunk. Each is solved a second time, a fifth of the work."""
    cuts = list(range(chunk, samples.size, chunk))
    parts = jnp.split(samples, cuts)
    places = jnp.concatenate([_places(state.net, part) for part in parts])
    value, slopes = _slopes(places, loss)
    pulled = [_pulled(state.net, part, slope) for part, slope in zip(parts, jnp.split(slopes, cuts), strict=True)]
    return _finish(state, jax.tree.map(lambda *leaves: jnp.sum(jnp.stack(leaves), axis=0), *pulled)), value


@eqx.filter_jit
def _places(net: kn.SimResNet, samples: Array) -> Array:
    return final(net, kn.Ensemble(samples)).samples


@eqx.filter_jit
def _slopes(places: Array, loss: kn.WassersteinLoss) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda places: loss(kn.Ensemble(places)))(places)


@eqx.filter_jit
def _pulled(net: kn.SimResNet, samples: Array, slopes: Array) -> Any:
    return eqx.filter_grad(lambda net: jnp.vdot(slopes, _places(net, samples)))(net)


def _step(state: State, slope: Any) -> State:
    # Divided by T it is the gradient in L2(0, T).
    with jax.numpy_dtype_promotion("standard"):  # which optax counts on
        changes, optimizer = OPTIMIZER.update(jax.tree.map(lambda leaf: leaf / T1, slope), state.optimizer)
    return State(eqx.apply_updates(state.net, changes), optimizer)


_finish = eqx.filter_jit(_step)
