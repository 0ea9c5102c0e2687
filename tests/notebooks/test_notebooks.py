"""The notebooks run; what is stored of them is whole, in order, and tells nothing of the machine."""

import re

import pytest

from notebooks import __main__ as notebooks


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
@pytest.mark.filterwarnings("default")
def test_it_runs_as_it_is_read(name):
    notebooks.execute(notebooks.read(name))


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_its_stored_outputs(name):
    notebook = notebooks.read(name)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    for output in outputs:
        assert output.output_type in ("stream", "display_data", "execute_result")
        assert output.get("name", "stdout") == "stdout", output.text
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not re.search(r"(^|[\s'\"(])(/[\w.-]+){2,}|0x[0-9a-f]{6,}", text), text


def test_the_picture_in_the_docs_is_that_of_the_notebook():
    for name, path in notebooks.PICTURES.items():
        assert path.read_bytes() == notebooks.picture(notebooks.read(name)), "run python -m notebooks"
