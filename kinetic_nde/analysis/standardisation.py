"""Measurements without their units, location and correlations."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, known, require
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_one

# A column is determined by others where they leave less than this part of its spread.
_LEAST_REST = 1e-6


def as_samples(samples: Any) -> Float[Array, "m *d"]:
    """Samples (M,) or (M, d) as an array; `ValueError` for another shape, for values that are traced and for those that
    are not finite."""
    if isinstance(samples, Ensemble):
        check_one(samples, "a fit to samples")
    given = samples.samples if isinstance(samples, Ensemble) else samples
    if not known(given):
        raise ValueError("samples must be known: outside jit, vmap and grad")
    array = as_floating(given, "samples")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"samples have the shape (M,) or (M, d) with M, d >= 1, got {array.shape}")
    sound = np.isfinite(np.asarray(array).reshape(len(array), -1)).all(axis=1)
    if not np.all(sound):
        row = int(np.argmin(sound))
        raise ValueError(f"samples must be finite, got {np.asarray(array)[row]} in row {row}")
    return array


class Standardisation(eqx.Module):
    """Measurements x = shift + scale z of numbers z without a unit.

    - `shift`: a number, or (d,).
    - `scale`: a positive number, or a lower triangular matrix (d, d) with a positive diagonal, such as Cholesky's factor
      of a covariance.

    Columns of x in other units, or their mirror images, have the same z up to signs. Raises `ValueError` for other shapes
    and values.

    >>> units = Standardisation(shift=[1.0, 100.0], scale=[[2.0, 0.0], [3.0, 4.0]])
    >>> units.original(jnp.array([1.0, -1.0]))
    Array([ 3., 99.], dtype=float64)
    >>> units.standard(jnp.array([3.0, 99.0]))
    Array([ 1., -1.], dtype=float64)
    """

    shift: Float[Array, "*d"]
    scale: Float[Array, "*dd"]

    def __init__(self, shift: ArrayLike | list, scale: ArrayLike | list):
        self.shift, self.scale = as_floating(shift, "shift"), as_floating(scale, "scale")
        if self.shift.ndim > 1 or self.scale.shape != self.shift.shape * 2:
            raise ValueError(
                "shift and scale are two numbers, or (d,) and a lower triangular matrix (d, d), got shapes "
                f"{self.shift.shape} and {self.scale.shape}"
            )
        require(self._sound, lambda: f"scale must be lower triangular with a positive diagonal, got {scale}", self)

    def _sound(self) -> bool:
        scale = np.atleast_2d(self.scale)
        finite = np.all(np.isfinite(self.shift)) and np.all(np.isfinite(scale))
        return bool(finite and np.all(np.diagonal(scale) > 0) and np.all(np.triu(scale, 1) == 0))

    @classmethod
    def of(cls, samples: Any) -> "Standardisation":
        """That which gives samples (M,) or (M, d) the mean 0 and the covariance 1, divided by M. For known values only.

        Raises `ValueError` for another shape, for samples that are not finite, for no more of them than columns, and for a
        covariance that is singular: a column that is constant, or that others determine linearly to a millionth of its
        spread.

        >>> units = Standardisation.of([[0.0, 5.0], [2.0, 5.0], [1.0, 6.0]])
        >>> units.standard(jnp.array([1.0, 6.0])).round(3)
        Array([0.   , 1.414], dtype=float64)
        """
        array = as_samples(samples)
        eps = float(jnp.finfo(array.dtype).eps)
        x = np.asarray(array, dtype=np.float64)
        columns = x.reshape(len(x), -1)
        m, d = columns.shape
        if m <= d:
            raise ValueError(
                f"{m} samples in {d} dimensions have a singular covariance: more than {d} are needed, and many more to tell anything"
            )
        mean = columns.mean(axis=0)
        centred = columns - mean
        spread = np.sqrt(np.mean(centred**2, axis=0))
        constant = spread <= 8 * eps * np.max(np.abs(columns), axis=0)
        if np.any(constant):
            k = int(np.argmax(constant))
            raise ValueError(f"column {k} of the samples is constant, {columns[0, k]:g}: leave it out")
        # Not by the covariance, whose rounding hides what is less than 1e-8 of a spread.
        factor: Any = np.linalg.qr(centred / spread / np.sqrt(m), mode="r")
        factor = (factor * np.sign(np.diagonal(factor))[:, None]).T
        rest = np.diagonal(factor)
        if np.any(rest < max(_LEAST_REST, 8 * eps)):
            k = int(np.argmin(rest))
            raise ValueError(
                f"the covariance of the samples is singular: column {k} is a linear combination of those before it, to {rest[k]:.1g} of its spread: "
                "leave it out"
            )
        scale = spread[:, None] * factor
        # A flow in one dimension moves numbers, (M,), however its samples were given.
        shift, scale = (mean[0], scale[0, 0]) if d == 1 else (mean, scale)
        return cls(jnp.asarray(shift, array.dtype), jnp.asarray(scale, array.dtype))

    @property
    def dimension(self) -> int:
        """d."""
        return max((1, *self.shift.shape))

    @property
    def log_determinant(self) -> Float[Array, ""]:
        """log |det dx / dz|, by which log-densities of z are above those of x."""
        return jnp.sum(jnp.log(self.scale if self.scale.ndim == 0 else jnp.diagonal(self.scale)))

    def standard(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """z at points x: (d,), (n, d), or for numbers `shift` and `scale` any shape."""
        if self.scale.ndim == 0:
            return (x - self.shift) / self.scale
        centred = x - (self.shift if x.ndim == 1 else self.shift[None])
        return jsp.linalg.solve_triangular(self.scale, centred.T, lower=True).T

    def original(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """x at points z, in the shapes of `standard`."""
        if self.scale.ndim == 0:
            return self.shift + self.scale * z
        return z @ self.scale.T + (self.shift if z.ndim == 1 else self.shift[None])
