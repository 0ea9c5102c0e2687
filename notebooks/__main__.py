"""Runs the notebooks and keeps their outputs, and the picture that one of them draws for the docs.

python -m notebooks                        # all of them
python -m notebooks adjoint_vs_autodiff    # one
"""

import base64
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NOTEBOOKS = sorted(path.stem for path in HERE.glob("*.ipynb"))
# Cells tagged "picture" draw these.
PICTURES = {"adjoint_vs_autodiff": HERE.parent / "docs/images/adjoints.png"}


def read(name: str) -> nbformat.NotebookNode:
    """A notebook as it is stored, outputs included."""
    return nbformat.read(HERE / f"{name}.ipynb", as_version=4)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode:
    """Its one cell with this tag."""
    (cell,) = (cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))
    return cell


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run, the first error of which is raised."""
    # What a run leaves in the metadata, times for one, would change a stored notebook for no reason.
    client = NotebookClient(notebook, timeout=600, record_timing=False, resources={"metadata": {"path": str(HERE)}})
    return client.execute()


def picture(notebook: nbformat.NotebookNode) -> bytes:
    """What the cell tagged "picture" drew, as PNG."""
    (image,) = (each.data["image/png"] for each in tagged(notebook, "picture").outputs if "data" in each)
    return base64.b64decode(image)


def main(names: list[str]) -> None:
    # Without it figures would not be among the outputs.
    os.environ.pop("MPLBACKEND", None)
    for name in names or NOTEBOOKS:
        notebook = execute(read(name))
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, HERE / f"{name}.ipynb")
        if name in PICTURES:
            PICTURES[name].write_bytes(picture(notebook))


if __name__ == "__main__":
    main(sys.argv[1:])
