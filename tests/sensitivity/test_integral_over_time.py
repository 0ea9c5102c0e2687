"""The integral over time whose nodes become known backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kinetic_nde.sensitivity.integral import Node, begin, end, extend

BEGIN, EXTEND, END = map(jax.jit, (begin, extend, end))


@pytest.mark.parametrize("nodes", [2, 3, 4, 9])
def test_the_integral_over_uneven_panels(nodes):
    """Exact for parabolas from three nodes on, for straight lines from two."""
    t = np.sort(np.random.default_rng(nodes).uniform(0.0, 2.0, nodes))

    def node(t):
        return Node(jnp.asarray(t), jnp.asarray(np.array([1 + 3 * t, (nodes > 2) * (t**2 - t)])))

    integral = BEGIN(node(t[-1]))
    for each in t[-2::-1]:
        integral = EXTEND(integral, node(each))
        # A member of a batch that has finished comes to the same node again.
        integral = EXTEND(integral, node(each))
    a, b = t[0], t[-1]
    exact = [b - a + 1.5 * (b**2 - a**2), (nodes > 2) * ((b**3 - a**3) / 3 - (b**2 - a**2) / 2)]
    np.testing.assert_allclose(END(integral), exact, rtol=1e-13)
