from __future__ import annotations

import hashlib
import importlib.metadata
import os
import time
from pathlib import Path

import pytest

from bench import doctor
from bench.doctor import main
from bench.store import Store, files
from bench.store.store import StoreError
from tests.support.factories import a_cell, a_result
from tests.support.faults import WithoutLinks


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A whole store of one cell, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    store = Store(tmp_path / "results", create=True)
    store.publish(a_result(weights_sha256=hashlib.sha256(b"weights").hexdigest()), b"weights")
    return store


def test_nothing_is_wrong(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(store.path)]) == 0
    text = capsys.readouterr().out
    for what in ("Python", "libraries", "cores", "GPU", "disk", "hard links", "locks", "corpus", "W&B"):
        assert what in text
    assert "1 cells are whole" in text
    assert "shakespeare (char_lm) is not here. It is downloaded when first needed" in text
    assert text.endswith("Nothing is wrong.\n")


def test_no_store_yet(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(tmp_path / "none")]) == 0
    assert "there is none at" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_what_is_wrong_with_a_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    second = a_result(a_cell(seed=1), weights_sha256=hashlib.sha256(b"weights").hexdigest())
    store.publish(second, b"weights")
    (store.path / "weights" / f"{second.cell.key}.safetensors").write_bytes(b"weighty")
    (store.path / "weights" / f"{a_cell().key}.safetensors").unlink()
    (store.path / "weights" / "0123456789abcdef.safetensors").write_bytes(b"")
    store.publish(a_result(a_cell(seed=2), weights_sha256=None))
    record = store.path / "cells" / f"{a_cell(seed=2).key}.json"
    record.write_bytes(record.read_bytes() + b"\n")
    leftover = store.path / "cells" / f".x~{files.HOST}~99999999~01234567"
    leftover.write_bytes(b"")
    os.utime(leftover, (time.time() - 1000,) * 2)
    assert main(["--store", str(store.path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if line.startswith("wrong")]
    assert [line.split()[1] for line in wrong] == ["corrupt", *(["weights"] * 2)]
    assert any("is not what its record says" in line for line in wrong)
    assert any("is missing" in line for line in wrong)
    notes = [line.split()[1] for line in lines if line.startswith("note")]
    assert {"orphan", "leftover"} <= {*notes}
    assert lines[-1] == "3 things are wrong."


def test_weights_that_are_named_by_their_content(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """As where they were written without the lock: the file that is wrong is the one that is named."""
    key, sha256 = a_cell().key, hashlib.sha256(b"weights").hexdigest()
    plain = store.path / "weights" / f"{key}.safetensors"
    own = plain.with_name(f"{key}-{sha256[:12]}.safetensors")
    plain.rename(own)
    assert main(["--store", str(store.path)]) == 0
    own.write_bytes(b"weighty")
    capsys.readouterr()
    assert main(["--store", str(store.path)]) == 1
    assert f"{own} is not what its record says" in capsys.readouterr().out
    with pytest.raises(StoreError, match=own.name):
        store.weights(key)


def test_a_data_folder_that_is_not_there(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(store.path), "--data", str(store.path / "none")]) == 1
    assert "correct --data or BENCH_DATA" in capsys.readouterr().out


def test_no_hard_links_no_locks_and_little_space(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files.Files, "link", WithoutLinks.link)
    monkeypatch.setattr(files.Files, "_acquire", lambda self, descriptor: False)
    monkeypatch.setattr(doctor, "LITTLE_SPACE", 1 << 62)
    assert main(["--store", str(store.path)]) == 1
    text = capsys.readouterr().out
    assert "Runners that share this store may measure a cell twice; the first result stays" in text
    assert "none on this file system. Let no two runners on different hosts write to this store" in text
    assert "Free some space" in text


def test_malicious_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "pooch":
            raise importlib.metadata.PackageNotFoundError
        return "2.6.3"

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = {finding.what: finding for finding in doctor.interpreter()}
    assert found["lightning"].mark == found["pooch"].mark == "wrong"
    assert "steals credentials" in found["lightning"].found


def test_bad_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--stor", "x"]) == 2
    assert "bench.doctor: " in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["--store", str(tmp_path / "empty")]) == 2
    assert "no store at" in capsys.readouterr().err
