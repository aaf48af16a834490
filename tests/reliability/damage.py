"""What every failing call, flipped byte and truncation does to a store; used in short by tests and in full by the
campaign."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.records.result import Result
from bench.store import Store, StoreError
from bench.store.sealed import CorruptRecordError, decode, encode
from tests.support.factories import a_cell, a_failure, a_result
from tests.support.faults import CountingFiles, FailingFiles

NUMBERS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass
class Failures:
    """calls: how many were made to fail. torn: readable but not what was published. unsaid: the store neither stored
    the result nor said so. stuck: a later publication did not succeed. left: temporary files left behind although the
    process lived on and could remove them."""

    calls: int = 0
    torn: int = 0
    unsaid: int = 0
    stuck: int = 0
    left: int = 0

    @property
    def clean(self) -> bool:
        return not (self.torn or self.unsaid or self.stuck or self.left)


def every_failing_call(folder: Path, numbers: Iterable[int] = NUMBERS) -> Failures:
    """The k-th call of a publication fails, for every k, every kind of result and every error number."""
    seen = Failures()
    Store(folder, create=True)
    seed = 0
    for number in numbers:
        for half in (False, True):
            for weights in (None, b"weights" * 100):
                for failed in (False, True):
                    if failed and weights:
                        continue
                    k = 0
                    while _one_failing_call(
                        folder, _a(failed, seed), weights, FailingFiles(k, number, half=half), seen
                    ):
                        k, seed = k + 1, seed + 1
                    seed += 1
    return seen


def _a(failed: bool, seed: int) -> Result:
    return a_failure(a_cell(seed=seed)) if failed else a_result(a_cell(seed=seed))


def _one_failing_call(folder: Path, result: Result, weights: bytes | None, files: FailingFiles, seen: Failures) -> bool:
    """False where there is no such call any more."""
    said = False
    try:
        Store(folder, files=files).publish(result, weights)
    except StoreError:
        said = True
    if not files.failed:
        return False
    seen.calls += 1
    store = Store(folder)
    found = _found(store, result)
    seen.torn += bool(store.corrupt) or found not in (None, result)
    seen.unsaid += found is None and not said
    if files.calls[files.k] != "unlink":
        seen.left += len(_hidden(folder))
    for path in _hidden(folder):
        path.unlink()
    store.publish(result, weights)
    seen.stuck += _found(Store(folder), result) is None
    return True


def _found(store: Store, result: Result) -> Result | None:
    key = result.cell.key
    return store.answer(key) or store.failures().get(key)


def _hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*~*"))


def calls_of_a_publication(folder: Path) -> list[str]:
    """The names of the calls that publish an answer with weights."""
    Store(folder, create=True)
    files = CountingFiles()
    Store(folder, files=files).publish(a_result(), b"weights")
    return files.calls


@dataclass
class Corruption:
    """tried: damaged copies of a record. unnoticed: read as if whole."""

    tried: int = 0
    unnoticed: int = 0


def every_flip(record: bytes, masks: Iterable[int] = (0x01, 0x80, 0xFF), stride: int = 1) -> Corruption:
    """Every `stride`-th byte of a record, changed by each mask."""
    seen = Corruption()
    for place in range(0, len(record), stride):
        for mask in masks:
            damaged = bytearray(record)
            damaged[place] ^= mask
            _try(bytes(damaged), seen)
    return seen


def every_truncation(record: bytes, stride: int = 1) -> Corruption:
    """A record cut at every `stride`-th length."""
    seen = Corruption()
    for length in range(0, len(record), stride):
        _try(record[:length], seen)
    return seen


def _try(damaged: bytes, seen: Corruption) -> None:
    seen.tried += 1
    try:
        decode(damaged)
    except CorruptRecordError:
        return
    seen.unnoticed += 1


def a_record() -> bytes:
    """A record as tests make it."""
    return encode(a_result())
