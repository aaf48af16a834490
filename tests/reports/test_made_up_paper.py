"""A paper and a slide deck, made of one store by the commands alone and compiled: what is pasted needs no mending.

To look at them: `python -m pytest tests/reports/test_made_up_paper.py --basetemp FOLDER`, then FOLDER/…/paper.pdf.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.store import Store
from reports import figure, table
from tests.support.measured import make_measured
from tests.support.results import make_result


def _found(file: str) -> bool:
    """Whether TeX finds a file."""
    return shutil.which("kpsewhich") is not None and bool(
        subprocess.run(["kpsewhich", file], capture_output=True).stdout
    )


needs_tex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex here: apt-get install texlive-latex-recommended"
)
OWN = "my_package.module:My_Model"
NAMES = ["--label", f"{OWN}=Ours (50 %)", "--label", "lstm=LSTM"]

PAPER = r"""
\documentclass[twocolumn]{article}
\usepackage{booktabs,graphicx}
\begin{document}
\title{A Made-Up Paper}\author{Nobody}\maketitle
\section{Results}
Table~\ref{tab:results}, Figures~\ref{fig:score} and~\ref{fig:adding-gradient-input}.
\begin{figure}\centering\includegraphics[width=\linewidth]{score}\input{score}\end{figure}
\begin{figure*}\centering\includegraphics{flow}\input{flow}\end{figure*}
\input{table}
\end{document}
"""

DECK = r"""
\documentclass[aspectratio=169]{beamer}
\usepackage{booktabs}
\setbeamertemplate{navigation symbols}{}
\begin{document}
\begin{frame}[plain]\makebox[\textwidth]{\includegraphics[width=\paperwidth]{slide}}\end{frame}
\end{document}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seeds of two models on two tasks, one of which a model solves."""
    made = Store(tmp_path_factory.mktemp("made-up") / "results", create=True)
    for seed in range(5):
        for model, score in (("lstm", 0.10), (OWN, 0.02)):
            made.publish(make_measured("adding", model, 10, seed, score=score + seed / 1000))
            made.publish(make_measured("adding", model, 100, seed, score=0.16 + seed / 1000))
            made.publish(make_result("copying", model, 10, seed, score=0.5 + score - seed / 100))
    return made.path


def compiled(folder: Path, name: str, text: str) -> bytes:
    """Compile a document twice, so that its references are known; give the PDF."""
    (folder / f"{name}.tex").write_text(text, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{name}.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
        assert done.returncode == 0, done.stdout[-3000:]
    log = (folder / f"{name}.log").read_text("utf-8", "replace")
    assert "undefined" not in log
    assert "Missing character" not in log
    return (folder / f"{name}.pdf").read_bytes()


@needs_tex
def test_a_paper_of_two_figures_and_a_table(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(store)
    no_title = ["--no-title", *NAMES]
    assert figure.main([source, "score", "--output", str(tmp_path / "score.pdf"), *no_title]) == 0
    wide = ["--width", "text", "--output", str(tmp_path / "flow.pdf")]
    assert figure.main([source, "adding-gradient-input", *wide, *no_title]) == 0
    paper = ["--by", "paper", "--format", "latex", "--output", str(tmp_path / "table.tex"), *NAMES]
    assert table.main([source, *paper]) == 0
    assert compiled(tmp_path, "paper", PAPER).startswith(b"%PDF")
    log = (tmp_path / "paper.log").read_text("utf-8", "replace")
    wide_boxes = [line for line in log.splitlines() if line.startswith("Overfull \\hbox")]
    assert not wide_boxes, "a figure of a column's width, and the table, fit into the paper"


@needs_tex
@pytest.mark.skipif(not _found("pgfmath.sty"), reason="no pgf for beamer here: apt-get install texlive-pictures")
def test_a_slide(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide = ["--width", "slide", "--output", str(tmp_path / "slide.pdf"), *NAMES]
    assert figure.main([str(store), "score", *slide]) == 0
    assert compiled(tmp_path, "deck", DECK).startswith(b"%PDF")
