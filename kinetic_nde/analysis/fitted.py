"""What a fit returns."""

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from ..equations.fokker_planck import FokkerPlanck
from .families.family import AbstractFamily


class Candidate(NamedTuple):
    """A family that was tried; `left_out` says why it could not be, and the numbers are NaN then.

    >>> import kinetic_nde as kn
    >>> tried = kn.fit([-1.0, 0.0, 1.0, 3.0]).candidates
    >>> [(each.family.name, round(each.bic, 2)) for each in tried][0]
    ('Gaussian', 17.26)
    >>> print(tried[2].left_out)
    the Pareto tail family does not hold these samples: its support is x > 0; 2 of 4 samples are not inside, the first of
    them -1
    """

    family: AbstractFamily
    log_likelihood: float
    aic: float
    bic: float
    ks: float
    left_out: str = ""


class Fit(eqx.Module):
    """What `fit` found. It prints itself as a table.

    - `family`, and `parameters` by name, in the units of the samples.
    - `equation`: a `FokkerPlanck` whose steady state is the fitted distribution. `coefficients` are its numbers by name:
      `weight`, `bias`, `nu`, and for the generalised Gamma `delta` and `c`.
    - `standard_errors` of parameters and coefficients by name, from the observed information; 0 for what is fixed and not
      estimated, NaN for what is held at an end of its range.
    - `count`: the number of samples. `log_likelihood`: of all of them together.
    - `ks`: the statistic of Kolmogorov and Smirnov, the largest distance of the distribution functions. `ks_pvalue` is that
      of a distribution known beforehand: parameters that are estimated from the same samples bring the two together, so
      that a small one speaks against the family and a large one for nothing.
    - `candidates`: the families that were tried, the best one first.
    - `notes`: what else a reader must know.

    >>> import kinetic_nde as kn
    >>> print(kn.fit([1.0, 2.0, 4.0, 4.5, 6.0], kn.GaussianFamily()))
    Gaussian, 5 samples: log-likelihood -10.0026, AIC 24.0051, BIC 23.224, KS 0.21 (p-value 0.94 if nothing were estimated)
            estimate  standard error
    mean         3.5             0.8
    std      1.78885            0.57
    weight  -0.15625           0.099
    bias    0.546875            0.37
    nu             1           fixed
    """

    equation: FokkerPlanck
    family: AbstractFamily
    parameters: dict[str, float]
    coefficients: dict[str, float]
    standard_errors: dict[str, float]
    count: int
    log_likelihood: float
    ks: float
    ks_pvalue: float
    notes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 k - 2 log-likelihood for k parameters."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """The Bayesian information criterion, k ln(count) - 2 log-likelihood."""
        return len(self.parameters) * float(np.log(self.count)) - 2 * self.log_likelihood

    @property
    def candidate(self) -> Candidate:
        """This fit in the table of candidates."""
        return Candidate(self.family, self.log_likelihood, self.aic, self.bic, self.ks)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """The estimates, and the candidates where there was a choice."""
        quality = f"log-likelihood {self.log_likelihood:.6g}, AIC {self.aic:.6g}, BIC {self.bic:.6g}"
        test = f"KS {self.ks:.3g} (p-value {self.ks_pvalue:.2g} if nothing were estimated)"
        lines = [f"{self.family.name}, {self.count} samples: {quality}, {test}"]
        rows = [["", "estimate", "standard error"]]
        for name, value in {**self.parameters, **self.coefficients}.items():
            rows.append([name, f"{value:.6g}", _error(self.standard_errors[name])])
        lines += _aligned(rows)
        if len(self.candidates) > 1:
            lines.append("families, the lowest BIC first:")
            rows = [["", "log-likelihood", "AIC", "BIC", "KS"]]
            for each in self.candidates:
                numbers = (f"{number:.7g}" for number in (each.log_likelihood, each.aic, each.bic))
                rows.append([each.family.name, *(("-",) * 4 if each.left_out else (*numbers, f"{each.ks:.3g}"))])
            lines += _aligned(rows)
            lines += [f"left out: {each.left_out}" for each in self.candidates if each.left_out]
        return "\n".join([*lines, *(f"note: {each}" for each in self.notes)])


def _error(error: float) -> str:
    return "fixed" if error == 0 else "held" if np.isnan(error) else f"{error:.2g}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
