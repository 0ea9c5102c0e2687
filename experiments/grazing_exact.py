"""What is known exactly of the grazing limit: laws of the identity for any eps, and the constant in front of eps.

Collisions come at the times of a Poisson clock of rate 1 / eps; n of them have happened by t with the probability P(n). With the identity, K = 1 and normal
noise the law after n is normal if the first one is: the whole is a mixture. To first order in eps the cumulants of x, and for K = x, b = 0 those of ln x, are
off by eps times c_1 .. c_4, which correct the distribution function F of a normal law by

    eps sum_k (-1)^k (c_k / k!) d^k F / dx^k,

and W1 is the integral of its absolute value.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.hermite_e import hermeval
from scipy.integrate import solve_ivp
from scipy.special import factorial, ndtr
from scipy.stats import poisson

# E eta^4 / nu^4.
NORMAL, UNIFORM = 3.0, 1.8
# Deviations from the mean within which normal laws are integrated, and the points in between.
_REACH, _POINTS = 12.0, 20_001


def limit(w: float, b: float, nu: float, t: float, mean: float, std: float) -> tuple[float, float]:
    """Mean and standard deviation of the Fokker-Planck equation of the identity, K = 1, at time t from N(mean, std^2)."""
    fixed, settled = -b / w, -(nu**2) / (2 * w)
    return fixed + (mean - fixed) * np.exp(w * t), np.sqrt(settled + (std**2 - settled) * np.exp(2 * w * t))


def mixture(
    w: float, b: float, nu: float, t: float, mean: float, std: float, *, epsilon: float, rate: float
) -> Callable[[np.ndarray], np.ndarray]:
    """The distribution function at time t of the Boltzmann equation of the identity, K = 1, with normal noise, from N(mean, std^2)."""
    counts = np.arange(int(poisson.isf(1e-16, rate * t)) + 2)
    factor = 1 + epsilon * w
    fixed = -b / w
    means = fixed + (mean - fixed) * factor**counts
    added = np.concatenate([[0.0], np.cumsum(factor ** (2.0 * counts[:-1]))])
    stds = np.sqrt(std**2 * factor ** (2.0 * counts) + epsilon * nu**2 * added)
    weights = poisson.pmf(counts, rate * t)

    def below(x: np.ndarray) -> np.ndarray:
        return np.sum([p * ndtr((x - m) / s) for p, m, s in zip(weights, means, stds, strict=True)], axis=0)

    return below


def apart(
    first: Callable[[np.ndarray], np.ndarray], second: Callable[[np.ndarray], np.ndarray], ends: tuple[float, float]
) -> float:
    """W1 of two laws on an interval by their distribution functions."""
    x = np.linspace(*ends, 40_001)
    return float(np.trapezoid(np.abs(first(x) - second(x)), x))


def identity_constant(w: float, b: float, nu: float, t: float, mean: float, std: float, fourth: float) -> float:
    """W1 / eps as eps goes to 0 for K = 1 and N(mean, std^2), with E eta^4 = `fourth` nu^4.

    c_2' = 2 w c_2 + E[v^2], of m_2, and the same of c_3 and c_4, by what is of first order in eps on the right-hand side of (19),
    (eps / 2) d_xx (v^2 g) - (eps nu^2 / 2) d_xxx (v g) + (eps E eta^4 / 24) d_xxxx g, for a normal g.
    """

    def rates(s: float, c: np.ndarray) -> np.ndarray:
        m, deviation = limit(w, b, nu, s, mean, std)
        u, v = w * m + b, deviation**2
        sources = [u**2 + w**2 * v, 6 * u * w * v + 3 * nu**2 * u, 12 * w * v * (w * v + nu**2) + fourth * nu**4]
        return np.array([2, 3, 4]) * w * c + np.array(sources)

    c = solve_ivp(rates, (0.0, t), np.zeros(3), rtol=1e-10, atol=1e-12).y[:, -1]
    return _first_order(np.array([0.0, *c]), *limit(w, b, nu, t, mean, std))


def proportional_constant(w: float, nu: float, t: float, mean: float, std: float, fourth: float) -> float:
    """The same for K = x and b = 0, where ln x is a sum of independent steps, from a log-normal law: ln x of N(mean, std^2)."""
    square, last = nu**2, fourth * nu**4
    c = t * np.array(
        [
            w * square - w**2 / 2 - last / 4,
            w**2 - 3 * w * square + 11 * last / 12,
            3 * w * square - 3 * last / 2,
            last,
        ]
    )
    return _first_order(c, mean + (w - square / 2) * t, np.sqrt(std**2 + square * t), of_logarithm=True)


def _first_order(c: np.ndarray, mean: float, std: float, of_logarithm: bool = False) -> float:
    """The integral over x of the absolute first correction of the distribution function."""
    z = np.linspace(-_REACH, _REACH, _POINTS)
    orders = np.arange(1, c.size + 1)
    correction = hermeval(z, c / (factorial(orders) * std**orders)) * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    lengths = std * (np.exp(mean + std * z) if of_logarithm else np.ones_like(z))
    return float(np.trapezoid(np.abs(correction) * lengths, z))


def from_a_point(
    layer: Callable[[float, float], float], arrival: float, start: float, epsilon: float, t: float
) -> float:
    """W1 between point masses: at `arrival`, where the mean field takes the one at `start` by time t, and at the places that
    n collisions x -> layer(eps, x) without noise lead to. It is E|X - arrival|, which falls like the root of eps."""
    counts = np.arange(int(poisson.isf(1e-16, t / epsilon)) + 2)
    places = [start]
    for _ in counts[1:]:
        places.append(layer(epsilon, places[-1]))
    return float(poisson.pmf(counts, t / epsilon) @ np.abs(np.array(places) - arrival))


def sampling_error(below: np.ndarray, x: np.ndarray, particles: int) -> float:
    """The expected W1 between a law, by its distribution function at x, and that many samples of it:
    (2 / (pi M))^(1/2) int (F (1 - F))^(1/2) dx."""
    return float(np.sqrt(2 / (np.pi * particles)) * np.trapezoid(np.sqrt(np.clip(below * (1 - below), 0, None)), x))
