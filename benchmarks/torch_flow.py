"""The flow of `moons.py` by torchdiffeq, with the exact trace, as its documentation has it."""

from collections.abc import Callable
from typing import Any

import numpy as np


def training(
    weights: np.ndarray, biases: np.ndarray, t1: float, rate: float, tolerance: float | None
) -> tuple[Callable[[np.ndarray], None], Callable[[], tuple[np.ndarray, np.ndarray]]]:
    """What makes an update of Adam with a batch of points (B, d), and what gives weights and biases as they are. One step
    of the classical method in each layer, or Dormand and Prince's 5(4) to that tolerance."""
    import torch
    from torchdiffeq import odeint

    # Batches are small: on two threads an update took 10 to 400 ms here, on one 2.
    torch.set_num_threads(1)
    w, b = (torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (weights, biases))
    adam = torch.optim.Adam([w, b], lr=rate)
    layers, d = biases.shape
    h = t1 / layers
    options: dict[str, Any] = {"method": "rk4"} if tolerance is None else {"rtol": tolerance, "atol": tolerance}

    def log_prob(x: Any) -> Any:
        total = torch.zeros(x.shape[0], dtype=torch.float64)
        for layer in reversed(range(layers)):

            def backwards(t: Any, state: tuple, layer: int = layer) -> tuple:
                v = torch.tanh(state[0] @ w[layer].T + b[layer])
                # The exact trace of tanh's Jacobian, as the package has it.
                return -v, -((1 - v**2) @ torch.diagonal(w[layer]))

            x, total = (
                each[-1]
                for each in odeint(backwards, (x, total), torch.tensor([0.0, h], dtype=torch.float64), **options)
            )
        return -0.5 * (x**2).sum(1) - 0.5 * d * np.log(2 * np.pi) + total

    def update(points: np.ndarray) -> None:
        adam.zero_grad()
        (-log_prob(torch.from_numpy(points)).mean()).backward()
        adam.step()

    return update, lambda: (w.detach().numpy().copy(), b.detach().numpy().copy())
