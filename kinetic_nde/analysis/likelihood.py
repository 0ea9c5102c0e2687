"""The maximum of a likelihood, and how certain it is."""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.optimize import minimize

from .._values import default_float
from .families.family import AbstractFamily, Edge, Units


class Maximum(NamedTuple):
    """Where the likelihood of samples without unit is largest: `coordinates` of the family, `mean` of the log-density
    over the samples there, and the `covariance` of the coordinates, 0 in that of the `edge`; NaN where there is none."""

    coordinates: np.ndarray
    mean: float
    covariance: np.ndarray
    edge: Edge | None


def maximise(family: AbstractFamily, z: np.ndarray) -> Maximum:
    """The maximum of the likelihood of samples z, in the family's coordinates.

    By SciPy's trust-region Newton method, with exact gradient and Hessian, from the family's moments. The covariance is the
    inverse of the observed information, -H of the log-likelihood. Compiled once for each family and number of samples.

    Raises `RuntimeError` if no maximum is found.
    """
    dtype = default_float()
    data, eps = jnp.asarray(z, dtype), float(jnp.finfo(dtype).eps)
    evaluated = functools.lru_cache(maxsize=4)(lambda *u: _evaluate(family, jnp.asarray(u, dtype), data))
    start = family.coordinates(family.start(z))
    try:
        found = minimize(
            lambda u: evaluated(*u)[0],
            start,
            method="trust-exact",
            jac=lambda u: evaluated(*u)[1],
            hess=lambda u: evaluated(*u)[2],
            options={"gtol": eps**0.6, "maxiter": 200},
        )
    except ValueError as error:  # SciPy's, for an infinite Hessian
        raise RuntimeError(_not_found(family, dtype)) from error
    value, gradient, hessian = evaluated(*found.x)
    numbers = {name: float(each) for name, each in family.at(jnp.asarray(found.x, dtype)).items()}
    edge = family.edge(numbers)
    free = np.array([edge is None or k != edge.coordinate for k in range(len(start))])
    inverse = _inverse(hessian[np.ix_(free, free)])
    # What Newton's next step promises: by so much each sample's log-density is below the maximum's.
    missing = 0.5 * gradient[free] @ inverse @ gradient[free]
    if not missing <= eps**0.7:
        raise RuntimeError(_not_found(family, dtype))
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(free, free)] = inverse / len(z)
    return Maximum(found.x, -value, covariance, edge)


def propagated(
    family: AbstractFamily, found: Maximum, units: Units, nu: ArrayLike | None
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Parameters and coefficients in the units of the data, and the standard errors of both by the delta method."""
    dtype = default_float()
    # Arrays, since a compiled function would take Python numbers for choices.
    traced = Units(*(jnp.asarray(each, dtype) for each in units))
    values, jacobian = _with_jacobian(family, jnp.asarray(found.coordinates, dtype), traced, nu)
    parameters = {name: float(values[name]) for name in family.conditions}
    # Their order, which a compiled function does not keep, is that of the family.
    coefficients = {name: float(each) for name, each in family.coefficients(parameters, nu).items()}
    errors = {}
    for name in (*parameters, *coefficients):
        row = np.asarray(jacobian[name], dtype=float)
        # In units of the largest entry, whose square may be out of range where the number itself is not.
        size = float(np.max(np.abs(row)))
        unit = row / (size if size > 0 else 1.0)
        variance = float(unit @ found.covariance @ unit)
        held = variance == 0 and size > 0
        errors[name] = float("nan") if held else size * float(np.sqrt(variance))
    return parameters, coefficients, errors


def _not_found(family: AbstractFamily, dtype: np.dtype) -> str:
    digits = "" if dtype == np.float64 else ": float32 has too few digits for it, switch on jax_enable_x64"
    return f"no maximum of the likelihood of the {family.name} family was found{digits}"


def _inverse(hessian: np.ndarray) -> np.ndarray:
    try:
        np.linalg.cholesky(hessian)
        return np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        return np.full_like(hessian, np.nan)


def _evaluate(family: AbstractFamily, u: Array, z: Array) -> tuple[float, np.ndarray, np.ndarray]:
    value, gradient, hessian = _derivatives(family, u, z)
    # What is no number is refused by the search as the worst of all.
    mean = float(value)
    return (mean if np.isfinite(mean) else np.inf), np.asarray(gradient, float), np.asarray(hessian, float)


@eqx.filter_jit
def _derivatives(
    family: AbstractFamily, u: Float[Array, " n"], z: Float[Array, " samples"]
) -> tuple[Array, Array, Array]:
    def loss(u: Array) -> Array:
        return -jnp.mean(family.log_prob(family.at(u), z))

    def slope(u: Array) -> tuple[Array, tuple[Array, Array]]:
        value, gradient = jax.value_and_grad(loss)(u)
        return gradient, (value, gradient)

    # In one pass, which compiles a fifth faster than the three beside one another.
    hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(u)
    return value, gradient, hessian


@eqx.filter_jit
def _with_jacobian(family: AbstractFamily, u: Array, units: Units, nu: ArrayLike | None) -> tuple[dict, dict]:
    def numbers(u: Array) -> dict[str, Array]:
        parameters = family.measured(family.at(u), units)
        return {**family.coefficients(parameters, nu), **parameters}

    return numbers(u), jax.jacfwd(numbers)(u)
