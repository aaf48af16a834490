"""The command that asks stored models at other lengths, from the command line to its readings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench import evaluate, merge, run, status
from bench.records.reading import Reading
from bench.store import Store

SMALL = ["--budget", "smoke", "--wandb", "off", "--workers", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two models, one of them trained at two lengths, and an untrained one."""
    store = tmp_path_factory.mktemp("evaluate") / "results"
    sweeps = (("lstm", "10", "2"), ("window:k=5", "10", "2"), ("lstm", "20", "2"), ("rnn", "10", "0"))
    for model, length, steps in sweeps:
        asked = ["--tasks", "adding", "--models", model, "--lengths", length, "--steps", steps, "--store", str(store)]
        assert run.main([*SMALL, *asked]) == 0
    return store


@pytest.fixture
def store(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "results"))


def readings(store: Path) -> dict[tuple[str, int, int], Reading]:
    opened = Store(store)
    cells = {answer.cell.key: answer.cell for answer in opened.answers()}
    held = [record for record in opened.kept("readings") if isinstance(record, Reading)]
    return {(cells[r.question.cell].model, cells[r.question.cell].length, r.question.length): r for r in held}


def test_every_model_is_asked_and_no_result_changes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in (store / "cells").iterdir()}
    assert evaluate.main([str(store), "--lengths", "10,30", "--workers", "1"]) == 0
    assert {path.name: path.read_bytes() for path in (store / "cells").iterdir()} == before
    out = capsys.readouterr().out
    assert "left out: 1 of 4 cells: they were not trained (steps 0)" in out
    assert "6 questions: 0 stored, 6 to run on 1 workers" in out
    found = readings(store)
    assert sorted(found) == [
        ("lstm", 10, 10), ("lstm", 10, 30), ("lstm", 20, 10), ("lstm", 20, 30), ("window:k=5", 10, 10),
        ("window:k=5", 10, 30),
    ]  # fmt: skip
    stored = {(r.cell.model, r.cell.length): r.score for r in Store(store).answers() if r.score}
    for (model, at, length), reading in found.items():
        assert reading.score is not None
        if at == length:
            assert reading.score == stored[model, at].model_copy(update={"validation_score": None})

    assert evaluate.main([str(store), "--lengths", "10,30", "--workers", "1"]) == 0
    assert "6 questions" not in capsys.readouterr().out, "nothing is asked twice"
    assert readings(store) == found


def test_a_preview_asks_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(store), "--lengths", "100", "--models", "lstm", "--dry-run", "--shard", "1/1"]) == 0
    out = capsys.readouterr().out
    assert "adding / lstm / T20 / seed 0 / rate 0.01 at T100" in out
    assert "2 questions, roughly " in out
    assert not list((store / "readings").iterdir())


def test_two_parts_join_to_the_whole(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copytree(store, tmp_path / "other")
    asking = ["--lengths", "6,12", "--models", "window", "--workers", "1"]
    for part, place in (("1/2", store), ("2/2", other)):
        assert evaluate.main([str(place), *asking, "--shard", part]) == 0
    assert len(readings(store)) == len(readings(other)) == 1
    assert merge.main([str(store), str(other), "--into", str(tmp_path / "both")]) == 0
    assert len(readings(tmp_path / "both")) == 2
    capsys.readouterr()
    assert evaluate.main([str(tmp_path / "both"), *asking]) == 0
    assert "to run" not in capsys.readouterr().out


def test_a_failure_is_counted_kept_and_merged_once(store: Path, tmp_path: Path) -> None:
    weights = next(path for path in (store / "weights").iterdir() if b"body" in path.read_bytes())
    weights.write_bytes(b"broken")
    asking = ["--lengths", "10", "--models", "lstm", "--workers", "1"]
    assert evaluate.main([str(store), *asking]) == 1
    (failed,) = (store / "unanswered").glob("*.json")
    assert failed.stem.endswith("-1")
    assert json.loads(failed.read_text("utf-8"))["status"] == "unavailable"
    assert status.main([str(store)]) == 1
    whole = Store(store)
    weights.unlink()  # its record still names it, and a merge would refuse it
    (store / "cells" / f"{weights.stem}.json").unlink()
    assert len(whole.readings.failures()) == 1
    for _ in range(2):
        assert merge.main([str(store), "--into", str(tmp_path / "both")]) == 0
    assert [path.name for path in (tmp_path / "both" / "unanswered").glob("*.json")] == [failed.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lengths", "ten"], "bench.evaluate: --lengths: expected whole numbers separated by commas, got 'ten'"),
        (["--lengths", "10", "--models", "lstmm"], "unknown model: 'lstmm'. Did you mean 'lstm'?"),
        (["--lengths", "10", "--tasks", "copying"], "holds no cell of what --tasks, --models and --trained select"),
        (["--lengths", "10", "--models", "rnn"], "there is no model that can be asked.\nleft out: 1 of 1 cells"),
        (["--lengths", "10", "--corpus", "nowhere.txt"], "--corpus: there is no file nowhere.txt"),
        (["--lengths", "10", "--shard", "3/2"], "--shard: expected I/N with I from 1 to N"),
        ([], "Parameter --lengths requires an argument"),
    ],
)
def test_bad_usage_is_one_message(
    store: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(store), *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_no_store_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(tmp_path / "none"), "--lengths", "10"]) == 2
    assert "no store at" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
