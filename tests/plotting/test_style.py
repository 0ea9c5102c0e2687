"""The look that all figures share."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pytest

import kinetic_nde.plotting as plotting


# The fast lane looks at the command, which imports the library too.
@pytest.mark.slow
def test_importing_the_library_leaves_matplotlib_alone():
    code = "import sys, kinetic_nde; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_figures_have_the_width_of_columns_and_the_style_stays_inside():
    before = plt.rcParams["font.size"]
    narrow, (ax,) = plotting.figure()
    wide, axes = plotting.figure(columns=2, panels=3, height=2.0)
    assert (narrow.get_figwidth(), wide.get_figwidth(), wide.get_figheight(), len(axes)) == (3.4, 7.0, 2.0, 3)
    assert not ax.spines["top"].get_visible()
    assert ax.xaxis.label.get_fontsize() == 8
    assert plt.rcParams["font.size"] == before
    with pytest.raises(ValueError, match="columns=3"):
        plotting.figure(columns=3)
    with pytest.raises(ValueError, match="panel"):
        plotting.figure(panels=0)


def test_what_a_backend_switches_on_stays_on():
    """In a notebook figures are shown by themselves because the backend, which comes with the first of them, asks for it."""
    with plt.rc_context({"interactive": False}):
        with plotting.style():
            plt.rcParams["interactive"] = True
        assert plt.isinteractive()
