"""An epoch of training a flow, compiled: batches without replacement, one update for each."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..analysis.flow import StandardNormal
from ..equations.mean_field import MeanField
from ..methods.backward import stepped_back
from ..methods.method import with_field
from .update import as_optax_expects, strong


class Likelihood(eqx.Module):
    """log g(t1, z) of a flow from the standard normal distribution as a function of the trainable arrays of its field.

    `equation.field` is the part of the field that is not trained. The trajectories take `steps` equal steps of Tsitouras'
    5(4) between two breakpoints of the field: their lengths are the same for all points, so that a batch is one matrix
    product for each stage, and the derivative is that of the numbers.
    """

    equation: MeanField
    base: StandardNormal
    t1: Float[Array, ""]
    steps: int = eqx.field(static=True)

    def finer(self) -> "Likelihood":
        """The same with twice as many steps."""
        return Likelihood(self.equation, self.base, self.t1, 2 * self.steps)

    def __call__(self, parameters: Any, points: Float[Array, "n *d"]) -> Float[Array, " n"]:
        field = eqx.combine(parameters, self.equation.field)
        return jax.vmap(lambda point: self._at(field, point))(points)

    def _at(self, field: Any, point: Float[Array, "*d"]) -> Float[Array, ""]:
        def rate(field: Any, t: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
            law = with_field(self.equation, field)
            return law.velocity(t, state[0]), law.divergence(t, state[0])

        zero = jnp.zeros_like(self.t1)
        state = (point, jnp.zeros((), point.dtype))
        start, divergence = stepped_back(rate, field, state, zero, self.t1, solver=diffrax.Tsit5(), steps=self.steps)
        # Backwards the integral of the divergence runs from t1 to 0.
        return self.base.log_prob(start) + divergence


@eqx.filter_jit
def judged(
    likelihood: Likelihood, parameters: Any, points: Float[Array, "m *d"], batch: int
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean of the log-likelihoods of all points, a batch at a time, by the steps of training and by twice as many."""
    count = points.shape[0]
    rounds = -(-count // batch)
    # The last batch is filled up with points that do not count.
    places = jnp.minimum(jnp.arange(rounds * batch), count - 1).reshape(rounds, batch)

    def mean(likelihood: Likelihood) -> Array:
        values = jax.lax.map(lambda place: likelihood(parameters, points[place]), places)
        return jnp.mean(values.reshape(-1)[:count])

    return mean(likelihood), mean(likelihood.finer())


@eqx.filter_jit
def epoch(
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    parameters: Any,
    state: Any,
    points: Float[Array, "m *d"],
    batch: int,
    key: PRNGKeyArray,
    number: Int[Array, ""],
) -> tuple[Any, Any, Float[Array, ""]]:
    """The parameters and the optimiser's state after one update for each batch of points in random order, those that
    would not fill a batch left out, and the mean log-likelihood of the batches as they came."""
    count = points.shape[0]
    order = jax.random.permutation(jax.random.fold_in(key, number), count)
    places = order[: count // batch * batch].reshape(-1, batch)

    def update(carry: tuple, place: Array) -> tuple:
        parameters, state = carry
        loss = lambda arrays: -jnp.mean(likelihood(arrays, points[place]))
        value, slope = jax.value_and_grad(loss)(parameters)
        with as_optax_expects():
            updates, state = optax.with_extra_args_support(optimizer).update(
                slope, state, parameters, value=value, grad=slope, value_fn=loss
            )
            parameters = optax.apply_updates(parameters, updates)
        return (parameters, strong(state)), -value

    (parameters, state), values = jax.lax.scan(update, (parameters, state), places)
    return parameters, state, jnp.mean(values)
