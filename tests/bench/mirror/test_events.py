"""Event files, read back with TensorBoard's own reader. No network, no server."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import publish
from bench.mirror import events
from bench.records.result import Curves, Result
from bench.store import Store
from tests.support.factories import a_cell, a_failure, a_flow, a_recipe, a_result, a_score

pytest.importorskip("tensorboard", reason="NOT READ BACK: tensorboard is not installed")


def results() -> list[Result]:
    """One of each kind: measured, diverged, failed, with names that need care."""
    curves = Curves(
        validation=((30, 0.1), (60, 1 / 3)),
        train_loss=(*(1 / (s + 3) for s in range(59)), None),
        gradient_norm=(*(1e-7 * 3**s for s in range(59)), None),
    )
    measured = a_result(
        a_cell(recipe=a_recipe(steps=60)),
        curves=curves,
        steps=60,
        gradient_flow=(a_flow(0), a_flow(30), a_flow(60, 128)),
    )
    strange = a_cell(task="ner:hop=2", model="my.models:Größe:text=../„x“", length=1000, seed=7)
    diverged = a_result(
        strange, status="diverged", score=None, curves=Curves(train_loss=(None,), gradient_norm=(None,))
    )
    worse = a_result(a_cell(seed=2), score=a_score(score=0.1 + 0.2, chance=1 / 3, validation_score=None))
    return [measured, diverged, worse, a_failure(a_cell(seed=3), gradient_flow=(a_flow(0),))]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results", create=True)
    for result in results():
        made.publish(result)
    return made


def single(value: float) -> float:
    """A number as TensorBoard keeps it: in single precision."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf")


def shown(run: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a run, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(run), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def hyperparameters(run: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    read = EventAccumulator(str(run))
    read.Reload()
    (content,) = read.PluginTagToContent("hparams").values()
    start = HParamsPluginData.FromString(content).session_start_info
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    return {"trial": start.group_name, **values}


def numbers(result: Result) -> dict[str, list[tuple[int, float]]]:
    """What a record says, worked out here anew."""
    curves, score = result.curves, result.score
    series: dict[str, list[tuple[int, float | None]]] = {
        "train/loss": list(enumerate(curves.train_loss)),
        "train/gradient_norm": list(enumerate(curves.gradient_norm)),
        "validation/score": list(curves.validation),
    }
    for flow in (flow for flow in result.gradient_flow if flow.step in (0, result.steps)):
        for name, profile in flow.profiles.items():
            tag = f"with_distance/log10_gradient_at_{name}_{'end' if flow.step else 'initial'}"
            series[tag] = list(zip(flow.distances, profile.log10_median, strict=True))
    if score is not None:
        skill = (score.score - score.chance) / (score.best - score.chance)
        ends = {"score": score.score, "chance": score.chance, "skill": skill}
        series |= {f"test/{name}": [(result.steps, value)] for name, value in ends.items()}
    told = {tag: [(at, single(value)) for at, value in points if value is not None] for tag, points in series.items()}
    return {tag: points for tag, points in told.items() if points}


def test_tensorboard_shows_what_the_store_says(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    place = store.path / "tensorboard"
    assert publish.main([str(store.path), "--to", "tensorboard"]) == 0
    assert capsys.readouterr().out == f"4 runs written, 0 were there. Open: tensorboard --logdir {place}\n"
    runs = {path.parent for path in place.rglob("*tfevents*")}
    assert runs == {place / events.run_name(result.cell) for result in results()}
    for result in results():
        run = place / events.run_name(result.cell)
        assert shown(run) == numbers(result)
        found = hyperparameters(run)
        assert found["trial"] == result.cell.key
        assert (found["task"], found["model"], found["length"], found["seed"]) == (
            result.cell.task,
            result.cell.model,
            result.cell.length,
            result.cell.seed,
        )
        assert found["learning_rate"] == result.cell.recipe.values["learning_rate"]
    assert len(numbers(results()[0])) >= 8, "curves, validation, two profiles and the test"


def test_the_same_again_doubles_nothing(store: Store) -> None:
    place = store.path / "tensorboard"
    assert events.write(results(), place) == (4, 0)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "bench.publish", str(store.path), "--to", "tensorboard"]  # another process
    assert "0 runs written, 4 were there" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert len(before) == 4


def test_an_answer_takes_the_place_of_a_failure(tmp_path: Path) -> None:
    cell = a_cell(seed=3)
    events.write([a_failure(cell)], tmp_path)
    assert events.write([a_result(cell)], tmp_path) == (1, 0)
    assert "test/score" in shown(tmp_path / events.run_name(cell))
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 1


def test_names_of_runs_can_be_filtered_and_leave_no_folder() -> None:
    (measured, strange, *_) = (events.run_name(result.cell) for result in results())
    cell = results()[0].cell
    rate = cell.recipe.values["learning_rate"]
    assert measured == f"{cell.task}/{cell.model}/T{cell.length}/rate={rate:g},seed={cell.seed},{cell.key[:8]}"
    assert strange.startswith("ner_hop=2/my.models_Gr__e_text=.._")
    assert strange.count("/") == 3
    other = a_cell(recipe=a_recipe(steps=61))
    assert events.run_name(other) != events.run_name(a_cell(recipe=a_recipe(steps=60)))
    assert events.run_name(a_cell(model="../" * 200)).count("..") <= 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "tensorbord"], "--to: expected wandb or tensorboard, got 'tensorbord'. Did you mean 'tensorboard'?"),
        (["--to", "tensorboard", "--wandb", "offline"], "expected none of --project, --entity, --wandb, --workspace"),
    ],
)
def test_bad_input_is_one_message(
    arguments: list[str], words: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main([str(store.path), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_without_the_extra_the_message_says_how_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    assert publish.main([str(store.path), "--to", "tensorboard"]) == 2
    assert capsys.readouterr().err.endswith("pip install '.[tensorboard]'\n")


def test_a_folder_that_cannot_be_written_is_one_message(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.path / "tensorboard").write_text("in the way")
    assert publish.main([str(store.path), "--to", "tensorboard"]) == 2
    assert "Give a writable store" in capsys.readouterr().err
