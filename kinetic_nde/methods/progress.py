"""A progress bar for long solves, in a terminal and in a notebook."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..adjoints.lockstep import slowest_member

# Rounds of the loop between two messages to the host.
_EVERY = 100


class _Bar:
    """The bar of the solve that is running: a compiled solve knows no Python object of its own."""

    def __init__(self):
        self.bar: Any = None

    def show(self, share: Float[Array, ""]) -> None:
        percent = min(100, int(100 * float(share)))
        if self.bar is None or percent < self.bar.n:
            self.close()
            # Imported here: in a notebook without widgets tqdm warns of falling back to text.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm

            self.bar = tqdm(total=100, desc="solve", unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}")
        self.bar.update(percent - self.bar.n)

    def close(self, complete: bool = False) -> None:
        if self.bar is not None:
            if complete:
                self.bar.update(100 - self.bar.n)
            self.bar.close()
            self.bar = None


_bar = _Bar()


def report(k: Int[Array, ""], share: Float[Array, ""]) -> None:
    """Shows which share of the time has passed, the slowest member's under `vmap`, in every hundredth round k of a
    loop."""
    share = slowest_member(jnp.nan_to_num(jnp.clip(share, 0, 1)))
    jax.lax.cond(k % _EVERY == 0, lambda: jax.debug.callback(_bar.show, share), lambda: None)


def close(complete: bool) -> None:
    """Closes the bar, at 100 % if the solve is complete."""
    jax.effects_barrier()
    _bar.close(complete)
