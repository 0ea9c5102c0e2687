"""The distributions with the tail of a Pareto distribution."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import gammaincc, gammainccinv

from ...equations.diffusion import AbstractDiffusion, LinearDiffusion
from ...network.activations import AbstractActivation, ReLU
from ...network.simresnet import SimResNet
from .family import AbstractFamily, Condition, Edge, Parameters, Units, arguments, points, probabilities, strength
from .positive import geometric, logit, not_positive

# Of ln(mu - 1) in a fit. Above the body is a step of the width of 1 per cent, below a is beyond all samples.
_LOW, _HIGH = math.log(1e-3), math.log(1e4)
_NEAR = 1e-3
# Places of ln(mu - 1) from which a search may start.
_PLACES = 400


class ParetoTailFamily(AbstractFamily):
    """Distributions with a Pareto tail from a threshold on and the body of an inverse Gamma distribution below it,
    parameters `a` > 0 (threshold) and `mu` > 1: the steady states for ReLU with K(x) = x,

        g(x) = C x^-2                                              x >= a,
        g(x) = C x^-2 exp((mu - 1) (ln(a / x) - a / x + 1))        0 < x < a,
        1 / C = 1/a + a^(mu-1) e^(mu-1) beta^-mu Gamma(mu, mu - 1),   beta = (mu - 1) a,
        w = nu^2 (1 - mu) / 2,   b = -w a,

    with Gamma(., .) the upper incomplete one. They exist if and only if w < 0 < b (C11: the drift below a does not
    vanish, so that there is no Pareto distribution on the whole line; no mirror image either, ReLU pushes upwards only).
    The mean is infinite. Section 3.1.1 of Herty, Trimborn, Visconti (2021).

    >>> family = ParetoTailFamily()
    >>> equation = family.equation({"a": 2.0, "mu": 3.0}, nu=1.0)
    >>> float(equation.net.weight(0.0)), float(equation.net.bias(0.0))
    (-1.0, 2.0)
    >>> family.cdf({"a": 2.0, "mu": 3.0}, [2.0, 4.0, 8.0]).round(4)  # half of what is left, each time
    array([0.5556, 0.7778, 0.8889])
    """

    name: ClassVar[str] = "Pareto tail"
    conditions: ClassVar[dict[str, Condition]] = {
        "a": Condition("a finite a > 0", lambda a: a > 0),
        "mu": Condition("a finite mu > 1", lambda mu: mu > 1),
    }
    exists: ClassVar[str] = "w < 0 < b and nu > 0"
    activation: ClassVar[type[AbstractActivation]] = ReLU
    diffusion: ClassVar[type[AbstractDiffusion]] = LinearDiffusion

    def log_prob(self, parameters: Parameters, x: ArrayLike | list) -> Float[Array, "*shape"]:
        """ln g(x), of the shape of x. Its derivatives in x and in a are continuous, also at a."""
        numbers, x = arguments(self.checked(parameters), x)
        a, k = numbers["a"], numbers["mu"] - 1
        size = jnp.where(x > 0, x, a)
        # At least 1, so that what is not in the body has neither value nor derivative.
        ratio = jnp.maximum(a / size, 1)
        tail = jnp.log(a) - jnp.log1p(body(k)) - 2 * jnp.log(size)
        return jnp.where(x > 0, tail + k * (jnp.log(ratio) - (ratio - 1)), -jnp.inf)

    def cdf(self, parameters: Parameters, x: ArrayLike | list) -> np.ndarray:
        """The share of the mass at or below x."""
        a, mu = self.read_numbers(parameters)
        at, below = points(x), self._below(mu)
        with np.errstate(divide="ignore", over="ignore"):
            ratio = np.where(at > 0, a / at, np.inf)
        beyond = 1 - (1 - below) * np.minimum(ratio, 1)
        inside = below * gammaincc(mu, (mu - 1) * np.maximum(ratio, 1)) / gammaincc(mu, mu - 1)
        return np.asarray(np.where(ratio > 1, inside, beyond))

    def quantile(self, parameters: Parameters, q: ArrayLike | list) -> np.ndarray:
        """The x with cdf(x) = q."""
        a, mu = self.read_numbers(parameters)
        shares, below = probabilities(q), self._below(mu)
        with np.errstate(divide="ignore"):
            inside = (mu - 1) * a / gammainccinv(mu, np.minimum(shares / below, 1) * gammaincc(mu, mu - 1))
            return np.asarray(np.where(shares < below, inside, a * (1 - below) / (1 - shares)))

    def support(self, parameters: Parameters) -> tuple[float, float]:
        """x > 0."""
        self.read_numbers(parameters)
        return 0.0, np.inf

    def coefficients(self, parameters: Parameters, nu: ArrayLike | None = None) -> dict[str, Float[Array, ""]]:
        """w = nu^2 (1 - mu) / 2, b = -w a."""
        numbers, nu = arguments(self.checked(parameters), strength(nu))
        weight = 0.5 * nu**2 * (1 - numbers["mu"])
        return {"weight": weight, "bias": -weight * numbers["a"], "nu": nu}

    def activate(self, coefficients: dict[str, Any]) -> AbstractActivation:
        """ReLU."""
        return ReLU()

    def diffuse(self, coefficients: dict[str, Any]) -> AbstractDiffusion:
        """K(x) = x."""
        return LinearDiffusion()

    def law(self, net: SimResNet, w: Array, b: Array, noise: Array) -> dict[str, Any]:
        """a = -b / w, mu = 1 - 2 w / nu^2."""
        half = 0.5 * jnp.where(noise > 0, noise, jnp.nan) ** 2
        return {"a": -b / jnp.where(w < 0, w, jnp.nan), "mu": 1 - w / half}

    def outside(self, samples: np.ndarray) -> str | None:
        """Samples that are not positive."""
        return not_positive(samples)

    def units(self, samples: np.ndarray) -> Units:
        """The geometric mean."""
        return Units(0.0, geometric(samples))

    def measured(self, parameters: dict[str, Any], units: Units) -> dict[str, Any]:
        """scale a, mu."""
        return {"a": units.scale * parameters["a"], "mu": parameters["mu"]}

    def start(self, samples: np.ndarray) -> dict[str, float]:
        """The most likely of many mu, each with its most likely a: samples that are not of this family can have several
        local maxima, far apart, and moments lead to any of them.

        For a given k = mu - 1 the log-likelihood is concave in ln a, and its derivative vanishes where
        a = (M / k + n) / (sum of the n samples below a of 1/x): the sums over the n smallest samples know all of it.
        """
        x = np.sort(samples)
        below = np.arange(1, x.size + 1)
        inverse, logs = np.cumsum(1 / x), np.cumsum(np.log(x))
        # From below: the sum of a/x - 1 at a = x, over all x below, which is M / k at the maximum.
        excess = np.maximum.accumulate(x * inverse - below)
        k = np.exp(np.linspace(_LOW, _HIGH, _PLACES))
        last = np.searchsorted(excess, x.size / k, side="right") - 1
        n = below[last]
        a = (x.size / k + n) / inverse[last]
        body_terms = n * np.log(a) - logs[last] - a * inverse[last] + n
        mean = np.log(a) - np.log1p(np.asarray(_bodies(jnp.asarray(k)), float)) + k * body_terms / x.size
        best = int(np.argmax(mean))
        return {"a": float(a[best]), "mu": 1 + float(k[best])}

    def coordinates(self, parameters: dict[str, Any]) -> np.ndarray:
        """ln a, and where ln(mu - 1) is between its ends."""
        log_k = math.log(parameters["mu"] - 1)
        return np.array([math.log(parameters["a"]), logit(_LOW, _HIGH, log_k)])

    def at(self, coordinates: Float[Array, " n"]) -> dict[str, Array]:
        """The way back."""
        k = jnp.exp(_LOW + (_HIGH - _LOW) * jax.nn.sigmoid(coordinates[1]))
        return {"a": jnp.exp(coordinates[0]), "mu": 1 + k}

    def edge(self, parameters: dict[str, float]) -> Edge | None:
        """Where mu - 1 is at 1e-3 or at 1e4."""
        log_k = math.log(parameters["mu"] - 1)
        if log_k > _HIGH - _NEAR:
            return Edge(
                1, "mu is held at 1 + 1e4: the likelihood grows with mu, towards a Pareto distribution that begins at a"
            )
        if log_k < _LOW + _NEAR:
            return Edge(
                1,
                "mu is held at 1 + 1e-3: the likelihood grows as mu falls to 1, and the tail begins beyond the samples",
            )
        return None

    def _below(self, mu: float) -> float:
        """The share of the mass below a."""
        mass = float(_body(jnp.asarray(mu - 1)))
        return mass / (1 + mass)


# With y = a / x the body is y^k e^(-k (y - 1)) for y > 1 and the tail is 1 on (0, 1), k = mu - 1.
# Nodes of the double exponential rule on (0, infinity), z = exp(u - e^-u).
_STEP = 1 / 8
_U = np.arange(-3.5, 5.0, _STEP)
_NODES = np.exp(_U - np.exp(-_U))
_WEIGHTS = _STEP * _NODES * (1 + np.exp(-_U))


def body(k: Float[Array, ""]) -> Float[Array, ""]:
    """The mass below a in units of the mass above it, int_1^inf y^k e^(-k (y - 1)) dy = e^k k^-(k+1) Gamma(k + 1, k).

    By quadrature, to all digits: the incomplete Gamma function has no second derivative in its first argument in JAX, and
    the standard errors need it.

    >>> round(float(body(jnp.array(2.0))), 12)
    1.25
    """
    unit = 1 / k + 1 / jnp.sqrt(k)
    z = unit * jnp.asarray(_NODES, k.dtype)
    return unit * jnp.sum(jnp.asarray(_WEIGHTS, k.dtype) * jnp.exp(k * (jnp.log1p(z) - z)))


_body = jax.jit(body)
_bodies = jax.jit(jax.vmap(body))
