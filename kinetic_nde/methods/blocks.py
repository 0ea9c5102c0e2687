"""A large ensemble in parts: one after the other in memory, each spread over the devices."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._values import known, under_jit

# What a million particles need besides their places fits into a few hundred megabytes, and is enough to keep a
# device busy.
_LARGEST = 2**20
# Of random keys: the numbers of one are the same whatever else is drawn beside it.
_KIND = "threefry2x32"


class Block(NamedTuple):
    """Some of the particles: `number` among `blocks`. What is not `alive` fills the block up."""

    x: Float[Array, "size *d"]
    alive: Bool[Array, " size"]
    key: PRNGKeyArray
    number: Int[Array, ""]
    blocks: int


def devices_for(x: Float[Array, "m *d"]) -> tuple[Any, ...]:
    """The devices over which particles may be spread: those on which they are if somebody has put them there, else all of
    the default backend; none where that is not known, since an enclosing program then decides."""
    if not known(x) or under_jit():
        return ()
    chosen = sorted(x.sharding.device_set, key=lambda device: device.id) if x.committed else jax.devices()
    return tuple(chosen) if len(chosen) > 1 else ()


def in_blocks(run: Callable[[Block], Any], x: Float[Array, "m *d"], key: PRNGKeyArray, devices: tuple[Any, ...]) -> Any:
    """What `run` gives for each block of the particles, stacked.

    The blocks and their keys follow from the number of particles alone. So do the random numbers of a particle, by its
    place in the block, if they are drawn in the shape of the block: the result is the same on any number of devices.
    """
    m = x.shape[0]
    count = -(-m // _LARGEST)
    size = -(-m // count)
    # Each device takes as many particles of a block as the others.
    wide = -(-size // max(1, len(devices))) * max(1, len(devices))
    filled = _padded(x, count * size).reshape(count, size, *x.shape[1:])
    filled = _spread(jax.vmap(lambda part: _padded(part, wide))(filled), devices)
    number = np.arange(count * size).reshape(count, size)
    alive = jnp.asarray(np.pad(number < m, ((0, 0), (0, wide - size))))

    def one(number: Array, part: Array, alive: Array) -> Any:
        return run(Block(part, alive, jax.random.fold_in(key, number), number, count))

    if count == 1:
        return jax.tree.map(lambda leaf: leaf[None], one(jnp.zeros((), jnp.int32), filled[0], alive[0]))
    # Each block is run again on the way back: nothing is kept of it but where it began.
    once_more = jax.checkpoint(one)
    return jax.lax.map(lambda each: once_more(*each), (jnp.arange(count, dtype=jnp.int32), filled, alive))


def as_threefry(key: PRNGKeyArray) -> PRNGKeyArray:
    """`key` if it is of JAX's usual kind, else one of that kind made of it. Those of other kinds (rbg) give under `vmap` numbers
    by the place in the batch, where a collision must have the same ones each time it is looked at."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or str(jax.random.key_impl(key)) == _KIND:
        return key
    return jax.random.wrap_key_data(jax.random.bits(key, (2,), jnp.uint32), impl=_KIND)


def together(parts: Float[Array, "count size *d"], m: int) -> Float[Array, "m *d"]:
    """The m particles of all blocks, without what fills those up."""
    size = -(-m // parts.shape[0])
    return parts[:, :size].reshape(-1, *parts.shape[2:])[:m]


def _padded(x: Float[Array, "m *d"], size: int) -> Float[Array, "size *d"]:
    """x and copies of its last particle."""
    return jnp.concatenate([x, jnp.broadcast_to(x[-1:], (size - x.shape[0], *x.shape[1:]))])


def _spread(x: Float[Array, "blocks size *d"], devices: tuple[Any, ...]) -> Float[Array, "blocks size *d"]:
    """The same with the second axis shared among the devices."""
    if not devices:
        return x
    mesh = Mesh(np.array(devices), ("particles",))
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(None, "particles")))
