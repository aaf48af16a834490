"""Make the gallery again from a store: `python docs/gallery/make.py STORE`, after `python -m reports STORE`.

Without STORE: the pictures of the studies in studies/results alone.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from rich.console import Console

from bench.store import Store
from reports import figure, table
from reports.figures.figures import rendered
from reports.view import View
from reports.view.command import AS_THEY_ARE, asked_cells, asked_order

HERE = Path(__file__).parent
FIGURES = (
    "adding-learning-curves",
    "copying-gradient-input",
    "copying-gradient-through-training",
    "running_average-gradient-norm",
    "adding-lyapunov",
    "memory-horizon",
    "steps-to-solve",
    "copying-gates-gru",
    "copying-attention-attention",
    "copying-attention-symbols-attention",
)
STUDIES = {"memory": ("skill", "steps-to-solve", "gradients"), "text": ("score",)}


def studies() -> None:
    """The figures of studies, each as in a report: with title and caption."""
    for study, names in STUDIES.items():
        made = figure.figures(AS_THEY_ARE, study)()
        for name in names:
            (HERE / f"{study}-{name}.svg").write_bytes(rendered(made[name].drawing, "svg"))


def main(path: str) -> None:
    """The overview table as a picture, and the chosen figures."""
    store = Store(path)
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    table.print_text(View.of(store.results(), asked_order(store), (), asked_cells(store)), "overview", console)
    console.save_svg(str(HERE / "table.svg"), title="python -m reports.table results --by overview")
    for name in FIGURES:
        shutil.copy(Path(path) / "report" / "figures" / f"{name}.svg", HERE)


if __name__ == "__main__":
    studies()
    if len(sys.argv) > 1:
        main(sys.argv[1])
