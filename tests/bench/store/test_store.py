from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.records.asked import Asked
from bench.records.cell import canonical_json
from bench.records.result import SCHEMA, Result
from bench.store import Store, StoreError
from bench.store import files as store_files
from bench.store.sealed import seal
from bench.store.store import COLUMNS, CorruptRecordError, decode, encode, row
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_result, an_asked

FOREIGN: list[dict[str, Any]] = [
    {"sweep": {}},
    {"sweep": {}, "cells": []},
    an_asked().written() | {"sweep": an_asked().sweep | {"tasks": [1]}},
    an_asked().written() | {"cells": [{"task": "adding"}]},
    an_asked().written() | {"cells": [7]},
    an_asked().written() | {"cells": [a_cell().model_dump(mode="json") | {"news": 1}]},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


def files(store: Store) -> list[str]:
    """Every file of the store, hidden ones too, but for what is locked."""
    found = (path for path in store.path.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(store.path)) for path in found)


# -- publishing --------------------------------------------------------------------------------------------------------


def test_what_is_published_is_read_again(store: Store) -> None:
    result = a_result(a_cell(data=SHAKESPEARE))
    assert store.answer(result.cell.key) is None
    assert not store.has(result.cell.key)
    assert store.publish(result, b"weights")
    assert store.has(result.cell.key)
    assert store.answer(result.cell.key) == result
    assert list(store.answers()) == store.results() == [result]
    key = result.cell.key
    assert files(store) == [f"cells/{key}.json", f"weights/{key}.safetensors"]
    assert (store.path / "weights" / f"{key}.safetensors").read_bytes() == b"weights"


def test_the_first_writer_wins(store: Store) -> None:
    first, second = a_result(steps=10), a_result(steps=20)
    assert store.publish(first, b"first")
    before = {path: (store.path / path).read_bytes() for path in files(store)}
    assert not store.publish(second, b"second")
    assert {path: (store.path / path).read_bytes() for path in files(store)} == before
    assert store.answer(first.cell.key) == first


def test_the_first_writer_wins_even_where_the_second_has_not_seen_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runners that both found the cell missing: the link decides."""
    store.publish(a_result(steps=10))
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert not store.publish(a_result(steps=20))
    monkeypatch.undo()
    stored = store.answer(a_cell().key)
    assert stored is not None
    assert stored.steps == 10
    assert files(store) == [f"cells/{a_cell().key}.json"]


def test_a_diverged_cell_is_an_answer(store: Store) -> None:
    assert store.publish(a_result(status="diverged", score=None))
    assert store.has(a_cell().key)
    assert store.failures() == {}


def test_failures_are_numbered_and_never_rewrite_an_answer(store: Store) -> None:
    key = a_cell().key
    assert store.publish(a_failure(error="first"))
    assert store.publish(a_failure(error="second", status="timeout"))
    assert files(store) == [f"failures/{key}-1.json", f"failures/{key}-2.json"]
    assert not store.has(key)
    (last,) = store.failures().values()
    assert (last.attempt, last.error, last.status) == (2, "second", "timeout")
    assert store.results() == [last]

    answer = a_result()
    store.publish(answer)
    record = (store.path / "cells" / f"{key}.json").read_bytes()
    store.publish(a_failure(error="third"))
    assert (store.path / "cells" / f"{key}.json").read_bytes() == record
    assert store.failures() == {}
    assert store.results() == [answer]


def test_the_tenth_attempt_comes_after_the_ninth(store: Store) -> None:
    for attempt in range(1, 12):
        store.publish(a_failure(error=f"attempt {attempt}"))
    (last,) = store.failures().values()
    assert last.error == "attempt 11"


def test_a_failure_is_numbered_after_the_last_one_that_is_there(store: Store) -> None:
    for _ in range(2):
        store.publish(a_failure())
    key = a_cell().key
    assert store.tried(key) == 2
    (store.path / "failures" / f"{key}-1.json").unlink()  # moved aside
    assert store.tried(key) == 2
    store.publish(a_failure(error="third"))
    assert store.failures()[key].error == "third"
    assert store.tried(key) == 3
    assert store.tried("another") == 0


def test_a_record_that_another_runner_made_anew_is_not_moved_aside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(a_result())
    (path,) = (store.path / "cells").glob("*.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    sweeps = store.sweeps

    def meanwhile() -> list[Asked]:
        path.write_bytes(whole)
        return sweeps()

    monkeypatch.setattr(store, "sweeps", meanwhile)
    assert store.set_aside() == []
    assert store.answer(a_cell().key) == a_result()


def test_a_folder_is_locked_for_one_writer_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "LOCK_SECONDS", 0.05)
    with store.files.lock(store.path / "cells") as first, store.files.lock(store.path / "cells") as second:
        assert (first, second) == (True, False)
    with store.files.lock(store.path / "cells") as again:
        assert again
    assert (store.path / ".cells.lock").is_file(), "a file: on NFS a lock on a folder holds on its own host only"


def test_a_failure_without_hard_links_is_numbered_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    for _ in range(3):
        store.publish(a_failure())
    assert [name.rpartition("-")[2] for name in files(store)] == ["1.json", "2.json", "3.json"]


def refusing(number: int) -> Callable[..., None]:
    def link(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return link


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_hard_links(store: Store, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "link", refusing(number))
    first = a_result(steps=10)
    assert store.publish(first)
    assert not store.publish(a_result(steps=20))
    assert store.answer(first.cell.key) == first
    assert files(store) == [f"cells/{first.cell.key}.json"]


def test_a_full_disk_leaves_no_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.publish(a_result())
    monkeypatch.undo()
    assert not store.has(a_cell().key)
    assert store.results() == []
    assert store.set_aside() == []
    assert store.publish(a_result()), "the store goes on"


def test_what_was_asked_is_written_down_once_per_sweep(store: Store) -> None:
    first, second = an_asked(tasks="é"), an_asked(a_cell(), unknown=[a_cell(task="ner")])
    for asked in (first, first, second):
        store.record_sweep(asked)
    expected = sorted((first, second), key=lambda asked: asked.hash)
    assert files(store) == [f"sweeps/{asked.hash}.json" for asked in expected]
    assert store.sweeps() == expected
    assert store.foreign == []


@pytest.mark.parametrize("content", FOREIGN)
def test_a_sweep_in_other_words_is_left_where_it_is_and_listed(store: Store, content: Any) -> None:
    path = store.path / "sweeps" / "ab.json"
    path.write_bytes(seal(content))
    for _ in range(2):
        assert store.sweeps() == []
        assert store.foreign == [path]
    assert store.set_aside() == []
    assert path.exists(), "another version can read it"


# -- the record --------------------------------------------------------------------------------------------------------


def test_a_record_is_one_line_of_canonical_json_behind_its_checksum() -> None:
    record = encode(a_result())
    assert record.startswith(b'{"checksum":"')
    assert record.count(b"\n") == 1
    assert record.endswith(b"}\n")
    content = json.loads(record)
    del content["checksum"]
    assert content == a_result().model_dump(mode="json")
    assert canonical_json(content).encode() == b"{" + record[len(b'{"checksum":"') + 64 + 2 : -1]
    assert decode(record) == a_result()


# A short record, so that every byte of it can be tried.
RECORD = encode(a_failure(error="é"))


def test_every_flipped_byte_is_found() -> None:
    for place in range(len(RECORD)):
        for mask in (0x01, 0x80, 0xFF):
            flipped = bytearray(RECORD)
            flipped[place] ^= mask
            with pytest.raises(CorruptRecordError):
                decode(bytes(flipped))


def test_every_truncation_and_addition_is_found() -> None:
    for length in range(len(RECORD)):
        with pytest.raises(CorruptRecordError):
            decode(RECORD[:length])
    for addition in (b"\n", b" ", b"\0", RECORD):
        with pytest.raises(CorruptRecordError):
            decode(RECORD + addition)


def altered(record: bytes, **changes: Any) -> bytes:
    """A record with other content and a checksum that holds, as another version of the suite would write it."""
    content = json.loads(record)
    del content["checksum"]
    body = canonical_json(content | changes).encode()[1:] + b"\n"
    import hashlib

    return b'{"checksum":"' + hashlib.sha256(body).hexdigest().encode() + b'",' + body


def test_a_newer_schema_is_refused_with_a_clear_word(store: Store) -> None:
    store.publish(a_result())
    path = store.path / "cells" / f"{a_cell().key}.json"
    path.write_bytes(altered(path.read_bytes(), schema_number=SCHEMA + 1, fresh=1))
    message = rf"a record of schema {SCHEMA + 1} was written by a newer version; this one reads up to {SCHEMA}"
    for read in (store.results, store.set_aside, store.frame, lambda: bench.load(store.path)):
        with pytest.raises(StoreError, match=message):
            read()
    assert path.exists(), "a newer record is never moved aside"


def test_a_newer_schema_is_refused_even_where_its_fields_would_fit() -> None:
    with pytest.raises(StoreError, match="newer version"):
        decode(altered(encode(a_result()), schema_number=SCHEMA + 1))


def test_a_whole_record_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        decode(altered(encode(a_result()), fresh=1))


# -- corrupt records ---------------------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_corrupt_records_are_set_aside_and_their_cells_missing_again(store: Store) -> None:
    good, bad, failed = (a_cell(seed=seed) for seed in range(3))
    store.publish(a_result(good))
    store.publish(a_result(bad))
    store.publish(a_failure(failed))
    damage(store.path / "cells" / f"{bad.key}.json")
    damage(store.path / "failures" / f"{failed.key}-1.json")
    assert [result.cell for result in store.results()] == [good]
    assert store.answer(bad.key) is None
    assert len(store.corrupt) == 2

    assert sorted(store.set_aside()) == sorted([f"{bad.key}.json", f"{failed.key}-1.json"])
    assert store.set_aside() == []
    assert not store.has(bad.key)
    assert len(list((store.path / "corrupt").iterdir())) == 2
    assert store.publish(a_result(bad))
    assert [result.cell for result in store.results()] == sorted([good, bad], key=lambda cell: cell.key)


def test_a_record_larger_than_the_memory_hides_no_other(tmp_path: Path) -> None:
    """A sparse file of a store that somebody sent: it takes no room on disk, and its bytes fit nowhere."""

    class Small(store_files.Files):
        def read(self, path: Path) -> bytes:
            if path.stat().st_size > 10**9 or path.parent.name == "corrupt":
                raise MemoryError
            return super().read(path)

    store = Store(tmp_path / "results", create=True, files=Small())
    store.publish(a_result())
    large = store.path / "cells" / f"{'a' * 16}.json"
    large.touch()
    os.truncate(large, 2 * 10**9)
    assert len(list(store.answers())) == 1
    assert store.corrupt == [large]
    assert store.set_aside() == [large.name]


def test_the_same_record_corrupt_twice_keeps_both(store: Store) -> None:
    for _ in range(2):
        store.publish(a_result())
        damage(store.path / "cells" / f"{a_cell().key}.json")
        assert store.set_aside() == [f"{a_cell().key}.json"]
    assert len(list((store.path / "corrupt").iterdir())) == 2


def test_a_record_under_another_cells_name_is_corrupt(store: Store) -> None:
    store.publish(a_result())
    (store.path / "cells" / f"{a_cell().key}.json").rename(store.path / "cells" / "0123456789abcdef.json")
    assert store.results() == []
    assert store.answer("0123456789abcdef") is None
    assert store.set_aside() == ["0123456789abcdef.json"]


def test_leftovers_of_a_killed_writer_are_no_records(store: Store) -> None:
    store.publish(a_result())
    (store.path / "cells" / ".0123456789abcdef.json-123-abcd").write_bytes(RECORD[:40])
    assert [result.cell for result in store.results()] == [a_cell()]
    assert store.set_aside() == []


# -- paths that are no store -------------------------------------------------------------------------------------------


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot write the store .*results: .* Give a writable folder with --store\."):
        Store(path, create=True)
    with pytest.raises(StoreError, match="no store at"):
        Store(path)
    assert path.read_text() == "not a folder"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # no permission stops the superuser: let the system say what it would say to others
        monkeypatch.setattr(Path, "touch", refusing(errno.EACCES))
    else:
        for folder in ("cells", "failures", "weights", "sweeps"):
            (tmp_path / folder).mkdir(mode=0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        Store(tmp_path, create=True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*missing: expected a folder with `cells` in it"):
        bench.load(tmp_path / "missing")
    assert not (tmp_path / "missing").exists(), "reading creates nothing"


def test_opening_a_store_leaves_no_trace_in_it(store: Store) -> None:
    Store(store.path, create=True)
    assert files(store) == []


# -- as a table --------------------------------------------------------------------------------------------------------


def test_the_columns_users_rely_on(store: Store) -> None:
    assert ", ".join(COLUMNS) == (
        "task, model, length, seed, learning_rate, status, outcome, score, validation_score, test_n, metric, unit, "
        "higher_is_better, chance, skill, solved_at_step, steps, step_budget, tokens_seen, parameters, "
        "parameters_body, hidden, seconds, steps_per_second, peak_memory_mb, memory_horizon, gradient_norm_mean, "
        "gradient_norm_max, gradient_ratio, gradient_rate, gradient_half_life, gradient_verdict, credit_alignment, "
        "data, key, batch_size, clip, parameter_budget, hidden_asked, evaluate_every, probes, recipe_version, bptt, "
        "optimiser, schedule, penalty, train_lengths, stop, sequences, held_out, task_version, model_version, code, "
        "device, torch, lightning, python, initial_gradient_rate, initial_gradient_half_life, gradient_reach"
    )
    assert tuple(store.frame().columns) == COLUMNS
    assert len(store.frame()) == 0


def test_a_row_of_an_answer() -> None:
    result = a_result(a_cell(data=SHAKESPEARE))
    assert {name: value for name, value in row(result).items() if value is not None} == {
        "task": "adding",
        "model": "lstm",
        "length": 10,
        "seed": 0,
        "learning_rate": 0.01,
        "status": "ok",
        "outcome": "learning",
        "score": 0.02,
        "validation_score": 0.03,
        "test_n": 100,
        "metric": "mean_squared_error",
        "unit": "squared value",
        "higher_is_better": False,
        "chance": 0.2,
        "skill": pytest.approx(0.9),
        "steps": 20,
        "step_budget": 20,
        "tokens_seen": 800,
        "parameters": 20,
        "parameters_body": 16,
        "hidden": 2,
        "seconds": 1.0,
        "steps_per_second": 80.0,
        "peak_memory_mb": 300.5,
        "gradient_norm_mean": 2.0,
        "gradient_norm_max": 2.0,
        "data": "shakespeare abababab",
        "key": result.cell.key,
        "batch_size": 4,
        "clip": 1.0,
        "parameter_budget": 16_000,
        "evaluate_every": 10,
        "probes": 6,
        "recipe_version": 1,
        "optimiser": "adam",
        "schedule": "trapezoid",
        "train_lengths": "fixed",
        "stop": "solved",
        "task_version": 1,
        "model_version": 1,
    }


def test_a_row_of_a_failure_holds_what_is_known() -> None:
    values = row(a_failure(status="out_of_memory"))
    assert tuple(values) == COLUMNS
    known = {name: value for name, value in values.items() if value is not None}
    assert known == {
        "task": "adding",
        "model": "lstm",
        "length": 10,
        "seed": 0,
        "learning_rate": 0.01,
        "status": "out_of_memory",
        "steps": 0,
        "step_budget": 20,
        "tokens_seen": 0,
        "key": a_cell().key,
        "batch_size": 4,
        "clip": 1.0,
        "parameter_budget": 16_000,
        "evaluate_every": 10,
        "probes": 6,
        "recipe_version": 1,
        "optimiser": "adam",
        "schedule": "trapezoid",
        "train_lengths": "fixed",
        "stop": "solved",
        "task_version": 1,
        "model_version": 1,
    }


def test_load_gives_one_row_per_cell(store: Store) -> None:
    results: list[Result] = [a_result(a_cell(seed=seed)) for seed in range(3)]
    for result in results:
        store.publish(result)
    store.publish(a_failure(a_cell(seed=9)))
    frame = bench.load(store.path)
    assert sorted(frame["seed"]) == [0, 1, 2, 9]
    assert list(frame["status"]) == ["ok", "ok", "ok", "error"]
    assert list(frame["score"].isna()) == [False, False, False, True]
