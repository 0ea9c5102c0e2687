"""Two dimensions: grids, noise and errors that several files use."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import kinetic_nde as kn

# Off the diagonal of one sign: for a rotation the errors of midpoints along x and along y would cancel.
W, B = np.array([[-0.5, 1.4], [1.0, 0.3]]), np.array([0.2, -0.1])
MEAN, STD = np.array([0.5, -0.5]), np.array([0.7, 0.55])


def grid(cells, reach=4.0):
    return kn.Grid((-reach, -reach), (reach, reach), (cells, cells))


def gaussian_law(t, nu=(0.0, 0.0)):
    """Mean and covariance at t of dX = (W X + B) dt with noise nu along each axis."""
    affine = expm(t * np.block([[W, B[:, None]], [np.zeros((1, 3))]]))
    spread = lambda _, s: (W @ s.reshape(2, 2) + s.reshape(2, 2) @ W.T + np.diag(np.square(nu))).reshape(-1)
    covariance = solve_ivp(spread, (0, t), np.diag(STD**2).reshape(-1), rtol=1e-11, atol=1e-13).y[:, -1].reshape(2, 2)
    return (affine @ np.append(MEAN, 1.0))[:2], covariance


class Layer(eqx.Module):
    """tanh(w x + b), or w x + b itself if it is not bent: one program for both."""

    bent: np.ndarray
    w: np.ndarray
    b: np.ndarray
    autonomous: bool = eqx.field(static=True, default=True)

    def __call__(self, t, x):
        z = jnp.asarray(self.w) @ x + self.b
        return jnp.where(self.bent, jnp.tanh(z), z)


def linear(w, b):
    return Layer(np.array(False), np.array(w), np.array(b))


def bent(w, b):
    return Layer(np.array(True), np.array(w), np.array(b))


class ByAxis(eqx.Module):
    """Noise of another strength along each axis."""

    strength: np.ndarray

    def __call__(self, x):
        return jnp.asarray(self.strength)


@jax.jit
def moved(field, density, t1, walls=None):
    return kn.solve(kn.MeanField(field, walls), density, t1=t1)


@jax.jit
def moved_with_noise(field, density, t1, nu, strength, walls=None):
    return kn.solve(kn.FokkerPlanck(field, nu, ByAxis(strength), walls), density, t1=t1)


@jax.jit
def gaussian(mean, covariance, grid):
    """The normal law on a grid: a vector of standard deviations, or a covariance."""
    return kn.Density.gaussian(mean, covariance, grid)


def l1(density, exact):
    return float(np.sum(np.abs(np.asarray(density.values) - exact.values)) * density.grid.volume)
