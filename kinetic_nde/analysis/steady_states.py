"""Proposition 1: where the data may come to rest, and how much of it where."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._values import cast, common_float, default_float, known
from ..distributions.density import Density
from ..distributions.ensemble import Ensemble
from ..distributions.stack import check_mass, check_one
from ..equations.equation import as_field
from ..network import field as fields
from ..network.simresnet import SimResNet
from .box import as_box
from .equilibria import SteadyStates
from .line import states_on_line
from .space import states_in_space

# Times at which a function of t is asked whether it changes, beside its breakpoints; no period has them all.
_TIMES = (0.0, 1.0, float(np.e), 17.3, 1e3)


def steady_states(
    net: Any,
    initial: Density | Ensemble | None = None,
    lower: ArrayLike | list | tuple | None = None,
    upper: ArrayLike | list | tuple | None = None,
) -> SteadyStates:
    """The points y at which the velocity of a network stays zero, in a box:

        w y + b = z,   z any vector of zeros of sigma,

    Proposition 1 of Herty, Trimborn, Visconti (2021), whose "w y + b = 0" holds for z = 0 only. Which of them attract,
    and the share of `initial` that comes to each as t -> infinity.

    - `net`: a `SimResNet` of any dimension d that does not change with t. In d = 1 also any other field that can be given
      to a `MeanField`.
    - `initial`: a `Density` or an `Ensemble`, for the masses; in d > 1 an `Ensemble`.
    - `lower`, `upper`: the ends of the box, numbers or (d,). An end that is not given is where the data end (the grid of a
      density, the outermost samples), or as much further out as mass goes and comes to rest.

    **Points.** The zeros of sigma are those that the activation names, checked, and all others at which it changes sign or
    touches zero between 4096 places of an interval; for a field that is no network those of v. Intervals of zeros, as that
    of `ReLU`, and lines or planes of steady states, as a singular w has, are `continua` of the result, in words. The
    ends of such an interval are points too.

    **Stability.** In d = 1 by the sign of v on both sides. In d > 1 by the eigenvalues of diag(sigma'(z)) w: "stable" if
    all real parts are negative, "unstable" if one is positive, "undecided" where one is zero to rounding or where
    sigma has a kink. Such a point may attract, as that of tanh with w = [[1, -3], [1, -1]], or not: as that of -w.

    **Masses.** In d = 1 exact: that of the density, or the share of the samples, between the ends of each basin. In d > 1
    the samples, up to 10000 of them, are followed until they stand still, stay within 5 % of the way from one point to
    the next or are 1000 boxes away, up to 4096 times as long as it takes to cross the box at its highest speed. What went
    elsewhere is in `resting`, `escaping` and `unsettled`. Walls are not known to a network: at the ends of the box they
    will hold what `escaping` says to leave below and above.

    Not every steady state is made of such points: the rotation w = [[0, -1], [1, 0]] with the identity keeps every radial
    density. There all mass is `unsettled`.

    Raises `ValueError` for a network that changes with t, for traced values, without box and initial distribution, for a
    box that is empty, not finite or of another dimension, for one that holds more than a million points, for a velocity
    that jumps and for an activation that names zeros that are none; `TypeError` for what is no field or no
    distribution, and in d > 1 for a field that is no `SimResNet` and for a density.

    >>> import kinetic_nde as kn
    >>> net = kn.SimResNet(weight=1.0, bias=0.0, activation=kn.GrowingCosine())
    >>> print(kn.steady_states(net, kn.Density.gaussian(0.25, 0.5, kn.Grid(-4.0, 4.0, 400))))
    3 steady states in [-4, 4]
        point  stability  eigenvalue      mass  of those between
    -1.570796     stable     -1.5708  0.308538     -4.71239 to 0
            0   unstable           1         0                 -
     1.570796     stable     -1.5708  0.691462      0 to 4.71239
    """
    if not known(net, initial, lower, upper):
        raise ValueError("steady_states looks at values: call it outside jit, vmap and grad")
    field = cast(as_field(net), default_float())
    if not isinstance(initial, Density | Ensemble | None):
        raise TypeError(f"the initial distribution is a kn.Density or a kn.Ensemble, not {type(initial).__name__}")
    if initial is not None:
        check_one(initial, "steady_states")
        check_mass(initial, "steady_states")
    d = _dimension(field, initial)
    if d > 1 and not isinstance(field, SimResNet):
        raise TypeError(
            f"in more than one dimension steady states are those of a kn.SimResNet, not {type(net).__name__}"
        )
    if d > 1 and isinstance(initial, Density):
        raise TypeError(
            "in more than one dimension samples are followed to where they rest: give some of the density, "
            "kn.Ensemble(density.sample(jax.random.key(0), 10_000))"
        )
    fields.check_velocity(field, jnp.zeros(() if d == 1 else (d,), default_float()))
    _check_autonomous(field)
    initial = cast(initial, default_float())
    # The rounding of the numbers that were given, a few times over.
    rounding = 64 * float(jnp.finfo(common_float(net)).eps)
    box = as_box(lower, upper, d, initial, max(1e-9, rounding))
    if d == 1:
        return states_on_line(field, initial, box)
    return states_in_space(field, initial, box, rounding)


def _dimension(field: Any, initial: Density | Ensemble | None) -> int:
    data = None if initial is None else initial.grid.dimension if isinstance(initial, Density) else initial.dimension
    own = getattr(field, "dimension", None)
    if None not in (own, data) and own != data:
        raise ValueError(f"the network has dimension {own} and the initial distribution {data}")
    return own or data or 1


def _check_autonomous(field: Any) -> None:
    """Raises `ValueError` if v changes with t, as far as some times and all breakpoints tell."""
    jumps = np.asarray(fields.breakpoints(field))
    times = [*_TIMES, *jumps, *(jumps[:1] - 1.0)]
    if isinstance(field, SimResNet):
        hint = "kn.SimResNet(net.weight(t), net.bias(t), net.activation)"
        parts: dict[str, Any] = {"weight": field.weight, "bias": field.bias}
    else:
        points = jnp.linspace(0.1, 1.1, 7)
        hint, parts = "the field at one time", {"field": lambda t: jax.vmap(lambda x: field(t, x))(points)}
    for name, part in parts.items():
        values = [np.asarray(part(jnp.asarray(t, default_float()))) for t in times]
        if not all(np.array_equal(value, values[0], equal_nan=True) for value in values):
            raise ValueError(
                f"the {name} changes with t, and steady states are of what stays the same: take {hint}, with t after the last change"
            )
