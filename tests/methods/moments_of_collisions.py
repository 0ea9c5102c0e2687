"""The first two moments of linear Boltzmann equations with the field w x + b."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm


def linear_moments(w, b, eps, nu, rate, t, m1, m2, exponent=0):
    """m1' = eps rate (w m1 + b), m2' = rate E[eps^2 v^2 + 2 eps x v + eps nu^2 K^2], v = w x + b, with K^2 = x^2 or 1."""
    constant, quadratic = (eps * nu**2, 0.0) if exponent == 0 else (0.0, eps * nu**2)
    generator = rate * np.array(
        [
            [0.0, 0.0, 0.0],
            [eps * b, eps * w, 0.0],
            [eps**2 * b**2 + constant, 2 * eps**2 * w * b + 2 * eps * b, eps**2 * w**2 + 2 * eps * w + quadratic],
        ]
    )
    return expm(generator * t)[1:] @ [1.0, m1, m2]


def moments_in_time(w, b, eps, nu, rate, ts, m1, m2, linear=False):
    """m1 and m2 at times ts where w and b are functions of time: the same equations by SciPy, for K = 1 or K = x."""

    def slope(t, m):
        squares = w(t) ** 2 * m[1] + 2 * w(t) * b(t) * m[0] + b(t) ** 2
        cross, noise = w(t) * m[1] + b(t) * m[0], nu**2 * (m[1] if linear else 1.0)
        return rate * np.array([eps * (w(t) * m[0] + b(t)), eps**2 * squares + 2 * eps * cross + eps * noise])

    return solve_ivp(slope, (0, ts[-1]), [m1, m2], t_eval=ts, rtol=1e-11, atol=1e-12, max_step=0.02).y.T
