"""Cell averages of what is given in closed form: functions, normal and uniform distributions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float

from .._values import as_floating, require
from .grid import Grid, box
from .profile import gauss

# Gauss points per cell across which the density of correlated components is integrated.
_POINTS = 8


def as_point(value: ArrayLike | list | tuple, name: str, grid: Grid) -> Float[Array, "*axes"]:
    """`value` as a point of the space that the grid is in, or a `ValueError`."""
    point = as_floating(value, name)
    if point.shape != grid.lower.shape:
        what = "one number" if grid.dimension == 1 else "a pair of numbers"
        raise ValueError(f"{name} is {what} on a grid of dimension {grid.dimension}, got shape {point.shape}")
    return point


def function_averages(function: Callable[[Array], Array], grid: Grid) -> Float[Array, "*cells"]:
    """Those of `function(x)`, called at points, by three Gauss points along each axis."""
    nodes, weights = (jnp.asarray(each, grid.lower.dtype) for each in gauss(3))
    if grid.dimension == 1:
        points = grid.centers[:, None] + grid.width * nodes[None, :]
        return jax.vmap(jax.vmap(function))(points) @ weights
    shifts = jnp.stack(jnp.meshgrid(nodes, nodes, indexing="ij"), axis=-1) * grid.width[None, None]
    points = grid.centers[:, :, None, None] + shifts[None, None]
    values = jnp.vectorize(function, signature="(d)->()")(points)
    return jnp.einsum("xyab,a,b->xy", values, weights, weights, precision="highest")


def gaussian_averages(
    mean: ArrayLike | list | tuple, std: ArrayLike | list | tuple, grid: Grid
) -> Float[Array, "*cells"]:
    """Those of a normal distribution with a standard deviation, in two dimensions also one for each axis or a covariance
    (2, 2)."""
    mean, std = as_point(mean, "mean", grid), as_floating(std, "std")
    if grid.dimension == 1:
        as_point(std, "std", grid)
    elif std.shape not in ((), (2,), (2, 2)):
        raise ValueError(
            f"std is a number, a pair of them, or a covariance of shape (2, 2) in two dimensions, got shape {std.shape}"
        )
    if std.ndim == 2:
        require(lambda: _is_covariance(np.asarray(std)), lambda: f"{np.asarray(std)} is no covariance", std)
        found = _correlated(mean, std, grid)
    else:
        require(lambda: np.all(np.asarray(std) > 0), lambda: f"a Gaussian needs std > 0, got {std}", std)
        found = _gaussian(mean, jnp.broadcast_to(std, mean.shape), grid)
    require(
        lambda: np.any(np.asarray(found) > 0),
        lambda: f"all mass of the Gaussian around {mean} is outside the grid {box(grid)}",
        found,
    )
    return found


def uniform_averages(
    lower: ArrayLike | list | tuple, upper: ArrayLike | list | tuple, grid: Grid
) -> Float[Array, "*cells"]:
    """Those of the uniform distribution between two points."""
    lower, upper = as_point(lower, "lower", grid), as_point(upper, "upper", grid)
    tolerance = 1e-9 * grid.length
    require(
        lambda: np.all((lower < upper) & (lower >= grid.lower - tolerance) & (upper <= grid.upper + tolerance)),
        lambda: f"need lower < upper inside the grid {box(grid)}, got lower={lower}, upper={upper}",
        (lower, upper, grid),
    )
    return _uniform(lower, upper, grid)


def _is_covariance(matrix: np.ndarray) -> bool:
    symmetric = np.allclose(matrix, matrix.T, rtol=1e-6, atol=0)
    return symmetric and bool(np.all(np.diag(matrix) > 0)) and bool(np.linalg.det(matrix) > 0)


# Each one program: call by call, every number of cells would compile a dozen.
@jax.jit
def _gaussian(mean: Float[Array, "*axes"], std: Float[Array, "*axes"], grid: Grid) -> Float[Array, "*cells"]:
    if grid.dimension == 1:
        return normal_masses((grid.faces - mean) / std) / grid.width
    x, y = (_gaussian(mean[axis], std[axis], line) for axis, line in enumerate(grid.axes))
    return x[:, None] * y[None, :]


def normal_masses(z: Float[Array, "*faces"]) -> Float[Array, "*cells"]:
    """The mass of the standard normal distribution between neighbours of the last axis."""
    left, right = z[..., :-1], z[..., 1:]
    # On the right of the mean by the upper tail, where 1 - (almost 1) has no digits left.
    return jnp.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))


@jax.jit
def _correlated(mean: Float[Array, " 2"], covariance: Float[Array, "2 2"], grid: Grid) -> Float[Array, "nx ny"]:
    """The mass between two faces along x, exact, times the mean there of that between two faces along y given x, which is
    exact at each x: so the result is as exact where the components are independent."""
    across, along = grid.axes
    std = jnp.sqrt(covariance[0, 0])
    slope = covariance[0, 1] / covariance[0, 0]
    rest = jnp.sqrt(covariance[1, 1] - covariance[0, 1] * slope)
    nodes, weights = (jnp.asarray(each, mean.dtype) for each in gauss(_POINTS))
    off = across.centers[:, None] + across.width * nodes[None, :] - mean[0]
    shares = jax.nn.softmax(jnp.log(weights)[None, :] - 0.5 * (off / std) ** 2, axis=1)

    def add(total: Array, point: tuple[Array, Array]) -> tuple[Array, None]:
        share, off = point
        z = (along.faces[None, :] - mean[1] - slope * off[:, None]) / rest
        return total + share[:, None] * normal_masses(z), None

    given_x, _ = jax.lax.scan(add, jnp.zeros(grid.shape, mean.dtype), (shares.T, off.T))
    return normal_masses((across.faces - mean[0]) / std)[:, None] * given_x / grid.volume


@jax.jit
def _uniform(lower: Float[Array, "*axes"], upper: Float[Array, "*axes"], grid: Grid) -> Float[Array, "*cells"]:
    if grid.dimension == 1:
        faces = jnp.clip(grid.faces, lower, upper)
        return (faces[1:] - faces[:-1]) / (upper - lower) / grid.width
    x, y = (_uniform(lower[axis], upper[axis], line) for axis, line in enumerate(grid.axes))
    return x[:, None] * y[None, :]
