"""What every public name makes of a stack of distributions, of no mass, of masked, complex and bfloat16 numbers, and of none: the
right value, or a refusal in one line. A public name that is in no table here fails."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import kinetic_nde as kn

GRID = kn.Grid(-4.0, 5.0, 12)
TANH, LINEAR = kn.SimResNet(-0.5, 0.2, kn.Tanh()), kn.SimResNet(-0.5, 0.2, kn.Identity())
MEAN_FIELD = kn.MeanField(TANH)
LINE = kn.Density.gaussian(0.5, 0.8, GRID)
NUMBERS = kn.Ensemble([0.5, 1.0, 2.0])
ADAM = optax.adam(0.1)
FAMILY = kn.GaussianFamily()


def loss(final):
    return final.mean**2


# What takes a distribution, called with it.
DISTRIBUTIONS = {
    "CramerLoss": kn.CramerLoss,
    "Flow": lambda g: kn.Flow(MEAN_FIELD, g, 1.0),
    "KullbackLeiblerLoss": kn.KullbackLeiblerLoss,
    "L2Loss": kn.L2Loss,
    "MomentLoss": lambda g: kn.MomentLoss(g, (1,)),
    "SmoothedL2Loss": lambda g: kn.SmoothedL2Loss(g, 0.5),
    "WassersteinLoss": kn.WassersteinLoss,
    "closure_error": lambda g: kn.closure_error(
        LINEAR, g, kn.solve(MEAN_FIELD, NUMBERS, t1=1.0, method=kn.Layers(2)), 2
    ),
    "fit": kn.fit,
    "fit_flow": lambda g: kn.fit_flow(TANH, g, t1=1.0, optimizer=ADAM, key=jax.random.key(0)),
    "mean_preserving_bias": lambda g: kn.mean_preserving_bias(LINEAR, g),
    "moment_rate": lambda g: kn.moment_rate(LINEAR, g, 0.0, 2),
    "moments": lambda g: kn.moments(LINEAR, g, [1.0], 2),
    "partial_moments": lambda g: kn.partial_moments(LINEAR, g, 0.0, 2),
    "retrain": lambda g: kn.retrain(MEAN_FIELD, g, loss, t1=1.0, optimizer=ADAM, max_updates=1),
    "self_similar": kn.self_similar,
    "solve": lambda g: kn.solve(MEAN_FIELD, g, t1=1.0),
    "steady_states": lambda g: kn.steady_states(TANH, g),
    "time_to_energy": lambda g: kn.time_to_energy(LINEAR, g, 0.5),
    "time_to_variance": lambda g: kn.time_to_variance(LINEAR, g, 0.5),
    "wasserstein": lambda g: kn.wasserstein(g, NUMBERS),
}


def second(a):
    """A number of an array, as it is; nothing where there is none."""
    return a[1] if a.size else a


# What takes numbers, called with an array of three, or with one of them.
ARRAYS = {
    "BinaryBoltzmann": lambda a: kn.BinaryBoltzmann(TANH, epsilon=second(a)),
    "Boltzmann": lambda a: kn.Boltzmann(TANH, nu=second(a)),
    "Characteristics": lambda a: kn.Characteristics(rtol=second(a)),
    "ChangCooper": lambda a: kn.ChangCooper(tolerance=second(a)),
    "Constant": lambda a: kn.SimResNet(second(a), 0.0, kn.Tanh())(0.0, jnp.ones(())),
    "ConstantDiffusion": lambda a: kn.ConstantDiffusion(second(a)),
    "Density": lambda a: [
        kn.Density(kn.Grid(0.0, 3.0, 3), a).mean,
        kn.Density.from_samples(a, kn.Grid(0.0, 4.0, 5), 0.5).mean,
        kn.Density.from_samples([0.5, 1.0, 2.0], kn.Grid(0.0, 4.0, 5), 0.5, weights=a).mean,
    ],
    "Ensemble": lambda a: [kn.Ensemble(a).mean, kn.Ensemble(a).variance],
    "FiniteVolume": lambda a: kn.FiniteVolume(cfl=second(a) / 8),
    "Flow": lambda a: kn.Flow(kn.MeanField(LINEAR), kn.StandardNormal(1), 1.0).log_prob(a),
    "FokkerPlanck": lambda a: kn.FokkerPlanck(TANH, nu=second(a)),
    "GaussianFamily": lambda a: FAMILY.log_prob({"mean": 1.0, "std": 0.5}, a),
    "GeneralizedGammaFamily": lambda a: kn.GeneralizedGammaFamily().log_prob({"p": 0.5, "A": 1.0, "q": 2.0}, a),
    "Grid": lambda a: kn.Grid(0.0, second(a), 4).faces,
    "Interpolated": lambda a: [kn.Interpolated([0.0, 1.0, 2.0], a)(0.5), kn.Interpolated(a, [1.0, 2.0, 3.0])(1.0)],
    "InverseGammaFamily": lambda a: kn.InverseGammaFamily().log_prob({"mu": 3.0, "beta": 2.0}, a),
    "LinearDiffusion": lambda a: kn.LinearDiffusion(second(a)),
    "MeanField": lambda a: kn.MeanField(TANH, walls=(0.0, second(a))),
    "ParetoTailFamily": lambda a: kn.ParetoTailFamily().log_prob({"a": 1.5, "mu": 2.0}, a),
    "Particles": lambda a: kn.Particles(rtol=second(a)),
    "PiecewiseConstant": lambda a: kn.PiecewiseConstant([0.0, 1.0, 2.0], a)(1.5),
    "Regression": lambda a: kn.regress([0.0, 1.0, 2.0, 3.0], [0.0, 1.1, 1.9, 3.2]).predict(a).line,
    "SimResNet": lambda a: kn.SimResNet(-1.0, second(a), kn.Tanh())(0.0, jnp.ones(())),
    "SmoothedL2Loss": lambda a: kn.SmoothedL2Loss(LINE, second(a)),
    "Standardisation": lambda a: [kn.Standardisation(second(a), 1.0), kn.Standardisation.of(a)],
    "dobrushin_bound": lambda a: kn.dobrushin_bound(LINEAR, a, 1.0),
    "fit": lambda a: kn.fit(a, FAMILY).log_likelihood,
    "fit_flow": lambda a: kn.fit_flow(TANH, a, t1=1.0, optimizer=ADAM, key=jax.random.key(0), max_epochs=1).count,
    "moments": lambda a: kn.moments(LINEAR, NUMBERS, a, 2),
    "regress": lambda a: kn.regress(a, [0.0, 1.0, 2.5]).slope,
    "solve": lambda a: kn.solve(MEAN_FIELD, NUMBERS, t1=3.0, saveat=a).final.mean,
    "steady_states": lambda a: kn.steady_states(TANH, lower=-4.0, upper=second(a)).points,
    "time_to_variance": lambda a: kn.time_to_variance(LINEAR, NUMBERS, second(a) / 16),
    "time_to_energy": lambda a: kn.time_to_energy(LINEAR, NUMBERS, second(a) / 4),
    "moment_rate": lambda a: kn.moment_rate(LINEAR, NUMBERS, second(a), 2),
    "partial_moments": lambda a: kn.partial_moments(LINEAR, NUMBERS, second(a), 2),
    "rescale": lambda a: kn.rescale(TANH, second(a))[0].weight(0.0),
}
# What is returned and not called; choices without numbers; and what takes a network, an object or options only.
RESULTS = {
    *("Candidate", "Diagnosis", "Fit", "FlowFit", "FlowHistory", "FlowOutcome", "GradientCheck", "History", "Outcome"),
    *("Prediction", "Result", "Retraining", "Solution", "SteadyStates"),
}
CHOICES = {
    *(
        "CWENO3",
        "CheckpointAdjoint",
        "Collisions",
        "ForwardMode",
        "GeneralizedGamma",
        "GrowingCosine",
        "Identity",
        "Layers",
    ),
    *("NormalNoise", "PushForward", "ReLU", "Sigmoid", "StandardNormal", "Tanh", "TransportAdjoint", "UniformNoise"),
    *("check_gradient", "diagnose", "linearised"),
}


def test_every_public_name_is_in_a_table():
    assert set(kn.__all__) == {*DISTRIBUTIONS, *ARRAYS, *RESULTS, *CHOICES}


def refusal(call, given):
    """The message with which `call(given)` is refused."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(given)
    message = str(caught.value)
    # In the tests annotations are checked as well, in many lines, and some things are refused by them first.
    assert message and ("\n" not in message or message.startswith("Type-check error")), message
    return message


def stacked(one):
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), one)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_stack_is_refused_as_what_it_is_and_so_is_no_mass(name):
    call = DISTRIBUTIONS[name]
    messages = [refusal(call, stacked(one)) for one in (NUMBERS, LINE)]
    # Of the two kinds one may be of another kind than the function takes, and that comes first.
    assert any("this is a stack of them" in message for message in messages), messages
    empty = eqx.tree_at(lambda g: g.values, LINE, jnp.zeros(12))
    if name in ("retrain", "solve"):
        with pytest.raises((ValueError, RuntimeError), match="mass|initial"):
            call(empty)
    elif name.endswith("Loss"):
        refusal(lambda g: call(g)(g), empty)
    else:
        refusal(call, empty)


# Those that compile a flow.
BY_NAME = [pytest.param(name, marks=pytest.mark.slow) if name in ("Flow", "fit_flow") else name for name in ARRAYS]
MASKED = np.ma.array([1.0, -999.0, 3.0], mask=[False, True, False])


@pytest.mark.parametrize("name", BY_NAME)
def test_numbers_that_are_none_are_refused(name):
    call = ARRAYS[name]
    assert "mask" in refusal(call, MASKED)
    for given in (np.array([1.0, 2.5j, 3.0]), jnp.array([1.0, 2.5j, 3.0])):
        refusal(call, given)
    if name not in (
        "Flow",
        "GaussianFamily",
        "GeneralizedGammaFamily",
        "InverseGammaFamily",
        "ParetoTailFamily",
        "dobrushin_bound",
        "Regression",
    ):
        refusal(call, np.array([]))
    else:  # of no points, no values
        assert np.size(call(np.array([]))) == 0


def numbers_of(result):
    return [np.asarray(leaf, float) for leaf in jax.tree.leaves(result) if not isinstance(leaf, str)]


@pytest.mark.parametrize("name", BY_NAME)
def test_bfloat16_is_right_to_its_digits_or_refused(name):
    call, exact = ARRAYS[name], np.array([1.0, 2.5, 3.0])
    try:
        found = numbers_of(call(jnp.asarray(exact, jnp.bfloat16)))
    except (TypeError, ValueError) as error:
        assert "\n" not in str(error) or str(error).startswith("Type-check error"), str(error)
    else:
        for each, expected in zip(found, numbers_of(call(exact)), strict=True):
            np.testing.assert_allclose(each, expected, rtol=0.05, atol=0.05)


def test_two_short_floats_give_the_one_that_holds_both():
    """JAX's result type of bfloat16 and float16 is float32."""
    net, start = (
        jax.tree.map(lambda leaf, kind=kind: leaf.astype(kind), each)
        for each, kind in ((TANH, jnp.bfloat16), (NUMBERS, jnp.float16))
    )
    final = kn.solve(kn.MeanField(net), start, t1=1.0, method=kn.Layers(2)).final
    assert final.samples.dtype == jnp.float32
    np.testing.assert_allclose(
        final.mean, kn.solve(MEAN_FIELD, NUMBERS, t1=1.0, method=kn.Layers(2)).final.mean, rtol=0.02
    )


def complex_field(t, x):
    return jax.lax.complex(-0.5 * x, x)


VELOCITIES = {
    "finite volumes": lambda field: kn.solve(kn.MeanField(field), LINE, t1=1.0),
    "particles": lambda field: kn.solve(kn.MeanField(field), NUMBERS, t1=1.0),
    "noise": lambda field: kn.solve(kn.FokkerPlanck(field, 1.0), NUMBERS, t1=1.0, key=jax.random.key(0)),
    "collisions": lambda field: kn.solve(kn.Boltzmann(field), LINE, t1=1.0),
    "covering": lambda field: kn.Grid.covering(kn.MeanField(field), NUMBERS, 1.0, 20),
    "steady density": lambda field: kn.FokkerPlanck(field, 1.0).steady_state(GRID, t=0.0),
    "steady states": lambda field: kn.steady_states(field, NUMBERS),
    "flow": lambda field: kn.Flow(kn.MeanField(field), kn.StandardNormal(1), 1.0).log_prob(0.3),
}


@pytest.mark.parametrize("who", VELOCITIES)
def test_a_velocity_is_real(who):
    assert "take its real part" in refusal(VELOCITIES[who], complex_field)


# Everything that one can ask of a distribution or a grid.
ARGUMENTS = {
    "cdf": (0.1,),
    "conditional": (0, 0.1),
    "marginal": (0,),
    "moment": (1,),
    "on": (GRID,),
    "quantile": (0.5,),
    "sample": (jax.random.key(0), 3),
    "support": (1e-3,),
    "to_density": (GRID,),
}
# By which a stack is known for one; of each member the same.
OF_STACKS = {"dimension", "stacked", "shape", "grid", "values", "samples", "point_shape", "lower", "upper", "cells"}


@pytest.mark.parametrize(
    "one", [LINE, kn.Density.gaussian((0.0, 0.0), 1.0, kn.Grid((-4.0, -4.0), (4.0, 4.0), 8)), NUMBERS, GRID], ids=repr
)
def test_no_question_to_a_stack_has_a_silent_answer(one):
    stack = stacked(one)
    for name, member in vars(type(one)).items():
        if name.startswith("_") or name in OF_STACKS or isinstance(member, classmethod):
            continue
        asked = getattr(type(one), name)
        question = (
            asked.fget if isinstance(asked, property) else lambda g, name=name: getattr(g, name)(*ARGUMENTS[name])
        )
        message = refusal(question, stack)
        assert "this is a stack of them" in message, (name, message)
