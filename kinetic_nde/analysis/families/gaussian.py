"""The normal distributions."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, ArrayLike, Float
from scipy.special import ndtr, ndtri

from ...equations.diffusion import AbstractDiffusion, ConstantDiffusion
from ...network.activations import AbstractActivation, Identity
from ...network.simresnet import SimResNet
from .family import AbstractFamily, Condition, Edge, Parameters, Units, arguments, points, probabilities, strength


class GaussianFamily(AbstractFamily):
    """The normal distributions, parameters `mean` and `std` > 0: the steady states for the identity with K = 1,

        N(m, s^2),   m = -b / w,   s^2 = -nu^2 / (2 w),
        w = -nu^2 / (2 s^2),   b = -w m.

    They exist if and only if w < 0, with any b (C15). Section 3.1.1 of Herty, Trimborn, Visconti (2021).

    >>> family = GaussianFamily()
    >>> equation = family.equation({"mean": 3.0, "std": 0.5}, nu=1.0)
    >>> float(equation.net.weight(0.0)), float(equation.net.bias(0.0))
    (-2.0, 6.0)
    >>> {name: float(value) for name, value in family.parameters(equation).items()}
    {'mean': 3.0, 'std': 0.5}
    """

    name: ClassVar[str] = "Gaussian"
    conditions: ClassVar[dict[str, Condition]] = {
        "mean": Condition("a finite mean", lambda mean: True),
        "std": Condition("a finite std > 0", lambda std: std > 0),
    }
    exists: ClassVar[str] = "w < 0 and nu > 0"
    activation: ClassVar[type[AbstractActivation]] = Identity
    diffusion: ClassVar[type[AbstractDiffusion]] = ConstantDiffusion

    def log_prob(self, parameters: Parameters, x: ArrayLike | list) -> Float[Array, "*shape"]:
        """ln g(x), of the shape of x."""
        numbers, x = arguments(self.checked(parameters), x)
        return norm.logpdf((x - numbers["mean"]) / numbers["std"]) - jnp.log(numbers["std"])

    def cdf(self, parameters: Parameters, x: ArrayLike | list) -> np.ndarray:
        """The share of the mass at or below x."""
        mean, std = self.read_numbers(parameters)
        return np.asarray(ndtr((points(x) - mean) / std))

    def quantile(self, parameters: Parameters, q: ArrayLike | list) -> np.ndarray:
        """The x with cdf(x) = q."""
        mean, std = self.read_numbers(parameters)
        return np.asarray(mean + std * ndtri(probabilities(q)))

    def support(self, parameters: Parameters) -> tuple[float, float]:
        """The whole line."""
        self.read_numbers(parameters)
        return -np.inf, np.inf

    def coefficients(self, parameters: Parameters, nu: ArrayLike | None = None) -> dict[str, Float[Array, ""]]:
        """w = -nu^2 / (2 s^2), b = -w m."""
        numbers, nu = arguments(self.checked(parameters), strength(nu))
        # The quotient is squared, not its parts, which may overflow.
        weight = -0.5 * (nu / numbers["std"]) ** 2
        return {"weight": weight, "bias": -weight * numbers["mean"], "nu": nu}

    def activate(self, coefficients: dict[str, Any]) -> AbstractActivation:
        """The identity."""
        return Identity()

    def diffuse(self, coefficients: dict[str, Any]) -> AbstractDiffusion:
        """K = 1."""
        return ConstantDiffusion()

    def law(self, net: SimResNet, w: Array, b: Array, noise: Array) -> dict[str, Any]:
        """m = -b / w, s = nu (-2 w)^(-1/2); NaN for w >= 0."""
        return {"mean": -b / jnp.where(w < 0, w, jnp.nan), "std": noise / jnp.sqrt(jnp.where(w < 0, -2 * w, jnp.nan))}

    def outside(self, samples: np.ndarray) -> str | None:
        """None: the support is the whole line."""
        return None

    def units(self, samples: np.ndarray) -> Units:
        """Mean 0 and variance 1."""
        # A mean by sums overflows at 1e308, one of quotients does not.
        scale = float(np.max(np.abs(samples)))
        mean = scale * float(np.mean(samples / scale))
        reach = float(np.max(np.abs(samples - mean)))
        return Units(mean, reach * float(np.sqrt(np.mean(((samples - mean) / reach) ** 2))))

    def measured(self, parameters: dict[str, Any], units: Units) -> dict[str, Any]:
        """shift + scale mean, scale std."""
        return {
            "mean": units.shift + units.scale * parameters["mean"],
            "std": units.scale * parameters["std"],
        }

    def start(self, samples: np.ndarray) -> dict[str, float]:
        """Mean and standard deviation, which are also where the likelihood is largest."""
        return {"mean": float(np.mean(samples)), "std": float(np.std(samples))}

    def coordinates(self, parameters: dict[str, Any]) -> np.ndarray:
        """mean, ln std."""
        return np.array([parameters["mean"], np.log(parameters["std"])])

    def at(self, coordinates: Float[Array, " n"]) -> dict[str, Array]:
        """The way back."""
        return {"mean": coordinates[0], "std": jnp.exp(coordinates[1])}

    def edge(self, parameters: dict[str, float]) -> Edge | None:
        """None: there is always a maximum."""
        return None
