from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from bench import catalog
from bench.run import main as run
from bench.show import main
from bench.store import Store
from tasks.corpora import resolving

LENGTHS = {"pixels": "16", "captioning": "12"}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", catalog.names("task"))
def test_every_task_says_all_that_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Embedded corpora alone: no network, no folder."""
    fallback = catalog.card("task", name).fallback
    entry = name if fallback is None else f"{name}:corpus={fallback}"
    text = shown(capsys, entry, "--length", LENGTHS.get(name, "20"))
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    for part in ("what", "rule", "length T", "score", "source", "step"):
        assert [line for line in lines if line.startswith(f"{part} ")], f"{name} does not say {part}"
    assert [line for line in lines if line.startswith(("target", "transcript"))]
    assert "chance" in text
    assert "solved" in text
    assert "\x1b" not in text


def test_numbers_are_those_of_the_length(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "recall", "--length", "5")
    assert "recall, T = 5: the first training sequence" in text
    assert "chance 0.125, best 1, values without bindings 0.25, solved at 0.99" in " ".join(text.split())
    assert "solved never" in shown(capsys, "pixels", "--length", "16")
    assert "lower is better" in shown(capsys, "adding", "--length", "5")


def test_options_seed_and_split_choose_the_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    plain = shown(capsys, "copying", "--length", "3")
    assert shown(capsys, "copying:recall=forward", "--length", "3") == plain, "the default is left out"
    others = [
        shown(capsys, "copying:recall=reversed", "--length", "3"),
        shown(capsys, "copying", "--length", "3", "--seed", "1"),
        shown(capsys, "copying", "--length", "3", "--split", "validation"),
        shown(capsys, "copying", "--length", "3", "--split", "test"),
    ]
    assert len({plain, *others}) == 5
    assert others[0].startswith("copying:recall=reversed, T = 3")
    assert shown(capsys, "copying", "--length", "3", "--split", "test", "--seed", "1") == others[3]


def test_a_task_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "tests.support.examples:OneLength", "--length", "6")
    assert "Adding that serves six pairs" in text
    assert "marker" in text


def test_a_terminal_that_knows_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["ocr", "--length", "20"]) == 0
    sys.stdout.flush()
    rows = [line for line in raw.getvalue().decode("ascii").splitlines() if line.startswith("row")]
    assert len(rows) == 9
    assert set("".join(row[6:] for row in rows)) <= set(" .:%#")
    assert "#" in "".join(rows)


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_figure(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"example.{ending}"
    assert shown(capsys, "sentiment", "--length", "6", "--output", str(path)) == f"{path}\n"
    content = path.read_bytes()
    assert content.startswith({"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}[ending])
    if ending == "svg":
        assert all(word in content.decode() for word in ("really", "target", "length T: the distance", "chance 0.5"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["addin_g"], "unknown task: 'addin_g'. Did you mean 'adding'?"),
        (["adding:mark=anywhere"], "unknown option of task adding: 'mark'. Did you mean 'marks'?"),
        (["adding:="], "cannot read option '='"),
        (["pixels", "--length", "20"], "The nearest are 16 and 25"),
        (["adding", "--length", "1"], "length must be at least 2, got 1"),
        (["adding", "--length", "0"], "Must be >= 1"),
        (["adding", "--split", "train"], "--split"),
        (["adding", "--output", "x.gif"], "--output expects a file that ends in .svg, .png, .pdf, got 'x.gif'"),
        (["adding", "--output", "/nowhere/at/all.svg"], "Give a file in a writable folder."),
        (["sentiment:corpus=absent.tsv"], "there is no file"),
        (["tests.support.examples:Mean"], "must be a subclass of tasks.base.Task"),
        (["adding", "--store", "absent"], "--store draws the alignment of a transcript, and adding asks for none"),
        (["tests.support.broken:Misshapen", "--length", "5"], "`python -m bench.check` looks whether the task keeps"),
        (["tests.support.broken:Empty", "--split", "test"], "the test set is empty"),
        ([], "bench.show: "),
    ],
)
def test_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


# -- the alignment of a stored model ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two models of speech at either of two lengths."""
    path = tmp_path_factory.mktemp("store") / "results"
    small = ["--hidden", "4", "--steps", "20", "--batch-size", "4", "--workers", "1", "--wandb", "off"]
    asked = ["--tasks", "speech", "--models", "gru", "--lengths", "10,12", "--learning-rates", "1e-5,1e-1"]
    assert run([*asked, *small, "--store", str(path)]) == 0
    return path


def test_the_best_stored_model_is_asked(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {
        result.cell.label: result.score.validation_score
        for result in Store(store).answers()
        if result.cell.length == 12 and result.score and result.score.validation_score is not None
    }
    assert len(set(scores.values())) == 2
    assert main(["speech", "--length", "12", "--store", str(store), "--split", "test"]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"alignment of {min(scores, key=scores.__getitem__)}\n"
    lines = captured.out.splitlines()
    assert [line for line in lines if line.startswith("p - ")]
    assert len([line for line in lines if line.startswith("said")]) == 2
    assert [line for line in lines if line.startswith("frame")]


def test_a_store_without_the_model(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speech", "--length", "14", "--store", str(store)]) == 2
    assert "holds no weights of speech at length 14: run `python -m bench.run --tasks speech" in capsys.readouterr().err


def test_the_corpus_that_stands_in_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setattr(resolving, "fetch", lambda *_: "no network")
    assert main(["char_lm", "--length", "5"]) == 0
    told = capsys.readouterr().err
    assert "using corpus 'python'" in told
    assert "Warning" not in told


def test_data_lie_in_the_folder_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["char_lm", "--data", str(tmp_path / "absent")]) == 2
    assert "does not exist" in capsys.readouterr().err
