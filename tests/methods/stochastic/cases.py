"""Particles with noise: how they are run, and what their discrete law is."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import kinetic_nde as kn
from kinetic_nde.methods import brownian, euler_maruyama, stochastic
from kinetic_nde.methods.method import Options, Times
from tests.methods.affine_diffusion import ONE

KEY = jax.random.key(0)


def equation(w, b, nu, diffusion: Any = ONE, walls=None):
    return kn.FokkerPlanck(kn.SimResNet(w, b, kn.Identity()), nu, diffusion, walls)


def moved(equation, start, steps, key=KEY, t1=1.0, **options):
    """The solution with that many steps between two events."""
    return kn.solve(equation, kn.Ensemble(start), t1=t1, method=kn.Particles(steps=steps), key=key, **options)


def in_standard_errors(samples, mean, variance):
    """How far mean and variance of independent samples are from what they should be."""
    samples = np.asarray(samples)
    centred = samples - samples.mean()
    spread = centred.var()
    errors = np.sqrt([spread / samples.size, ((centred**4).mean() - spread**2) / samples.size])
    return np.abs([samples.mean() - mean, spread - variance]) / errors


def discrete_law(w, b, nu, dt, steps, m1, m2, linear):
    """Mean and variance after steps of the scheme for v = w x + b with K = 1, or K = x: no limit is taken. `w` and `b` are
    functions of the time at which a step begins."""
    for k in range(steps):
        wk, bk = w(k * dt), b(k * dt)
        noise = dt * nu**2 * (m2 if linear else 1.0)
        m2 = (1 + dt * wk) ** 2 * m2 + 2 * (1 + dt * wk) * dt * bk * m1 + (dt * bk) ** 2 + noise
        m1 = (1 + dt * wk) * m1 + dt * bk
    return m1, m2 - m1**2


@functools.cache
def follow(solver):
    """(law, start, t1, number of steps) -> the particles at t1, with one program for any number of steps. None is the
    method's own scheme."""
    options = Options(kn.ForwardMode(), KEY, None, False)
    advance = euler_maruyama.advance(options, None) if solver is None else brownian.advance(solver, options)

    def run(law, x, t1, steps):
        zero = jnp.asarray(0)
        times = Times(jnp.asarray(0.0), jnp.asarray(t1), None)
        span = stochastic.Span(law, KEY, zero, times.t0, times.t1 / steps, zero, steps, times)
        return advance(span, x, 1)

    compiled = eqx.filter_jit(run)
    return lambda law, x, t1, steps: compiled(law, jnp.asarray(x), jnp.asarray(t1), jnp.asarray(steps))


def distance_to(samples, cdf):
    """Kolmogorov and Smirnov's statistic times the root of the number of samples: above 1.95 in one of 1000."""
    x = np.sort(np.asarray(samples))
    place = np.arange(len(x) + 1) / len(x)
    below = cdf(x)
    return max(np.max(place[1:] - below), np.max(below - place[:-1])) * np.sqrt(len(x))
