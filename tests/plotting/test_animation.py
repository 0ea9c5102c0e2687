"""Films."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import PillowWriter
from PIL import Image

import kinetic_nde as kn
import kinetic_nde.plotting as plotting
from kinetic_nde.plotting.animation import time_names
from tests.plotting.solutions import (
    batch_of,
    put_together,
)


def opened(path) -> Any:
    return Image.open(path)


def frames(path) -> list[np.ndarray]:
    with opened(path) as film:
        pictures = []
        for k in range(film.n_frames):
            film.seek(k)
            pictures.append(np.asarray(film.convert("RGB"), dtype=int))
        return pictures


@pytest.mark.parametrize("kind", ["falling", "plane_paths", "line"])
def test_a_film_has_one_frame_for_each_save_time(kind, tmp_path, request):
    solution, open_before = request.getfixturevalue(kind), plt.get_fignums()
    path = plotting.animate(solution, tmp_path / "film.gif", fps=4)
    assert path == tmp_path / "film.gif"
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]
    with opened(path) as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0
        for k in range(3):
            film.seek(k)
            assert film.info["duration"] == 250
    first, middle, last = frames(path)
    assert first.shape == middle.shape == last.shape == (375, 510, 3)
    # The ticks and labels of the axes stay, the rest moves.
    assert np.abs(first[-20:] - last[-20:]).max() < 60
    assert np.count_nonzero(np.abs(first - last).sum(axis=2) > 100) > 100
    assert plt.get_fignums() == open_before


def test_nothing_of_a_frame_is_left_in_the_next(plane_paths, tmp_path):
    coloured = lambda frame: np.count_nonzero(frame[45:300, 80:480, 0] < 200)
    forwards, backwards = (
        frames(plotting.animate(each, tmp_path / "a.gif"))
        for each in (plane_paths, put_together([plane_paths[2], plane_paths[1], plane_paths[0]]))
    )
    for one, other in zip(forwards, backwards[::-1], strict=True):
        assert abs(coloured(one) - coloured(other)) < 0.05 * coloured(one)


def test_all_frames_have_the_same_colours_which_are_those_of_all_times(falling, tmp_path):
    """The colour of the peak at each time, from light to dark."""
    peaks = [
        frame[45:300, 80:330].sum(axis=2).min()
        for frame in frames(plotting.animate(falling, tmp_path / "a.gif", clip=False))
    ]
    assert peaks[0] > peaks[1] + 100 > peaks[2] + 150


def test_a_film_of_samples_of_shape_m_1_and_of_one_that_fails(tmp_path):
    samples = jnp.array([[[0.0], [1.0]], [[0.5], [jnp.nan]], [[jnp.inf], [jnp.nan]]])
    solution = kn.Solution(
        jnp.arange(3.0), put_together([kn.Ensemble([0.0])]).distributions, None, {}, kn.Result.successful
    )
    solution = eqx.tree_at(lambda each: each.distributions.samples, solution, samples)
    assert len(frames(plotting.animate(solution, tmp_path / "a.gif"))) == 3


def test_times_are_told_apart():
    assert time_names(np.array([0.0, 1.0, 2.0])) == ["t = 0", "t = 1", "t = 2"]
    assert time_names(np.linspace(0, 1, 4)) == ["t = 0.00", "t = 0.33", "t = 0.67", "t = 1.00"]
    assert time_names(np.array([0.0, 1e-3, 1.0])) == ["t = 0.000", "t = 0.001", "t = 1.000"]


def test_an_interrupted_film_leaves_the_earlier_one_and_nothing_else(plane_paths, tmp_path, monkeypatch):
    film = tmp_path / "film.gif"
    film.write_text("earlier")

    def interrupt(self, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PillowWriter, "grab_frame", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plotting.animate(plane_paths, film)
    assert film.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]


def test_a_film_refuses_what_it_cannot_be_before_any_work(plane_paths, tmp_path, monkeypatch):
    monkeypatch.setattr(PillowWriter, "grab_frame", lambda self, **_: pytest.fail("a frame was drawn"))
    for path in ("film.mp4", "film"):
        with pytest.raises(ValueError, match=r"must end in \.gif"):
            plotting.animate(plane_paths, tmp_path / path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        plotting.animate(plane_paths, tmp_path / "missing" / "film.gif")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        plotting.animate(plane_paths, tmp_path / "folder.gif")
    for fps in (0, -1.0, 51, float("nan")):
        with pytest.raises(ValueError, match="fps"):
            plotting.animate(plane_paths, tmp_path / "film.gif", fps=fps)
    with pytest.raises(TypeError):
        plotting.animate(plane_paths[0], tmp_path / "film.gif")
    with pytest.raises(ValueError, match="two save times"):
        plotting.animate(put_together([plane_paths[0]]), tmp_path / "film.gif")
    with pytest.raises(ValueError, match="batch"):
        plotting.animate(batch_of(plane_paths), tmp_path / "film.gif")
    with pytest.raises(ValueError, match="the samples have 3"):
        plotting.animate(put_together([kn.Ensemble(np.ones((4, 3)))] * 2), tmp_path / "film.gif")
    for lower in (0.0, (5.0, 5.0)):
        with pytest.raises(ValueError, match="what is drawn"):
            plotting.animate(plane_paths, tmp_path / "film.gif", lower=lower, upper=(1.0, 1.0))
    assert [each.name for each in tmp_path.iterdir()] == ["folder.gif"]
