"""What `steady_states` returns."""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np

_LISTED = 24  # points in the table


class SteadyStates(eqx.Module):
    """The steady states that `steady_states` found, n points in d dimensions, in NumPy arrays. It prints itself as a
    table, of up to 24 points.

    - `points`: (n,) in d = 1, increasing, else (n, d).
    - `stability` (n,): "stable" attracts from all sides, "unstable" lets what is near it go, "semi-stable" (d = 1) attracts
      from one side only, and "undecided" is what the eigenvalues do not tell. `stable` (n,) is true for the first.
    - `eigenvalues` of the derivative of v there: (n,) real in d = 1, else (n, d) complex; NaN at a kink.
    - `basins` (n, 2): between which places the points of d = 1 attract, infinite where no further one was found; None in
      d > 1.
    - `continua`: whole intervals, lines or regions of steady states, each described in words.
    - `lower`, `upper`: the box, numbers in d = 1, else (d,).
    - `notes`: what else a reader must know.

    With an initial distribution, else None:

    - `masses` (n,): what comes to each point as t -> infinity. Of an ensemble `standard_errors` (n,) are those that the
      shares have as estimates for the population that the samples are drawn from.
    - `resting`: the mass that ends on the `continua`; `escaping`: what leaves the box, to infinity or to rest there, in
      d = 1 (2,) below and above, else (1,); `unsettled` (d > 1): what was still moving at the end, on closed orbits or slowly.
      With `masses` they add up to the mass.

    >>> import kinetic_nde as kn
    >>> net = kn.SimResNet(1.0, -5.0, kn.Tanh())  # walls at 2 and 8 take what goes below and above
    >>> print(kn.steady_states(net, kn.Density.uniform(2.0, 8.0, kn.Grid(2.0, 8.0, 60))))
    1 steady state in [2, 8]
    point  stability  eigenvalue  mass  of those between
        5   unstable           1     0                 -
    leaves below: 0.5
    leaves above: 0.5
    """

    points: np.ndarray
    stability: np.ndarray
    eigenvalues: np.ndarray
    lower: float | np.ndarray
    upper: float | np.ndarray
    basins: np.ndarray | None = None
    masses: np.ndarray | None = None
    standard_errors: np.ndarray | None = None
    resting: float | None = None
    escaping: np.ndarray | None = None
    unsettled: float | None = None
    continua: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stable(self) -> np.ndarray:
        """Which points (n,) certainly attract all that is near."""
        return self.stability == "stable"

    def with_masses(
        self, count: int | None, masses: np.ndarray, resting: float, escaping: np.ndarray, unsettled: float = 0.0
    ) -> "SteadyStates":
        """With what comes to each point, estimated from `count` samples or exact if that is None, and what does not."""
        errors = None if count is None else np.sqrt(np.clip(masses * (1 - masses), 0, None) / count)
        values = {"masses": masses, "standard_errors": errors, "resting": resting, "escaping": escaping}
        return dataclasses.replace(self, **values, unsettled=unsettled)

    def __len__(self) -> int:
        """The number of points."""
        return len(self.points)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        """One row for each point, and below what is no point."""
        count = f"{len(self)} steady state{'s' * (len(self) != 1)}" if len(self) else "no isolated steady state"
        lines = [f"{count} in {_box(self.lower, self.upper)}"]
        columns = [["point", *map(_place, self.points)], ["stability", *self.stability]]
        columns.append([f"eigenvalue{'s' * (self.points.ndim > 1)}", *map(_rates, self.eigenvalues)])
        if self.masses is not None:
            columns.append(["mass", *(f"{mass:.6g}" for mass in self.masses)])
        if self.standard_errors is not None:
            columns.append(["+-", *(f"{error:.1g}" for error in self.standard_errors)])
        if self.basins is not None:
            reach = [f"{low:.6g} to {high:.6g}" if low < high else "-" for low, high in self.basins + 0.0]
            columns.append(["of those between", *reach])
        if len(self):
            if len(self) > _LISTED:
                # Those that most comes to, else the first ones; all are in the arrays.
                weights = np.zeros(len(self)) if self.masses is None else self.masses
                listed = np.sort(np.argsort(-weights, kind="stable")[:_LISTED])
                columns = [[column[0], *(column[1 + k] for k in listed)] for column in columns]
            widths = [max(map(len, column)) for column in columns]
            rows = zip(*columns, strict=True)
            lines += [
                "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
            ]
        if len(self) > _LISTED:
            lines.append(f"... and {len(self) - _LISTED} more")
        lines += [f"also: {each}" for each in self.continua]
        names = ("leaves below", "leaves above") if self.basins is not None else ("leaves the box",)
        if self.masses is not None and self.escaping is not None:
            rest = {"rests there": self.resting, **dict(zip(names, self.escaping, strict=True))}
            rest["still moves"] = self.unsettled
            lines += [f"{name}: {mass:.6g}" for name, mass in rest.items() if mass]
        return "\n".join([*lines, *(f"note: {each}" for each in self.notes)])


def _place(point: Any) -> str:
    # Plus 0 takes the sign from a zero.
    return f"{point + 0.0:.7g}" if np.ndim(point) == 0 else f"({', '.join(f'{each:.6g}' for each in point + 0.0)})"


def _rates(values: Any) -> str:
    if not np.all(np.isfinite(values)):
        return "kink"
    if np.ndim(values) == 0:
        return f"{values + 0.0:.5g}"
    # What is rounding beside the largest is not shown.
    unit = np.max(np.abs(values)) or 1.0
    shown = np.round(values / unit, 12) * unit + 0.0
    return ", ".join(f"{each.real:.4g}{f'{each.imag:+.4g}i' if each.imag else ''}" for each in shown)


def _box(lower: Any, upper: Any) -> str:
    pairs = zip(np.atleast_1d(lower) + 0.0, np.atleast_1d(upper) + 0.0, strict=True)
    return " x ".join(f"[{low:.6g}, {high:.6g}]" for low, high in pairs)
