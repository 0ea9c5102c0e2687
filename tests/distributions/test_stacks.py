"""A stack of distributions is not taken for one, and mass as small as float32 has loses no derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kinetic_nde as kn

GRID = kn.Grid(-4.0, 5.0, 30)
PLANE = kn.Grid((-4.0, -5.0), (5.0, 4.0), (12, 12))
SHIFTS = np.array([-0.5, 0.0, 0.7])
STATISTICS = ("mass", "mean", "variance", "energy")


def line(shift):
    return kn.Density.gaussian(0.4 + shift, 0.8, GRID)


def plane(shift):
    return kn.Density.gaussian((0.4 + shift, -0.2), 1.0, PLANE)


def numbers(shift):
    return kn.Ensemble(shift + jnp.asarray([0.2, 1.0, -0.4, 0.3]))


def points(shift):
    return kn.Ensemble(shift + jnp.asarray([[0.2, 1.0], [-0.4, 0.3], [0.5, 0.1]]))


@pytest.mark.parametrize("make", [line, plane, numbers, points])
def test_a_stack_knows_that_it_is_one_and_its_members_that_they_are_none(make):
    stack = jax.vmap(make)(jnp.asarray(SHIFTS))
    one = jax.tree.map(lambda leaf: leaf[1], stack)
    assert stack.stacked and not one.stacked
    assert stack.dimension == one.dimension == (2 if make in (plane, points) else 1)
    for name in STATISTICS:
        with pytest.raises(
            ValueError, match=rf"{name} is of one {type(one).__name__}, and this is a stack .*: jax\.vmap"
        ):
            getattr(stack, name)
        members = jax.vmap(lambda each, name=name: getattr(each, name))(stack)
        np.testing.assert_allclose(members[1], getattr(one, name), rtol=1e-12)
    with pytest.raises(ValueError, match="wasserstein is of one"):
        kn.wasserstein(stack, one)


def test_a_stack_of_stacks_and_one_that_solve_made_are_stacks():
    equation = kn.MeanField(kn.SimResNet(-0.5, 0.2, kn.Tanh()))
    solution = kn.solve(equation, numbers(0.0), t1=1.0, saveat=[0.25, 1.0])
    assert solution.distributions.stacked and not solution[0].stacked and not solution.final.stacked
    twice = jax.vmap(jax.vmap(kn.Ensemble))(jnp.ones((2, 3, 4)))
    assert twice.stacked and twice.dimension == 1
    # A stack of single points is no ensemble in as many dimensions as there are members, nor are equal numbers an excuse.
    assert jax.vmap(kn.Ensemble)(jnp.ones((4, 1))).stacked and not kn.Ensemble(jnp.ones((4, 1))).stacked
    for start in (solution.distributions, jax.vmap(line)(jnp.asarray(SHIFTS))):
        with pytest.raises(ValueError, match="a solve is of one"):
            kn.solve(equation, start, t1=1.0)


def test_a_stack_of_grids_has_no_faces():
    """Of as many members as faces the sum of their lower ends and the faces of one would be an array."""
    stack = jax.vmap(lambda upper: kn.Grid(0.0, upper, 4))(jnp.arange(1.0, 6.0))
    for name in ("faces", "centers", "width", "widths", "volume", "length", "axes"):
        with pytest.raises(ValueError, match="is of one Grid, and this is a stack"):
            getattr(stack, name)
    with pytest.raises(ValueError, match="is of one Grid"):
        kn.Density(stack, jnp.ones(4))


SMALL = 1e-20
QUESTIONS = {
    "mean": lambda g: g.mean,
    "variance": lambda g: g.variance,
    "cdf": lambda g: g.cdf(jnp.asarray(0.3, g.values.dtype)),
    "wasserstein": lambda g: kn.wasserstein(g, kn.Ensemble(jnp.asarray([0.1, 0.6], g.values.dtype)), order=2),
    "self_similar": lambda g: kn.self_similar(g).variance,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_does_not_depend_on_mass_has_derivatives_at_any_mass_in_float32(question):
    g = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), line(0.3))
    small = kn.Density(g.grid, g.values * SMALL)
    at = jax.jit(jax.value_and_grad(lambda values: QUESTIONS[question](kn.Density(g.grid, values))))
    # Where there is next to nothing the quantiles, and so what a distance gains, are rounding.
    (value, slope), (expected, wanted) = at(small.values), at(g.values)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(SMALL * slope, wanted, atol=1e-2 * float(jnp.max(jnp.abs(wanted))))


def test_derivatives_where_a_root_or_an_infinite_end_has_none():
    """A mean by its bounds, of all of the mass; a default bandwidth where all samples are equal."""
    net, step = kn.SimResNet(-1.0, 0.3, kn.Identity()), 1e-6

    def mean(lower, upper):
        return kn.moments(net, kn.Density(kn.Grid(lower, upper, 30), line(0.0).values), [1.0], 2)[0, 1]

    slopes = jax.grad(mean, (0, 1))(-4.0, 5.0)
    differences = [mean(-4.0 + step, 5.0) - mean(-4.0 - step, 5.0), mean(-4.0, 5.0 + step) - mean(-4.0, 5.0 - step)]
    np.testing.assert_allclose(slopes, np.array(differences) / (2 * step), rtol=1e-6)
    estimate = lambda x: kn.Density.from_samples(x, GRID).mean
    assert np.all(np.isfinite(jax.jit(jax.grad(estimate))(jnp.ones(5))))


def test_without_mass_a_mean_has_no_value():
    empty = jax.tree.map(jnp.zeros_like, line(0.0).values)
    gone = jax.tree.unflatten(jax.tree.structure(line(0.0)), [*jax.tree.leaves(GRID), empty])
    for question in (lambda g: g.mean, lambda g: g.variance, lambda g: g.cdf(0.0), lambda g: g.quantile(0.5)):
        with pytest.raises(ValueError, match="all averages are zero"):
            question(gone)
    assert gone.mass == gone.energy == 0 and np.isnan(jax.jit(lambda g: g.mean)(gone))
