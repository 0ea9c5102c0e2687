"""A distribution given by samples."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, require
from .density import Density
from .grid import Grid
from .stack import check_one


class Ensemble(eqx.Module):
    """M equally weighted particles: `samples` of shape (M,) in one dimension or (M, d), with mass 1.

    It keeps the shape of one point, () or (d,), as static data, by which a stack of ensembles (T, M), as `jax.vmap` and
    `solution.distributions` give, is not taken for one in T or M dimensions. Nothing is asked of a stack but its
    `dimension`: all else is a `ValueError`, and `jax.vmap` maps over it.

    Raises `ValueError` if there are no samples, if one is not finite, or for another shape.

    >>> ensemble = Ensemble([1.0, 2.0, 6.0])
    >>> float(ensemble.mean), float(ensemble.moment(2))
    (3.0, 13.666666666666666)
    """

    samples: Float[Array, "..."]
    point_shape: tuple[int, ...] = eqx.field(static=True, repr=False)

    def __init__(self, samples: ArrayLike | list):
        self.samples = as_floating(samples, "samples")
        if self.samples.ndim not in (1, 2) or 0 in self.samples.shape:
            raise ValueError(
                f"an ensemble needs samples of shape (M,) or (M, d) with M, d >= 1, got shape {self.samples.shape}"
            )
        self.point_shape = self.samples.shape[1:]
        require(lambda: np.all(np.isfinite(self.samples)), lambda: "samples must be finite", self.samples)

    @property
    def dimension(self) -> int:
        """d."""
        return max((1, *self.point_shape))

    @property
    def stacked(self) -> bool:
        """Whether this is a stack of ensembles."""
        return self.samples.ndim != 1 + len(self.point_shape)

    @property
    def mass(self) -> Float[Array, ""]:
        """1."""
        check_one(self, "mass")
        return jnp.ones((), self.samples.dtype)

    @property
    def mean(self) -> Float[Array, "*d"]:
        """The mean, a number for samples (M,), else (d,)."""
        check_one(self, "mean")
        return jnp.mean(self.samples, axis=0)

    @property
    def variance(self) -> Float[Array, "*dd"]:
        """The variance of the empirical distribution (divided by M, not by M - 1) for samples (M,), else the covariance
        (d, d)."""
        check_one(self, "variance")
        centred = self.samples - jnp.broadcast_to(self.mean, self.samples.shape)
        return jnp.mean(centred**2) if self.samples.ndim == 1 else centred.T @ centred / self.samples.shape[0]

    @property
    def energy(self) -> Float[Array, ""]:
        """The mean of |x|^2."""
        check_one(self, "energy")
        return jnp.sum(self.samples**2) / self.samples.shape[0]

    def moment(self, k: int) -> Float[Array, "*d"]:
        """The mean of x^k, by component in (M, d). `ValueError` for a negative order."""
        check_one(self, "moment")
        if k < 0:
            raise ValueError(f"the order of a moment must not be negative, got {k}")
        return jnp.mean(self.samples**k, axis=0)

    def support(self, tail: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The smallest and the largest sample: no share `tail` of few samples may be left out."""
        check_one(self, "support")
        return jnp.min(self.samples), jnp.max(self.samples)

    def to_density(self, grid: Grid, bandwidth: float | ArrayLike | list | tuple | None = None) -> Density:
        """The kernel density estimate of `Density.from_samples`, in one dimension or two.

        >>> round(float(Ensemble([0.2, 0.4, 0.9]).to_density(Grid(0.0, 1.0, 10)).mass), 12)
        1.0
        """
        check_one(self, "to_density")
        samples = self.samples[:, 0] if self.samples.ndim == 2 and self.dimension == 1 else self.samples
        return Density.from_samples(samples, grid, bandwidth)
