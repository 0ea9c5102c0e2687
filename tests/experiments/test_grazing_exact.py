"""What the experiment on the grazing limit takes for exact, against simulations and quadrature of its own."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ndtr
from scipy.stats import norm, poisson, wasserstein_distance

from experiments import grazing_exact as exact

pytestmark = pytest.mark.slow

W, B, T, MEAN, STD = -0.8, 0.4, 1.0, 1.0, 0.6
ENDS = (-6.0, 8.0)


@pytest.mark.parametrize("nu", [0.7, 0.0])
def test_the_limit_solves_the_equations_of_mean_and_variance(nu):
    path = solve_ivp(lambda t, y: [W * y[0] + B, 2 * W * y[1] + nu**2], (0, T), [MEAN, STD**2], rtol=1e-10, atol=1e-12)
    mean, std = exact.limit(W, B, nu, T, MEAN, STD)
    np.testing.assert_allclose([mean, std**2], path.y[:, -1], rtol=1e-8)


def simulated(rng, size, epsilon, rate, nu):
    """The linear rule, collision by collision."""
    x, left = rng.normal(MEAN, STD, size), rng.poisson(rate * T, size)
    while left.any():
        moved = x + epsilon * (W * x + B) + np.sqrt(epsilon) * nu * rng.normal(size=size)
        x, left = np.where(left > 0, moved, x), np.maximum(left - 1, 0)
    return x


@pytest.mark.parametrize(("epsilon", "rate", "nu"), [(1.0, 1.0, 0.7), (0.25, 4.0, 0.7), (1.0, 2.0, 0.0)])
def test_the_mixture_is_the_law_of_collisions(epsilon, rate, nu):
    x = np.sort(simulated(np.random.default_rng(0), 200_000, epsilon, rate, nu))
    below = exact.mixture(W, B, nu, T, MEAN, STD, epsilon=epsilon, rate=rate)
    # Kolmogorov's distance; beyond 1.95 roots of the number with probability 1e-3.
    assert np.abs(below(x) - (np.arange(x.size) + 0.5) / x.size).max() < 1.95 / np.sqrt(x.size)


@pytest.mark.parametrize("nu", [0.7, 0.0])
def test_the_constant_of_the_identity_is_that_of_the_mixture(nu):
    mean, std = exact.limit(W, B, nu, T, MEAN, STD)
    ratios = []
    for epsilon in (2.0**-8, 2.0**-9):
        law = exact.mixture(W, B, nu, T, MEAN, STD, epsilon=epsilon, rate=1 / epsilon)
        ratios.append(exact.apart(law, lambda x: ndtr((x - mean) / std), ENDS) / epsilon)
    constant = exact.identity_constant(W, B, nu, T, MEAN, STD, exact.NORMAL)
    # Extrapolated, with an error of second order.
    assert 2 * ratios[1] - ratios[0] == pytest.approx(constant, rel=1e-4)


def in_logarithms(step_below, epsilon, mean, std):
    """W1 / eps of a sum of Poisson many independent steps of ln x from its limit, by Fourier sums; steps by their distribution function."""
    y = np.linspace(-6, 6, 2**17, endpoint=False)
    dy = y[1] - y[0]
    steps = np.diff(step_below(np.append(y, y[-1] + dy) - dy / 2))
    start = np.diff(norm.cdf((np.append(y, y[-1] + dy) - dy / 2) / std))
    transform = lambda masses: np.fft.fft(np.fft.ifftshift(masses))
    total = transform(start) * np.exp(T / epsilon * (transform(steps) - 1))
    law = np.cumsum(np.fft.fftshift(np.fft.ifft(total)).real)
    return lambda drift, deviation: (
        np.sum(np.abs(law - norm.cdf((y + dy / 2 - drift) / deviation)) * np.exp(mean + y + dy / 2)) * dy / epsilon
    )


@pytest.mark.parametrize("fourth", [exact.NORMAL, exact.UNIFORM])
def test_the_constant_of_noise_in_proportion_to_x(fourth):
    w, nu, mean, std, ratios = -0.3, 0.3, np.log(2.0), 0.15, []
    for epsilon in (1 / 64, 1 / 128):

        def below(y, epsilon=epsilon):
            z = (np.exp(y) - 1 - epsilon * w) / (np.sqrt(epsilon) * nu)
            return norm.cdf(z) if fourth == exact.NORMAL else np.clip(0.5 + z / np.sqrt(12), 0, 1)

        ratios.append(in_logarithms(below, epsilon, mean, std)(w * T - nu**2 * T / 2, np.sqrt(std**2 + nu**2 * T)))
    constant = exact.proportional_constant(w, nu, T, mean, std, fourth)
    assert 2 * ratios[1] - ratios[0] == pytest.approx(constant, rel=1e-3)


def test_from_a_point_it_is_the_root():
    arrival = exact.limit(W, B, 0.0, T, MEAN, 0.0)[0]
    layer = lambda epsilon, x: x + epsilon * (W * x + B)
    distances = {e: exact.from_a_point(layer, arrival, MEAN, e, T) for e in (1.0, 2.0**-8, 2.0**-10)}
    # At eps = 1 by hand: n collisions bring 1 to 1/2 + 0.2^n / 2, and time to 1/2 + e^-0.8 / 2.
    by_hand = sum(poisson.pmf(n, 1.0) * abs(0.2**n - np.exp(-0.8)) / 2 for n in range(40))
    assert distances[1.0] == pytest.approx(by_hand, rel=1e-12)
    # A speed times (2 eps t / pi)^(1/2), the mean deviation of the clock.
    speed = abs(W * arrival + B)
    assert distances[2.0**-10] == pytest.approx(speed * np.sqrt(2 * 2.0**-10 / np.pi), rel=2e-2)
    assert distances[2.0**-8] / distances[2.0**-10] == pytest.approx(2, rel=2e-2)


def test_samples_are_off_by_the_sampling_error():
    x = np.linspace(-6, 6, 2001)
    expected = exact.sampling_error(norm.cdf(x), x, 400)
    rng, quantiles = np.random.default_rng(1), norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = [wasserstein_distance(rng.normal(size=400), quantiles) for _ in range(300)]
    assert np.mean(found) == pytest.approx(expected, rel=4 * np.std(found) / np.mean(found) / np.sqrt(300))
