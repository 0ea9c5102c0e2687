"""What a solve returns."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ._values import as_count
from .methods.result import Result


class Solution(eqx.Module):
    """The distribution at the save times.

    - `ts`: the save times (T,), only t1 unless `saveat` was given.
    - `distributions`: one `Density` or `Ensemble` whose leaves, those of the grid too, have the time first: `jax.vmap`
      works over it. `solution[i]` is the one at `ts[i]`.
    - `final`: the distribution at t1, or at the last time that was reached.
    - `stats`: for a density `steps`, `mass_drift` (relative, with what left counted in), `mass_lost` through open ends,
      `smallest_average` of what is stored; for particles `steps` and `rejected_steps`.
    - `result`: a `Result`; `message` is its text, empty after success.

    >>> import kinetic_nde as kn
    >>> grid = kn.Grid(-6.0, 6.0, 50)
    >>> equation = kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity()))
    >>> solution = kn.solve(equation, kn.Density.gaussian(0.0, 1.0, grid), t1=1.0, saveat=[0.5, 1.0])
    >>> solution.ts, round(float(solution[0].variance), 2)
    (Array([0.5, 1. ], dtype=float64), 0.37)
    """

    ts: Float[Array, "*batch times"]
    distributions: Any
    final: Any
    stats: dict[str, Array]
    result: Result

    def __getitem__(self, index: Any) -> Any:
        """The distribution at `ts[index]`. `ValueError` for a batch of solutions, where the first axis is not time."""
        if self.ts.ndim != 1:
            raise ValueError(
                f"this is a batch of solutions (ts has shape {self.ts.shape}): index its members with jax.vmap or jax.tree.map"
            )
        index = as_count(index, "the index of a solution", least=-len(self.ts))
        if index >= len(self.ts):
            raise IndexError(f"the solution has {len(self.ts)} save times, got index {index}")
        return jax.tree.map(lambda leaf: leaf[index], self.distributions)

    @property
    def message(self) -> str:
        """What the result says, empty after success; of one solve, where it is known."""
        return Result[self.result]

    def __len__(self) -> int:
        """The number of save times."""
        return self.ts.shape[-1]
