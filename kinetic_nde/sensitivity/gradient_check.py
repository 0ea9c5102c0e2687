"""What the check of a gradient returns."""

from typing import Any

import equinox as eqx
import numpy as np

# From this relative difference on the table asks its reader to look twice.
_FAR = 0.05


class GradientCheck(eqx.Module):
    """What `check_gradient` found. It prints itself as a table.

    - `value`: D.
    - `names` (P): what the parameters are. `directions` (n, P): along which D was differentiated, the axes if there are few
      parameters.
    - `gradients`: of each adjoint, (P,); of forward mode and central differences only if the directions are the axes.
    - `slopes` (n,): <gradient, direction> of each adjoint and of the central differences; `step` is that of the latter.
    - `differences`: |gradient - reference| / |reference| of each, of slopes where there is no gradient; `reference` names
      the adjoint.
    - `taylor_remainders` (k,) of each adjoint, the root of the mean square of D(theta + h e) - D(theta) - h <gradient, e> over
      four random directions e for the `taylor_steps` h, and `taylor_rates`, the power of h that fits them: 2 for a
      right gradient, 1 for a wrong one, NaN (a blank in the table) for remainders that are
      rounding, because D is linear or the precision low. `TransportAdjoint`
      is right but for an error of the scheme: its rate is 2 as long as h is larger than this error.
    - `left_out`: adjoints that do not support the problem, and why.

    >>> import kinetic_nde as kn
    >>> def energy(net):
    ...     return kn.solve(kn.MeanField(net), kn.Ensemble([0.5, 1.5]), t1=1.0).final.energy
    >>> print(kn.check_gradient(energy, kn.SimResNet(-1.0, 0.3, kn.Identity()), adjoints=kn.CheckpointAdjoint()))
    D = 0.344..., 2 parameters, differences relative to CheckpointAdjoint
                           d/dweight      d/dbias  difference  Taylor rate
    CheckpointAdjoint       ...                                    2.00
    central differences     ...
    """

    value: float
    names: list[str]
    directions: np.ndarray
    reference: str
    step: float
    gradients: dict[str, np.ndarray]
    slopes: dict[str, np.ndarray]
    differences: dict[str, float]
    taylor_steps: np.ndarray
    taylor_remainders: dict[str, np.ndarray]
    taylor_rates: dict[str, float]
    left_out: dict[str, str]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """One row for each way, one column for each parameter or direction."""
        axes = "central differences" in self.gradients
        columns = [f"d/d{name}" for name in self.names] if axes else [f"along {i}" for i in range(len(self.directions))]
        rows = [["", *columns, "difference", "Taylor rate"]]
        for name in self.slopes:
            numbers = self.gradients[name] if axes else self.slopes[name]
            difference = "" if name == self.reference else f"{self.differences[name]:.1e}"
            rate = self.taylor_rates.get(name, np.nan)
            rate = "" if np.isnan(rate) else f"{rate:.2f}"
            rows.append([name, *(f"{number:.9g}" for number in numbers), difference, rate])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        table = [
            row[0].ljust(widths[0])
            + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            for row in rows
        ]
        top = f"D = {self.value:.9g}, {len(self.names)} parameters, differences relative to {self.reference}"
        far = [name for name, difference in self.differences.items() if difference > _FAR and name != self.reference]
        end = [
            f"{name} differs from {self.reference} by {self.differences[name]:.1e}: see docs/adjoints.md"
            for name in far
        ]
        end += [f"{name} is left out: {reason}" for name, reason in self.left_out.items()]
        return "\n".join([top, *table, *end])
