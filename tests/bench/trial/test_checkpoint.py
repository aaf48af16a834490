from __future__ import annotations

import hashlib
import importlib
import io
import os
import pickle
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.engines.local import LocalEngine
from bench.records.cell import Cell
from bench.records.job import Surroundings
from bench.records.result import GradientFlow, Result
from bench.records.rung import Rung
from bench.store import Store
from bench.store.files import Files
from bench.trial import checkpoint, trial
from bench.trial.checkpoint import MARK, CheckpointError, pack, unpack
from bench.trial.sources import sources
from tests.support.jobs import EXAMPLES, a_job
from tests.support.resumption import a_long_job, here, killed_at, same


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.curves: dict[int, tuple[Any, ...]] = {}
        self.events: list[Any] = []

    def begins(self, cell: Cell) -> None: ...

    def trained(self, first: int, losses: Any, norms: Any, parameter_norms: Any) -> None:
        for step, pair in enumerate(zip(losses, norms, strict=True), start=first):
            assert step not in self.curves
            self.curves[step] = (*pair, parameter_norms.get(step))

    def validated(self, step: int, score: float | None) -> None:
        self.events.append((step, score))

    def probed(self, flow: GradientFlow) -> None:
        self.events.append((flow.step, flow))

    def ends(self, result: Result) -> None: ...

    def notes(self) -> list[str]:
        return []

    def close(self) -> list[str]:
        return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


# -- going on ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [20, 40, 50])
def test_a_cell_that_goes_on_ends_as_if_it_had_never_stopped(step: int, folder: Path) -> None:
    """Blocks of 20 steps: killed in the first, nothing is kept."""
    job = a_long_job()
    whole = trial.run(job, Surroundings())
    assert (whole.result.status, whole.result.steps, whole.said) == ("ok", 50, ())
    killed_at(job, step, here(folder))
    seen: list[int] = []
    resumed = trial.run(job, here(folder), lambda now, steps: seen.append(now))
    same(resumed, whole)
    kept = {20: 0, 40: 20, 50: 40}[step]  # before the block at whose end it was killed
    assert seen == [end for end in (20, 40, 50) if end > kept]
    assert resumed.said == ((f"{job.cell.label} goes on from step {kept} of 50",) if kept else ())


def test_it_may_stop_again_and_again(folder: Path) -> None:
    job = a_long_job(steps=100, evaluate_every=10)
    whole = trial.run(job, Surroundings())
    for step in (20, 40, 70, 100):
        killed_at(job, step, here(folder))
    same(trial.run(job, here(folder)), whole)


def test_a_models_random_numbers_go_on(folder: Path) -> None:
    job = a_long_job(f"{EXAMPLES}:Drops")
    whole = trial.run(job, Surroundings())
    killed_at(job, 40, here(folder))
    torch.manual_seed(99)
    same(trial.run(job, here(folder)), whole)


def test_a_solved_cell_stops_where_it_would_have(folder: Path) -> None:
    job = a_job(f"{EXAMPLES}:AddsUp", steps=60, evaluate_every=10)
    whole = trial.run(job, Surroundings())
    assert (whole.result.solved_at_step, whole.result.steps) == (10, 20)
    killed_at(job, 20, here(folder))
    resumed = trial.run(job, here(folder))
    assert resumed.said, "it went on from step 10"
    same(resumed, whole)


def test_time_before_counts_and_time_between_does_not(folder: Path) -> None:
    job = a_long_job(f"{EXAMPLES}:Crawls", steps=30, evaluate_every=10, probes=0)  # 0.05 s a step
    killed_at(job, 30, here(folder))
    time.sleep(2.0)
    result = trial.run(job, here(folder)).result
    assert result.seconds is not None
    assert 1.5 <= result.seconds.train < 3.0
    parts = result.seconds.model_dump()
    assert sum(parts.values()) - parts["total"] == pytest.approx(parts["total"], abs=1e-3)


def test_the_mirror_hears_what_was_before(folder: Path) -> None:
    job = a_long_job()
    killed_at(job, 50, here(folder))
    went_on, whole = Heard(), Heard()
    trial.run(job, here(folder), observer=went_on)
    trial.run(job, Surroundings(), observer=whole)
    assert went_on.curves == whole.curves
    assert sorted(went_on.events, key=str) == sorted(whole.events, key=str)


# -- when one is written -----------------------------------------------------------------------------------------------


def test_a_short_cell_writes_none(folder: Path) -> None:
    trial.run(a_long_job(), here(folder, every=300.0))
    assert not folder.exists()


def test_a_disk_that_takes_none_costs_a_word_and_no_cell(folder: Path) -> None:
    folder.write_text("in the way")
    job = a_long_job()
    finished = trial.run(job, here(folder))
    assert finished.result.status == "ok"
    (line,) = finished.said
    assert line.startswith("no checkpoint of copying / gru / T3")


def test_a_store_forgets_it_with_the_answer_and_not_before(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    job = a_long_job()
    finished = trial.run(job, here(store.checkpoints))
    path = store.checkpoints / f"{job.cell.key}.pt"
    assert path.exists()
    store.publish(finished.result.model_copy(update={"status": "timeout"}))
    assert path.exists(), "--retry-failed goes on from it"
    kept = path.read_bytes()
    store.publish(finished.result, finished.weights)
    assert not path.exists()
    path.write_bytes(kept)  # as if its runner had died between the two
    (store.checkpoints / "0123456789abcdef.pt").write_bytes(kept)
    Store(tmp_path, create=True).set_aside()
    assert [left.name for left in store.checkpoints.iterdir()] == ["0123456789abcdef.pt"]


# -- what is not trusted -----------------------------------------------------------------------------------------------


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def with_checksum(body: bytes) -> bytes:
    return MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def damaged(kind: str, whole: bytes, mark: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": Hostile(mark)}, buffer)
    return {
        "empty": b"",
        "cut": whole[:-1],
        "altered": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "hostile": pickle.dumps(Hostile(mark)),
        "hostile behind a checksum": with_checksum(pickle.dumps(Hostile(mark))),
        "hostile as torch writes it": with_checksum(buffer.getvalue()),
        "something else": pack({"a": 1}),
    }[kind]


KINDS = (
    "empty", "cut", "altered", "hostile", "hostile behind a checksum", "hostile as torch writes it", "something else",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_or_hostile_is_refused_and_nothing_runs(kind: str, folder: Path, tmp_path: Path) -> None:
    job, mark = a_long_job(probes=0), tmp_path / "executed"
    killed_at(job, 40, here(folder))
    (path,) = folder.iterdir()
    path.write_bytes(damaged(kind, path.read_bytes(), mark))
    seen: list[int] = []
    finished = trial.run(job, here(folder), lambda now, steps: seen.append(now))
    assert (finished.result.status, seen) == ("ok", [20, 40, 50])
    (line,) = finished.said
    assert line.startswith(f"the checkpoint {path} is refused: it ")
    assert line.endswith("starts from its first step")
    assert not mark.exists()
    assert finished.result.notes == (), "the record is that of any other run"


@pytest.mark.parametrize("kind", KINDS)
def test_refusing_is_all_that_is_said(kind: str, tmp_path: Path) -> None:
    """torch warns of a pickle that looks odd, and asks for a report, before it refuses it."""
    whole = pack({name: torch.zeros(2) for name in checkpoint.PARTS})
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(CheckpointError):
            unpack(damaged(kind, whole, tmp_path / "executed"))
    assert heard == []


def test_every_cut_and_every_altered_byte_is_seen() -> None:
    whole = pack({name: torch.zeros(2) for name in checkpoint.PARTS})
    assert unpack(whole).keys() == checkpoint.PARTS
    for length in range(0, len(whole), 7):
        with pytest.raises(CheckpointError):
            unpack(whole[:length])
    for place in range(0, len(whole), 7):
        with pytest.raises(CheckpointError):
            unpack(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])


@pytest.mark.parametrize("of", ["another cell", "another suite", "other threads", "another block"])
def test_a_checkpoint_of_something_else_is_passed_over(of: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_long_job(probes=0)
    killed_at(job, 40, here(folder))
    (path,) = folder.iterdir()
    if of == "another cell":
        other = a_long_job(probes=0, seeds=1)
        path.rename(folder / f"{other[0].key}.pt")
        job = other
    elif of == "another suite":
        monkeypatch.setattr(checkpoint, "suite", lambda *classes: "changed")
    elif of == "another block":
        monkeypatch.setattr(checkpoint.Keeper, "_find", _with_block(checkpoint.Keeper._find, 7))
    else:
        content = unpack(path.read_bytes())
        path.write_bytes(pack(content | {"origin": content["origin"] | {"threads": 64}}))
    seen: list[int] = []
    finished = trial.run(job, here(folder), lambda now, steps: seen.append(now))
    assert (finished.result.status, finished.said, seen[0]) == ("ok", (), 20)


def test_a_model_of_ones_own_is_part_of_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "my_own_model.py"
    path.write_text("class Mine:\n    rate = 1\n")
    mine = importlib.import_module("my_own_model").Mine
    before = sources(mine)
    path.write_text("class Mine:\n    rate = 2\n")
    assert len({before, sources(mine), sources()}) == 3


def _with_block(find: Any, block: int) -> Any:
    return lambda keeper, _: find(keeper, block)


def test_a_checkpoint_is_whole_or_absent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the last one."""

    class Full(Files):
        left = 2

        def sync(self, descriptor: int) -> None:
            type(self).left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")
            super().sync(descriptor)

    job = a_long_job(steps=80)
    monkeypatch.setattr(checkpoint, "Files", Full)
    finished = trial.run(job, here(folder))
    assert finished.result.status == "ok"
    (path,) = folder.iterdir()
    assert unpack(path.read_bytes())["step"] == 40
    assert "No space left" in finished.said[0]


# -- real workers ------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_in_the_middle(folder: Path) -> None:
    """kill −9, by a worker's own supervisor's eyes: its second attempt goes on, and nothing shows in the record."""
    job = a_long_job(
        "lstm", task="adding", length=50, steps=1500, evaluate_every=500, probes=4, hidden=16, batch_size=8
    )
    whole = trial.run(job, Surroundings())
    said: list[str] = []
    kills: list[int] = []
    steps: list[int] = []

    def kill(worker: int, cell: Any, step: int, of: int) -> None:
        steps.append(step)
        if not kills and list(folder.glob("[!.]*.pt")):
            (process,) = (each.process for each in engine._processes)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            kills.append(process.pid)

    engine = LocalEngine(replace(here(folder, every=0.05)), workers=1, report=kill, say=said.append)
    with engine:
        (finished,) = engine.run([job])
    assert len(kills) == 1
    (line,) = said
    assert "goes on from step" in line
    same(finished, whole)


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_a_paused_cell_goes_on_as_if_it_had_not_been(folder: Path) -> None:
    """Paused twice, with a validation of the whole set at either, of which the curve shows nothing."""
    job = a_long_job(length=100, steps=100, evaluate_every=10)
    whole = trial.run(job, Surroundings())
    assert set(whole.result.curves.validation_n) == {256, 1024}
    for step in (30, 60):
        rung = trial.run(job._replace(until=step), here(folder, 1e9)).record
        assert isinstance(rung, Rung)
        assert (rung.step, rung.score.test_n, rung.score.validation_score) == (step, 1024, None)
    resumed = trial.run(job, here(folder, 1e9))
    assert resumed.said == ()
    same(resumed, whole)


def test_a_cell_that_ends_before_its_pause_has_its_result() -> None:
    job = a_job("oracle", task="copying", steps=20)
    assert trial.run(job._replace(until=10), Surroundings()).result.outcome == "solved"
