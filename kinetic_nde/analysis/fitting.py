"""Training as fitting a distribution."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import ArrayLike
from scipy.stats import ks_1samp

from .._values import as_float64, known, under_jit
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_one
from .families.family import AbstractFamily, strength
from .families.gaussian import GaussianFamily
from .families.generalized_gamma import GeneralizedGammaFamily
from .families.inverse_gamma import InverseGammaFamily
from .families.pareto_tail import ParetoTailFamily
from .fitted import Candidate, Fit
from .likelihood import maximise, propagated

FAMILIES: tuple[AbstractFamily, ...] = (
    GaussianFamily(),
    InverseGammaFamily(),
    ParetoTailFamily(),
    GeneralizedGammaFamily(),
)
# Of the samples' size: for families on the half line, whose parameters explode for samples that are all but equal.
_LEAST_SPREAD = 1e-6
# Parameters that are estimated from the same samples only raise it.
_UNLIKELY = 1e-3
_MISFIT = (
    f"the samples are not from this family: they are as far from it once in {1 / _UNLIKELY:g} times, or less often"
)


def fit(samples: Ensemble | ArrayLike | list, family: AbstractFamily | None = None, nu: ArrayLike | None = None) -> Fit:
    """The member of a family that samples most likely come from, and the Fokker-Planck equation whose steady state it is:
    weight and bias of a noisy network that drives any data to the distribution of the samples. Section 3.1.1 of Herty,
    Trimborn, Visconti (2021), where training becomes fitting.

    - `samples`: measurements (M,), an array or an `Ensemble`.
    - `family`: `GaussianFamily()`, `InverseGammaFamily()`, `ParetoTailFamily()` or `GeneralizedGammaFamily()`. By default
      the one of lowest Bayesian information criterion, which finds the true one among them with certainty as M grows
      (Akaike's goes on preferring an extra parameter); families whose support does not hold the samples are left out.
    - `nu`: the strength of the noise, 1 by default. The steady state determines w / nu^2 and b / nu^2 only (C21): it is a
      choice, that of the unit of time. For the generalised Gamma the default is the nu that belongs to weight 1.

    By maximum likelihood with exact gradients and Hessians, from starting values by moments, for the Pareto tail from the
    best of 400 values of mu, since its likelihood has several maxima for samples that are not its own. Samples in other units give the
    same distribution in these units. Standard errors are those of the observed information, and of weight and bias by
    the delta method. The density of the Pareto tail is continuous with its first derivatives where a passes a sample,
    only the second jumps, so that they hold for its threshold too.

    Where the likelihood has no maximum inside a family the parameter that it grows with is held (p of the generalised Gamma
    at 0.05 or 0.999, mu of the Pareto tail at 1 + 1e-3 or 1 + 1e4), and `notes` says so. They also say so where not even the
    best family is near the samples, by a p-value of Kolmogorov and Smirnov below 1e-3.

    For known values only. Raises `TypeError` for what is no family, `ValueError` for samples of another shape, not finite,
    all equal, fewer than parameters + 1 or outside the family's support, and unless nu > 0 is finite; `RuntimeError`
    if no maximum is found.

    >>> import kinetic_nde as kn
    >>> shares = (np.arange(2000) + 0.5) / 2000
    >>> found = fit(kn.InverseGammaFamily().quantile({"mu": 3.0, "beta": 4.0}, shares))
    >>> found.family.name, {name: round(value, 1) for name, value in found.parameters.items()}
    ('inverse Gamma', {'mu': 3.0, 'beta': 4.0})
    >>> [round(float(each), 1) for each in (found.equation.net.weight(0.0), found.equation.net.bias(0.0), found.equation.nu)]
    [-1.0, 2.0, 1.0]
    """
    chosen = _families(family)
    if not known(samples, nu) or under_jit():
        raise ValueError("fit works on known values, outside jit, vmap and grad")
    x = _checked(samples)
    nu = None if nu is None else strength(nu)
    if family is not None:
        return _fitted(chosen[0], x, nu)
    fits, left_out = [], []
    for each in chosen:
        try:
            fits.append(_fitted(each, x, nu))
        except (ValueError, RuntimeError) as error:
            left_out.append(Candidate(each, *(float("nan"),) * 4, left_out=str(error)))
    if not fits:
        raise ValueError("no family can be fitted: " + "; ".join(each.left_out for each in left_out))
    fits.sort(key=lambda each: each.bic)
    return dataclasses.replace(fits[0], candidates=(*(each.candidate for each in fits), *left_out))


def _fitted(family: AbstractFamily, x: np.ndarray, nu: Any) -> Fit:
    least = len(family.conditions) + 1
    if x.size < least:
        raise ValueError(f"the {family.name} family has {least - 1} parameters and needs {least} samples, got {x.size}")
    outside = family.outside(x)
    if outside is not None:
        raise ValueError(f"the {family.name} family does not hold these samples: {outside}")
    units = family.units(x)
    z = (x - units.shift) / units.scale
    if not np.ptp(z) > _LEAST_SPREAD * np.max(np.abs(z)):
        raise ValueError(
            f"the {family.name} family needs samples that spread by more than a millionth of their size, got"
            f" {np.min(x):.12g} to {np.max(x):.12g}"
        )
    found = maximise(family, z)
    parameters, coefficients, errors = propagated(family, found, units, nu)
    test: Any = ks_1samp(x, lambda at: family.cdf(parameters, at))
    return Fit(
        equation=family.equation(parameters, nu),
        family=family,
        parameters=parameters,
        coefficients=coefficients,
        standard_errors=errors,
        count=x.size,
        log_likelihood=x.size * (found.mean - float(np.log(abs(units.scale)))),
        ks=float(test.statistic),
        ks_pvalue=float(test.pvalue),
        notes=(() if found.edge is None else (found.edge.words,)) + ((_MISFIT,) if test.pvalue < _UNLIKELY else ()),
    )


def _families(family: Any) -> tuple[AbstractFamily, ...]:
    if family is None:
        return FAMILIES
    if isinstance(family, AbstractFamily):
        return (family,)
    possible = ", ".join(f"kn.{type(each).__name__}()" for each in FAMILIES)
    meant = isinstance(family, type) and issubclass(family, AbstractFamily)
    hint = f"did you mean kn.{family.__name__}()?" if meant else f"there are: {possible}"
    raise TypeError(f"family must be an object such as {possible.split(',')[0]}, not {family!r}; {hint}")


def _checked(samples: Any) -> np.ndarray:
    """The samples as float64."""
    if isinstance(samples, Ensemble):
        check_one(samples, "fit")
        samples = samples.samples[:, 0] if samples.samples.ndim == 2 and samples.dimension == 1 else samples.samples
    x = as_float64(samples, "samples")
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"fit needs samples of shape (M,), got shape {x.shape}")
    if not np.all(np.isfinite(x)):
        raise ValueError(f"samples must be finite, got {x[~np.isfinite(x)][0]} at index {np.argmin(np.isfinite(x))}")
    if np.all(x == x[0]):
        found = "the only sample is" if x.size == 1 else f"all {x.size} samples are"
        raise ValueError(f"{found} {x[0]:g}: there is no distribution to fit")
    return x
