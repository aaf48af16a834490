"""Reports of a store that somebody sent: no text of it commands a terminal, a table, a figure or a page."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from bench import status
from bench.records.asked import Asked, AskedCell
from bench.records.cell import DataIdentity
from bench.store import Store
from reports import __main__ as whole
from reports import gradients, table
from tests.support.hostile import HOSTILE, is_safe
from tests.support.measured import make_flow, make_measured, make_profile
from tests.support.results import make_result

NAMES = [text for text in HOSTILE if "\ud800" not in text]  # no cell can hold a lone surrogate


@pytest.fixture
def sent(store: Store) -> Store:
    """A store in which every text that may be foreign is hostile."""
    for number, text in enumerate(NAMES):
        model = f"{text}.module:Class"
        result = make_measured(
            "adding", model, 10, seed=number, data=DataIdentity(name=text, sha256="ab" * 32), device=text, torch=text,
            flows=(make_flow(0, **{text: make_profile([0.0] * 21, verdict=text)}),),
        )  # fmt: skip
        score = result.score.model_copy(update={"metric": text, "unit": text, "floors": {text: 0.1}})
        store.publish(result.model_copy(update={"score": score, "notes": (text,), "sample": text}))
        store.publish(make_result("adding", model, 100, seed=number, status="error", error=f"{text}: why"))
        store.publish(make_result("char_lm", text, 100, seed=number, score=2.5))
    return store


@pytest.mark.parametrize("by", ["group", "cell", "overview"])
@pytest.mark.parametrize("form", ["text", "markdown", "csv", "latex"])
def test_every_table(sent: Store, capsys: pytest.CaptureFixture[str], by: str, form: str) -> None:
    assert table.main([str(sent.path), "--by", by, "--format", form]) == 0
    written = capsys.readouterr()
    assert is_safe(written.out + written.err)
    assert len(written.out) > 1000
    if form == "csv":
        cells = [cell for row in csv.reader(written.out.splitlines()) for cell in row]
        assert any(cell.startswith("'=HYPERLINK") for cell in cells)
        assert not [cell for cell in cells if cell[:1] in tuple("=+@\t")]
    if form == "markdown":
        assert not re.search(r"(?<!\\)<(?!br>)", written.out)
    if form == "latex":
        assert written.out.count("\\end{tabular}") == written.out.count("\\begin{tabular}") > 0


def test_numbers_of_a_table_stay_numbers(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        store.publish(make_result("adding", "gru", 10, seed=seed, score=-0.5 - seed))
    assert table.main([str(store.path), "--format", "csv"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["values"], row["low"]) == ("-0.5 -1.5", "-1.5")


@pytest.mark.parametrize("form", ["text", "markdown", "csv"])
def test_gradients(sent: Store, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert gradients.main([str(sent.path), "--format", form]) == 0
    assert is_safe(capsys.readouterr().out)


def test_status(sent: Store, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"tasks": NAMES, "models": ["gru"], "lengths": [100], "budget": NAMES[0]}
    sent.record_sweep(Asked(asked, tuple(AskedCell(result.cell) for result in sent.results())))
    assert status.main([str(sent.path)]) == 1
    assert is_safe(capsys.readouterr().out)


def test_the_whole_report(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (NAMES[0], NAMES[4], NAMES[5], NAMES[8], "\x00", "\x0c", "\uffff", "\x1b"):
        store.publish(make_measured("adding", text, 10))
        store.publish(make_measured("adding", f"{text}gru", 100))
    assert whole.main([str(store.path), "--output", str(tmp_path / "report")]) == 0
    assert is_safe(capsys.readouterr().out)
    files = [path for path in (tmp_path / "report").rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".svg"]) > 5
    for path in files:
        assert is_safe(path.name)
        assert path.stat().st_size > 0
        if path.suffix != ".png":
            assert is_safe(path.read_text("utf-8")), path
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))
    assert is_safe(json.dumps(data, ensure_ascii=False))
