"""What `kinetic-nde retrain` says and draws: notes, interrupts, names of columns."""

import signal
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tqdm.auto

import kinetic_nde as kn
from kinetic_nde.cli import goals, retrain_figures as figures, retrain_results as results, task
from kinetic_nde.cli.retrain import Options, is_different, retrain
from kinetic_nde.cli.retrain_summary import _networks, _notes
from tests.cli.commands import invoke, two_normals, write_table

OLD, NEW = two_normals(0), 1.2 * two_normals(2) + 4.0

pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return write_table(folder / "old.csv", OLD), write_table(folder / "new.csv", NEW)


@pytest.fixture(scope="module")
def found():
    return retrain(OLD, NEW, is_different(OLD, NEW, Options()), Options(updates=3))


def ending(found, losses, outcome):
    """The same with other losses; the first of them are those of the first rows."""
    history, count = found.trained.history, len(losses)
    rows = [row._replace(loss=loss) for row, loss in zip(history.rows()[:count], losses, strict=True)]
    trained = type(found.trained)(found.trained.equation, kn.History.of(rows, history.parameters), outcome, None)
    return found._replace(trained=trained, best=int(np.argmin(losses)), history=found.history[:count])


@pytest.mark.parametrize(
    "losses, outcome, note, words",
    [
        ([1.0, 0.1, 0.9], kn.Outcome.successful, "take a --learning-rate below 0.5", "stepped over the minimum"),
        ([1.0, 0.1, 0.9], kn.Outcome.diverging, "Take a --learning-rate below 0.5", "diverged"),
        ([1.0, 0.1, np.nan], kn.Outcome.not_finite, "Take a --learning-rate below 0.5", "a solve failed"),
        ([1.0, 0.1, 0.9], kn.Outcome.max_updates_reached, "last updates: give more --updates", "all updates were made"),
        ([1.0, 0.9, 0.8], kn.Outcome.max_updates_reached, "or a --learning-rate above 0.5", "all updates were made"),
        ([1.0, 0.9, 0.9], kn.Outcome.successful, "take another --learning-rate", "settled"),
        ([1.0, 0.9], kn.Outcome.interrupted, "interrupted after 1 updates", "interrupted"),
        ([1.0, 0.9, 0.8], kn.Outcome.stalled, "", "settled"),
    ],
)
def test_what_is_to_be_done_about_a_training(found, losses, outcome, note, words):
    run = ending(found, [x if np.isfinite(x) else np.inf for x in losses], outcome)
    # Far from what is wanted, whatever the few updates came to.
    off = tuple(
        each._replace(classes=found.evaluations["training"][0].classes) for each in found.evaluations["training"]
    )
    run = run._replace(evaluations={**found.evaluations, "training": off})
    assert note in " ".join(_notes(run, Options(learning_rate=0.5)))
    ended = results.ended(run.trained)
    assert words in ended
    assert not any(word in ended for word in ("resume", "history", "max_updates", "tolerance"))


@pytest.mark.parametrize(
    "before, after, verdict, words",
    [
        (0.58, 0.62, "undecided", ["too few are held out"]),
        (0.0, 0.62, "better", []),
        (0.3, 0.0, "not better", ["no better"]),
        (0.0, 0.0, "not better", ["no better"]),
        (0.7, 0.75, "not better", ["too few are held out", "no better"]),
    ],
)
def test_the_held_out_measurements_are_judged_beyond_what_sampling_does(found, before, after, verdict, words):
    """Of two classes, 0.6 of them in the first one; 20 are held out: 0.11 is the standard deviation of the share."""
    low, high = found.task.frame.lowest, found.task.frame.highest
    wanted = 0.6 * (high - low)
    evaluations = tuple(
        each._replace(w1=abs(share * (high - low) - wanted))
        for each, share in zip(found.evaluations["held_out"], (before, after), strict=True)
    )
    assert found.noise == pytest.approx((high - low) * np.sqrt(0.6 * 0.4 / 20), rel=1e-3)
    run = found._replace(evaluations={**found.evaluations, "held_out": evaluations})
    notes = [text for text in _notes(run, Options()) if "held" in text]
    assert run.verdict == verdict and len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))
    after_line = next(line for line in _networks(run, Options()) if line.startswith("after"))
    endings = {"not better": "; not better than before", "undecided": "is undecided"}
    assert ("better" in after_line) == (verdict in endings) and after_line.endswith(endings.get(verdict, ""))


def test_the_steps_that_are_drawn_are_apart(found):
    settled = retrain(OLD, NEW, is_different(OLD, NEW, Options()), Options(updates=30))
    thresholds = np.array([settled.history[step.update][1] for step in settled.steps], float)
    assert len(thresholds) == 4 and min(np.diff(thresholds)) > 0.1 * (thresholds[-1] - thresholds[0])


# Pictures


def outside(drawing):
    """The labels and legends that reach beyond the picture."""
    drawing.canvas.draw()
    width, height = drawing.canvas.get_width_height()
    labels = [label for ax in drawing.axes for label in (ax.xaxis.label, ax.yaxis.label)]
    texts = labels + [text for ax in drawing.axes for text in ax.get_legend().get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    plt.close(drawing)
    return [name for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "body mass of the animals (g), season 2023",
        "WEIGHT" * 7,
        r"\cost$_2 in $ and % of it",
    ],
)
def test_long_names_stay_inside_the_pictures(found, name):
    compared = is_different(OLD, NEW, Options())
    assert outside(figures.draw_comparison(OLD, NEW, NEW[:50] - 9.0, compared, name, (3.0, 7.0))) == []
    assert outside(figures.draw_before_after(found, name)) == []
    assert outside(figures.draw_training(found)) == []
    assert outside(figures.draw_densities(found, name)) == []


def test_equal_files_and_small_gaps_are_said(found):
    def legend(new, compared):
        drawing = figures.draw_comparison(OLD, new, None, compared, "x", (None, None))
        plt.close(drawing)
        return drawing.axes[1].get_legend_handles_labels()[1]

    compared = is_different(OLD, NEW, Options())._replace(statistic=0.00412, p_value=0.0613)
    assert legend(NEW, compared) == ["old", "new", "gap 0.00412 (p = 0.061)"]
    assert legend(OLD[::-1], compared) == ["old and new, which are equal"]


# Interrupts


@pytest.mark.usefixtures("undrawn")
def test_an_interrupt_keeps_what_is_finished(tables, tmp_path, monkeypatch):
    """Ctrl-C where the progress bar, which is shown to people only, comes to the third update."""

    def shown(*args, **options):
        return kn.retrain(*args, **{**options, "progress": True})

    def come_to(bar, updates):
        bar.n += updates
        if bar.n == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(task, "retrain", shown)
    monkeypatch.setattr(tqdm.auto.tqdm, "update", come_to)
    found = invoke("retrain", *tables, "--column", "x", "--updates", "30", out=tmp_path / "out")
    assert "interrupted after 3 updates" in found.stdout and len(found.records("history.csv")) == 4
    assert found.report["training"]["kept_update"] == 3 and found.report["training"]["ended"] == "interrupted"


def interrupted(tables, out, *options):
    found = invoke("retrain", *tables, "--column", "x", *options, out=out)
    assert found.code == 130 and found.stdout == "" and not out.exists()
    return found.stderr


def stop(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.usefixtures("undrawn")
def test_an_interrupt_that_loses_something_says_so(tables, tmp_path, monkeypatch):
    out, target = tmp_path / "out", ["--target", str(tables[0])]
    early = "kinetic-nde: interrupted before anything was trained for NEW; nothing written\n"
    with monkeypatch.context() as patch:
        patch.setattr(task, "retrain", stop)
        assert interrupted(tables, out) == early
        assert "interrupted while the network for OLD was made; nothing" in interrupted(tables, out, *target)
    with monkeypatch.context() as patch:
        patch.setattr(goals, "standardise", stop)
        assert interrupted(tables, out) == early
    with monkeypatch.context() as patch:
        patch.setattr(results, "draw_densities", stop)
        assert "while the results were written; nothing" in interrupted(tables, out, "--updates", "1")


@pytest.mark.slow
def test_a_signal_before_the_training(tables, tmp_path):
    """In a process of its own, stopped where it says that it is."""
    program = """
import sys, time
import kinetic_nde.cli.retrain as retrain
from kinetic_nde.cli import app
def wait(*args):
    print("ready", flush=True)
    time.sleep(100)
retrain.is_different = wait
app(["retrain", *sys.argv[1:]])
"""
    arguments = [*map(str, tables), "--column", "x", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and not (tmp_path / "out").exists()
    assert errors == "kinetic-nde: interrupted before anything was trained for NEW; nothing written\n"
