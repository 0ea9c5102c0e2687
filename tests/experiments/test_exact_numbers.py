"""What the experiments take for exact, against simulations and quadrature of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

import kinetic_nde as kn
from experiments import (
    figure4,
    figure6,
    figure8,
    update_cost,
    update_times,
    updates,
)

pytestmark = pytest.mark.slow


def test_the_exact_masses_of_figure_4():
    faces = np.linspace(2.0, 8.0, 601)
    for t in (0.0, 1.0, 12.0):
        masses = figure4.exact_masses(faces, t)
        assert masses.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(masses, masses[::-1], atol=1e-15)
    # The number that is stated for the figure, which has five digits.
    assert round(figure4.exact_masses(faces, 12.0)[-1], 5) == 0.49999
    # What comes into the last cell is the flux g v at its left face; nothing leaves through the wall.
    rate = (figure4.exact_masses(faces, 1e-6)[-1] - figure4.exact_masses(faces, 0.0)[-1]) / 1e-6
    assert rate == pytest.approx(np.tanh(2.99) / 6, rel=1e-4)


def test_the_closed_forms_of_figure_8_are_those_of_the_package():
    for w, b in ((-0.3, 0.7), (-0.8, 1.1), (0.2, -0.4)):
        mean, std = figure8.exact_mean_and_std(jnp.array([w, b]))
        # The field is linear: the mean goes where the point 1 goes, and the point 2 stays one standard deviation off.
        path = solve_ivp(lambda t, x, w=w, b=b: w * x + b, (0.0, figure8.T1), [1.0, 2.0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(path.y[:, -1], [mean, mean + std], rtol=1e-6)
    parameters = jnp.array([-0.3, 0.7])
    mean, std = figure8.exact_mean_and_std(parameters)
    grid = kn.Grid(-4.0, 6.0, 800)
    g, h = kn.Density.gaussian(mean, std, grid), kn.Density.dirac(figure8.TARGET, grid)
    smoothed = kn.SmoothedL2Loss(h, figure8.BANDWIDTH)(g)
    np.testing.assert_allclose(figure8.smoothed_loss(parameters), smoothed, rtol=1e-3)
    transport = kn.WassersteinLoss(kn.Ensemble([figure8.TARGET]))(g)
    np.testing.assert_allclose(figure8.wasserstein_loss(parameters), transport, rtol=1e-4)


def test_the_exact_updates_of_figure_8_are_the_stated_ones():
    sgd = optax.sgd(figure8.GAMMA)
    means = figure8.exact_updates(figure8.smoothed_loss, sgd, 3)[:, 2]
    np.testing.assert_allclose(means, [1.0, *figure8.STATED], atol=5e-4)
    undivided = figure8.exact_updates(figure8.smoothed_loss, sgd, 3, divided=False)[:, 2]
    np.testing.assert_allclose(undivided, [1.0, *figure8.UNDIVIDED], atol=5e-3)
    # Why Adam's memory is shortened.
    swings = {
        b1: np.abs(figure8.exact_updates(figure8.wasserstein_loss, optax.adam(0.05, b1=b1), 60)[:, 2] - 2)
        for b1 in (0.5, 0.9)
    }
    assert swings[0.5][20:].max() < 0.005 < 0.05 < swings[0.9][20:].max()


def test_the_closed_forms_of_figure_6_are_those_of_the_network_and_of_least_squares():
    law, start = figure6.least_squares_law(), np.array([0.4, -0.2])
    for field in (figure6.CORRECTED, figure6.PRINTED):
        net = field.equation.net
        velocity = lambda t, x, net=net: np.asarray(net(t, jnp.asarray(x)))
        path = solve_ivp(velocity, (0.0, 1.5), start, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(field.points(1.5, start), path.y[:, -1], rtol=1e-6)
        # What is apart from the mean is carried by the same flow.
        apart = field.points(1.5, start + np.array([[1.0, 0.0], [0.0, 1.0]])) - field.points(1.5, start)
        np.testing.assert_allclose(field.covariance(1.5, law), apart.T @ law @ apart, rtol=1e-12)
    # A slope moves by its weight in a measurement, of which the squares add: the textbook's variances, one of them.
    places = figure6.PLACES
    assert law[0, 0] == pytest.approx(1 / np.sum((places - places.mean()) ** 2), rel=1e-12)
    fits = figure6.replicates(3)
    assert fits.shape == (500, 2) and places.size * len(fits) == 5000


def test_what_an_update_would_take_too_long_for_is_extrapolated(monkeypatch):
    seconds = {100: 1.0, 1000: 30.0}
    taken = []

    def race(runners, repeats):
        taken.extend(runners)
        return {"building": 0.1, "mean field": 0.2, "all": seconds.get(size_of[0], 0.0)}

    size_of = []
    monkeypatch.setattr(update_cost, "race", race)
    real = update_cost.updates.measurements
    monkeypatch.setattr(
        update_cost.updates, "measurements", lambda size, seed: size_of.insert(0, size) or real(min(size, 100), seed)
    )
    found = list(update_cost._rows((100, 1000, 10_000), 2, 1, 100, updates.loss(100)))
    assert [row.source for row in found] == [
        "measured",
        "measured",
        "extrapolated",
        "measured",
        "first run",
        "extrapolated",
    ]
    assert [row.particles for row in found] == [1.0, 30.0, 300.0] * 2
    assert taken.count("all") == 3


def test_chunks_of_particles_give_the_update_of_all():
    # As many cells and measurements as in the quick run, which has compiled the update of all.
    loss, samples = updates.loss(update_cost.QUICK["cells"]), updates.measurements(update_cost.QUICK["sizes"][0], 0)
    (together, value), (chunks, other) = (
        updates.update(updates.start(), kn.Ensemble(samples), loss),
        updates.update_in_chunks(updates.start(), samples, loss, 40),
    )
    np.testing.assert_allclose(other, value, rtol=1e-6)
    np.testing.assert_allclose(jax.tree.leaves(chunks.optimizer), jax.tree.leaves(together.optimizer), rtol=1e-5)


def test_the_crossing_is_interpolated_in_logarithms():
    assert update_times.crossing([10, 100, 1000], [1.0, 1.0, 1.0], [0.01, 0.1, 10.0]) == pytest.approx(10**2.5)
    assert np.isnan(update_times.crossing([10, 100], [1.0, 1.0], [0.01, 0.1]))
