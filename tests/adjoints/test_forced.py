"""The adjoint that is forced on every solve."""

import jax
import pytest

import kinetic_nde as kn
from kinetic_nde.adjoints.adjoint import forced, in_force

NET = kn.SimResNet(-1.0, 0.3, kn.Tanh())


def energy(net):
    return kn.solve(kn.MeanField(net), kn.Ensemble([0.5, 1.0]), t1=1.0).final.energy


def test_forced_adjoints():
    own, other = kn.CheckpointAdjoint(), kn.ForwardMode()
    assert in_force(own) is own
    with forced(other) as record:
        assert not record.consulted and in_force(own) is other and record.consulted
        with forced(None) as inner:
            assert in_force(own) is own and inner.consulted
        assert in_force(own) is other
    with pytest.raises(RuntimeError), forced(other):
        raise RuntimeError
    assert in_force(own) is own
    # `solve` asks: through forward mode jax.grad raises. Shapes only, which need no program.
    with forced(other), pytest.raises(ValueError, match="Reverse-mode"):
        jax.eval_shape(jax.grad(energy), NET)
    assert jax.eval_shape(jax.grad(energy), NET).bias.value.shape == ()


@pytest.mark.slow
def test_after_a_forced_adjoint_the_gradient_is_there_again():
    with forced(kn.ForwardMode()), pytest.raises(ValueError, match="Reverse-mode"):
        jax.grad(energy)(NET)
    assert float(jax.grad(energy)(NET).bias.value) != 0
