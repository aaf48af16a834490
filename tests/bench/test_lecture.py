from __future__ import annotations

import sys
import tomllib
from math import log10
from pathlib import Path

import pytest

from bench import lecture
from bench.lectures.gradients import products
from bench.lectures.pictures import PICTURES
from bench.lectures.shown import Shown
from bench.records.lecture import read
from bench.runner import papers
from bench.runner.plan import plan
from bench.store import Store
from tasks.corpora.conll import read_conll

FOLDER = papers.ROOT / "lectures"
LECTURES = sorted(FOLDER.glob("*.toml"))
SMALL = """
title = "Eight tenths, ten times"
source = "here"
picture = "products"
see = "A straight line."

[labels]
"rnn:recurrent_scale=0.8:activation=identity" = "0.8^k"

[[sweeps]]
tasks = "adding"
models = "rnn:recurrent_scale=0.8:activation=identity"
lengths = [11]
hidden = 4
steps = 0
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lecture and its store."""
    folder = tmp_path_factory.mktemp("lecture")
    (folder / "small.toml").write_text(SMALL)
    words = [str(folder / "small.toml"), "--store", str(folder / "store"), "--workers", "1", "--format", "png,svg"]
    assert lecture.main(words) == 0
    return folder


def test_a_lecture_ends_in_a_slide_and_a_text(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = drawn / "store" / "report" / "lectures"
    png = (report / "small.png").read_bytes()
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert width / height == pytest.approx(16 / 9, abs=0.01)
    svg = (report / "small.svg").read_text()
    assert "Eight tenths, ten times" in svg
    assert "0.8^k" in svg
    text = (report / "small.md").read_text()
    assert text.startswith("# Eight tenths, ten times\n\nA straight line.\n\n")
    assert text.endswith("\n\nhere\n")
    before = sorted(path.name for path in (drawn / "store" / "cells").iterdir())
    assert lecture.main([str(drawn / "small.toml"), "--store", str(drawn / "store"), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    said = f"Eight tenths, ten times\n\nA straight line.\n\n{report / 'small.png'}\n{report / 'small.md'}\n"
    assert out.endswith(said)
    assert sorted(path.name for path in (drawn / "store" / "cells").iterdir()) == before


def test_the_line_of_a_scaled_rotation_is_a_power(drawn: Path) -> None:
    store = Store(drawn / "store")
    (result,) = store.results()
    drawing = products([Shown(result, "0.8^k", store, None)], "A title")
    rows = [row for rows in drawing.datasets.values() for row in rows if row.keys() == {"x", "y"}]
    assert [row["x"] for row in rows] == [*range(11)]
    power = [k * log10(0.8) for k in range(11)]
    assert [row["y"] for row in rows] == pytest.approx(power, abs=1.1e-3)  # records round to .001


def test_there_are_twelve_and_each_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lecture.main(["--list", "--store", str(tmp_path / "none")]) == 0
    out = capsys.readouterr().out
    assert len(LECTURES) == 12
    assert {line.split()[0] for line in out.splitlines()[3:] if line.strip()} == {path.stem for path in LECTURES}
    assert not (tmp_path / "none").exists()


def test_every_way_to_draw_has_a_lecture() -> None:
    assert sorted(read(path).picture for path in LECTURES) == sorted(PICTURES)


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_a_lecture_says_its_message_in_one_line_and_names_its_models(path: Path) -> None:
    content = read(path)
    assert len(content.title) <= 64  # letters of a slide's title in one line
    assert len(content.see.split()) >= 40
    models = {item.cell.model for sweep in content.sweeps for item in plan(sweep)}
    assert set(lecture._labels(content, models).values()) == set(content.labels.values())


def test_hello_has_four_letters_and_no_tagged_sentence_was_trained_on() -> None:
    assert set((FOLDER / "hello.txt").read_text()) == set("helo")
    documents = read_conll([FOLDER / "people.conll"])
    tested = [document.tokens for document in documents["test"]]
    assert tested[0] == ("Sonja", "works", "at", "Apple")
    assert not {*tested} & {document.tokens for part in ("training", "validation") for document in documents[part]}
    longest = max(len(document.tokens) for every in documents.values() for document in every)
    assert read(FOLDER / "tags.toml").sweeps[0].lengths == (longest,)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected the name of a lecture. Known: activations, "),
        (["power"], "unknown lecture: 'power'. Did you mean 'powers'?"),
        (["nowhere.toml"], "cannot read the lecture nowhere.toml"),
        (["powers", "--format", "gif"], "no format 'gif': expected one of pdf, svg, png."),
    ],
)
def test_bad_words_are_one_message(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lecture.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def refused(folder: Path, text: str, store: Path) -> int:
    (folder / "bad.toml").write_text(text)
    return lecture.main([str(folder / "bad.toml"), "--store", str(store), "--workers", "1"])


def test_an_unknown_picture_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(tmp_path, SMALL.replace('"products"', '"product"'), tmp_path / "store") == 2
    assert "unknown picture: 'product'. Did you mean 'products'?" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_missing_package_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("bench.lectures", "reports.figures", "altair"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert refused(tmp_path, SMALL, tmp_path / "store") == 2
    assert "a lecture needs the package altair: pip install altair" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('[labels]\n"rnn:recurrent_scale=0.8', '[labels]\n"rnn:recurrent_scale=0.9'), "unknown model of this lecture"),
        (('"products"', '"rates"'), "the picture 'rates' cannot be drawn of these cells ("),
        (('"products"', '"attention"'), "the picture 'attention' cannot be drawn of these cells ("),
    ],
)
def test_cells_that_the_picture_does_not_fit_are_one_message(
    drawn: Path, tmp_path: Path, change: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(tmp_path, SMALL.replace(*change), drawn / "store") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_all_keys_of_the_files_are_of_a_lecture() -> None:
    for path in LECTURES:
        assert tomllib.loads(path.read_text())["source"].startswith(("Hanna", "Milos", "Jumad", "The "))
