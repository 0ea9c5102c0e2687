"""The experiments of section 4 of Herty, Trimborn, Visconti (2021): one module per figure, run with `python -m experiments`; `dobrushin`, a
study of Theorem 1; `grazing` and `self_similar`, of the kinetic descriptions of section 3; `two_moons` and
`diabetes`, flows; and `update_cost`, what its retraining costs.

Each has `main(out, cells=...) -> dict of Number`: it computes, draws into the folder `out`, and returns what it computed beside what is exact.
"""

import jax

# Before the first array is made: the numbers are stated for float64.
jax.config.update("jax_enable_x64", True)
