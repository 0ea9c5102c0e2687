"""Speed of the forward solve against a C loop and other packages, `python -m benchmarks.forward`, and of gradients against the forward solve,
`python -m benchmarks.gradient`, and of the kinetic equations, `python -m benchmarks.kinetic`,
and of flows of many features, `python -m benchmarks.flows`. What was measured is in README.md here."""

import jax

# Before the first array is made: the numbers are stated for float64.
jax.config.update("jax_enable_x64", True)
