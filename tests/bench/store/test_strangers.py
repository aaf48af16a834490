"""A store that somebody sent: what cannot be read is named, and everything else is shown; no reader hangs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

import bench
from bench import merge, status
from bench.records.cell import Cell
from bench.store import Store
from bench.store.files import HOST
from bench.store.sealed import seal
from reports import __main__ as whole
from reports import gradients, table
from tests.support.factories import an_asked
from tests.support.hostile import is_safe
from tests.support.measured import make_measured
from tests.support.mutants import mutants
from tests.support.results import make_result

GOOD = make_result("adding", "lstm", 10)


@pytest.fixture
def sent(tmp_path: Path) -> Store:
    """A store with one record that is fine."""
    store = Store(tmp_path / "sent", create=True)
    store.publish(GOOD)
    return store


def forged(**changes: object) -> bytes:
    """A record's line with some paths (`score.best`) set to other values, its checksum right."""
    content = json.loads(make_measured("char_lm", "gru", 10, score=2.5).model_dump_json())
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    return seal(content)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def plug(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


def writing(**changes: object) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(forged(**changes)) and None


STRANGE: dict[str, Callable[[Path], None]] = {
    "a pipe": fifo,
    "an endless device": endless,
    "a loop of links": loop,
    "a folder": Path.mkdir,
    "a socket": plug,
    "nothing": Path.touch,
    "a norm below zero": writing(**{"curves.gradient_norm": [-1.0]}),
    "chance is best": writing(**{"score.best": 5.0, "score.chance": 5.0}),
    "a skill without end": writing(**{"score.best": 5e-324, "score.chance": 0.0}),
    "a score beyond measure": writing(**{"score.score": 1e308}),
    "a huge whole number": writing(steps=10**400),
    "lists of unequal lengths": writing(**{"curves.parameter_norms": {"w": [1.0]}}),
    "wrong types": writing(**{"score.score": "high"}),
    "another shape": lambda path: path.write_bytes(seal({"a": [[[[]]]]})) and None,
    "deep": lambda path: path.write_bytes(b"[" * 100_000) and None,
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("folder", ["cells", "failures", "sweeps"])
@pytest.mark.timeout(60)
def test_one_record_never_hides_the_others(
    sent: Store, tmp_path: Path, kind: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sent.record_sweep(an_asked())
    name = "00\x1b[2Jff.json" if folder == "sweeps" else "00ff.json"
    STRANGE[kind](sent.path / folder / name)
    for command in (
        lambda: table.main([str(sent.path)]),
        lambda: table.main([str(sent.path), "--by", "cell", "--format", "csv"]),
    ):
        assert command() == 0
        written = capsys.readouterr()
        assert "lstm" in written.out
        assert is_safe(written.out + written.err)
        if folder == "cells":
            assert written.err.count("00ff.json") == 1
    status.main([str(sent.path)])
    assert is_safe(capsys.readouterr().out)
    if folder == "cells":
        with pytest.warns(UserWarning, match=r"left out, because the record is corrupt: 00ff\.json"):
            frame = bench.load(sent.path)
        assert list(frame["model"]) == ["lstm"]
    assert merge.main([str(sent.path), "--into", str(tmp_path / "joined")]) == 2
    assert "ff.json" in capsys.readouterr().err


def test_the_next_run_moves_it_aside(sent: Store) -> None:
    for number, make in enumerate(STRANGE.values()):
        make(sent.path / "cells" / f"{number:016x}.json")
    assert len(sent.set_aside()) == len(STRANGE)
    assert [result.cell.model for result in Store(sent.path).results()] == ["lstm"]


@pytest.mark.parametrize("part", range(4))
def test_forged_values(sent: Store, tmp_path: Path, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One of fifty of all that can be forged with `tests.support.mutants`; all of it was tried by hand."""
    result = make_measured("char_lm", "gru", 10, score=2.5)
    for number, (what, line) in enumerate(islice(mutants(result), part * 13, None, 53)):
        content = json.loads(line)
        try:
            key = Cell.model_validate_json(json.dumps(content["cell"])).key
        except (ValueError, KeyError, TypeError):
            key = f"{number:016x}"
        if isinstance(content.get("schema_number"), int) and content["schema_number"] > 2:
            continue  # a newer version's store is refused as a whole
        store = Store(tmp_path / str(number), create=True)
        store.publish(GOOD)
        (store.path / "cells" / f"{key}.json").write_bytes(line)
        for arguments in ([], ["--by", "cell"], ["--by", "overview", "--format", "latex"], ["--format", "csv"]):
            assert table.main([str(store.path), *arguments]) == 0, what
            assert "lstm" in capsys.readouterr().out, what
        assert gradients.main([str(store.path)]) in (0, 2), what
        assert status.main([str(store.path)]) in (0, 1), what
        capsys.readouterr()


def test_the_whole_report_beside_a_stranger(sent: Store, capsys: pytest.CaptureFixture[str]) -> None:
    STRANGE["chance is best"](sent.path / "cells" / "00ff.json")
    assert whole.main([str(sent.path)]) == 0
    assert "00ff.json" in capsys.readouterr().err
    assert "lstm" in (sent.path / "report" / "table.md").read_text("utf-8")


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"host": "\\u001b[2J", "process": 1, "workers": 1}',
     b'{"host": 1, "process": [], "workers": "x"}', b'{"host": "a", "process": 1, "workers": -5}',
     b'{"host": "a", "process": 1, "workers": 1e308}'],
)  # fmt: skip
def test_runners_that_are_none(sent: Store, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    sent.record_sweep(an_asked())
    (sent.path / "running").mkdir(exist_ok=True)
    name = next(iter(_names()))
    (sent.path / "running" / f"{name}.json").write_bytes(content)
    assert status.main([str(sent.path)]) in (0, 1)
    assert is_safe(capsys.readouterr().out)


def test_a_runner_that_is_a_pipe(sent: Store) -> None:
    (sent.path / "running").mkdir(exist_ok=True)
    (sent.path / "leases").mkdir(exist_ok=True)
    os.mkfifo(sent.path / "running" / f"{next(iter(_names()))}.json")
    os.mkfifo(sent.path / "leases" / "00")
    assert status.main([str(sent.path)]) in (0, 1)


def _names() -> list[str]:
    """Names of runners that seem to live."""
    return [f"{HOST}-{os.getpid()}-{'0' * 8}"]
