"""The inverse Gamma distributions."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv

from ...equations.diffusion import AbstractDiffusion, LinearDiffusion
from ...network.activations import AbstractActivation, Identity
from ...network.simresnet import SimResNet
from .family import AbstractFamily, Condition, Edge, Parameters, Units, arguments, points, probabilities, strength
from .gamma import log_prob_of_log
from .positive import geometric, not_positive


class InverseGammaFamily(AbstractFamily):
    """The inverse Gamma distributions, parameters `mu` > 0 (shape) and `beta` (scale): the steady states for the identity
    with K(x) = x,

        g(x) = beta^mu / Gamma(mu) x^(-1-mu) e^(-beta / x),   x > 0,
        mu = 1 - 2 w / nu^2,   beta = 2 b / nu^2,
        w = nu^2 (1 - mu) / 2,   b = nu^2 beta / 2.

    They exist if and only if w < nu^2 / 2 and b is not 0 (C10; the mean is finite if and only if w < 0). A negative
    beta, which belongs to b < 0, is the mirror image on x < 0. Section 3.1.1 of Herty, Trimborn, Visconti (2021).

    >>> family = InverseGammaFamily()
    >>> equation = family.equation({"mu": 3.0, "beta": 4.0}, nu=1.0)
    >>> float(equation.net.weight(0.0)), float(equation.net.bias(0.0))
    (-1.0, 2.0)
    >>> family.log_prob({"mu": 3.0, "beta": 4.0}, [1.0, -1.0])
    Array([-0.534264,      -inf], dtype=float64)
    """

    name: ClassVar[str] = "inverse Gamma"
    conditions: ClassVar[dict[str, Condition]] = {
        "mu": Condition("a finite mu > 0", lambda mu: mu > 0),
        "beta": Condition("a finite beta that is not 0", lambda beta: beta != 0),
    }
    exists: ClassVar[str] = "w < nu^2 / 2, b not 0 and nu > 0"
    activation: ClassVar[type[AbstractActivation]] = Identity
    diffusion: ClassVar[type[AbstractDiffusion]] = LinearDiffusion

    def log_prob(self, parameters: Parameters, x: ArrayLike | list) -> Float[Array, "*shape"]:
        """ln g(x), of the shape of x."""
        numbers, x = arguments(self.checked(parameters), x)
        mu, beta = numbers["mu"], numbers["beta"]
        inside = x * jnp.sign(beta) > 0
        size = jnp.where(inside, jnp.abs(x), jnp.abs(beta))
        # beta / x has a Gamma distribution of shape mu.
        theta = jnp.log(jnp.abs(beta)) - jnp.log(size) - jnp.log(mu)
        return jnp.where(inside, log_prob_of_log(theta, mu) - jnp.log(size), -jnp.inf)

    def cdf(self, parameters: Parameters, x: ArrayLike | list) -> np.ndarray:
        """The share of the mass at or below x."""
        mu, beta = self.read_numbers(parameters)
        at = points(x)
        with np.errstate(divide="ignore", over="ignore"):
            ratio = np.where(at * np.sign(beta) > 0, beta / at, np.inf)
        return np.asarray(gammaincc(mu, ratio) if beta > 0 else np.where(at < 0, gammainc(mu, ratio), 1.0))

    def quantile(self, parameters: Parameters, q: ArrayLike | list) -> np.ndarray:
        """The x with cdf(x) = q."""
        mu, beta = self.read_numbers(parameters)
        shares = probabilities(q)
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(beta / (gammainccinv(mu, shares) if beta > 0 else gammaincinv(mu, shares)))

    def support(self, parameters: Parameters) -> tuple[float, float]:
        """From 0 on, upwards for beta > 0 and else downwards."""
        return (0.0, np.inf) if self.read_numbers(parameters)[1] > 0 else (-np.inf, 0.0)

    def coefficients(self, parameters: Parameters, nu: ArrayLike | None = None) -> dict[str, Float[Array, ""]]:
        """w = nu^2 (1 - mu) / 2, b = nu^2 beta / 2."""
        numbers, nu = arguments(self.checked(parameters), strength(nu))
        half = 0.5 * nu**2
        return {"weight": half * (1 - numbers["mu"]), "bias": half * numbers["beta"], "nu": nu}

    def activate(self, coefficients: dict[str, Any]) -> AbstractActivation:
        """The identity."""
        return Identity()

    def diffuse(self, coefficients: dict[str, Any]) -> AbstractDiffusion:
        """K(x) = x, and -x for the mirror image, which is on x < 0."""
        return LinearDiffusion(jnp.sign(coefficients["bias"]))

    def law(self, net: SimResNet, w: Array, b: Array, noise: Array) -> dict[str, Any]:
        """mu = 1 - 2 w / nu^2, beta = 2 b / nu^2."""
        half = 0.5 * jnp.where(noise > 0, noise, jnp.nan) ** 2
        return {"mu": 1 - w / half, "beta": b / half}

    def outside(self, samples: np.ndarray) -> str | None:
        """Samples of both signs, or a 0."""
        return None if np.all(samples < 0) else not_positive(samples, ", or all on x < 0")

    def units(self, samples: np.ndarray) -> Units:
        """The geometric mean, negative for the mirror image."""
        return Units(0.0, geometric(samples) * (1.0 if samples[0] > 0 else -1.0))

    def measured(self, parameters: dict[str, Any], units: Units) -> dict[str, Any]:
        """mu, scale beta."""
        return {"mu": parameters["mu"], "beta": units.scale * parameters["beta"]}

    def start(self, samples: np.ndarray) -> dict[str, float]:
        """By mean and variance of 1/x, which has a Gamma distribution."""
        inverse = 1 / samples
        mean, variance = float(np.mean(inverse)), float(np.var(inverse))
        return {"mu": mean**2 / variance, "beta": mean / variance}

    def coordinates(self, parameters: dict[str, Any]) -> np.ndarray:
        """ln(beta / mu), ln mu, whose estimates are uncorrelated."""
        return np.log([parameters["beta"] / parameters["mu"], parameters["mu"]])

    def at(self, coordinates: Float[Array, " n"]) -> dict[str, Array]:
        """The way back."""
        return {"mu": jnp.exp(coordinates[1]), "beta": jnp.exp(coordinates[0] + coordinates[1])}

    def edge(self, parameters: dict[str, float]) -> Edge | None:
        """None: there is always a maximum."""
        return None
