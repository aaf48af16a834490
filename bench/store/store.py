"""A folder of immutable, checksummed results: publish exactly once, read, set aside what is corrupt.

    cells/<key>.json                 answers (ok, diverged)
    failures/<key>-<attempt>.json    everything else, so that an answer is never rewritten
    weights/<key>.safetensors        final weights, whole before the record that holds their sha256;
                                     <key>-<12 digits of sha256> where they were written without the lock
    readings/<key>.json              stored models asked again: answers (`bench.records.reading`)
    unanswered/<key>-<attempt>.json  and the attempts that gave none
    sweeps/<hash>.json               what was asked, written before anything runs (`bench.records.asked`)
    checkpoints/<key>.pt             how far a long cell came, until its answer is stored (`bench.trial.checkpoint`)
    running/, leases/                the runners at work, and their cells (`bench.store.leases`)
    <kind>/<key>.json                records of the other kinds in `KINDS`, published once each
    corrupt/                         files whose checksum did not hold, moved aside

A record is one line: `{"checksum":"<sha256 of the rest>",…}`. It is written to a temporary file, synced, linked to its
final name (the first writer wins) and the folder is synced, so it is either whole or absent (`bench.store.files`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from os.path import isdir  # of a name that no folder can have, a path raises
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records import foreign
from bench.records.asked import Asked, UnreadableError, without_data
from bench.records.cell import Cell
from bench.records.reading import ANSWERED, READING_SCHEMA, Reading
from bench.records.result import ANSWERS, Result
from bench.records.row import COLUMNS, row
from bench.records.rung import RUNG_SCHEMA, Rung
from bench.store.files import Files, leftovers
from bench.store.folder import Folder, Record, read
from bench.store.sealed import (
    CorruptRecordError,
    Kept,
    StoreError,
    content,
    decode,
    decode_as,
    decode_kept,
    encode,
    seal,
)
from bench.store.shelf import Shelf

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "CorruptRecordError", "Store", "StoreError", "decode", "encode", "row"]

# Other kinds of records, by folder: the record's type, and the newest schema number of it that this version reads.
KINDS: dict[str, tuple[type[Kept], int]] = {"readings": (Reading, READING_SCHEMA), "rungs": (Rung, RUNG_SCHEMA)}
FOLDERS = ("cells", "failures", "weights", "sweeps", "unanswered")
# What to do about an error of the operating system, where its own text does not say.
_REMEDIES = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f)",
    errno.EMFILE: "Raise the limit on open files (ulimit -n)",
    errno.EIO: "Check the disk",
}


class Store:
    """The results in the folder `path`. files: the operating system's, or a test's.

    Attributes: results_shelf, of cells; readings, of stored models; corrupt, the files that were read so far and are
    corrupt; foreign, the files of sweeps that another version of the suite wrote; hard_links, whether the file system
    has them, None until the store is opened to be written.

    Raises:
        StoreError: `path` is a file, cannot be written (when `create`), or does not exist (when not). Every method
            raises it where the file system fails: nothing stored is lost by that.
    """

    def __init__(self, path: Path | str, *, create: bool = False, files: Files | None = None) -> None:
        self.path = Path(path)
        self.files = files or Files()
        self.corrupt: list[Path] = []
        self.foreign: list[Path] = []
        self.hard_links: bool | None = None
        self.cells: Folder[Result] = self._folder("cells", _answer)
        self._failures: Folder[Result] = self._folder("failures", _failure)
        self.results_shelf = Shelf(self.cells, self._failures, self.files)
        self.readings = Shelf(self._folder("readings", _reading), self._folder("unanswered", _unanswered), self.files)
        self._sweeps: Folder[tuple[str, Any]] = self._folder("sweeps", lambda name, line: (name, content(line)))
        self._kept: dict[str, Folder[Any]] = {
            name: self._folder(name, partial(decode_kept, *kind)) for name, kind in KINDS.items()
        } | {"readings": self.readings.answers}
        if create:
            with self.writing():
                for folder in (*FOLDERS, *KINDS):
                    self.files.make_folder(self.path / folder)
                self.hard_links = self.files.has_links(self.path / "cells")
        elif not isdir(self.path / "cells"):
            raise StoreError(
                f"no store at {self.path}: expected a folder with `cells` in it. Run `python -m bench.run` first."
            )

    def _folder(self, name: str, decode: Callable[[str, bytes], Record]) -> Folder[Record]:
        return Folder(self.path / name, self.files, decode, self.corrupt)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an error of the operating system into a StoreError that says what to do about it."""
        try:
            yield
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0)
            after = f"{remedy}; the same command again resumes" if remedy else "Give a writable folder with --store"
            raise StoreError(f"cannot write the store {self.path}: {error.strerror or error}. {after}.") from None

    # -- publishing ---------------------------------------------------------------------------------------------------

    def publish(self, result: Result, weights: bytes | None = None) -> bool:
        """Store a result; return False where an answer for this cell is there already, which stays as it is."""
        with self.writing():
            if result.status in ANSWERS:
                with self.files.lock(self.path / "cells") as locked:
                    published = self._publish_answer(result, weights, locked=locked)
                with contextlib.suppress(OSError):  # most have none; one that stays is removed by the next sweep
                    self.files.unlink(self.checkpoints / f"{result.cell.key}.pt")
                return published
            return self.results_shelf.publish_failure(result)

    def _publish_answer(self, result: Result, weights: bytes | None, *, locked: bool) -> bool:
        """Store weights, then the record that names them.

        Two writers of one cell may hold different weights (of two devices, say). Only the writer that holds the lock
        writes under the cell's own name. A writer without the lock, because one that was stopped holds it, names its
        weights by their content: whenever the stopped writer goes on, it overwrites no weights of another's record.
        """
        key = result.cell.key
        if not self.cells.make_room(key):
            return False
        plain = self._weights(key)
        if weights is not None:
            digest = hashlib.sha256(weights).hexdigest()
            self.files.put(plain if locked else self._weights(key, digest), weights)
        published = self.files.publish(self.cells.file(key), encode(result))
        if weights is not None and locked and not published:
            self.files.unlink(plain)  # another writer published first; its weights have a name of their own
        return published

    def publish_reading(self, reading: Reading) -> bool:
        """Store a reading; return False, and change nothing, where its question is answered already."""
        if reading.status in ANSWERED:
            return self.publish_kept("readings", reading)
        with self.writing():
            return self.readings.publish_failure(reading)

    def publish_kept(self, kind: str, record: Kept) -> bool:
        """Store a record of one of `KINDS`; return False, and change nothing, where its key is stored already."""
        with self.writing(), self.files.lock(self.path / kind):
            return self._kept[kind].publish(record.key, encode(record))

    def discard(self, key: str) -> None:
        """Remove the checkpoint of a cell that will not go on."""
        with contextlib.suppress(OSError):  # it may have none; one that stays costs nothing but room
            self.files.unlink(self.checkpoints / f"{key}.pt")

    def record_sweep(self, asked: Asked) -> None:
        """Store what was asked, before anything runs."""
        with self.writing():
            self.files.put(self._sweeps.file(asked.hash), seal(asked.written()))

    # -- reading ------------------------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Return whether an answer for this cell is stored."""
        return self.cells.has(key)

    def answer(self, key: str) -> Result | None:
        """Return the stored answer of this cell; None where there is none that is whole."""
        return self.cells.get(key)

    def answers(self) -> Iterator[Result]:
        """Yield all stored answers, by key. Records that are corrupt are skipped and listed in `corrupt`."""
        return iter(self.cells)

    def failures(self) -> dict[str, Result]:
        """Return the last failed attempt of every cell without an answer, by key."""
        return self.results_shelf.failures()

    def failed(self, key: str, attempt: int) -> bool:
        """Return whether this attempt at the cell is stored as failed."""
        return self.results_shelf.failed(key, attempt)

    def tried(self, key: str) -> int:
        """Return the number of this cell's last failed attempt; 0: none is stored."""
        return self.results_shelf.tried(key)

    def refresh(self) -> None:
        """Read the folders' names anew, so that what other hosts stored up to now is seen."""
        self.results_shelf.refresh()

    def attempts(self) -> Iterator[Result]:
        """Yield every stored failure, also of answered cells. Corrupt ones are skipped and listed in `corrupt`."""
        return iter(self._failures)

    def results(self) -> list[Result]:
        """Return the answers, then the last failure of every cell without one."""
        return list(self._results())

    def ordered(self) -> list[Result]:
        """Return `results` by task, model, length, seed and learning rate."""

        def place(result: Result) -> tuple[str, str, int, int, float]:
            cell = result.cell
            return cell.task, cell.model, cell.length, cell.seed, cell.recipe.learning_rate

        return sorted(self._results(), key=place)

    def _results(self) -> Iterator[Result]:
        failures = self.failures().values()
        # A cell whose corpus could not be had names no data; it is done once it was measured with any data.
        missed = any(failure.status == "unavailable" and failure.cell.data is None for failure in failures)
        done: set[Cell] = set()
        for answer in self.answers():
            if missed:
                done.add(without_data(answer.cell))
            yield answer
        yield from (failure for failure in failures if without_data(failure.cell) not in done)

    def instead(self, result: Result) -> list[Result]:
        """Return the answers to the cell of `result`, where `result` only says that its corpus could not be had."""
        if result.status != "unavailable" or result.cell.data is not None:
            return []
        return [answer for answer in self.answers() if without_data(answer.cell) == result.cell]

    def kept(self, kind: str) -> Iterator[Kept]:
        """Yield all records of one of `KINDS`, by key. Corrupt ones are skipped and listed in `corrupt`."""
        return iter(self._kept[kind])

    def holds(self, kind: str, key: str) -> bool:
        """Return whether a record of one of `KINDS` is stored."""
        return self._kept[kind].has(key)

    def held(self, kind: str, key: str) -> Kept | None:
        """Return the stored record of one of `KINDS`; None where there is none that is whole."""
        return self._kept[kind].get(key)

    def sweeps(self) -> list[Asked]:
        """Return everything that was asked of this store. Corrupt files are skipped and listed in `corrupt`, those of
        another version of the suite in `foreign`."""
        sweeps = []
        for name, written in self._sweeps:
            try:
                sweeps.append(Asked.read(written))
            except UnreadableError:
                path = self._sweeps.file(name)
                if path not in self.foreign:
                    self.foreign.append(path)
        return sweeps

    def weights(self, key: str) -> bytes:
        """Return the final weights of a stored answer (safetensors).

        Raises:
            StoreError: there is no answer, it has no weights, or they are not those of its record.
        """
        answer = self.answer(key)
        if answer is None or answer.weights_sha256 is None:
            raise StoreError(f"the store {self.path} holds no weights of cell {key}")
        held = self.held_weights(key, answer.weights_sha256)
        if held is None or hashlib.sha256(held).hexdigest() != answer.weights_sha256:
            path = self.weights_path(key, answer.weights_sha256)
            raise StoreError(
                f"{path} is not what its record says (expected sha256 {answer.weights_sha256}). "
                f"Remove {self.cells.file(key)} and run the sweep again to measure the cell anew."
            )
        return held

    def held_weights(self, key: str, sha256: str) -> bytes | None:
        """Return the bytes where the weights of this sha256 belong, whole or not; None where there is no file."""
        held = None
        for path in (self._weights(key, sha256), self._weights(key)):
            with contextlib.suppress(FileNotFoundError):
                held = read(self.files, path)
                if hashlib.sha256(held).hexdigest() == sha256:
                    return held
        return held

    def orphans(self) -> list[Path]:
        """Return weights without an answer: their writer died before the record. The cell's next run replaces them."""
        paths = sorted((self.path / "weights").glob("[!.]*"))
        return [path for path in paths if not self.has(path.stem.partition("-")[0])]

    def leftovers(self) -> list[Path]:
        """Return temporary files of dead writers, and checkpoints of and leases on cells that have their answer."""
        unfinished = [*self.checkpoints.glob("[!.]*.pt"), *(self.path / "leases").glob("[!.]*")]
        outdated = [path for path in sorted(unfinished) if self.has(path.stem)]
        folders = (*(self.path / folder for folder in (*FOLDERS, *KINDS, "running", "leases")), self.checkpoints)
        return [path for folder in folders for path in leftovers(folder)] + outdated

    @property
    def checkpoints(self) -> Path:
        """The folder of unfinished cells' checkpoints, absolute; it may not exist."""
        return self.path.resolve() / "checkpoints"

    def weights_path(self, key: str, sha256: str) -> Path:
        """Return where the weights of this sha256 are: by their content where such a file is, else by the key alone."""
        own = self._weights(key, sha256)
        return own if own.exists() else self._weights(key)

    def _weights(self, key: str, sha256: str | None = None) -> Path:
        """Return the path of a cell's weights: named by the key alone, or by the key and the content."""
        name = key if sha256 is None else f"{key}-{sha256[:12]}"
        return self.path / "weights" / f"{name}.safetensors"

    # -- tidying ------------------------------------------------------------------------------------------------------

    def set_aside(self) -> list[str]:
        """Check every record, move the corrupt ones to `corrupt/`, and return their names: their cells run again.
        Leftovers are removed."""
        records: list[Folder[Any]] = [self.cells, self._failures, self.readings.attempts, *self._kept.values()]
        for folder in records:
            for _ in folder:  # reading finds what is corrupt
                pass
        self.sweeps()
        by_path = {folder.path: folder for folder in (*records, self._sweeps)}
        with self.writing():
            moved = []
            with self.files.lock(self.path / "cells"):  # another runner may have moved a record, and stored it anew
                for path in self.corrupt:
                    folder = by_path[path.parent]
                    if folder.is_corrupt(path) and folder.move_aside(path):
                        moved.append(path.name)
            for path in self.leftovers():
                with contextlib.suppress(FileNotFoundError):
                    self.files.unlink(path)
        self.corrupt.clear()
        return moved

    def frame(self) -> pandas.DataFrame:
        """Return one pandas row per cell, answers and failures; columns as in docs/results-format.md."""
        import pandas

        rows = [row(result) for result in self.ordered()]
        if self.corrupt:
            names = foreign.line(", ".join(path.name for path in self.corrupt))
            warnings.warn(f"left out, because the record is corrupt: {names}", stacklevel=3)
        return pandas.DataFrame(rows, columns=list(COLUMNS))


def _answer(name: str, line: bytes) -> Result:
    result = decode(line)
    if result.status not in ANSWERS or result.cell.key != name:
        raise CorruptRecordError(f"cells/{name} holds another record")
    return result


def _failure(name: str, line: bytes) -> Result:
    result = decode(line)
    if result.status in ANSWERS or f"{result.cell.key}-{result.attempt}" != name:
        raise CorruptRecordError(f"failures/{name} holds another record")
    return result


def _reading(name: str, line: bytes) -> Reading:
    reading = decode_as(Reading, READING_SCHEMA, line)
    if reading.status not in ANSWERED or reading.key != name:
        raise CorruptRecordError(f"readings/{name} holds another record")
    return reading


def _unanswered(name: str, line: bytes) -> Reading:
    reading = decode_as(Reading, READING_SCHEMA, line)
    if reading.status in ANSWERED or f"{reading.key}-{reading.attempt}" != name:
        raise CorruptRecordError(f"unanswered/{name} holds another record")
    return reading
