"""The tutorial's notebook, run from its first cell to its last in a Jupyter kernel of this interpreter.

`python -m tests.support.notebook` runs it and keeps what its cells show. It is run by hand where the notebook changed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


def executed(folder: Path) -> nbformat.NotebookNode:
    """Run the notebook in a folder; return it with what its cells show.

    Raises:
        CellExecutionError: a cell failed, or warned.
    """
    notebook = nbformat.read(TUTORIAL, as_version=4)
    ours = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::FutureWarning,error::UserWarning,error::RuntimeWarning"}
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=240, startup_timeout=180, resources=place)
    return client.execute(env=os.environ | ours)


def main() -> None:
    """Write the notebook with what its cells show, without times of day or folders."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(Path(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, TUTORIAL)


if __name__ == "__main__":
    main()
