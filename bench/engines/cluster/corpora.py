"""Corpora on the nodes of a cluster, which need not share a disk with the driver nor have a network.

The driver puts a corpus' bytes into Ray's object store, once; every cell that reads it goes out with the names and
sha256 of the files and a reference to the bytes. A node looks into its own cache first, by content, and takes the bytes
only where they are not there whole. No node asks the driver and waits, and nothing that came this way is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engines.base import EngineError
from bench.records.job import Job, Source
from bench.store.files import Files

Packed = tuple[str, dict[str, bytes]]


@dataclass(frozen=True)
class Corpora:
    """What a cluster must know of corpora. pack: (corpus, folder) of a `Source` -> the corpus by the name it has
    elsewhere, and its files by their names below a folder there; raises ValueError or OSError where there is none.
    cache: this machine's folder for such files; every node calls it for itself."""

    pack: Callable[[str, Path | None], Packed]
    cache: Callable[[], Path]


@dataclass(frozen=True)
class Parcel:
    """A corpus on its way. files: sha256 by name. content: Ray's reference to the bytes by name."""

    corpus: str
    files: dict[str, str]
    content: Any
    cache: Callable[[], Path]

    @property
    def folder(self) -> Path:
        """The folder of the corpus on the machine that asks: a folder for this content alone."""
        lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(self.files.items()))
        return self.cache() / "handed" / hashlib.sha256(lines.encode()).hexdigest()[:16]


class Sender:
    """The driver's end: one parcel per corpus. put: `ray.put`."""

    def __init__(self, corpora: Corpora, put: Callable[[Any], Any]) -> None:
        self._corpora, self._put = corpora, put
        self._parcels: dict[Source, Parcel | None] = {}

    def parcel(self, source: Source | None) -> Parcel | None:
        """Return what goes out with a cell that reads `source`; None where nothing does. Nothing goes out of a corpus
        that vanished since the sweep began, because its cells then fail with the reason."""
        if source is None:
            return None
        if source not in self._parcels:
            try:
                self._parcels[source] = self._packed(source)
            except (OSError, ValueError):
                self._parcels[source] = None
        return self._parcels[source]

    def _packed(self, source: Source) -> Parcel:
        corpus, content = self._corpora.pack(source.corpus, source.folder)
        files = {name: _digest(file) for name, file in content.items()}
        return Parcel(corpus, files, self._put(content) if content else None, self._corpora.cache)


class Receiver:
    """A node's end. get: `ray.get`."""

    def __init__(self, get: Callable[[Any], dict[str, bytes]], files: Files | None = None) -> None:
        self._get, self._files = get, files or Files()
        self._at_hand: set[Path] = set()

    def received(self, job: Job, parcel: Parcel | None) -> Job:
        """Return the job, with its corpus where that lies on this machine.

        Raises:
            EngineError: this machine cannot keep it, or what came is not what was sent.
        """
        if parcel is None:
            return job
        if not parcel.files:
            return job._replace(source=Source(parcel.corpus, None))
        folder = parcel.folder
        if folder not in self._at_hand and not self._whole(folder, parcel.files):
            try:
                self._keep(folder, parcel)
            except OSError as error:
                raise EngineError(
                    f"a node cannot keep the corpus of {job.cell.task} in {folder}: {error.strerror or error}. Make "
                    f"room there, or set XDG_CACHE_HOME to a folder that can be written, before `ray start`."
                ) from None
        self._at_hand.add(folder)
        here = parcel.corpus in parcel.files or "/" in parcel.corpus  # a file, or a folder; no known name has a slash
        corpus = str(folder / parcel.corpus) if here else parcel.corpus
        return job._replace(source=Source(corpus, folder))

    def _whole(self, folder: Path, files: dict[str, str]) -> bool:
        try:
            return all(_digest(self._files.read(folder / name)) == sha256 for name, sha256 in files.items())
        except OSError:
            return False

    def _keep(self, folder: Path, parcel: Parcel) -> None:
        content = self._get(parcel.content)
        for name, sha256 in parcel.files.items():
            if _digest(content[name]) != sha256:
                raise EngineError(f"a corpus was altered on its way: {name} is not of sha256 {sha256}. Run it again.")
            self._files.make_folder((folder / name).parent)
            self._files.put(folder / name, content[name])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
