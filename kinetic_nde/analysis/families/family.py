"""What a family of distributions knows."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ..._values import as_count, as_floating, as_key, common_float, default_float, known, require
from ...equations.diffusion import AbstractDiffusion
from ...equations.fokker_planck import FokkerPlanck
from ...network.activations import AbstractActivation
from ...network.parameters import Constant
from ...network.simresnet import SimResNet

Parameters = Mapping[str, Any]


class Condition(NamedTuple):
    """What a parameter must fulfil, in words and as a test."""

    words: str
    holds: Callable[[Any], Any]


class Edge(NamedTuple):
    """The search for a maximum has ended at an end of what it may try: which coordinate is held there, and why."""

    coordinate: int
    words: str


class Units(NamedTuple):
    """Measurements x = shift + scale z for numbers z without a unit; a negative scale is the mirror image."""

    shift: Any
    scale: Any


class AbstractFamily(eqx.Module):
    """A family of distributions that are steady states (22) of a Fokker-Planck equation (21), and which equation each one
    is the steady state of. Section 3.1.1 of Herty, Trimborn, Visconti (2021) with the corrections C9 to C11 and C15.

    `parameters` is a dictionary of numbers by name, those of `conditions`. `log_prob`, `coefficients` and `parameters` are
    traced and differentiable, `equation` as far as the activation allows; `cdf`, `quantile` and `sample` work on known
    values, by SciPy. All raise `ValueError` for other names and for known parameters out of range.
    """

    name: eqx.AbstractClassVar[str]
    conditions: eqx.AbstractClassVar[dict[str, Condition]]
    exists: eqx.AbstractClassVar[str]
    """When there is such a steady state, in terms of the network."""
    activation: eqx.AbstractClassVar[type[AbstractActivation]]
    diffusion: eqx.AbstractClassVar[type[AbstractDiffusion]]

    # The distribution

    @abc.abstractmethod
    def log_prob(self, parameters: Parameters, x: ArrayLike | list) -> Float[Array, "*shape"]:
        """ln g(x) for x of any shape; minus infinity outside the support."""

    @abc.abstractmethod
    def cdf(self, parameters: Parameters, x: ArrayLike | list) -> np.ndarray:
        """The share of the mass at or below x, of the shape of x."""

    @abc.abstractmethod
    def quantile(self, parameters: Parameters, q: ArrayLike | list) -> np.ndarray:
        """The x with cdf(x) = q, of the shape of q. `ValueError` for q outside [0, 1]."""

    @abc.abstractmethod
    def support(self, parameters: Parameters) -> tuple[float, float]:
        """The ends of the open interval that holds all mass; known values only."""

    def sample(self, parameters: Parameters, key: PRNGKeyArray, n: int) -> Float[Array, " n"]:
        """n independent samples, by the quantiles of uniform ones. The same key gives the same samples."""
        count, dtype = as_count(n, "n"), default_float()
        uniform = jax.random.uniform(as_key(key), (count,), dtype)
        # From the middle of the steps between 0 and 1: neither 0 nor 1, whose quantiles may be infinite.
        return jnp.asarray(self.quantile(parameters, uniform + 0.5 * float(jnp.finfo(dtype).eps)), dtype)

    # The network

    @abc.abstractmethod
    def coefficients(self, parameters: Parameters, nu: ArrayLike | None = None) -> dict[str, Float[Array, ""]]:
        """The `weight`, `bias` and `nu` of the equation, and what numbers else it needs."""

    @abc.abstractmethod
    def activate(self, coefficients: dict[str, Any]) -> AbstractActivation:
        """The activation that belongs to `coefficients`."""

    @abc.abstractmethod
    def diffuse(self, coefficients: dict[str, Any]) -> AbstractDiffusion:
        """The diffusion that belongs to `coefficients`, not negative on the support."""

    @abc.abstractmethod
    def law(self, net: SimResNet, w: Array, b: Array, noise: Array) -> dict[str, Any]:
        """The parameters of the steady state for this weight, bias and strength of the noise; not checked."""

    def equation(self, parameters: Parameters, nu: ArrayLike | None = None) -> FokkerPlanck:
        """The Fokker-Planck equation whose steady state this is, for a given nu, 1 by default (but see
        `GeneralizedGammaFamily`): the steady state determines w / nu^2 and b / nu^2 only (C21).

        `ValueError` unless nu > 0 is finite.
        """
        numbers = self.coefficients(parameters, nu)
        net = SimResNet(numbers["weight"], numbers["bias"], self.activate(numbers))
        return FokkerPlanck(field=net, nu=numbers["nu"], diffusion=self.diffuse(numbers))

    def parameters(self, equation: FokkerPlanck) -> dict[str, Float[Array, ""]]:
        """The parameters of the steady state of `equation`.

        The slope of a diffusion counts to nu. Raises `TypeError` for what is no `FokkerPlanck`, `ValueError` for another
        activation or diffusion, for weight or bias that change, for walls, and where there is no steady state: it
        says which condition there is.
        """
        w, b, noise = self._read(equation)
        found = {name: jnp.asarray(value) for name, value in self.law(equation.net, w, b, noise).items()}
        require(
            lambda: noise > 0 and self._fulfils(found),
            lambda: (
                f"this equation has no steady state among the {self.name} distributions, which needs {self.exists};"
                f" got w = {w:.6g}, b = {b:.6g}, nu = {noise:.6g}"
            ),
            (found, noise),
        )
        return found

    def _read(self, equation: Any) -> tuple[Array, Array, Array]:
        """w, b and nu times the slope of K."""
        if not isinstance(equation, FokkerPlanck):
            raise TypeError(f"parameters(equation) takes a kn.FokkerPlanck, not {type(equation).__name__}")
        net, diffusion = equation.net, equation.diffusion
        if not isinstance(net, SimResNet) or net.dimension != 1:
            raise ValueError(f"the {self.name} family belongs to a kn.SimResNet in one dimension")
        if not isinstance(net.activation, self.activation) or not isinstance(diffusion, self.diffusion):
            raise ValueError(
                f"the {self.name} family belongs to kn.{self.activation.__name__} with kn.{self.diffusion.__name__},"
                f" not to {type(net.activation).__name__} with {type(diffusion).__name__}"
            )
        if not isinstance(net.weight, Constant) or not isinstance(net.bias, Constant):
            raise ValueError("a steady state needs a weight and a bias that do not change with time")
        if equation.walls is not None and any(wall is not None for wall in equation.walls):
            raise ValueError(f"between walls the steady state is none of the {self.name} distributions")
        (slope,) = jax.tree.leaves(diffusion)
        return net.weight(0.0).reshape(()), net.bias(0.0).reshape(()), equation.nu * jnp.abs(slope)

    # Estimation

    @abc.abstractmethod
    def outside(self, samples: np.ndarray) -> str | None:
        """Where the support ends, in words, if samples are beyond; None if some member of the family holds them all."""

    @abc.abstractmethod
    def units(self, samples: np.ndarray) -> Units:
        """The units that samples inside the support are fitted in."""

    @abc.abstractmethod
    def measured(self, parameters: dict[str, Any], units: Units) -> dict[str, Any]:
        """The parameters for x from those for z."""

    @abc.abstractmethod
    def start(self, samples: np.ndarray) -> dict[str, float]:
        """Where the search for a maximum starts: the parameters by moments of the samples, of x, of 1/x or of ln x, whichever
        always exist, or by a look at the likelihood at many places."""

    @abc.abstractmethod
    def coordinates(self, parameters: dict[str, Any]) -> np.ndarray:
        """The parameters as coordinates that may be any numbers, in which a maximum is looked for."""

    @abc.abstractmethod
    def at(self, coordinates: Float[Array, " n"]) -> dict[str, Array]:
        """The way back from `coordinates`, traced."""

    @abc.abstractmethod
    def edge(self, parameters: dict[str, float]) -> Edge | None:
        """Whether the parameters without unit are at an end of what a fit tries."""

    # Help for the children

    def checked(self, parameters: Parameters) -> dict[str, Float[Array, ""]]:
        """The parameters as arrays of one type. `ValueError` for names and for known values that do not fit."""
        if not isinstance(parameters, Mapping) or set(parameters) != set(self.conditions):
            given = ", ".join(map(str, parameters)) if isinstance(parameters, Mapping) else repr(parameters)
            raise ValueError(f"the {self.name} family has the parameters {', '.join(self.conditions)}, got {given}")
        arrays = {name: as_floating(parameters[name], name) for name in self.conditions}
        for name, array in arrays.items():
            if array.shape != ():
                raise ValueError(f"{name} is a number, got shape {array.shape}")
            words = self.conditions[name].words
            require(
                lambda name=name, array=array: self._fulfils({name: array}),
                lambda name=name, array=array, words=words: f"the {self.name} family needs {words}, got {name}={array}",
                array,
            )
        dtype = common_float(arrays)
        return {name: array.astype(dtype) for name, array in arrays.items()}

    def read_numbers(self, parameters: Parameters) -> list[float]:
        """The parameters as Python numbers, in the order of `conditions`. `ValueError` under jit, vmap and grad."""
        checked = self.checked(parameters)
        if not known(checked):
            raise ValueError(
                "cdf, quantile, sample and support work on known values, outside jit, vmap and grad; log_prob is traced"
            )
        return [float(checked[name]) for name in self.conditions]

    def _fulfils(self, parameters: dict[str, Any]) -> bool:
        return all(
            bool(np.isfinite(value)) and bool(self.conditions[name].holds(value)) for name, value in parameters.items()
        )


def arguments(parameters: dict[str, Array], x: ArrayLike | list) -> tuple[dict[str, Array], Float[Array, "*shape"]]:
    """Parameters and x in one type of floats."""
    points = as_floating(x, "x")
    dtype = common_float(parameters, points)
    return {name: value.astype(dtype) for name, value in parameters.items()}, points.astype(dtype)


def probabilities(q: ArrayLike | list) -> np.ndarray:
    """q as an array. `ValueError` for what is outside [0, 1] and under jit, vmap and grad."""
    if not known(q):
        raise ValueError("quantile works on known values, outside jit, vmap and grad")
    shares = np.asarray(as_floating(q, "q"), dtype=float)
    if not np.all((shares >= 0) & (shares <= 1)):
        raise ValueError(f"q must lie in [0, 1], got {shares[~((shares >= 0) & (shares <= 1))][0]}")
    return shares


def points(x: ArrayLike | list) -> np.ndarray:
    """x as an array of float64. `ValueError` under jit, vmap and grad."""
    if not known(x):
        raise ValueError("cdf works on known values, outside jit, vmap and grad; log_prob is traced")
    return np.asarray(as_floating(x, "x"), dtype=float)


def strength(nu: ArrayLike | None) -> Float[Array, ""]:
    """nu, 1 by default. `ValueError` unless it is a finite number > 0."""
    number = as_floating(1.0 if nu is None else nu, "nu")
    if number.shape != ():
        raise ValueError(f"nu is a number, got shape {number.shape}")
    require(
        lambda: 0 < number < np.inf,
        lambda: f"nu must be finite and > 0, got {number}: without noise there is no such steady state",
        number,
    )
    return number
