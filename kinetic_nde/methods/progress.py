"""A progress bar for long solves, in a terminal and in a notebook."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from tqdm.auto import tqdm

from ..adjoints.lockstep import slowest_member

# Rounds of the loop between two messages to the host.
_EVERY = 100


class _Bar:
    """The bar of the solve that is running: a compiled solve knows no Python object of its own."""

    def __init__(self):
        self.bar: tqdm | None = None

    def show(self, share: Float[Array, ""]) -> None:
        percent = min(100, int(100 * float(share)))
        if self.bar is None or percent < self.bar.n:
            self.close()
            self.bar = tqdm(total=100, desc="solve", unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}")
        self.bar.update(percent - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def finish(self) -> None:
        if self.bar is not None:
            self.bar.update(100 - self.bar.n)
        self.close()


_bar = _Bar()


def report(k: Int[Array, ""], share: Float[Array, ""]) -> None:
    """Shows which share of the time has passed, the slowest member's under `vmap`, in every hundredth round k of a
    loop."""
    share = slowest_member(jnp.nan_to_num(jnp.clip(share, 0, 1)))
    jax.lax.cond(k % _EVERY == 0, lambda: jax.debug.callback(_bar.show, share), lambda: None)


def finish() -> None:
    """Completes and closes the bar."""
    _bar.finish()
