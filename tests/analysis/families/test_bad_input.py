"""What the families refuse: equations without such a steady state, and parameters that are none."""

import jax
import numpy as np
import pytest

import kinetic_nde as kn
from tests.analysis.families.laws import GAUSSIAN, GENERAL, INVERSE, PARETO


@pytest.mark.parametrize(
    ("family", "equation", "message"),
    [
        (
            GAUSSIAN,
            kn.FokkerPlanck(kn.SimResNet(0.5, 1.0, kn.Identity()), nu=1.0),
            "needs w < 0 and nu > 0; got w = 0.5",
        ),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-0.5, 1.0, kn.Identity()), nu=0.0), "nu = 0"),
        (
            GAUSSIAN,
            kn.FokkerPlanck(kn.SimResNet(-0.5, 1.0, kn.Tanh()), nu=1.0),
            "kn.Identity with kn.ConstantDiffusion",
        ),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-1.0, 1.0, kn.Identity()), nu=1.0, walls=(0, 2)), "between walls"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(lambda t: -t, 1.0, kn.Identity()), nu=1.0), "do not change with time"),
        (GAUSSIAN, kn.FokkerPlanck(kn.SimResNet(-np.eye(2), 1.0, kn.Identity()), nu=1.0), "in one dimension"),
        (
            INVERSE,
            kn.FokkerPlanck(kn.SimResNet(0.5, 1.0, kn.Identity()), nu=1.0, diffusion=kn.LinearDiffusion()),
            "w < nu\\^2 / 2, b not 0",
        ),
        (
            INVERSE,
            kn.FokkerPlanck(kn.SimResNet(-0.5, 0.0, kn.Identity()), nu=1.0, diffusion=kn.LinearDiffusion()),
            "b = 0",
        ),
        (
            PARETO,
            kn.FokkerPlanck(kn.SimResNet(-1.0, -1.0, kn.ReLU()), nu=1.0, diffusion=kn.LinearDiffusion()),
            "w < 0 < b",
        ),
        (
            GENERAL,
            kn.FokkerPlanck(
                kn.SimResNet(1.0, 0.0, kn.GeneralizedGamma(0.5, 1.0)), nu=2.0, diffusion=kn.LinearDiffusion()
            ),
            "nu\\^2 delta < 2 w",
        ),
        (
            GENERAL,
            kn.FokkerPlanck(
                kn.SimResNet(1.0, 0.1, kn.GeneralizedGamma(0.5, 1.0)), nu=1.0, diffusion=kn.LinearDiffusion()
            ),
            "b = 0",
        ),
    ],
)
def test_where_there_is_no_such_steady_state(family, equation, message):
    with pytest.raises(ValueError, match=message):
        family.parameters(equation)


def test_wrong_input_is_refused():
    with pytest.raises(TypeError, match="FokkerPlanck"):
        GAUSSIAN.parameters(kn.MeanField(kn.SimResNet(-1.0, 0.0, kn.Identity())))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="has the parameters mean, std, got mean, scale"):
        GAUSSIAN.log_prob({"mean": 0.0, "scale": 1.0}, 0.0)
    with pytest.raises(ValueError, match="needs a finite std > 0, got std=-1.0"):
        GAUSSIAN.log_prob({"mean": 0.0, "std": -1.0}, 0.0)
    with pytest.raises(ValueError, match="std is a number, got shape"):
        GAUSSIAN.log_prob({"mean": 0.0, "std": [1.0, 2.0]}, 0.0)
    with pytest.raises(ValueError, match="needs 0 < p < 1, got p=1.0"):
        GENERAL.cdf({"p": 1.0, "A": 1.0, "q": 1.0}, 1.0)
    with pytest.raises(ValueError, match="beta that is not 0"):
        INVERSE.equation({"mu": 1.0, "beta": 0.0})
    with pytest.raises(ValueError, match="needs a finite mu > 1"):
        PARETO.equation({"a": 1.0, "mu": np.nan})
    for nu in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="nu must be finite and > 0"):
            GAUSSIAN.equation({"mean": 0.0, "std": 1.0}, nu)
    with pytest.raises(ValueError, match="q must lie in \\[0, 1\\], got 1.5"):
        GAUSSIAN.quantile({"mean": 0.0, "std": 1.0}, 1.5)
    with pytest.raises(TypeError, match="key"):
        GAUSSIAN.sample({"mean": 0.0, "std": 1.0}, 0, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="n must be at least 1"):
        GAUSSIAN.sample({"mean": 0.0, "std": 1.0}, jax.random.key(0), 0)
    with pytest.raises(ValueError, match="known values"):
        jax.jit(lambda x: GAUSSIAN.cdf({"mean": 0.0, "std": 1.0}, x))(0.0)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda p: GENERAL.equation({"p": p, "A": 1.0, "q": 1.0}))(0.5)
