"""The table of gradients: closed form, wrong gradients found out, many parameters, what cannot be checked."""

import inspect
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn
from kinetic_nde.sensitivity import check_gradient as module
from kinetic_nde.sensitivity.check_gradient import check_gradient
from kinetic_nde.sensitivity.losses import L2Loss

START = kn.Ensemble([0.5, 1.0, 2.0])
NET = kn.SimResNet(-1.0, 0.3, kn.Tanh())
# What every adjoint is.
AbstractAdjoint = module.AbstractAdjoint
AUTODIFF = (kn.CheckpointAdjoint(), kn.ForwardMode())


def final(net, start: kn.Density | kn.Ensemble = START, **options):
    return kn.solve(kn.MeanField(net), start, t1=1.0, **options).final


def energy(net):
    return final(net, method=kn.Layers(10)).energy


class Unable(AbstractAdjoint):
    def trajectories(self, problem, law, start, ts):
        raise TypeError("this adjoint is for other problems")

    def loop(self, *arguments, **options):
        raise TypeError("this adjoint is for other problems")

    @property
    def ode(self):
        raise TypeError("this adjoint is for other problems")


def test_closed_form_of_a_network():
    """By all adjoints that there are. Layers x <- x + dt (w x + b) give c^n x + b (c^n - 1) / w with c = 1 + w dt."""
    net = kn.SimResNet(-1.0, 0.3, kn.Identity())
    check = check_gradient(lambda net: final(net, method=kn.Layers(10)).mean ** 2, net)
    mean, w, b, c = float(np.mean(START.samples)), -1.0, 0.3, 0.9
    value = c**10 * mean + b * (c**10 - 1) / w
    by_w = c**9 * mean + b * (c**9 / w - (c**10 - 1) / w**2)
    expected = [2 * value * by_w, 2 * value * (c**10 - 1) / w]
    np.testing.assert_allclose(check.value, value**2)
    assert list(check.slopes) == ["CheckpointAdjoint", "TransportAdjoint", "ForwardMode", "central differences"]
    for name in check.slopes:
        np.testing.assert_allclose(check.gradients[name], expected, rtol=1e-6)
    assert check.reference == "CheckpointAdjoint" and check.differences["CheckpointAdjoint"] == 0
    assert check.differences["ForwardMode"] < 1e-12 and check.differences["central differences"] < 1e-6
    assert list(check.taylor_rates) == list(check.slopes)[:3]
    np.testing.assert_allclose(list(check.taylor_rates.values()), 2, atol=0.05)


@pytest.mark.slow
def test_closed_form():
    """Identity, g0 = N(1, 1), h = N(2, 0.5^2), T = 1, w = -1, b = 0.3 on [-8, 8]."""
    grid = kn.Grid(-8.0, 8.0, 400)
    start, loss = kn.Density.gaussian(1.0, 1.0, grid), L2Loss(kn.Density.gaussian(2.0, 0.5, grid))
    net = kn.SimResNet(-1.0, 0.3, kn.Identity())
    check = check_gradient(lambda net: loss(final(net, start)), net)
    np.testing.assert_allclose(check.value, 0.622307371, rtol=4e-4)
    assert list(check.slopes) == ["CheckpointAdjoint", "TransportAdjoint", "ForwardMode", "central differences"]
    for name in check.slopes:
        np.testing.assert_allclose(check.gradients[name], [-0.522456235, -0.102210526], rtol=4e-4)
    assert check.reference == "CheckpointAdjoint" and check.differences["CheckpointAdjoint"] == 0
    assert 1e-7 < check.differences["TransportAdjoint"] < 1e-4
    assert check.differences["ForwardMode"] < 1e-12 and check.differences["central differences"] < 1e-6
    assert list(check.taylor_rates) == list(check.slopes)[:3]
    np.testing.assert_allclose(list(check.taylor_rates.values()), 2, atol=0.05)


@pytest.mark.slow
def test_what_leaves_through_an_open_end_is_no_reason_to_refuse():
    narrow = kn.Grid(-3.0, 3.0, 60)
    start, loss = kn.Density.gaussian(0.0, 0.8, narrow), L2Loss(kn.Density.gaussian(0.0, 0.8, narrow))
    leaving = check_gradient(lambda net: loss(final(net, start)), kn.SimResNet(1.0, 0.3, kn.Tanh()), adjoints=AUTODIFF)
    assert leaving.differences["central differences"] < 1e-5


def test_a_wrong_gradient_is_found_out():
    """A slope that is lost on the way: all adjoints agree, and only differences and Taylor see it."""

    def lossy(net):
        return energy(net) + 0.1 * jax.lax.stop_gradient(final(net, method=kn.Layers(10)).mean)

    check = check_gradient(lossy, NET, adjoints=AUTODIFF)
    assert check.differences["ForwardMode"] < 1e-12
    assert check.differences["central differences"] > 0.01
    np.testing.assert_allclose(list(check.taylor_rates.values()), 1, atol=0.1)
    assert "central differences differs from CheckpointAdjoint by" in str(check)


def test_many_parameters_are_checked_along_random_directions():
    net = kn.SimResNet(kn.Interpolated(np.linspace(0, 1, 12), np.linspace(-1, 0.5, 12)), 0.3, kn.Tanh())
    check = check_gradient(energy, net, adjoints=AUTODIFF)
    assert check.names[:2] == ["weight[0]", "weight[1]"] and len(check.names) == 13
    assert set(check.gradients) == {"CheckpointAdjoint"} and check.directions.shape == (4, 13)
    expected = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.jit(jax.grad(energy))(net))])
    np.testing.assert_allclose(check.gradients["CheckpointAdjoint"], expected, rtol=1e-12)
    for name, tolerance in (("ForwardMode", 1e-10), ("central differences", 1e-6)):
        np.testing.assert_allclose(check.slopes[name], check.directions @ expected, rtol=tolerance)
        assert check.differences[name] < tolerance
    again = check_gradient(energy, net, adjoints=AUTODIFF, key=jax.random.key(1))
    assert not np.allclose(again.directions, check.directions)
    assert "along 3" in str(check)


def test_the_table():
    check = check_gradient(energy, NET, adjoints=AUTODIFF)
    top, head, *rows = str(check).splitlines()
    assert top.startswith(f"D = {check.value:.9g}, 2 parameters")
    assert head.split() == ["d/dweight", "d/dbias", "difference", "Taylor", "rate"]
    assert [row.split()[0] for row in rows] == ["CheckpointAdjoint", "ForwardMode", "central"]
    rate = check.taylor_rates["CheckpointAdjoint"]
    assert rows[0].split()[-1] == f"{rate:.2f}"
    shown = []
    check._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(check)]


@pytest.mark.slow
def test_the_adjoint_equation_is_left_out_where_it_does_not_apply():
    density = kn.Density.gaussian(0.0, 1.0, kn.Grid(-6.0, 6.0, 40))
    check = check_gradient(lambda net: final(net, density, method=kn.Characteristics()).energy, NET)
    assert list(check.left_out) == ["TransportAdjoint"]
    last = str(check).splitlines()[-1]
    assert last.startswith("TransportAdjoint is left out: TransportAdjoint is for FiniteVolume and Particles")


def test_a_linear_loss_leaves_no_remainder():
    class Wind(eqx.Module):
        speed: jax.Array

        def __call__(self, t, x):
            return self.speed

    check = check_gradient(lambda net: final(net, method=kn.Layers(4)).mean, Wind(jnp.array(0.7)), adjoints=AUTODIFF)
    np.testing.assert_allclose(check.gradients["CheckpointAdjoint"], 1)
    assert np.isnan(check.taylor_rates["CheckpointAdjoint"])


def test_single_precision_and_a_parameter_that_is_zero():
    net = kn.SimResNet(np.float32(-1.0), np.float32(0.0), kn.Tanh())
    start = kn.Ensemble(np.array([0.5, 1.0, 2.0], np.float32))
    check = check_gradient(lambda net: final(net, start, method=kn.Layers(10)).energy, net, adjoints=AUTODIFF)
    assert check.step == 5e-3 and check.differences["central differences"] < 1e-3
    assert abs(check.taylor_rates["CheckpointAdjoint"] - 2) < 0.2 and np.max(check.taylor_steps) > 0.3


def test_an_adjoint_that_does_not_support_the_problem(monkeypatch):
    start = kn.Density.gaussian(0.2, 0.8, kn.Grid(-4.0, 4.0, 8))
    loss = lambda net: final(net, start, method=kn.FiniteVolume(steps=2)).energy
    with pytest.raises(TypeError, match="for other problems"):
        check_gradient(loss, NET, adjoints=Unable())
    monkeypatch.setattr(module, "_ADJOINTS", (kn.ForwardMode(), Unable()))
    check = check_gradient(loss, NET)
    assert check.left_out == {"Unable": "this adjoint is for other problems"}
    assert str(check).splitlines()[-1] == "Unable is left out: this adjoint is for other problems"
    assert "Unable" not in check.slopes and check.reference == "ForwardMode"


@pytest.mark.slow
def test_an_adjoint_that_does_not_support_particles(monkeypatch):
    loss = lambda net: final(net).energy
    with pytest.raises(TypeError, match="for other problems"):
        check_gradient(loss, NET, adjoints=Unable())
    monkeypatch.setattr(module, "_ADJOINTS", (kn.CheckpointAdjoint(), Unable()))
    check = check_gradient(loss, NET)
    assert check.left_out == {"Unable": "this adjoint is for other problems"}
    assert str(check).splitlines()[-1] == "Unable is left out: this adjoint is for other problems"
    assert "Unable" not in check.slopes


def test_two_adjoints_of_one_kind():
    check = check_gradient(energy, NET, adjoints=[kn.ForwardMode(), kn.CheckpointAdjoint(), kn.CheckpointAdjoint(8)])
    assert check.reference == "CheckpointAdjoint()"
    assert list(check.slopes)[:3] == ["ForwardMode", check.reference, "CheckpointAdjoint(checkpoints=8)"]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (jax.jit(energy), "pass the plain function"),
        (eqx.filter_jit(energy), "pass the plain function"),
        (lambda net: net.weight.value**2, "calls no solve"),
        (lambda net: jnp.log(-energy(net)), "the loss is nan"),
        (lambda net: final(net).samples, "one number, got shape"),
    ],
    ids=["jit", "filter_jit", "no solve", "nan", "not a number"],
)
def test_a_loss_that_cannot_be_checked(loss, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(loss, NET, adjoints=AUTODIFF)


def test_a_part_that_is_compiled_keeps_its_own_adjoint():
    compiled = jax.jit(energy)
    with pytest.raises(ValueError, match="pass the plain function"):
        check_gradient(lambda net: 2 * compiled(net), NET, adjoints=AUTODIFF)
    # What was refused is left as it was.
    np.testing.assert_allclose(jax.grad(compiled)(NET).weight.value, jax.grad(energy)(NET).weight.value)


def test_bad_input():
    unchecked = inspect.unwrap(check_gradient)
    with pytest.raises(TypeError, match="adjoints are objects"):
        unchecked(energy, NET, adjoints=kn.CheckpointAdjoint)
    with pytest.raises(ValueError, match="at least one"):
        check_gradient(energy, NET, adjoints=[])
    for step in (0.0, -1e-3, np.inf):
        with pytest.raises(ValueError, match="step must be positive"):
            check_gradient(energy, NET, step=step)
    with pytest.raises(ValueError, match="can be trained"):
        check_gradient(energy, kn.SimResNet(lambda t: 1.0, lambda t: 0.0, kn.Tanh()))
    with pytest.raises(ValueError, match="outside jit"):
        jax.grad(lambda w: check_gradient(energy, kn.SimResNet(w, 0.0, kn.Tanh())).value)(1.0)
    with pytest.raises(ValueError, match="no kn.solve was traced"):
        jax.jit(lambda: check_gradient(energy, NET).value)()
