"""The generalised Gamma distributions."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import gammainc, gammaincinv, polygamma

from ..._values import known
from ...equations.diffusion import AbstractDiffusion, LinearDiffusion
from ...network.activations import AbstractActivation, GeneralizedGamma
from ...network.simresnet import SimResNet
from .family import AbstractFamily, Condition, Edge, Parameters, Units, arguments, points, probabilities, strength
from .gamma import log_prob_of_log
from .positive import crossing, geometric, logit, not_positive

# Of p in a fit.
_LOW, _HIGH = 0.05, 0.999
_NEAR = 1e-3
_SHAPES = (1e-3, 1e15)  # q / p, where a fit starts


class GeneralizedGammaFamily(AbstractFamily):
    """The generalised Gamma distributions with exponent below 1, parameters `p` in (0, 1) (exponent), `A` > 0 (scale) and
    `q` > 0: the steady states for sigma_N, `kn.GeneralizedGamma(delta, c)`, with b = 0 and K(x) = x,

        g(x) = p / (A^q Gamma(q / p)) x^(q-1) e^(-(x / A)^p),   x > 0,
        delta = p,   nu^2 = 2 w / (p (q + 1)),   c = w A ((q + 1) / p)^(1/p).

    They exist if and only if w > 0, b = 0 and nu^2 delta < 2 w (C9). At w = 1 the data fix nu, which is what `equation` takes
    unless it is given nu; for a given nu they fix w instead, as in the other families: only w / nu^2 and c / w are
    determined (C21). `delta` and `c` are fixed numbers in the activation, so that `equation` needs known values. Section
    3.1.1 of Herty, Trimborn, Visconti (2021).

    >>> family = GeneralizedGammaFamily()
    >>> equation = family.equation({"p": 0.5, "A": 1.0, "q": 3.0})
    >>> equation.net.activation, float(equation.nu)
    (GeneralizedGamma(delta=0.5, c=64.0), 1.0)
    >>> slower = family.equation({"p": 0.5, "A": 1.0, "q": 3.0}, nu=0.5)  # the same steady state
    >>> slower.net.activation, float(slower.net.weight(0.0))
    (GeneralizedGamma(delta=0.5, c=16.0), 0.25)
    """

    name: ClassVar[str] = "generalised Gamma"
    conditions: ClassVar[dict[str, Condition]] = {
        "p": Condition("0 < p < 1", lambda p: 0 < p < 1),
        "A": Condition("a finite A > 0", lambda scale: scale > 0),
        "q": Condition("a finite q > 0", lambda q: q > 0),
    }
    exists: ClassVar[str] = "w > 0, b = 0, nu > 0 and nu^2 delta < 2 w"
    activation: ClassVar[type[AbstractActivation]] = GeneralizedGamma
    diffusion: ClassVar[type[AbstractDiffusion]] = LinearDiffusion

    def log_prob(self, parameters: Parameters, x: ArrayLike | list) -> Float[Array, "*shape"]:
        """ln g(x), of the shape of x."""
        numbers, x = arguments(self.checked(parameters), x)
        p, scale = numbers["p"], numbers["A"]
        shape = numbers["q"] / p
        size = jnp.where(x > 0, x, scale)
        # (x / A)^p has a Gamma distribution of shape q / p.
        theta = p * (jnp.log(size) - jnp.log(scale)) - jnp.log(shape)
        return jnp.where(x > 0, jnp.log(p) - jnp.log(size) + log_prob_of_log(theta, shape), -jnp.inf)

    def cdf(self, parameters: Parameters, x: ArrayLike | list) -> np.ndarray:
        """The share of the mass at or below x."""
        p, scale, q = self.read_numbers(parameters)
        return np.asarray(gammainc(q / p, (np.maximum(points(x), 0.0) / scale) ** p))

    def quantile(self, parameters: Parameters, q: ArrayLike | list) -> np.ndarray:
        """The x with cdf(x) = q."""
        p, scale, power = self.read_numbers(parameters)
        return np.asarray(scale * gammaincinv(power / p, probabilities(q)) ** (1 / p))

    def support(self, parameters: Parameters) -> tuple[float, float]:
        """x > 0."""
        self.read_numbers(parameters)
        return 0.0, np.inf

    def coefficients(self, parameters: Parameters, nu: ArrayLike | None = None) -> dict[str, Float[Array, ""]]:
        """delta, c and b = 0 with w = 1 and the nu that belongs to it; or, for a given nu, with the w that does."""
        numbers = self.checked(parameters)
        p, scale, q = numbers["p"], numbers["A"], numbers["q"]
        if nu is None:
            weight, nu = jnp.ones_like(p), jnp.sqrt(2 / (p * (q + 1)))
        else:
            nu = strength(nu).astype(p.dtype)
            weight = 0.5 * nu**2 * p * (q + 1)
        # By logarithms: the power may be huge where A is tiny.
        c = weight * jnp.exp(jnp.log(scale) + jnp.log((q + 1) / p) / p)
        return {"weight": weight, "bias": jnp.zeros_like(p), "nu": nu, "delta": p, "c": c}

    def activate(self, coefficients: dict[str, Any]) -> AbstractActivation:
        """sigma_N with these `delta` and `c`. `ValueError` if they are traced."""
        if not known(coefficients):
            raise ValueError(
                "delta and c of kn.GeneralizedGamma are fixed numbers: make its equation outside jit, vmap and grad"
            )
        return GeneralizedGamma(float(coefficients["delta"]), float(coefficients["c"]))

    def diffuse(self, coefficients: dict[str, Any]) -> AbstractDiffusion:
        """K(x) = x."""
        return LinearDiffusion()

    def law(self, net: SimResNet, w: Array, b: Array, noise: Array) -> dict[str, Any]:
        """p = delta, q = 2 w / (nu^2 delta) - 1, A = (c / w) (p / (q + 1))^(1/p)."""
        activation: Any = net.activation
        p = jnp.asarray(activation.delta, w.dtype)
        exists = (b == 0) & (w > 0) & (noise > 0)
        rise = jnp.where(exists, 2 * w / (jnp.where(exists, noise, 1) ** 2 * p), jnp.nan)  # q + 1
        scale = jnp.exp(jnp.log(activation.c / jnp.where(exists, w, 1)) + jnp.log(p / rise) / p)
        return {"p": p, "A": scale, "q": rise - 1}

    def outside(self, samples: np.ndarray) -> str | None:
        """Samples that are not positive."""
        return not_positive(samples)

    def units(self, samples: np.ndarray) -> Units:
        """The geometric mean."""
        return Units(0.0, geometric(samples))

    def measured(self, parameters: dict[str, Any], units: Units) -> dict[str, Any]:
        """p, scale A, q."""
        return {"p": parameters["p"], "A": units.scale * parameters["A"], "q": parameters["q"]}

    def start(self, samples: np.ndarray) -> dict[str, float]:
        """By mean, variance and skewness of ln x, which is a multiple of the logarithm of a Gamma variable."""
        logs = np.log(samples)
        mean, std = float(np.mean(logs)), float(np.std(logs))
        skewness = float(np.mean(((logs - mean) / std) ** 3))
        shape = crossing(lambda s: float(-polygamma(2, s) / polygamma(1, s) ** 1.5), -skewness, *_SHAPES)
        p = float(np.clip(math.sqrt(polygamma(1, shape)) / std, 1.1 * _LOW, 0.99 * _HIGH))
        shape = crossing(lambda s: float(polygamma(1, s)), (p * std) ** 2, *_SHAPES)
        return {"p": p, "A": math.exp(mean - float(polygamma(0, shape)) / p), "q": p * shape}

    def coordinates(self, parameters: dict[str, Any]) -> np.ndarray:
        """Place and width of ln x, whose estimates depend little on the third, p between its ends."""
        p, shape = parameters["p"], parameters["q"] / parameters["p"]
        place = math.log(parameters["A"]) + math.log(shape) / p
        return np.array([place, -math.log(p * math.sqrt(shape)), logit(_LOW, _HIGH, p)])

    def at(self, coordinates: Float[Array, " n"]) -> dict[str, Array]:
        """The way back."""
        p = _LOW + (_HIGH - _LOW) * jax.nn.sigmoid(coordinates[2])
        log_shape = -2 * (coordinates[1] + jnp.log(p))
        return {"p": p, "A": jnp.exp(coordinates[0] - log_shape / p), "q": p * jnp.exp(log_shape)}

    def edge(self, parameters: dict[str, float]) -> Edge | None:
        """Where p is at 0.05 or at 0.999."""
        if parameters["p"] > _HIGH - _NEAR:
            words = f"p is held at {_HIGH}: the likelihood grows towards p = 1 and beyond, where there is no such steady state"
            return Edge(2, words)
        if parameters["p"] < _LOW + _NEAR:
            words = f"p is held at {_LOW}: the likelihood grows as p falls to 0, towards a log-normal distribution"
            return Edge(2, words)
        return None
